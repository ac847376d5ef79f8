//! The history of costs as documents: all scenes, one scene, what was forgotten, and what of it a
//! plan stands on.
//!
//! Costs are seconds on a host of speed 1. `spread` is the standard deviation divided by the mean.

use std::path::Path;

use framewright_core::event::CostsFrom;
use framewright_core::history::{
    Forgotten, History, HistoryError, Recalled, SceneKey, SceneSummary,
};
use framewright_core::nearest::nearest;
use framewright_core::run::Remembered;
use jiff::Timestamp;
use serde::Serialize;

use crate::printable::printable;
use crate::problem::Presentable;

/// `history show --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct HistoryReport {
    pub(crate) scenes: Vec<SceneReport>,
}

/// A scene of which costs are known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SceneReport {
    pub(crate) scene: String,
    pub(crate) adapter: String,
    /// Runs that left costs.
    pub(crate) renders: u32,
    /// RFC 3339, UTC.
    pub(crate) measured: Timestamp,
    pub(crate) frames_known: u32,
    /// Of a frame with all its layers.
    pub(crate) mean_s: Option<f64>,
    /// Of single tasks, over all layers.
    pub(crate) spread: Option<f64>,
    /// Only where a scene was named; so with the hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layers: Option<Vec<LayerCosts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hosts: Option<Vec<HostCosts>>,
}

/// What a layer costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LayerCosts {
    /// Empty = the scene as it is.
    pub(crate) layer: String,
    pub(crate) frames_known: u32,
    pub(crate) mean_s: f64,
    pub(crate) spread: f64,
    pub(crate) min_s: f64,
    pub(crate) min_frame: i32,
    pub(crate) max_s: f64,
    pub(crate) max_frame: i32,
    pub(crate) costs: Vec<CostReport>,
}

/// What a frame, or a tile of it, cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CostReport {
    pub(crate) frame: i32,
    /// `COLUMN,ROW`; `null` = the whole frame.
    pub(crate) tile: Option<String>,
    pub(crate) cost_s: f64,
    pub(crate) host: String,
    /// RFC 3339, UTC.
    pub(crate) measured: Timestamp,
    /// Whether it was the first task after a load, which takes longer with many renderers.
    pub(crate) first_after_load: bool,
    /// Whether it was measured at the scene and the settings that were rendered last; if not, it
    /// is told at the ratio of the frames that both know.
    pub(crate) newest: bool,
}

/// What a host was measured at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct HostCosts {
    pub(crate) host: String,
    pub(crate) slots: u32,
    pub(crate) speed: f64,
    /// How many tasks the speed stands on.
    pub(crate) tasks: u32,
    /// `null` where it never loaded the scene.
    pub(crate) load_s: Option<f64>,
    pub(crate) loads: u32,
}

/// `history forget --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ForgottenReport {
    pub(crate) forgotten: Vec<ForgottenScene>,
}

/// A scene that was forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ForgottenScene {
    pub(crate) scene: String,
    pub(crate) adapter: String,
    pub(crate) costs: u32,
}

/// What of the history a plan stands on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PlanHistory {
    pub(crate) renders: u32,
    #[serde(flatten)]
    pub(crate) costs: CostsFrom,
    /// How much of the scene's `load_s` the first frame after a load takes longer: it is over only
    /// then, whereas reports of renders count a load until the renderer says that it has loaded.
    pub(crate) warm_up_s: f64,
}

impl From<&Remembered> for PlanHistory {
    fn from(remembered: &Remembered) -> Self {
        Self {
            renders: remembered.renders,
            costs: remembered.costs_from(),
            warm_up_s: remembered.warm_up_s,
        }
    }
}

/// All scenes, the last rendered first.
pub(crate) fn all(history: &History) -> Result<HistoryReport, Presentable> {
    let mut scenes = Vec::new();
    for summary in history.scenes()? {
        // One that was forgotten meanwhile is not there any more.
        if let Some(recalled) = recall(history, &summary)? {
            scenes.push(report(&recalled, false));
        }
    }
    Ok(HistoryReport { scenes })
}

/// One scene, whoever rendered it.
pub(crate) fn one(
    history: &History,
    typed: &Path,
    working_folder: &Path,
) -> Result<HistoryReport, Presentable> {
    let known = history.scenes()?;
    let path = meant(typed, working_folder, &known)?;
    let mut scenes = Vec::new();
    for summary in known.iter().filter(|summary| summary.path == path) {
        if let Some(recalled) = recall(history, summary)? {
            scenes.push(report(&recalled, true));
        }
    }
    Ok(HistoryReport { scenes })
}

/// Forgets a scene.
pub(crate) fn forget(
    history: &History,
    typed: &Path,
    working_folder: &Path,
) -> Result<ForgottenReport, Presentable> {
    let path = meant(typed, working_folder, &history.scenes()?)?;
    Ok(history.forget(&path)?.into())
}

/// Forgets everything.
pub(crate) fn forget_all(history: &History) -> Result<ForgottenReport, Presentable> {
    Ok(history.forget_all()?.into())
}

impl From<Vec<Forgotten>> for ForgottenReport {
    fn from(forgotten: Vec<Forgotten>) -> Self {
        let scene = |one: Forgotten| ForgottenScene {
            scene: one.path,
            adapter: one.adapter,
            costs: one.costs,
        };
        Self {
            forgotten: forgotten.into_iter().map(scene).collect(),
        }
    }
}

impl From<HistoryError> for Presentable {
    fn from(error: HistoryError) -> Self {
        let problem = Self::usage(error.to_string());
        match error {
            HistoryError::Damaged { .. } => problem.hint(
                "`framewright history forget --all` removes it; the next render begins a new one",
            ),
            HistoryError::Later { .. } => problem.hint(
                "use that version, or begin a new one with `framewright history forget --all`",
            ),
            HistoryError::NotAFile { .. } => {
                problem.hint("move it away; the next render begins a new one")
            }
            HistoryError::Access { .. } => problem
                .hint("it is kept in the user's state folder; set XDG_STATE_HOME to another one"),
        }
    }
}

/// The path by which a scene is remembered. A scene is found by what its path leads to now, or,
/// where it is gone, by its path as it was.
fn meant(
    typed: &Path,
    working_folder: &Path,
    known: &[SceneSummary],
) -> Result<String, Presentable> {
    let absolute = working_folder.join(typed);
    let now = absolute.canonicalize().ok();
    let folder = absolute
        .parent()
        .and_then(|folder| folder.canonicalize().ok());
    let in_folder = folder
        .zip(absolute.file_name())
        .map(|(folder, name)| folder.join(name));
    let candidates = [now, in_folder, std::path::absolute(&absolute).ok()];
    let paths: Vec<&str> = candidates
        .iter()
        .flatten()
        .filter_map(|path| path.to_str())
        .collect();
    let is_known = |path: &&&str| known.iter().any(|summary| summary.path == **path);
    if let Some(path) = paths.iter().find(is_known) {
        return Ok((*path).to_owned());
    }
    let name = typed.to_string_lossy();
    let wanted = paths.first().copied().unwrap_or(&name);
    let problem = Presentable::usage(format!("nothing is remembered of {}", printable(&name)));
    Err(
        match nearest(wanted, known.iter().map(|summary| summary.path.as_str())) {
            Some(path) => problem.hint(format!("did you mean {}?", printable(path))),
            None => problem.hint("framewright history show lists what is remembered"),
        },
    )
}

fn recall(history: &History, summary: &SceneSummary) -> Result<Option<Recalled>, HistoryError> {
    let scene = history.find(SceneKey {
        path: &summary.path,
        adapter: &summary.adapter,
    })?;
    scene.map(|scene| scene.recall_all()).transpose()
}

fn report(recalled: &Recalled, with_all: bool) -> SceneReport {
    let layers: Vec<LayerCosts> = recalled
        .costs
        .layers()
        .filter_map(|(layer, known)| {
            let costs: Vec<CostReport> = known
                .iter()
                .map(|((frame, tile), known)| CostReport {
                    frame: *frame,
                    tile: Some(tile.clone()).filter(|tile| !tile.is_empty()),
                    cost_s: known.cost_s,
                    host: known.host.clone(),
                    measured: known.measured,
                    first_after_load: known.first,
                    newest: known.take == 0,
                })
                .collect();
            layer_costs(layer, costs)
        })
        .collect();
    let mut frames: Vec<i32> = layers
        .iter()
        .flat_map(|layer| layer.costs.iter().map(|cost| cost.frame))
        .collect();
    frames.sort_unstable();
    frames.dedup();
    let costs: Vec<f64> = layers
        .iter()
        .flat_map(|layer| layer.costs.iter().map(|cost| cost.cost_s))
        .collect();
    let spread = mean_and_spread(&costs).map(|(_, spread)| spread);
    let frames_known = u32::try_from(frames.len()).unwrap_or(u32::MAX);
    SceneReport {
        scene: recalled.scene.path.clone(),
        adapter: recalled.scene.adapter.clone(),
        renders: recalled.scene.renders,
        measured: recalled.scene.measured,
        frames_known,
        mean_s: (frames_known > 0).then(|| costs.iter().sum::<f64>() / f64::from(frames_known)),
        spread,
        layers: with_all.then_some(layers),
        hosts: with_all.then(|| recalled.hosts.iter().map(host_costs).collect()),
    }
}

fn layer_costs(layer: &str, costs: Vec<CostReport>) -> Option<LayerCosts> {
    let seconds: Vec<f64> = costs.iter().map(|cost| cost.cost_s).collect();
    let (mean_s, spread) = mean_and_spread(&seconds)?;
    let by_cost = |a: &&CostReport, b: &&CostReport| a.cost_s.total_cmp(&b.cost_s);
    let least = costs.iter().min_by(by_cost)?;
    let most = costs.iter().max_by(by_cost)?;
    let mut frames: Vec<i32> = costs.iter().map(|cost| cost.frame).collect();
    frames.dedup();
    Some(LayerCosts {
        layer: layer.to_owned(),
        frames_known: u32::try_from(frames.len()).unwrap_or(u32::MAX),
        mean_s,
        spread,
        min_s: least.cost_s,
        min_frame: least.frame,
        max_s: most.cost_s,
        max_frame: most.frame,
        costs,
    })
}

fn host_costs(host: &framewright_core::history::RecalledHost) -> HostCosts {
    HostCosts {
        host: host.name.clone(),
        slots: host.slots,
        speed: host.speed,
        tasks: host.tasks,
        load_s: (host.loads > 0).then_some(host.load_s),
        loads: host.loads,
    }
}

fn mean_and_spread(seconds: &[f64]) -> Option<(f64, f64)> {
    if seconds.is_empty() {
        return None;
    }
    let count = seconds.len() as f64;
    let mean = seconds.iter().sum::<f64>() / count;
    let variance = seconds.iter().map(|one| (one - mean).powi(2)).sum::<f64>() / count;
    Some((mean, variance.sqrt() / mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_deviation_by_the_mean() {
        let (mean, spread) = mean_and_spread(&[1.0, 3.0]).unwrap();
        assert_eq!((mean, spread), (2.0, 0.5));
        assert_eq!(mean_and_spread(&[4.0; 3]), Some((4.0, 0.0)));
        assert_eq!(mean_and_spread(&[]), None);
    }

    #[test]
    fn a_slip_in_a_path_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let known = |name: &str| SceneSummary {
            path: folder.join(name).display().to_string(),
            adapter: "stub".into(),
            renders: 1,
            measured: Timestamp::UNIX_EPOCH,
        };
        let scenes = [known("shot010.blend"), known("gone.blend")];
        let meant = |typed: &str| meant(Path::new(typed), &folder, &scenes);
        // It was deleted, or is reached by a detour.
        assert_eq!(meant("gone.blend").unwrap(), scenes[1].path);
        assert_eq!(
            meant("./../../").unwrap_err().exit,
            crate::exit::Exit::Usage
        );
        let problem = meant("shot01.blend").unwrap_err();
        assert_eq!(problem.message, "nothing is remembered of shot01.blend");
        assert_eq!(
            problem.hint.unwrap(),
            format!("did you mean {}?", scenes[0].path)
        );
    }
}
