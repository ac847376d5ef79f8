//! The effects of framewright.
pub mod adapters;
pub mod control;
pub mod event;
pub mod explain;
pub mod farm;
pub mod freight;
pub mod history;
pub mod hosts;
pub mod keys;
pub mod link;
pub mod names;
pub mod nearest;
pub mod output;
pub mod policy;
pub mod quantity;
pub mod request;
pub mod run;
pub mod simulate;
pub mod split;
pub mod store;

pub use framewright_kernel::frames;
pub use framewright_kernel::sim::{Shape, ShapeError};
pub use framewright_plugin_api::{data, paths};
