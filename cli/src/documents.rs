//! The JSON documents that people script against. They only grow.
//!
//! Every document carries `"format": 1`. Durations are seconds as numbers, suffix `_s`; sizes
//! are bytes; what is not known is `null`, never a made-up nought.
//!
//! The document of `explain` is made where the controller answers: it is
//! [`framewright_core::explain::Explained`] behind `format`.

use framewright_core::adapters::Candidate;
use framewright_core::request::Split;
use framewright_core::store::{PictureCounts, Status};
use serde::Serialize;

use crate::documents_simulate::CompareReport;
use crate::history::PlanHistory;
use crate::problem::with_causes;

/// Version of every document on this page.
pub(crate) const FORMAT: u32 = 1;

/// A document as it is printed: the version first, then its own keys.
#[derive(Debug, Serialize)]
pub(crate) struct Document<T> {
    format: u32,
    #[serde(flatten)]
    body: T,
}

impl<T> Document<T> {
    pub(crate) fn new(body: T) -> Self {
        Self {
            format: FORMAT,
            body,
        }
    }
}

/// Tasks of a job, counted. `done` includes `skipped`: tasks whose file was found whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TaskCounts {
    pub(crate) total: u32,
    pub(crate) done: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

/// Pictures that are put together of several tasks' pictures, counted; none where each task's is
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct AssembledCounts {
    pub(crate) total: u32,
    pub(crate) done: u32,
    pub(crate) failed: u32,
}

impl From<PictureCounts> for AssembledCounts {
    fn from(counts: PictureCounts) -> Self {
        Self {
            total: counts.total,
            done: counts.done,
            failed: counts.failed,
        }
    }
}

/// A task that was given up; or a picture (`LAYER:FRAME`) that was not put together as it should be,
/// a `film` or a `contact-sheet` that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) task: String,
    pub(crate) attempts: u32,
    pub(crate) why: String,
}

/// What a host did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct HostReport {
    pub(crate) name: String,
    pub(crate) tasks: u32,
    /// Summed over its slots: time in which they had a segment.
    pub(crate) busy_s: f64,
    /// Until the renderer said that it had loaded: what its first frame takes longer after that is
    /// counted to the frame, also in what is predicted of both.
    pub(crate) load_s: f64,
    /// 1 = the speed that declared costs are for. As learned, by `render`; by `status` as declared.
    pub(crate) speed: f64,
    /// The speed that the farm's file says.
    pub(crate) speed_declared: f64,
    /// To be held against `busy_s`: what its finished tasks were expected to take, each when it was
    /// begun, and its loads. `null` where the job's record does not say.
    pub(crate) predicted_s: Option<f64>,
    /// To be held against `load_s`, and a part of `predicted_s`.
    pub(crate) predicted_load_s: Option<f64>,
}

/// `render --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RenderReport {
    pub(crate) job: String,
    pub(crate) state: Status,
    pub(crate) tasks: TaskCounts,
    pub(crate) segments: u64,
    pub(crate) loads: u64,
    pub(crate) makespan_s: f64,
    pub(crate) lower_bound_s: Option<f64>,
    pub(crate) ratio: Option<f64>,
    /// To be held against `makespan_s`: what the plan said before the start; `null` where planning
    /// would have held the start up.
    pub(crate) predicted_makespan_s: Option<f64>,
    pub(crate) load_s: f64,
    pub(crate) render_s: f64,
    /// Final pictures.
    pub(crate) outputs: Vec<String>,
    pub(crate) hosts: Vec<HostReport>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) assembled: AssembledCounts,
    pub(crate) films: Vec<String>,
    pub(crate) contact_sheets: Vec<String>,
}

/// A layer, as `plan` and `inspect` show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LayerReport {
    pub(crate) name: String,
    pub(crate) after: Vec<AfterReport>,
    pub(crate) weight: f64,
    /// Left out by `plan`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) passes: Option<Vec<String>>,
}

/// What a layer waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AfterReport {
    pub(crate) layer: String,
    pub(crate) scope: &'static str,
}

/// A file that a scene needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AssetReport {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) missing: bool,
}

/// `plan --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PlanReport {
    pub(crate) adapter: String,
    pub(crate) scene: PlanScene,
    pub(crate) split: Split,
    /// How frames are tiled; only where some are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tiles: Option<TilingReport>,
    /// Why it is split so; only where there was something to decide.
    #[serde(rename = "split_why", skip_serializing_if = "String::is_empty")]
    pub(crate) why: String,
    pub(crate) tasks: u32,
    pub(crate) segments: Vec<PlanSegment>,
    pub(crate) predicted: Predicted,
    pub(crate) warnings: Vec<String>,
    /// What other policies and other hosts would give; only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compare: Option<CompareReport>,
}

/// The scene, as `plan` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PlanScene {
    pub(crate) frames: String,
    pub(crate) fps: f64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) layers: Vec<LayerReport>,
    pub(crate) load_s: Option<f64>,
    pub(crate) frame_s: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) assets: Vec<AssetReport>,
    /// As in `inspect`, or `history` where it was measured in an earlier render.
    pub(crate) basis: PlanBasis,
    /// `null` where nothing of the scene is remembered.
    pub(crate) history: Option<PlanHistory>,
}

/// How much to believe the costs of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PlanBasis {
    pub(crate) load_s: &'static str,
    pub(crate) frame_s: &'static str,
}

/// How frames are tiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TilingReport {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    /// Of a frame.
    pub(crate) tiles: u32,
    /// Frames that are in tiles; absent = all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frames: Option<String>,
}

/// A planned segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PlanSegment {
    pub(crate) id: u64,
    pub(crate) host: String,
    /// Empty = the scene as it is.
    pub(crate) layer: String,
    pub(crate) frames: String,
    /// Its tile, where it is one.
    pub(crate) tile: Option<String>,
    /// Its tasks, where frames are in tiles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tasks: Vec<String>,
    pub(crate) start_s: f64,
    pub(crate) end_s: f64,
}

/// What a plan expects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Predicted {
    pub(crate) makespan_s: f64,
    pub(crate) lower_bound_s: f64,
    pub(crate) ratio: f64,
    /// With what first frames take longer, where that is remembered.
    pub(crate) load_s: f64,
    pub(crate) loads: u64,
    pub(crate) hosts_busy_max: u32,
    /// How many slots the farm's limits can feed; null where it has none.
    pub(crate) saturation: Option<SaturationReport>,
}

/// How many slots segments of a length keep busy, with so much time between two sends or so many
/// loads at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SaturationReport {
    pub(crate) interval_s: f64,
    pub(crate) loads_max: Option<u32>,
    /// A typical segment.
    pub(crate) segment_tasks: u32,
    pub(crate) segment_s: f64,
    pub(crate) load_share: f64,
    pub(crate) slots_fed: f64,
    pub(crate) slots: u32,
    /// A sentence, where more could be fed.
    pub(crate) advice: Option<String>,
}

/// `inspect --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct InspectReport {
    pub(crate) adapter: String,
    pub(crate) scene: InspectScene,
}

/// The scene, as `inspect` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct InspectScene {
    pub(crate) frames: String,
    pub(crate) step: u32,
    pub(crate) fps: f64,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) camera: Option<String>,
    pub(crate) cameras: Vec<String>,
    pub(crate) engine: Option<String>,
    pub(crate) layers: Vec<LayerReport>,
    pub(crate) load_s: Option<f64>,
    pub(crate) call_s: Option<f64>,
    pub(crate) frame_s: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) basis: BasisReport,
    pub(crate) assets: Vec<AssetReport>,
    pub(crate) tiles: TilesReport,
    pub(crate) warnings: Vec<String>,
}

/// How much to believe each cost: `declared`, `measured`, `estimated` or `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BasisReport {
    pub(crate) load_s: &'static str,
    pub(crate) call_s: &'static str,
    pub(crate) frame_s: &'static str,
}

/// Whether frames may be tiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TilesReport {
    pub(crate) exact: bool,
    pub(crate) margin: u32,
    pub(crate) why: String,
}

/// `jobs --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct JobsReport {
    pub(crate) jobs: Vec<JobReport>,
}

/// One job of the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct JobReport {
    pub(crate) job: String,
    pub(crate) state: Status,
    pub(crate) scene: String,
    pub(crate) tasks: TaskCounts,
    /// RFC 3339, UTC.
    pub(crate) started: jiff::Timestamp,
    pub(crate) assembled: AssembledCounts,
}

/// `status JOB --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct StatusReport {
    #[serde(flatten)]
    pub(crate) job: JobReport,
    pub(crate) hosts: Vec<StatusHost>,
    pub(crate) failures: Vec<Failure>,
    /// `null` where the job does not run or nothing is known yet.
    pub(crate) eta_s: Option<f64>,
}

/// A host, as `status` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct StatusHost {
    #[serde(flatten)]
    pub(crate) host: HostReport,
    /// `starting`, `up`, `silent`, `waiting`, `closed`, `lost` or `drained`; `null` where the job
    /// does not run.
    pub(crate) state: Option<&'static str>,
    /// Why it waits or is closed.
    pub(crate) why: Option<String>,
    /// Bytes that were sent to it before renderers could start.
    pub(crate) staged_bytes: u64,
    /// How long that took.
    pub(crate) staged_s: f64,
}

/// `logs JOB [TASK] --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LogsReport {
    pub(crate) job: String,
    pub(crate) logs: Vec<LogReport>,
}

/// One log: what a renderer printed while it worked on a segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LogReport {
    pub(crate) segment: u64,
    /// `null` where the log's first line is damaged; so with the others.
    pub(crate) host: Option<String>,
    pub(crate) slot: Option<u32>,
    pub(crate) tasks: Vec<String>,
    pub(crate) note: Option<String>,
    pub(crate) lines_count: u64,
    /// Only where a task was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lines: Option<Vec<LineReport>>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LineReport {
    /// `out`, `err`, `task` or `note`.
    pub(crate) kind: &'static str,
    /// Since the segment was sent.
    pub(crate) at_s: f64,
    pub(crate) text: String,
}

/// `adapters list --format json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct AdaptersReport {
    pub(crate) adapters: Vec<AdapterReport>,
}

/// An adapter that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AdapterReport {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) extensions: Vec<String>,
    /// The folder or manifest it was found by.
    pub(crate) path: String,
    /// Whether it can be used.
    pub(crate) usable: bool,
    /// Why not, where not.
    pub(crate) why: Option<String>,
}

impl AdaptersReport {
    /// What a search found, in its order.
    pub(crate) fn of(found: &[Candidate]) -> Self {
        let adapters = found.iter().map(|candidate| {
            let (version, extensions, broken) = match &candidate.state {
                Ok(installed) => (
                    installed.version.clone(),
                    installed.extensions.clone(),
                    None,
                ),
                Err(error) => (String::new(), Vec::new(), Some(with_causes(error))),
            };
            let hidden = candidate
                .shadowed_by
                .as_ref()
                .map(|by| format!("{} comes before it", by.display()));
            let why = broken.or(hidden);
            AdapterReport {
                id: candidate.id.clone(),
                version,
                extensions,
                path: candidate.path.display().to_string(),
                usable: why.is_none(),
                why,
            }
        });
        Self {
            adapters: adapters.collect(),
        }
    }
}
