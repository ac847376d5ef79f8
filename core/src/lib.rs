//! The effects of framewright.
pub mod adapters;
pub mod event;
pub mod request;
