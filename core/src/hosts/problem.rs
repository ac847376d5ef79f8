//! What a look at a host finds wrong, and which of it keeps a job from using the host.

use super::write_test::WriteTestError;
use crate::quantity::{Bytes, short_time};

/// What is wrong with a host, as a sentence of which the host is the subject.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Its worker did not answer.
    #[error("{why}")]
    Unreachable {
        /// One sentence.
        why: String,
        /// What to do about it, where the link knows.
        hint: Option<String>,
        /// Whether nothing came in time, though something was reached.
        is_silent: bool,
    },
    /// It answered, and then it was gone.
    #[error("it was gone during the check of its {what}: {why}")]
    Gone {
        /// What was being looked at.
        what: &'static str,
        /// One sentence.
        why: String,
    },
    /// It answered, and then it did not.
    #[error("no answer within {seconds} s during the check of its {what}")]
    Stuck {
        /// What was being looked at.
        what: &'static str,
        /// The deadline.
        seconds: u64,
    },
    /// Its clock is off.
    #[error("its clock is {} {}", short_time(ahead_s.abs()), if *ahead_s > 0.0 { "ahead" } else { "behind" })]
    Clock {
        /// How far ahead.
        ahead_s: f64,
    },
    /// Its disk is nearly full.
    #[error("only {} are free where scratch files are", Bytes(*bytes))]
    DiskLow {
        /// What is free.
        bytes: u64,
    },
    /// It has less memory than the farm says.
    #[error("it has {} of memory, the farm says {}", Bytes(*has), Bytes(*declared))]
    Memory {
        /// What it has.
        has: u64,
        /// What the farm says.
        declared: u64,
    },
    /// Files cannot travel to it.
    #[error("files cannot travel to it: {why}")]
    Freight {
        /// One sentence.
        why: String,
        /// Whether they have to.
        is_grave: bool,
    },
    /// None of the renderers is there.
    #[error("it has no renderer: {why}")]
    NoRenderer {
        /// Why not, renderer by renderer.
        why: String,
    },
    /// A renderer that was wanted is not there, or one that is there does not work.
    #[error("{why}")]
    Renderer {
        /// The adapter that asked.
        adapter: String,
        /// One sentence.
        why: String,
        /// Whether it is only not there.
        is_missing: bool,
        /// Whether a job could do without it.
        is_grave: bool,
    },
    /// Storage is not shared.
    #[error(transparent)]
    NotShared(#[from] WriteTestError),
}

impl Problem {
    /// Whether a job cannot use the host.
    #[must_use]
    pub fn is_grave(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Gone { .. }
            | Self::Stuck { .. }
            | Self::NoRenderer { .. }
            | Self::NotShared(_) => true,
            Self::Renderer { is_grave, .. } | Self::Freight { is_grave, .. } => *is_grave,
            Self::Clock { .. } | Self::DiskLow { .. } | Self::Memory { .. } => false,
        }
    }

    /// The word people script against.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Gone { .. } => "gone",
            Self::Stuck { .. } => "no-answer",
            Self::Clock { .. } => "clock",
            Self::DiskLow { .. } => "disk",
            Self::Memory { .. } => "memory",
            Self::Freight { .. } => "freight",
            Self::NoRenderer { .. } | Self::Renderer { .. } => "renderer",
            Self::NotShared(_) => "storage",
        }
    }
}
