//! Rendering segments with one stub renderer process after another.
//!
//! Sticky: the process loads once, is sent every task at once and renders in that order. One-shot:
//! each segment has a process of its own, its orders in a file. Both speak the same lines
//! ([`crate::reports`]), and tasks end in the order in which they were given; so the task in
//! flight is always the first one that has not ended.
//!
//! When the renderer dies, only the task in flight fails. Then the session says `cooled` and
//! starts the renderer again for what is left; as each death ends one task, this cannot go on for
//! ever. A scene that the renderer refuses fails everything, for it would refuse it again.
//!
//! A cut is decided where the truth is: a sticky renderer answers it itself. A one-shot renderer
//! is ended as soon as the last wanted task is done.

mod launch;

use std::collections::{BTreeMap, VecDeque};

use framewright_plugin_api::data::{Effect, Input, Open, Task, Verdict};
use framewright_plugin_api::{Effects, Session};

use crate::ending::{self, Ending};
use crate::orders;
use crate::reports::{self, Place, Refusal, Report};

/// Segments that ended and whose length is remembered, for a cut that comes late.
const ENDED_MAX: usize = 64;
/// Longest error text that is kept of a renderer, in characters.
const SAID_CHARS_MAX: usize = 500;

/// A rendering session.
pub struct Render {
    open: Open,
    mode: Mode,
    /// Segments with tasks that have not ended, in order.
    segments: VecDeque<Segment>,
    /// Lengths of the last segments that ended.
    ended: BTreeMap<u64, u32>,
    process: Option<Process>,
    last_run: u32,
    cancelled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Sticky,
    OneShot,
}

/// A segment with at least one task that has not ended.
struct Segment {
    id: u64,
    tasks: Vec<Task>,
    /// How many have ended; they are the first ones.
    done: usize,
    /// How many had ended when the present process was sent the others.
    sent_from: usize,
    /// Cuts that the renderer has not answered yet, in order.
    cuts: VecDeque<u32>,
    /// Whether the present process was sent tasks that were cut away since.
    trimmed: bool,
}

/// The renderer process, from the moment it was asked for until it has ended.
struct Process {
    run: u32,
    /// The only segment that it renders, for a one-shot process.
    segment: Option<u64>,
    /// Whether it said that the task in flight has begun.
    begun: bool,
    /// The last error that it printed.
    said: Option<String>,
    fate: Fate,
}

/// What its end will mean.
enum Fate {
    /// The task in flight, if any, has failed.
    Open,
    /// The adapter ended it on purpose, or everything was already told.
    Settled,
    /// It said that the scene does not stay loaded.
    NotSticky,
    /// It said why it does nothing.
    Refused(Refusal),
}

impl Render {
    /// Nothing is started before the first segment.
    pub fn new(open: Open) -> Self {
        let mode = match open
            .settings
            .get("sticky")
            .and_then(|value| value.as_bool())
        {
            Some(false) => Mode::OneShot,
            Some(true) | None => Mode::Sticky,
        };
        Self {
            open,
            mode,
            segments: VecDeque::new(),
            ended: BTreeMap::new(),
            process: None,
            last_run: 0,
            cancelled: false,
        }
    }

    fn input(&mut self, input: Input, out: &mut Effects) {
        match input {
            Input::Segment { segment, tasks } => self.segment(segment, tasks, out),
            Input::Cut { segment, keep } => self.cut(segment, keep, out),
            Input::Started { .. } => {}
            Input::NotStarted { run, why } => {
                if self.is_current(run) {
                    self.process = None;
                    let why = format!("cannot start the stub renderer: {why}");
                    self.give_up(Verdict::MachineFault, &why, "", out);
                }
            }
            Input::Line { run, text, .. } => {
                if self.is_current(run) {
                    self.line(&text, out);
                }
            }
            Input::Exited {
                run,
                code,
                signal,
                killed,
            } => {
                if self.is_current(run) {
                    let ending = Ending {
                        code,
                        signal,
                        killed,
                    };
                    self.process_ended(ending, out);
                }
            }
            Input::Cancel => {
                self.cancelled = true;
                self.segments.clear();
                if let Some(process) = &self.process {
                    out.kill(process.run);
                }
            }
        }
    }

    fn is_current(&self, run: u32) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.run == run)
    }

    // -- segments -----------------------------------------------------------------------------

    fn segment(&mut self, id: u64, tasks: Vec<Task>, out: &mut Effects) {
        if tasks.is_empty() {
            self.remember(id, 0);
            return;
        }
        self.segments.push_back(Segment {
            id,
            tasks,
            done: 0,
            sent_from: 0,
            cuts: VecDeque::new(),
            trimmed: false,
        });
        match (&self.process, self.mode) {
            (None, _) => self.start(out),
            (Some(process), Mode::Sticky) if matches!(process.fate, Fate::Open) => {
                let segment = self.segments.back().expect("just pushed");
                for text in orders::tasks(segment.id, &segment.tasks) {
                    out.write(process.run, text);
                }
            }
            // It is sent to the next process.
            (Some(_), _) => {}
        }
    }

    // -- cuts ---------------------------------------------------------------------------------

    fn cut(&mut self, id: u64, keep: u32, out: &mut Effects) {
        let obeys = |process: &&Process| matches!(process.fate, Fate::Open);
        if self.process.as_ref().filter(obeys).is_none() {
            // Cuts are answered in order, and nobody else answers those before this one.
            self.answer_cuts(out);
        }
        let Some(index) = self.segments.iter().position(|segment| segment.id == id) else {
            // It has ended meanwhile: all of it was kept.
            out.kept(id, self.ended.get(&id).copied().unwrap_or(keep));
            return;
        };
        let Some(process) = self.process.as_ref().filter(obeys) else {
            self.settle_cut(index, keep, 0, out);
            return;
        };
        match self.mode {
            Mode::Sticky => {
                let segment = &mut self.segments[index];
                let before = count(segment.sent_from);
                segment.cuts.push_back(keep);
                out.write(process.run, orders::cut(id, keep.saturating_sub(before)));
            }
            Mode::OneShot if process.segment == Some(id) => {
                let begun = u32::from(process.begun);
                self.settle_cut(index, keep, begun, out);
            }
            Mode::OneShot => self.settle_cut(index, keep, 0, out),
        }
    }

    /// Takes away all but the first `keep` tasks, those that have ended or begun excepted.
    fn settle_cut(&mut self, index: usize, keep: u32, begun: u32, out: &mut Effects) {
        let segment = &mut self.segments[index];
        let least = count(segment.done) + begun;
        let kept = keep.max(least).min(count(segment.tasks.len()));
        segment.trimmed |= (kept as usize) < segment.tasks.len();
        segment.tasks.truncate(kept as usize);
        out.kept(segment.id, kept);
        if segment.done == segment.tasks.len() {
            self.segment_ended(index, out);
        }
    }

    /// Forgets a segment all of whose tasks have ended.
    fn segment_ended(&mut self, index: usize, out: &mut Effects) {
        let Some(segment) = self.segments.remove(index) else {
            return;
        };
        let length = count(segment.tasks.len());
        // It ended before the renderer answered; its answers are no longer awaited.
        for _ in segment.cuts {
            out.kept(segment.id, length);
        }
        self.remember(segment.id, length);
        let process = self
            .process
            .as_mut()
            .filter(|p| p.segment == Some(segment.id) && matches!(p.fate, Fate::Open));
        if let Some(process) = process.filter(|_| segment.trimmed) {
            // What it would render now is no longer wanted.
            process.fate = Fate::Settled;
            out.kill(process.run);
        }
    }

    fn remember(&mut self, id: u64, length: u32) {
        self.ended.insert(id, length);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_first();
        }
    }

    // -- what the renderer says ---------------------------------------------------------------

    fn line(&mut self, line: &str, out: &mut Effects) {
        let Some(process) = self.process.as_mut() else {
            return;
        };
        if !matches!(process.fate, Fate::Open) {
            return;
        }
        let Some(text) = reports::marked(line) else {
            if let Some(error) = ending::error_text(line) {
                process.said = Some(error.chars().take(SAID_CHARS_MAX).collect());
            }
            return;
        };
        match reports::read(text) {
            Some(Report::Loaded) => out.loaded(),
            Some(Report::NotSticky) => process.fate = Fate::NotSticky,
            Some(Report::Refused(refusal)) => process.fate = Fate::Refused(refusal),
            Some(Report::Kept { segment, keep }) => self.kept(segment, keep, out),
            Some(Report::Begun(place)) => self.progress(place, 0.0, line, out),
            Some(Report::Progress(place, fraction)) => self.progress(place, fraction, line, out),
            Some(Report::Wrote(place)) => {
                if let Some(task) = self.in_flight(place) {
                    out.wrote(place.segment, place.task, task.output.clone());
                }
                self.task_ended(place, Verdict::Succeeded, "", line, out);
            }
            Some(Report::Done(place)) => {
                self.task_ended(place, Verdict::Succeeded, "", line, out);
            }
            Some(Report::Failed(place, verdict, why)) => {
                self.task_ended(place, verdict, why, line, out);
            }
            None => self.not_understood(line, out),
        }
    }

    /// The task in flight, if it is that one.
    fn in_flight(&self, place: Place) -> Option<&Task> {
        let segment = self.segments.front()?;
        let task = segment.tasks.get(segment.done)?;
        (segment.id == place.segment && task.task == place.task).then_some(task)
    }

    fn progress(&mut self, place: Place, fraction: f32, line: &str, out: &mut Effects) {
        if self.in_flight(place).is_none() {
            self.not_understood(line, out);
            return;
        }
        if let Some(process) = &mut self.process {
            process.begun = true;
        }
        out.progress(place.segment, place.task, fraction);
    }

    fn task_ended(
        &mut self,
        place: Place,
        verdict: Verdict,
        why: &str,
        line: &str,
        out: &mut Effects,
    ) {
        if self.in_flight(place).is_none() {
            self.not_understood(line, out);
            return;
        }
        self.conclude_first(verdict, why, out);
        if let Some(process) = &mut self.process {
            process.begun = false;
        }
    }

    /// Ends the first task that has not ended.
    fn conclude_first(&mut self, verdict: Verdict, why: &str, out: &mut Effects) {
        let Some(segment) = self.segments.front_mut() else {
            return;
        };
        let Some(task) = segment.tasks.get(segment.done) else {
            return;
        };
        out.push(Effect::TaskDone {
            segment: segment.id,
            task: task.task,
            verdict,
            why: why.to_owned(),
        });
        segment.done += 1;
        if segment.done == segment.tasks.len() {
            self.segment_ended(0, out);
        }
    }

    /// A sticky renderer's answer to a cut.
    fn kept(&mut self, id: u64, keep: u32, out: &mut Effects) {
        let Some(index) = self.segments.iter().position(|segment| segment.id == id) else {
            return;
        };
        let segment = &mut self.segments[index];
        if segment.cuts.pop_front().is_some() {
            let before = count(segment.sent_from);
            self.settle_cut(index, before.saturating_add(keep), 0, out);
        }
    }

    fn not_understood(&mut self, line: &str, out: &mut Effects) {
        if let Some(process) = &mut self.process {
            process.fate = Fate::Settled;
            out.kill(process.run);
        }
        let line: String = line.chars().take(SAID_CHARS_MAX).collect();
        let why = format!("the stub renderer said what the adapter does not expect: {line}");
        let hint = "use the adapter and the program of one build";
        self.give_up(Verdict::AdapterFault, &why, hint, out);
    }

    // -- ends ---------------------------------------------------------------------------------

    fn process_ended(&mut self, ending: Ending, out: &mut Effects) {
        let Some(process) = self.process.take() else {
            return;
        };
        if self.cancelled {
            return;
        }
        match process.fate {
            Fate::NotSticky => {
                self.mode = Mode::OneShot;
                self.answer_cuts(out);
            }
            Fate::Settled => out.cooled(),
            Fate::Refused(refusal) => {
                self.give_up(Verdict::Unrenderable, &refusal.message, &refusal.hint, out);
                out.cooled();
            }
            Fate::Open => {
                let works_on = |id| process.segment.is_none_or(|only| only == id);
                if self
                    .segments
                    .front()
                    .is_some_and(|first| works_on(first.id))
                {
                    let (verdict, why) = ending::judge(ending, process.said.as_deref());
                    self.conclude_first(verdict, &why, out);
                }
                self.answer_cuts(out);
                out.cooled();
            }
        }
        self.start(out);
    }

    /// Cuts that the renderer died over.
    fn answer_cuts(&mut self, out: &mut Effects) {
        while let Some(index) = self.segments.iter().position(|s| !s.cuts.is_empty()) {
            if let Some(keep) = self.segments[index].cuts.pop_front() {
                self.settle_cut(index, keep, 0, out);
            }
        }
    }

    /// Every task that has not ended fails.
    fn give_up(&mut self, verdict: Verdict, why: &str, hint: &str, out: &mut Effects) {
        self.segments.clear();
        out.failed(verdict, why, hint);
    }
}

impl Session for Render {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            if self.cancelled {
                return;
            }
            self.input(input, out);
        }
    }
}

/// Tasks of a segment are counted in 32 bits on the wire.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
