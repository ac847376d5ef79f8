//! The JSON documents of `hosts`. Their keys only grow.

use std::collections::BTreeMap;

use framewright_core::farm::{Farm, Host};
use framewright_core::hosts::check::{HostCheck, Renderer, Shared};
use framewright_core::hosts::order::Told;
use framewright_core::request::{HostEntry, LinkKind, Storage};
use serde::Serialize;

use crate::advice::host_problem_advice;
use crate::printable::shown;

/// `hosts list --format json`.
#[derive(Debug, Serialize)]
pub(crate) struct FarmReport {
    /// The farm's file.
    pub(crate) file: String,
    pub(crate) limits: LimitsReport,
    /// In the file's order.
    pub(crate) hosts: Vec<FarmHost>,
}

/// Limits of a farm.
#[derive(Debug, Serialize)]
pub(crate) struct LimitsReport {
    pub(crate) dispatch_interval_s: f64,
    /// `null`: no limit.
    pub(crate) loads_max: Option<u32>,
}

/// A host as a farm's file has it, defaults filled in.
#[derive(Debug, Serialize)]
pub(crate) struct FarmHost {
    pub(crate) name: String,
    /// `ssh`, `local` or `command`.
    pub(crate) link: &'static str,
    /// `null` unless the link is `ssh`; so with the options.
    pub(crate) address: Option<String>,
    pub(crate) ssh_options: Option<Vec<String>>,
    /// `null` unless the link is `command`.
    pub(crate) command: Option<Vec<String>>,
    pub(crate) slots: u32,
    /// `null`: the host is asked.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) tags: Vec<String>,
    pub(crate) speed: f64,
    pub(crate) storage: Storage,
    pub(crate) grace_s: f64,
    pub(crate) lost_after_s: f64,
    pub(crate) lease: bool,
    pub(crate) available: Option<String>,
    pub(crate) load_max: Option<f64>,
    pub(crate) paths: BTreeMap<String, String>,
    pub(crate) cache_bytes: Option<u64>,
    pub(crate) worker: Option<String>,
    pub(crate) programs: BTreeMap<String, String>,
    pub(crate) cost_per_hour: Option<f64>,
}

impl FarmReport {
    pub(crate) fn of(farm: &Farm) -> Self {
        Self {
            file: shown(&farm.file),
            limits: LimitsReport {
                dispatch_interval_s: farm.limits.dispatch_interval.as_secs_f64(),
                loads_max: farm.limits.loads_max,
            },
            hosts: farm
                .hosts
                .iter()
                .map(Host::entry)
                .map(FarmHost::of)
                .collect(),
        }
    }
}

impl FarmHost {
    fn of(entry: HostEntry) -> Self {
        let link = link_word(&entry.link);
        let (address, ssh_options, command) = match entry.link {
            LinkKind::Local => (None, None, None),
            LinkKind::Command(command) => (None, None, Some(command)),
            LinkKind::Ssh { address, options } => (Some(address), Some(options), None),
        };
        Self {
            name: entry.name,
            link,
            address,
            ssh_options,
            command,
            slots: entry.slots,
            memory_bytes: entry.memory_bytes,
            tags: entry.tags,
            speed: entry.speed,
            storage: entry.storage,
            grace_s: entry.grace_s,
            lost_after_s: entry.lost_after_s,
            lease: entry.leased,
            available: entry.available,
            load_max: entry.load_max,
            paths: entry.paths,
            cache_bytes: entry.cache_bytes,
            worker: entry.worker,
            programs: entry.programs,
            cost_per_hour: entry.cost_per_hour,
        }
    }
}

/// How a host is reached, in a word of the farm's file.
pub(crate) fn link_word(link: &LinkKind) -> &'static str {
    match link {
        LinkKind::Local => "local",
        LinkKind::Command(_) => "command",
        LinkKind::Ssh { .. } => "ssh",
    }
}

/// `hosts check --format json`.
#[derive(Debug, Serialize)]
pub(crate) struct ChecksReport {
    pub(crate) hosts: Vec<CheckReport>,
    /// What people should know beside it, e.g. of adapters that cannot be used.
    pub(crate) warnings: Vec<String>,
}

/// What was found of a host; `null` where it was not found out.
#[derive(Debug, Serialize)]
pub(crate) struct CheckReport {
    pub(crate) name: String,
    pub(crate) link: &'static str,
    /// Whether a job could use it.
    pub(crate) usable: bool,
    /// Until its worker answered.
    pub(crate) connect_s: Option<f64>,
    pub(crate) worker: Option<WorkerReport>,
    /// Below 0: it is behind.
    pub(crate) clock_ahead_s: Option<f64>,
    pub(crate) cores: Option<u32>,
    pub(crate) memory_bytes: Option<u64>,
    /// Room where scratch files are.
    pub(crate) disk_bytes: Option<u64>,
    /// Cores that others keep busy.
    pub(crate) load: Option<f64>,
    /// Median of a message there and back.
    pub(crate) latency_s: Option<f64>,
    /// Bytes a second to it, and from it; `null` for `link = "command"`.
    pub(crate) send_bytes_s: Option<f64>,
    pub(crate) fetch_bytes_s: Option<f64>,
    /// Slots by the farm's file.
    pub(crate) slots: u32,
    /// Slots that others hold now; `null` where slots are not shared.
    pub(crate) slots_held: Option<u32>,
    /// By whom, each as `anna (job x)`.
    pub(crate) holders: Vec<String>,
    pub(crate) renderers: Vec<RendererReport>,
    /// `not-tested`, `staged`, `yes` or `no`.
    pub(crate) shared: &'static str,
    pub(crate) problems: Vec<ProblemReport>,
}

/// A worker that answered.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerReport {
    pub(crate) build: String,
    pub(crate) path: String,
    pub(crate) hostname: String,
    pub(crate) user: String,
}

/// A renderer that was looked for.
#[derive(Debug, Serialize)]
pub(crate) struct RendererReport {
    pub(crate) adapter: String,
    pub(crate) renderer: String,
    /// `null` where it cannot be used; so with the program.
    pub(crate) version: Option<String>,
    pub(crate) program: Option<String>,
    /// Why it cannot.
    pub(crate) why: Option<String>,
}

/// What is wrong with a host.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemReport {
    /// `unreachable`, `gone`, `no-answer`, `clock`, `disk`, `memory`, `freight`, `renderer` or
    /// `storage`.
    pub(crate) kind: &'static str,
    /// Whether a job cannot use the host because of it.
    pub(crate) fatal: bool,
    /// A sentence of which the host is the subject.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) hint: String,
}

impl CheckReport {
    pub(crate) fn of(entry: &HostEntry, check: HostCheck) -> Self {
        let usable = check.is_usable();
        let held = |free: u32| entry.slots.saturating_sub(free);
        let problems = check.problems.iter().map(|problem| ProblemReport {
            kind: problem.kind(),
            fatal: problem.is_grave(),
            what: problem.to_string(),
            hint: host_problem_advice(problem, entry),
        });
        Self {
            name: check.host,
            link: link_word(&entry.link),
            usable,
            connect_s: check.connect_s,
            clock_ahead_s: check.clock_ahead_s,
            cores: check.worker.as_ref().map(|worker| worker.cores),
            memory_bytes: check.worker.as_ref().map(|worker| worker.memory_bytes),
            disk_bytes: check.disk_bytes,
            load: check.load,
            latency_s: check.latency_s,
            send_bytes_s: check.throughput.map(|measured| measured.send_bytes_s),
            fetch_bytes_s: check.throughput.map(|measured| measured.fetch_bytes_s),
            slots: entry.slots,
            slots_held: check.slots.as_ref().map(|slots| held(slots.free)),
            holders: check.slots.map(|slots| slots.holders).unwrap_or_default(),
            shared: match check.shared {
                Shared::NotTested => "not-tested",
                Shared::Staged => "staged",
                Shared::Yes => "yes",
                Shared::No => "no",
            },
            problems: problems.collect(),
            worker: check.worker.map(|worker| WorkerReport {
                build: worker.build,
                path: worker.path,
                hostname: worker.hostname,
                user: worker.user,
            }),
            renderers: check.renderers.into_iter().map(renderer).collect(),
        }
    }
}

fn renderer(renderer: Renderer) -> RendererReport {
    let (version, program, why) = match renderer.found {
        Ok(found) => (Some(found.version), Some(found.program), None),
        Err(why) => (None, None, Some(why)),
    };
    RendererReport {
        adapter: renderer.adapter,
        renderer: renderer.renderer,
        version,
        program,
        why,
    }
}

/// `hosts add --format json`, `hosts drain --format json`.
#[derive(Debug, Serialize)]
pub(crate) struct OrdersReport {
    pub(crate) job: String,
    pub(crate) hosts: Vec<OrderReport>,
}

/// What came of an order for one host.
#[derive(Debug, Serialize)]
pub(crate) struct OrderReport {
    pub(crate) host: String,
    /// Whether it is done, or will be.
    pub(crate) done: bool,
    /// What the controller says.
    pub(crate) text: String,
}

impl OrdersReport {
    pub(crate) fn of(job: String, told: Vec<Told>) -> Self {
        let one = |told: Told| {
            let (done, text) = match told.answer {
                Ok(text) => (true, text),
                Err(why) => (false, why),
            };
            OrderReport {
                host: told.host,
                done,
                text,
            }
        };
        Self {
            job,
            hosts: told.into_iter().map(one).collect(),
        }
    }
}
