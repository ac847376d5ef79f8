//! What is true.

use super::Faults;
use crate::hosts::HostSpec;
#[cfg(doc)]
use crate::ids::{HostId, TaskId};
use crate::job::Job;
use crate::time::Span;

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
