//! Drives a [`CommandAdapter`] through segments.
//!
//! Invariant: every task that was given and not cut away gets exactly one verdict, and a task
//! whose reader said nothing about it has not succeeded, whatever the exit code.

use std::collections::VecDeque;

use super::asked::{Blame, Exit, Said, Word};
use super::{CommandAdapter, Reader, Refusal, Share, Work};
use crate::adapter::Session;
use crate::data::{Input, Open, Task, Verdict};
use crate::effects::Effects;

/// A rendering session.
pub(super) struct Rendering<C> {
    adapter: C,
    open: Open,
    share: Share,
    ahead: usize,
    cuts_running: bool,
    runs: u32,
    /// What no run was asked for yet.
    waiting: VecDeque<Piece>,
    /// What runs were asked for, oldest first; never more than `ahead`.
    asked: VecDeque<Live>,
    warm: bool,
    cancelled: bool,
}

/// What one run shall render.
struct Piece {
    segment: u64,
    /// How many tasks of the segment lie before this piece.
    index: u32,
    tasks: Vec<Task>,
}

/// A piece with its run.
struct Live {
    run: u32,
    piece: Piece,
    /// As long as the piece's tasks.
    states: Vec<TaskState>,
    /// How many of the tasks are still wanted, from the front.
    keep: usize,
    reader: Box<dyn Reader>,
    blame: Option<Blame>,
    ending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TaskState {
    Untouched,
    Begun,
    Concluded,
}

impl<C: CommandAdapter> Rendering<C> {
    pub(super) fn new(adapter: C, open: Open) -> Self {
        let share = adapter.share(&open);
        let ahead = adapter.ahead(&open).max(1);
        let cuts_running = adapter.describe().can.reports_frames;
        Rendering {
            adapter,
            open,
            share,
            ahead,
            cuts_running,
            runs: 0,
            waiting: VecDeque::new(),
            asked: VecDeque::new(),
            warm: false,
            cancelled: false,
        }
    }

    fn segment(&mut self, segment: u64, tasks: Vec<Task>) {
        match self.share {
            Share::Segment if tasks.is_empty() => {}
            Share::Segment => self.waiting.push_back(Piece {
                segment,
                index: 0,
                tasks,
            }),
            Share::Task | Share::Run => {
                for (index, task) in (0..).zip(tasks) {
                    self.piece(segment, index, task);
                }
            }
        }
    }

    /// Puts a task where it belongs: behind the one before it, or into a piece of its own.
    fn piece(&mut self, segment: u64, index: u32, task: Task) {
        if self.share == Share::Run
            && let Some(last) = self.waiting.back_mut()
            && last.segment == segment
            && let Some(before) = last.tasks.last()
            && self.adapter.follows(before, &task)
        {
            last.tasks.push(task);
            return;
        }
        self.waiting.push_back(Piece {
            segment,
            index,
            tasks: vec![task],
        });
    }

    /// Asks for as many runs as may be asked for.
    fn pump(&mut self, out: &mut Effects) {
        while self.asked.len() < self.ahead && !self.cancelled {
            let Some(piece) = self.waiting.pop_front() else {
                return;
            };
            let work = Work::Render {
                segment: piece.segment,
                tasks: &piece.tasks,
            };
            match self.adapter.command(&self.open, &work) {
                Ok(command) => {
                    let reader = self.adapter.reader(&self.open, &work);
                    self.runs += 1;
                    out.run(command.into_run(self.runs));
                    self.asked.push_back(Live {
                        run: self.runs,
                        states: vec![TaskState::Untouched; piece.tasks.len()],
                        keep: piece.tasks.len(),
                        piece,
                        reader,
                        blame: None,
                        ending: false,
                    });
                }
                Err(refusal) => refuse(&piece, &refusal, out),
            }
        }
    }

    fn cut(&mut self, segment: u64, keep: u32, out: &mut Effects) {
        let asked = self.asked.iter().map(|live| &live.piece);
        let open = asked
            .chain(&self.waiting)
            .find(|piece| piece.segment == segment);
        let mut kept = keep.max(open.map_or(0, |piece| piece.index));
        // From behind: what lies before a task that is kept is kept as well.
        for live in self.asked.iter_mut().rev() {
            if live.piece.segment != segment {
                continue;
            }
            let parts = self.share == Share::Run || live.piece.tasks.len() > 1;
            kept = kept.max(live.cut(kept, self.cuts_running && parts));
            if self.cuts_running {
                live.end_if_done(out);
            }
        }
        for piece in self.waiting.iter_mut().filter(|p| p.segment == segment) {
            let wanted = kept.saturating_sub(piece.index);
            piece
                .tasks
                .truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        }
        self.waiting.retain(|piece| !piece.tasks.is_empty());
        out.kept(segment, kept);
    }

    fn live(&mut self, run: u32) -> Option<&mut Live> {
        self.asked.iter_mut().find(|live| live.run == run)
    }

    fn started(&mut self, run: u32, out: &mut Effects) {
        if let Some(live) = self.live(run)
            && let [task] = live.piece.tasks.as_slice()
        {
            live.states[0] = TaskState::Begun;
            out.progress(live.piece.segment, task.task, 0.0);
        }
    }

    fn ended(&mut self, run: u32, exit: &Exit, out: &mut Effects) {
        let Some(at) = self.asked.iter().position(|live| live.run == run) else {
            return;
        };
        let Some(mut live) = self.asked.remove(at) else {
            return;
        };
        let mut said = Said::default();
        live.reader.ended(exit, &mut said);
        let cancelled = self.cancelled;
        live.say(said, &mut self.warm, out);
        if !cancelled {
            live.conclude(
                |frame| format!("the renderer {exit} before frame {frame} was written"),
                out,
            );
        }
        if std::mem::take(&mut self.warm) {
            out.cooled();
        }
    }

    fn not_started(&mut self, run: u32, why: &str, out: &mut Effects) {
        if let Some(at) = self.asked.iter().position(|live| live.run == run)
            && let Some(mut live) = self.asked.remove(at)
        {
            live.conclude(|_| format!("the renderer could not be started: {why}"), out);
        }
    }

    fn take(&mut self, input: Input, out: &mut Effects) {
        match input {
            Input::Segment { segment, tasks } => self.segment(segment, tasks),
            Input::Cut { segment, keep } => self.cut(segment, keep, out),
            Input::Started { run, .. } => self.started(run, out),
            Input::NotStarted { run, why } => self.not_started(run, &why, out),
            Input::Line { run, stream, text } => {
                let Some(at) = self.asked.iter().position(|live| live.run == run) else {
                    return;
                };
                let live = &mut self.asked[at];
                let mut said = Said::default();
                live.reader.line(stream, &text, &mut said);
                live.say(said, &mut self.warm, out);
                live.end_if_done(out);
            }
            Input::Exited {
                run,
                code,
                signal,
                killed,
            } => {
                let exit = Exit {
                    code,
                    signal,
                    killed,
                };
                self.ended(run, &exit, out);
            }
            Input::Cancel => {
                self.cancelled = true;
                self.waiting.clear();
                for live in &mut self.asked {
                    live.end(out);
                }
            }
        }
        self.pump(out);
    }
}

impl Live {
    /// Keeps the first tasks of the segment, and those that were begun. Answers how many tasks of
    /// the segment, from its front, are kept because of this piece.
    fn cut(&mut self, keep: u32, in_parts: bool) -> u32 {
        if in_parts {
            let wanted = keep.saturating_sub(self.piece.index) as usize;
            let touched = self
                .states
                .iter()
                .rposition(|state| *state != TaskState::Untouched)
                .map_or(0, |last| last + 1);
            self.keep = self.keep.min(wanted.max(touched));
        }
        match u32::try_from(self.keep) {
            Ok(0) => 0,
            Ok(keep) => self.piece.index + keep,
            Err(_) => u32::MAX,
        }
    }

    /// Ends the process when the tasks that are kept are concluded and it would go on with others.
    fn end_if_done(&mut self, out: &mut Effects) {
        let done = self.states[..self.keep]
            .iter()
            .all(|state| *state == TaskState::Concluded);
        if done && self.keep < self.states.len() {
            self.end(out);
        }
    }

    fn end(&mut self, out: &mut Effects) {
        if !std::mem::replace(&mut self.ending, true) {
            out.kill(self.run);
        }
    }

    /// Which of the kept tasks has this number.
    fn index_of(&self, task: u32) -> Option<usize> {
        self.piece.tasks[..self.keep]
            .iter()
            .position(|known| known.task == task)
    }

    /// Turns what the reader said into effects. What it says about a task that is concluded or
    /// not its own is dropped.
    fn say(&mut self, said: Said, warm: &mut bool, out: &mut Effects) {
        if self.blame.is_none() {
            self.blame = said.blame;
        }
        let segment = self.piece.segment;
        for word in said.words {
            match word {
                Word::Loaded => {
                    if !std::mem::replace(warm, true) {
                        out.loaded();
                    }
                }
                Word::Note(text) => out.note(text),
                Word::Progress { task, fraction } => {
                    if let Some(at) = self.index_of(task)
                        && self.states[at] != TaskState::Concluded
                    {
                        self.states[at] = TaskState::Begun;
                        out.progress(segment, task, fraction);
                    }
                }
                Word::Wrote { task, path } => {
                    if self.conclude_task(task) {
                        if !path.is_empty() {
                            out.wrote(segment, task, path);
                        }
                        out.succeeded(segment, task);
                    }
                }
                Word::Ended { task, verdict, why } => {
                    if self.conclude_task(task) {
                        out.done(segment, task, verdict, why);
                    }
                }
            }
        }
    }

    /// Whether the task was still open.
    fn conclude_task(&mut self, task: u32) -> bool {
        self.index_of(task).is_some_and(|at| {
            std::mem::replace(&mut self.states[at], TaskState::Concluded) != TaskState::Concluded
        })
    }

    /// Gives every open task its verdict.
    fn conclude(&mut self, otherwise: impl Fn(i32) -> String, out: &mut Effects) {
        let kept = self
            .piece
            .tasks
            .iter()
            .zip(&mut self.states)
            .take(self.keep);
        for (task, state) in kept {
            if std::mem::replace(state, TaskState::Concluded) == TaskState::Concluded {
                continue;
            }
            let (verdict, why) = match &self.blame {
                Some(blame) => (blame.verdict, blame.why.clone()),
                None => (Verdict::MachineFault, otherwise(task.frame)),
            };
            out.done(self.piece.segment, task.task, verdict, why);
        }
    }
}

/// Ends the tasks of a piece for which there is no command.
fn refuse(piece: &Piece, refusal: &Refusal, out: &mut Effects) {
    for task in &piece.tasks {
        out.done(
            piece.segment,
            task.task,
            refusal.verdict,
            refusal.why.clone(),
        );
    }
}

impl<C: CommandAdapter> Session for Rendering<C> {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            self.take(input, out);
        }
    }
}
