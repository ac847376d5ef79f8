//! How long a renderer may take.
//!
//! A task's limit is what the user said, or ten times its layer's running median (longer for
//! slower hosts and for tasks estimated above the mean), at least a minute; before
//! five tasks of the layer have ended there is none. A load, and any other silence between two
//! tasks, may take ten times the declared load, at least ten minutes.

use super::Farm;
use super::slots::Stage;
use crate::event::StopReason;
use crate::ids::{SlotId, TaskId};
use crate::time::{Span, Time};

/// A task may take this many times the median.
const MEDIANS: f64 = 10.0;
/// Shortest limit that is made up for a task.
const TASK_MIN: Span = Span::from_secs(60);
/// A load may take this many times what was declared.
const LOADS: u64 = 10;
/// Shortest limit that is made up for a load.
const LOAD_MIN: Span = Span::from_secs(600);

impl Farm {
    /// How long this task may take on this slot.
    fn task_limit(&self, task: TaskId, slot: SlotId) -> Option<Span> {
        if let Some(limit) = self.job.limits().task_limit {
            return Some(limit);
        }
        let layer = self.job.layer_of(task);
        let median = self.learned.median(layer.index())?;
        let speed = self.learned.speed(self.slots[slot.index()].host.index());
        let range = self.job.layer(layer).range();
        let mean = self.job.units(range.clone()) as f64 / range.len() as f64;
        let heavy = (self.units(task) as f64 / mean).max(1.0);
        let limit = Span::from_secs_f64(MEDIANS * median * heavy / speed.min(1.0));
        Some(limit.max(TASK_MIN))
    }

    pub(super) fn load_limit(&self) -> Span {
        let made_up = self.job.costs().load.times(LOADS).max(LOAD_MIN);
        self.job.limits().load_limit.unwrap_or(made_up)
    }

    /// When the segment on this slot has been at its present stage for too long.
    fn due(&self, slot: SlotId) -> Option<Time> {
        let segment = self.slots[slot.index()].segment()?;
        match segment.stage {
            Stage::Sent { .. } => Some(segment.sent + self.load_limit()),
            Stage::Between { since } => Some(since + self.load_limit()),
            Stage::Rendering { task, since } => {
                self.task_limit(task, slot).map(|limit| since + limit)
            }
        }
    }

    /// To be called whenever a segment's stage changes.
    pub(super) fn renew_deadline(&mut self, slot: SlotId) {
        let stopping = self.slots[slot.index()]
            .segment()
            .is_none_or(|segment| segment.stopping.is_some());
        let due = if stopping { None } else { self.due(slot) };
        // An entry that comes too soon does no harm, and renewing it with each task would.
        let listed = self.slots[slot.index()].segment().and_then(|s| s.deadline);
        if stopping || listed.is_none_or(|listed| due.is_some_and(|due| due < listed)) {
            self.set_deadline(slot, due);
        }
    }

    pub(super) fn set_deadline(&mut self, slot: SlotId, due: Option<Time>) {
        let Some(segment) = self.slots[slot.index()].segment_mut() else {
            return;
        };
        let before = std::mem::replace(&mut segment.deadline, due);
        if before == due {
            return;
        }
        if let Some(before) = before {
            self.deadlines.remove(&(before, slot));
        }
        if let Some(due) = due {
            self.deadlines.insert((due, slot));
        }
    }

    /// A layer's median has come to be known: what runs of it gets a limit.
    pub(super) fn renew_deadlines(&mut self) {
        for (_, slot) in self.live_segments() {
            self.renew_deadline(slot);
        }
    }

    /// Stops what is overdue.
    pub(super) fn expire(&mut self) {
        while let Some(&(time, slot)) = self.deadlines.first()
            && time <= self.now
        {
            // Limits move with what is learned; judge by today's.
            match self.due(slot) {
                Some(due) if due <= self.now => self.stop_overdue(slot),
                due => self.set_deadline(slot, due),
            }
        }
    }

    fn stop_overdue(&mut self, slot: SlotId) {
        let Some(segment) = self.slots[slot.index()].segment() else {
            return;
        };
        let reason = match segment.stage {
            Stage::Rendering { task, .. } => StopReason::TaskLimit { task },
            Stage::Sent { .. } | Stage::Between { .. } => StopReason::LoadLimit,
        };
        self.stop(slot, reason);
    }
}
