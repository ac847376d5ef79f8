//! The same farm in virtual time: `plan`, `simulate`, and seeded worlds with faults.
//!
//! A [`World`] holds what is true (costs, speeds, loads) and what goes wrong; the [`Farm`] sees of
//! it only what a real farm would tell. [`simulate`] lets the two talk until the job is finished.
//! Same world, same farm, same trace, on any machine that adds and multiplies as IEEE 754 says.
//!
//! It is no second scheduler: every decision is the farm's. With [`simulate_checked`] an
//! [`Auditor`] watches every exchange, who knows the rules and not the farm's reasons.

mod audit;
mod clock;
mod faults;
mod patience;
mod rng;
mod runner;
mod shape;
mod trace;
mod world;

pub use audit::{Auditor, Violation};
pub use faults::Faults;
pub use patience::Neglect;
pub use rng::Rng;
pub use shape::{Shape, ShapeError, misjudged};
pub use trace::{Trace, TraceSegment};
pub use world::World;

use crate::Farm;
use crate::time::Time;
use runner::Runner;
use thiserror::Error;

/// Why a simulation came to no end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SimError {
    /// A rule was broken, by the farm.
    #[error("the farm broke a rule at {at}: {violation}")]
    Rule {
        /// When.
        at: Time,
        /// Which.
        violation: Violation,
    },
    /// Something was left undone.
    #[error("at {at}: {neglect}")]
    Neglect {
        /// When.
        at: Time,
        /// What.
        neglect: Neglect,
    },
    /// The farm's state is broken.
    #[error("at {at}: {broken}")]
    State {
        /// When.
        at: Time,
        /// How.
        broken: crate::farm::Broken,
    },
    /// Nothing is left that could happen, but the job is not finished.
    #[error("at {at} nothing is left that could happen, and the job is not finished")]
    Stuck {
        /// When.
        at: Time,
    },
    /// More happened than any job of this size can need.
    #[error("at {at} the job is not finished after {events} events")]
    Endless {
        /// When.
        at: Time,
        /// How many.
        events: u64,
    },
}

/// Lets a farm render a job in a world.
pub fn simulate(world: World, farm: Farm) -> Result<Trace, SimError> {
    Runner::new(world, farm, false).run()
}

/// As [`simulate`], checking all of the farm's state after each event, and that nothing is left
/// undone. Slow: for tests.
pub fn simulate_checked(world: World, farm: Farm) -> Result<Trace, SimError> {
    Runner::new(world, farm, true).run()
}
