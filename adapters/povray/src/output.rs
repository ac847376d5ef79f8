//! What POV-Ray prints while it renders, and what becomes of the tasks by that.
//!
//! All of it comes on standard error. Progress lines end in `\r`, which framewright takes for an end of
//! line. A message is broken where it gets long, and goes on in a line that begins with one space.
//!
//! Refuses to believe exit code 0 alone: a frame counts as written when the next one begins, or when
//! POV-Ray said that it has finished and ended with 0. What is in the file, framewright looks up itself.

use framewright_plugin_api::command::{Exit, Reader, Said};
use framewright_plugin_api::data::{Open, Stream, Task, Verdict};

use crate::launch;
use crate::plan::Plan;

/// Longest message that is kept, in bytes.
const MESSAGE_MAX: usize = 600;
const SIGKILL: i32 = 9;

/// Messages that say how a run ends, as a class and in words. The first that fits counts.
const MEANINGS: [(&str, Verdict, &str); 7] = [
    (
        "Out of memory",
        Verdict::OutOfMemory,
        "POV-Ray ran out of memory",
    ),
    (
        "Invalid start column or row",
        Verdict::Unrenderable,
        "the tile is not within the picture",
    ),
    (
        "Invalid end column or row",
        Verdict::Unrenderable,
        "the tile is not within the picture",
    ),
    (
        "Failed to parse command-line option",
        Verdict::Unrenderable,
        "POV-Ray does not understand an option, of the .ini file or of `--set`",
    ),
    (
        "Cannot access data in file",
        Verdict::MachineFault,
        "the picture could not be written, as when a disk is full",
    ),
    (
        "Cannot create render state output file",
        Verdict::MachineFault,
        "nothing can be written where the picture shall go",
    ),
    (
        "Frontend halted render",
        Verdict::MachineFault,
        "POV-Ray was told from outside to stop",
    ),
];
/// Messages that speak for themselves.
const FAULTS: [&str; 4] = [
    "is not permitted",
    "Cannot open backing file",
    "Fatal error in",
    "Assertion `",
];

/// Reads one run.
pub struct Frames {
    /// Task and file of each frame that the run renders, in order.
    frames: Vec<(u32, String)>,
    /// Tasks whose frames POV-Ray was not asked for, and why.
    refused: Vec<(u32, String)>,
    /// Names of files that are missing everywhere.
    missing: Vec<String>,
    /// Which frame is being rendered.
    at: usize,
    parsing: bool,
    finished: bool,
    message: String,
    /// The file that was not found, as told before the error that it leads to.
    not_found: Option<String>,
}

impl Frames {
    /// Of the run that [`launch::command`] makes for these tasks.
    pub fn new(open: &Open, tasks: &[Task]) -> Self {
        let plan = Plan::carried(open);
        let mut frames = Frames {
            frames: Vec::new(),
            refused: Vec::new(),
            missing: plan.missing.clone(),
            at: 0,
            parsing: false,
            finished: false,
            message: String::new(),
            not_found: None,
        };
        let mut first = None;
        for task in tasks {
            if let Some(refusal) = launch::refused(&plan, open, task.frame) {
                frames.refused.push((task.task, refusal.why));
            } else {
                let first = *first.get_or_insert(task);
                let file = launch::file(open, &plan, first, task);
                frames.frames.push((task.task, file));
            }
        }
        frames
    }

    /// All frames before this one of the run are written.
    fn written_before(&mut self, index: usize, said: &mut Said) {
        while self.at < index.min(self.frames.len()) {
            let (task, file) = &self.frames[self.at];
            said.wrote(*task, file.clone());
            self.at += 1;
        }
    }

    fn progress(&self, fraction: f32, said: &mut Said) {
        if let Some((task, _)) = self.frames.get(self.at) {
            said.progress(*task, fraction);
        }
    }

    /// A message is whole.
    fn judge(&mut self, said: &mut Said) {
        let message = std::mem::take(&mut self.message);
        if message.is_empty() {
            return;
        }
        let not_found = self.not_found.take();
        if message.contains("Cannot find file '") {
            // What the message after this one is about.
            self.not_found = Some(message);
        } else if let Some(told) = not_found {
            self.missing(&told, said);
        } else if let Some((_, verdict, why)) =
            MEANINGS.iter().find(|(part, ..)| message.contains(part))
        {
            said.blame(*verdict, *why);
        } else if let Some((place, error)) = message.split_once("Parse Error: ") {
            // `File 'a.pov' line 3: Parse Error: …`; what is wrong with a scene is wrong everywhere.
            said.blame(Verdict::Unrenderable, format!("{place}{error}"));
        } else if FAULTS.iter().any(|part| message.contains(part)) {
            said.blame(Verdict::MachineFault, message);
        }
    }

    /// `File 'a.pov' line 3: Possible Parse Error: Cannot find file 'b.inc', even after …`. What was there
    /// when the scene was read is missing on this host only.
    fn missing(&self, told: &str, said: &mut Said) {
        let (place, rest) = told.split_once("Cannot find file '").unwrap_or_default();
        let place = place.trim_end_matches("Possible Parse Error: ");
        let name = rest.split('\'').next().unwrap_or_default();
        let verdict = match self.missing.iter().any(|missing| missing == name) {
            true => Verdict::Unrenderable,
            false => Verdict::MachineFault,
        };
        said.blame(verdict, format!("{place}{name} is missing"));
    }
}

/// `Rendering frame 3 of 12` → 3.
fn number_after(text: &str, words: &str) -> Option<usize> {
    let rest = text.strip_prefix(words)?;
    rest.split(' ').next()?.parse().ok()
}

/// `Rendered 1024 of 3072 pixels (33%)` → 0.33…
fn fraction(text: &str) -> Option<f32> {
    let rest = text.strip_prefix("Rendered ")?;
    let (done, rest) = rest.split_once(" of ")?;
    let (all, _) = rest.split_once(" pixels")?;
    Some(done.parse::<f32>().ok()? / all.parse::<f32>().ok()?)
}

impl Reader for Frames {
    fn line(&mut self, _stream: Stream, text: &str, said: &mut Said) {
        for (task, why) in self.refused.drain(..) {
            said.failed(task, Verdict::Unrenderable, why);
        }
        let goes_on = text.starts_with(' ') && !text.starts_with("  ");
        if goes_on && !self.message.is_empty() && self.message.len() < MESSAGE_MAX {
            self.message.push_str(text.trim_end());
            return;
        }
        self.judge(said);
        if let Some(fraction) = fraction(text) {
            self.progress(fraction, said);
        } else if let Some(number) = number_after(text, "Rendering frame ") {
            // It counts within the run, from 1.
            self.written_before(number.saturating_sub(1), said);
        } else if text.starts_with("==== [Parsing") {
            // The process is up. It parses the scene again for each frame, so that belongs to the frame.
            if !std::mem::replace(&mut self.parsing, true) {
                said.loaded();
            }
            self.progress(0.0, said);
        } else if text == "POV-Ray finished" {
            self.finished = true;
        } else {
            self.message = text.chars().take(MESSAGE_MAX).collect();
        }
    }

    fn ended(&mut self, exit: &Exit, said: &mut Said) {
        self.judge(said);
        if exit.succeeded() && self.finished {
            self.written_before(self.at + 1, said);
        }
        if exit.signal == Some(SIGKILL) && !exit.killed {
            let why = "POV-Ray was killed from outside, as the system does when memory runs out";
            said.blame(Verdict::OutOfMemory, why);
        }
    }
}
