//! The documents of `simulate` and of `plan --compare`. They only grow, as all documents do.

use framewright_core::run::{CompareHosts, Comparison, Prepared};
use framewright_core::simulate::{Answer, Row};
use serde::Serialize;

use crate::history::PlanHistory;

/// `simulate --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SimulateReport {
    pub(crate) tasks: u32,
    pub(crate) hosts: u32,
    pub(crate) slots: u32,
    pub(crate) results: Vec<SimulateRow>,
    /// What the costs stand on, as in `plan`; null where the job is numbers, or its scene was never
    /// rendered.
    pub(crate) history: Option<PlanHistory>,
    pub(crate) warnings: Vec<String>,
}

/// A policy's means over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SimulateRow {
    pub(crate) policy: String,
    pub(crate) makespan_s: f64,
    pub(crate) lower_bound_s: f64,
    pub(crate) ratio: f64,
    pub(crate) loads: f64,
    pub(crate) load_s: f64,
    pub(crate) render_s: f64,
    pub(crate) segments: f64,
    pub(crate) slots_busy_mean: f64,
    pub(crate) slots_used: f64,
    /// `load_s` in hours.
    pub(crate) load_hours: f64,
    /// Time that slots had a segment, summed over slots, in hours.
    pub(crate) busy_hours: f64,
    /// Part of all slots that had a segment, over the makespan.
    pub(crate) busy_share: f64,
    /// Of the busy time; null where a used host has no price.
    pub(crate) cost: Option<f64>,
    pub(crate) ratio_max: f64,
    /// How many worlds were run: 1 where nothing is left to chance.
    pub(crate) seeds: u32,
    /// Tasks given up.
    pub(crate) failed: f64,
}

/// `plan --compare`, a part of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CompareReport {
    pub(crate) policies: Vec<SimulateRow>,
    pub(crate) hosts: Vec<CompareHostsRow>,
}

/// The same job on fewer or more slots.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CompareHostsRow {
    /// How many times the farm's slots.
    pub(crate) times: f64,
    pub(crate) hosts: u32,
    pub(crate) slots: u32,
    #[serde(flatten)]
    pub(crate) row: SimulateRow,
}

impl SimulateReport {
    /// `prepared` is the scene's job, where there is a scene.
    pub(crate) fn of(answer: &Answer, prepared: Option<&Prepared>) -> Self {
        let remembered = prepared.and_then(|prepared| prepared.remembered.as_ref());
        Self {
            tasks: answer.tasks,
            hosts: answer.hosts,
            slots: answer.slots,
            results: answer.results.iter().map(SimulateRow::of).collect(),
            history: remembered.map(PlanHistory::from),
            warnings: prepared.map_or_else(Vec::new, |prepared| prepared.warnings.clone()),
        }
    }
}

impl SimulateRow {
    pub(crate) fn of(row: &Row) -> Self {
        Self {
            policy: row.policy.to_string(),
            makespan_s: row.makespan_s,
            lower_bound_s: row.lower_bound_s,
            ratio: row.ratio,
            loads: row.loads,
            load_s: row.load_s,
            render_s: row.render_s,
            segments: row.segments,
            slots_busy_mean: row.slots_busy_mean,
            slots_used: row.slots_used,
            load_hours: row.load_s / 3600.0,
            busy_hours: row.busy_s / 3600.0,
            busy_share: row.busy_share,
            cost: row.cost,
            ratio_max: row.ratio_max,
            seeds: row.seeds,
            failed: row.failed,
        }
    }
}

impl CompareReport {
    pub(crate) fn of(comparison: &Comparison) -> Self {
        let hosts = |hosts: &CompareHosts| CompareHostsRow {
            times: hosts.times,
            hosts: hosts.hosts,
            slots: hosts.slots,
            row: SimulateRow::of(&hosts.row),
        };
        Self {
            policies: comparison.policies.iter().map(SimulateRow::of).collect(),
            hosts: comparison.hosts.iter().map(hosts).collect(),
        }
    }
}
