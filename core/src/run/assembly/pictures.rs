//! Which pictures are put together of which tasks' pictures, and how far each is.
//!
//! A frame in tiles is one picture, or one of each layer where layers have files of their own; a
//! frame whose layers go into one file is one whatever its layers are made of. Pictures of tasks that
//! are no pieces are not known here.
//!
//! Looks at no file and starts nothing. Invariant: a picture is given out to be put together once for
//! each time that its last missing piece came, and a piece is asked for again at most once beside that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use framewright_kernel::ids::TaskId;

use crate::event::PictureName;
use crate::run::tasks::TaskList;
use crate::store::PictureCounts;

/// Which picture, by its place in the job: frame by frame, layer by layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::run) struct PictureId(u32);

/// A picture of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run) struct Picture {
    /// What it is called.
    pub name: PictureName,
    /// Its layers, one where it holds only one.
    pub parts: Vec<Part>,
    missing: u32,
    state: State,
}

/// What a picture takes from one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run) struct Part {
    /// Which of the job's layers.
    pub layer: usize,
    /// The tasks: one for a whole frame, or its tiles, row by row.
    tasks: Range<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Pieces are missing.
    Waiting,
    /// It waits for its turn.
    Queued,
    /// It is being put together, or its file is on its way to its name.
    UnderWay,
    Done,
    Failed,
}

/// The pictures of several of a job.
#[derive(Clone, Debug, Default)]
pub(in crate::run) struct Pictures {
    pictures: Vec<Picture>,
    /// By the first task of each part: the first task behind it, and whose it is.
    of_task: BTreeMap<u32, (u32, PictureId)>,
    /// Pieces that are there, by task.
    there: Vec<bool>,
    queue: VecDeque<PictureId>,
    /// Pieces that were asked for again.
    again: BTreeSet<TaskId>,
    under_way: u32,
}

impl Part {
    /// The tasks.
    pub(in crate::run) fn tasks(&self) -> impl Iterator<Item = TaskId> + use<> {
        self.tasks.clone().map(TaskId)
    }

    fn count(&self) -> u32 {
        self.tasks.end - self.tasks.start
    }
}

impl Picture {
    /// How many pieces it has.
    pub(in crate::run) fn pieces(&self) -> u32 {
        self.parts.iter().map(Part::count).sum()
    }

    /// All tasks whose pictures are its pieces.
    #[cfg(test)]
    fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.parts.iter().flat_map(Part::tasks)
    }
}

impl Pictures {
    /// Those of a job in which all layers of a frame go into one file, or each into its own.
    pub(in crate::run) fn new(tasks: &TaskList, merges: bool) -> Self {
        let mut pictures = Self {
            there: vec![false; tasks.len() as usize],
            ..Self::default()
        };
        let layers: Vec<&str> = tasks.layers().collect();
        for (frame_index, frame) in tasks.frames().iter().enumerate() {
            let part = |layer| Part {
                layer,
                tasks: range(tasks.of_frame(layer, frame_index)),
            };
            if merges {
                let parts = (0..layers.len()).map(part).collect();
                pictures.add(*frame, None, parts);
                continue;
            }
            for (layer, name) in layers.iter().enumerate() {
                let part = part(layer);
                if tasks.facts(TaskId(part.tasks.start)).tile.is_some() {
                    let name = (!name.is_empty()).then(|| (*name).to_owned());
                    pictures.add(*frame, name, vec![part]);
                }
            }
        }
        pictures
    }

    fn add(&mut self, frame: i32, layer: Option<String>, parts: Vec<Part>) {
        let id = PictureId(u32::try_from(self.pictures.len()).unwrap_or(u32::MAX));
        for part in &parts {
            let of = (part.tasks.end, id);
            self.of_task.insert(part.tasks.start, of);
        }
        self.pictures.push(Picture {
            name: PictureName { frame, layer },
            missing: parts.iter().map(Part::count).sum(),
            parts,
            state: State::Waiting,
        });
    }

    /// Whether the job has none.
    pub(in crate::run) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// A picture.
    pub(in crate::run) fn get(&self, id: PictureId) -> &Picture {
        &self.pictures[id.0 as usize]
    }

    fn get_mut(&mut self, id: PictureId) -> &mut Picture {
        &mut self.pictures[id.0 as usize]
    }

    /// The picture that a task's is a piece of.
    pub(in crate::run) fn of(&self, task: TaskId) -> Option<PictureId> {
        let (_, (end, id)) = self.of_task.range(..=task.0).next_back()?;
        (task.0 < *end).then_some(*id)
    }

    /// An earlier controller put it together.
    pub(in crate::run) fn skip(&mut self, name: &PictureName) {
        if let Some(picture) = self.pictures.iter_mut().find(|one| one.name == *name) {
            picture.state = State::Done;
        }
    }

    /// A task's picture is in its place.
    pub(in crate::run) fn piece_came(&mut self, task: TaskId) {
        let Some(id) = self.of(task) else { return };
        if std::mem::replace(&mut self.there[task.0 as usize], true) {
            return;
        }
        let picture = self.get_mut(id);
        picture.missing -= 1;
        if picture.missing == 0 && picture.state == State::Waiting {
            picture.state = State::Queued;
            self.queue.push_back(id);
        }
    }

    /// A task's picture will not come. Its own picture, where this is what it fails of.
    pub(in crate::run) fn piece_is_given_up(&mut self, task: TaskId) -> Option<PictureId> {
        let id = self.of(task)?;
        let picture = self.get_mut(id);
        (picture.state == State::Waiting).then(|| {
            picture.state = State::Failed;
            id
        })
    }

    /// The next picture to be put together, if at most `at_once` are under way then.
    pub(in crate::run) fn next(&mut self, at_once: u32) -> Option<PictureId> {
        if self.under_way >= at_once {
            return None;
        }
        let id = self.queue.pop_front()?;
        self.under_way += 1;
        self.get_mut(id).state = State::UnderWay;
        Some(id)
    }

    /// A picture that was under way has its name.
    pub(in crate::run) fn done(&mut self, id: PictureId) {
        self.end(id, State::Done);
    }

    /// A picture that was under way is not tried again.
    pub(in crate::run) fn failed(&mut self, id: PictureId) {
        self.end(id, State::Failed);
    }

    /// A picture that was under way needs these pieces once more. False, and nothing changed, where all
    /// of them were asked for again before.
    pub(in crate::run) fn ask_again(&mut self, id: PictureId, tasks: &BTreeSet<TaskId>) -> bool {
        if tasks.iter().all(|task| self.again.contains(task)) {
            return false;
        }
        debug_assert!(tasks.iter().all(|task| self.of(*task) == Some(id)));
        for task in tasks {
            self.again.insert(*task);
            if std::mem::replace(&mut self.there[task.0 as usize], false) {
                self.get_mut(id).missing += 1;
            }
        }
        self.end(id, State::Waiting);
        true
    }

    /// A picture that was under way is left to a later controller.
    pub(in crate::run) fn put_off(&mut self, id: PictureId) {
        self.end(id, State::Waiting);
    }

    /// None is given out any more.
    pub(in crate::run) fn stop(&mut self) {
        for id in std::mem::take(&mut self.queue) {
            self.get_mut(id).state = State::Waiting;
        }
    }

    /// Whether no picture is left that could be put together.
    pub(in crate::run) fn is_settled(&self) -> bool {
        self.pictures.iter().all(|picture| match picture.state {
            State::Waiting => picture.missing > 0,
            State::Queued | State::UnderWay => false,
            State::Done | State::Failed => true,
        })
    }

    /// Whether all of them are done.
    pub(in crate::run) fn are_done(&self) -> bool {
        let mut pictures = self.pictures.iter();
        pictures.all(|picture| picture.state == State::Done)
    }

    /// Frames of pictures that are not done.
    pub(in crate::run) fn frames_not_done(&self) -> impl Iterator<Item = i32> + '_ {
        let open = self.pictures.iter().filter(|one| one.state != State::Done);
        open.map(|picture| picture.name.frame)
    }

    /// Whether a piece was asked for again already.
    pub(in crate::run) fn was_asked_again(&self, task: TaskId) -> bool {
        self.again.contains(&task)
    }

    fn end(&mut self, id: PictureId, state: State) {
        let picture = self.get_mut(id);
        debug_assert_eq!(picture.state, State::UnderWay, "{}", picture.name);
        picture.state = state;
        self.under_way -= 1;
    }

    /// Whether nothing is to be done until a piece comes.
    pub(in crate::run) fn is_idle(&self) -> bool {
        self.under_way == 0 && self.queue.is_empty()
    }

    /// Pictures by how they are.
    pub(in crate::run) fn counts(&self) -> PictureCounts {
        let count = |state| {
            let those = self.pictures.iter().filter(|one| one.state == state);
            u32::try_from(those.count()).unwrap_or(u32::MAX)
        };
        PictureCounts {
            total: u32::try_from(self.pictures.len()).unwrap_or(u32::MAX),
            done: count(State::Done),
            failed: count(State::Failed),
        }
    }
}

/// Tasks of one frame of a layer stand side by side.
fn range(tasks: impl Iterator<Item = TaskId>) -> Range<u32> {
    let mut range = 0..0;
    for task in tasks {
        if range.is_empty() {
            range = task.0..task.0;
        }
        range.end = task.0 + 1;
    }
    range
}

#[cfg(test)]
mod tests;
