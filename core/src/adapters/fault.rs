//! What can go wrong with a running adapter, as sentences.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use framewright_plugin_api::data::{Activity, Failure, Input};

/// An adapter broke its contract. Exit code 4 where nothing can go on without it.
///
/// Reads as one sentence: `adapter bad crashed (signal 11, SIGSEGV) while it handled a line, twice`.
#[derive(Debug, thiserror::Error)]
#[error("adapter {adapter} {what}{}{}{}", during(what, *doing), if *twice { ", twice" } else { "" }, words(last_words))]
pub struct AdapterFault {
    /// The adapter's id.
    pub adapter: String,
    /// What it did.
    pub what: Misdeed,
    /// What it was doing.
    pub doing: Doing,
    /// Whether it did so again after it was started anew and told everything again.
    pub twice: bool,
    /// The last line that it printed on standard error; empty when there was none.
    pub last_words: String,
}

/// What an adapter did. Reads as the rest of a sentence that begins with the adapter.
#[derive(Debug)]
pub enum Misdeed {
    /// Its process could not be started.
    NotStarted(std::io::Error),
    /// It was started and could not be loaded: wrong ABI, no entry, not trusted.
    NotLoadable(Failure),
    /// Its process ended.
    Crashed(ExitStatus),
    /// It did not answer in time, and was killed.
    Silent(Duration),
    /// It said something that is not understood.
    Garbage {
        /// Why it is not understood.
        why: String,
        /// The beginning of what it said.
        excerpt: String,
    },
    /// It answered an error.
    Failed(Failure),
    /// It says of itself what cannot be.
    Impossible(String),
    /// It broke, and its session is too long to be told again.
    Unrepeatable(Box<Misdeed>),
}

/// What an adapter was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Being loaded, up to its greeting.
    Loading,
    /// Describing itself.
    Describing,
    /// Opening a session.
    Opening(Activity),
    /// Handling one input of this kind.
    Handling(&'static str),
    /// Handling several inputs.
    HandlingMany(usize),
}

impl Doing {
    /// What handling these is called.
    #[must_use]
    pub fn handling(inputs: &[Input]) -> Doing {
        match inputs {
            [input] => Doing::Handling(match input {
                Input::Segment { .. } => "a segment",
                Input::Cut { .. } => "a cut",
                Input::Started { .. } => "the start of a process",
                Input::NotStarted { .. } => "a process that did not start",
                Input::Line { .. } => "a line",
                Input::Exited { .. } => "the end of a process",
                Input::Cancel => "a cancel",
            }),
            several => Doing::HandlingMany(several.len()),
        }
    }
}

impl Misdeed {
    /// Whether a fresh process may do better.
    #[must_use]
    pub fn is_worth_another_try(&self) -> bool {
        match self {
            Misdeed::Crashed(_) | Misdeed::Silent(_) | Misdeed::Garbage { .. } => true,
            // These two say that the session is lost; any other error leaves it as it was.
            Misdeed::Failed(failure) => matches!(failure.code.as_str(), "panic" | "poisoned"),
            Misdeed::NotStarted(_)
            | Misdeed::NotLoadable(_)
            | Misdeed::Impossible(_)
            | Misdeed::Unrepeatable(_) => false,
        }
    }
}

impl fmt::Display for Misdeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misdeed::NotStarted(error) => write!(f, "could not be started ({error})"),
            Misdeed::NotLoadable(failure) => write!(f, "cannot be loaded: {failure}"),
            Misdeed::Crashed(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(f, "ended unasked (exit code {code})"),
                (None, Some(signal)) => match signal_name(signal) {
                    Some(name) => write!(f, "crashed (signal {signal}, {name})"),
                    None => write!(f, "crashed (signal {signal})"),
                },
                (None, None) => f.write_str("crashed"),
            },
            Misdeed::Silent(limit) => {
                write!(f, "did not answer within {} s", limit.as_secs_f64())
            }
            Misdeed::Garbage { why, excerpt } => {
                write!(
                    f,
                    "said something that is not understood ({why}: {excerpt})"
                )
            }
            // The commas close what the adapter says in its own words.
            Misdeed::Failed(failure) => write!(f, "failed: {failure},"),
            Misdeed::Impossible(why) => write!(f, "contradicts itself: {why},"),
            Misdeed::Unrepeatable(what) => {
                write!(f, "{what} after a session too long to be told again,")
            }
        }
    }
}

/// Empty where the misdeed says it already.
fn during(what: &Misdeed, doing: Doing) -> String {
    if matches!(what, Misdeed::NotStarted(_) | Misdeed::NotLoadable(_)) {
        return String::new();
    }
    match doing {
        Doing::Loading => " while it was loaded".to_owned(),
        Doing::Describing => " while it described itself".to_owned(),
        Doing::Opening(Activity::Probe) => " while it opened a probe".to_owned(),
        Doing::Opening(Activity::Inspect) => " while it opened an inspection".to_owned(),
        Doing::Opening(Activity::Render) => " while it opened a render session".to_owned(),
        Doing::Handling(what) => format!(" while it handled {what}"),
        Doing::HandlingMany(count) => format!(" while it handled {count} inputs"),
    }
}

fn words(last: &str) -> String {
    if last.is_empty() {
        return String::new();
    }
    format!("; its last words: {last}")
}

fn signal_name(signal: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    let known = [
        (Signal::SEGV, "SIGSEGV"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::ILL, "SIGILL"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::SYS, "SIGSYS"),
    ];
    known
        .into_iter()
        .find(|(known, _)| known.as_raw() == signal)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_sentence() {
        let mut fault = AdapterFault {
            adapter: "bad".to_owned(),
            what: Misdeed::Crashed(ExitStatus::from_raw(11)),
            doing: Doing::handling(&[Input::stdout(1, "x")]),
            twice: true,
            last_words: String::new(),
        };
        assert_eq!(
            fault.to_string(),
            "adapter bad crashed (signal 11, SIGSEGV) while it handled a line, twice"
        );
        fault.what = Misdeed::Silent(Duration::from_millis(1500));
        fault.twice = false;
        fault.last_words = "deep in thought".to_owned();
        assert_eq!(
            fault.to_string(),
            "adapter bad did not answer within 1.5 s while it handled a line; \
             its last words: deep in thought"
        );
        fault.what = Misdeed::Failed(Failure::new("panic", "the adapter panicked: no"));
        fault.doing = Doing::Opening(Activity::Probe);
        fault.last_words = String::new();
        assert_eq!(
            fault.to_string(),
            "adapter bad failed: the adapter panicked: no, while it opened a probe"
        );
    }
}
