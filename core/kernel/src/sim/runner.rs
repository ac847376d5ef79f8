//! Lets a farm and a world talk, in virtual time, and notes what comes of it.

mod assembly;
mod machines;
#[cfg(test)]
mod tests;
mod unrest;

use std::collections::BTreeSet;

use super::clock::Clock;
use super::patience::Patience;
use super::{Auditor, Faults, Neglect, Rng, SimError, Trace, TraceSegment, World};
use crate::Farm;
use crate::event::{Action, Event, Outcome, SendReason, StopReason};
use crate::ids::{HostId, SegmentId, SlotId, TaskId};
use crate::time::{Span, Time};
use machines::{SimHost, SimSlot};

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
    /// A slot is closed until then.
    Close { slot: SlotId, until: Time },
    /// It is opened again; void when its host leaves.
    Open(SlotId),
    /// The connection to a host is lost for so long.
    Silence { host: HostId, lasts: Span },
    /// A silence ends otherwise than by the host being heard; void when it has ended already.
    Break { host: HostId, silence: u32 },
    /// A silent host is heard again; void when the silence ended otherwise.
    Heard { host: HostId, silence: u32 },
    /// A host like this one joins.
    Join(HostId),
    /// Pictures are put together, and this one is found bad, or the job has waited for it, or both.
    Assembled { task: TaskId, bad: bool, held: bool },
    /// A host is to leave, and does as soon as its slots have run empty.
    Leave(HostId),
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
    patience: Option<Patience>,
    actions: Vec<Action>,
    trace: Trace,
    busy: u32,
    used: Vec<bool>,
    /// Tasks that were found bad, or will be.
    reopened: BTreeSet<TaskId>,
    /// Pictures that are being put together.
    assembling: u32,
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
            patience: checked.then(|| {
                let message = Span::from_secs_f64(world.faults.message_s_max);
                Patience::new(&farm, message)
            }),
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
                copies: 0,
                closings: 0,
                silences: 0,
                joins: 0,
                leaves: 0,
                reopened: 0,
                committed: 0,
                given_up: 0,
                events: 0,
            },
            busy: 0,
            used: vec![false; slots],
            reopened: BTreeSet::new(),
            assembling: 0,
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
                if !self.may_go_on(outcome) {
                    return self.close(outcome);
                }
                self.happen();
                continue;
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
        self.plan_unrest();
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
            self.settle()?;
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

    /// Nothing may render any more, where nothing is on its way that could end it.
    fn settle(&self) -> Result<(), SimError> {
        let runs = |slot: &SlotId| self.slots[slot.index()].run.is_some();
        match self.farm.slots().find(runs) {
            Some(slot) if self.clock.next().is_none() => Err(SimError::Neglect {
                at: self.now,
                neglect: Neglect::LostSlot { slot },
            }),
            Some(_) | None => Ok(()),
        }
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
            Event::HostSilent { .. }
            | Event::HostHeard { .. }
            | Event::SlotClosed { .. }
            | Event::SlotOpened { .. }
            | Event::SlotCooled { .. }
            | Event::Loaded { .. }
            | Event::TaskBegun { .. }
            | Event::CommitFailed { .. }
            | Event::TaskFailed { .. }
            | Event::Kept { .. }
            | Event::Reopened { .. }
            | Event::AssemblyBegun
            | Event::AssemblyOver
            | Event::Drain
            | Event::Cancel
            | Event::Tick => {}
        }
        if let Some(auditor) = &mut self.auditor {
            let host = match event {
                Event::HostLost { host, .. }
                | Event::HostUp { host }
                | Event::HostSilent { host }
                | Event::HostHeard { host } => Some(host),
                _ => None,
            };
            let slots = host.map(|host| self.farm.slots_of(host));
            auditor.told(&event, slots.into_iter().flatten());
        }
        self.farm.handle(self.now, &event);
        if let Event::Committed { task, .. } = event {
            self.put_together(task);
        }
    }

    fn traced(&mut self, segment: SegmentId) -> Option<&mut TraceSegment> {
        let segments = &mut self.trace.segments;
        // Numbers follow one another, unless an order was void before it left.
        let guess = segment.0.checked_sub(segments.first()?.segment.0)? as usize;
        if segments
            .get(guess)
            .is_some_and(|traced| traced.segment == segment)
        {
            return segments.get_mut(guess);
        }
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
            Happening::Close { slot, until } => self.close_slot(slot, until),
            Happening::Open(slot) => self.open_slot(slot),
            Happening::Silence { host, lasts } => self.silence(host, lasts),
            Happening::Break { host, silence } => self.break_silence(host, silence),
            Happening::Heard { host, silence } => self.heard(host, silence),
            Happening::Assembled { task, bad, held } => self.assembled(task, bad, held),
            Happening::Join(like) => self.join(like),
            Happening::Leave(host) => self.leave(host),
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
                return self.watch();
            }
        }
    }

    fn watch(&mut self) -> Result<(), SimError> {
        let at = self.now;
        let watched = self
            .patience
            .as_mut()
            .map(|patience| patience.watch(&self.farm));
        watched
            .unwrap_or(Ok(()))
            .map_err(|neglect| SimError::Neglect { at, neglect })
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
                reason,
            } => {
                let copy = matches!(reason, SendReason::Copy { .. });
                self.trace.copies += u32::from(copy);
                let tasks = leases.into_iter().map(|(task, _)| task).collect();
                self.start(segment, slot, tasks);
            }
            Action::Cut { segment, keep } => {
                self.trace.cuts += 1;
                if let Some(slot) = self.traced(segment).map(|traced| traced.slot) {
                    let at = self.departure(slot);
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
                    let at = self.departure(slot);
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
}
