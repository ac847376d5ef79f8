//! What is heard of hosts and of running segments.

use super::learn::Kind;
use super::slots::{Cutting, Segment, Stage, Work};
use super::{Farm, Phase, Presence};
use crate::event::{Action, Fault, Outcome, SendReason, StopReason};
use crate::ids::{HostId, SegmentId, SlotId, TaskId};
use crate::time::Span;

impl Farm {
    pub(super) fn host_up(&mut self, host: HostId) {
        let Some(state) = self.hosts.get(host.index()) else {
            return;
        };
        if state.is_there() {
            // A new worker in the old one's place: what that had is gone.
            self.empty_host(host);
        }
        self.hosts[host.index()].presence = Presence::Up;
        self.solved.fill(None);
        for slot in self.hosts[host.index()].slots() {
            self.slots[slot.index()].work = Work::Idle;
            self.fall_idle(slot);
        }
        self.stirred = true;
    }

    pub(super) fn host_lost(&mut self, host: HostId, for_good: bool) {
        let Some(state) = self.hosts.get(host.index()) else {
            return;
        };
        if state.is_there() {
            self.empty_host(host);
        }
        self.solved.fill(None);
        let state = &mut self.hosts[host.index()];
        if for_good {
            state.presence = Presence::Gone;
            self.give_up_hopeless();
        } else if state.presence != Presence::Gone {
            state.presence = Presence::Lost;
        }
        self.stirred = true;
    }

    /// A slot has nothing to do any more; where it takes work, it is listed.
    pub(super) fn fall_idle(&mut self, slot: SlotId) {
        if self.takes(slot) {
            self.idle.insert(slot);
            self.fallen.push(slot);
        }
    }

    /// Everything that a host was given goes back. What it renders counts as an attempt that
    /// failed, the rest does not. To the host it is one failure, however much it had at hand.
    fn empty_host(&mut self, host: HostId) {
        let mut begun = None;
        for slot in self.hosts[host.index()].slots() {
            self.idle.remove(&slot);
            self.slots[slot.index()].warm = false;
            let segment = self.slots[slot.index()].segment();
            if let Some(segment) = segment.map(|segment| segment.id) {
                for task in self.end_segment(segment, slot) {
                    match self.rows[task.index()].phase {
                        Phase::Begun => {
                            begun.get_or_insert(task);
                            self.fail(task, Some(host), Fault::HostLost);
                        }
                        _ => self.enqueue(task),
                    }
                }
            }
            self.forsake_cut(slot);
            self.slots[slot.index()].work = Work::Away;
        }
        if let Some(task) = begun {
            self.blame_host(host, task);
        }
    }

    /// A thief that is gone no longer waits; the tail of its victim will be anybody's.
    pub(super) fn forsake_cut(&mut self, thief: SlotId) {
        let Work::Thief { victim } = self.slots[thief.index()].work else {
            return;
        };
        if let Some(slot) = self.live.get(victim)
            && let Some(segment) = self.slots[slot.index()].segment_mut()
            && let Some(cut) = &mut segment.cut
            && cut.thief == Some(thief)
        {
            cut.thief = None;
        }
    }

    pub(super) fn cooled(&mut self, slot: SlotId) {
        if let Some(slot) = self.slots.get_mut(slot.index()) {
            slot.warm = false;
            self.stirred = true;
        }
    }

    pub(super) fn loaded(&mut self, segment: SegmentId, took: Span) {
        let Some(slot) = self.live.get(segment) else {
            return;
        };
        self.learned
            .loaded(self.slots[slot.index()].host.index(), took);
        self.set_stage(slot, Stage::Between { since: self.now });
    }

    fn set_stage(&mut self, slot: SlotId, stage: Stage) {
        let state = &mut self.slots[slot.index()];
        state.warm = true;
        let Some(segment) = state.segment_mut() else {
            return;
        };
        let before = std::mem::replace(&mut segment.stage, stage);
        if let Stage::Sent { cold: true } = before {
            self.loading -= 1;
            self.stirred |= self.job.pace().loads_max.is_some();
        }
        self.renew_deadline(slot);
        self.touch_end(slot);
    }

    /// The slot that has a lease on this task by this very segment.
    fn lease(&self, segment: SegmentId, task: TaskId) -> Option<SlotId> {
        let slot = self.live.get(segment)?;
        let known = task.0 < self.job.task_count();
        (known && self.holds(slot, task)).then_some(slot)
    }

    pub(super) fn begun(&mut self, segment: SegmentId, task: TaskId) {
        let Some(slot) = self.lease(segment, task) else {
            return;
        };
        self.advance(slot, task);
        self.learn_start(slot);
        let row = &mut self.rows[task.index()];
        row.attempts = row.attempts.saturating_add(1);
        if row.phase == Phase::Leased {
            self.set_phase(task, Phase::Begun);
        }
        let since = self.now;
        self.set_stage(slot, Stage::Rendering { task, since });
    }

    /// A segment that found its renderer loaded tells how long a send takes.
    fn learn_start(&mut self, slot: SlotId) {
        let segment = self.slots[slot.index()].segment();
        if let Some(segment) = segment
            && segment.stage == (Stage::Sent { cold: false })
            && !self.was_silent(slot, segment.sent)
        {
            let took = self.now.since(segment.sent).as_secs_f64();
            self.learned.sent(took);
        }
    }

    /// Moves the border between begun and untouched behind this task. Tasks are begun in order,
    /// nearly always, so this costs the same however long the segment is.
    fn advance(&mut self, slot: SlotId, task: TaskId) {
        let Some(segment) = self.slots[slot.index()].segment_mut() else {
            return;
        };
        if matches!(segment.stage, Stage::Rendering { task: begun, .. } if begun == task) {
            // It is behind the border since it was begun.
            return;
        }
        let untouched = &segment.tasks[segment.next..];
        let Some(place) = untouched.iter().position(|other| *other == task) else {
            return;
        };
        for task in &untouched[..=place] {
            segment.units -= self.job.units(task.0..task.0 + 1);
        }
        segment.next += place + 1;
    }

    /// Takes a task out of its slot's hands.
    fn end_lease(&mut self, slot: SlotId, task: TaskId) {
        let stage = self.slots[slot.index()]
            .segment()
            .map(|segment| segment.stage);
        // What is known to be rendered is behind the border already; not to look for it among all
        // that is untouched keeps an event from costing more in a longer segment.
        if !matches!(stage, Some(Stage::Rendering { task: current, .. }) if current == task) {
            self.advance(slot, task);
        }
        self.release(slot, task);
        let mut stage = Stage::Between { since: self.now };
        if let Some(segment) = self.slots[slot.index()].segment_mut() {
            segment.open -= 1;
            segment.news = true;
            // A picture is read while the renderer is at its next task already: what ends then is
            // not what runs.
            if let Stage::Rendering { task: at, .. } = segment.stage
                && at != task
            {
                stage = segment.stage;
            }
        }
        self.set_stage(slot, stage);
    }

    pub(super) fn rendered(&mut self, segment: SegmentId, task: TaskId, took: Span) {
        if task.0 >= self.job.task_count() || segment >= self.next_segment {
            self.actions.push(Action::Discard { segment, task });
            return;
        }
        if let Some(slot) = self.lease(segment, task) {
            self.learn(slot, task, took);
            self.end_lease(slot, task);
        } else if self.is_outdated(segment, task) {
            self.actions.push(Action::Discard { segment, task });
            return;
        }
        match self.rows[task.index()].phase {
            Phase::Ready => {
                self.dequeue(task);
                self.win(segment, task);
            }
            Phase::Leased | Phase::Begun => self.win(segment, task),
            Phase::Blocked | Phase::Committing | Phase::Committed | Phase::GivenUp => {
                self.actions.push(Action::Discard { segment, task });
            }
        }
    }

    fn learn(&mut self, slot: SlotId, task: TaskId, took: Span) {
        let layer = self.job.layer_of(task).index();
        let host = self.slots[slot.index()].host;
        let cost = self.job.cost(task);
        let normal = took.as_secs_f64() * self.learned.speed(host.index());
        self.layers[layer]
            .curve
            .add(task, normal, cost.as_secs_f64());
        let kind = Kind::of(&self.job, task);
        self.learned.rendered(layer, host.index(), kind, cost, took);
        self.clear_host(host);
        let sent = self.slots[slot.index()]
            .segment()
            .map(|segment| segment.sent);
        if let Some(sent) = sent {
            self.licence_works(sent);
        }
        if let Some(segment) = self.slots[slot.index()].segment()
            && let Stage::Rendering { task: at, since } = segment.stage
            && at == task
            && segment.untouched() == 0
            && !self.was_silent(slot, since)
        {
            // Until its picture was read and all was told, nothing else could be sent.
            let whole = self.now.since(since).as_secs_f64();
            self.learned.told((whole - took.as_secs_f64()).max(0.0));
        }
        if self.learned.median_is_new(layer, kind) {
            self.renew_deadlines();
        }
    }

    fn win(&mut self, segment: SegmentId, task: TaskId) {
        self.set_phase(task, Phase::Committing);
        self.committing.begin(task, segment);
        self.actions.push(Action::Commit { segment, task });
    }

    pub(super) fn committed(&mut self, segment: SegmentId, task: TaskId) {
        if !self.committing.end(task, segment) {
            return;
        }
        self.settle_committed(task);
        if let Some(slot) = self.rows[task.index()].lease() {
            self.stop_if_lost(slot);
        }
    }

    /// Ends a renderer all of whose tasks have been won by others.
    pub(super) fn stop_if_lost(&mut self, slot: SlotId) {
        let Some(segment) = self.slots[slot.index()].segment() else {
            return;
        };
        let wanted = segment
            .tasks
            .iter()
            .any(|task| self.holds(slot, *task) && !self.rows[task.index()].is_final());
        if !wanted {
            self.stop(slot, StopReason::LostRace);
        }
    }

    pub(super) fn commit_failed(&mut self, segment: SegmentId, task: TaskId, disk_full: bool) {
        if !self.committing.end(task, segment) {
            return;
        }
        if disk_full {
            self.drain_job(Outcome::DiskFull);
        }
        if let Some(slot) = self.rows[task.index()].lease() {
            // Another attempt is under way; it goes on as if the lost one had never been.
            let phase = self.phase_at(slot, task);
            self.set_phase(task, phase);
        } else if disk_full {
            self.enqueue(task);
        } else {
            self.fail(task, None, Fault::Commit);
        }
        if !disk_full {
            // Every host that could take it may have gone since its picture came.
            self.give_up_hopeless();
        }
    }

    pub(super) fn task_failed(&mut self, segment: SegmentId, task: TaskId, fault: Fault) {
        let Some(slot) = self.lease(segment, task) else {
            return;
        };
        let row = self.rows[task.index()];
        self.end_lease(slot, task);
        if !row.is_out() {
            return;
        }
        let host = self.slots[slot.index()].host;
        let Some(running) = self.slots[slot.index()].segment_mut() else {
            return;
        };
        // Shortage of licences counts nothing, and a wrong scene is wrong for every task.
        let always = matches!(fault, Fault::NoLicence | Fault::Unrenderable);
        let blames = !always && (row.phase == Phase::Begun || !running.blamed);
        running.blamed |= blames;
        if always || blames {
            self.fail(task, Some(host), fault);
        } else if !self.is_held(task) {
            self.enqueue(task);
        }
    }

    pub(super) fn kept(&mut self, segment: SegmentId, keep: u32) {
        let Some(slot) = self.live.get(segment) else {
            return;
        };
        let Some(running) = self.slots[slot.index()].segment_mut() else {
            return;
        };
        let Some(cut) = running.cut.take() else {
            return;
        };
        if cut.answers > 1 {
            running.cut = Some(Cutting {
                answers: cut.answers - 1,
                ..cut
            });
        }
        let keep = running.next.max(keep as usize).min(running.tasks.len());
        let tail = running.tasks.split_off(keep);
        let tail: Vec<TaskId> = self.take_tail(slot, tail);
        let thief = cut.thief.filter(|thief| self.free_thief(*thief, segment));
        self.stirred = true;
        match thief {
            Some(thief) if !tail.is_empty() && self.may_send(thief) => {
                self.send(thief, tail, SendReason::Tail { victim: segment });
            }
            _ => {
                for task in tail {
                    self.enqueue(task);
                }
            }
        }
    }

    /// Of a tail that was cut off, what still wants rendering; none of it is leased any more.
    fn take_tail(&mut self, slot: SlotId, mut tail: Vec<TaskId>) -> Vec<TaskId> {
        for task in &tail {
            let units = self.units(*task);
            let leased = self.holds(slot, *task);
            if let Some(segment) = self.slots[slot.index()].segment_mut() {
                segment.units -= units;
                segment.open -= usize::from(leased);
            }
        }
        self.touch_end(slot);
        self.release_all(slot, &mut tail);
        tail
    }

    /// Ends a slot's hold of these tasks. Those stay in the list that nobody else has and that
    /// still want rendering.
    fn release_all(&mut self, slot: SlotId, tasks: &mut Vec<TaskId>) {
        tasks.retain(|task| self.holds(slot, *task));
        for task in &*tasks {
            self.release(slot, *task);
        }
        tasks.retain(|task| self.rows[task.index()].is_out() && !self.is_held(*task));
    }

    /// Ends a thief's wait; false where it did not wait for this.
    pub(super) fn free_thief(&mut self, thief: SlotId, segment: SegmentId) -> bool {
        let state = &mut self.slots[thief.index()];
        let waits = matches!(state.work, Work::Thief { victim } if victim == segment);
        if waits {
            state.work = Work::Idle;
            self.fall_idle(thief);
        }
        waits
    }

    pub(super) fn segment_over(&mut self, segment: SegmentId) {
        let Some(slot) = self.live.get(segment) else {
            return;
        };
        let Some(running) = self.slots[slot.index()].segment() else {
            return;
        };
        let barren = barren(running);
        let overdue = match running.stopping {
            Some(StopReason::TaskLimit { task }) => Some(task),
            _ => None,
        };
        let host = self.slots[slot.index()].host;
        let left = self.end_segment(segment, slot);
        for (index, task) in left.into_iter().enumerate() {
            if overdue == Some(task) {
                self.fail(task, Some(host), Fault::TimeLimit);
            } else if let Some(fault) = barren.filter(|_| index == 0) {
                self.fail(task, Some(host), fault);
            } else {
                self.enqueue(task);
            }
        }
        self.slots[slot.index()].work = Work::Idle;
        self.slots[slot.index()].warm &= self.job.is_kept();
        self.fall_idle(slot);
        self.stirred = true;
    }

    /// Takes a segment from its slot and ends its leases. Returns the tasks that still want
    /// rendering; they are in no queue, and their phase tells whether they were begun.
    fn end_segment(&mut self, id: SegmentId, slot: SlotId) -> Vec<TaskId> {
        self.live.remove(id);
        let work = std::mem::replace(&mut self.slots[slot.index()].work, Work::Away);
        let Work::Busy(segment) = work else {
            unreachable!("slot {slot} was asked for its segment before");
        };
        self.layers[segment.layer.index()].live -= 1;
        if let Stage::Sent { cold: true } = segment.stage {
            self.loading -= 1;
        }
        if let Some(thief) = segment.cut.and_then(|cut| cut.thief) {
            self.free_thief(thief, id);
        }
        let mut left = segment.tasks;
        self.touch_end(slot);
        self.release_all(slot, &mut left);
        left
    }
}

/// The failure that a segment is, as a whole, when nothing at all came of it and nobody wanted it
/// to end: it counts against its first task, or a renderer that dies before its first word would
/// be started for ever.
fn barren(segment: &Segment) -> Option<Fault> {
    if segment.news {
        return None;
    }
    match segment.stopping {
        None | Some(StopReason::TaskLimit { .. }) => Some(Fault::MachineFault),
        Some(StopReason::LoadLimit) => Some(Fault::TimeLimit),
        Some(
            StopReason::LostRace | StopReason::Drain | StopReason::Closed | StopReason::Cancel,
        ) => None,
    }
}
