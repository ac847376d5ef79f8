//! Segment sizes that follow a rule instead of a schedule: equal shares, a fixed size, Royal
//! Render's "sequence divide", and the self-scheduling rules of the literature. What they promise
//! is what their users know from elsewhere; no running segment is cut, and none of them knows what
//! a load costs (Royal Render's minute excepted).
//!
//! Each rule is a function of the tasks that wait and of the slots, so that a failed task, which
//! waits again, needs no special case.

use super::Farm;
use super::carve::Amount;
use super::share::Reach;
use crate::ids::{HostId, LayerId, SlotId};
use crate::policy::Policy;

/// Royal Render's rule: raise a segment that would last less than this.
const ROYAL_MIN_S: f64 = 60.0;
/// A slot is slower than the fastest from here on: what is learned of speeds differs by so much
/// on like hosts, because frames do.
const ROYAL_ALIKE: f64 = 0.75;
/// OpenJD's rule is damped until so many tasks have ended,
const DAMPED_TASKS: u32 = 10;
/// by keeping this part of the size before.
const DAMPED_KEEP: f64 = 0.75;

impl Farm {
    /// How many tasks each slot of a class shall get, where `count` wait that take `each` seconds
    /// at speed 1. Only the first of `reaches`, those that are free, will be sent to, in turn.
    pub(super) fn sizes(
        &self,
        class: usize,
        count: u32,
        each: f64,
        reaches: &[Reach],
    ) -> Vec<Amount> {
        let alike = |tasks: u32| vec![Amount::Tasks(tasks); reaches.len()];
        match self.job.policy() {
            Policy::Auto => unreachable!("its sizes follow from shares"),
            Policy::Even => alike(
                self.tasks_of_class(class)
                    .div_ceil(self.slots_of_class(class)),
            ),
            Policy::Fixed(size) => alike(size),
            Policy::RoyalRender { min, max } => {
                let rule = Royal { min, max, each };
                rule.sizes(count, self.free_slots(class), reaches)
            }
            Policy::Guided => {
                let slots = self.slots_of_class(class);
                in_turn(count, reaches.len(), |left| left.div_ceil(slots))
            }
            Policy::Factoring => {
                let (all, slots) = (self.tasks_of_class(class), self.slots_of_class(class));
                in_turn(count, reaches.len(), |left| factored(all, left, slots))
            }
            Policy::OpenJd { target } => {
                let target = target.as_secs_f64();
                let spent = self.learned.spent();
                alike(spent.map_or(1, |(ended, each)| adapted(target, ended, each)))
            }
        }
    }

    /// Tasks of a class that were not done before this run.
    fn tasks_of_class(&self, class: usize) -> u32 {
        let done = self.job.done();
        let open = |layer: &LayerId| {
            let range = self.job.layer(*layer).range();
            let before = |end: u32| done.partition_point(|task| task.0 < end) as u32;
            range.len() as u32 - (before(range.end) - before(range.start))
        };
        self.classes[class].layers.iter().map(open).sum()
    }

    fn slots_of_class(&self, class: usize) -> u32 {
        let slots = |host: &HostId| self.hosts[host.index()].spec.slots;
        let all: u32 = self.classes[class].hosts.iter().map(slots).sum();
        all.max(1)
    }

    fn free_slots(&self, class: usize) -> u32 {
        let class = &self.classes[class];
        let able = |slot: &&SlotId| class.has(self.slots[slot.index()].host);
        self.idle.iter().filter(able).count() as u32
    }
}

/// Sizes for slots that are sent to one after the other, each from what those before left.
fn in_turn(count: u32, slots: usize, size: impl Fn(u32) -> u32) -> Vec<Amount> {
    let mut left = count;
    let next = |_| {
        let tasks = size(left).max(1);
        left = left.saturating_sub(tasks);
        Amount::Tasks(tasks)
    };
    (0..slots).map(next).collect()
}

/// Factoring's size where `left` of `all` tasks wait: that of the batch in which they lie.
fn factored(all: u32, left: u32, slots: u32) -> u32 {
    let mut begin = all.max(left);
    loop {
        let size = begin.div_ceil(2 * slots).max(1);
        let end = begin.saturating_sub(size.saturating_mul(slots));
        if left > end || end == 0 {
            return size;
        }
        begin = end;
    }
}

/// OpenJD's size for a target in seconds, when so many tasks took `each` seconds. Its loop moves
/// the size a quarter of the way after each chunk; the first chunks are single tasks.
fn adapted(target: f64, ended: u32, each: f64) -> u32 {
    let wanted = target / each;
    let mut kept = 1.0;
    if ended < DAMPED_TASKS && wanted > 1.0 {
        for _ in 0..ended {
            kept *= DAMPED_KEEP;
        }
    } else {
        kept = 0.0;
    }
    ((kept + (1.0 - kept) * wanted) as u32).max(1)
}

/// Royal Render's rule as its users' page tells it, which gives no formulas. As read here, a free
/// slot gets what waits, divided by the free slots, at most `max`; a slower one as much less as it
/// is slower than the fastest, at least `min`. What would last less than a minute is raised, but
/// not above `max`: the page's server does that too, but here a number that was typed holds, and
/// whoever typed it is warned.
struct Royal {
    min: u32,
    max: u32,
    /// Seconds of a task at speed 1.
    each: f64,
}

impl Royal {
    fn sizes(&self, count: u32, free: u32, reaches: &[Reach]) -> Vec<Amount> {
        let fastest = reaches.iter().map(|r| r.speed).fold(0.0, f64::max);
        let (mut left, mut free) = (count, free.max(1));
        let size = |reach: &Reach| {
            let size = self.size(left, free, reach, fastest);
            left = left.saturating_sub(size);
            free = (free - 1).max(1);
            Amount::Tasks(size)
        };
        reaches.iter().map(size).collect()
    }

    fn size(&self, left: u32, free: u32, reach: &Reach, fastest: f64) -> u32 {
        let share = f64::from(left) / f64::from(free);
        let slower = reach.speed / fastest;
        let slower = if slower < ROYAL_ALIKE { slower } else { 1.0 };
        let share = share.min(f64::from(self.max)) * slower;
        // What a slot has to load is part of the minute.
        let minute = (ROYAL_MIN_S - reach.ready) * reach.speed / self.each;
        let least = self.min.max(1);
        (share.max(minute).ceil().max(0.0) as u32).clamp(least, self.max.max(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(amounts: &[Amount]) -> Vec<u32> {
        let tasks = |amount: &Amount| match amount {
            Amount::Tasks(tasks) => *tasks,
            Amount::Part(_) | Amount::Stream { .. } => panic!("no number: {amount:?}"),
        };
        amounts.iter().map(tasks).collect()
    }

    /// The sizes of all segments when slots come in turn.
    fn all(count: u32, size: impl Fn(u32) -> u32) -> Vec<u32> {
        let mut left = count;
        let mut sizes = Vec::new();
        while left > 0 {
            let next = size(left).min(left);
            sizes.push(next);
            left -= next;
        }
        sizes
    }

    #[test]
    fn guided_sizes_are_a_part_of_what_is_left() {
        // 100 iterations on 5 processors.
        let sizes = all(100, |left| left.div_ceil(5));
        assert_eq!(
            sizes,
            [20, 16, 13, 11, 8, 7, 5, 4, 4, 3, 2, 2, 1, 1, 1, 1, 1]
        );
        let first = in_turn(100, 5, |left| left.div_ceil(5));
        assert_eq!(tasks(&first), sizes[..5]);
    }

    #[test]
    fn factoring_halves_what_is_left_batch_by_batch() {
        // 100 iterations on 4 processors.
        let sizes = all(100, |left| factored(100, left, 4));
        let batch = |size: u32| [size; 4];
        assert_eq!(sizes[..4], batch(13));
        assert_eq!(sizes[4..8], batch(6));
        assert_eq!(sizes[8..12], batch(3));
        assert_eq!(sizes[12..16], batch(2));
        assert_eq!(sizes[16..], [1; 4]);
    }

    #[test]
    fn openjd_s_size_is_damped_at_first_and_knows_of_no_loads() {
        assert_eq!(adapted(900.0, 1, 20.0), 12);
        assert_eq!(adapted(900.0, 9, 20.0), 41);
        assert_eq!(adapted(900.0, 10, 20.0), 45);
        // Downwards it goes at once, and never below one.
        assert_eq!(adapted(900.0, 1, 2_000.0), 1);
        // A load of 60 s in each chunk of k tasks of 20 s: below the load the size falls to one.
        let mut size = 10;
        for _ in 0..20 {
            let each = (60.0 + 20.0 * f64::from(size)) / f64::from(size);
            size = adapted(50.0, 100, each);
        }
        assert_eq!(size, 1);
    }

    fn royal(
        min: u32,
        max: u32,
        count: u32,
        free: u32,
        each: f64,
        slots: &[(f64, f64)],
    ) -> Vec<u32> {
        let reaches: Vec<Reach> = slots
            .iter()
            .map(|(ready, speed)| Reach {
                ready: *ready,
                speed: *speed,
            })
            .collect();
        tasks(&Royal { min, max, each }.sizes(count, free, &reaches))
    }

    #[test]
    fn royal_render_sends_more_when_few_slots_are_free() {
        let slot = (60.0, 1.0);
        assert_eq!(royal(2, 10, 100, 20, 20.0, &[slot; 3]), [5, 5, 5]);
        assert_eq!(royal(2, 10, 100, 2, 20.0, &[slot; 2]), [10, 10]);
        assert_eq!(royal(2, 10, 10, 20, 20.0, &[slot; 2]), [2, 2]);
        assert_eq!(royal(10, 10, 10, 20, 20.0, &[slot; 1]), [10]);
    }

    #[test]
    fn royal_render_sends_less_to_slow_slots() {
        let sizes = royal(2, 10, 1_000, 2, 120.0, &[(60.0, 0.5), (60.0, 1.5)]);
        assert_eq!(sizes, [4, 10]);
    }

    #[test]
    fn royal_render_raises_what_would_last_less_than_a_minute() {
        // A third of what waits would last 40 s with its load of 30 s: three times as much would
        // last a minute.
        assert_eq!(royal(2, 10, 6, 3, 5.0, &[(30.0, 1.0)]), [6]);
        assert_eq!(royal(2, 10, 6, 3, 5.0, &[(0.0, 0.5), (0.0, 0.5)]), [6, 6]);
        // Whoever asked for a most gets no more, however little that is.
        assert_eq!(royal(2, 10, 6, 3, 0.1, &[(0.0, 1.0)]), [10]);
        assert_eq!(royal(2, 2, 200, 20, 1.0, &[(10.0, 1.0)]), [2]);
    }
}
