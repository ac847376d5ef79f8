//! The sentences that an event is told in, shared by bars and lines.

use std::collections::BTreeMap;

use framewright_core::event::Event;
use jiff::tz::TimeZone;

use super::standings::held_by;
use super::tally::Tally;
use super::words::{bytes, count, time};
use crate::printable::{for_shell, printable};
use crate::tables::history::costs_from;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Failures only.
    Quiet,
    /// What people need.
    Normal,
    /// Also segments, loads and processes.
    Verbose,
}

/// Failed attempts that are told one by one; a broken scene of a hundred thousand frames is not
/// told a hundred thousand times. All are in the events and the logs.
const FAILURES_TOLD_MAX: u32 = 200;

/// Tasks in a row given up for one reason that are told one by one: where the last host is gone, all
/// that is left is given up at once.
const GIVEN_UP_ALIKE_TOLD_MAX: u32 = 3;

/// A sentence and how it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// As it is.
    Plain(String),
    /// Worth a look.
    Warning(String),
    /// Something failed.
    Failure(String),
}

impl Notice {
    /// The sentence.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Plain(text) | Self::Warning(text) | Self::Failure(text) => text,
        }
    }

    /// The sentence with its colour, where colours are wanted.
    pub(crate) fn painted(&self, colours: bool) -> String {
        let style = match self {
            Self::Plain(_) => None,
            Self::Warning(_) => Some(anstyle::AnsiColor::Yellow.on_default()),
            Self::Failure(_) => Some(anstyle::AnsiColor::Red.on_default()),
        };
        match style {
            Some(style) if colours => format!("{style}{}{style:#}", self.text()),
            _ => self.text().to_owned(),
        }
    }
}

/// Chooses what is told.
pub(crate) struct Notices {
    loudness: Loudness,
    failures_told: u32,
    /// Who was last said to hold a host's slots: its further slots wait for the same.
    held_told: BTreeMap<String, Vec<String>>,
    /// Why tasks were given up last, and how many in a row.
    given_up: (String, u32),
}

impl Notices {
    pub(crate) fn new(loudness: Loudness) -> Self {
        Self {
            loudness,
            failures_told: 0,
            held_told: BTreeMap::new(),
            given_up: (String::new(), 0),
        }
    }

    /// What an event is told in; `tally` has it already. Committed tasks are told by the lines
    /// themselves.
    pub(crate) fn of(&mut self, event: &Event, tally: &Tally) -> Option<Notice> {
        match event {
            Event::TaskFailed {
                task,
                attempt,
                host,
                slot,
                why,
                verdict: _,
                segment: _,
            } => self.failure(format!(
                "{}: attempt {attempt} failed on {host}/{slot}: {}",
                printable(task),
                printable(why)
            )),
            Event::TaskGivenUp { task, why } => self.given_up(task, why),
            Event::HostLost { host, why } => Some(Notice::Failure(format!(
                "host {host} is lost: {}",
                printable(why)
            ))),
            Event::HostSilent { host, why } => {
                let running = tally.running_on(host) as u64;
                self.normal(|| Notice::Warning(silent(host, why, running)))
            }
            Event::HostHeard { host, silent_s } => {
                self.normal(|| Notice::Plain(format!("{host} is back after {}", time(*silent_s))))
            }
            Event::HostClosed { host, why } => self.normal(|| {
                Notice::Warning(format!("{host} takes nothing new: {}", printable(why)))
            }),
            Event::HostOpened { host } => {
                self.normal(|| Notice::Plain(format!("{host} takes frames again")))
            }
            Event::SlotWaiting {
                host,
                slot: _,
                holders,
            } => {
                let told = self.held_told.insert(host.clone(), holders.clone());
                if told.as_ref() == Some(holders) {
                    return None;
                }
                let held = held_by(holders);
                self.normal(|| Notice::Plain(format!("{host} waits for a slot: {held}")))
            }
            Event::SlotLeased { host, slot } => {
                self.held_told.remove(host);
                self.verbose(|| format!("{host}/{slot}: the machine's slot is ours"))
            }
            Event::Staged {
                host,
                files,
                bytes: size,
                bytes_sent,
                seconds,
            } => {
                let took = time(*seconds);
                match bytes_sent {
                    0 => self.verbose(|| {
                        let files = count(u64::from(*files), "file is", "files are");
                        format!(
                            "{host}: {files} there already ({}), looked at in {took}",
                            bytes(*size)
                        )
                    }),
                    sent => self.normal(|| {
                        let sent = match sent {
                            sent if sent == size => String::new(),
                            sent => format!(" ({} sent)", bytes(*sent)),
                        };
                        Notice::Plain(format!("{host} staged {}{sent} in {took}", bytes(*size)))
                    }),
                }
            }
            Event::HostJoined { host, slots } => self.normal(|| {
                let slots = count(u64::from(*slots), "slot", "slots");
                Notice::Plain(format!("{host} joins the job with {slots}"))
            }),
            Event::HostDrained { host } => self.normal(|| {
                Notice::Plain(format!("{host} is drained: nothing of the job is there"))
            }),
            Event::Warning { text } => {
                self.normal(|| Notice::Warning(format!("warning: {}", printable(text))))
            }
            Event::Stopping => Some(Notice::Warning(stopping(tally))),
            Event::JobStarted {
                job,
                tasks,
                skipped,
                slots,
                pid: _,
                predicted_makespan_s: _,
                history,
                pictures: _,
                pictures_skipped: _,
            } => self.normal(|| {
                let done = if *skipped > 0 {
                    format!(", {skipped} of them done already")
                } else {
                    String::new()
                };
                let slots = count(u64::from(*slots), "slot", "slots");
                let mut text = format!(
                    "job {job}: {}{done}, on {slots}",
                    count(u64::from(*tasks), "task", "tasks")
                );
                if let Some(from) = history {
                    text.push('\n');
                    text.push_str(&costs_from(from, &TimeZone::system()));
                }
                Notice::Plain(text)
            }),
            Event::HostUp { host, slots } => self.verbose(|| {
                format!(
                    "{host} is up with {}",
                    count(u64::from(*slots), "slot", "slots")
                )
            }),
            Event::SegmentSent {
                segment,
                host,
                slot,
                tasks,
                ..
            } => {
                self.verbose(|| format!("{host}/{slot}: segment {segment} sent: {}", run_of(tasks)))
            }
            Event::RunStarted { host, slot, pid } => {
                self.verbose(|| format!("{host}/{slot}: process {pid} started"))
            }
            Event::Loaded {
                host,
                slot,
                load_s,
                segment: _,
            } => self.verbose(|| format!("{host}/{slot}: scene loaded in {load_s:.1}s")),
            Event::SegmentEnded {
                segment,
                host,
                slot,
            } => self.verbose(|| format!("{host}/{slot}: segment {segment} ended")),
            // What of it is rendered again is told as the tasks that fail with it.
            Event::AssemblyFailed {
                picture,
                why,
                again: false,
                ..
            } => {
                let picture = picture.to_string();
                self.failure(format!(
                    "{}: not assembled: {}",
                    printable(&picture),
                    printable(why)
                ))
            }
            Event::Seam {
                picture,
                seam,
                again: false,
            } => {
                let (picture, seam) = (picture.to_string(), seam.to_string());
                self.failure(format!(
                    "{}: assembled with a seam: {}",
                    printable(&picture),
                    printable(&seam)
                ))
            }
            Event::ReelBegun { kind, frames } => self.normal(|| {
                let frames = count(u64::from(*frames), "frame", "frames");
                Notice::Plain(format!("making the {kind} of {frames}"))
            }),
            Event::ReelFailed { kind, why, .. } => {
                self.failure(format!("no {kind}: {}", printable(why)))
            }
            Event::AssemblyFailed { again: true, .. }
            | Event::Seam { again: true, .. }
            | Event::Assembling { .. }
            | Event::Assembled { .. }
            | Event::Reel { .. }
            | Event::TaskStarted { .. }
            | Event::Progress { .. }
            | Event::TaskVerifying { .. }
            | Event::TaskDone { .. }
            | Event::JobEnded { .. } => None,
        }
    }

    fn normal(&self, notice: impl FnOnce() -> Notice) -> Option<Notice> {
        (self.loudness >= Loudness::Normal).then(notice)
    }

    fn verbose(&self, text: impl FnOnce() -> String) -> Option<Notice> {
        (self.loudness >= Loudness::Verbose).then(|| Notice::Plain(text()))
    }

    fn given_up(&mut self, task: &str, why: &str) -> Option<Notice> {
        if self.given_up.0 != why {
            self.given_up = (why.to_owned(), 0);
        }
        self.given_up.1 = self.given_up.1.saturating_add(1);
        let why = printable(why);
        match self.given_up.1 {
            ..=GIVEN_UP_ALIKE_TOLD_MAX => {
                self.failure(format!("{}: given up: {why}", printable(task)))
            }
            nth if nth == GIVEN_UP_ALIKE_TOLD_MAX + 1 => {
                self.failure(format!("further tasks are given up as well: {why}"))
            }
            _ => None,
        }
    }

    fn failure(&mut self, text: String) -> Option<Notice> {
        self.failures_told = self.failures_told.saturating_add(1);
        match self.failures_told {
            ..FAILURES_TOLD_MAX => Some(Notice::Failure(text)),
            FAILURES_TOLD_MAX => Some(Notice::Failure(format!(
                "{text} (further failures are counted, and kept in the job's logs)"
            ))),
            _ => None,
        }
    }
}

/// `node02 is silent: …; its 2 frames go on there`
fn silent(host: &str, why: &str, running: u64) -> String {
    let goes_on = match running {
        0 => String::new(),
        1 => "; its frame goes on there".to_owned(),
        many => format!("; its {many} frames go on there"),
    };
    format!("{host} is silent: {}{goes_on}", printable(why))
}

/// What the first Ctrl-C is answered with.
fn stopping(tally: &Tally) -> String {
    let running = tally.running() as u64;
    let finishing = format!(
        "finishing {}; Ctrl-C again stops now",
        count(running, "running frame", "running frames")
    );
    match &tally.job {
        Some(job) => format!(
            "{finishing}\ngo on later with: framewright render --resume {}",
            for_shell(job)
        ),
        None => finishing,
    }
}

/// `a:1 to a:9 (9 tasks)`
fn run_of(tasks: &[String]) -> String {
    match tasks {
        [] => "nothing".to_owned(),
        [only] => printable(only).into_owned(),
        [first, .., last] => format!(
            "{} to {} ({} tasks)",
            printable(first),
            printable(last),
            tasks.len()
        ),
    }
}
