//! What came of a simulation.

use crate::event::Outcome;
use crate::ids::{SegmentId, SlotId, TaskId};
use crate::time::{Span, Time};

/// A segment as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSegment {
    /// Its number.
    pub segment: SegmentId,
    /// Where it ran.
    pub slot: SlotId,
    /// The tasks that were rendered there, in order.
    pub tasks: Vec<TaskId>,
    /// When it was sent.
    pub start: Time,
    /// When its slot was free again.
    pub end: Time,
}

/// Everything that is worth knowing of a simulated run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// How it ended.
    pub outcome: Outcome,
    /// Every segment, in the order of their numbers.
    pub segments: Vec<TraceSegment>,
    /// When the last task was in its place.
    pub makespan: Span,
    /// How often a scene was loaded.
    pub loads: u32,
    /// Time spent on it, summed over slots.
    pub load_time: Span,
    /// Time spent rendering, summed over slots.
    pub render_time: Span,
    /// Most slots that had a segment at once.
    pub busy_max: u32,
    /// Mean number of slots that had a segment, over the makespan.
    pub busy_mean: f64,
    /// How many slots ever had one.
    pub slots_used: u32,
    /// How many cuts were asked for.
    pub cuts: u32,
    /// How many late tasks were tried on a second slot.
    pub copies: u32,
    /// How often a slot was closed, a host that leaves excepted.
    pub closings: u32,
    /// How often a host fell silent.
    pub silences: u32,
    /// How many hosts joined.
    pub joins: u32,
    /// How many hosts left.
    pub leaves: u32,
    /// How many tasks were to be rendered once more after they had been committed.
    pub reopened: u32,
    /// Tasks in their place at the end.
    pub committed: u32,
    /// Tasks given up.
    pub given_up: u32,
    /// What the farm was told.
    pub events: u64,
}
