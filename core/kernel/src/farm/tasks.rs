//! What the farm knows of each task, in eight bytes.

use crate::ids::SlotId;

/// Where a task stands.
///
/// ```text
/// Blocked ─> Ready ─> Leased ─> Begun ─> Committing ─> Committed
///              ^─────────┴────────┴──────────┴─────────────┘      GivenUp from any but Committed
/// ```
///
/// From Committed back only by [`Event::Reopened`](crate::event::Event::Reopened).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// It stands on tasks that are not committed yet.
    Blocked,
    /// It waits for a slot.
    Ready,
    /// A slot has it, and has not begun it.
    Leased,
    /// A slot renders it.
    Begun,
    /// A picture of it is on its way to its final place.
    Committing,
    /// Its picture is in its final place.
    Committed,
    /// No further attempt is made.
    GivenUp,
}

/// Number of phases.
pub(super) const PHASES: usize = 7;

#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Which slot has it; may outlast the win of an older attempt, until that slot is done with it.
    lease: u32,
    /// Attempts that began.
    pub attempts: u16,
    /// Attempts that failed and count.
    pub failures: u8,
    pub phase: Phase,
}

const NO_LEASE: u32 = u32::MAX;

impl Row {
    pub const NEW: Row = Row {
        lease: NO_LEASE,
        attempts: 0,
        failures: 0,
        phase: Phase::Blocked,
    };

    pub fn lease(self) -> Option<SlotId> {
        (self.lease != NO_LEASE).then_some(SlotId(self.lease))
    }

    pub fn set_lease(&mut self, slot: Option<SlotId>) {
        self.lease = slot.map_or(NO_LEASE, |slot| slot.0);
    }

    /// Whether a slot has it and nothing better is known.
    pub fn is_out(self) -> bool {
        matches!(self.phase, Phase::Leased | Phase::Begun)
    }

    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        matches!(self.phase, Phase::Committed | Phase::GivenUp)
    }
}
