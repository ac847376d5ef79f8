//! How a host stands with a job, as one word.
//!
//! Like the rest of the state it takes any event in any order: of a host that was never heard of,
//! silence says nothing, and whatever is heard from it says that it is there.

use std::collections::BTreeMap;

use super::{HostState, JobState};

/// How a host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not answered yet.
    Starting,
    /// It works, or could.
    Up,
    /// Its connection is lost and sought again; what it has goes on there.
    Silent,
    /// It has nothing to do because its slots are held by others.
    Waiting,
    /// It takes nothing new for now.
    Closed,
    /// Its worker is gone.
    Lost,
    /// It was taken from the job.
    Drained,
}

impl Standing {
    /// The word people script against.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Silent => "silent",
            Self::Waiting => "waiting",
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::Drained => "drained",
        }
    }
}

/// What was last heard of a host's worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Presence {
    #[default]
    Unheard,
    Up,
    Silent,
    Lost,
    Drained,
}

/// What keeps work from a host that is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Held {
    /// Why it takes nothing new.
    pub closed: Option<String>,
    /// Slots that wait for others, and for whom.
    pub waiting: BTreeMap<u32, Vec<String>>,
}

impl HostState {
    /// Whether its worker is there, be it silent.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.presence, Presence::Up | Presence::Silent)
    }

    /// Why it takes nothing new; none where it does.
    #[must_use]
    pub fn closed(&self) -> Option<&str> {
        self.held.closed.as_deref()
    }

    /// Slots that wait for others, and for whom.
    #[must_use]
    pub fn waiting(&self) -> &BTreeMap<u32, Vec<String>> {
        &self.held.waiting
    }

    pub(super) fn turn(&mut self, presence: Presence) {
        self.presence = presence;
        if !self.is_up() {
            self.held.waiting.clear();
        }
    }

    /// Silence is the end of nothing: only what is there can fall silent.
    pub(super) fn fall_silent(&mut self) {
        if self.presence == Presence::Up {
            self.presence = Presence::Silent;
        }
    }
}

impl JobState {
    /// How a host stands; none of which nothing was heard.
    #[must_use]
    pub fn standing(&self, host: &str) -> Option<Standing> {
        let state = self.hosts.get(host)?;
        let has_work = || self.busy.keys().any(|(name, _)| name == host);
        Some(match state.presence {
            Presence::Unheard => Standing::Starting,
            Presence::Silent => Standing::Silent,
            Presence::Lost => Standing::Lost,
            Presence::Drained => Standing::Drained,
            Presence::Up if state.held.closed.is_some() => Standing::Closed,
            Presence::Up if !state.held.waiting.is_empty() && !has_work() => Standing::Waiting,
            Presence::Up => Standing::Up,
        })
    }
}
