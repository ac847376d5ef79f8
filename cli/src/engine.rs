//! Every call from the command line into the library that does the work.
//!
//! Here the library is told what the program found around it, and its futures are waited for.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use framewright_core::adapters::{Launcher, SearchPlan, find_adapters};
use framewright_core::event::{JobEnd, ReelKind, Stamped};
use framewright_core::explain::{Explained, look};
use framewright_core::frames::FrameSet;
use framewright_core::hosts::check::{self, Wanted as CheckWanted};
use framewright_core::hosts::order::{Order as HostsOrder, order};
use framewright_core::request::{HostEntry, Request};
use framewright_core::run::{self, RunEnd, Stop};
use framewright_core::simulate::{SimulatedJob, Simulation, simulate as core_simulate};
use framewright_core::store::{ReelPhase, Store};
use tokio::sync::mpsc;

use crate::args::simulate::{self, JobSource};
use crate::documents::{
    AdaptersReport, InspectReport, JobsReport, LogsReport, PlanReport, StatusReport,
};
use crate::documents_hosts::{CheckReport, ChecksReport, OrdersReport};
use crate::documents_simulate::{CompareReport, SimulateReport};
use crate::exit::Exit;
use crate::problem::Presentable;
use crate::scenes;
use crate::signals::{Order, Orders};
use crate::stored::{self, LogsWanted};
use crate::stream::EventSink;
use crate::surroundings::Surroundings;

/// What `render` is to work on.
pub(crate) enum Wanted {
    /// A new job.
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
    /// Final pictures that this and earlier controllers of this job made.
    pub(crate) outputs: Vec<String>,
    /// Films and contact sheets, likewise.
    pub(crate) reels: Vec<(ReelKind, String)>,
    /// Measured speed of each host, by name; a host that is missing is shown with speed 1.
    pub(crate) speeds: BTreeMap<String, f64>,
    /// The same as the farm's file says.
    pub(crate) speeds_declared: BTreeMap<String, f64>,
    /// Whether the output disk filled, which ends a job with exit code 1.
    pub(crate) disk_full: bool,
    /// Where the adapter broke its contract: a job that fails then ends with exit code 4.
    pub(crate) adapter_faults: Vec<String>,
}

/// Renders. Events go to `events` as they happen; `orders` says when to finish or stop. Returns
/// when nothing of the job runs any more.
pub(crate) fn render(
    wanted: Wanted,
    around: &Surroundings,
    events: &EventSink,
    orders: Orders,
) -> Result<Outcome, Presentable> {
    block_on(async {
        let surroundings = surroundings(around);
        let mut sink = |stamped: &Stamped| events.send(stamped.clone());
        match wanted {
            Wanted::New(request) => {
                let mut orders = orders;
                // Looking into a scene can take minutes; whoever wants to stop then stops.
                let prepared = tokio::select! {
                    prepared = run::prepare(&surroundings, *request) => prepared?,
                    Some(_) = orders.recv() => return Err(interrupted()),
                };
                let stops = stops(orders);
                Ok(outcome(
                    run::render(&surroundings, prepared, stops, &mut sink).await?,
                ))
            }
            Wanted::Resume(job) => {
                let stops = stops(orders);
                Ok(outcome(
                    run::resume(&surroundings, &job, stops, &mut sink).await?,
                ))
            }
        }
    })
}

/// Says what `render` would do.
pub(crate) fn plan(
    request: &Request,
    around: &Surroundings,
    compare: bool,
) -> Result<PlanReport, Presentable> {
    let prepared = block_on(run::prepare(&surroundings(around), request.clone()))?;
    let plan = run::plan(&prepared)?;
    let mut report = scenes::plan_report(&prepared, &plan);
    if compare {
        let comparison = run::compare(&prepared, around.cores as usize)?;
        report.compare = Some(CompareReport::of(&comparison));
    }
    Ok(report)
}

/// Runs a job in virtual time. `progress` is told how many runs of how many are over.
pub(crate) fn simulate(
    settled: &simulate::Settled,
    around: &Surroundings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<SimulateReport, Presentable> {
    let prepared = match &settled.job {
        JobSource::Numbers(_) => None,
        JobSource::Scene { request, .. } => {
            let request = request.as_ref().clone();
            Some(block_on(run::prepare(&surroundings(around), request))?)
        }
    };
    let job = match (&settled.job, &prepared) {
        (JobSource::Scene { reload, .. }, Some(prepared)) => SimulatedJob::Scene {
            prepared,
            reload: *reload,
        },
        (JobSource::Numbers(numbers), _) => SimulatedJob::Numbers(numbers.clone()),
        (JobSource::Scene { .. }, None) => unreachable!("it was looked into above"),
    };
    let simulation = Simulation {
        job,
        hosts: settled.hosts.clone(),
        limits: settled.limits,
        start_delay_s: settled.start_delay_s,
        unknowns: settled.unknowns,
        policies: settled.policies.clone(),
        seed: settled.seed,
        seeds: settled.seeds,
        threads: around.cores as usize,
    };
    let answer = core_simulate(&simulation, progress)?;
    Ok(SimulateReport::of(&answer, prepared.as_ref()))
}

/// Asks the adapter what is in the scene.
pub(crate) fn inspect(
    request: &Request,
    around: &Surroundings,
) -> Result<InspectReport, Presentable> {
    let found = block_on(run::inspect_scene(&surroundings(around), request))?;
    let mut report = scenes::inspect_report(&found.description.id, &found.scene);
    report.scene.warnings.extend(found.notes);
    Ok(report)
}

/// All adapters that are found, in search order, unusable ones with the reason.
/// `adapter_path` is what was typed; the environment's comes after it.
pub(crate) fn adapters(
    adapter_path: &[PathBuf],
    around: &Surroundings,
) -> Result<AdaptersReport, Presentable> {
    let mut plan = surroundings(around).adapters;
    plan.explicit = adapter_path
        .iter()
        .map(|path| around.working_folder.join(path))
        .collect();
    Ok(AdaptersReport::of(&block_on(find_adapters(&plan))))
}

/// All jobs, oldest first, and a sentence for each that cannot be read.
pub(crate) fn jobs(around: &Surroundings) -> Result<(JobsReport, Vec<String>), Presentable> {
    stored::jobs(&Store::at(&around.state_dir))
}

/// One job. An id that fits none or several is an error of usage.
pub(crate) fn status(around: &Surroundings, job: &str) -> Result<StatusReport, Presentable> {
    stored::status(&Store::at(&around.state_dir), job, jiff::Timestamp::now())
}

/// Why a task is where it is; a frame alone means the tasks of all layers.
pub(crate) fn explain(
    around: &Surroundings,
    job: &str,
    task: &str,
) -> Result<Explained, Presentable> {
    let folder = Store::at(&around.state_dir).find_job(job)?;
    Ok(block_on(look(&folder, task))?)
}

/// What to look for on hosts.
pub(crate) struct ChecksWanted<'a> {
    /// More folders to search for adapters, as typed.
    pub(crate) adapter_path: &'a [PathBuf],
    /// The adapter whose renderer has to be there; otherwise one of all.
    pub(crate) adapter: Option<&'a str>,
    /// A folder here that has to be shared.
    pub(crate) write_test: Option<PathBuf>,
    /// How long a host may take until it answers.
    pub(crate) connect_max: Duration,
}

/// Looks at hosts.
pub(crate) fn check_hosts(
    hosts: &[HostEntry],
    wanted: &ChecksWanted<'_>,
    around: &Surroundings,
) -> Result<ChecksReport, Presentable> {
    let mut surroundings = surroundings(around);
    let explicit = wanted.adapter_path.iter();
    surroundings.adapters.explicit = explicit
        .map(|path| around.working_folder.join(path))
        .collect();
    // Renderers are asked over links of their own, which may take as long.
    surroundings.link_deadline = wanted.connect_max;
    block_on(async {
        let (adapters, warnings) = check::adapters(&surroundings, wanted.adapter).await?;
        let wanted = CheckWanted {
            adapters,
            all: wanted.adapter.is_some(),
            write_test: wanted.write_test.clone(),
            connect_max: wanted.connect_max,
        };
        let found = check::check(&surroundings, hosts, &wanted).await;
        let reports = hosts.iter().zip(found);
        Ok(ChecksReport {
            hosts: reports
                .map(|(entry, check)| CheckReport::of(entry, check))
                .collect(),
            warnings,
        })
    })
}

/// Tells a running job to take hosts, or to let them go.
pub(crate) fn order_hosts(
    around: &Surroundings,
    job: &str,
    what: HostsOrder,
) -> Result<OrdersReport, Presentable> {
    let folder = Store::at(&around.state_dir).find_job(job)?;
    let told = block_on(order(&folder, what))?;
    Ok(OrdersReport::of(folder.id().to_string(), told))
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

/// One thread carries the whole controller: it waits nearly all the time, and the rest is short.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has a descriptor and a timer left for us")
        .block_on(work)
}

fn surroundings(around: &Surroundings) -> run::Surroundings {
    let launcher = Launcher::new([around.executable.as_os_str(), OsStr::new("adapter-host")]);
    run::Surroundings {
        executable: around.executable.clone(),
        state_dir: around.state_dir.clone(),
        adapters: SearchPlan::new(launcher, Vec::new(), &around.adapters),
        heartbeat: HEARTBEAT,
        link_deadline: LINK_DEADLINE,
    }
}

/// How often both ends of a link say something.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long a link may take to open.
const LINK_DEADLINE: Duration = Duration::from_secs(30);

fn stops(mut orders: Orders) -> mpsc::UnboundedReceiver<Stop> {
    let (sender, stops) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(order) = orders.recv().await {
            let stop = match order {
                Order::Finish => Stop::Finish,
                Order::Stop => Stop::Now,
            };
            if sender.send(stop).is_err() {
                return;
            }
        }
    });
    stops
}

fn outcome(end: RunEnd) -> Outcome {
    let reels = end.job_state.reels().iter();
    let made = reels.filter(|(_, reel)| matches!(reel.phase, ReelPhase::Made { .. }));
    let reels = made.map(|(path, reel)| (reel.kind, path.clone())).collect();
    Outcome {
        job: end.job,
        state: end.state,
        outputs: end.outputs,
        reels,
        speeds: end.speeds,
        speeds_declared: end.speeds_declared,
        disk_full: end.disk_full.is_some(),
        adapter_faults: end.adapter_faults,
    }
}

fn interrupted() -> Presentable {
    Presentable {
        message: "interrupted before the render began".to_owned(),
        hint: None,
        exit: Exit::Interrupted,
    }
}
