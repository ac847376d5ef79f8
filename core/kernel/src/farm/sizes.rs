//! Segment sizes that follow a rule instead of a schedule: equal shares, a fixed size, Royal
//! Render's "sequence divide". What they promise is what their users know from elsewhere; no
//! running segment is cut.

use super::Farm;
use super::carve::Amount;
use super::share::Reach;
use crate::policy::Policy;

/// Royal Render's rule: raise a segment that would last less than this.
const ROYAL_MIN_S: f64 = 60.0;

impl Farm {
    /// How many tasks each slot of a class shall get, where `count` wait that take `each` seconds
    /// at speed 1.
    pub(super) fn sizes(
        &self,
        class: usize,
        count: u32,
        each: f64,
        reaches: &[Reach],
    ) -> Vec<Amount> {
        let tasks = |tasks: u32| vec![Amount::Tasks(tasks); reaches.len()];
        match self.job.policy() {
            Policy::Auto => unreachable!("its sizes follow from shares"),
            Policy::Even => {
                let layers = self.classes[class].layers.iter();
                let all: usize = layers.map(|l| self.job.layer(*l).range().len()).sum();
                let hosts = self.classes[class].hosts.iter();
                let slots: u32 = hosts.map(|h| self.hosts[h.index()].spec.slots).sum();
                tasks((all as u32).div_ceil(slots))
            }
            Policy::Fixed(size) => tasks(size),
            Policy::RoyalRender { min, max } => {
                let mean = reaches.iter().map(|r| r.speed).sum::<f64>() / reaches.len() as f64;
                let share = f64::from(count) / reaches.len() as f64;
                let size = |reach: &Reach| {
                    let size = (share * reach.speed / mean).ceil() as u32;
                    let minute = (ROYAL_MIN_S * reach.speed / each).ceil() as u32;
                    Amount::Tasks(size.max(min).max(minute).min(max.max(min)))
                };
                reaches.iter().map(size).collect()
            }
        }
    }
}
