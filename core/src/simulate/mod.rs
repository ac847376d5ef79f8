//! Simulations: any job on any farm under any policy, in virtual time.
//!
//! A [`Simulation`] says what is true (costs, speeds, what breaks) and what the farm is told of it.
//! Every run is the kernel's own dispatcher in a seeded world ([`framewright_kernel::sim`]); there
//! is no estimate here that a render does not make. It starts no renderer and reads no file.
//!
//! Invariant: the same simulation gives the same answer, however many threads work at it.

mod case;
mod runs;
mod summary;

use framewright_kernel::frames::FrameSet;
use framewright_kernel::sim::{Shape, SimError};
use thiserror::Error;

pub use summary::Row;

use crate::policy::Policy;
use crate::request::{FarmLimits, HostEntry};
use crate::run::Prepared;
pub(crate) use case::{Case, Place};
pub(crate) use runs::run_all;

/// Most slots of a simulated farm.
pub const SLOTS_MAX: u32 = framewright_kernel::hosts::SLOTS_MAX;
/// Most tasks of a simulated job.
pub const TASKS_MAX: usize = framewright_kernel::job::TASKS_MAX;
/// Most seeds of one simulation.
pub const SEEDS_MAX: u32 = 100_000;

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Simulation<'a> {
    /// The job.
    pub job: SimulatedJob<'a>,
    /// The hosts.
    pub hosts: SimulatedHosts,
    /// What protects the file server.
    pub limits: FarmLimits,
    /// Seconds from a send to the start of the renderer.
    pub start_delay_s: f64,
    /// What the farm does not know.
    pub unknowns: Unknowns,
    /// Each of them gets the same worlds.
    pub policies: Vec<Policy>,
    /// The first seed.
    pub seed: u64,
    /// How many worlds; one is enough where nothing is left to chance.
    pub seeds: u32,
    /// How many threads may work at it.
    pub threads: usize,
}

/// A job to simulate.
#[derive(Clone, Debug)]
pub enum SimulatedJob<'a> {
    /// From numbers alone.
    Numbers(Numbers),
    /// What was found in a scene.
    Scene {
        /// The settled request; its hosts are not looked at.
        prepared: &'a Prepared,
        /// Whether the scene is loaded again for each segment though its renderer could keep it.
        reload: bool,
    },
}

/// A job in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// Its frames, one task each.
    pub frames: FrameSet,
    /// Mean seconds of a frame on a host of speed 1.
    pub frame_s: f64,
    /// Seconds of each render call on a host of speed 1, the same for all frames.
    pub call_s: f64,
    /// Seconds of a load, on whatever host: most of it is waiting for the file server.
    pub load_s: f64,
    /// Whether the scene is loaded again for each segment.
    pub reload: bool,
    /// Whether a segment of a renderer that does not stay loaded holds runs of frames only.
    pub runs_only: bool,
}

/// Hosts to simulate.
#[derive(Clone, Debug)]
pub enum SimulatedHosts {
    /// Those of a farm.
    Farm(Vec<HostEntry>),
    /// So many, whose speeds lie evenly on a logarithmic scale from the slowest to the fastest.
    /// They have every tag, and memory enough.
    Spread {
        /// How many.
        hosts: u32,
        /// Slots of each.
        slots: u32,
        /// Speed of the slowest and of the fastest.
        speeds: (f64, f64),
    },
}

/// What is true and not told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Unknowns {
    /// How costs differ from frame to frame.
    pub shape: Shape,
    /// The farm is told what each frame costs, with this deviation of the logarithm; absent = only
    /// what is known of all frames together.
    pub history_error: Option<f64>,
    /// The farm is told that every host has speed 1.
    pub speeds: bool,
    /// How often an hour each host is lost, for a quarter of one.
    pub host_losses_per_hour: f64,
    /// How many attempts take longer, and how many times as long.
    pub stragglers: (f64, f64),
    /// How many attempts fail on their way, for a reason that passes.
    pub flaky: f64,
}

impl Unknowns {
    /// Whether two seeds give different worlds.
    #[must_use]
    pub fn leave_anything_to_chance(&self) -> bool {
        let faults = [self.host_losses_per_hour, self.stragglers.0, self.flaky];
        self.shape.knows_chance()
            || self.history_error.is_some_and(|error| error > 0.0)
            || faults.iter().any(|rate| *rate > 0.0)
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Tasks of the job.
    pub tasks: u32,
    /// Hosts and slots of the farm.
    pub hosts: u32,
    /// Slots of the farm.
    pub slots: u32,
    /// One row a policy, in their order.
    pub results: Vec<Row>,
}

/// Why something cannot be simulated.
#[derive(Debug, Error)]
pub enum SimulateError {
    /// The job does not fit the kernel, or the farm.
    #[error("{0}")]
    Job(String),
    /// More tasks than the kernel can name.
    #[error("a simulated job has at most {TASKS_MAX} frames, not {count}")]
    TooManyTasks {
        /// How many.
        count: u64,
    },
    /// More slots than the kernel can name.
    #[error("a simulated farm has at most {SLOTS_MAX} slots, not {count}")]
    TooManySlots {
        /// How many.
        count: u64,
    },
    /// A speed that is none.
    #[error("{given} is no speed: it lies between 0.001 and 1000")]
    Speed {
        /// The number.
        given: f64,
    },
    /// No host may take it.
    #[error("no host of the farm has the memory and the tags that this job needs")]
    NoHost,
    /// The simulation found a fault of the kernel.
    #[error("the simulation of {policy} with seed {seed} failed: {error}")]
    Sim {
        /// Under which policy.
        policy: String,
        /// In which world.
        seed: u64,
        /// How.
        error: SimError,
    },
}

/// Simulates. `progress` is told how many runs of how many are over.
///
/// # Errors
/// Where job and farm do not fit each other or the kernel.
pub fn simulate(
    simulation: &Simulation<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Answer, SimulateError> {
    let case = Case::new(simulation)?;
    let seeds = if simulation.unknowns.leave_anything_to_chance() {
        simulation.seeds.max(1)
    } else {
        1
    };
    let worlds: Vec<u64> = (0..u64::from(seeds))
        .map(|index| simulation.seed.wrapping_add(index))
        .collect();
    let asked: Vec<(&Case, Policy, u64)> = simulation
        .policies
        .iter()
        .flat_map(|policy| worlds.iter().map(|seed| (&case, *policy, *seed)))
        .collect();
    let runs = run_all(&asked, simulation.threads, progress)?;
    let results = simulation
        .policies
        .iter()
        .zip(runs.chunks(worlds.len()))
        .map(|(policy, runs)| Row::of(*policy, case.slots(), runs))
        .collect();
    Ok(Answer {
        tasks: case.tasks(),
        hosts: case.hosts(),
        slots: case.slots(),
        results,
    })
}

#[cfg(test)]
mod tests;
