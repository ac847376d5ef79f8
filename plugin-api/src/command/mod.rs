//! For renderers that are one command a segment or one command a task.
//!
//! A [`CommandAdapter`] says which command does a piece of work and hands over a [`Reader`] for
//! what it prints; [`Commanded`] turns that into an [`Adapter`]: it numbers the runs, asks for the
//! next ones ahead of time, answers cuts and cancels, and sees to it that every task ends with
//! exactly one verdict. A renderer that keeps scenes loaded and is fed over its standard input
//! needs a [`Session`] of its own instead.
//!
//! ```
//! use framewright_plugin_api::command::{
//!     Command, CommandAdapter, Commanded, Exit, Reader, Refusal, Said, Work,
//! };
//! use framewright_plugin_api::data::{Description, Open, Stream, Verdict};
//!
//! #[derive(Default)]
//! struct Pov;
//!
//! impl CommandAdapter for Pov {
//!     fn describe(&self) -> Description {
//!         Description::new("pov", "0.1.0", "POV-Ray")
//!     }
//!
//!     fn command(&self, open: &Open, work: &Work<'_>) -> Result<Command, Refusal> {
//!         match work {
//!             Work::Render { tasks, .. } => Ok(Command::new([
//!                 open.program.clone(),
//!                 format!("+O{}", tasks[0].output),
//!                 format!("+K{}", tasks[0].frame),
//!             ])),
//!             Work::Probe => Ok(Command::new([open.program.as_str(), "--version"])),
//!             Work::Inspect => Err(Refusal::unrenderable("a POV scene does not say its frames")),
//!         }
//!     }
//!
//!     fn reader(&self, _open: &Open, work: &Work<'_>) -> Box<dyn Reader> {
//!         Box::new(PovReader(work.outputs()))
//!     }
//! }
//!
//! struct PovReader(Vec<(u32, String)>);
//!
//! impl Reader for PovReader {
//!     fn line(&mut self, _stream: Stream, text: &str, said: &mut Said) {
//!         if text.starts_with("Parse Error") {
//!             said.blame(Verdict::Unrenderable, text);
//!         }
//!     }
//!     fn ended(&mut self, exit: &Exit, said: &mut Said) {
//!         if exit.succeeded() {
//!             for (task, output) in self.0.drain(..) {
//!                 said.wrote(task, output);
//!             }
//!         }
//!     }
//! }
//!
//! framewright_plugin_api::export_adapter!(Commanded<Pov>);
//! # fn main() {}
//! ```

mod asked;
mod render;

pub use asked::{Command, Exit, Said};

use crate::adapter::{Adapter, Session};
use crate::data::{Activity, Description, Failure, Input, Open, Task, Verdict};
use crate::effects::Effects;

/// A renderer that is a command.
pub trait CommandAdapter: 'static {
    /// Who the adapter is and what its renderer can do. `reports_frames` here means that the
    /// [`Reader`] says [`wrote`](Said::wrote) while the command still runs.
    fn describe(&self) -> Description;

    /// What one command renders.
    fn share(&self, _open: &Open) -> Share {
        Share::Task
    }

    /// Whether a task goes into the same command as the one before it in its segment; only asked
    /// where a [`share`](CommandAdapter::share) is [`Share::Run`].
    fn follows(&self, _before: &Task, _next: &Task) -> bool {
        false
    }

    /// How many commands may be asked for at once, the running one included; at least 1. The
    /// worker starts the next at once when one ends, without asking back.
    fn ahead(&self, _open: &Open) -> usize {
        2
    }

    /// The command that does this work.
    ///
    /// # Errors
    /// When there is none: the work's tasks, the probe or the inspection end with the refusal.
    fn command(&self, open: &Open, work: &Work<'_>) -> Result<Command, Refusal>;

    /// What reads its output.
    fn reader(&self, open: &Open, work: &Work<'_>) -> Box<dyn Reader>;

    /// Concludes without running anything, where that is possible: an inspection that only reads
    /// the scene's file. The default says that a command is needed.
    fn conclude(&self, _open: &Open, _work: &Work<'_>, _said: &mut Said) -> bool {
        false
    }
}

/// What one command renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// One task.
    Task,
    /// Tasks of a segment that follow one another, as [`CommandAdapter::follows`] tells: for
    /// renderers that take a range of frames, but no list of them.
    Run,
    /// All tasks of a segment.
    Segment,
}

/// What a command is for.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// Finding out whether the renderer is here, and which version.
    Probe,
    /// Finding out what is in the scene.
    Inspect,
    /// Rendering.
    Render {
        /// The segment's number.
        segment: u64,
        /// The tasks: one with [`Share::Task`], never none.
        tasks: &'a [Task],
    },
}

impl Work<'_> {
    /// Number and output path of each task, for readers that find out at the end.
    #[must_use]
    pub fn outputs(&self) -> Vec<(u32, String)> {
        match self {
            Work::Probe | Work::Inspect => Vec::new(),
            Work::Render { tasks, .. } => tasks
                .iter()
                .map(|task| (task.task, task.output.clone()))
                .collect(),
        }
    }
}

/// Reads what one command prints, and how it ends.
pub trait Reader {
    /// Is told a line.
    fn line(&mut self, stream: crate::data::Stream, text: &str, said: &mut Said);

    /// Is told that the command ended. A task about which nothing was said by then did not
    /// succeed, whatever the exit code: it fails with the last [`blame`](Said::blame), or as the
    /// machine's fault.
    fn ended(&mut self, exit: &Exit, said: &mut Said);
}

/// Why there is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As a class.
    pub verdict: Verdict,
    /// As a sentence.
    pub why: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl Refusal {
    /// The scene cannot be rendered, anywhere.
    #[must_use]
    pub fn unrenderable(why: impl Into<String>) -> Self {
        Refusal {
            verdict: Verdict::Unrenderable,
            why: why.into(),
            hint: String::new(),
        }
    }
}

/// Turns a [`CommandAdapter`] into an [`Adapter`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Commanded<C>(pub C);

impl<C: CommandAdapter + Default> Adapter for Commanded<C> {
    fn describe(&self) -> Description {
        self.0.describe()
    }

    fn open(&self, open: Open, out: &mut Effects) -> Result<Box<dyn Session>, Failure> {
        let adapter = C::default();
        match open.activity {
            Activity::Render => Ok(Box::new(render::Rendering::new(adapter, open))),
            Activity::Probe => Ok(Box::new(Question::ask(&adapter, &open, &Work::Probe, out))),
            Activity::Inspect => Ok(Box::new(Question::ask(
                &adapter,
                &open,
                &Work::Inspect,
                out,
            ))),
        }
    }
}

/// The one run of a probe or an inspection.
const QUESTION_RUN: u32 = 1;

/// A probe or an inspection: one command, one conclusion.
struct Question {
    /// None once it is concluded.
    open: Option<Asked>,
}

struct Asked {
    reader: Box<dyn Reader>,
    said: Said,
}

impl Question {
    fn ask(
        adapter: &impl CommandAdapter,
        open: &Open,
        work: &Work<'_>,
        out: &mut Effects,
    ) -> Question {
        let mut said = Said::default();
        if adapter.conclude(open, work, &mut said) {
            said.into_conclusion(out, || "the adapter came to no conclusion".to_owned());
            return Question { open: None };
        }
        match adapter.command(open, work) {
            Ok(command) => {
                out.run(command.into_run(QUESTION_RUN));
                let reader = adapter.reader(open, work);
                Question {
                    open: Some(Asked { reader, said }),
                }
            }
            Err(refusal) => {
                out.failed(refusal.verdict, refusal.why, refusal.hint);
                Question { open: None }
            }
        }
    }
}

impl Asked {
    /// None once there is a conclusion.
    fn take(mut self, input: Input, out: &mut Effects) -> Option<Asked> {
        match input {
            Input::Line { stream, text, .. } => {
                self.reader.line(stream, &text, &mut self.said);
                self.said.notes_into(out);
                if !self.said.has_conclusion() {
                    return Some(self);
                }
                self.said.into_conclusion(out, String::new);
            }
            Input::Exited {
                code,
                signal,
                killed,
                ..
            } => {
                let exit = Exit {
                    code,
                    signal,
                    killed,
                };
                self.reader.ended(&exit, &mut self.said);
                self.said
                    .into_conclusion(out, || format!("the renderer {exit} without an answer"));
            }
            Input::NotStarted { why, .. } => out.failed(
                Verdict::MachineFault,
                format!("the renderer could not be started: {why}"),
                "",
            ),
            Input::Cancel => out.kill(QUESTION_RUN),
            Input::Started { .. } | Input::Segment { .. } | Input::Cut { .. } => {
                return Some(self);
            }
        }
        None
    }
}

impl Session for Question {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            self.open = self.open.take().and_then(|asked| asked.take(input, out));
        }
    }
}
