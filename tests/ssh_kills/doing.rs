//! What hosts do at a moment, as a job's events leave it open.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::record::{is, text};

/// What becomes of a task there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Its renderer starts, or loads the scene.
    Load,
    Render,
    /// Its picture is written, and is read again on the host, or waits to come home.
    Write,
    /// Its picture comes home.
    Fetch,
    /// In the journal as done, and not shown as done.
    Commit,
}

/// One task under way.
#[derive(Clone, Debug)]
pub struct Work {
    pub act: Act,
    pub task: String,
    pub segment: u64,
    pub host: String,
    pub slot: u64,
}

impl fmt::Display for Work {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            act,
            task,
            host,
            slot,
            ..
        } = self;
        write!(out, "{act:?} of {task} in {host}/{slot}")
    }
}

/// What is under way.
#[derive(Default)]
pub struct Doing {
    loads: BTreeMap<(String, u64), Work>,
    tasks: BTreeMap<(String, String), Work>,
    /// The first task that each slot was sent last.
    sent: BTreeMap<(String, u64), Work>,
    /// Process ids of renderers, there, by slot.
    pub pids: BTreeMap<(String, u64), u64>,
}

impl Doing {
    pub fn of(events: &[Value]) -> Self {
        let mut doing = Self::default();
        for event in events {
            doing.take(event);
        }
        doing
    }

    fn take(&mut self, event: &Value) {
        let work = |act, task: &str| Work {
            act,
            task: task.to_owned(),
            segment: event["segment"].as_u64().unwrap_or_default(),
            host: text(event, "host").to_owned(),
            slot: event["slot"].as_u64().unwrap_or_default(),
        };
        let at = work(Act::Load, "");
        let slot = (at.host.clone(), at.slot);
        let task = text(event, "task");
        let key = (at.host.clone(), task.to_owned());
        match text(event, "event") {
            "segment-sent" => {
                let first = event["tasks"][0].as_str().unwrap_or_default();
                self.sent.insert(slot, work(Act::Load, first));
            }
            "run-started" => {
                let pid = event["pid"].as_u64().unwrap_or_default();
                self.pids.insert(slot.clone(), pid);
                if let Some(sent) = self.sent.get(&slot) {
                    self.loads.insert(slot, sent.clone());
                }
            }
            "loaded" => drop(self.loads.remove(&slot)),
            "task-started" => {
                self.loads.remove(&slot);
                self.tasks.insert(key, work(Act::Render, task));
            }
            "task-verifying" => drop(self.tasks.insert(key, work(Act::Write, task))),
            "task-failed" => drop(self.tasks.remove(&key)),
            // An attempt elsewhere at the same task has lost.
            "task-done" => self.tasks.retain(|(_, other), _| other != task),
            "segment-ended" => self.tasks.retain(|_, work| work.segment != at.segment),
            "host-lost" => {
                self.loads.retain(|(host, _), _| *host != at.host);
                self.tasks.retain(|(host, _), _| *host != at.host);
            }
            _ => {}
        }
    }

    /// All of it; `output`: where pictures arrive.
    pub fn works(&self, output: &Path) -> Vec<Work> {
        let arriving = arriving(output);
        let moved = |work: &Work| {
            let frame = work.task.rsplit(':').next().unwrap_or_default();
            let name = format!("f.{frame:0>4}.exr");
            // Under another name while it is not whole.
            let mut files = arriving.iter();
            let here =
                files.any(|(segment, file)| *segment == work.segment && file.contains(&name));
            let is_fetched = work.act == Act::Write && here;
            Work {
                act: if is_fetched { Act::Fetch } else { work.act },
                ..work.clone()
            }
        };
        let tasks = self.tasks.values().map(moved);
        self.loads.values().cloned().chain(tasks).collect()
    }
}

/// Tasks of which the journal says that they are done, and the events do not yet.
pub fn committing(journal: &[Value], shown: &[Value]) -> Vec<Work> {
    let shown: Vec<&str> = shown
        .iter()
        .filter(|event| is(event, "task-done"))
        .map(|event| text(event, "task"))
        .collect();
    // What earlier lives of the controller did was shown by them.
    let life = journal.iter().rposition(|event| is(event, "job-started"));
    let journal = &journal[life.unwrap_or(0)..];
    let done = journal.iter().filter(|event| is(event, "task-done"));
    done.filter(|event| !shown.contains(&text(event, "task")))
        .map(|event| Work {
            act: Act::Commit,
            task: text(event, "task").to_owned(),
            segment: event["segment"].as_u64().unwrap_or_default(),
            host: text(event, "host").to_owned(),
            slot: event["slot"].as_u64().unwrap_or_default(),
        })
        .collect()
}

/// Files of segments, whole or not, in the hidden folder beside the output.
fn arriving(output: &Path) -> Vec<(u64, String)> {
    let list = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for job in list(&output.join(".framewright")) {
        for segment in list(&job.path()) {
            let name = segment.file_name().to_string_lossy().into_owned();
            let number = name.strip_prefix("segment-").and_then(|n| n.parse().ok());
            let Some(number) = number else { continue };
            let files = list(&segment.path());
            found.extend(files.map(|file| (number, file.file_name().to_string_lossy().into())));
        }
    }
    found
}
