//! What an adapter of framewright is written against.
pub mod data;
