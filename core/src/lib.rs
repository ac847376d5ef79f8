//! The effects of framewright.
pub mod event;
pub mod request;

pub use framewright_kernel::frames;
