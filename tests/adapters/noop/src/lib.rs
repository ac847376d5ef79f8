//! An adapter whose tasks do nothing, for measuring what dispatching costs.
//!
//! The scene is a file with one line, `frames=1-10000`. `--set mode=process` runs `/bin/true` for
//! each task, 32 of them asked for ahead; `--set mode=session` keeps one `/bin/cat`, writes a
//! line for each task and takes the echo for the picture. Nothing is written to disk.

use std::collections::VecDeque;

use framewright_plugin_api::data::{
    Abilities, Activity, Basis, Cost, Costs, Description, Effect, Failure, Found, Input, Open,
    OutputFormat, Run, Scene, Setting, SettingKind, Task, Verdict,
};
use framewright_plugin_api::{Adapter, Effects, Session, export_adapter};

/// How many processes are asked for ahead.
const AHEAD: usize = 32;

/// The adapter.
#[derive(Default)]
struct Noop;

export_adapter!(Noop);

impl Adapter for Noop {
    fn describe(&self) -> Description {
        let mut description = Description::new("noop", env!("CARGO_PKG_VERSION"), "nothing");
        description.extensions = vec!["noop".to_owned()];
        description.programs = vec!["true".to_owned()];
        description.can = Abilities {
            sticky: true,
            frame_lists: true,
            reports_frames: true,
            ..Abilities::default()
        };
        description.outputs = vec![OutputFormat {
            id: "none".to_owned(),
            extension: String::new(),
        }];
        description.settings = vec![Setting {
            key: "mode".to_owned(),
            kind: SettingKind::Choice {
                choices: vec!["process".to_owned(), "session".to_owned()],
            },
            help: "A process for each task, or one kept process fed over its standard input."
                .to_owned(),
            default: Some("process".into()),
        }];
        description
    }

    fn open(&self, open: Open, out: &mut Effects) -> Result<Box<dyn Session>, Failure> {
        match open.activity {
            Activity::Probe => {
                out.found(Found {
                    version: "0".to_owned(),
                    notes: Vec::new(),
                });
                Ok(Box::new(Concluded))
            }
            Activity::Inspect => {
                inspect(open.scene.as_deref().unwrap_or_default(), out);
                Ok(Box::new(Concluded))
            }
            Activity::Render => match open.settings.get("mode").and_then(|mode| mode.as_str()) {
                Some("session") => Ok(Box::new(Kept::default())),
                _ => Ok(Box::new(Processes::default())),
            },
        }
    }
}

fn inspect(scene: &str, out: &mut Effects) {
    let frames = std::fs::read_to_string(scene)
        .map_err(|error| format!("cannot read {scene}: {error}"))
        .and_then(|text| {
            frames(&text).ok_or_else(|| format!("{scene} has no line such as frames=1-10000"))
        });
    match frames {
        Ok((first, last)) => out.scene(Scene {
            first,
            last,
            step: 1,
            fps: 24.0,
            width: 1,
            height: 1,
            costs: Costs {
                frame_s: Cost::new(0.000_1, Basis::Declared),
                ..Costs::default()
            },
            ..Scene::default()
        }),
        Err(why) => out.failed(Verdict::Unrenderable, why, ""),
    }
}

/// First and last of `frames=FIRST-LAST`.
fn frames(text: &str) -> Option<(i32, i32)> {
    let range = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("frames="))?;
    // The sign of a negative first frame is no separator.
    let dash = range.get(1..)?.find('-')? + 1;
    let first = range[..dash].trim().parse().ok()?;
    let last = range[dash + 1..].trim().parse().ok()?;
    (first <= last).then_some((first, last))
}

/// A probe or an inspection: all was said when it was opened.
struct Concluded;

impl Session for Concluded {
    fn step(&mut self, _at_s: f64, _inputs: Vec<Input>, _out: &mut Effects) {}
}

/// A task and the segment that it belongs to.
struct Given {
    segment: u64,
    /// Its place in the segment.
    index: u32,
    task: u32,
}

fn given(segment: u64, tasks: Vec<Task>) -> impl Iterator<Item = Given> {
    (0..).zip(tasks).map(move |(index, task)| Given {
        segment,
        index,
        task: task.task,
    })
}

/// Drops the tasks of a segment from `keep` on and answers how many stay at least: one more than
/// the last of the begun ones.
fn cut(
    waiting: &mut VecDeque<Given>,
    begun: &VecDeque<(u32, Given)>,
    segment: u64,
    keep: u32,
    out: &mut Effects,
) {
    let of_segment = begun.iter().filter(|(_, given)| given.segment == segment);
    let first_waiting = waiting
        .iter()
        .find(|given| given.segment == segment)
        .map_or(0, |given| given.index);
    let keep = of_segment
        .map(|(_, given)| given.index + 1)
        .chain([keep, first_waiting])
        .max()
        .unwrap_or(keep);
    waiting.retain(|given| given.segment != segment || given.index < keep);
    out.kept(segment, keep);
}

/// A process a task.
#[derive(Default)]
struct Processes {
    runs: u32,
    loaded: bool,
    waiting: VecDeque<Given>,
    asked: VecDeque<(u32, Given)>,
}

impl Processes {
    fn ended(&mut self, run: u32, failure: Option<String>, out: &mut Effects) {
        let Some(at) = self.asked.iter().position(|(asked, _)| *asked == run) else {
            return;
        };
        if let Some((_, given)) = self.asked.remove(at) {
            if !std::mem::replace(&mut self.loaded, true) {
                out.push(Effect::Loaded);
            }
            match failure {
                None => out.succeeded(given.segment, given.task),
                Some(why) => out.done(given.segment, given.task, Verdict::MachineFault, why),
            }
        }
    }

    fn take(&mut self, input: Input, out: &mut Effects) {
        match input {
            Input::Segment { segment, tasks } => self.waiting.extend(given(segment, tasks)),
            Input::Cut { segment, keep } => {
                cut(&mut self.waiting, &self.asked, segment, keep, out);
            }
            Input::Exited { run, code, .. } => {
                let failure = (code != Some(0)).then(|| format!("it ended with {code:?}"));
                self.ended(run, failure, out);
            }
            Input::NotStarted { run, why } => self.ended(run, Some(why), out),
            Input::Cancel => {
                self.waiting.clear();
                for (run, _) in self.asked.drain(..) {
                    out.kill(run);
                }
            }
            Input::Started { .. } | Input::Line { .. } => {}
        }
    }
}

impl Session for Processes {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            self.take(input, out);
        }
        while self.asked.len() < AHEAD
            && let Some(given) = self.waiting.pop_front()
        {
            self.runs += 1;
            out.run(Run::new(self.runs, ["/bin/true"]));
            self.asked.push_back((self.runs, given));
        }
    }
}

/// One kept process for all tasks.
#[derive(Default)]
struct Kept {
    /// Number of the process that was asked for last.
    run: u32,
    running: bool,
    loaded: bool,
    waiting: VecDeque<Given>,
    written: VecDeque<(u32, Given)>,
}

impl Kept {
    fn take(&mut self, input: Input, out: &mut Effects) {
        match input {
            Input::Segment { segment, tasks } => self.waiting.extend(given(segment, tasks)),
            Input::Cut { segment, keep } => {
                cut(&mut self.waiting, &self.written, segment, keep, out);
            }
            Input::Line { text, .. } => {
                // The echo comes in the order of writing.
                if let Some((_, given)) = self.written.pop_front() {
                    if text.parse() == Ok(given.task) {
                        out.succeeded(given.segment, given.task);
                    } else {
                        let why = format!("the echo of {} is {text:?}", given.task);
                        out.done(given.segment, given.task, Verdict::MachineFault, why);
                    }
                }
            }
            Input::Started { .. } => {
                if !std::mem::replace(&mut self.loaded, true) {
                    out.loaded();
                }
            }
            Input::Exited { run, .. } | Input::NotStarted { run, .. } if run == self.run => {
                self.running = false;
                if std::mem::take(&mut self.loaded) {
                    out.cooled();
                }
                for (_, given) in self.written.drain(..) {
                    let why = "the kept process ended";
                    out.done(given.segment, given.task, Verdict::MachineFault, why);
                }
            }
            Input::Exited { .. } | Input::NotStarted { .. } => {}
            Input::Cancel => {
                self.waiting.clear();
                self.written.clear();
                if self.running {
                    out.kill(self.run);
                }
            }
        }
    }
}

impl Session for Kept {
    fn step(&mut self, _at_s: f64, inputs: Vec<Input>, out: &mut Effects) {
        for input in inputs {
            self.take(input, out);
        }
        if self.waiting.is_empty() {
            return;
        }
        if !self.running {
            self.running = true;
            self.run += 1;
            out.run(Run {
                stdin: true,
                ..Run::new(self.run, ["/bin/cat"])
            });
        }
        // As many at once as fit into the process's pipes both ways without anybody reading.
        const WRITTEN_MAX: usize = 1024;
        let mut lines = String::new();
        while self.written.len() < WRITTEN_MAX
            && let Some(given) = self.waiting.pop_front()
        {
            lines.push_str(&given.task.to_string());
            lines.push('\n');
            self.written.push_back((self.run, given));
        }
        if !lines.is_empty() {
            out.write(self.run, lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use framewright_plugin_api::replay::{self, End};

    use super::*;

    #[test]
    fn the_scene_is_one_line() {
        assert_eq!(frames("frames=1-10000\n"), Some((1, 10_000)));
        assert_eq!(frames("# x\n frames=-5-7"), Some((-5, 7)));
        assert_eq!(frames("frames=7-5"), None);
        assert_eq!(frames("frames="), None);
        assert_eq!(frames("1-3"), None);
    }

    fn tasks(count: u32) -> Vec<Task> {
        (1..=count).map(|n| Task::frame(n, 1, "")).collect()
    }

    #[test]
    fn a_process_a_task_is_asked_for_32_ahead() {
        let mut session = Processes::default();
        let mut out = Effects::new();
        let segment = Input::Segment {
            segment: 4,
            tasks: tasks(40),
        };
        session.step(0.0, vec![segment], &mut out);
        assert_eq!(out.take().len(), AHEAD);
        session.step(
            0.1,
            vec![Input::exited(1, 0), Input::exited(2, 1)],
            &mut out,
        );
        let effects = out.take();
        assert_eq!(effects[0], Effect::Loaded);
        assert!(matches!(
            effects[2],
            Effect::TaskDone {
                task: 2,
                verdict: Verdict::MachineFault,
                ..
            }
        ));
        assert_eq!(effects.len(), 5, "loaded, two verdicts, two more runs");
        let cut = Input::Cut {
            segment: 4,
            keep: 3,
        };
        session.step(0.2, vec![cut], &mut out);
        let kept = Effect::Kept {
            segment: 4,
            keep: 34,
        };
        assert_eq!(out.take(), [kept]);
    }

    #[test]
    fn a_kept_process_is_written_to_and_echoes() {
        let mut open = Open::new(Activity::Render, "/bin/true");
        open.settings.insert("mode".to_owned(), "session".into());
        let effects = replay::feed(&Noop, open, tasks(3), "1\n2\n9\n", End::Exited(0)).unwrap();
        let verdicts: Vec<Verdict> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::TaskDone { verdict, .. } => Some(*verdict),
                _ => None,
            })
            .collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Succeeded,
                Verdict::Succeeded,
                Verdict::MachineFault
            ]
        );
        assert_eq!(effects.last(), Some(&Effect::Cooled));
    }
}
