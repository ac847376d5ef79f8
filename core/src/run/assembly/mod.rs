//! wip
pub(super) mod pictures;
