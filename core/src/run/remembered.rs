//! What earlier renders of a scene cost, as a new job of it uses it.
//!
//! `plan` and `render` ask here alike. Rules, each for one number of the kernel's:
//!
//! * a task's cost: as measured, without what the first one after a load took longer; of a frame that was never rendered, from those near it; of a layer
//!   of which nothing is known, what the adapter says;
//! * a host's speed: as learned in earlier renders of this scene with as many slots, if four tasks
//!   or more stand for it; else what `farm.toml` says, which is a first guess;
//! * a host's load, up to where frames cost no more for it: the mean of the last run that loaded
//!   the scene there, with as many slots if there is a choice, and that longer time; else the mean of the others, corrected by speed; else what the adapter says.
//!
//! A changed scene, or one with other settings, starts from the same numbers: their shape mostly
//! holds, and the kernel learns the ratio from the first frames that end.
//!
//! Invariant: which tasks there are, and how they are numbered, does not depend on any of this.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use framewright_kernel::time::Span;
use jiff::Timestamp;
use serde::Serialize;

use super::Surroundings;
use super::prepare::{Inspection, Prepared};
use super::tasks::{TaskFacts, TaskList};
use crate::event::CostsFrom;
use crate::history::{
    Frame, History, HistoryError, Recalled, RecalledHost, RecalledTake, SceneKey, Take, along,
    without_warm_up,
};
use crate::request::{HostEntry, Request};
use crate::store::content_of;

/// What a job knows from earlier renders of its scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// Runs that left costs.
    pub renders: u32,
    /// When the newest of the costs that are used was measured.
    pub measured: Timestamp,
    /// Tasks of this job whose own cost is known.
    pub tasks_known: u32,
    /// Frames of this job of which a cost is known.
    pub frames_known: u32,
    /// Whether the scene's file was the same then.
    pub same_scene: bool,
    /// Whether settings, format and resolution were the same then.
    pub same_settings: bool,
    /// Mean seconds of a load on a host of speed 1, with what the first task takes longer for it.
    pub load_s: Option<f64>,
    /// How many of these are what the first task takes longer.
    pub warm_up_s: f64,
    /// For each layer of the job the seconds of its frames, in order, on a host of speed 1; nothing
    /// where nothing is known of a layer.
    pub(super) costs: Vec<Option<Vec<f64>>>,
    /// For each host of the job.
    pub(super) hosts: Vec<RememberedHost>,
    /// All that the scene is known on, by which that follows the job's hosts.
    known: Vec<RecalledHost>,
}

/// What is remembered of one host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RememberedHost {
    /// Its speed, where enough tasks stand for it.
    pub speed: Option<f64>,
    /// Seconds that it takes to load the scene, up to where frames cost no more for it.
    pub load_s: Option<f64>,
    /// How many seconds of what it is expected to load pass after the renderer said that it had
    /// loaded, in its first task.
    pub warm_up_s: f64,
}

impl Remembered {
    /// What of it people are told.
    #[must_use]
    pub fn costs_from(&self) -> CostsFrom {
        CostsFrom {
            measured: self.measured,
            frames_known: self.frames_known,
            same_scene: self.same_scene,
            same_settings: self.same_settings,
        }
    }

    /// Mean seconds of a frame with all its layers, on a host of speed 1; nothing where a layer is
    /// not known.
    #[must_use]
    pub fn frame_s(&self) -> Option<f64> {
        let mean = |costs: &Option<Vec<f64>>| {
            let costs = costs.as_ref().filter(|costs| !costs.is_empty())?;
            Some(costs.iter().sum::<f64>() / costs.len() as f64)
        };
        self.costs.iter().map(mean).sum()
    }

    /// What a task is expected to cost.
    pub(super) fn cost(&self, layer_index: usize, frame_index: usize) -> Option<Span> {
        let costs = self.costs.get(layer_index)?.as_ref()?;
        costs.get(frame_index).copied().map(Span::from_secs_f64)
    }

    /// What a task is expected to cost: of a tile, a call and its part of what the frame cost
    /// beyond a call.
    pub(super) fn task_cost(&self, facts: &TaskFacts<'_>, call: Span, area: u64) -> Option<Span> {
        let frame = self.cost(facts.layer_index, facts.frame_index)?;
        if facts.tile.is_none() {
            return Some(frame);
        }
        let shared = (frame.as_secs_f64() - call.as_secs_f64()).max(0.0);
        Some(call + Span::from_secs_f64(shared * facts.part_of(area)))
    }

    pub(super) fn host(&self, index: usize) -> RememberedHost {
        self.hosts.get(index).copied().unwrap_or_default()
    }

    fn of(recalled: &Recalled, now: &Take, tasks: &TaskList, hosts: &[HostEntry]) -> Option<Self> {
        let mut costs = Vec::new();
        let mut warm_up = 0.0_f64;
        // Of the job's own frames, and of all others, whose costs only serve as neighbours'.
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for layer in tasks.layers() {
            let mut known = Vec::new();
            for (frame, cost) in recalled.costs.frames(layer) {
                known.push(Frame {
                    frame,
                    cost_s: cost.cost_s,
                    first: cost.first,
                });
                let is_own = tasks.frames().binary_search(&frame).is_ok();
                if is_own { &mut own } else { &mut others }.push((frame, cost));
            }
            let (known, layer_warms_up) = without_warm_up(&known);
            warm_up = layer_warms_up.max(warm_up);
            costs.push(along(&known, tasks.frames()));
        }
        let used = if own.is_empty() { &others } else { &own };
        let measured = used.iter().map(|(_, cost)| cost.measured).max()?;
        let takes = || used.iter().map(|(_, cost)| &recalled.takes[cost.take].take);
        let frames_known: BTreeSet<i32> = own.iter().map(|(frame, _)| *frame).collect();
        let load_s = load_at_speed_1(&recalled.hosts);
        // It is counted to a load, so there is none where no load is known.
        let warm_up = load_s.map_or(0.0, |_| warm_up);
        Some(Self {
            renders: recalled.scene.renders,
            measured,
            tasks_known: u32::try_from(own.len()).unwrap_or(u32::MAX),
            frames_known: u32::try_from(frames_known.len()).unwrap_or(u32::MAX),
            same_scene: takes().all(|take| take.content == now.content),
            same_settings: takes().all(|take| take.settings == now.settings),
            load_s: load_s.map(|load_s| load_s + warm_up),
            warm_up_s: warm_up,
            costs,
            hosts: of_hosts(hosts, &recalled.hosts, warm_up),
            known: recalled.hosts.clone(),
        })
    }
}

fn of_hosts(hosts: &[HostEntry], known: &[RecalledHost], warm_up_s: f64) -> Vec<RememberedHost> {
    let of_one = |host| of_host(host, known, warm_up_s);
    hosts.iter().map(of_one).collect()
}

/// `warm_up_s` is what comes on top of a load on a host of speed 1.
fn of_host(host: &HostEntry, known: &[RecalledHost], warm_up_s: f64) -> RememberedHost {
    let of_name = || known.iter().filter(|known| known.name == host.name);
    let same = of_name().find(|known| known.slots == host.slots);
    let loaded = same
        .filter(|known| known.loads > 0)
        .or_else(|| of_name().find(|known| known.loads > 0));
    let speed = same
        .filter(|known| known.is_speed_known())
        .map(|known| known.speed);
    // Where it never loaded, the kernel takes the mean of the others at the speed that it is given.
    let load_speed = loaded.map_or(speed.unwrap_or(host.speed), |known| known.speed);
    let warm_up_s = warm_up_s / load_speed;
    RememberedHost {
        speed,
        load_s: loaded.map(|known| known.load_s + warm_up_s),
        warm_up_s,
    }
}

impl Prepared {
    /// Renders on other hosts, or on other slots of them. What is remembered goes by the place and
    /// the slots of a host, so that both change together or not at all.
    pub(crate) fn render_on(&mut self, hosts: Vec<HostEntry>) {
        if let Some(remembered) = &mut self.remembered {
            remembered.hosts = of_hosts(&hosts, &remembered.known, remembered.warm_up_s);
        }
        self.request.hosts = hosts;
    }

    /// How much of what a load on this host is expected to take passes in the first task.
    ///
    /// A load is one number to the kernel, which must not load anew without counting all of it. What
    /// is seen of a load ends sooner: when the renderer says so. This is the difference, so
    /// that what is told to people of loads, and of first tasks, is predicted as it is measured.
    pub(super) fn warm_up(&self, host: usize) -> Span {
        let remembered = self.remembered.as_ref();
        Span::from_secs_f64(remembered.map_or(0.0, |known| known.host(host).warm_up_s))
    }
}

/// What a load takes on a host of speed 1, as the kernel reckons it for hosts that never loaded.
fn load_at_speed_1(hosts: &[RecalledHost]) -> Option<f64> {
    let loads: f64 = hosts.iter().map(|host| f64::from(host.loads)).sum();
    let seconds = hosts
        .iter()
        .map(|host| f64::from(host.loads) * host.load_s * host.speed);
    (loads > 0.0).then(|| seconds.sum::<f64>() / loads)
}

/// Looks up what is remembered for a settled job. What hinders that is told as a warning, and the
/// job neither uses nor leaves a history then.
pub(super) fn remember(around: &Surroundings, prepared: &mut Prepared) {
    if !prepared.request.history {
        return;
    }
    let history = History::at(&around.state_dir);
    match recall(&history, prepared) {
        Ok(remembered) => {
            prepared.remembered = remembered;
            prepared.leaves_history = true;
        }
        Err(error) => prepared
            .warnings
            .push(format!("{error}; what earlier renders cost is not used")),
    }
}

fn recall(history: &History, prepared: &Prepared) -> Result<Option<Remembered>, HistoryError> {
    let inspection = &prepared.inspection;
    let path = canonical(&prepared.request.scene, inspection);
    let Some(scene) = history.find(SceneKey {
        path: &path,
        adapter: &inspection.description.id,
    })?
    else {
        return Ok(None);
    };
    let now = Take {
        content: content(&prepared.request, scene.takes()),
        settings: settings(inspection, &prepared.format),
    };
    let tasks = &prepared.tasks;
    let layers: Vec<&str> = tasks.layers().collect();
    let recalled = scene.recall(&now, &layers, tasks.frames())?;
    Ok(Remembered::of(
        &recalled,
        &now,
        tasks,
        &prepared.request.hosts,
    ))
}

/// The hash of the scene as it is now: that of a take when it had the same size and time, so that a
/// large scene is not read again.
fn content(request: &Request, takes: &[RecalledTake]) -> String {
    let unchanged = takes
        .iter()
        .find(|take| is_as_then(&request.scene, take).unwrap_or(false));
    match unchanged {
        Some(take) => take.take.content.clone(),
        // A scene that cannot be read now is not the one that was; who renders it will say so.
        None => content_of(&request.scene).unwrap_or_default(),
    }
}

fn is_as_then(scene: &Path, take: &RecalledTake) -> std::io::Result<bool> {
    let about = std::fs::metadata(scene)?;
    let modified = Timestamp::try_from(about.modified()?).map_err(std::io::Error::other)?;
    Ok(about.len() == take.bytes && modified.as_microsecond() == take.modified.as_microsecond())
}

/// The scene's path without links, by which it is remembered.
pub(super) fn canonical(scene: &Path, inspection: &Inspection) -> String {
    let path = scene.canonicalize().ok();
    path.as_deref()
        .and_then(Path::to_str)
        .unwrap_or(&inspection.scene_path)
        .to_owned()
}

/// A hash of what changes a scene's costs beside its content.
pub(super) fn settings(inspection: &Inspection, format: &str) -> String {
    #[derive(Serialize)]
    struct Settled<'a> {
        settings: &'a BTreeMap<String, serde_json::Value>,
        format: &'a str,
        width: u32,
        height: u32,
    }
    let settled = Settled {
        settings: &inspection.settings,
        format,
        width: inspection.scene.width,
        height: inspection.scene.height,
    };
    let text = serde_json::to_vec(&settled).unwrap_or_default();
    blake3::hash(&text).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{HostMeasured, Measured, TaskCost};
    use crate::request::LinkKind;
    use crate::store::SceneIdentity;

    fn host(name: &str, slots: u32, speed: f64, tasks: u32, load_s: f64) -> RecalledHost {
        RecalledHost {
            name: name.to_owned(),
            slots,
            speed,
            tasks,
            load_s,
            loads: u32::from(load_s > 0.0),
        }
    }

    fn entry(name: &str, slots: u32) -> HostEntry {
        HostEntry::new(name, LinkKind::Local, slots)
    }

    #[test]
    fn a_host_is_taken_at_its_word_until_enough_tasks_say_otherwise() {
        let known = [
            host("a", 2, 1.5, 4, 0.0),
            host("a", 1, 3.0, 90, 8.0),
            host("b", 1, 9.0, 3, 6.0),
        ];
        let of = |name, slots| {
            let RememberedHost { speed, load_s, .. } = of_host(&entry(name, slots), &known, 0.0);
            (speed, load_s)
        };
        // A load does not depend on slots as a speed does.
        assert_eq!(of("a", 2), (Some(1.5), Some(8.0)));
        assert_eq!(of("a", 1), (Some(3.0), Some(8.0)));
        assert_eq!(of("a", 4), (None, Some(8.0)));
        assert_eq!(of("b", 1), (None, Some(6.0)));
        assert_eq!(of("c", 1), (None, None));
        let warmed = of_host(&entry("a", 1), &known, 6.0);
        assert_eq!((warmed.load_s, warmed.warm_up_s), (Some(10.0), 2.0));
        // Too few tasks stand for its speed, but its load was measured beside them.
        let warmed = of_host(&entry("b", 1), &known, 9.0);
        assert_eq!((warmed.load_s, warmed.warm_up_s), (Some(7.0), 1.0));
        let new = HostEntry {
            speed: 2.0,
            ..entry("c", 1)
        };
        let new = of_host(&new, &known, 6.0);
        assert_eq!((new.load_s, new.warm_up_s), (None, 3.0));
        assert_eq!(load_at_speed_1(&known), Some((8.0 * 3.0 + 6.0 * 9.0) / 2.0));
        assert_eq!(load_at_speed_1(&known[..1]), None);
    }

    const SCENE: SceneKey<'static> = SceneKey {
        path: "/a.blend",
        adapter: "blender",
    };

    fn cost(frame: i32, cost_s: f64) -> TaskCost<'static> {
        TaskCost {
            layer: "beauty",
            frame,
            tile: None,
            cost_s,
            host: "a",
            first: false,
        }
    }

    /// What a job of these layers and frames knows after a render of the scene.
    fn after(
        costs: Vec<TaskCost<'static>>,
        layers: &[&str],
        frames: &str,
        now: &Take,
    ) -> Option<Remembered> {
        let folder = tempfile::tempdir().unwrap();
        let history = History::at(folder.path());
        let identity = SceneIdentity {
            path: SCENE.path.into(),
            hash: "c1".into(),
            bytes: 0,
            modified: Timestamp::UNIX_EPOCH,
            summary: serde_json::Value::Null,
        };
        let host = HostMeasured {
            name: "a",
            slots: 1,
            speed: 2.0,
            tasks: 20,
            goes_on: false,
            load_s: 16.0,
            loads: 2,
        };
        let run = Measured {
            scene: SCENE,
            identity: &identity,
            settings: "s1",
            at: Timestamp::UNIX_EPOCH,
            costs,
            hosts: vec![host],
        };
        history.record(&run).unwrap();
        let layers: Vec<String> = layers.iter().map(|layer| (*layer).to_owned()).collect();
        let tasks = TaskList::new(&layers, &frames.parse().unwrap());
        let names: Vec<&str> = layers.iter().map(String::as_str).collect();
        let found = history.find(SCENE).unwrap().unwrap();
        let recalled = found.recall(now, &names, tasks.frames()).unwrap();
        Remembered::of(&recalled, now, &tasks, &[entry("a", 1)])
    }

    /// The same after a render of `beauty`, frames 1 and 3.
    fn remembered(layers: &[&str], frames: &str, now: &Take) -> Option<Remembered> {
        after(vec![cost(1, 10.0), cost(3, 20.0)], layers, frames, now)
    }

    #[test]
    fn what_the_first_frame_takes_longer_is_the_load_s() {
        let mut costs: Vec<TaskCost<'static>> = (1..=6).map(|frame| cost(frame, 1.0)).collect();
        costs[2] = TaskCost {
            first: true,
            ..cost(3, 5.0)
        };
        let known = after(costs, &["beauty"], "1-6", &take("c1", "s1")).unwrap();
        assert_eq!(known.cost(0, 2), Some(Span::from_secs(1)));
        // Eight seconds here, sixteen at speed 1; four more at speed 1, two here.
        assert_eq!((known.load_s, known.warm_up_s), (Some(20.0), 4.0));
        assert_eq!(
            (known.host(0).load_s, known.host(0).speed),
            (Some(10.0), Some(2.0))
        );
    }

    fn take(content: &str, settings: &str) -> Take {
        Take {
            content: content.to_owned(),
            settings: settings.to_owned(),
        }
    }

    #[test]
    fn tasks_cost_what_they_cost_or_what_their_neighbours_do() {
        let known = remembered(&["beauty"], "1-3", &take("c1", "s1")).unwrap();
        assert_eq!((known.frames_known, known.tasks_known), (2, 2));
        assert_eq!((known.same_scene, known.same_settings), (true, true));
        assert_eq!(known.cost(0, 0), Some(Span::from_secs(10)));
        assert_eq!(known.cost(0, 1), Some(Span::from_secs(15)));
        assert_eq!(known.cost(0, 3), None);
        assert_eq!(known.frame_s(), Some(15.0));
        let changed = remembered(&["beauty"], "1-3", &take("c2", "s2")).unwrap();
        assert_eq!((changed.same_scene, changed.same_settings), (false, false));
        assert_eq!(changed.cost(0, 0), Some(Span::from_secs(10)));
    }

    #[test]
    fn a_layer_of_which_nothing_is_known_keeps_what_is_declared() {
        let known = remembered(&["beauty", "shadow"], "1,3", &take("c1", "s1")).unwrap();
        assert_eq!(
            (known.cost(0, 0), known.cost(1, 0)),
            (Some(Span::from_secs(10)), None)
        );
        assert_eq!(known.frame_s(), None);
        assert_eq!(remembered(&["shadow"], "1-3", &take("c1", "s1")), None);
        // Frames of which none was rendered: all that is known is others'.
        let known = remembered(&["beauty"], "50-60", &take("c2", "s1")).unwrap();
        assert_eq!((known.frames_known, known.same_scene), (0, false));
        assert!(known.cost(0, 0).is_some());
    }
}
