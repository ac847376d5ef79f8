//! The lower bound from what was measured: how near a run came to the best possible schedule.

use std::collections::BTreeMap;

use framewright_kernel::bound::{Judged, lower_bound};
use framewright_kernel::ids::SegmentId;
use framewright_kernel::time::Span;

use super::controller::Controller;
use super::farm;
use crate::store::TaskPhase;

impl Controller<'_> {
    /// No schedule of what this controller rendered could have ended sooner, given what each task
    /// took where it ran, how fast each host was and how long it loaded. `None` when nothing was
    /// rendered.
    pub(super) fn measured_bound(&self) -> Option<f64> {
        let entries = self.hosts.iter().map(|host| &host.entry);
        let hosts = farm::specs(&self.job.prepared, entries).ok()?;
        let mut speeds = Vec::with_capacity(hosts.len());
        let mut loads = Vec::with_capacity(hosts.len());
        let mut speed_of = BTreeMap::new();
        for (id, host) in self.farm.hosts().zip(&self.hosts) {
            let learned = self.farm.host(id);
            let measured = self.state.hosts().get(&host.name);
            let load = match measured {
                Some(state) if state.loads > 0 => {
                    Span::from_secs_f64(state.load_s / f64::from(state.loads))
                }
                // It never loaded, so nothing is known against it.
                Some(_) | None => Span::ZERO,
            };
            speed_of.insert(host.name.as_str(), learned.speed);
            speeds.push(learned.speed);
            loads.push(load);
        }
        let mut rendered = false;
        let costs: Vec<Span> = self
            .job
            .tasks()
            .ids()
            .map(|task| match self.rendered_here(&self.job.task_name(task)) {
                Some((host, seconds, _)) => {
                    rendered = true;
                    let speed = speed_of.get(host).copied().unwrap_or(1.0);
                    Span::from_secs_f64(seconds * speed)
                }
                None => Span::ZERO,
            })
            .collect();
        if !rendered {
            return None;
        }
        let judged = Judged {
            costs: &costs,
            speeds: &speeds,
            loads: &loads,
        };
        lower_bound(self.farm.job(), &hosts, judged).map(Span::as_secs_f64)
    }

    /// Speed of each host as learned, by name.
    pub(super) fn speeds(&self) -> BTreeMap<String, f64> {
        self.farm
            .hosts()
            .zip(&self.hosts)
            .map(|(id, host)| (host.name.clone(), self.farm.host(id).speed))
            .collect()
    }

    /// Where, how long and in which segment a task was rendered by this controller; earlier ones'
    /// work cost it nothing.
    pub(super) fn rendered_here(&self, task: &str) -> Option<(&str, f64, SegmentId)> {
        match &self.state.tasks().get(task)?.phase {
            TaskPhase::Done {
                segment,
                host,
                render_s,
                ..
            } if *segment >= self.first_segment => Some((host, *render_s, SegmentId(*segment))),
            TaskPhase::Done { .. }
            | TaskPhase::Pending
            | TaskPhase::Running { .. }
            | TaskPhase::GivenUp { .. } => None,
        }
    }
}
