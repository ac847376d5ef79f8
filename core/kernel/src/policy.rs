//! How tasks are distributed, and the limits within which that happens.

use crate::time::Span;

/// How segments are sized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// By cost, load and speed; running segments are cut when a slot falls idle.
    #[default]
    Auto,
    /// Equal shares by count, whatever tasks and hosts are like. Nothing is cut.
    Even,
    /// This many tasks a segment; 0 = each layer undivided. Nothing is cut.
    Fixed(u32),
    /// Royal Render's "sequence divide": between `min` and `max` tasks a segment, larger when few
    /// slots are free, smaller for slow hosts, raised towards `max` when a segment would last under
    /// a minute with its load; `min` 0 = each layer undivided. Nothing is cut.
    RoyalRender {
        /// Fewest tasks a segment.
        min: u32,
        /// Most tasks a segment.
        max: u32,
    },
    /// Guided self-scheduling (Polychronopoulos and Kuck, IEEE Transactions on Computers C-36,
    /// 1987): ⌈R/P⌉ of the R tasks left, on P slots. Nothing is cut.
    Guided,
    /// Factoring, in the form that asks for no deviation (FAC2: Hummel, Schonberg and Flynn,
    /// Communications of the ACM 35, 1992): batches of P segments of ⌈R/2P⌉ tasks each. Nothing
    /// is cut.
    Factoring,
    /// Open Job Description's task chunking with a target runtime (RFC 0001, and the loop of
    /// `openjd run`): the target over what a task took so far, loads included, for it knows of no
    /// loads; damped until ten tasks have ended. Nothing is cut.
    OpenJd {
        /// How long a segment shall last.
        target: Span,
    },
}

impl Policy {
    /// Whether it asks for all tasks of a layer in one segment.
    pub(crate) fn is_undivided(self) -> bool {
        match self {
            Policy::Auto
            | Policy::Even
            | Policy::Guided
            | Policy::Factoring
            | Policy::OpenJd { .. } => false,
            Policy::Fixed(size) => size == 0,
            Policy::RoyalRender { min, .. } => min == 0,
        }
    }

    /// Whether running segments are cut.
    pub(crate) fn cuts(self) -> bool {
        match self {
            Policy::Auto => true,
            Policy::Even
            | Policy::Fixed(_)
            | Policy::RoyalRender { .. }
            | Policy::Guided
            | Policy::Factoring
            | Policy::OpenJd { .. } => false,
        }
    }
}

/// When to stop trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Further attempts after the first that failed.
    pub retries: u8,
    /// Longest time for one task; `None` = from the running median.
    pub task_limit: Option<Span>,
    /// Longest time for a load, and for any other silence of a renderer; `None` = ten times the
    /// declared load, at least ten minutes.
    pub load_limit: Option<Span>,
    /// Whether to go on after a task was given up; otherwise running tasks are finished and the
    /// job ends.
    pub keep_going: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            retries: 3,
            task_limit: None,
            load_limit: None,
            keep_going: true,
        }
    }
}

/// How fast segments can be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Between two sends, whatever their hosts.
    pub dispatch_interval: Span,
    /// From a send to the renderer's start, as far as known.
    pub start_delay: Span,
    /// Scenes being loaded at once; `None` = no limit.
    pub loads_max: Option<u32>,
}
