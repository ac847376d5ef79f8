//! What tasks cost, longest first: sums of the longest, and of the shortest among them.
//!
//! Only so many are known one by one; of a job of more tasks than that the others are known by
//! their sum, their number and the shortest, for a task in a hundred thousand moves no bound.

use crate::time::Span;

/// Tasks known one by one.
const KNOWN_MAX: usize = 1 << 16;
/// Whatever is this near to fitting fits: sums are no more exact, and a cost is a whole number of
/// microseconds.
const SLACK_S: f64 = 1e-8;

/// Costs of tasks, those that cost nothing left out.
#[derive(Clone, Debug)]
pub(super) struct Works {
    /// `sums[k]` = seconds of the k longest.
    sums: Vec<f64>,
    total: f64,
    shortest: f64,
    count: usize,
}

impl Works {
    pub fn new<'a>(costs: impl Iterator<Item = &'a Span>) -> Works {
        let mut micros: Vec<u64> = costs
            .map(|cost| cost.as_micros())
            .filter(|cost| *cost > 0)
            .collect();
        let count = micros.len();
        let seconds = |micros: u64| Span::from_micros(micros).as_secs_f64();
        let total = micros.iter().map(|cost| seconds(*cost)).sum();
        let shortest = micros.iter().min().map_or(0.0, |cost| seconds(*cost));
        if count > KNOWN_MAX {
            micros.select_nth_unstable_by(KNOWN_MAX, |a, b| b.cmp(a));
            micros.truncate(KNOWN_MAX);
        }
        micros.sort_unstable_by(|a, b| b.cmp(a));
        let mut sums = Vec::with_capacity(micros.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        sums.extend(micros.iter().map(|cost| {
            sum += seconds(*cost);
            sum
        }));
        Works {
            sums,
            total,
            shortest,
            count,
        }
    }

    /// Number of tasks.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Seconds of all.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Seconds of the longest.
    pub fn longest(&self) -> f64 {
        self.first(1)
    }

    /// How many of the longest are known one by one.
    pub fn known(&self) -> usize {
        self.sums.len() - 1
    }

    /// Seconds of the k longest.
    ///
    /// # Panics
    /// When so many are not known.
    pub fn first(&self, k: usize) -> f64 {
        self.sums[k]
    }

    /// How many of the k longest fit into so many seconds: the shortest of them, of course.
    pub fn fitting(&self, k: usize, seconds: f64) -> usize {
        let room = seconds + SLACK_S;
        if room <= 0.0 {
            return 0;
        }
        if k > self.known() {
            return ((room / self.shortest).floor() as usize).min(k);
        }
        let all = self.sums[k];
        // None of them is shorter than the last.
        let last = all - self.sums[k - 1];
        let most = ((room / last).floor() as usize + 1).min(k);
        let kept = self.sums[k - most..=k].partition_point(|sum| all - sum > room);
        most - kept
    }
}
