//! The small documents between a [`CommandAdapter`](super::CommandAdapter) and its driver.

use std::collections::BTreeMap;
use std::fmt;

use crate::data::{Found, Run, Scene, TextFile, Verdict};
use crate::effects::Effects;

/// A command line with what it needs. No shell is involved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Command {
    run: Run,
}

impl Command {
    /// Program and arguments.
    #[must_use]
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Command {
            run: Run::new(0, argv),
        }
    }

    /// Sets environment variables.
    #[must_use]
    pub fn env(mut self, env: BTreeMap<String, String>) -> Self {
        self.run.env = env;
        self
    }

    /// Lets variables of the worker through, e.g. a licence server's.
    #[must_use]
    pub fn inherit(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.run.inherit = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the working folder; without it, the session's scratch folder.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<String>) -> Self {
        self.run.cwd = folder.into();
        self
    }

    /// Writes a small file before the command starts.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.run.files.push(TextFile {
            path: path.into(),
            text: text.into(),
        });
        self
    }

    pub(super) fn into_run(mut self, number: u32) -> Run {
        self.run.run = number;
        self.run
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code, when it exited.
    pub code: Option<i32>,
    /// Signal, when one ended it.
    pub signal: Option<i32>,
    /// Whether framewright ended it.
    pub killed: bool,
}

impl Exit {
    /// Whether it exited by itself with code 0. Many renderers do so without a picture.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0) && !self.killed
    }
}

/// Reads as the rest of a sentence about the renderer: `exited with code 3`.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.killed, self.code, self.signal) {
            (true, _, _) => f.write_str("was ended"),
            (false, Some(code), _) => write!(f, "exited with code {code}"),
            (false, None, Some(signal)) => write!(f, "was killed by signal {signal}"),
            (false, None, None) => f.write_str("ended"),
        }
    }
}

/// What a reader has found out.
#[derive(Debug, Default)]
pub struct Said {
    pub(super) words: Vec<Word>,
    pub(super) blame: Option<Blame>,
    conclusion: Option<Conclusion>,
}

/// What is said about a rendering, in order.
#[derive(Debug)]
pub(super) enum Word {
    Loaded,
    Progress {
        task: u32,
        fraction: f32,
    },
    Wrote {
        task: u32,
        path: String,
    },
    Ended {
        task: u32,
        verdict: Verdict,
        why: String,
    },
    Note(String),
}

/// What is to blame when a task did not succeed.
#[derive(Clone, Debug)]
pub(super) struct Blame {
    pub verdict: Verdict,
    pub why: String,
    pub hint: String,
}

#[derive(Debug)]
enum Conclusion {
    Found(Found),
    Scene(Scene),
}

impl Said {
    /// The scene is loaded; what comes now is rendering.
    pub fn loaded(&mut self) {
        self.words.push(Word::Loaded);
    }

    /// How far a task is, 0 to 1. The first one says that it has begun.
    pub fn progress(&mut self, task: u32, fraction: f32) {
        self.words.push(Word::Progress { task, fraction });
    }

    /// A task's picture is complete at `path`; with an empty path, the task succeeded and writes
    /// none.
    pub fn wrote(&mut self, task: u32, path: impl Into<String>) {
        self.words.push(Word::Wrote {
            task,
            path: path.into(),
        });
    }

    /// A task has ended without its picture.
    pub fn failed(&mut self, task: u32, verdict: Verdict, why: impl Into<String>) {
        self.words.push(Word::Ended {
            task,
            verdict,
            why: why.into(),
        });
    }

    /// Should this command end without what was wanted from it, this is why. The first one
    /// counts: what comes later is usually its consequence.
    pub fn blame(&mut self, verdict: Verdict, why: impl Into<String>) {
        self.blame_with_hint(verdict, why, "");
    }

    /// As [`blame`](Said::blame), with what to do about it.
    pub fn blame_with_hint(
        &mut self,
        verdict: Verdict,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.blame.is_none() {
            self.blame = Some(Blame {
                verdict,
                why: why.into(),
                hint: hint.into(),
            });
        }
    }

    /// Something people should know, which is no failure.
    pub fn note(&mut self, text: impl Into<String>) {
        self.words.push(Word::Note(text.into()));
    }

    /// Conclusion of a probe.
    pub fn found(&mut self, found: Found) {
        self.conclusion = Some(Conclusion::Found(found));
    }

    /// Conclusion of an inspection.
    pub fn scene(&mut self, scene: Scene) {
        self.conclusion = Some(Conclusion::Scene(scene));
    }

    pub(super) fn has_conclusion(&self) -> bool {
        self.conclusion.is_some()
    }

    pub(super) fn notes_into(&mut self, out: &mut Effects) {
        for word in self.words.drain(..) {
            if let Word::Note(text) = word {
                out.note(text);
            }
        }
    }

    /// Puts notes and the conclusion of a question into `out`; `otherwise` says why there is none.
    pub(super) fn into_conclusion(mut self, out: &mut Effects, otherwise: impl FnOnce() -> String) {
        self.notes_into(out);
        match (self.conclusion, self.blame) {
            (Some(Conclusion::Found(found)), _) => out.found(found),
            (Some(Conclusion::Scene(scene)), _) => out.scene(scene),
            (None, Some(blame)) => out.failed(blame.verdict, blame.why, blame.hint),
            (None, None) => out.failed(Verdict::MachineFault, otherwise(), ""),
        }
    }
}
