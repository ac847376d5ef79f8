//! Names of things, as numbers. A bare integer crosses no public function of this crate.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A task: its place in the job's (layer, frame, tile) order, from 0.
    TaskId(u32)
}
id! {
    /// A slot, counted through all hosts of the farm, from 0.
    SlotId(u32)
}
id! {
    /// A host: its place in the farm's list, from 0.
    HostId(u32)
}
id! {
    /// A layer: its place in the job's list, from 0.
    LayerId(u16)
}
id! {
    /// A segment's number, which is also its fence: never used twice within a job, not even by a
    /// later controller that resumes it, and always growing.
    SegmentId(u64)
}
id! {
    /// A tile: its place within its frame, row by row, from 0.
    TileId(u16)
}
id! {
    /// Which try at a task this is, from 1. Stays at its largest value instead of wrapping: the
    /// fence is the segment's number, not this.
    Attempt(u16)
}

impl TaskId {
    pub(crate) fn at(index: usize) -> TaskId {
        TaskId(u32::try_from(index).expect("a job has at most TASKS_MAX tasks"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl SlotId {
    pub(crate) fn at(index: usize) -> SlotId {
        SlotId(u32::try_from(index).expect("a farm has at most SLOTS_MAX slots"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl HostId {
    pub(crate) fn at(index: usize) -> HostId {
        HostId(u32::try_from(index).expect("a farm has at most SLOTS_MAX hosts"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl LayerId {
    pub(crate) fn at(index: usize) -> LayerId {
        LayerId(u16::try_from(index).expect("a job has at most LAYERS_MAX layers"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}
