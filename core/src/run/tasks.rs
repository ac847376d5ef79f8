//! The tasks of a job, in their order, numbered.
//!
//! A job is split by frames, and by layers where these are rendered apart. The order is layer by
//! layer, frames rising, and the number of a task follows from it: so a resumed job numbers its
//! tasks as before, and a million of them take no memory here.

use framewright_kernel::frames::FrameSet;
use framewright_kernel::ids::TaskId;

use crate::names::TaskName;

/// Tasks of a job.
#[derive(Clone, Debug)]
pub struct TaskList {
    layers: Vec<String>,
    frames: Vec<i32>,
}

/// What a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskFacts<'a> {
    /// Its layer; empty where the scene is rendered as it is.
    pub layer: &'a str,
    /// Which layer that is, from 0.
    pub layer_index: usize,
    /// Its frame.
    pub frame: i32,
    /// Which frame of the job that is, from 0.
    pub frame_index: usize,
}

impl TaskList {
    /// The tasks of these layers (none: the scene as it is) and frames.
    #[must_use]
    pub fn new(layers: &[String], frames: &FrameSet) -> Self {
        let layers = if layers.is_empty() {
            vec![String::new()]
        } else {
            layers.to_vec()
        };
        Self {
            layers,
            frames: frames.iter().map(|frame| frame.0).collect(),
        }
    }

    /// How many. Frame sets are bounded, so this fits.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.layers.len() * self.frames.len()).unwrap_or(u32::MAX)
    }

    /// Whether there are none, which no settled job has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// All of them, in order.
    pub fn ids(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.len()).map(TaskId)
    }

    /// What a task is.
    ///
    /// # Panics
    /// When the job has no such task.
    #[must_use]
    pub fn facts(&self, task: TaskId) -> TaskFacts<'_> {
        let index = task.0 as usize;
        let layer_index = index / self.frames.len();
        let frame_index = index % self.frames.len();
        TaskFacts {
            layer: &self.layers[layer_index],
            layer_index,
            frame: self.frames[frame_index],
            frame_index,
        }
    }

    /// A task's name.
    #[must_use]
    pub fn name(&self, task: TaskId) -> TaskName {
        let facts = self.facts(task);
        TaskName::new(facts.layer, facts.frame, None)
    }

    /// The task with this name.
    #[must_use]
    pub fn find(&self, name: &TaskName) -> Option<TaskId> {
        if name.tile().is_some() {
            return None;
        }
        let layer = self
            .layers
            .iter()
            .position(|layer| TaskName::new(layer, 0, None).layer() == name.layer())?;
        let frame = self.frames.binary_search(&name.frame()).ok()?;
        u32::try_from(layer * self.frames.len() + frame)
            .ok()
            .map(TaskId)
    }

    /// Layers; one with an empty name where the scene is rendered as it is.
    #[must_use]
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// Frames, rising.
    #[must_use]
    pub fn frames(&self) -> &[i32] {
        &self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_found_by_the_name_it_prints() {
        let layers = ["beauty".to_owned(), "a:1".to_owned()];
        for layers in [&[][..], &layers[..1], &layers[..]] {
            let tasks = TaskList::new(layers, &"-3-4,9".parse().unwrap());
            assert_eq!(tasks.len() as usize, 9 * layers.len().max(1));
            for id in tasks.ids() {
                let name = tasks.name(id);
                assert_eq!(tasks.find(&name), Some(id), "{name}");
                assert_eq!(
                    tasks.find(&name.to_string().parse().unwrap()),
                    Some(id),
                    "{name}"
                );
            }
        }
        let tasks = TaskList::new(&layers, &"1-4".parse().unwrap());
        assert_eq!(tasks.find(&"beauty:5".parse().unwrap()), None);
        assert_eq!(tasks.find(&"shadow:1".parse().unwrap()), None);
    }
}
