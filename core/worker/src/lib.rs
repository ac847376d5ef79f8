//! The worker at the far end of a link.
pub mod message;
