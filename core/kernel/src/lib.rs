//! The farm as a deterministic function of its events.
