//! Which segments are not over, and where each runs.
//!
//! Numbers of segments follow one another, so a list from the oldest that runs answers in one step
//! what a tree answers in many: every event asks.
//!
//! Invariant: the first entry, if there is one, is a segment that runs.

use std::collections::VecDeque;

use crate::ids::{SegmentId, SlotId};

/// No segment of this number runs.
const OVER: u32 = u32::MAX;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    /// Number of the first entry.
    first: u64,
    slots: VecDeque<u32>,
    count: usize,
}

impl Live {
    pub fn new() -> Live {
        Live {
            first: 0,
            slots: VecDeque::new(),
            count: 0,
        }
    }

    /// Segments must come with growing numbers.
    pub fn insert(&mut self, segment: SegmentId, slot: SlotId) {
        if self.slots.is_empty() {
            self.first = segment.0;
        }
        let place = (segment.0 - self.first) as usize;
        debug_assert!(place >= self.slots.len(), "segment {segment} came late");
        self.slots.resize(place, OVER);
        self.slots.push_back(slot.0);
        self.count += 1;
    }

    pub fn get(&self, segment: SegmentId) -> Option<SlotId> {
        let place = segment.0.checked_sub(self.first)?;
        let slot = *self.slots.get(usize::try_from(place).ok()?)?;
        (slot != OVER).then_some(SlotId(slot))
    }

    pub fn remove(&mut self, segment: SegmentId) {
        if self.get(segment).is_none() {
            return;
        }
        self.slots[(segment.0 - self.first) as usize] = OVER;
        self.count -= 1;
        while self.slots.front() == Some(&OVER) {
            self.slots.pop_front();
            self.first += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (SegmentId, SlotId)> + '_ {
        let numbered = self.slots.iter().enumerate();
        numbered
            .filter(|(_, slot)| **slot != OVER)
            .map(|(place, slot)| (SegmentId(self.first + place as u64), SlotId(*slot)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A tree says the same.
        #[test]
        fn what_runs_is_what_came_and_did_not_go(
            steps in prop::collection::vec((0_u64..3, 0_u64..40), 1..120),
        ) {
            let (mut live, mut plain) = (Live::new(), BTreeMap::new());
            let mut next = 5;
            for (step, number) in steps {
                if step == 0 {
                    next += 1 + number / 30;
                    live.insert(SegmentId(next), SlotId(number as u32));
                    plain.insert(SegmentId(next), SlotId(number as u32));
                } else {
                    let segment = SegmentId(next.saturating_sub(number));
                    prop_assert_eq!(live.get(segment), plain.get(&segment).copied());
                    live.remove(segment);
                    plain.remove(&segment);
                }
                prop_assert!(live.iter().eq(plain.iter().map(|(id, slot)| (*id, *slot))));
                prop_assert_eq!(live.len(), plain.len());
                prop_assert_eq!(live.is_empty(), plain.is_empty());
            }
        }
    }
}
