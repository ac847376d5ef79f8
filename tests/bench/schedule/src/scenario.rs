//! Scenarios and the suite as their files say them.
//!
//! A file that says something unknown, or something that cannot be, is refused with its name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use framewright_kernel::sim::Shape;
use serde::Deserialize;
use thiserror::Error;

/// What is run when nothing less is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Worlds of each cell that knows chance.
    pub seeds: u64,
    /// Shapes for scenarios that name none.
    pub shapes: Vec<String>,
    /// Deviation of the logarithm of what history says.
    pub history_error: f64,
    /// What the farm is told as a multiple of the true mean, or divided by it.
    pub wrong_mean: f64,
    /// Segment sizes from which the best is chosen.
    pub fixed: Vec<u32>,
    /// Other policies.
    pub policies: Vec<String>,
    #[serde(rename = "pace")]
    pub paces: Vec<PaceFile>,
}

/// How fast segments are sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaceFile {
    pub name: String,
    pub interval_s: f64,
    pub delay_s: f64,
}

/// A job on a farm.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    /// What it is for, in the tables.
    pub about: String,
    /// Whether it is one of those that goals are set for.
    #[serde(default)]
    pub nine: bool,
    pub frames: u32,
    /// Mean cost of a frame on a host of speed 1; that of the trace where there is one.
    frame_s: Option<f64>,
    /// File of recorded costs, for shapes `recorded` and `shuffled`.
    trace: Option<String>,
    pub load_s: f64,
    pub hosts: u32,
    /// Of the slowest and the fastest host; the others lie between, on a logarithmic scale.
    #[serde(default = "one")]
    pub speeds: [f64; 2],
    /// How often each host is lost.
    #[serde(default)]
    pub losses_per_hour: f64,
    shapes: Option<Vec<String>>,
    /// Names of paces; all of the suite's where none is named.
    paces: Option<Vec<String>>,
    #[serde(default)]
    pub layers: Vec<LayerFile>,
    #[serde(skip)]
    recorded: Vec<f64>,
}

/// A layer of every frame.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerFile {
    pub name: String,
    pub weight: f64,
    /// Layers of which the same frame must exist.
    #[serde(default)]
    pub after: Vec<String>,
}

fn one() -> [f64; 2] {
    [1.0, 1.0]
}

/// How costs differ from frame to frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Shape(Shape),
    /// As they were recorded.
    Recorded,
    /// Recorded ones, in the order of the seed.
    Shuffled,
}

impl Pattern {
    /// Whether two seeds give different costs.
    pub fn knows_chance(&self) -> bool {
        match self {
            Pattern::Shape(shape) => shape.knows_chance(),
            Pattern::Recorded => false,
            Pattern::Shuffled => true,
        }
    }
}

/// Why a suite cannot be run.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("cannot read {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Toml {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("{path}: {why}")]
    Wrong { path: PathBuf, why: String },
}

fn read(path: &Path) -> Result<String, ReadError> {
    fs::read_to_string(path).map_err(|source| ReadError::Io {
        path: path.to_owned(),
        source,
    })
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, ReadError> {
    toml::from_str(&read(path)?).map_err(|source| ReadError::Toml {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// The suite in this folder, and its scenarios: the nine in their order, then the others by name.
pub fn suite(folder: &Path) -> Result<(Suite, Vec<Scenario>), ReadError> {
    let suite: Suite = parse(&folder.join("suite.toml"))?;
    let scenarios = folder.join("scenarios");
    let entries = fs::read_dir(&scenarios).map_err(|source| ReadError::Io {
        path: scenarios.clone(),
        source,
    })?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let mut scenario: Scenario = parse(&path)?;
        scenario
            .complete(folder, &suite)
            .map_err(|error| match error {
                Refusal::Wrong(why) => ReadError::Wrong { path, why },
                Refusal::Read(error) => error,
            })?;
        all.push(scenario);
    }
    // As they stand in the tables that goals were taken from.
    let place = |scenario: &Scenario| {
        let place = ["A", "A'", "B", "T", "H", "G", "L", "F", "Q"].iter();
        place
            .clone()
            .position(|name| *name == scenario.name)
            .unwrap_or(place.len())
    };
    all.sort_by_key(|scenario| (!scenario.nine, place(scenario)));
    Ok((suite, all))
}

enum Refusal {
    Wrong(String),
    Read(ReadError),
}

impl Scenario {
    /// Reads what it refers to, and refuses what cannot be.
    fn complete(&mut self, folder: &Path, suite: &Suite) -> Result<(), Refusal> {
        if let Some(name) = &self.trace {
            let path = folder.join("traces").join(name);
            let text = read(&path).map_err(Refusal::Read)?;
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let numbers = lines.flat_map(str::split_whitespace).map(str::parse);
            self.recorded = numbers.collect::<Result<_, _>>().map_err(|_| {
                Refusal::Wrong(format!("{name} holds what is no number of seconds"))
            })?;
        }
        let wrong = |why: &str| Err(Refusal::Wrong(why.to_owned()));
        let [slowest, fastest] = self.speeds;
        if self.frames == 0 || self.hosts == 0 {
            return wrong("a job of no frames, or a farm of no hosts");
        }
        if !(slowest > 0.0 && slowest <= fastest && self.load_s >= 0.0) {
            return wrong("speeds are [slowest, fastest] above 0, and a load takes 0 s or more");
        }
        if self.frame_s.is_some() == self.trace.is_some() {
            return wrong("costs come from `frame_s` or from a `trace`, and from one of them");
        }
        for name in self.paces.iter().flatten() {
            if suite.paces.iter().all(|pace| pace.name != *name) {
                return Err(Refusal::Wrong(format!("the suite has no pace `{name}`")));
            }
        }
        for (place, layer) in self.layers.iter().enumerate() {
            let known =
                |name: &String| self.layers[..place].iter().any(|other| other.name == *name);
            if !layer.after.iter().all(known) {
                return wrong("a layer comes after layers that are named before it");
            }
        }
        self.patterns(suite).map(|_| ()).map_err(Refusal::Wrong)
    }

    /// Its shapes of costs, by their names.
    pub fn patterns(&self, suite: &Suite) -> Result<Vec<(String, Pattern)>, String> {
        let names = self.shapes.as_ref().unwrap_or(&suite.shapes);
        let pattern = |name: &String| {
            let recorded = !self.recorded.is_empty();
            let pattern = match name.as_str() {
                "recorded" if recorded => Pattern::Recorded,
                "shuffled" if recorded => Pattern::Shuffled,
                _ if recorded => {
                    return Err(format!("a trace is `recorded` or `shuffled`, not `{name}`"));
                }
                _ => Pattern::Shape(name.parse().map_err(|error| format!("{error}"))?),
            };
            let short = name.split(':').next().unwrap_or(name);
            Ok((short.to_owned(), pattern))
        };
        names.iter().map(pattern).collect()
    }

    /// Whether it is run at this pace.
    pub fn is_at(&self, pace: &str) -> bool {
        let named = self.paces.as_ref();
        named.is_none_or(|named| named.iter().any(|name| name == pace))
    }

    /// Recorded costs; none without a trace.
    pub fn recorded(&self) -> &[f64] {
        &self.recorded
    }

    /// Mean cost of a frame.
    pub fn mean_s(&self) -> f64 {
        let mean = self.recorded.iter().sum::<f64>() / self.recorded.len().max(1) as f64;
        self.frame_s.unwrap_or(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn the_suite_holds_the_nine_in_their_order_and_others() {
        let (suite, scenarios) = suite(&folder()).unwrap();
        let nine: Vec<&str> = scenarios
            .iter()
            .filter(|s| s.nine)
            .map(|s| s.name.as_str())
            .collect();
        assert_eq!(nine, ["A", "A'", "B", "T", "H", "G", "L", "F", "Q"]);
        assert!(scenarios.len() > nine.len());
        assert!(suite.seeds >= 20, "what goals are judged by");
        for scenario in &scenarios {
            assert!(!scenario.patterns(&suite).unwrap().is_empty());
        }
    }

    #[test]
    fn the_trace_is_the_day_that_it_says() {
        let (_, scenarios) = suite(&folder()).unwrap();
        let trace = scenarios.iter().find(|s| s.name == "trace").unwrap();
        assert_eq!(trace.recorded().len(), 496);
        assert!((trace.mean_s() - 36.863).abs() < 1e-3);
        assert!(trace.recorded().iter().all(|s| (10.0..=148.0).contains(s)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (suite, _) = suite(&folder()).unwrap();
        let refused = |text: &str| {
            let mut scenario: Scenario = toml::from_str(text).map_err(|error| error.to_string())?;
            scenario
                .complete(&folder(), &suite)
                .map_err(|refusal| match refusal {
                    Refusal::Wrong(why) => why,
                    Refusal::Read(error) => error.to_string(),
                })
        };
        let good = "name='x'\nabout='x'\nframes=1\nframe_s=1\nload_s=0\nhosts=1\n";
        assert_eq!(refused(good), Ok(()));
        for (line, word) in [
            ("frame=1", "unknown field"),
            ("speeds=[2,1]", "slowest"),
            ("trace='animation-2007.txt'", "one of them"),
            ("paces=['never']", "no pace"),
            ("shapes=['round']", "no shape"),
            ("layers=[{name='a',weight=1,after=['b']}]", "named before"),
        ] {
            let why = refused(&format!("{good}{line}\n")).unwrap_err();
            assert!(why.contains(word), "{line}: {why}");
        }
    }
}
