//! Readers of what one `kick` prints.

use framewright_plugin_api::command::{Exit, Reader, Said};
use framewright_plugin_api::data::{Found, Stream, Task, Verdict};

use crate::clues::Clues;
use crate::log::{self, Line};
use crate::memo::Memo;

/// The oldest Arnold whose scene files are spoken of here.
const OLDEST: u32 = 5;

/// Reads `kick --help`, which begins with the version.
pub struct Probe {
    program: String,
    last: String,
}

impl Probe {
    pub fn new(program: &str) -> Self {
        Probe {
            program: program.to_owned(),
            last: String::new(),
        }
    }
}

impl Reader for Probe {
    fn line(&mut self, _stream: Stream, text: &str, said: &mut Said) {
        if let Line::Version(version) = log::read(text.trim()) {
            let major = version.split('.').next().and_then(|part| part.parse().ok());
            if major.is_some_and(|major: u32| major < OLDEST) {
                said.blame_with_hint(
                    Verdict::MachineFault,
                    format!("{} is Arnold {version}, which is too old", self.program),
                    "install Arnold 5 or newer",
                );
                return;
            }
            said.found(Found {
                version: version.to_owned(),
                notes: Vec::new(),
            });
        } else if !text.trim().is_empty() && self.last.is_empty() {
            self.last = text.trim().chars().take(200).collect();
        }
    }

    fn ended(&mut self, exit: &Exit, said: &mut Said) {
        let it_said = match self.last.as_str() {
            "" => String::new(),
            text => format!("; it said: {text}"),
        };
        said.blame(
            Verdict::MachineFault,
            format!(
                "{} does not say an Arnold version; it {exit}{it_said}",
                self.program
            ),
        );
    }
}

/// Reads the log of a task's `kick`.
pub struct Rendering {
    task: u32,
    output: String,
    whole: bool,
    clues: Clues,
    /// Cameras that a frame is rendered through, one after the other.
    passes: usize,
    /// Passes that have begun.
    begun: usize,
    shown: f32,
}

impl Rendering {
    pub fn new(tasks: &[Task], whole: bool, memo: &Option<Memo>) -> Self {
        let first = tasks.first();
        Rendering {
            task: first.map_or(0, |task| task.task),
            output: first.map_or_else(String::new, |task| task.output.clone()),
            whole,
            clues: Clues::default(),
            passes: memo.as_ref().map_or(1, |memo| memo.cameras.max(1)),
            begun: 0,
            shown: 0.0,
        }
    }

    /// Progress of the frame, which never goes back.
    fn progress(&mut self, fraction: f32, said: &mut Said) {
        let before = self.begun.saturating_sub(1).min(self.passes - 1) as f32;
        let whole = (before + fraction) / self.passes as f32;
        if whole > self.shown {
            self.shown = whole;
            said.progress(self.task, whole);
        }
    }
}

impl Reader for Rendering {
    fn line(&mut self, _stream: Stream, text: &str, said: &mut Said) {
        let line = log::read(text);
        self.clues.hear(&line);
        match line {
            Line::Begins => {
                self.begun += 1;
                said.loaded();
            }
            Line::Done(fraction) => self.progress(fraction, said),
            Line::Version(_)
            | Line::PassDone
            | Line::Writes(_)
            | Line::NoLicence(_)
            | Line::Complaint(..)
            | Line::Chatter
            | Line::Foreign(_) => {}
        }
    }

    /// A driver tells of a file before it writes it, so the picture counts when the process has ended.
    fn ended(&mut self, exit: &Exit, said: &mut Said) {
        match self.clues.of_end(exit, self.whole) {
            Some(ruling) => said.failed(self.task, ruling.verdict, ruling.why),
            None => said.wrote(self.task, self.output.clone()),
        }
    }
}
