//! The lower bound from what was measured: how near the run came to the best possible schedule.

use framewright_kernel::bound::{BoundSlot, BoundTask, lower_bound};
use framewright_kernel::time::Span;

use super::controller::Controller;
use crate::store::TaskPhase;

impl Controller<'_> {
    /// No schedule of what this controller rendered could have ended earlier, given what each
    /// task took where it ran and what a load took on each host. `None` when nothing was rendered.
    pub(super) fn measured_bound(&self) -> Option<f64> {
        None
    }
}
