//! Every call from the command line into the library that does the work.
//!
//! What is not joined yet answers with an error that says so; nothing here makes up a result.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use framewright_core::adapters::{Candidate, Launcher, SearchPlan, find_adapters};
use framewright_core::event::JobEnd;
use framewright_core::frames::FrameSet;
use framewright_core::request::Request;
use framewright_core::store::Store;

use crate::documents::{
    AdapterReport, AdaptersReport, InspectReport, JobsReport, LogsReport, PlanReport, StatusReport,
};
use crate::problem::{Presentable, with_causes};
use crate::signals::Orders;
use crate::stored::{self, LogsWanted};
use crate::stream::EventSink;
use crate::surroundings::Surroundings;

/// What `render` is to work on.
pub(crate) enum Wanted {
    /// A new job. `Request::layers` that would need a split are to be refused with
    /// [`Presentable::not_yet`].
    New(Box<Request>),
    /// An interrupted job: its id, or enough of its beginning.
    Resume(String),
}

/// What a render leaves behind that its events do not say.
pub(crate) struct Outcome {
    /// The job.
    pub(crate) job: String,
    /// How it ended.
    pub(crate) state: JobEnd,
    /// Files committed by earlier controllers of this job, in task order.
    pub(crate) earlier_outputs: Vec<String>,
    /// Measured speed of each host, by name; a host that is missing is shown with speed 1.
    pub(crate) speeds: BTreeMap<String, f64>,
    /// Whether the output disk filled, which ends a job with exit code 1.
    pub(crate) disk_full: bool,
}

/// Renders. Events go to `events` as they happen; `orders` says when to finish or stop. Returns
/// when nothing of the job runs any more.
pub(crate) fn render(
    _wanted: Wanted,
    _around: &Surroundings,
    _events: &EventSink,
    _orders: Orders,
) -> Result<Outcome, Presentable> {
    Err(not_joined("render"))
}

/// Says what `render` would do.
pub(crate) fn plan(_request: &Request, _around: &Surroundings) -> Result<PlanReport, Presentable> {
    Err(not_joined("plan"))
}

/// Asks the adapter what is in the scene. [`crate::scenes::inspect_report`] makes the document
/// from the adapter's answer.
pub(crate) fn inspect(
    _request: &Request,
    _around: &Surroundings,
) -> Result<InspectReport, Presentable> {
    Err(not_joined("inspect"))
}

/// All adapters that are found, in search order, unusable ones with the reason.
/// `adapter_path` is what was typed.
pub(crate) fn adapters(
    adapter_path: &[PathBuf],
    around: &Surroundings,
) -> Result<AdaptersReport, Presentable> {
    let explicit = adapter_path
        .iter()
        .map(|path| around.working_folder.join(path))
        .collect();
    let plan = SearchPlan::new(launcher(around), explicit, &around.adapters);
    let found = block_on(find_adapters(&plan))?;
    Ok(AdaptersReport {
        adapters: found.iter().map(adapter_report).collect(),
    })
}

/// How adapters are started: by this program itself.
fn launcher(around: &Surroundings) -> Launcher {
    Launcher::new([around.executable.as_os_str(), OsStr::new("adapter-host")])
}

fn adapter_report(candidate: &Candidate) -> AdapterReport {
    let installed = candidate.state.as_ref().ok();
    let shadowed = candidate
        .shadowed_by
        .as_ref()
        .map(|by| format!("{} comes before it", by.display()));
    let why = candidate
        .state
        .as_ref()
        .err()
        .map(|error| with_causes(error))
        .or(shadowed);
    AdapterReport {
        id: candidate.id.clone(),
        version: installed
            .map(|installed| installed.version.clone())
            .unwrap_or_default(),
        extensions: installed
            .map(|installed| installed.extensions.clone())
            .unwrap_or_default(),
        path: candidate.path.to_string_lossy().into_owned(),
        usable: why.is_none(),
        why,
    }
}

/// Runs the library's asynchronous part on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Presentable> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Presentable::fault(format!("cannot wait for adapters and workers: {error}"))
        })?;
    Ok(runtime.block_on(work))
}

/// All jobs, oldest first, and a sentence for each that cannot be read.
pub(crate) fn jobs(around: &Surroundings) -> Result<(JobsReport, Vec<String>), Presentable> {
    stored::jobs(&Store::at(&around.state_dir))
}

/// One job. An id that fits none or several is an error of usage.
pub(crate) fn status(around: &Surroundings, job: &str) -> Result<StatusReport, Presentable> {
    stored::status(&Store::at(&around.state_dir), job, jiff::Timestamp::now())
}

/// The logs of a job, or of one task of it.
pub(crate) fn logs(
    around: &Surroundings,
    wanted: &LogsWanted<'_>,
) -> Result<LogsReport, Presentable> {
    stored::logs(&Store::at(&around.state_dir), wanted)
}

/// Whether a text is a frame set; the reason as a sentence where it is not.
pub(crate) fn check_frame_set(text: &str) -> Result<(), String> {
    text.parse::<FrameSet>()
        .map(drop)
        .map_err(|error| error.to_string())
}

fn not_joined(command: &str) -> Presentable {
    Presentable::fault(format!(
        "this build of framewright cannot {command}: the part that does it is not joined"
    ))
}
