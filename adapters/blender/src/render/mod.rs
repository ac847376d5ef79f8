//! Rendering segments.
//!
//! The usual way is one Blender that keeps the scene and is fed tasks ([`session`]). Plain
//! renders of frames ([`range`]) are for people who want them (`sticky=false`) and for a Blender
//! in which our scripts fail, which is then started without them.
//!
//! When a process dies, only the task that it was at is ended with the blame; the others are
//! rendered by the next process. After [`DEATHS_MAX`] deaths with no picture in between, all
//! that is left fails, because the host or the scene is to blame and somebody else decides which.

mod gauge;
mod queue;
mod range;
mod session;

use framewright_plugin_api::data::{Failure, Input, Open, Stream, Task, Verdict};
use framewright_plugin_api::{Effects, Session};

use crate::clues::{Clues, End, Ruling};
use crate::launch::{EXIT_PYTHON, Launch, Purpose};
use crate::lines::{self, Line, Message};
use queue::{Given, Queue};

/// Processes that may die one after the other before the rest is given up.
const DEATHS_MAX: u32 = 3;

/// How Blender is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Scene kept, tasks over standard input.
    Session,
    /// A process for the frames of a segment.
    Range,
    /// The same without our scripts.
    Bare,
}

/// A Blender that was asked for and has not ended.
struct Process {
    run: u32,
    clues: Clues,
    loaded: bool,
    work: Work,
    ending: Ending,
}

/// Whether we are ending a process, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// What it renders now, nobody wants any more.
    Surplus,
    /// A message could not be understood.
    Garbled,
}

enum Work {
    Session(session::Work),
    Range(range::Work),
}

/// A render session.
pub struct Render {
    launch: Launch,
    way: Way,
    queue: Queue,
    process: Option<Process>,
    runs: u32,
    deaths: u32,
    /// Why nothing more will be rendered.
    over: Option<Ruling>,
    cancelled: bool,
}

impl Render {
    /// Waits for segments.
    pub fn open(open: Open) -> Result<Self, Failure> {
        let launch = Launch::of(open)?;
        Ok(Render {
            way: if launch.settings.sticky {
                Way::Session
            } else {
                Way::Range
            },
            launch,
            queue: Queue::default(),
            process: None,
            runs: 0,
            deaths: 0,
            over: None,
            cancelled: false,
        })
    }

    fn segment(&mut self, segment: u64, tasks: Vec<Task>, out: &mut Effects) {
        match &self.over {
            None => self.queue.add(segment, tasks),
            Some(ruling) => {
                for task in tasks {
                    out.done(segment, task.task, ruling.verdict, ruling.sentence());
                }
            }
        }
    }

    fn cut(&mut self, segment: u64, keep: u32, out: &mut Effects) {
        let kept = self.queue.cut(segment, keep);
        if let Some(Process {
            work: Work::Range(work),
            ..
        }) = &mut self.process
        {
            work.cut(segment, kept);
        }
        out.kept(segment, kept);
    }

    /// Nothing more will come of this session.
    fn give_up(&mut self, ruling: Ruling, out: &mut Effects) {
        self.queue.drain();
        out.failed(ruling.verdict, ruling.why.clone(), ruling.hint);
        self.over = Some(ruling);
    }

    /// Keeps Blender at work: starts it, feeds it, closes it.
    fn pump(&mut self, out: &mut Effects) {
        while self.over.is_none() && self.process.is_none() && !self.queue.is_empty() {
            self.start(out);
        }
        let Some(process) = &mut self.process else {
            return;
        };
        let run = process.run;
        match &mut process.work {
            Work::Session(work) if process.loaded && process.ending == Ending::No => {
                let fits = |queue: &Queue| {
                    queue
                        .peek()
                        .is_some_and(|next| self.way == Way::Session || next.task.frame < 0)
                };
                while work.has_room() && fits(&self.queue) {
                    if let Some(given) = self.queue.take() {
                        work.send(run, given, out);
                    }
                }
                if work.is_idle() && self.way != Way::Session && !work.closing {
                    work.closing = true;
                    out.close(run);
                }
            }
            Work::Range(work) if work.is_surplus() && process.ending == Ending::No => {
                process.ending = Ending::Surplus;
                out.kill(run);
            }
            Work::Session(_) | Work::Range(_) => {}
        }
    }

    fn start(&mut self, out: &mut Effects) {
        let run = self.runs + 1;
        // Blender's command line takes no negative frames: those need the session.
        let negative = self.queue.peek().is_some_and(|next| next.task.frame < 0);
        let (purpose_run, work) = match self.way {
            Way::Session => (self.launch.run(run, Purpose::Session), new_session()),
            Way::Range if negative => (self.launch.run(run, Purpose::Session), new_session()),
            Way::Range | Way::Bare => {
                let Some((range, tasks)) = range::next(&mut self.queue) else {
                    return;
                };
                let bare = self.way == Way::Bare;
                let is_plain = range.tile.is_none() && range.layer.is_empty() && range.reduced == 1;
                if bare && (negative || !is_plain) {
                    let why = "negative frames, layers and tiles need the adapter's scripts, which fail in this Blender";
                    for given in tasks {
                        out.done(given.segment, given.task.task, Verdict::AdapterFault, why);
                    }
                    return;
                }
                let purpose = if bare {
                    Purpose::Bare(&range)
                } else {
                    Purpose::Range(&range)
                };
                let work = range::Work::new(&self.launch.pattern(run), &range, tasks);
                (self.launch.run(run, purpose), Work::Range(work))
            }
        };
        self.runs = run;
        out.run(purpose_run);
        self.process = Some(Process {
            run,
            clues: Clues::default(),
            loaded: false,
            work,
            ending: Ending::No,
        });
    }

    fn line(&mut self, stream: Stream, text: &str, out: &mut Effects) {
        let Some(process) = &mut self.process else {
            return;
        };
        let settings = self.launch.settings;
        let succeeded = match lines::read(text) {
            Line::Ours(message) => self.message(stream, message, out),
            Line::Garbled => self.garbled(out),
            Line::Text(text) => {
                process.clues.hear(stream, text);
                false
            }
            Line::Render { frame, at } => {
                process.begun(out);
                match &mut process.work {
                    Work::Session(work) => work.render(at, out),
                    Work::Range(work) => work.render(frame, at, out),
                }
                false
            }
            Line::Saved(path) => match &mut process.work {
                Work::Range(work) => {
                    work.saved(path, &mut self.queue, &process.clues, settings, out)
                }
                Work::Session(_) => false,
            },
            Line::Chatter => false,
        };
        if succeeded {
            self.deaths = 0;
        }
    }

    /// A message of a script; whether a task succeeded with it.
    fn message(&mut self, stream: Stream, message: Message, out: &mut Effects) -> bool {
        let Some(process) = &mut self.process else {
            return false;
        };
        let settings = self.launch.settings;
        match message {
            Message::Preflight {
                kind,
                memory_limit_bytes,
                ..
            } => {
                process.clues.file_kind = kind;
                process.clues.memory_limit_bytes = memory_limit_bytes;
            }
            Message::Moved => process.clues.files_moved(stream),
            Message::Refused { reason, why } => process.clues.refused = Some((reason, why)),
            Message::Ready { scene, layers } => {
                if let Some(ruling) = process.clues.of_loaded(&scene, settings) {
                    out.kill(process.run);
                    self.give_up(ruling, out);
                    return false;
                }
                if let (Work::Range(work), Some(layers)) = (&mut process.work, layers) {
                    work.layers(layers);
                }
                process.clues.scene_loaded();
                process.begun(out);
            }
            other => {
                if let Work::Session(work) = &mut process.work {
                    match work.message(stream, other, &mut process.clues, settings, out) {
                        Ok(succeeded) => return succeeded,
                        Err(()) => return self.garbled(out),
                    }
                }
            }
        }
        false
    }

    /// Whatever a message was about is lost, so the process is too.
    fn garbled(&mut self, out: &mut Effects) -> bool {
        if let Some(process) = self.process.as_mut().filter(|one| one.ending == Ending::No) {
            process.ending = Ending::Garbled;
            out.kill(process.run);
        }
        false
    }

    fn exited(&mut self, end: End, out: &mut Effects) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        out.cooled();
        let settings = self.launch.settings;
        let clues = process.clues.clone();
        let (blamed, at_rest) = match &mut process.work {
            Work::Session(work) => {
                let blamed = work.wreck(&mut self.queue, &clues, settings, out);
                let at_rest = blamed.is_none() && process.loaded;
                (blamed, at_rest)
            }
            Work::Range(work) => {
                if work.settle(&clues, settings, out) {
                    self.deaths = 0;
                }
                let blamed = work.wreck(&mut self.queue);
                let at_rest = blamed.is_none();
                (blamed, at_rest)
            }
        };
        if self.over.is_some() || at_rest {
            return;
        }
        if !process.loaded && self.failed_load(&clues, end, blamed.as_ref(), out) {
            return;
        }
        // While it loads, no task was sent yet: the first one is the one that it was started for.
        let blamed = blamed.or_else(|| self.queue.take());
        let ruling = if process.ending == Ending::Garbled {
            Ruling::new(
                Verdict::AdapterFault,
                "a message of the adapter's scripts was lost",
            )
        } else {
            clues.of_end(end, !process.loaded)
        };
        if let Some(given) = blamed {
            out.done(
                given.segment,
                given.task.task,
                ruling.verdict,
                ruling.sentence(),
            );
        }
        self.deaths += 1;
        if self.deaths >= DEATHS_MAX && !self.queue.is_empty() {
            self.give_up(ruling, out);
        }
    }

    /// Deals with a process that ended before the scene was there, where the reason is known to
    /// stay; false otherwise.
    fn failed_load(
        &mut self,
        clues: &Clues,
        end: End,
        blamed: Option<&Given>,
        out: &mut Effects,
    ) -> bool {
        if let Some(ruling) = clues.of_load(end) {
            if let Some(given) = blamed {
                out.done(
                    given.segment,
                    given.task.task,
                    ruling.verdict,
                    ruling.sentence(),
                );
            }
            self.give_up(ruling, out);
            return true;
        }
        let scripts_fail = end.code == Some(EXIT_PYTHON) && self.way != Way::Bare;
        if !(scripts_fail && self.launch.settings.plain) {
            return false;
        }
        out.note(
            "the adapter's scripts fail in this Blender; it is started for each segment instead",
        );
        self.way = Way::Bare;
        if let Some(given) = blamed {
            self.queue.give_back(given.clone());
        }
        true
    }

    fn cancel(&mut self, out: &mut Effects) {
        self.cancelled = true;
        self.queue.drain();
        if let Some(process) = self.process.take() {
            out.kill(process.run);
        }
    }

    fn is_running(&self, run: u32) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.run == run)
    }
}

fn new_session() -> Work {
    Work::Session(session::Work::default())
}

impl Process {
    /// The scene is there, as is known by the first thing that only then can be said.
    fn begun(&mut self, out: &mut Effects) {
        if !self.loaded {
            self.loaded = true;
            out.loaded();
        }
    }
}

impl Session for Render {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            if self.cancelled {
                return;
            }
            match input {
                Input::Segment { segment, tasks } => self.segment(segment, tasks, out),
                Input::Cut { segment, keep } => self.cut(segment, keep, out),
                Input::Line { run, stream, text } if self.is_running(run) => {
                    self.line(stream, &text, out);
                }
                Input::NotStarted { run, why } if self.is_running(run) => {
                    self.process = None;
                    let why = format!("cannot start Blender: {why}");
                    self.give_up(Ruling::new(Verdict::MachineFault, why), out);
                }
                Input::Exited {
                    run,
                    code,
                    signal,
                    killed,
                } if self.is_running(run) => {
                    self.exited(
                        End {
                            code,
                            signal,
                            killed,
                        },
                        out,
                    );
                }
                Input::Cancel => self.cancel(out),
                Input::Started { .. }
                | Input::Line { .. }
                | Input::NotStarted { .. }
                | Input::Exited { .. } => {}
            }
            if !self.cancelled {
                self.pump(out);
            }
        }
    }
}
