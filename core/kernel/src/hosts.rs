//! What a farm is made of: hosts with slots, speed, memory and tags.

use thiserror::Error;

use crate::time::Span;

/// Most slots that a farm may have in all.
pub const SLOTS_MAX: u32 = 1_000_000;

/// An amount of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// How fast a host is; 1 renders a task in the time that its cost says, 2 in half of it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Speed(f64);

/// A number that is no speed.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("{given} is no speed; a speed lies between {} and {}", Speed::MIN.0, Speed::MAX.0)]
pub struct SpeedError {
    /// The number.
    pub given: f64,
}

impl Speed {
    /// As fast as costs say.
    pub const ONE: Speed = Speed(1.0);
    /// Slowest that is believed.
    pub const MIN: Speed = Speed(1e-3);
    /// Fastest that is believed.
    pub const MAX: Speed = Speed(1e3);

    /// From a plain number between [`Speed::MIN`] and [`Speed::MAX`].
    pub fn new(given: f64) -> Result<Speed, SpeedError> {
        if (Speed::MIN.0..=Speed::MAX.0).contains(&given) {
            Ok(Speed(given))
        } else {
            Err(SpeedError { given })
        }
    }

    /// As a plain number.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0
    }

    /// The nearest that is believed.
    pub(crate) fn clamped(given: f64) -> Speed {
        Speed(given.clamp(Speed::MIN.0, Speed::MAX.0))
    }
}

/// Up to 64 tags, one bit each; which bit means which tag is the caller's matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagSet(pub u64);

impl TagSet {
    /// Whether everything that `wanted` names is here.
    #[must_use]
    pub const fn has_all(self, wanted: TagSet) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

/// One host, as the farm's file and its probe describe it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostSpec {
    /// How many renderers run on it at once.
    pub slots: u32,
    /// First guess of its speed; learned from then on.
    pub speed: Speed,
    /// Memory that a task may use on it; `None` = not known, taken as enough.
    pub memory: Option<Bytes>,
    /// What it has.
    pub tags: TagSet,
    /// How long it takes to load the scene, where that is known of this host; otherwise the job's
    /// load divided by the host's speed.
    pub load: Option<Span>,
}

impl Default for HostSpec {
    /// One slot of speed 1.
    fn default() -> HostSpec {
        HostSpec {
            slots: 1,
            speed: Speed::ONE,
            memory: None,
            tags: TagSet::default(),
            load: None,
        }
    }
}

impl HostSpec {
    /// How long a load is expected to take here when it takes `load` on a host of speed 1.
    #[must_use]
    pub fn expected_load(&self, load: Span) -> Span {
        let scaled = || Span::from_secs_f64(load.as_secs_f64() / self.speed.as_f64());
        self.load.unwrap_or_else(scaled)
    }

    /// Whether it may ever take a task that needs this.
    #[must_use]
    pub fn can_take(&self, memory: Bytes, tags: TagSet) -> bool {
        self.slots > 0 && self.tags.has_all(tags) && self.memory.is_none_or(|has| has >= memory)
    }
}
