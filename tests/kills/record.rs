//! What a job's journal and its `--events` say: read line by line while the job runs, and judged
//! when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// How many names are said of what is under way.
const NAMES_MAX: usize = 4;

/// A file of events that is being written, read as far as its lines are whole.
pub struct Tail {
    path: PathBuf,
    at: u64,
    torn: Vec<u8>,
    pub events: Vec<Value>,
}

impl Tail {
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            at: 0,
            torn: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Takes in what was written since.
    pub fn read(&mut self) -> &[Value] {
        let Ok(mut file) = File::open(&self.path) else {
            return &self.events;
        };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.at))
            .expect("a file can be sought in");
        file.read_to_end(&mut bytes).expect("our own file");
        self.at += bytes.len() as u64;
        self.torn.extend(bytes);
        let whole = self
            .torn
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.torn.drain(..whole).collect();
        for line in lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            self.events
                .push(serde_json::from_slice(line).expect("an event a line"));
        }
        &self.events
    }
}

/// A text field of an event.
pub fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

pub fn is(event: &Value, kind: &str) -> bool {
    text(event, "event") == kind
}

/// A journal: its events, and whether its last line is cut off in the middle.
pub struct Journal {
    pub events: Vec<Value>,
    pub is_torn: bool,
}

impl Journal {
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).expect("the job has a journal");
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let records = bytes[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        // The first line is the header; each begins with a checksum and a blank.
        let events = records
            .skip(1)
            .map(|line| serde_json::from_slice(&line[9..]).expect("a record a line"))
            .collect();
        Self {
            events,
            is_torn: whole < bytes.len(),
        }
    }

    /// Commits that hold, by task: those that were not taken back. More than one of a task is a
    /// fault, and panics.
    #[track_caller]
    pub fn commits(&self) -> BTreeMap<String, Value> {
        let mut held: BTreeMap<String, Value> = BTreeMap::new();
        for event in &self.events {
            let task = text(event, "task").to_owned();
            if is(event, "task-done") {
                if let Some(before) = held.insert(task, event.clone()) {
                    panic!("committed twice: {before:#} and {event:#}");
                }
            } else if is(event, "task-failed")
                && matches!(text(event, "verdict"), "commit" | "lost")
            {
                held.remove(&task);
            }
        }
        held
    }

    /// Failures of attempts by verdict.
    pub fn failures(&self) -> Vec<(String, String)> {
        self.events
            .iter()
            .filter(|event| is(event, "task-failed"))
            .map(|event| {
                (
                    text(event, "verdict").to_owned(),
                    text(event, "task").to_owned(),
                )
            })
            .collect()
    }
}

/// Tasks that were sent to a slot, by these events.
pub fn sent(events: &[Value]) -> BTreeSet<String> {
    events
        .iter()
        .filter(|event| is(event, "segment-sent"))
        .flat_map(|event| event["tasks"].as_array().cloned().unwrap_or_default())
        .map(|task| task.as_str().unwrap_or_default().to_owned())
        .collect()
}

/// What was under way at a moment.
#[derive(Debug, Default)]
pub struct Flight {
    /// Slots whose renderer starts or loads the scene.
    pub loading: BTreeSet<String>,
    pub rendering: BTreeSet<String>,
    /// Written, and being decoded.
    pub verifying: BTreeSet<String>,
    /// In the journal as done, and not shown as done.
    pub committing: BTreeSet<String>,
    /// The journal ends in the middle of a line.
    pub appending: bool,
    /// What each renderer does.
    pub slots: BTreeMap<String, String>,
}

impl Flight {
    /// What these events leave open. The journal, where it is given, may be ahead of them.
    pub fn of(shown: &[Value], journal: Option<&Journal>) -> Self {
        let mut flight = Self::default();
        for event in shown {
            flight.take(event);
        }
        if let Some(journal) = journal {
            let done = |events: &[Value]| -> BTreeSet<String> {
                let done = events.iter().filter(|event| is(event, "task-done"));
                done.map(|event| text(event, "task").to_owned()).collect()
            };
            flight.committing = &done(&journal.events) - &done(shown);
            flight.verifying = &flight.verifying - &flight.committing;
            flight.appending = journal.is_torn;
        }
        flight
    }

    fn take(&mut self, event: &Value) {
        let slot = format!("{}/{}", text(event, "host"), event["slot"]);
        let task = text(event, "task").to_owned();
        match text(event, "event") {
            "run-started" => {
                self.slots.insert(slot.clone(), "loading".to_owned());
                self.loading.insert(slot);
            }
            "loaded" => drop(self.loading.remove(&slot)),
            "task-started" => {
                self.loading.remove(&slot);
                self.slots.insert(slot, format!("rendering {task}"));
                self.rendering.insert(task);
            }
            "task-verifying" => {
                // The renderer may have been seen at its next frame already: what it says of that
                // and of this may come through two pipes.
                let state = format!("rendering {task}");
                self.slots
                    .retain(|at, doing| *at != slot || *doing != state);
                self.rendering.remove(&task);
                self.verifying.insert(task);
            }
            "task-done" | "task-failed" => {
                self.rendering.remove(&task);
                self.verifying.remove(&task);
            }
            "host-lost" | "job-ended" => *self = Self::default(),
            _ => {}
        }
    }

    /// Whether a kill at this moment could spoil anything.
    pub fn is_busy(&self) -> bool {
        let sets = [
            &self.loading,
            &self.rendering,
            &self.verifying,
            &self.committing,
        ];
        self.appending || sets.iter().any(|set| !set.is_empty())
    }

    /// In words, for the record of kills.
    pub fn words(&self) -> String {
        let sets = [
            ("loading", &self.loading),
            ("rendering", &self.rendering),
            ("verifying", &self.verifying),
            ("committing", &self.committing),
        ];
        let mut words: Vec<String> = sets
            .iter()
            .filter(|(_, set)| !set.is_empty())
            .map(|(word, set)| {
                let names: Vec<&str> = set.iter().take(NAMES_MAX).map(String::as_str).collect();
                let more = match set.len() - names.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("{word} {}{more}", names.join(" "))
            })
            .collect();
        if self.appending {
            words.push("appending to the journal".to_owned());
        }
        if words.is_empty() {
            "nothing under way".to_owned()
        } else {
            words.join(", ")
        }
    }
}
