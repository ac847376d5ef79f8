//! The farm as a deterministic function of its events.
pub mod frames;
pub mod ids;
pub mod time;
