//! What one run came to, and what several come to on average.

use framewright_kernel::sim::Trace;
use framewright_kernel::time::Span;

use super::Place;
use crate::policy::Policy;

/// One run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    makespan_s: f64,
    bound_s: f64,
    loads: f64,
    load_s: f64,
    render_s: f64,
    segments: f64,
    busy_s: f64,
    busy_mean: f64,
    used: f64,
    cost: Option<f64>,
    failed: f64,
}

impl Run {
    pub fn of(trace: &Trace, bound: Span, places: &[Place]) -> Run {
        // Host of each slot.
        let prices: Vec<Option<f64>> = places
            .iter()
            .flat_map(|place| (0..place.spec.slots).map(|_| place.slot_price))
            .collect();
        let mut busy_s = 0.0;
        let mut cost = Some(0.0);
        for segment in &trace.segments {
            let seconds = segment.end.since(segment.start).as_secs_f64();
            busy_s += seconds;
            let price = prices[segment.slot.0 as usize];
            cost = cost
                .zip(price)
                .map(|(sum, price)| sum + price * seconds / 3600.0);
        }
        Run {
            makespan_s: trace.makespan.as_secs_f64(),
            bound_s: bound.as_secs_f64(),
            loads: f64::from(trace.loads),
            load_s: trace.load_time.as_secs_f64(),
            render_s: trace.render_time.as_secs_f64(),
            segments: trace.segments.len() as f64,
            busy_s,
            busy_mean: trace.busy_mean,
            used: f64::from(trace.slots_used),
            cost,
            failed: f64::from(trace.given_up),
        }
    }

    /// 1 where nothing has to be done.
    fn ratio(&self) -> f64 {
        if self.bound_s > 0.0 {
            self.makespan_s / self.bound_s
        } else {
            1.0
        }
    }
}

/// A policy's result: means over the seeds, unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which.
    pub policy: Policy,
    /// From the start to the last frame.
    pub makespan_s: f64,
    /// No schedule could end sooner, knowing all that is true.
    pub lower_bound_s: f64,
    /// Mean of makespan / bound, run by run.
    pub ratio: f64,
    /// The largest of them.
    pub ratio_max: f64,
    /// How often the scene was loaded.
    pub loads: f64,
    /// Time spent loading, summed over slots.
    pub load_s: f64,
    /// Time spent rendering, summed over slots.
    pub render_s: f64,
    /// How many segments were sent.
    pub segments: f64,
    /// Time in which slots had a segment, summed over slots.
    pub busy_s: f64,
    /// Slots that had a segment, over the makespan.
    pub slots_busy_mean: f64,
    /// The same as a part of all slots, from 0 to 1.
    pub busy_share: f64,
    /// Slots that ever had a segment.
    pub slots_used: f64,
    /// What the busy time costs; absent where a used host has no price.
    pub cost: Option<f64>,
    /// Tasks given up.
    pub failed: f64,
    /// How many worlds were run.
    pub seeds: u32,
}

impl Row {
    pub(crate) fn of(policy: Policy, slots: u32, runs: &[Run]) -> Row {
        let mean =
            |of: &dyn Fn(&Run) -> f64| runs.iter().map(of).sum::<f64>() / runs.len().max(1) as f64;
        let busy = mean(&|run| run.busy_mean);
        let priced = runs.iter().all(|run| run.cost.is_some());
        Row {
            policy,
            makespan_s: mean(&|run| run.makespan_s),
            lower_bound_s: mean(&|run| run.bound_s),
            ratio: mean(&Run::ratio),
            ratio_max: runs.iter().map(Run::ratio).fold(0.0, f64::max),
            loads: mean(&|run| run.loads),
            load_s: mean(&|run| run.load_s),
            render_s: mean(&|run| run.render_s),
            segments: mean(&|run| run.segments),
            busy_s: mean(&|run| run.busy_s),
            slots_busy_mean: busy,
            busy_share: busy / f64::from(slots.max(1)),
            slots_used: mean(&|run| run.used),
            cost: priced.then(|| mean(&|run| run.cost.unwrap_or_default())),
            failed: mean(&|run| run.failed),
            seeds: runs.len() as u32,
        }
    }
}
