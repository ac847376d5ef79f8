//! Whole tasks: how many slots can end by a given time, whoever is sent to first.
//!
//! Of the k longest tasks every slot is granted the shortest for itself: as many as fit between its
//! readiness and T. When all slots together hold fewer than k, T is too early. With all tasks
//! and equal costs nothing is granted that there is not, so the bound is the optimum. With the few
//! dear ones among many cheap it says how many of those a slot can hold.
//!
//! A slot's readiness depends on its turn, so what slots end together is an assignment of slots to
//! turns. Without waiting for turns, and on slots that are alike, there is nothing to choose; up to
//! [`ASSIGNED_MAX`] unlike slots the best assignment is found; beyond that the schedule is granted
//! the better of two things that it has not: no waiting, or all slots as good as the best.

use super::works::Works;
use super::{Server, assignment};

/// Most unlike slots whose best order is found exactly.
const ASSIGNED_MAX: usize = 64;
/// Numbers of longest tasks that are tried at most.
const TRIED_MAX: usize = 256;
/// Looks at a slot that trying them may take, a millisecond for each hundred thousand or so.
const LOOKS_MAX: usize = 200_000;
/// Steps of a search for a time: what is left is a millionth of a millionth.
const HALVINGS: u32 = 40;

/// Slots that are alike.
#[derive(Clone, Copy, Debug)]
struct Kind {
    server: Server,
    slots: usize,
}

impl Kind {
    fn room(&self, time: f64, begin: f64) -> f64 {
        self.server.speed * (time - begin - self.server.load)
    }
}

struct Slots<'a> {
    works: &'a Works,
    /// Fastest first, and of equal speed who loads quicker.
    kinds: Vec<Kind>,
    begins: &'a [f64],
    /// Whether nobody waits for a turn.
    at_once: bool,
}

/// `bound`, or (d) without δ where that is greater.
pub(super) fn raised(bound: f64, works: &Works, servers: &[Server], begins: &[f64]) -> f64 {
    let slots = Slots {
        works,
        kinds: kinds(servers),
        begins,
        at_once: begins.iter().all(|begin| *begin <= 0.0),
    };
    let mut bound = bound;
    for k in slots.tried() {
        if !slots.can_end(k, bound) {
            bound = slots.earliest(k, bound);
        }
    }
    bound
}

fn kinds(servers: &[Server]) -> Vec<Kind> {
    let mut sorted = servers.to_vec();
    sorted.sort_by(|a, b| {
        let by_speed = b.speed.total_cmp(&a.speed);
        by_speed.then(a.load.total_cmp(&b.load))
    });
    let alike = sorted.chunk_by(|a, b| a == b);
    alike
        .map(|alike| Kind {
            server: alike[0],
            slots: alike.len(),
        })
        .collect()
}

impl Slots<'_> {
    /// How many of the longest to ask for: all; those of which one slot must hold one more; and
    /// others in between, as many as there is time for.
    fn tried(&self) -> Vec<usize> {
        let known = self.works.known();
        let looks = if self.at_once {
            self.kinds.len()
        } else {
            self.begins.len()
        };
        let most = (LOOKS_MAX / looks.max(1)).clamp(1, TRIED_MAX);
        let mut tried = vec![self.works.count()];
        for every in [self.begins.len(), 1] {
            let counts = known.saturating_sub(1) / every + 1;
            let step = counts.div_ceil(most) * every;
            tried.extend((1..=known).step_by(step));
        }
        tried
    }

    /// Whether k of the longest could be ended by this time, as far as this bound can tell.
    fn can_end(&self, k: usize, time: f64) -> bool {
        // An order that does it spares the search for a better one.
        if self.in_order(k, time) >= k {
            return true;
        }
        if self.at_once || self.kinds.len() == 1 {
            return false;
        }
        if self.at_once(k, time) < k || self.all_best(k, time) < k {
            return false;
        }
        self.begins.len() > ASSIGNED_MAX || self.assigned(k, time) >= k
    }

    /// One order of sends: fastest first.
    fn in_order(&self, k: usize, time: f64) -> usize {
        if self.at_once {
            return self.at_once(k, time);
        }
        let rooms = self.begins.iter().zip(self.each());
        self.sum(k, rooms.map(|(begin, kind)| (kind.room(time, *begin), 1)))
    }

    /// The kind of each slot.
    fn each(&self) -> impl Iterator<Item = &Kind> {
        let kinds = self.kinds.iter();
        kinds.flat_map(|kind| std::iter::repeat_n(kind, kind.slots))
    }

    /// Nobody waits.
    fn at_once(&self, k: usize, time: f64) -> usize {
        let rooms = self.kinds.iter();
        self.sum(k, rooms.map(|kind| (kind.room(time, 0.0), kind.slots)))
    }

    /// Every slot is as fast as the fastest, and loads as quickly as the quickest.
    fn all_best(&self, k: usize, time: f64) -> usize {
        let loads = self.kinds.iter().map(|kind| kind.server.load);
        let best = Kind {
            server: Server {
                load: loads.fold(f64::INFINITY, f64::min),
                ..self.kinds[0].server
            },
            slots: self.begins.len(),
        };
        let rooms = self.begins.iter();
        self.sum(k, rooms.map(|begin| (best.room(time, *begin), 1)))
    }

    /// What fits into so many slots with so much room each; no more than k.
    fn sum(&self, k: usize, rooms: impl Iterator<Item = (f64, usize)>) -> usize {
        let mut sum = 0_usize;
        for (room, slots) in rooms {
            sum = sum.saturating_add(slots.saturating_mul(self.works.fitting(k, room)));
            if sum >= k {
                return k;
            }
        }
        sum
    }

    /// The most that any order of sends can do.
    fn assigned(&self, k: usize, time: f64) -> usize {
        let size = self.begins.len();
        let fitting: Vec<i64> = self
            .each()
            .flat_map(|kind| self.begins.iter().map(|begin| kind.room(time, *begin)))
            .map(|room| self.works.fitting(k, room) as i64)
            .collect();
        assignment::greatest(size, |slot, turn| fitting[slot * size + turn]) as usize
    }

    /// The smallest time by which k can be ended, not before `from`.
    fn earliest(&self, k: usize, from: f64) -> f64 {
        let (mut low, mut high) = (from, from + 1.0);
        while !self.can_end(k, high) {
            low = high;
            high = 2.0 * high - from;
        }
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            if self.can_end(k, middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        low
    }
}
