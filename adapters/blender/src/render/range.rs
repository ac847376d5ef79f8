//! The work of a plain render (`-f 3,9..12,5`): frames in the order of the segment, one load, told
//! by `Saved:` lines.
//!
//! A frame counts when the next one was saved too, or the process ended: standard error needs
//! that long to say that a disk was full.

use std::collections::VecDeque;

use framewright_plugin_api::Effects;
use framewright_plugin_api::data::Verdict;

use super::gauge::Gauge;
use super::queue::{Given, Queue};
use crate::clues::Clues;
use crate::launch::Range;
use crate::lines::LayerAt;
use crate::settings::Settings;

/// Digits of the frame number in a file's name; more where it needs them.
const DIGITS: usize = 6;
/// Frames of one process: their list is one argument, which the system bounds (128 KiB).
const FRAMES_MAX: usize = 8_000;

/// A range under way.
#[derive(Debug)]
pub struct Work {
    stem: String,
    extension: String,
    /// How many frames Blender was given, and how many it has saved.
    ordered: usize,
    done: usize,
    layers: u32,
    left: VecDeque<Given>,
    saved: Option<(Given, String)>,
    gauge: Gauge,
}

/// What the name of a picture ends with, without the dot.
fn extension(output: &str) -> String {
    let name = output.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.')
        .map_or_else(String::new, |(_, end)| end.to_ascii_lowercase())
}

/// Frames at the front of the queue that one process can render, and their tasks.
pub fn next(queue: &mut Queue) -> Option<(Range, VecDeque<Given>)> {
    let first = queue.reserve()?;
    queue.begin(&first);
    let mut range = Range {
        frames: vec![first.task.frame],
        layer: first.task.layer.clone(),
        tile: first.task.tile,
        reduced: first.task.reduced.max(1),
        extension: extension(&first.task.output),
    };
    let mut tasks = VecDeque::from([first]);
    while tasks.len() < FRAMES_MAX && queue.peek().is_some_and(|next| fits(&range, &tasks, next)) {
        let Some(next) = queue.reserve() else {
            break;
        };
        range.frames.push(next.task.frame);
        tasks.push_back(next);
    }
    Some((range, tasks))
}

/// Whether a task goes on with what the process renders.
fn fits(range: &Range, tasks: &VecDeque<Given>, next: &Given) -> bool {
    tasks
        .front()
        .is_some_and(|first| first.segment == next.segment)
        && next.task.frame >= 0
        && range.layer == next.task.layer
        && range.tile == next.task.tile
        && range.reduced == next.task.reduced.max(1)
        && range.extension == extension(&next.task.output)
}

impl Work {
    /// Of a process that writes to this pattern.
    pub fn new(pattern: &str, range: &Range, tasks: VecDeque<Given>) -> Self {
        Work {
            stem: pattern.trim_end_matches('#').to_owned(),
            extension: range.extension.clone(),
            ordered: tasks.len(),
            done: 0,
            layers: 1,
            left: tasks,
            saved: None,
            gauge: Gauge::new(1),
        }
    }

    /// How many view layers each frame goes through.
    pub fn layers(&mut self, layers: u32) {
        self.layers = layers;
        self.gauge = Gauge::new(layers);
    }

    /// Where Blender writes a frame.
    fn path(&self, frame: i32) -> String {
        let sign = if frame < 0 { "-" } else { "" };
        let number = frame.unsigned_abs();
        format!("{}{sign}{number:0DIGITS$}.{}", self.stem, self.extension)
    }

    /// A step of the render of a frame.
    pub fn render(&mut self, frame: i32, at: LayerAt, out: &mut Effects) {
        let Some(given) = self.left.front().filter(|one| one.task.frame == frame) else {
            return;
        };
        if let Some(fraction) = self.gauge.see(at) {
            out.progress(given.segment, given.task.task, fraction);
        }
    }

    /// A picture was saved; whether a task succeeded with that, which is the one before.
    pub fn saved(
        &mut self,
        path: &str,
        queue: &mut Queue,
        clues: &Clues,
        settings: Settings,
        out: &mut Effects,
    ) -> bool {
        let expected = self.left.front().map(|one| self.path(one.task.frame));
        if expected.as_deref() != Some(path) {
            return false;
        }
        let before = self.settle(clues, settings, out);
        self.done += 1;
        self.saved = self.left.pop_front().map(|given| (given, path.to_owned()));
        self.gauge = Gauge::new(self.layers);
        if let Some(next) = self.left.front() {
            queue.begin(next);
        }
        before
    }

    /// Ends the task whose picture was saved last; whether it succeeded.
    pub fn settle(&mut self, clues: &Clues, settings: Settings, out: &mut Effects) -> bool {
        let Some((given, path)) = self.saved.take() else {
            return false;
        };
        let (segment, task) = (given.segment, given.task.task);
        match clues.of_written(&clues.since(), settings) {
            Some(ruling) => {
                out.done(segment, task, ruling.verdict, ruling.sentence());
                false
            }
            None => {
                out.wrote(segment, task, path);
                out.done(segment, task, Verdict::Succeeded, "");
                true
            }
        }
    }

    /// Forgets the tasks of a segment behind the first `keep`.
    pub fn cut(&mut self, segment: u64, keep: u32) {
        self.left
            .retain(|one| one.segment != segment || one.place < keep);
    }

    /// Whether Blender now renders what nobody wants.
    pub fn is_surplus(&self) -> bool {
        self.left.is_empty() && self.saved.is_some() && self.done < self.ordered
    }

    /// The process has ended: the task that it was at, the rest goes back.
    pub fn wreck(&mut self, queue: &mut Queue) -> Option<Given> {
        let blamed = self.left.pop_front();
        while let Some(given) = self.left.pop_back() {
            queue.give_back(given);
        }
        blamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewright_plugin_api::data::Task;

    fn lists(frames: &[i32]) -> Vec<Vec<i32>> {
        let mut queue = Queue::default();
        let tasks = (0..)
            .zip(frames)
            .map(|(n, &f)| Task::frame(n, f, "/o/a.PNG"));
        queue.add(1, tasks.collect());
        let mut found = Vec::new();
        while let Some((range, tasks)) = next(&mut queue) {
            assert_eq!(range.extension, "png");
            assert_eq!(tasks.len(), range.frames.len());
            found.push(range.frames);
        }
        found
    }

    #[test]
    fn a_process_takes_frames_in_any_order_and_none_below_0() {
        assert_eq!(lists(&[3, 1, 2, 9, 0]), [vec![3, 1, 2, 9, 0]]);
        assert_eq!(
            lists(&[i32::MAX, 7, -2, 4]),
            [vec![i32::MAX, 7], vec![-2, 4]]
        );
        let many: Vec<i32> = (0..20_000).collect();
        let lengths: Vec<usize> = lists(&many).iter().map(Vec::len).collect();
        assert_eq!(lengths, [8_000, 8_000, 4_000]);
    }

    #[test]
    fn a_process_is_surplus_once_all_that_is_wanted_is_saved() {
        let mut queue = Queue::default();
        let task = |n, frame| Task::frame(n, frame, "/o/a.png");
        queue.add(1, vec![task(0, 9), task(1, 2), task(2, 5)]);
        let (range, tasks) = next(&mut queue).expect("three tasks");
        let mut work = Work::new("/s/fw1_######", &range, tasks);
        work.cut(1, queue.cut(1, 2));
        let settings = Settings::of(&Default::default());
        for (path, surplus) in [
            ("/s/fw1_000002.png", false),
            ("/s/fw1_000009.png", false),
            ("/s/fw1_000002.png", true),
        ] {
            let mut out = Effects::new();
            work.saved(path, &mut queue, &Clues::default(), settings, &mut out);
            assert_eq!(work.is_surplus(), surplus, "{path}");
        }
    }

    #[test]
    fn frames_are_named_as_blender_names_them() {
        let mut queue = Queue::default();
        queue.add(1, vec![Task::frame(1, 1, "/o/a.exr")]);
        let (range, tasks) = next(&mut queue).expect("one task");
        let work = Work::new("/s/fw1_######", &range, tasks);
        assert_eq!(work.path(17), "/s/fw1_000017.exr");
        assert_eq!(work.path(-4), "/s/fw1_-000004.exr");
        assert_eq!(work.path(12_345_678), "/s/fw1_12345678.exr");
    }
}
