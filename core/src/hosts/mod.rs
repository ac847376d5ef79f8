//! Hosts apart from a job's own loop: looking them over, and ordering a running job to take them
//! or to let them go.
//!
//! Nothing here renders, and nothing stays on a host that a look at it brought there, but the
//! worker's own program.

pub mod check;
mod measure;
pub mod order;
mod problem;
mod talk;
mod write_test;
