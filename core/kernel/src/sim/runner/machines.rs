//! Hosts and slots as they really are: they load, render, fail, answer and break down.

use super::{Happening, OPEN, Runner};
use crate::event::{Event, Fault, StopReason};
use crate::ids::{HostId, SegmentId, SlotId, TaskId};
use crate::sim::TraceSegment;
use crate::time::{Span, Time};

/// How much longer a slow attempt takes where nobody says.
const SLOW_TIMES: f64 = 10.0;

#[derive(Clone, Debug, Default)]
pub(super) struct SimHost {
    pub up: bool,
    pub ups: u32,
    /// Messages of one host arrive in their order.
    pub last_message: Time,
    /// Nothing reaches it before.
    pub silent_until: Time,
    /// Counts its silences.
    pub silences: u32,
    /// Whether it is to leave, or has left.
    pub leaves: bool,
    pub left: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct SimSlot {
    pub warm: bool,
    pub run: Option<Run>,
    /// Counts what it does, so that what was planned for something else is void.
    pub doing: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    segment: SegmentId,
    tasks: Vec<TaskId>,
    /// How many of them are begun, and how many are wanted.
    begun: usize,
    wanted: usize,
    now: Doing,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Doing {
    Starting { load: Span },
    Rendering { fate: Fate, took: Span, ends: Time },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Succeeds,
    Fails(Fault),
    Dies,
    Hangs,
}
impl Runner {
    pub(super) fn start(&mut self, segment: SegmentId, slot: SlotId, tasks: Vec<TaskId>) {
        self.trace.segments.push(TraceSegment {
            segment,
            slot,
            tasks: Vec::with_capacity(tasks.len()),
            start: self.now,
            end: OPEN,
        });
        self.busy += 1;
        self.trace.busy_max = self.trace.busy_max.max(self.busy);
        self.used[slot.index()] = true;
        let host = self.farm.host_of(slot);
        if !self.hosts[host.index()].up {
            // It is broken already, and the farm will hear of that.
            return;
        }
        let state = &mut self.slots[slot.index()];
        let load = if state.warm {
            Span::ZERO
        } else {
            self.world.loads[host.index()]
        };
        state.run = Some(Run {
            segment,
            wanted: tasks.len(),
            tasks,
            begun: 0,
            now: Doing::Starting { load },
        });
        let ends = self.now + self.world.start_delay + load;
        self.plan(slot, ends);
    }

    /// What the slot does now ends then.
    fn plan(&mut self, slot: SlotId, ends: Time) {
        let state = &mut self.slots[slot.index()];
        state.doing += 1;
        let doing = state.doing;
        self.clock.push(ends, Happening::Step { slot, doing });
    }

    /// What the slot did has ended.
    pub(super) fn step(&mut self, slot: SlotId) {
        let host = self.farm.host_of(slot);
        let Some(run) = &self.slots[slot.index()].run else {
            return;
        };
        let segment = run.segment;
        match run.now {
            Doing::Starting { load } => {
                if !self.slots[slot.index()].warm {
                    self.trace.loads += 1;
                    self.trace.load_time += load;
                    self.slots[slot.index()].warm = true;
                    let took = load;
                    self.say(host, Event::Loaded { segment, took });
                }
                if self.chance(self.world.faults.no_licence) {
                    return self.refuse(slot);
                }
            }
            Doing::Rendering { fate, took, .. } => {
                let task = run.tasks[run.begun - 1];
                self.trace.render_time += took;
                match fate {
                    Fate::Succeeds => self.picture(host, segment, task, took),
                    Fate::Fails(fault) => self.say(
                        host,
                        Event::TaskFailed {
                            segment,
                            task,
                            fault,
                        },
                    ),
                    Fate::Dies => return self.end(slot, true),
                    Fate::Hangs => return,
                }
            }
        }
        self.next_task(slot);
    }

    fn picture(&mut self, host: HostId, segment: SegmentId, task: TaskId, took: Span) {
        let event = Event::Rendered {
            segment,
            task,
            took,
        };
        self.say(host, event);
        if self.chance(self.world.faults.doubled) {
            let late = self.now + took + self.delay();
            self.clock.push(late, Happening::Told(event));
        }
    }

    /// There is no licence: every task of the segment says so.
    fn refuse(&mut self, slot: SlotId) {
        let host = self.farm.host_of(slot);
        let Some(run) = &self.slots[slot.index()].run else {
            return;
        };
        let (segment, tasks) = (run.segment, run.tasks[..run.wanted].to_vec());
        for task in tasks {
            let fault = Fault::NoLicence;
            self.say(
                host,
                Event::TaskFailed {
                    segment,
                    task,
                    fault,
                },
            );
        }
        self.end(slot, true);
    }

    fn next_task(&mut self, slot: SlotId) {
        let host = self.farm.host_of(slot);
        let Some(run) = &mut self.slots[slot.index()].run else {
            return;
        };
        if run.begun >= run.wanted {
            return self.end(slot, !self.farm.job().is_kept());
        }
        let (segment, task) = (run.segment, run.tasks[run.begun]);
        run.begun += 1;
        let cost = self.world.costs[task.index()].as_secs_f64();
        let mut seconds = cost / self.world.speeds[host.index()];
        let fate = self.fate();
        match fate {
            Fate::Succeeds if self.chance(self.world.faults.slow) => {
                let times = self.world.faults.slow_times;
                seconds *= if times > 0.0 { times } else { SLOW_TIMES };
            }
            Fate::Fails(_) | Fate::Dies => seconds *= self.rng.unit(),
            Fate::Succeeds | Fate::Hangs => {}
        }
        let took = Span::from_secs_f64(seconds);
        let ends = self.now + took;
        if let Some(run) = &mut self.slots[slot.index()].run {
            run.now = Doing::Rendering { fate, took, ends };
        }
        self.say(host, Event::TaskBegun { segment, task });
        self.plan(slot, ends);
    }

    fn fate(&mut self) -> Fate {
        if !self.faulty {
            return Fate::Succeeds;
        }
        let faults = self.world.faults;
        let some = [
            Fault::MachineFault,
            Fault::AdapterFault,
            Fault::Verify,
            Fault::TimeLimit,
        ];
        if self.rng.chance(faults.fails) {
            Fate::Fails(some[self.rng.below(4) as usize])
        } else if self.rng.chance(faults.unrenderable) {
            Fate::Fails(Fault::Unrenderable)
        } else if self.rng.chance(faults.out_of_memory) {
            Fate::Fails(Fault::OutOfMemory)
        } else if self.rng.chance(faults.dies) {
            Fate::Dies
        } else if self.rng.chance(faults.hangs) {
            Fate::Hangs
        } else {
            Fate::Succeeds
        }
    }

    /// The segment on this slot is over.
    fn end(&mut self, slot: SlotId, cools: bool) {
        let host = self.farm.host_of(slot);
        let state = &mut self.slots[slot.index()];
        state.doing += 1;
        let Some(run) = state.run.take() else {
            return;
        };
        if cools {
            state.warm = false;
            self.say(host, Event::SlotCooled { slot });
        }
        let segment = run.segment;
        self.say(host, Event::SegmentOver { segment });
    }

    pub(super) fn cut(&mut self, slot: SlotId, segment: SegmentId, keep: u32) {
        let host = self.farm.host_of(slot);
        let run = self.slots[slot.index()].run.as_mut();
        let Some(run) = run.filter(|run| run.segment == segment) else {
            return;
        };
        let keep = run.begun.max(keep as usize).min(run.wanted);
        let given_back = run.tasks[keep..run.wanted].to_vec();
        run.wanted = keep;
        let keep = keep as u32;
        let at = self.arrival(host);
        let kept = Happening::Kept {
            segment,
            keep,
            given_back,
        };
        if at == self.now {
            self.take(kept);
        } else {
            self.clock.push(at, kept);
        }
    }

    pub(super) fn stop(&mut self, slot: SlotId, segment: SegmentId, reason: StopReason) {
        let host = self.farm.host_of(slot);
        let run = self.slots[slot.index()].run.as_ref();
        let Some(run) = run.filter(|run| run.segment == segment) else {
            return;
        };
        let current = run.begun.checked_sub(1).map(|place| run.tasks[place]);
        if let StopReason::TaskLimit { task } = reason
            && current == Some(task)
        {
            let fault = Fault::TimeLimit;
            self.say(
                host,
                Event::TaskFailed {
                    segment,
                    task,
                    fault,
                },
            );
        }
        self.end(slot, true);
    }

    pub(super) fn host_up(&mut self, host: HostId) {
        let state = &mut self.hosts[host.index()];
        if state.left {
            return;
        }
        state.up = true;
        state.ups += 1;
        let ups = state.ups;
        for slot in self.farm.slots_of(host) {
            let doing = self.slots[slot.index()].doing + 1;
            self.slots[slot.index()] = SimSlot {
                doing,
                ..SimSlot::default()
            };
        }
        self.tell(Event::HostUp { host });
        let losses = self.world.faults.host_losses_per_hour;
        if losses > 0.0 {
            let hours = -(1.0 - self.rng.unit()).ln() / losses;
            let at = self.now + Span::from_secs_f64(hours * 3600.0);
            self.clock.push(at, Happening::HostDown { host, ups });
        }
    }

    pub(super) fn host_down(&mut self, host: HostId) {
        self.hosts[host.index()].up = false;
        let slots: Vec<SlotId> = self.farm.slots_of(host).collect();
        for slot in slots {
            let run = self.slots[slot.index()].run.take();
            self.slots[slot.index()].doing += 1;
            if let Some(run) = run
                && self.chance(self.world.faults.host_goes_on)
            {
                self.go_on(&run);
            }
        }
        let for_good = self.chance(self.world.faults.host_gone);
        let noticed = self.arrival(host) + self.world.faults.host_notice;
        let lost = |for_good| Happening::Told(Event::HostLost { host, for_good });
        self.clock.push(noticed, lost(false));
        let back = noticed + self.world.faults.host_away;
        if for_good {
            self.clock.push(back, lost(true));
        } else {
            self.clock.push(back, Happening::HostUp(host));
        }
    }

    /// A host that was lost finishes its picture, and somebody hears of it late.
    fn go_on(&mut self, run: &Run) {
        let Doing::Rendering {
            fate: Fate::Succeeds,
            took,
            ends,
        } = run.now
        else {
            return;
        };
        let (segment, task) = (run.segment, run.tasks[run.begun - 1]);
        let late = ends + self.world.faults.host_away + self.delay();
        let event = Event::Rendered {
            segment,
            task,
            took,
        };
        self.clock.push(late, Happening::Told(event));
    }
}
