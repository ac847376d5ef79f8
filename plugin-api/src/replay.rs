//! Replays recorded logs against an adapter, for adapter authors' tests: no renderer needed.
//!
//! Two kinds of recording, both plain text that can be cut out of a real session:
//!
//! **A recorded session** ([`session`]): one JSON document a line, empty lines and lines that
//! begin with `#` skipped. `{"open":{…}}` comes first, then `{"at_s":…,"inputs":[…]}` steps; what
//! the adapter must answer follows each as `{"effects":[…]}`. A line `{"contains":[…]}` asks only
//! that these effects are among the answer, in this order, and that each has at least the fields
//! given. A step with neither is not compared.
//!
//! **Raw renderer output** ([`feed`]): what the renderer printed, as it is. It is fed to a
//! rendering, probe or inspection as lines of one process, followed by its end, and all effects
//! come back for the test to look at.
//!
//! ```
//! # use framewright_plugin_api::{data::*, Adapter, Effects, Session};
//! # struct Toy;
//! # struct Probe;
//! # impl Adapter for Toy {
//! #     fn describe(&self) -> Description { Description::new("toy", "1", "Toy") }
//! #     fn open(&self, open: Open, out: &mut Effects) -> Result<Box<dyn Session>, Failure> {
//! #         out.run(Run::new(1, [open.program.as_str(), "--version"]));
//! #         Ok(Box::new(Probe))
//! #     }
//! # }
//! # impl Session for Probe {
//! #     fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
//! #         for input in inputs {
//! #             if let Input::Line { text, .. } = input {
//! #                 out.found(Found { version: text, notes: vec![] });
//! #             }
//! #         }
//! #     }
//! # }
//! use framewright_plugin_api::replay;
//!
//! replay::session(&Toy, r#"
//!     ## the toy prints its version and nothing else
//!     {"open":{"format":1,"activity":"probe","program":"/bin/toy","scratch":"/s","host":"h","slot":0,"threads":0}}
//!     {"contains":[{"effect":"run","argv":["/bin/toy","--version"]}]}
//!     {"at_s":0.1,"inputs":[{"input":"line","run":1,"stream":"stdout","text":"toy 3.1"}]}
//!     {"effects":[{"effect":"found","version":"toy 3.1"}]}
//! "#).unwrap();
//! ```
//!
//! Refuses to guess: an effect that the recording does not know, a line that cannot be read, an
//! answer too many are all [`ReplayError`]s that name the line.

use serde_json::Value;

use crate::adapter::{Adapter, Session};
use crate::data::{Answer, Effect, Failure, Input, Open, Step, Stream, Task};
use crate::effects::Effects;
use crate::guard::guarded;

/// Why a replay failed. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A line is no document that a recording may hold.
    #[error("line {line} of the recording cannot be read: {why}")]
    Unreadable {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The adapter refused or panicked.
    #[error("line {line} of the recording ended the adapter: {failure}")]
    Failed {
        /// Which line.
        line: usize,
        /// What the adapter said.
        failure: Failure,
    },
    /// The adapter answered something else.
    #[error("line {line} of the recording expects\n  {wanted}\nbut the adapter answered\n  {got}")]
    Different {
        /// Which line.
        line: usize,
        /// What was to be answered.
        wanted: String,
        /// What was answered.
        got: String,
    },
}

/// Replays a recorded session and compares what it expects.
///
/// # Errors
/// The first line that cannot be read or was answered differently.
pub fn session(adapter: &dyn Adapter, recording: &str) -> Result<(), ReplayError> {
    let mut live: Option<Box<dyn Session>> = None;
    let mut answer: Vec<Effect> = Vec::new();
    for (line, text) in (1..).zip(recording.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let unreadable = |why: String| ReplayError::Unreadable { line, why };
        let failed = |failure| ReplayError::Failed { line, failure };
        let document: Value = serde_json::from_str(text).map_err(|e| unreadable(e.to_string()))?;
        let mut out = Effects::new();
        if let Some(open) = document.get("open") {
            let open: Open =
                serde_json::from_value(open.clone()).map_err(|e| unreadable(e.to_string()))?;
            let opened = guarded(|| adapter.open(open, &mut out))
                .and_then(|opened| opened)
                .map_err(failed)?;
            live = Some(opened);
            answer = out.take();
        } else if document.get("inputs").is_some() {
            let step: Step =
                serde_json::from_value(document).map_err(|e| unreadable(e.to_string()))?;
            let session = live
                .as_mut()
                .ok_or_else(|| unreadable("a step comes before any open".to_owned()))?;
            guarded(|| session.step(step.at_s, step.inputs, &mut out)).map_err(failed)?;
            answer = out.take();
        } else {
            expect(line, &document, &answer)?;
        }
    }
    Ok(())
}

/// Compares an answer with a line that expects one.
fn expect(line: usize, document: &Value, answer: &[Effect]) -> Result<(), ReplayError> {
    let unreadable = |why: String| ReplayError::Unreadable { line, why };
    let got: Vec<Value> = answer
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()
        .map_err(|e| unreadable(e.to_string()))?;
    let same = if document.get("effects").is_some() {
        let wanted: Answer =
            serde_json::from_value(document.clone()).map_err(|e| unreadable(e.to_string()))?;
        wanted.effects == answer
    } else if let Some(wanted) = document.get("contains").and_then(Value::as_array) {
        let mut rest = got.iter();
        wanted
            .iter()
            .all(|wanted| rest.any(|effect| covers(effect, wanted)))
    } else {
        return Err(unreadable(
            "it is neither open, inputs, effects nor contains".to_owned(),
        ));
    };
    if same {
        return Ok(());
    }
    Err(ReplayError::Different {
        line,
        wanted: document.to_string(),
        got: Value::from(got).to_string(),
    })
}

/// Whether `whole` has at least the fields of `part`, with the same values.
fn covers(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|known| covers(known, value))),
        _ => whole == part,
    }
}

/// How the fed process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It does not.
    Runs,
    /// By itself, with this exit code.
    Exited(i32),
    /// By a signal that framewright did not send.
    Signalled(i32),
}

/// Feeds what a renderer printed on its standard output to a new session, as the first process
/// that the session asks for, and answers everything that the session said. `tasks` are given as
/// segment 1 before anything else; none for a probe or an inspection.
///
/// # Errors
/// When the adapter refuses to open the session, asks for no process, or panics.
pub fn feed(
    adapter: &dyn Adapter,
    open: Open,
    tasks: Vec<Task>,
    printed: &str,
    end: End,
) -> Result<Vec<Effect>, Failure> {
    let mut out = Effects::new();
    let mut session = guarded(|| adapter.open(open, &mut out)).and_then(|opened| opened)?;
    if !tasks.is_empty() {
        let given = vec![Input::Segment { segment: 1, tasks }];
        guarded(|| session.step(0.0, given, &mut out))?;
    }
    let run = out
        .as_slice()
        .iter()
        .find_map(|effect| match effect {
            Effect::Run(run) => Some(run.run),
            _ => None,
        })
        .ok_or_else(|| Failure::new("no-run", "the session asked for no process"))?;
    let started = Input::Started { run, pid: 1 };
    let lines = printed
        .split(['\n', '\r'])
        .filter(|line| !line.is_empty())
        .map(|line| Input::Line {
            run,
            stream: Stream::Stdout,
            text: line.to_owned(),
        });
    let (code, signal) = match end {
        End::Runs => (None, None),
        End::Exited(code) => (Some(code), None),
        End::Signalled(signal) => (None, Some(signal)),
    };
    let exited = (end != End::Runs).then_some(Input::Exited {
        run,
        code,
        signal,
        killed: false,
    });
    for (number, input) in (1_u32..).zip(std::iter::once(started).chain(lines).chain(exited)) {
        let at_s = f64::from(number) / 1000.0;
        guarded(|| session.step(at_s, vec![input], &mut out))?;
    }
    Ok(out.take())
}
