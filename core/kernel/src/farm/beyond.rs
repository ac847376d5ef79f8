//! How much a task will cost of which it is known only that it costs more than so much.
//!
//! Costs are taken relative to their estimate and counted in logarithmic classes. What is expected
//! of a task that has got as far as `age` is the mean of those counted that went beyond it, with
//! one more of which nothing is known: the estimate, while that lies ahead, else half of the age
//! again. So a frame that is late is believed to end soon where all frames cost about the same,
//! and to take long where some were seen to.

use super::learn::{CLASSES, class};
use crate::time::Span;

/// The one more that is counted is taken to go on for this part of its age.
const ONWARD: f64 = 0.5;
/// Sums are made anew when what is counted has grown by a sixteenth.
const GROWTH: u32 = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct Beyond {
    /// How many of each class, and the sum of their costs; empty before the first.
    classes: Vec<(u32, f64)>,
    /// Of the classes above each: how many, and the sum of their costs.
    above: Vec<(f64, f64)>,
    count: u32,
    /// The count at which the sums are made anew.
    next: u32,
}

/// Relative costs are counted as if they were seconds.
fn class_of(cost: f64) -> usize {
    class(Span::from_secs_f64(cost))
}

impl Beyond {
    /// A task's cost, relative to its estimate.
    pub fn add(&mut self, cost: f64) {
        if self.classes.is_empty() {
            self.classes.resize(CLASSES, (0, 0.0));
        }
        let class = &mut self.classes[class_of(cost)];
        *class = (class.0 + 1, class.1 + cost);
        self.count += 1;
        if self.count >= self.next {
            self.next = self.count + (self.count / GROWTH).max(1);
            self.sum_up();
        }
    }

    fn sum_up(&mut self) {
        let (mut many, mut sum) = (0.0, 0.0);
        self.above.resize(CLASSES, (0.0, 0.0));
        for (class, (count, costs)) in self.classes.iter().enumerate().rev() {
            self.above[class] = (many, sum);
            many += f64::from(*count);
            sum += costs;
        }
    }

    /// The cost that is expected of a task that has got as far as `age`; all relative to its
    /// estimate, of which it is expected to take `whole` in general.
    pub fn expected(&self, age: f64, whole: f64) -> f64 {
        let more = if age < whole {
            whole
        } else {
            age * (1.0 + ONWARD)
        };
        let above = self.above.get(class_of(age));
        let (many, sum) = above.copied().unwrap_or((0.0, 0.0));
        ((sum + more) / (many + 1.0)).max(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_known_the_estimate_holds_and_then_half_of_the_age_again() {
        let beyond = Beyond::default();
        assert_eq!(beyond.expected(0.0, 1.0), 1.0);
        assert_eq!(beyond.expected(0.5, 1.0), 1.0);
        assert_eq!(beyond.expected(4.0, 1.0), 6.0);
    }

    #[test]
    fn what_is_late_takes_as_long_as_others_did_that_were_as_late() {
        let mut beyond = Beyond::default();
        for task in 0..200 {
            beyond.add(if task % 20 == 7 { 8.0 } else { 1.0 });
        }
        let fresh = beyond.expected(0.0, 1.35);
        assert!((1.2..1.5).contains(&fresh), "{fresh}");
        let late = beyond.expected(2.0, 1.35);
        assert!((6.0..8.5).contains(&late), "{late}");
        let latest = beyond.expected(10.0, 1.35);
        assert_eq!(latest, 15.0);
    }

    #[test]
    fn where_all_cost_the_same_what_is_late_ends_soon() {
        let mut beyond = Beyond::default();
        (0..100).for_each(|_| beyond.add(1.0));
        let late = beyond.expected(0.9, 1.0);
        assert!((0.95..1.1).contains(&late), "{late}");
    }
}
