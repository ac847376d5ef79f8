//! Looking hosts over: is each there, what is it, what can it render, does it share storage.
//!
//! Hosts are looked at beside each other, at most [`AT_ONCE_MAX`] at a time; within a host one
//! thing follows the other, each with a deadline of its own, so that a host that stops answering
//! costs no more than that and keeps what was found before. Nothing is changed on a host; slots of
//! a shared one are asked for and given back at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use framewright_kernel::ids::HostId;
use framewright_worker::message::{SlotId, ToWorker};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::measure::{SlotsAsked, clock_ahead_s, free_bytes, median};
use super::talk::{Talk, TalkError};
use super::write_test;
use crate::adapters::{
    AdapterFault, ChooseError, Loaded, Wanted as WantedAdapter, choose, find_adapters,
};
use crate::freight::throughput::{Throughput, throughput};
use crate::link::LinkError;
use crate::request::{HostEntry, LinkKind, Storage};
use crate::run::paths::PathMap;
use crate::run::{ActivityError, Question, Surroundings, freight_spec, probe};

pub use super::measure::Slots;
pub use super::problem::Problem;
pub use super::write_test::WriteTestError;

/// Hosts that are looked at at once.
pub const AT_ONCE_MAX: usize = 16;
/// Further off than this, a clock is worth a warning.
pub const CLOCK_OFF_MAX_S: f64 = 2.0;
/// Less room than this is worth a warning: a few pictures fill it.
pub const DISK_LOW_BYTES: u64 = 1 << 30;
/// How long a host may take for one thing, once it is there.
const STEP_MAX: Duration = Duration::from_secs(10);
/// How long a renderer may take to say its version: some ask a licence server first.
const PROBE_MAX: Duration = Duration::from_secs(60);
/// How long to wait for word of a machine's slots.
const SLOTS_MAX: Duration = Duration::from_secs(2);
/// How long bytes are sent to a host, and as long from it.
const THROUGHPUT_FOR: Duration = Duration::from_millis(500);
/// How long measuring that may take, the connection included.
const THROUGHPUT_MAX: Duration = Duration::from_secs(30);
/// Messages that latency is the median of.
const PINGS: u64 = 50;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Renderers.
    pub adapters: Vec<Arc<Loaded>>,
    /// Whether each of them has to be there; else one is enough.
    pub all: bool,
    /// A folder that has to be shared.
    pub write_test: Option<PathBuf>,
    /// How long a host may take until its worker answers.
    pub connect_max: Duration,
}

/// A renderer on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renderer {
    /// The adapter that asked.
    pub adapter: String,
    /// As people write it.
    pub renderer: String,
    /// Where it is and its version, or why it cannot be used.
    pub found: Result<Version, String>,
}

/// A renderer that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// As it prints it.
    pub version: String,
    /// Its executable there.
    pub program: String,
}

/// A worker that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its build.
    pub build: String,
    /// Its executable there.
    pub path: String,
    /// The machine's own name.
    pub hostname: String,
    /// Whom it runs as.
    pub user: String,
    /// Processor cores.
    pub cores: u32,
    /// Memory of the machine.
    pub memory_bytes: u64,
}

/// What came of the write test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// Nobody asked, or the host was not reached.
    NotTested,
    /// It holds no shared files: they travel.
    Staged,
    /// Each side reads what the other writes.
    Yes,
    /// They do not.
    No,
}

/// What was found of a host. What was not found out is absent.
#[derive(Debug)]
pub struct HostCheck {
    /// Its name.
    pub host: String,
    /// Seconds until its worker answered.
    pub connect_s: Option<f64>,
    /// Its worker.
    pub worker: Option<Worker>,
    /// How far its clock is ahead of ours.
    pub clock_ahead_s: Option<f64>,
    /// Room for this user where scratch files are.
    pub disk_bytes: Option<u64>,
    /// Cores that others keep busy.
    pub load: Option<f64>,
    /// A message there and back.
    pub latency_s: Option<f64>,
    /// Bytes a second there and back, over the way that files take; absent behind a launcher, which
    /// leads to workers only.
    pub throughput: Option<Throughput>,
    /// Slots that can be had; of a host whose slots are not shared this is absent.
    pub slots: Option<Slots>,
    /// Renderers looked for.
    pub renderers: Vec<Renderer>,
    /// Whether it shares the folder of the write test.
    pub shared: Shared,
    /// What is wrong, the first found first.
    pub problems: Vec<Problem>,
}

impl HostCheck {
    fn of(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            connect_s: None,
            worker: None,
            clock_ahead_s: None,
            disk_bytes: None,
            load: None,
            latency_s: None,
            throughput: None,
            slots: None,
            renderers: Vec::new(),
            shared: Shared::NotTested,
            problems: Vec::new(),
        }
    }

    /// Whether a job could use it.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.problems.iter().any(Problem::is_grave)
    }
}

/// Why there are no adapters to look for.
#[derive(Debug, thiserror::Error)]
pub enum AdaptersError {
    /// The one that was named.
    #[error(transparent)]
    Choose(#[from] ChooseError),
    /// It broke.
    #[error(transparent)]
    Fault(Box<AdapterFault>),
}

/// The adapter that is named, else all that can be used; and a sentence for each that cannot.
///
/// # Errors
/// Where the one that is named cannot be used.
pub async fn adapters(
    around: &Surroundings,
    named: Option<&str>,
) -> Result<(Vec<Arc<Loaded>>, Vec<String>), AdaptersError> {
    let found = find_adapters(&around.adapters).await;
    let launcher = &around.adapters.launcher;
    if let Some(id) = named {
        let installed = choose(&found, WantedAdapter::Id(id))?;
        let loaded = Loaded::load(installed, launcher).await;
        let loaded = loaded.map_err(|fault| AdaptersError::Fault(Box::new(fault)))?;
        return Ok((vec![Arc::new(loaded)], Vec::new()));
    }
    let (mut all, mut warnings) = (Vec::new(), Vec::new());
    for candidate in found.iter().filter(|found| found.shadowed_by.is_none()) {
        let Ok(installed) = &candidate.state else {
            continue;
        };
        match Loaded::load(installed, launcher).await {
            Ok(loaded) => all.push(Arc::new(loaded)),
            Err(fault) => warnings.push(fault.to_string()),
        }
    }
    Ok((all, warnings))
}

/// Looks at hosts; what was found comes in their order.
pub async fn check(around: &Surroundings, hosts: &[HostEntry], wanted: &Wanted) -> Vec<HostCheck> {
    let room = Arc::new(Semaphore::new(AT_ONCE_MAX));
    let mut looks = JoinSet::new();
    for (index, host) in hosts.iter().enumerate() {
        let (around, host, wanted) = (around.clone(), host.clone(), wanted.clone());
        let room = Arc::clone(&room);
        looks.spawn(async move {
            let _place = room.acquire_owned().await;
            (index, look(&around, &host, &wanted).await)
        });
    }
    let mut found: BTreeMap<usize, HostCheck> = BTreeMap::new();
    while let Some(ended) = looks.join_next().await {
        match ended {
            Ok((index, check)) => drop(found.insert(index, check)),
            // It panicked: that is our own fault, and is told as one.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    found.into_values().collect()
}

async fn look(around: &Surroundings, host: &HostEntry, wanted: &Wanted) -> HostCheck {
    let mut check = HostCheck::of(&host.name);
    let began = Instant::now();
    let mut talk = match Talk::open(around, host, wanted.connect_max).await {
        Ok(talk) => talk,
        Err(error) => {
            check.problems.push(unreachable(&host.name, &error));
            return check;
        }
    };
    let heard_at = Timestamp::now();
    check.connect_s = Some(began.elapsed().as_secs_f64());
    let hello = talk.hello().clone();
    check.worker = Some(Worker {
        build: hello.build,
        path: hello.executable,
        hostname: hello.hostname,
        user: hello.user,
        cores: hello.cores,
        memory_bytes: hello.memory_bytes,
    });
    if let Some(declared) = host.memory_bytes.filter(|most| *most > hello.memory_bytes) {
        check.problems.push(Problem::Memory {
            has: hello.memory_bytes,
            declared,
        });
    }
    let ours_ms = heard_at.as_millisecond();
    let ended = ask(
        &mut check,
        &mut talk,
        host,
        wanted,
        (hello.clock_ms, ours_ms),
    )
    .await;
    check.load = talk.vitals.as_ref().map(|vitals| vitals.load);
    match ended {
        // A worker that does not answer gets no time for its last words.
        Err(problem) => check.problems.push(problem),
        Ok(()) => {
            talk.close().await;
            measure(around, &mut check, host, wanted.connect_max).await;
            renderers(around, &mut check, host, wanted).await;
        }
    }
    check
}

/// Everything that is asked of the worker; ends where it answers no more.
async fn ask(
    check: &mut HostCheck,
    talk: &mut Talk,
    host: &HostEntry,
    wanted: &Wanted,
    (theirs_ms, ours_ms): (i64, i64),
) -> Result<(), Problem> {
    let latency = within("latency", STEP_MAX, latency(talk)).await?;
    check.latency_s = latency.map(|latency| latency.as_secs_f64());
    check.clock_ahead_s = clock_ahead_s(theirs_ms, ours_ms, latency.unwrap_or_default());
    if let Some(ahead_s) = check.clock_ahead_s.filter(|s| s.abs() > CLOCK_OFF_MAX_S) {
        check.problems.push(Problem::Clock { ahead_s });
    }
    check.disk_bytes = within("disk", STEP_MAX, disk(talk)).await?;
    if let Some(bytes) = check.disk_bytes.filter(|bytes| *bytes < DISK_LOW_BYTES) {
        check.problems.push(Problem::DiskLow { bytes });
    }
    if let Some(folder) = &wanted.write_test {
        if host.storage == Storage::Staged {
            check.shared = Shared::Staged;
        } else {
            let paths = PathMap::new(&host.paths);
            let nonce = nonce(&host.name);
            let test = write_test::test(talk, folder, &paths, &nonce);
            // Both sides wait for the file server.
            match within("shared storage", STEP_MAX * 2, test).await? {
                Ok(()) => check.shared = Shared::Yes,
                Err(error) => {
                    check.shared = Shared::No;
                    check.problems.push(error.into());
                }
            }
        }
    }
    if host.leased {
        check.slots = slots(talk, host.slots).await?;
    }
    Ok(())
}

async fn within<T>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, TalkError>>,
) -> Result<T, Problem> {
    match timeout(limit, work).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Problem::Gone {
            what,
            why: error.to_string(),
        }),
        Err(_) => Err(Problem::Stuck {
            what,
            seconds: limit.as_secs(),
        }),
    }
}

async fn latency(talk: &mut Talk) -> Result<Option<Duration>, TalkError> {
    let mut times = Vec::new();
    for number in 1..=PINGS {
        times.push(talk.ping(number).await?);
    }
    Ok(median(&mut times))
}

/// Asked of the system there, as every POSIX one answers; a machine without `df` leaves it open.
async fn disk(talk: &mut Talk) -> Result<Option<u64>, TalkError> {
    let scratch = talk.scratch().to_owned();
    let output = talk.run("LC_ALL=C df -Pk \"$1\"", &[&scratch]).await?;
    Ok(free_bytes(&output.stdout))
}

/// Asks for each slot and gives it back. A worker that says nothing of slots leaves it open.
async fn slots(talk: &mut Talk, count: u32) -> Result<Option<Slots>, Problem> {
    let all = || (0..count).map(SlotId);
    all().for_each(|slot| talk.say(ToWorker::Lease { slot }));
    let mut asked = SlotsAsked::new(count);
    let answers = async {
        loop {
            if let Some(slots) = asked.whole() {
                return Ok(slots);
            }
            let message = talk.hear().await?;
            asked.hear(&message);
        }
    };
    let ended = within("slots", SLOTS_MAX, answers).await;
    all().for_each(|slot| talk.say(ToWorker::Release { slot }));
    match ended {
        Ok(slots) => Ok(Some(slots)),
        Err(Problem::Stuck { .. }) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Measures the way of files. A host that files travel to cannot do without it.
async fn measure(
    around: &Surroundings,
    check: &mut HostCheck,
    host: &HostEntry,
    connect_max: Duration,
) {
    if matches!(host.link, LinkKind::Command(_)) {
        return;
    }
    let mut spec = freight_spec(around, HostId(0), host, "check");
    spec.deadline = connect_max;
    let measured = timeout(THROUGHPUT_MAX, throughput(&spec, THROUGHPUT_FOR)).await;
    let why = match measured {
        Ok(Ok(throughput)) => {
            check.throughput = Some(throughput);
            return;
        }
        Ok(Err(why)) => about_itself(&host.name, &why),
        Err(_) => format!("no end within {} s", THROUGHPUT_MAX.as_secs()),
    };
    check.problems.push(Problem::Freight {
        why,
        is_grave: host.storage == Storage::Staged,
    });
}

/// Each renderer is asked by its adapter, over a link of its own.
async fn renderers(
    around: &Surroundings,
    check: &mut HostCheck,
    host: &HostEntry,
    wanted: &Wanted,
) {
    let mut problems = Vec::new();
    for adapter in &wanted.adapters {
        let description = adapter.description();
        let question = Question {
            adapter,
            host,
            settings: &BTreeMap::new(),
            output: "",
        };
        let mut is_missing = false;
        let found = match timeout(PROBE_MAX, probe(around, &question)).await {
            Ok(Ok(concluded)) => Ok(Version {
                version: concluded.what.version,
                program: concluded.program,
            }),
            Ok(Err(error)) => {
                is_missing = matches!(error, ActivityError::NoProgram { .. });
                Err(about_itself(&host.name, &error.to_string()))
            }
            Err(_) => Err(format!(
                "its {} does not say within {} s which version it is",
                description.renderer,
                PROBE_MAX.as_secs()
            )),
        };
        if let Err(why) = &found {
            problems.push(Problem::Renderer {
                adapter: description.id.clone(),
                why: why.clone(),
                is_missing,
                is_grave: wanted.all,
            });
        }
        check.renderers.push(Renderer {
            adapter: description.id.clone(),
            renderer: description.renderer.clone(),
            found,
        });
    }
    let has_one = check.renderers.iter().any(|one| one.found.is_ok());
    if !has_one && !wanted.all && !wanted.adapters.is_empty() {
        let whys: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems = vec![Problem::NoRenderer {
            why: whys.join("; "),
        }];
    } else if !wanted.all {
        // A farm need not have every renderer everywhere; one that is there and broken is told.
        let is_missing =
            |one: &Problem| matches!(one, Problem::Renderer { is_missing, .. } if *is_missing);
        problems.retain(|problem| !is_missing(problem));
    }
    check.problems.append(&mut problems);
}

fn unreachable(host: &str, error: &TalkError) -> Problem {
    Problem::Unreachable {
        why: about_itself(host, &error.to_string()),
        hint: match error {
            TalkError::Link(error) => error.hint().map(Into::into),
            TalkError::Lost(_) | TalkError::Scratch { .. } => None,
        },
        is_silent: matches!(error, TalkError::Link(LinkError::Silent { .. })),
    }
}

/// A sentence about a host whose name stands before it already.
fn about_itself(host: &str, why: &str) -> String {
    match why.strip_prefix(&format!("host {host}")) {
        Some(rest) => match rest.strip_prefix(": ") {
            Some(rest) => rest.to_owned(),
            None => format!("it{rest}"),
        },
        None => why.to_owned(),
    }
}

/// Nobody else's files have this in their names.
fn nonce(host: &str) -> String {
    let now = Timestamp::now().as_nanosecond();
    let seed = format!("{host}-{}-{now}", std::process::id());
    blake3::hash(seed.as_bytes()).to_hex().as_str()[..16].to_owned()
}

/// Whether a folder can be tested: it is there, absolute, and its path is text.
#[must_use]
pub fn is_testable(folder: &Path) -> bool {
    folder.is_absolute() && folder.to_str().is_some() && folder.is_dir()
}
