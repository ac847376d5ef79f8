//! `simulate`: what is typed, and what is meant.
//!
//! A job is a scene or numbers, a farm a file or numbers; what would be silently ignored is
//! refused.

use std::path::PathBuf;

use clap::Args;
use framewright_core::frames::FrameSet;
use framewright_core::policy::Policy;
use framewright_core::quantity::{parse_duration, parse_number, parse_segment_size};
use framewright_core::request::{FarmLimits, Request};
use framewright_core::simulate::{Numbers, SEEDS_MAX, SLOTS_MAX, SimulatedHosts, Unknowns};

use super::hosts;
use super::low::JobArgs;
use super::settle::{self, in_option};
use crate::printable::printable;
use crate::problem::Presentable;
use crate::surroundings::Surroundings;

/// Most that a rate of faults can be.
const LOSSES_MAX: f64 = 100.0;
/// Largest error of a history: the deviation of its logarithm.
const ERROR_MAX: f64 = 3.0;
/// How often a straggler can be longer than others.
const STRAGGLING_MAX: f64 = 1000.0;

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SimulateArgs {
    /// The scene, whose costs are asked of its adapter. Without one, costs are given as numbers.
    #[arg(value_name = "SCENE")]
    pub(crate) scene: Option<PathBuf>,

    /// The job has these frames. By default the scene's own.
    #[arg(
        short,
        long,
        value_name = "SET",
        allow_hyphen_values = true,
        help_heading = "Job"
    )]
    pub(crate) frames: Option<String>,
    /// A frame costs so much on average, on a host of speed 1.
    #[arg(
        long,
        value_name = "TIME",
        help_heading = "Job",
        conflicts_with = "scene"
    )]
    pub(crate) frame_cost: Option<String>,
    /// Starting the renderer and loading the scene takes so long, on any host. By default nothing.
    #[arg(
        long,
        value_name = "TIME",
        help_heading = "Job",
        conflicts_with = "scene"
    )]
    pub(crate) load: Option<String>,
    /// Each render call costs so much besides. By default nothing.
    #[arg(
        long,
        value_name = "TIME",
        help_heading = "Job",
        conflicts_with = "scene"
    )]
    pub(crate) call: Option<String>,
    /// Load the scene again for each segment. By default it is kept, or as the scene's adapter
    /// says.
    #[arg(long, help_heading = "Job")]
    pub(crate) reload: bool,
    /// A segment holds runs of frames only; with --reload, by default any list of them.
    #[arg(long, help_heading = "Job", conflicts_with = "scene")]
    pub(crate) runs: bool,
    /// Costs differ from frame to frame, on top of what is known of a scene: const, ramp:10, smooth,
    /// lognormal:0.6, spiky:0.05x8. By default const.
    #[arg(long, value_name = "SHAPE", help_heading = "Job")]
    pub(crate) cost: Option<String>,
    /// Use this adapter; by default the one that knows the scene's extension.
    #[arg(long, value_name = "ID", help_heading = "Job")]
    pub(crate) adapter: Option<String>,
    /// Set a renderer's setting; may be given more than once.
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = "Job")]
    pub(crate) set: Vec<String>,
    /// Take the scene's costs as the adapter says, as if it had never been rendered. By default
    /// costs that were measured before are used, as `plan` does.
    #[arg(long, help_heading = "Job")]
    pub(crate) no_history: bool,

    /// The farm is that of this file. By default ./farm.toml, else the user's farm.toml.
    #[arg(long, value_name = "farm.toml", help_heading = "Farm")]
    pub(crate) hosts: Option<PathBuf>,
    /// The farm has so many hosts, all of speed 1 if --speeds does not say otherwise.
    #[arg(
        long,
        value_name = "N",
        help_heading = "Farm",
        conflicts_with = "hosts"
    )]
    pub(crate) host_count: Option<u32>,
    /// Speeds lie evenly on a logarithmic scale from A to B, e.g. 0.5..4.
    #[arg(long, value_name = "A..B", help_heading = "Farm")]
    pub(crate) speeds: Option<String>,
    /// Each host has so many slots. By default one.
    #[arg(long, value_name = "N", help_heading = "Farm")]
    pub(crate) slots: Option<u32>,
    /// Between two sends passes so much time. By default as the farm's file says, else nothing.
    #[arg(long, value_name = "TIME", help_heading = "Farm")]
    pub(crate) dispatch_interval: Option<String>,
    /// From a send to the renderer's start passes so much time. By default nothing.
    #[arg(long, value_name = "TIME", help_heading = "Farm")]
    pub(crate) start_delay: Option<String>,
    /// So many hosts may load at once. By default as the farm's file says, else any number.
    #[arg(long, value_name = "N", help_heading = "Farm")]
    pub(crate) loads_max: Option<u32>,

    /// The dispatcher knows each frame's cost from earlier renders, with this error, e.g. 0.2. By
    /// default only their mean, and of a scene what was measured before.
    #[arg(long, value_name = "ERROR", help_heading = "What goes wrong")]
    pub(crate) history_error: Option<String>,
    /// The dispatcher does not know the hosts' speeds.
    #[arg(long, help_heading = "What goes wrong")]
    pub(crate) unknown_speeds: bool,
    /// Each host is lost so often an hour, for a quarter of one, e.g. 0.02/h.
    #[arg(long, value_name = "RATE", help_heading = "What goes wrong")]
    pub(crate) host_loss: Option<String>,
    /// So many tries of a frame take so many times as long, e.g. 0.02x5.
    #[arg(long, value_name = "PxF", help_heading = "What goes wrong")]
    pub(crate) stragglers: Option<String>,
    /// So many tries of a frame fail on their way, e.g. 0.01.
    #[arg(long, value_name = "P", help_heading = "What goes wrong")]
    pub(crate) flaky: Option<String>,

    /// Distribute by this policy: auto, even, fixed:K, royal-render:MIN..MAX, guided, factoring
    /// or openjd:TIME. May be given more than once, to compare. By default auto.
    #[arg(long, value_name = "POLICY", help_heading = "How")]
    pub(crate) policy: Vec<String>,
    /// As --policy royal-render:MIN..MAX; 0 sends all to one slot.
    #[arg(long, value_name = "MIN..MAX", help_heading = "How")]
    pub(crate) segment: Option<String>,
    /// Take the mean over so many worlds. By default 20, where anything is left to chance.
    #[arg(long, value_name = "N", help_heading = "How")]
    pub(crate) seeds: Option<u32>,
    /// Number of the first world; the same number gives the same worlds. By default 0.
    #[arg(long, value_name = "N", help_heading = "How")]
    pub(crate) seed: Option<u64>,
}

/// Worlds of a simulation, when nobody says.
const SEEDS: u32 = 20;

/// What is meant.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) job: JobSource,
    pub(crate) hosts: SimulatedHosts,
    pub(crate) limits: FarmLimits,
    pub(crate) start_delay_s: f64,
    pub(crate) unknowns: Unknowns,
    pub(crate) policies: Vec<Policy>,
    pub(crate) seed: u64,
    pub(crate) seeds: u32,
}

/// Where the job comes from.
#[derive(Debug)]
pub(crate) enum JobSource {
    Numbers(Numbers),
    Scene { request: Box<Request>, reload: bool },
}

/// Settles the options of `simulate`.
pub(crate) fn settle(
    args: &SimulateArgs,
    adapter_path: &[PathBuf],
    around: &Surroundings,
) -> Result<Settled, Presentable> {
    let job = match &args.scene {
        Some(scene) => scene_job(args, scene, adapter_path, around)?,
        None => JobSource::Numbers(numbers(args)?),
    };
    let (hosts, limits) = farm(args, around)?;
    Ok(Settled {
        job,
        hosts,
        limits,
        start_delay_s: time("--start-delay", args.start_delay.as_deref())?.unwrap_or(0.0),
        unknowns: unknowns(args)?,
        policies: policies(args)?,
        seed: args.seed.unwrap_or(0),
        seeds: match args.seeds {
            None => SEEDS,
            Some(seeds) if (1..=SEEDS_MAX).contains(&seeds) => seeds,
            Some(seeds) => {
                return Err(Presentable::usage(format!(
                    "--seeds {seeds} makes no sense: it must be from 1 to {SEEDS_MAX}"
                )));
            }
        },
    })
}

fn scene_job(
    args: &SimulateArgs,
    scene: &std::path::Path,
    adapter_path: &[PathBuf],
    around: &Surroundings,
) -> Result<JobSource, Presentable> {
    // Looked into here, whatever the farm is.
    let job = JobArgs {
        scene: Some(scene.to_owned()),
        frames: args.frames.clone(),
        adapter: args.adapter.clone(),
        set: args.set.clone(),
        no_history: args.no_history,
        local: Some(1),
        ..JobArgs::default()
    };
    let request = settle::settle(&job, adapter_path, around)?.request;
    Ok(JobSource::Scene {
        request: Box::new(request),
        reload: args.reload,
    })
}

/// Refuses the first of these options that is given. Clap cannot: it does not ask for what an option
/// requires where something conflicts with that.
fn refuse(given: &[(&str, bool)], why: &str, hint: &str) -> Result<(), Presentable> {
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Presentable::usage(format!("{option} {why}")).hint(hint)),
        None => Ok(()),
    }
}

fn numbers(args: &SimulateArgs) -> Result<Numbers, Presentable> {
    let of_scenes = [
        ("--adapter", args.adapter.is_some()),
        ("--set", !args.set.is_empty()),
        ("--no-history", args.no_history),
    ];
    refuse(
        &of_scenes,
        "is about a scene, and there is none",
        "name a scene, or leave it out",
    )?;
    let missing = |option: &str| {
        Presentable::usage(format!("there is no scene, and no {option} either")).hint(
            "name a scene, or give numbers: --frames 1-200 --frame-cost 20s --load 60s --host-count 20",
        )
    };
    let typed = args.frames.as_deref().ok_or_else(|| missing("--frames"))?;
    settle::frame_set("--frames", typed)?;
    let frames: FrameSet = typed
        .parse()
        .map_err(|error| Presentable::usage(format!("--frames: {error}")))?;
    let frame_s =
        time("--frame-cost", args.frame_cost.as_deref())?.ok_or_else(|| missing("--frame-cost"))?;
    if frame_s <= 0.0 {
        return Err(
            Presentable::usage("--frame-cost 0 leaves nothing to simulate")
                .hint("say what a frame costs on average, like --frame-cost 20s"),
        );
    }
    Ok(Numbers {
        frames,
        frame_s,
        call_s: time("--call", args.call.as_deref())?.unwrap_or(0.0),
        load_s: time("--load", args.load.as_deref())?.unwrap_or(0.0),
        reload: args.reload,
        runs_only: args.runs,
    })
}

fn time(option: &str, typed: Option<&str>) -> Result<Option<f64>, Presentable> {
    let read = |text| in_option(option, parse_duration(text)).map(|time| time.as_secs_f64());
    typed.map(read).transpose()
}

fn farm(
    args: &SimulateArgs,
    around: &Surroundings,
) -> Result<(SimulatedHosts, FarmLimits), Presentable> {
    let (hosts, mut limits) = match args.host_count {
        Some(count) => (spread(args, count)?, FarmLimits::default()),
        None => {
            let of_numbers = [
                ("--speeds", args.speeds.is_some()),
                ("--slots", args.slots.is_some()),
            ];
            refuse(
                &of_numbers,
                "is about a farm in numbers, and there is no --host-count",
                "a farm's file says it of each host",
            )?;
            let found = hosts::simulated(args.hosts.as_deref(), around)?;
            let Some((hosts, limits)) = found else {
                return Err(Presentable::usage(
                    "there is no farm to simulate: no --host-count, and no farm.toml",
                )
                .hint("say how many hosts, like --host-count 20, or name a file with --hosts"));
            };
            (SimulatedHosts::Farm(hosts), limits)
        }
    };
    if let Some(interval_s) = time("--dispatch-interval", args.dispatch_interval.as_deref())? {
        limits.dispatch_interval_s = interval_s;
    }
    if let Some(most) = args.loads_max {
        if most == 0 {
            return Err(
                Presentable::usage("--loads-max 0 would let no host load the scene")
                    .hint("leave it out for no limit"),
            );
        }
        limits.loads_max = Some(most);
    }
    Ok((hosts, limits))
}

fn spread(args: &SimulateArgs, hosts: u32) -> Result<SimulatedHosts, Presentable> {
    let slots = args.slots.unwrap_or(1);
    let counted = |option: &str, number: u32| {
        if (1..=SLOTS_MAX).contains(&number) {
            Ok(())
        } else {
            Err(Presentable::usage(format!(
                "{option} {number} makes no sense: it must be from 1 to {SLOTS_MAX}"
            )))
        }
    };
    counted("--host-count", hosts)?;
    counted("--slots", slots)?;
    Ok(SimulatedHosts::Spread {
        hosts,
        slots,
        speeds: args.speeds.as_deref().map_or(Ok((1.0, 1.0)), speeds)?,
    })
}

fn speeds(text: &str) -> Result<(f64, f64), Presentable> {
    let wrong = || {
        Presentable::usage(format!(
            "--speeds {} are no speeds, which lie between 0.001 and 1000",
            printable(text)
        ))
        .hint("write the slowest and the fastest, like --speeds 0.5..4")
    };
    let (slowest, fastest) = text.split_once("..").unwrap_or((text, text));
    let number = |part: &str| {
        let speed = parse_number(part.trim())?;
        (0.001..=1000.0).contains(&speed).then_some(speed)
    };
    let (slowest, fastest) = (
        number(slowest).ok_or_else(wrong)?,
        number(fastest).ok_or_else(wrong)?,
    );
    if slowest > fastest {
        return Err(Presentable::usage(format!(
            "--speeds {} is reversed: the slowest comes first",
            printable(text)
        ))
        .hint(format!("write --speeds {fastest}..{slowest}")));
    }
    Ok((slowest, fastest))
}

fn unknowns(args: &SimulateArgs) -> Result<Unknowns, Presentable> {
    let shape = match args.cost.as_deref() {
        None => Default::default(),
        Some(text) => text
            .parse()
            .map_err(|error: framewright_core::ShapeError| {
                let text = error.to_string();
                match text.split_once(": write ") {
                    Some((what, right)) => {
                        Presentable::usage(format!("--cost: {}", printable(what)))
                            .hint(format!("write {right}"))
                    }
                    None => Presentable::usage(format!("--cost: {}", printable(&text))),
                }
            })?,
    };
    let rate = |option: &str, typed: Option<&str>, most: f64, like: &str| {
        let Some(text) = typed else {
            return Ok(None);
        };
        match parse_number(text).filter(|number| (0.0..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Presentable::usage(format!(
                "{option} {} is no number from 0 to {most}",
                printable(text)
            ))
            .hint(format!("write it like {option} {like}"))),
        }
    };
    let losses = match args.host_loss.as_deref() {
        None => None,
        Some(text) => match text.strip_suffix("/h") {
            Some(number) => rate("--host-loss", Some(number), LOSSES_MAX, "0.02/h")?,
            None => {
                return Err(Presentable::usage(format!(
                    "--host-loss {} does not say how often in what time",
                    printable(text)
                ))
                .hint("write how often an hour, like --host-loss 0.02/h"));
            }
        },
    };
    Ok(Unknowns {
        shape,
        history_error: rate(
            "--history-error",
            args.history_error.as_deref(),
            ERROR_MAX,
            "0.2",
        )?,
        speeds: args.unknown_speeds,
        host_losses_per_hour: losses.unwrap_or(0.0),
        stragglers: args
            .stragglers
            .as_deref()
            .map_or(Ok((0.0, 0.0)), stragglers)?,
        flaky: match rate("--flaky", args.flaky.as_deref(), 1.0, "0.01")? {
            // Every try would fail, and the answer be that nothing is ever done.
            Some(all) if all >= 1.0 => {
                return Err(Presentable::usage("--flaky 1 lets every try fail")
                    .hint("write a part of all tries, like --flaky 0.01"));
            }
            some => some.unwrap_or(0.0),
        },
    })
}

fn stragglers(text: &str) -> Result<(f64, f64), Presentable> {
    let parts = text.split_once('x').and_then(|(chance, times)| {
        let chance = parse_number(chance).filter(|chance| (0.0..=1.0).contains(chance))?;
        let times = parse_number(times).filter(|times| (1.0..=STRAGGLING_MAX).contains(times))?;
        Some((chance, times))
    });
    parts.ok_or_else(|| {
        Presentable::usage(format!(
            "--stragglers {} does not say how many take how many times as long",
            printable(text)
        ))
        .hint("write a part of all tries and a factor from 1 to 1000, like --stragglers 0.02x5")
    })
}

fn policies(args: &SimulateArgs) -> Result<Vec<Policy>, Presentable> {
    let mut policies = Vec::new();
    for text in &args.policy {
        policies.push(settle::policy(text)?);
    }
    if let Some(text) = &args.segment {
        let size = in_option("--segment", parse_segment_size(text))?;
        policies.push(Policy::RoyalRender(size));
    }
    if policies.is_empty() {
        policies.push(Policy::Auto);
    }
    Ok(policies)
}
