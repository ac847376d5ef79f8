//! What a run leaves for later renders of its scene: costs and hosts as it measured them.
//!
//! Only what this controller rendered counts, task by task, and only loads that it saw. It is written
//! when the run ends, however it ends; of one that is killed nothing is kept.

use std::collections::BTreeMap;

use framewright_kernel::ids::TaskId;
use jiff::Timestamp;

use super::controller::Controller;
use super::farm::{costs, scene_area};
use super::remembered::{canonical, settings};
use crate::history::{
    History, HostMeasured, Measured, Rendered, SceneKey, TaskCost, agreeing_speeds,
};

impl Controller<'_> {
    /// Leaves what this controller measured for later renders of the scene.
    pub(super) fn leave_history(&mut self) {
        let prepared = &self.job.prepared;
        if !prepared.leaves_history {
            return;
        }
        let path = canonical(&prepared.request.scene, &prepared.inspection);
        let settings = settings(&prepared.inspection, &prepared.format);
        let rendered = self.all_rendered();
        let speeds = self.speeds_agreed(&rendered);
        let hosts = self.hosts_measured(&rendered, &speeds);
        let costs = self.frames_measured(&rendered, &speeds);
        let run = Measured {
            scene: SceneKey {
                path: &path,
                adapter: &prepared.inspection.description.id,
            },
            identity: &self.job.scene,
            settings: &settings,
            at: Timestamp::now(),
            costs,
            hosts,
        };
        let left = History::at(&self.around.state_dir).record(&run);
        if let Err(error) = left {
            self.warn(format!(
                "{error}; later renders cannot start from what this one cost"
            ));
        }
    }

    /// What frames cost on a host of speed 1, in order. One in tiles cost what they did together, but
    /// for all calls save one and what the tiles overlap; of one that is not rendered whole nothing
    /// can be said.
    fn frames_measured<'a>(
        &'a self,
        rendered: &[(TaskId, TaskMeasured)],
        speeds: &[f64],
    ) -> Vec<TaskCost<'a>> {
        let tasks = self.job.tasks();
        let area = scene_area(&self.job.prepared.inspection.scene);
        let call_s = costs(&self.job.prepared).call.as_secs_f64();
        let frame = |task: TaskId| {
            let facts = tasks.facts(task);
            (facts.layer_index, facts.frame_index)
        };
        let frames = rendered.chunk_by(|(a, _), (b, _)| frame(*a) == frame(*b));
        frames
            .filter_map(|pieces| {
                let (first, measured) = pieces.first()?;
                let facts = tasks.facts(*first);
                let cost_s = |measured: &TaskMeasured| measured.took_s * speeds[measured.host];
                let cost_s = if facts.tile.is_none() {
                    cost_s(measured)
                } else {
                    let (layer, frame) = (facts.layer_index, facts.frame_index);
                    if tasks.of_frame(layer, frame).count() != pieces.len() {
                        return None;
                    }
                    let parts = pieces
                        .iter()
                        .map(|(task, _)| tasks.facts(*task).part_of(area));
                    let drawn: f64 = parts.sum();
                    let costs = pieces.iter().map(|(_, measured)| cost_s(measured) - call_s);
                    call_s + costs.sum::<f64>().max(0.0) / drawn
                };
                Some(TaskCost {
                    layer: facts.layer,
                    frame: facts.frame,
                    tile: None,
                    cost_s,
                    host: &self.hosts[measured.host].name,
                    first: pieces.iter().any(|(_, measured)| measured.first),
                })
            })
            .collect()
    }

    /// The tasks that this controller rendered, in order.
    fn all_rendered(&self) -> Vec<(TaskId, TaskMeasured)> {
        let names = self.hosts.iter().enumerate();
        let index: BTreeMap<&str, usize> = names
            .map(|(index, host)| (host.name.as_str(), index))
            .collect();
        let measured = |task: TaskId| {
            let (host, took_s, segment) = self.rendered_here(&self.job.task_name(task))?;
            let measured = TaskMeasured {
                host: *index.get(host)?,
                took_s,
                first: self.first_tasks.contains(&(segment, task)),
            };
            Some((task, measured))
        };
        self.job.tasks().ids().filter_map(measured).collect()
    }

    /// The speed of each host of the job at which costs agree. First tasks after a load may have
    /// taken longer, and are not asked.
    fn speeds_agreed(&self, rendered: &[(TaskId, TaskMeasured)]) -> Vec<f64> {
        let hosts = self.farm.hosts();
        let learned: Vec<f64> = hosts.map(|host| self.farm.host(host).speed).collect();
        let plain = rendered.iter().filter(|(_, measured)| !measured.first);
        let tasks: Vec<Rendered> = plain
            .map(|(task, measured)| {
                let facts = self.job.tasks().facts(*task);
                Rendered {
                    layer: facts.layer_index,
                    frame: facts.frame,
                    host: measured.host,
                    took_s: measured.took_s,
                }
            })
            .collect();
        agreeing_speeds(&tasks, &learned)
    }

    /// The hosts that rendered or loaded something for this controller.
    fn hosts_measured(
        &self,
        rendered: &[(TaskId, TaskMeasured)],
        speeds: &[f64],
    ) -> Vec<HostMeasured<'_>> {
        let remembered = self.job.prepared.remembered.as_ref();
        let mut tasks = vec![0_u32; self.hosts.len()];
        for (_, measured) in rendered {
            tasks[measured.host] += 1;
        }
        let mut hosts = Vec::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let name = host.name.as_str();
            let state = self.state.hosts().get(name);
            let all = state.map_or((0, 0.0), |state| (state.loads, state.load_s));
            let before = self.loads_before.get(name).copied().unwrap_or_default();
            let measured = HostMeasured {
                name,
                slots: host.slots,
                speed: speeds[index],
                tasks: tasks[index],
                goes_on: remembered.is_some_and(|known| known.host(index).speed.is_some()),
                load_s: all.1 - before.1,
                loads: all.0.saturating_sub(before.0),
            };
            if measured.tasks > 0 || measured.loads > 0 {
                hosts.push(measured);
            }
        }
        hosts
    }
}

/// A task that this controller rendered.
#[derive(Clone, Copy, Debug)]
struct TaskMeasured {
    /// Which of the job's hosts.
    host: usize,
    took_s: f64,
    /// Whether it was the first after a load.
    first: bool,
}
