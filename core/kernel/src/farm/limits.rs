//! How long a renderer may take.
//!
//! A task's limit is what the user said, or ten times its layer's running median (longer for
//! slower hosts and for tasks estimated above the mean), and four times the longest that ended, at
//! least a minute; before five tasks of the layer have ended there is none. Whole frames are measured
//! by whole frames and tiles by tiles, where a layer has both. A made-up limit is
//! doubled with each failure of its task, so that a frame that really is so dear comes through. A load, and any other silence between two
//! tasks, may take ten times the declared load, at least ten minutes. While a host is silent none of
//! them runs.

use super::Farm;
use super::learn::Kind;
use super::slots::Stage;
use crate::event::StopReason;
use crate::ids::{SlotId, TaskId};
use crate::time::{Span, Time};

/// A task may take this many times the median.
const MEDIANS: f64 = 10.0;
/// And this many times what the longest took.
const LONGEST: f64 = 4.0;
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
        let kind = Kind::of(&self.job, task);
        let median = self.learned.median(layer.index(), kind)?;
        let speed = self.learned.speed(self.slots[slot.index()].host.index());
        let mean = self.layers[layer.index()].means[kind as usize];
        let heavy = (self.units(task) as f64 / mean).max(1.0);
        let longest = self.learned.longest(layer.index(), kind);
        let usual = (MEDIANS * median).max(LONGEST * longest) * heavy / speed.min(1.0);
        let limit = Span::from_secs_f64(usual).max(TASK_MIN);
        let failures = u32::from(self.rows[task.index()].failures).min(10);
        Some(limit.times(1 << failures))
    }

    pub(super) fn load_limit(&self) -> Span {
        let made_up = self.job.costs().load.times(LOADS).max(LOAD_MIN);
        self.job.limits().load_limit.unwrap_or(made_up)
    }

    /// When the segment on this slot has been at its present stage for too long. Of a silent host
    /// nobody can tell, and after a silence the time counts anew.
    pub(super) fn due(&self, slot: SlotId) -> Option<Time> {
        let segment = self.slots[slot.index()].segment()?;
        let (since, limit) = match segment.stage {
            Stage::Sent { .. } => (segment.sent, self.load_limit()),
            Stage::Between { since } => (since, self.load_limit()),
            Stage::Rendering { task, since } => (since, self.task_limit(task, slot)?),
        };
        Some(self.counts_from(slot, since)? + limit)
    }

    /// To be called whenever a segment's stage changes. An alarm that comes too soon does no harm,
    /// and to move it with each task would cost more than all the rest: it is only moved forward.
    pub(super) fn renew_deadline(&mut self, slot: SlotId) {
        let stopping = self.slots[slot.index()]
            .segment()
            .is_none_or(|segment| segment.stopping.is_some());
        if stopping {
            return;
        }
        let listed = self.slots[slot.index()].deadline;
        let Some(due) = self.due(slot) else {
            return;
        };
        if listed.is_some_and(|listed| listed <= due) {
            return;
        }
        if let Some(listed) = listed {
            self.deadlines.remove(&(listed, slot));
        }
        self.deadlines.insert((due, slot));
        self.slots[slot.index()].deadline = Some(due);
        self.first_deadline = self.deadlines.first().map(|(time, _)| *time);
    }

    /// A layer's median has come to be known: what runs of it gets a limit.
    pub(super) fn renew_deadlines(&mut self) {
        for (_, slot) in self.live_segments() {
            self.renew_deadline(slot);
        }
    }

    /// Stops what is overdue.
    pub(super) fn expire(&mut self) {
        if self.first_deadline.is_none_or(|first| first > self.now) {
            return;
        }
        while let Some(&(time, slot)) = self.deadlines.first()
            && time <= self.now
        {
            self.deadlines.pop_first();
            self.slots[slot.index()].deadline = None;
            // Limits move with what is learned, and the slot may be at something else by now.
            match self.due(slot) {
                Some(due) if due <= self.now => self.stop_overdue(slot),
                _ => self.renew_deadline(slot),
            }
        }
        self.first_deadline = self.deadlines.first().map(|(time, _)| *time);
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
