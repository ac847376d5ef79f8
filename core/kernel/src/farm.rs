//! The farm: one deterministic function of its events.
//!
//! [`Farm::handle`] takes what happened, [`Farm::drain`] gives what to do about it, and
//! [`Farm::next_alarm`] says when a [`Event::Tick`] is due if nothing else happens before. Decisions
//! are made in `drain`: several events at one moment (all hosts coming up, say) are best handled
//! together and drained once, so that shares are reckoned for all of them.
//!
//! It refuses to know names, files, clocks or chance.
//!
//! # The fence
//! A segment's number is used once, ever. An event that names a segment which has no lease on the
//! task (its host was lost, its tail was cut away, it is over, it never was) changes nothing, with
//! one exception: a picture of a task that has none yet is as good as any and wins, whoever made
//! it. Every other picture is answered by [`Action::Discard`]. A second [`Action::Commit`] of a task
//! comes only after [`Event::CommitFailed`] of the first.
//!
//! # Invariants
//! Checked whole by [`Farm::check`]: a task is in exactly one phase and one place; it is leased to
//! at most one slot; a slot has at most one segment; sums equal what they sum up; a job that has
//! work and a slot which may take it is never still.

mod beyond;
mod blame;
mod carve;
mod check;
mod class;
mod closed;
mod committing;
mod copy;
mod curve;
mod cut;
mod dispatch;
mod ends;
mod explain;
mod join;
mod layers;
mod learn;
mod leases;
mod limits;
mod live;
mod progress;
mod queue;
mod ready;
mod reopen;
mod sample;
mod share;
mod silence;
mod sizes;
mod slots;
mod stream;
mod tasks;
mod view;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

pub use check::Broken;
pub use explain::{
    Cost, CostBasis, Elsewhere, Explanation, Hold, HostReason, Lease, NEEDS_MAX, Needs, Sent,
    Standing,
};
pub use slots::Presence;
pub use tasks::Phase;
pub use view::{Counts, HostView, SlotView, TaskView};

use crate::event::{Action, Event, GiveUpReason, Outcome, StopReason};
use crate::hosts::{HostSpec, SLOTS_MAX};
use crate::ids::{HostId, LayerId, SegmentId, SlotId, TaskId};
use crate::job::Job;
use crate::policy::Policy;
use crate::time::Time;
use blame::{Licence, Trouble};
use class::Class;
use committing::Committing;
use curve::Curve;
use dispatch::Solved;
use ends::Ends;
use learn::Learned;
use live::Live;
use queue::Queue;
use slots::{Host, Slot, Work};
use tasks::{PHASES, Row};

/// A job on its hosts.
#[derive(Clone, Debug)]
pub struct Farm {
    job: Job,
    rows: Vec<Row>,
    layers: Vec<LayerState>,
    hosts: Vec<Host>,
    slots: Vec<Slot>,
    classes: Vec<Class>,
    /// The last share of each class, while it holds.
    solved: Vec<Option<Solved>>,
    learned: Learned,

    /// First, middle and last task of layers whose costs nobody knows: they go first.
    scouts: Vec<TaskId>,

    /// How many tasks are in each phase.
    counts: [u32; PHASES],
    /// Where each segment runs that is not over.
    live: Live,
    /// Open slots with nothing to do whose host is up.
    idle: BTreeSet<SlotId>,
    /// Those of them that were not since the last round.
    fallen: Vec<SlotId>,
    /// Whose picture is on its way to its final place.
    committing: Committing,
    /// The second slot of tasks that two slots have.
    copies: BTreeMap<TaskId, SlotId>,
    /// Tasks that were copied once.
    copied: BTreeSet<TaskId>,
    /// Running segments by their predicted ends, once that is needed.
    ends: Option<Ends>,
    /// Where tasks failed that are not final yet.
    trouble: BTreeMap<TaskId, Trouble>,
    /// Tasks that are to be rendered once more, and were not committed since; what segments from
    /// there on make of them counts.
    reopened: BTreeMap<TaskId, SegmentId>,
    /// How many frames are being put together.
    assembling: u32,
    /// Why tasks were given up.
    lost: BTreeMap<TaskId, GiveUpReason>,
    /// When to look whether a running segment has been silent for too long.
    deadlines: BTreeSet<(Time, SlotId)>,
    /// The first of them; asked for with every event.
    first_deadline: Option<Time>,
    /// Until when hosts rest, and were to rest.
    resting: BTreeSet<(Time, HostId)>,
    /// Segments sent to cold slots that have not loaded yet.
    loading: u32,

    now: Time,
    next_segment: SegmentId,
    /// Whether a host ever fell silent: in most jobs none does, and every event would look.
    knows_silence: bool,
    /// No send before this.
    send_after: Time,
    licence: Licence,
    mode: Mode,
    /// Whether something changed that may let a task be sent.
    stirred: bool,
    /// When slots that are idle now may get something though nothing happens.
    wake: Option<Time>,
    /// When it makes sense again to look for a segment to cut on a large farm.
    look_after: Time,
    /// When it makes sense again to weigh all slots of a large farm against those that declined.
    close_look_after: Time,
    actions: Vec<Action>,
}

#[derive(Clone, Debug)]
struct LayerState {
    queue: Queue,
    /// What ended of it, along its tasks.
    curve: Curve,
    /// Tasks that were picked before there was a curve.
    picks: u32,
    /// Mean estimate of its tasks, by [`Kind`](learn::Kind).
    means: [f64; 2],
    class: usize,
    undivided: bool,
    /// Tasks not committed.
    left: u32,
    /// Tasks waiting for others.
    blocked: u32,
    /// Segments of it that are not over.
    live: u32,
    /// Whether what stands on all of it was given up.
    doomed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Tasks are sent.
    Running,
    /// What runs is finished, nothing is sent.
    Draining { outcome: Outcome },
    /// Everything is being stopped.
    Cancelling,
    /// Nothing happens any more.
    Finished { outcome: Outcome },
}

impl Farm {
    /// A farm whose hosts have not answered yet.
    ///
    /// # Panics
    /// When there are more than [`SLOTS_MAX`] slots.
    #[must_use]
    pub fn new(mut job: Job, hosts: Vec<HostSpec>) -> Farm {
        if job.policy() == Policy::Auto {
            job.correct_costs();
        }
        let slot_count: u64 = hosts.iter().map(|host| u64::from(host.slots)).sum();
        assert!(
            slot_count <= u64::from(SLOTS_MAX),
            "too many slots: {slot_count}"
        );
        let load = job.costs().load;
        let learned = Learned::new(
            job.layers().len(),
            job.pace().start_delay,
            hosts
                .iter()
                .map(|host| (host.speed, host.expected_load(load))),
        );
        let (classes, class_of) = class::classes(&job, &hosts);
        let mut farm = Farm {
            rows: vec![Row::NEW; job.task_count() as usize],
            layers: layers::layer_states(&job, &class_of),
            slots: Vec::with_capacity(slot_count as usize),
            hosts: Vec::with_capacity(hosts.len()),
            solved: vec![None; classes.len()],
            classes,
            learned,
            scouts: layers::scouts(&job),
            counts: [0; PHASES],
            live: Live::new(),
            idle: BTreeSet::new(),
            fallen: Vec::new(),
            committing: Committing::default(),
            copies: BTreeMap::new(),
            copied: BTreeSet::new(),
            ends: None,
            trouble: BTreeMap::new(),
            reopened: BTreeMap::new(),
            assembling: 0,
            lost: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            first_deadline: None,
            resting: BTreeSet::new(),
            loading: 0,
            now: Time::ZERO,
            next_segment: job.first_segment(),
            knows_silence: false,
            send_after: Time::ZERO,
            licence: Licence::default(),
            mode: Mode::Running,
            stirred: true,
            wake: None,
            look_after: Time::ZERO,
            close_look_after: Time::ZERO,
            actions: Vec::new(),
            job,
        };
        for spec in hosts {
            farm.add_host(spec);
        }
        farm.take_up();
        farm.give_up_hopeless();
        farm
    }

    fn add_host(&mut self, spec: HostSpec) {
        let host = HostId::at(self.hosts.len());
        let first_slot = self.slots.len() as u32;
        self.slots.extend((0..spec.slots).map(|_| Slot {
            host,
            closed: false,
            warm: false,
            work: Work::Away,
            deadline: None,
        }));
        self.hosts.push(Host {
            spec,
            first_slot,
            presence: Presence::Expected,
            open: spec.slots,
            silence_turned: Time::ZERO,
            streak: 0,
            last_failed: None,
            rest_until: None,
            rests: 0,
        });
    }

    /// Brings the state to where earlier runs of the job left it.
    fn take_up(&mut self) {
        for &(task, attempts) in self.job.attempts() {
            self.rows[task.index()].attempts = attempts.0;
        }
        self.counts[Phase::Blocked as usize] = self.job.task_count();
        for index in 0..self.job.done().len() {
            let task = self.job.done()[index];
            self.set_phase(task, Phase::Committed);
            self.layers[self.job.layer_of(task).index()].left -= 1;
        }
        for task in self.job.tasks() {
            if self.rows[task.index()].phase == Phase::Blocked && self.needs_met(task) {
                self.enqueue(task);
            }
        }
    }

    /// Takes what happened. Time never goes back: an earlier `now` counts as the latest one.
    pub fn handle(&mut self, now: Time, event: &Event) {
        self.now = self.now.max(now);
        if self.is_over() && !self.hears_after_the_end(event) {
            if let Event::Rendered { segment, task, .. } = *event {
                self.actions.push(Action::Discard { segment, task });
            }
            return;
        }
        match *event {
            Event::HostUp { host } => self.host_up(host),
            Event::HostLost { host, for_good } => self.host_lost(host, for_good),
            Event::HostSilent { host } => self.host_silent(host),
            Event::HostHeard { host } => self.host_heard(host),
            Event::SlotClosed { slot } => self.close_slot(slot),
            Event::SlotOpened { slot } => self.open_slot(slot),
            Event::SlotCooled { slot } => self.cooled(slot),
            Event::Loaded { segment, took } => self.loaded(segment, took),
            Event::TaskBegun { segment, task } => self.begun(segment, task),
            Event::Rendered {
                segment,
                task,
                took,
            } => self.rendered(segment, task, took),
            Event::Committed { segment, task } => self.committed(segment, task),
            Event::CommitFailed {
                segment,
                task,
                disk_full,
            } => self.commit_failed(segment, task, disk_full),
            Event::Reopened { task } => self.reopen(task),
            Event::AssemblyBegun => self.assemble(true),
            Event::AssemblyOver => self.assemble(false),
            Event::TaskFailed {
                segment,
                task,
                fault,
            } => self.task_failed(segment, task, fault),
            Event::Kept { segment, keep } => self.kept(segment, keep),
            Event::SegmentOver { segment } => self.segment_over(segment),
            Event::Drain => self.drain_job(Outcome::Interrupted),
            Event::Cancel => self.cancel(),
            Event::Tick => {}
        }
        if self.is_over() {
            self.hush();
        } else {
            self.expire();
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.mode, Mode::Finished { .. })
    }

    /// What to do, in this order. Empty until something is handled again.
    pub fn drain(&mut self) -> Vec<Action> {
        self.decide();
        std::mem::take(&mut self.actions)
    }

    /// As [`Farm::drain`], into a list that can be used again; what was in it stays.
    pub fn drain_into(&mut self, actions: &mut Vec<Action>) {
        self.decide();
        actions.append(&mut self.actions);
    }

    fn decide(&mut self) {
        if self.mode == Mode::Running && self.is_stirred() {
            self.stirred = false;
            self.dispatch();
            self.wake = self.next_chance();
        }
        self.fallen.clear();
        self.forget_the_dead();
        self.finish();
    }

    /// Of several events handled before one drain, a later one may have ended a segment that an
    /// earlier one wanted something of.
    fn forget_the_dead(&mut self) {
        let live = &self.live;
        self.actions.retain(|action| match action {
            Action::Send { segment, .. }
            | Action::Cut { segment, .. }
            | Action::Stop { segment, .. } => live.get(*segment).is_some(),
            Action::Commit { .. }
            | Action::Discard { .. }
            | Action::GiveUp { .. }
            | Action::Finished { .. } => true,
        });
    }

    fn is_stirred(&self) -> bool {
        self.stirred || self.wake.is_some_and(|wake| wake <= self.now)
    }

    /// When [`Event::Tick`] is due, unless something else is handled and drained before. May lie
    /// in the past, which means at once.
    #[must_use]
    pub fn next_alarm(&self) -> Option<Time> {
        if self.is_over() {
            return None;
        }
        let deadline = self.first_deadline;
        let wake = self.wake.filter(|_| self.mode == Mode::Running);
        [deadline, wake].into_iter().flatten().min()
    }

    fn drain_job(&mut self, outcome: Outcome) {
        if self.mode != Mode::Running {
            return;
        }
        self.mode = Mode::Draining { outcome };
        for (segment, slot) in self.live_segments() {
            self.let_end(segment, slot);
        }
    }

    /// Cuts a segment to what it has begun, or stops it where it has begun nothing.
    fn let_end(&mut self, segment: SegmentId, slot: SlotId) {
        let Some(running) = self.slots[slot.index()].segment_mut() else {
            return;
        };
        if running.next == 0 {
            self.stop(slot, StopReason::Drain);
        } else {
            self.cut_short(segment, slot);
        }
    }

    /// Cuts a segment to what it has begun, for nobody in particular.
    fn cut_short(&mut self, segment: SegmentId, slot: SlotId) {
        let Some(running) = self.slots[slot.index()].segment_mut() else {
            return;
        };
        if running.untouched() == 0 || running.stopping.is_some() {
            return;
        }
        // A cut that was asked for before would have left more.
        let keep = running.next as u32;
        let answers = running.cut.map_or(0, |cut| cut.answers) + 1;
        let thief = None;
        let before = running.cut.replace(slots::Cutting { thief, answers });
        if let Some(thief) = before.and_then(|cut| cut.thief) {
            self.free_thief(thief, segment);
        }
        self.actions.push(Action::Cut { segment, keep });
        self.touch_end(slot);
    }

    fn cancel(&mut self) {
        self.mode = Mode::Cancelling;
        for (_, slot) in self.live_segments() {
            self.stop(slot, StopReason::Cancel);
        }
    }

    fn live_segments(&self) -> Vec<(SegmentId, SlotId)> {
        self.live.iter().collect()
    }

    /// Asks once for a segment's renderer to be ended.
    fn stop(&mut self, slot: SlotId, reason: StopReason) {
        let Some(segment) = self.slots[slot.index()].segment_mut() else {
            return;
        };
        if segment.stopping.is_some() {
            return;
        }
        segment.stopping = Some(reason);
        let segment = segment.id;
        self.touch_end(slot);
        self.actions.push(Action::Stop { segment, reason });
    }

    fn finish(&mut self) {
        let all_final = self.is_through();
        let outcome = match self.mode {
            Mode::Finished { .. } => return,
            Mode::Running | Mode::Draining { .. } if self.assembling > 0 => return,
            _ if all_final && self.count(Phase::GivenUp) == 0 => Outcome::Done,
            _ if all_final => Outcome::Failed,
            Mode::Running => return,
            _ if !self.live.is_empty() || !self.committing.is_empty() => return,
            Mode::Draining { outcome } => outcome,
            Mode::Cancelling => Outcome::Cancelled,
        };
        for (_, slot) in self.live_segments() {
            let segment = self.slots[slot.index()].segment();
            // One whose every task came through is about to end by itself.
            if segment.is_some_and(|segment| segment.open > 0) {
                self.stop(slot, StopReason::LostRace);
            }
        }
        self.mode = Mode::Finished { outcome };
        self.actions.push(Action::Finished { outcome });
    }

    fn count(&self, phase: Phase) -> u32 {
        self.counts[phase as usize]
    }

    fn set_phase(&mut self, task: TaskId, phase: Phase) {
        let layer = self.job.layer_of(task).index();
        let row = &mut self.rows[task.index()];
        self.counts[row.phase as usize] -= 1;
        self.counts[phase as usize] += 1;
        let blocked = &mut self.layers[layer].blocked;
        *blocked += u32::from(phase == Phase::Blocked);
        *blocked -= u32::from(row.phase == Phase::Blocked);
        row.phase = phase;
    }

    fn units(&self, task: TaskId) -> u64 {
        self.job.units(task.0..task.0 + 1)
    }

    /// Puts a task where it waits for a slot.
    fn enqueue(&mut self, task: TaskId) {
        if self.stands_back(task) {
            return;
        }
        self.set_phase(task, Phase::Ready);
        let units = self.units(task);
        let layer = &mut self.layers[self.job.layer_of(task).index()];
        layer.queue.units += units;
        if layer.undivided {
            layer.queue.bulk.insert(task);
        } else if self.trouble.contains_key(&task) {
            layer.queue.retry.insert(task);
        } else if self.job.priority().binary_search(&task).is_ok()
            || self.scouts.binary_search(&task).is_ok()
        {
            layer.queue.urgent.insert(task);
        } else if let Some(last) = layer.queue.last.as_mut().filter(|_| self.job.is_last(task)) {
            last.insert(task);
            layer.queue.last_units += units;
        } else {
            layer.queue.bulk.insert(task);
            layer.curve.look_again();
        }
        self.stirred = true;
    }

    fn dequeue(&mut self, task: TaskId) {
        let units = self.units(task);
        let layer = &mut self.layers[self.job.layer_of(task).index()];
        let found = layer.queue.remove(task, units);
        debug_assert!(found, "task {task} does not wait");
    }
}

/// The layer at a place in the job's list.
fn layer_at(index: usize) -> LayerId {
    LayerId::at(index)
}
