//! The work of a plain animation render (`-a`): one run of frames, told by `Saved:` lines.
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

/// A range under way.
#[derive(Debug)]
pub struct Work {
    stem: String,
    extension: String,
    last: i32,
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

/// The longest run of frames at the front of the queue, and its tasks.
pub fn next(queue: &mut Queue) -> Option<(Range, VecDeque<Given>)> {
    let first = queue.reserve()?;
    queue.begin(&first);
    let mut range = Range {
        first: first.task.frame,
        last: first.task.frame,
        step: 1,
        layer: first.task.layer.clone(),
        tile: first.task.tile,
        extension: extension(&first.task.output),
    };
    let mut tasks = VecDeque::from([first]);
    while let Some(frame) = queue.peek().and_then(|next| follows(&range, &tasks, next)) {
        range.step = frame.abs_diff(range.last);
        range.last = frame;
        tasks.extend(queue.reserve());
    }
    Some((range, tasks))
}

/// The frame of `next`, where it goes on with the range.
fn follows(range: &Range, tasks: &VecDeque<Given>, next: &Given) -> Option<i32> {
    let same = tasks
        .front()
        .is_some_and(|first| first.segment == next.segment)
        && range.layer == next.task.layer
        && range.tile == next.task.tile
        && range.extension == extension(&next.task.output);
    let gap = i64::from(next.task.frame) - i64::from(range.last);
    let fits = if tasks.len() == 1 {
        gap > 0
    } else {
        gap == i64::from(range.step)
    };
    (same && fits).then_some(next.task.frame)
}

impl Work {
    /// Of a process that writes to this pattern.
    pub fn new(pattern: &str, range: &Range, tasks: VecDeque<Given>) -> Self {
        Work {
            stem: pattern.trim_end_matches('#').to_owned(),
            extension: range.extension.clone(),
            last: range.last,
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
        let rendered = self.saved.as_ref().map(|(given, _)| given.task.frame);
        self.left.is_empty() && rendered.is_some_and(|frame| frame < self.last)
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

    fn ranges(frames: &[i32]) -> Vec<(i32, i32, u32)> {
        let mut queue = Queue::default();
        let tasks = (0..)
            .zip(frames)
            .map(|(n, &f)| Task::frame(n, f, "/o/a.PNG"));
        queue.add(1, tasks.collect());
        let mut found = Vec::new();
        while let Some((range, _)) = next(&mut queue) {
            assert_eq!(range.extension, "png");
            found.push((range.first, range.last, range.step));
        }
        found
    }

    #[test]
    fn ranges_have_one_step_and_go_upwards() {
        assert_eq!(
            ranges(&[1, 2, 3, 7, 9, 11, 4]),
            [(1, 3, 1), (7, 11, 2), (4, 4, 1)]
        );
        assert_eq!(ranges(&[5, 4, 3]), [(5, 5, 1), (4, 4, 1), (3, 3, 1)]);
        assert_eq!(
            ranges(&[i32::MIN, i32::MAX]),
            [(i32::MIN, i32::MAX, u32::MAX)]
        );
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
