//! The effects of framewright.
pub mod event;
pub mod farm;
pub mod keys;
pub mod quantity;
pub mod request;
