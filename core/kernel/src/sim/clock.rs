//! Virtual time: what will happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Time;

/// What will happen, soonest first; at one moment, what was said first comes first.
///
/// The order holds places in a list of happenings, not the happenings: it is what moves.
#[derive(Clone, Debug)]
pub(super) struct Clock<T> {
    order: BinaryHeap<Reverse<(Time, u64, u32)>>,
    happenings: Vec<Option<T>>,
    free: Vec<u32>,
    said: u64,
}

impl<T> Clock<T> {
    pub fn new() -> Clock<T> {
        Clock {
            order: BinaryHeap::new(),
            happenings: Vec::new(),
            free: Vec::new(),
            said: 0,
        }
    }

    pub fn push(&mut self, at: Time, what: T) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.happenings.push(None);
            u32::try_from(self.happenings.len() - 1).expect("fewer happenings than tasks")
        });
        self.happenings[place as usize] = Some(what);
        self.order.push(Reverse((at, self.said, place)));
        self.said += 1;
    }

    pub fn next(&self) -> Option<Time> {
        self.order.peek().map(|Reverse((at, ..))| *at)
    }

    pub fn pop(&mut self) -> Option<(Time, T)> {
        let Reverse((at, _, place)) = self.order.pop()?;
        self.free.push(place);
        let what = self.happenings[place as usize].take()?;
        Some((at, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sooner_comes_first_and_then_what_was_said_first() {
        let mut clock = Clock::new();
        for (at, what) in [(3, 'd'), (1, 'a'), (2, 'b'), (2, 'c')] {
            clock.push(Time::from_micros(at), what);
        }
        assert_eq!(clock.next(), Some(Time::from_micros(1)));
        assert_eq!(clock.pop(), Some((Time::from_micros(1), 'a')));
        clock.push(Time::from_micros(2), 'e');
        let rest: Vec<char> = std::iter::from_fn(|| clock.pop().map(|(_, what)| what)).collect();
        assert_eq!(rest, ['b', 'c', 'e', 'd']);
    }
}
