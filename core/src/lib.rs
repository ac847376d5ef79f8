//! The effects of framewright.
pub mod event;
pub mod names;
pub mod output;
pub mod report;
pub mod request;
pub mod store;
