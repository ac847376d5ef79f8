//! What is true, and how it answers the farm.

use super::faults::Faults;
use super::{Auditor, Clock, Rng, SimError, Trace, TraceSegment};
use crate::Farm;
use crate::event::{Action, Event, Fault, Outcome, StopReason};
use crate::hosts::HostSpec;
use crate::ids::{HostId, SegmentId, SlotId, TaskId};
use crate::job::Job;
use crate::time::{Span, Time};

/// What is true: the farm does not see it, only what follows from it.
#[derive(Clone, Debug)]
pub struct World {
    /// What each task costs on a host of speed 1, by [`TaskId`].
    pub costs: Vec<Span>,
    /// How fast each host is, by [`HostId`].
    pub speeds: Vec<f64>,
    /// How long a load takes on each host, by [`HostId`].
    pub loads: Vec<Span>,
    /// From a send to the start of the renderer or, where it is loaded, of the first task.
    pub start_delay: Span,
    /// What goes wrong.
    pub faults: Faults,
}

impl World {
    /// A world in which all that is expected is true: what `plan` shows.
    #[must_use]
    pub fn predicted(job: &Job, hosts: &[HostSpec]) -> World {
        World {
            costs: job.tasks().map(|task| job.cost(task)).collect(),
            speeds: hosts.iter().map(|host| host.speed.as_f64()).collect(),
            loads: hosts
                .iter()
                .map(|host| host.expected_load(job.costs().load))
                .collect(),
            start_delay: job.pace().start_delay,
            faults: Faults::default(),
        }
    }
}

/// What will happen.
#[derive(Clone, Debug)]
enum Happening {
    /// A message reaches the farm.
    Told(Event),
    /// The answer to a cut reaches the farm.
    Kept {
        segment: SegmentId,
        keep: u32,
        given_back: Vec<TaskId>,
    },
    /// What a slot does at present ends; void when the slot does something else by now.
    Step { slot: SlotId, doing: u64 },
    /// A cut reaches its slot.
    Cut {
        slot: SlotId,
        segment: SegmentId,
        keep: u32,
    },
    /// A stop reaches its slot.
    Stop {
        slot: SlotId,
        segment: SegmentId,
        reason: StopReason,
    },
    /// A host comes up; void when it is up already.
    HostUp(HostId),
    /// A host breaks down; void when it has come up anew since.
    HostDown { host: HostId, ups: u32 },
}

#[derive(Clone, Debug, Default)]
struct SimHost {
    up: bool,
    ups: u32,
    /// Messages of one host arrive in their order.
    last_message: Time,
}

#[derive(Clone, Debug, Default)]
struct SimSlot {
    warm: bool,
    run: Option<Run>,
    /// Counts what it does, so that what was planned for something else is void.
    doing: u64,
}

#[derive(Clone, Debug)]
struct Run {
    segment: SegmentId,
    tasks: Vec<TaskId>,
    /// How many of them are begun, and how many are wanted.
    begun: usize,
    wanted: usize,
    now: Doing,
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    Starting { load: Span },
    Rendering { fate: Fate, took: Span, ends: Time },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Succeeds,
    Fails(Fault),
    Dies,
    Hangs,
}

/// End of a segment that has none yet.
const OPEN: Time = Time::from_micros(u64::MAX);

/// Events that a task, slot or host may cause at most, before a run counts as endless.
const EVENTS_PER_THING: u64 = 5_000;

pub(super) struct Runner {
    world: World,
    farm: Farm,
    hosts: Vec<SimHost>,
    slots: Vec<SimSlot>,
    clock: Clock<Happening>,
    rng: Rng,
    now: Time,
    auditor: Option<Auditor>,
    actions: Vec<Action>,
    trace: Trace,
    busy: u32,
    used: Vec<bool>,
    /// Whether faults can happen at all; plans ask for no chance.
    faulty: bool,
}

impl Runner {
    pub fn new(world: World, farm: Farm, checked: bool) -> Runner {
        let job = farm.job();
        let auditor = checked.then(|| Auditor::new(job.task_count(), job.done()));
        let slots = farm.slots().count();
        Runner {
            hosts: vec![SimHost::default(); farm.hosts().count()],
            slots: vec![SimSlot::default(); slots],
            clock: Clock::new(),
            rng: Rng::new(world.faults.seed),
            now: Time::ZERO,
            auditor,
            actions: Vec::new(),
            trace: Trace {
                outcome: Outcome::Interrupted,
                segments: Vec::new(),
                makespan: Span::ZERO,
                loads: 0,
                load_time: Span::ZERO,
                render_time: Span::ZERO,
                busy_max: 0,
                busy_mean: 0.0,
                slots_used: 0,
                cuts: 0,
                committed: 0,
                given_up: 0,
                events: 0,
            },
            busy: 0,
            used: vec![false; slots],
            faulty: world.faults != Faults::default(),
            farm,
            world,
        }
    }

    pub fn run(mut self) -> Result<Trace, SimError> {
        self.open();
        let things = self.farm.job().task_count() as usize + self.slots.len() + self.hosts.len();
        let events_max = EVENTS_PER_THING * (things as u64 + 10);
        loop {
            self.act()?;
            if let Some(outcome) = self.farm.outcome() {
                return self.close(outcome);
            }
            if self.trace.events > events_max {
                return Err(SimError::Endless {
                    at: self.now,
                    events: self.trace.events,
                });
            }
            let alarm = self.farm.next_alarm();
            match (self.clock.next(), alarm) {
                (None, None) => return Err(SimError::Stuck { at: self.now }),
                (next, Some(alarm)) if next.is_none_or(|next| alarm < next) => {
                    self.now = self.now.max(alarm);
                    self.tell(Event::Tick);
                }
                _ => self.happen(),
            }
        }
    }

    /// Everything that happens at the next moment.
    fn happen(&mut self) {
        let Some((at, first)) = self.clock.pop() else {
            return;
        };
        self.now = at;
        self.take(first);
        while self.clock.next() == Some(at)
            && let Some((_, happening)) = self.clock.pop()
        {
            self.take(happening);
        }
    }

    fn open(&mut self) {
        let faults = self.world.faults;
        for index in 0..self.hosts.len() {
            let host = HostId::at(index);
            let late = self.delay();
            if self.rng.chance(faults.host_absent) {
                let lost = Event::HostLost {
                    host,
                    for_good: true,
                };
                self.clock
                    .push(Time::ZERO + late + late, Happening::Told(lost));
            } else {
                self.clock.push(Time::ZERO + late, Happening::HostUp(host));
            }
        }
        if faults.drain_after_s > 0.0 {
            let at = Time::from_secs_f64(faults.drain_after_s);
            self.clock.push(at, Happening::Told(Event::Drain));
        }
        if faults.cancel_after_s > 0.0 {
            let at = Time::from_secs_f64(faults.cancel_after_s);
            self.clock.push(at, Happening::Told(Event::Cancel));
        }
    }

    /// Hears out what is still on its way, when checked: nothing may follow from it any more.
    fn close(mut self, outcome: Outcome) -> Result<Trace, SimError> {
        let end = self.now;
        self.trace.outcome = outcome;
        let counts = self.farm.counts();
        self.trace.committed = counts.committed;
        self.trace.given_up = counts.given_up;
        if self.auditor.is_some() {
            let mut left = 1_000;
            while left > 0
                && let Some((at, happening)) = self.clock.pop()
            {
                left -= 1;
                self.now = at;
                self.take(happening);
                self.act()?;
            }
        }
        for segment in &mut self.trace.segments {
            if segment.end == OPEN {
                segment.end = end;
            }
        }
        let busy = self.trace.segments.iter().map(|segment| {
            let span = segment.end.since(segment.start);
            span.as_secs_f64()
        });
        let makespan = self.trace.makespan.as_secs_f64();
        self.trace.busy_mean = if makespan > 0.0 {
            busy.sum::<f64>() / makespan
        } else {
            0.0
        };
        self.trace.slots_used = self.used.iter().filter(|used| **used).count() as u32;
        Ok(self.trace)
    }

    /// A delay of a message, none where the world has none.
    fn delay(&mut self) -> Span {
        let most = self.world.faults.message_s_max;
        if most > 0.0 {
            Span::from_secs_f64(self.rng.between(0.0, most))
        } else {
            Span::ZERO
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.faulty && self.rng.chance(probability)
    }

    /// The farm hears something now.
    fn tell(&mut self, event: Event) {
        self.trace.events += 1;
        match event {
            Event::Committed { .. } => self.trace.makespan = self.now.since(Time::ZERO),
            Event::SegmentOver { segment } => self.end_trace(segment),
            Event::Rendered { segment, task, .. } => {
                if let Some(traced) = self.traced(segment) {
                    traced.tasks.push(task);
                }
            }
            Event::HostLost { host, .. } | Event::HostUp { host } => self.end_traces(host),
            Event::SlotCooled { .. }
            | Event::Loaded { .. }
            | Event::TaskBegun { .. }
            | Event::CommitFailed { .. }
            | Event::TaskFailed { .. }
            | Event::Kept { .. }
            | Event::Drain
            | Event::Cancel
            | Event::Tick => {}
        }
        if let Some(auditor) = &mut self.auditor {
            let lost = match event {
                Event::HostLost { host, .. } | Event::HostUp { host } => Some(host),
                _ => None,
            };
            let slots = lost.map(|host| self.farm.slots_of(host));
            auditor.told(&event, slots.into_iter().flatten());
        }
        self.farm.handle(self.now, &event);
    }

    fn traced(&mut self, segment: SegmentId) -> Option<&mut TraceSegment> {
        let segments = &mut self.trace.segments;
        let place = segments.binary_search_by_key(&segment, |traced| traced.segment);
        segments.get_mut(place.ok()?)
    }

    fn end_trace(&mut self, segment: SegmentId) {
        let now = self.now;
        if let Some(traced) = self.traced(segment)
            && traced.end == OPEN
        {
            traced.end = now;
            self.busy -= 1;
        }
    }

    fn end_traces(&mut self, host: HostId) {
        let slots: Vec<SlotId> = self.farm.slots_of(host).collect();
        let open = |traced: &&TraceSegment| traced.end == OPEN && slots.contains(&traced.slot);
        let ended: Vec<SegmentId> = self
            .trace
            .segments
            .iter()
            .filter(open)
            .map(|t| t.segment)
            .collect();
        for segment in ended {
            self.end_trace(segment);
        }
    }

    /// A host says something: at once, or after a while, but in its order.
    fn say(&mut self, host: HostId, event: Event) {
        let at = self.arrival(host);
        if at == self.now {
            self.tell(event);
        } else {
            self.clock.push(at, Happening::Told(event));
        }
    }

    fn arrival(&mut self, host: HostId) -> Time {
        let at = self.now + self.delay();
        let last = &mut self.hosts[host.index()].last_message;
        *last = at.max(*last);
        *last
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Told(event) => self.tell(event),
            Happening::Kept {
                segment,
                keep,
                given_back,
            } => {
                if let Some(auditor) = &mut self.auditor {
                    auditor.kept(segment, &given_back);
                }
                self.tell(Event::Kept { segment, keep });
            }
            Happening::Step { slot, doing } => {
                if self.slots[slot.index()].doing == doing {
                    self.step(slot);
                }
            }
            Happening::Cut {
                slot,
                segment,
                keep,
            } => self.cut(slot, segment, keep),
            Happening::Stop {
                slot,
                segment,
                reason,
            } => self.stop(slot, segment, reason),
            Happening::HostUp(host) => self.host_up(host),
            Happening::HostDown { host, ups } => {
                if self.hosts[host.index()].ups == ups {
                    self.host_down(host);
                }
            }
        }
    }

    /// Does what the farm wants, until it wants nothing more.
    fn act(&mut self) -> Result<(), SimError> {
        loop {
            let mut actions = std::mem::take(&mut self.actions);
            self.farm.drain_into(&mut actions);
            self.audit(&actions)?;
            let idle = actions.is_empty();
            for action in actions.drain(..) {
                self.perform(action);
            }
            self.actions = actions;
            if idle {
                return Ok(());
            }
        }
    }

    fn audit(&mut self, actions: &[Action]) -> Result<(), SimError> {
        let at = self.now;
        let Some(auditor) = &mut self.auditor else {
            return Ok(());
        };
        for action in actions {
            auditor
                .wanted(action)
                .map_err(|violation| SimError::Rule { at, violation })?;
        }
        auditor
            .check_leases()
            .map_err(|violation| SimError::Rule { at, violation })?;
        self.farm
            .check()
            .map_err(|broken| SimError::State { at, broken })
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Send {
                segment,
                slot,
                leases,
            } => {
                let tasks = leases.into_iter().map(|(task, _)| task).collect();
                self.start(segment, slot, tasks);
            }
            Action::Cut { segment, keep } => {
                self.trace.cuts += 1;
                if let Some(slot) = self.traced(segment).map(|traced| traced.slot) {
                    let at = self.now + self.delay();
                    let cut = Happening::Cut {
                        slot,
                        segment,
                        keep,
                    };
                    self.clock.push(at, cut);
                }
            }
            Action::Stop { segment, reason } => {
                if let Some(slot) = self.traced(segment).map(|traced| traced.slot) {
                    let at = self.now + self.delay();
                    let stop = Happening::Stop {
                        slot,
                        segment,
                        reason,
                    };
                    self.clock.push(at, stop);
                }
            }
            Action::Commit { segment, task } => self.commit(segment, task),
            Action::Discard { .. } | Action::GiveUp { .. } | Action::Finished { .. } => {}
        }
    }

    fn commit(&mut self, segment: SegmentId, task: TaskId) {
        let faults = self.world.faults;
        let disk_full = self.chance(faults.disk_full);
        let event = if disk_full || self.chance(faults.commit_fails) {
            Event::CommitFailed {
                segment,
                task,
                disk_full,
            }
        } else {
            Event::Committed { segment, task }
        };
        let at = self.now + self.delay();
        if at == self.now {
            self.tell(event);
        } else {
            self.clock.push(at, Happening::Told(event));
        }
    }

    fn start(&mut self, segment: SegmentId, slot: SlotId, tasks: Vec<TaskId>) {
        self.trace.segments.push(TraceSegment {
            segment,
            slot,
            tasks: Vec::new(),
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
    fn step(&mut self, slot: SlotId) {
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
            Fate::Succeeds if self.chance(self.world.faults.slow) => seconds *= 10.0,
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

    fn cut(&mut self, slot: SlotId, segment: SegmentId, keep: u32) {
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

    fn stop(&mut self, slot: SlotId, segment: SegmentId, reason: StopReason) {
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

    fn host_up(&mut self, host: HostId) {
        let state = &mut self.hosts[host.index()];
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

    fn host_down(&mut self, host: HostId) {
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
        let noticed = self.arrival(host);
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
