//! Running segments in the order in which they are predicted to end, the latest last.
//!
//! Looking at all of them for each slot that falls idle would cost the square of the farm, so the
//! order is kept while it is needed: an entry is made anew when something is heard of its segment,
//! and when what it does takes longer than was predicted. In between predictions move only as far
//! as costs are learned, so who asks for the latest one looks at it again before believing it.
//!
//! Invariant: each slot stands in at most one of the two orders, under the key that is kept of it.

use std::collections::BTreeSet;

use super::slots::{Segment, Stage};
use super::{Farm, LayerState};
use crate::ids::SlotId;
use crate::time::{Span, Time};

/// What takes longer than predicted is looked at again when this part of its age has passed,
const DOUBT_PART: f64 = 0.25;
/// but not sooner than this.
const DOUBT_MIN_S: f64 = 0.01;
/// How often a latest end is looked at again before it is believed.
const TRIES: u32 = 16;

#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Segments with tasks that another slot could take.
    open: BTreeSet<(Time, SlotId)>,
    /// Segments that are at their last task, or load for their only one.
    last: BTreeSet<(Time, SlotId)>,
    /// When what a slot does will have taken longer than predicted.
    doubts: BTreeSet<(Time, SlotId)>,
    keys: Vec<Key>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Key {
    place: Option<(Order, Time)>,
    doubt: Option<Time>,
}

/// Which of the two orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Open,
    Last,
}

impl Ends {
    fn order(&mut self, order: Order) -> &mut BTreeSet<(Time, SlotId)> {
        match order {
            Order::Open => &mut self.open,
            Order::Last => &mut self.last,
        }
    }

    fn set(&mut self, slot: SlotId, place: Option<(Order, Time)>, doubt: Option<Time>) {
        let before = std::mem::replace(&mut self.keys[slot.index()], Key { place, doubt });
        if before.place != place {
            if let Some((order, end)) = before.place {
                self.order(order).remove(&(end, slot));
            }
            if let Some((order, end)) = place {
                self.order(order).insert((end, slot));
            }
        }
        if before.doubt != doubt {
            if let Some(at) = before.doubt {
                self.doubts.remove(&(at, slot));
            }
            if let Some(at) = doubt {
                self.doubts.insert((at, slot));
            }
        }
    }

    fn latest(&self, order: Order, below: Option<(Time, SlotId)>) -> Option<(Time, SlotId)> {
        let entries = match order {
            Order::Open => &self.open,
            Order::Last => &self.last,
        };
        match below {
            Some(below) => entries.range(..below).next_back().copied(),
            None => entries.last().copied(),
        }
    }
}

/// Whether it renders its last task, or still loads for its only one.
fn at_last_task(segment: &Segment) -> bool {
    match segment.stage {
        Stage::Rendering { .. } => segment.untouched() == 0,
        Stage::Sent { .. } => segment.tasks.len() == 1 && segment.next == 0,
        Stage::Between { .. } => false,
    }
}

impl Farm {
    /// There are slots now that were not before.
    pub(super) fn grow_ends(&mut self) {
        if let Some(ends) = &mut self.ends {
            ends.keys.resize(self.slots.len(), Key::default());
        }
    }

    /// Begins to keep the order.
    pub(super) fn keep_ends(&mut self) {
        if self.ends.is_some() {
            return;
        }
        self.ends = Some(Ends {
            open: BTreeSet::new(),
            last: BTreeSet::new(),
            doubts: BTreeSet::new(),
            keys: vec![Key::default(); self.slots.len()],
        });
        for (_, slot) in self.live_segments() {
            self.touch_end(slot);
        }
    }

    /// Something changed about what runs on this slot.
    pub(super) fn touch_end(&mut self, slot: SlotId) {
        if self.ends.is_none() {
            return;
        }
        let (place, doubt) = self.end_entry(slot);
        if let Some(ends) = &mut self.ends {
            ends.set(slot, place, doubt);
        }
    }

    fn end_entry(&self, slot: SlotId) -> (Option<(Order, Time)>, Option<Time>) {
        let Some(segment) = self.slots[slot.index()].segment() else {
            return (None, None);
        };
        let LayerState { undivided, .. } = self.layers[segment.layer.index()];
        let order = if undivided || segment.cut.is_some() || segment.stopping.is_some() {
            None
        } else if segment.untouched() > usize::from(segment.next == 0) {
            // One that cannot be asked cannot be cut.
            (!self.is_silent(slot)).then_some(Order::Open)
        } else if at_last_task(segment) {
            Some(Order::Last)
        } else {
            None
        };
        let Some(order) = order else {
            return (None, None);
        };
        let end = self.now + Span::from_secs_f64(self.remaining(slot));
        let (expected, since) = self.stage_expected(slot, segment);
        if self.is_silent(slot) {
            // Nothing more is known of it as time goes on.
            return (Some((order, end)), None);
        }
        let age = self.now.since(since).as_secs_f64();
        let wait = if age < expected {
            expected - age
        } else {
            age * DOUBT_PART
        };
        let doubt = self.now + Span::from_secs_f64(wait.max(DOUBT_MIN_S));
        (Some((order, end)), Some(doubt))
    }

    /// The slot, below an entry, whose segment is predicted to end latest of its order; and the
    /// entry, which stays right until something is heard.
    pub(super) fn latest_end(
        &mut self,
        order: Order,
        below: Option<(Time, SlotId)>,
    ) -> Option<(Time, SlotId)> {
        self.keep_ends();
        self.settle_doubts();
        for _ in 0..TRIES {
            let (end, slot) = self.ends.as_ref()?.latest(order, below)?;
            self.touch_end(slot);
            let again = self.ends.as_ref()?.latest(order, below)?;
            if again.1 == slot || end <= again.0 {
                return Some(again);
            }
        }
        self.ends.as_ref()?.latest(order, below)
    }

    fn settle_doubts(&mut self) {
        while let Some(&(at, slot)) = self.ends.as_ref().and_then(|ends| ends.doubts.first())
            && at <= self.now
        {
            self.touch_end(slot);
        }
    }
}
