//! A session with an adapter that survives the adapter's crashes.
//!
//! Everything that the session was told is recorded. When the adapter dies, hangs, speaks garbage
//! or says that its session is lost, a fresh one is started, told everything again (what it
//! answers then was done already and is dropped), and given the step that was under way once more.
//! The renderer does not notice: it is the worker's child. A second failure at the same step is
//! the adapter's fault and ends the session.
//!
//! Limits: [`RECORD_INPUTS_MAX`] inputs and [`RECORD_BYTES_MAX`] bytes are recorded. Beyond either
//! the record is dropped and the next crash ends the session, as does crash number
//! [`RESPAWNS_MAX`]` + 1`. A step may be [`STEP_BYTES_MAX`] long; callers batch far below it.

use framewright_plugin_api::data::{Description, Effect, Input, Open};
use framewright_plugin_api::stdio::LINE_BYTES_MAX;
use serde::Serialize;

use super::carrier::{AdapterProcess, Launcher, step_line};
use super::fault::{AdapterFault, Doing, Misdeed};
use super::search::Installed;

/// Most inputs that are recorded.
pub const RECORD_INPUTS_MAX: usize = 200_000;
/// Most bytes of requests that are recorded.
pub const RECORD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How often a session's adapter is started anew.
pub const RESPAWNS_MAX: u32 = 8;
/// Longest request line of one step.
pub const STEP_BYTES_MAX: usize = LINE_BYTES_MAX;

/// An adapter that was found, started once and asked who it is.
#[derive(Clone, Debug)]
pub struct Loaded {
    installed: Installed,
    launcher: Launcher,
    description: Description,
}

impl Loaded {
    /// Starts the adapter, asks it to describe itself, and ends it again.
    ///
    /// # Errors
    /// What it did instead.
    pub async fn load(installed: &Installed, launcher: &Launcher) -> Result<Self, AdapterFault> {
        let mut process = AdapterProcess::spawn(installed, launcher).await?;
        let description = process.describe().await?;
        if description.id != installed.id {
            return Err(AdapterFault {
                adapter: installed.id.clone(),
                what: Misdeed::Impossible(format!(
                    "its manifest calls it {}, it calls itself {}",
                    installed.id, description.id
                )),
                doing: Doing::Describing,
                twice: false,
                last_words: String::new(),
            });
        }
        Ok(Loaded {
            installed: installed.clone(),
            launcher: launcher.clone(),
            description,
        })
    }

    /// Who it is.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Opens a session in a process of its own. The effects are those of the opening itself.
    ///
    /// # Errors
    /// What the adapter did instead, twice where another try was worth it.
    pub async fn open(&self, open: Open) -> Result<(AdapterSession, Vec<Effect>), AdapterFault> {
        let mut session = AdapterSession {
            installed: self.installed.clone(),
            launcher: self.launcher.clone(),
            doing: Doing::Opening(open.activity),
            open,
            process: None,
            record: Some(Record::default()),
            scratch: Vec::new(),
            respawns: 0,
        };
        let effects = match session.begin().await {
            Ok(effects) => effects,
            Err(first) if first.what.is_worth_another_try() => {
                session.respawns += 1;
                session.begin().await.map_err(again)?
            }
            Err(fault) => return Err(fault),
        };
        Ok((session, effects))
    }
}

/// An open session. Dropping it kills the adapter's process; an adapter has nothing to clean up.
#[derive(Debug)]
pub struct AdapterSession {
    installed: Installed,
    launcher: Launcher,
    open: Open,
    /// None once the session is over.
    process: Option<AdapterProcess>,
    /// None once it grew too long.
    record: Option<Record>,
    /// The request line of the step under way, where it is not recorded.
    scratch: Vec<u8>,
    doing: Doing,
    respawns: u32,
}

/// What a session was told: request lines, one after the other.
#[derive(Debug, Default)]
struct Record {
    lines: Vec<u8>,
    /// Where each line ends, and what it told.
    ends: Vec<(usize, Doing)>,
    inputs: usize,
}

impl Record {
    fn is_full(&self) -> bool {
        self.inputs > RECORD_INPUTS_MAX || self.lines.len() > RECORD_BYTES_MAX
    }

    fn lines(&self) -> impl Iterator<Item = (&[u8], Doing)> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        begins
            .zip(&self.ends)
            .map(|(begin, (end, doing))| (&self.lines[begin..*end], *doing))
    }

    /// The line that was recorded last.
    fn last(&self) -> &[u8] {
        let begin = self.ends.iter().rev().nth(1).map_or(0, |(end, _)| *end);
        &self.lines[begin..]
    }
}

/// As [`Step`](framewright_plugin_api::data::Step), borrowed.
#[derive(Serialize)]
struct StepOf<'a> {
    at_s: f64,
    inputs: &'a [Input],
}

impl AdapterSession {
    /// Tells the adapter what happened and answers what shall be done. `at_s` counts from the
    /// opening. Telling nothing answers nothing.
    ///
    /// # Errors
    /// The adapter's fault; the session is over then.
    pub async fn step(&mut self, at_s: f64, inputs: &[Input]) -> Result<Vec<Effect>, AdapterFault> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        self.doing = Doing::handling(inputs);
        if let Err(what) = self.put_down(at_s, inputs) {
            return Err(self.fault(what));
        }
        let first = match self.tell().await {
            Ok(effects) => return Ok(effects),
            Err(fault) => fault,
        };
        if !first.what.is_worth_another_try() {
            return Err(first);
        }
        if self.record.is_none() || self.respawns >= RESPAWNS_MAX {
            return Err(AdapterFault {
                what: Misdeed::Unrepeatable(Box::new(first.what)),
                ..first
            });
        }
        self.respawns += 1;
        self.start_over().await.map_err(again)
    }

    /// How often the adapter was started anew so far.
    #[must_use]
    pub fn respawns(&self) -> u32 {
        self.respawns
    }

    /// Process id of the adapter, while the session lives.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(AdapterProcess::pid)
    }

    /// Puts the request line down, in the record or beside it.
    fn put_down(&mut self, at_s: f64, inputs: &[Input]) -> Result<(), Misdeed> {
        let step = StepOf { at_s, inputs };
        if self.record.as_ref().is_some_and(Record::is_full) {
            self.record = None;
        }
        let line = match &mut self.record {
            Some(record) => &mut record.lines,
            None => {
                self.scratch.clear();
                &mut self.scratch
            }
        };
        let begin = line.len();
        let written = step_line(&step, line);
        let (end, length) = (line.len(), line.len() - begin);
        if let Some(record) = &mut self.record {
            record.ends.push((end, self.doing));
            record.inputs += inputs.len();
        }
        let why = match written {
            Ok(()) if length <= STEP_BYTES_MAX => return Ok(()),
            Ok(()) => format!("a step of {length} bytes is longer than the carrier allows"),
            Err(error) => format!("a step cannot be written as JSON: {error}"),
        };
        self.process = None;
        Err(Misdeed::Impossible(why))
    }

    /// Hands over what was put down last.
    async fn tell(&mut self) -> Result<Vec<Effect>, AdapterFault> {
        // Taken out while it is spoken to: should the caller drop this future halfway, the process
        // goes with it, instead of answering the wrong question next time.
        let Some(mut process) = self.process.take() else {
            return Err(self.fault(Misdeed::Impossible("its session is over".to_owned())));
        };
        let line = match &self.record {
            Some(record) => record.last(),
            None => &self.scratch,
        };
        let effects = process.step(line, self.doing).await?;
        self.process = Some(process);
        Ok(effects)
    }

    /// Starts a process and opens the session in it.
    async fn begin(&mut self) -> Result<Vec<Effect>, AdapterFault> {
        let mut process = AdapterProcess::spawn(&self.installed, &self.launcher).await?;
        let effects = process.open(&self.open).await?;
        self.process = Some(process);
        Ok(effects)
    }

    /// Starts a fresh adapter, tells it everything again, and the last step in earnest.
    async fn start_over(&mut self) -> Result<Vec<Effect>, AdapterFault> {
        self.begin().await?;
        if let (Some(record), Some(mut process)) = (&self.record, self.process.take()) {
            let told = record.ends.len().saturating_sub(1);
            for (line, doing) in record.lines().take(told) {
                process.repeat(line, doing).await?;
            }
            self.process = Some(process);
        }
        self.tell().await
    }

    fn fault(&self, what: Misdeed) -> AdapterFault {
        AdapterFault {
            adapter: self.installed.id.clone(),
            what,
            doing: self.doing,
            twice: false,
            last_words: String::new(),
        }
    }
}

/// The fault of a second try.
fn again(fault: AdapterFault) -> AdapterFault {
    AdapterFault {
        twice: true,
        ..fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_its_lines() {
        let mut record = Record::default();
        for text in ["one", "", "three"] {
            record.lines.extend_from_slice(text.as_bytes());
            let doing = Doing::HandlingMany(text.len());
            record.ends.push((record.lines.len(), doing));
            assert_eq!(record.last(), text.as_bytes());
        }
        let lines: Vec<&[u8]> = record.lines().map(|(line, _)| line).collect();
        assert_eq!(lines, [&b"one"[..], b"", b"three"]);
    }
}
