//! Virtual time: what will happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Time;

/// What will happen, soonest first; at one moment, what was said first comes first.
#[derive(Clone, Debug)]
pub(super) struct Clock<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    said: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    at: Time,
    said: u64,
    what: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.said) == (other.at, other.said)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.said).cmp(&(other.at, other.said))
    }
}

impl<T> Clock<T> {
    pub fn new() -> Clock<T> {
        Clock {
            heap: BinaryHeap::new(),
            said: 0,
        }
    }

    pub fn push(&mut self, at: Time, what: T) {
        self.heap.push(Reverse(Entry {
            at,
            said: self.said,
            what,
        }));
        self.said += 1;
    }

    pub fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    pub fn pop(&mut self) -> Option<(Time, T)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}
