//! The effects of framewright.
pub mod event;
pub mod request;
