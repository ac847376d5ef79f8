//! The effects of framewright.
pub mod event;
pub mod names;
pub mod request;
pub mod store;
