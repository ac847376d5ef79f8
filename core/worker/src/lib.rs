//! The worker at the far end of a link.
pub mod codec;
mod identity;
pub mod message;

pub use identity::{PROTOCOL, build_id};
