//! `--split auto`: which way of splitting a job ends it soonest.
//!
//! Nothing is reckoned here: each candidate is made a job by whoever makes jobs, and the kernel's own
//! dispatcher renders it in virtual time, as `plan` does. Only that the middle of a picture costs more there
//! than its edges ([`uneven`]), which the dispatcher is not told: of tiles that all cost the same one for
//! each slot would do, and of real ones it takes more. The one with the shortest time wins, but pieces have to be put together and have seams: of candidates that are about as quick, by
//! [`GAIN_PART`] or [`GAIN_MIN_S`], the simplest is taken, so frames win ties.
//!
//! Where a tail in tiles wins, how long it is to be is decided anew with frames that differ by themselves:
//! if all cost the same, the shortest tail that fills the last round would do.
//!
//! Bounded: where frames as they are come near what all slots together could do at best, nothing else
//! is looked at; nor is it where a job has more tasks or a farm more slots than is simulated in a moment.

use framewright_kernel::farm::Farm;
use framewright_kernel::hosts::HostSpec;
use framewright_kernel::job::TaskKey;
use framewright_kernel::sim::{Rng, World, simulate};
use framewright_kernel::time::Span;

use super::candidate::{Candidate, Facts, TASKS_MAX, Tiled};
use super::{Rect, Tile, grid};
use crate::quantity::short_time;

/// A split must end the job sooner by this part,
const GAIN_PART: f64 = 0.03;
/// and by so many seconds.
const GAIN_MIN_S: f64 = 3.0;
/// Tasks of all candidates together that are looked at.
const TASKS_IN_ALL: u64 = 100_000;
/// What the middle of a picture costs beyond its edges, which cost 1,
const MIDDLE: f64 = 2.0;
/// and how far the middle reaches, as a part of its width and height (standard deviation).
const REACH: f64 = 0.2;
/// In so many parts each way a tile's cost is summed up.
const STEPS: u32 = 8;
/// How far frames differ where the length of a tail is decided (deviation of the logarithm),
const DEVIATION: f64 = 0.25;
/// in each of so many shots.
const SHOTS: u64 = 3;
/// On a farm of more slots only the simplest is looked at.
const SLOTS_MAX: usize = 2_000;

/// A candidate as a job on its hosts, before its start.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The job.
    pub farm: Farm,
    /// The hosts it was made with.
    pub hosts: Vec<HostSpec>,
}

/// How a job is to be split, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// How.
    pub split: Candidate,
    /// Why, in a sentence with numbers.
    pub sentence: String,
    /// What was looked at, the simplest first, with the seconds from the start to the last picture, in
    /// a picture whose middle costs more than its edges.
    pub candidates: Vec<(Candidate, f64)>,
}

/// How soon a trial ends, and how soon anything could.
#[derive(Clone, Copy, Debug)]
struct Tried {
    makespan_s: f64,
    ideal_s: f64,
}

/// What is true of a trial beside what is expected.
#[derive(Clone, Copy, Debug, Default)]
struct Truth<'a> {
    /// What each tile of a frame costs, as a part of what is expected of it; empty where that is true.
    tiles: &'a [f64],
    /// Frames differ, as this seed says.
    shot: Option<u64>,
}

impl Truth<'_> {
    /// How many times what is expected a task takes, its call not counted.
    fn times(self, key: TaskKey) -> f64 {
        let tile = key
            .tile
            .and_then(|tile| self.tiles.get(usize::from(tile.0)));
        let frame = |shot: u64| {
            let mut rng = Rng::new((shot << 32) | u64::from(key.frame.0.cast_unsigned()));
            (DEVIATION * rng.normal()).exp()
        };
        tile.copied().unwrap_or(1.0) * self.shot.map_or(1.0, frame)
    }
}

/// Renders a trial.
fn tried(trial: Trial, truth: Truth<'_>) -> Option<Tried> {
    let Trial { farm, hosts } = trial;
    let job = farm.job();
    let work: f64 = job.tasks().map(|task| job.cost(task).as_secs_f64()).sum();
    let slots = hosts
        .iter()
        .map(|host| f64::from(host.slots) * host.speed.as_f64());
    let load = job.costs().load;
    let loads = hosts
        .iter()
        .map(|host| host.expected_load(load).as_secs_f64());
    let ideal_s = loads.fold(f64::INFINITY, f64::min) + work / slots.sum::<f64>();
    let mut world = World::predicted(job, &hosts);
    let call = job.costs().call.as_secs_f64();
    for (cost, task) in world.costs.iter_mut().zip(job.tasks()) {
        let whole = cost.as_secs_f64();
        let call = call.min(whole);
        let times = truth.times(job.key(task));
        *cost = Span::from_secs_f64(call + (whole - call) * times);
    }
    // What is wrong with a job its own plan says.
    let trace = simulate(world, farm).ok()?;
    let whole = trace.given_up == 0 && trace.committed > 0;
    whole.then(|| Tried {
        makespan_s: trace.makespan.as_secs_f64(),
        ideal_s,
    })
}

/// What each tile of a candidate costs in a picture whose middle is dearer than its edges, relative to
/// what its size would say.
fn uneven(facts: &Facts, candidate: Candidate) -> Vec<f64> {
    let Some(of) = candidate.grid() else {
        return Vec::new();
    };
    let Facts {
        width,
        height,
        overlap,
        align,
        ..
    } = *facts;
    let tiles = grid(width, height, of.columns, of.rows, overlap, align).unwrap_or_default();
    // What a line through the middle costs at a place; the product of two is a bell.
    let bell = |place: f64| (-((place - 0.5) / REACH).powi(2) / 2.0).exp();
    let mean = |from: u32, parts: u32, length: u32| {
        let step = |step: u32| {
            let within = (f64::from(step) + 0.5) / f64::from(STEPS);
            bell((f64::from(from) + within * f64::from(parts)) / f64::from(length))
        };
        (0..STEPS).map(step).sum::<f64>() / f64::from(STEPS)
    };
    let all = 1.0 + MIDDLE * mean(0, width, width) * mean(0, height, height);
    let times = |tile: Tile| {
        let Rect {
            x,
            y,
            width: across,
            height: down,
        } = tile.at;
        (1.0 + MIDDLE * mean(x, across, width) * mean(y, down, height)) / all
    };
    tiles.into_iter().map(times).collect()
}

/// What two times may differ by and be taken as equal.
fn about(seconds: f64) -> f64 {
    (seconds * GAIN_PART).max(GAIN_MIN_S)
}

/// Chooses. `make` makes a job of a candidate; `None` where it cannot be one. `frame_guess_s` is what a
/// frame of unknown cost is taken to cost in those jobs.
pub fn choose(
    facts: &Facts,
    frame_guess_s: f64,
    make: &mut dyn FnMut(Candidate) -> Option<Trial>,
) -> Choice {
    let offered = facts.candidates(frame_guess_s);
    let simplest = offered.first().copied().unwrap_or(Candidate::FRAMES);
    let mut looked_at = Vec::new();
    let large = facts.speeds.len() > SLOTS_MAX || u64::from(facts.frames) > TASKS_MAX;
    if large || (offered.len() == 1 && simplest == Candidate::FRAMES) {
        return Choice {
            split: simplest,
            sentence: format!("{simplest}: {}", situation(facts, simplest)),
            candidates: looked_at,
        };
    }
    // What it is compared with, though the user may not want it.
    let plain = make(Candidate::FRAMES).and_then(as_expected);
    let mut left = TASKS_IN_ALL;
    for candidate in offered {
        let Some(rest) = left.checked_sub(candidate.tasks(facts)) else {
            break;
        };
        left = rest;
        let tried = match candidate {
            Candidate::FRAMES => plain,
            _ => make(candidate).and_then(|trial| {
                let tiles = uneven(facts, candidate);
                let shot = None;
                tried(
                    trial,
                    Truth {
                        tiles: &tiles,
                        shot,
                    },
                )
            }),
        };
        let Some(tried) = tried else {
            continue;
        };
        looked_at.push((candidate, tried.makespan_s));
        let lost = tried.makespan_s - tried.ideal_s;
        if candidate == simplest && lost <= about(tried.makespan_s) {
            break;
        }
    }
    let split = quickest(&looked_at).unwrap_or(simplest);
    let split = match split.tiled {
        Tiled::Last { .. } => long_enough(facts, split, &looked_at, make),
        Tiled::None | Tiled::All(_) => split,
    };
    // Told is what `plan` says of it.
    let told = match split {
        Candidate::FRAMES => plain,
        _ => make(split).and_then(as_expected),
    };
    let seconds = |tried: Option<Tried>| tried.map(|tried| tried.makespan_s);
    Choice {
        sentence: sentence(facts, split, seconds(told), seconds(plain)),
        split,
        candidates: looked_at,
    }
}

/// The world of `plan`.
fn as_expected(trial: Trial) -> Option<Tried> {
    tried(trial, Truth::default())
}

/// The tail that is best where frames differ by themselves.
fn long_enough(
    facts: &Facts,
    split: Candidate,
    looked_at: &[(Candidate, f64)],
    make: &mut dyn FnMut(Candidate) -> Option<Trial>,
) -> Candidate {
    let is_tail = |candidate: &Candidate| {
        candidate.layers == split.layers && matches!(candidate.tiled, Tiled::Last { .. })
    };
    let tails = looked_at
        .iter()
        .map(|(candidate, _)| *candidate)
        .filter(is_tail);
    let mut left = TASKS_IN_ALL;
    let mut judged = Vec::new();
    for candidate in tails {
        let tasks = candidate.tasks(facts) * SHOTS;
        let Some(rest) = left.checked_sub(tasks) else {
            break;
        };
        left = rest;
        let Some(trial) = make(candidate) else {
            continue;
        };
        let tiles = uneven(facts, candidate);
        let shots = (0..SHOTS).filter_map(|shot| {
            let truth = Truth {
                tiles: &tiles,
                shot: Some(shot),
            };
            tried(trial.clone(), truth)
        });
        let seconds: Vec<f64> = shots.map(|tried| tried.makespan_s).collect();
        let count = seconds.len().max(1) as f64;
        judged.push((candidate, seconds.iter().sum::<f64>() / count));
    }
    quickest(&judged).unwrap_or(split)
}

/// The simplest of those that are about as quick as the quickest; they come the simplest first.
fn quickest(judged: &[(Candidate, f64)]) -> Option<Candidate> {
    let best = judged
        .iter()
        .map(|(_, seconds)| *seconds)
        .fold(f64::INFINITY, f64::min);
    let near = |(_, seconds): &&(Candidate, f64)| seconds - best <= about(*seconds);
    judged.iter().find(near).map(|(candidate, _)| *candidate)
}

/// `1 frame for 20 slots`, `300 frames of 4 layers for 30 slots`.
fn situation(facts: &Facts, split: Candidate) -> String {
    let many = |count: u32, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let slots = u32::try_from(facts.speeds.len()).unwrap_or(u32::MAX);
    let frames = many(facts.frames, "frame");
    let frames = match split.layers {
        true => format!("{frames} of {}", many(facts.layer_count, "layer")),
        false => frames,
    };
    format!("{frames} for {}", many(slots, "slot"))
}

fn sentence(facts: &Facts, split: Candidate, own_s: Option<f64>, plain_s: Option<f64>) -> String {
    let told = format!("{split}: {}", situation(facts, split));
    let Some(own_s) = own_s else {
        return told;
    };
    let time = short_time(own_s);
    match plain_s.filter(|_| split != Candidate::FRAMES) {
        Some(plain_s) if plain_s >= own_s => {
            format!("{told}; {time} instead of {}", short_time(plain_s))
        }
        Some(plain_s) => format!("{told}; {time}, and {} as frames", short_time(plain_s)),
        None => format!("{told}; {time}"),
    }
}
