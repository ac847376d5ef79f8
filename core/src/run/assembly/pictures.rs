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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::{Tiling, grid};

    fn tasks(layers: &[&str], frames: &str, tiled: Option<&str>) -> TaskList {
        let layers: Vec<String> = layers.iter().map(|&layer| layer.to_owned()).collect();
        let tiling = tiled.map(|tiled| {
            let tiles = grid(64, 64, 2, 2, 0, 1).unwrap();
            Tiling::new(tiles, Some(tiled.parse().unwrap()))
        });
        TaskList::tiled(&layers, &frames.parse().unwrap(), tiling)
    }

    fn named(pictures: &Pictures) -> Vec<(String, u32)> {
        let named = |one: &Picture| (one.name.to_string(), one.pieces());
        pictures.pictures.iter().map(named).collect()
    }

    fn wanted(all: &[(&str, u32)]) -> Vec<(String, u32)> {
        let owned = |&(name, pieces): &(&str, u32)| (name.to_owned(), pieces);
        all.iter().map(owned).collect()
    }

    #[test]
    fn frames_have_as_many_pictures_as_files() {
        let of = |layers: &[&str], tiled, merges| {
            named(&Pictures::new(&tasks(layers, "1-3", tiled), merges))
        };
        assert_eq!(of(&[], None, false), []);
        assert_eq!(of(&["a", "b"], None, false), []);
        let tail = Some("3");
        assert_eq!(of(&[], tail, false), wanted(&[("all:3", 4)]));
        let each = wanted(&[("a:3", 4), ("b:3", 4)]);
        assert_eq!(of(&["a", "b"], tail, false), each);
        let merged = wanted(&[("all:1", 2), ("all:2", 2), ("all:3", 8)]);
        assert_eq!(of(&["a", "b"], tail, true), merged);
    }

    #[test]
    fn a_task_knows_its_picture() {
        let tasks = tasks(&["a", "b"], "1-3", Some("2-3"));
        for merges in [false, true] {
            let pictures = Pictures::new(&tasks, merges);
            for task in tasks.ids() {
                let name = tasks.name(task);
                match pictures.of(task) {
                    Some(id) => {
                        let picture = pictures.get(id);
                        assert!(picture.name.has(&name), "{name} in {}", picture.name);
                        assert!(picture.tasks().any(|piece| piece == task));
                    }
                    None => assert!(!merges && name.tile().is_none(), "{name}"),
                }
            }
        }
    }

    #[test]
    fn a_picture_fails_with_the_first_piece_that_is_given_up_and_once() {
        let mut pictures = Pictures::new(&tasks(&[], "1-2", Some("1-2")), false);
        pictures.piece_came(TaskId(0));
        let id = pictures.piece_is_given_up(TaskId(1)).unwrap();
        assert_eq!(pictures.get(id).name.frame, 1);
        assert_eq!(pictures.piece_is_given_up(TaskId(2)), None);
        for task in [1, 2, 3] {
            pictures.piece_came(TaskId(task));
        }
        assert_eq!(pictures.next(9), None);
        assert_eq!(pictures.counts().failed, 1);
    }

    #[test]
    fn a_piece_is_asked_for_again_once() {
        let mut pictures = Pictures::new(&tasks(&[], "1", Some("1")), false);
        (0..4).for_each(|task| pictures.piece_came(TaskId(task)));
        let id = pictures.next(1).unwrap();
        let bad = BTreeSet::from([TaskId(1), TaskId(2)]);
        assert!(pictures.ask_again(id, &bad));
        assert!(pictures.is_idle());
        pictures.piece_came(TaskId(1));
        assert_eq!(pictures.next(1), None);
        pictures.piece_came(TaskId(2));
        assert_eq!(pictures.next(1), Some(id));
        assert!(!pictures.ask_again(id, &bad));
        // Another one beside it may still be asked for.
        let more = BTreeSet::from([TaskId(2), TaskId(3)]);
        assert!(pictures.ask_again(id, &more));
        pictures.piece_came(TaskId(2));
        pictures.piece_came(TaskId(3));
        assert_eq!(pictures.next(1), Some(id));
        pictures.done(id);
        assert_eq!(pictures.counts().done, 1);
        assert!(pictures.is_settled() && pictures.are_done());
    }

    #[test]
    fn what_is_put_off_is_left_for_later() {
        let mut pictures = Pictures::new(&tasks(&[], "1-2", Some("1-2")), false);
        (0..8).for_each(|task| pictures.piece_came(TaskId(task)));
        let id = pictures.next(1).unwrap();
        assert!(!pictures.is_idle());
        pictures.stop();
        pictures.put_off(id);
        assert!(pictures.is_idle() && !pictures.is_settled());
        assert_eq!(pictures.next(1), None);
    }

    #[test]
    fn what_was_put_together_before_is_not_again() {
        let mut pictures = Pictures::new(&tasks(&[], "1-2", Some("1-2")), false);
        pictures.skip(&PictureName {
            frame: 1,
            layer: None,
        });
        (0..8).for_each(|task| pictures.piece_came(TaskId(task)));
        let id = pictures.next(9).unwrap();
        assert_eq!(pictures.get(id).name.frame, 2);
        assert_eq!(pictures.next(9), None);
    }

    /// Something that happens.
    #[derive(Clone, Debug)]
    enum Step {
        Came(u32),
        GivenUp(u32),
        Next,
        Done(usize),
        Failed(usize),
        Again(usize, u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0_u32..24).prop_map(Step::Came),
            1 => (0_u32..24).prop_map(Step::GivenUp),
            3 => Just(Step::Next),
            2 => (0_usize..4).prop_map(Step::Done),
            1 => (0_usize..4).prop_map(Step::Failed),
            1 => (0_usize..4, 0_u32..8).prop_map(|(which, piece)| Step::Again(which, piece)),
        ]
    }

    proptest! {
        /// Whatever comes in whatever order: what is given out has all its pieces, never more than may
        /// be are under way, and none is given out that is done or has failed.
        #[test]
        fn only_whole_pictures_are_given_out(
            merges: bool,
            steps in prop::collection::vec(step(), 0..200),
        ) {
            const AT_ONCE: u32 = 2;
            let tasks = tasks(&["a", "b"], "1-3", Some("1-3"));
            let mut pictures = Pictures::new(&tasks, merges);
            let mut there = BTreeSet::new();
            let mut ended = BTreeSet::new();
            let mut under_way: Vec<PictureId> = Vec::new();
            for step in steps {
                match step {
                    Step::Came(task) => {
                        there.insert(TaskId(task));
                        pictures.piece_came(TaskId(task));
                    }
                    Step::GivenUp(task) => {
                        if let Some(id) = pictures.piece_is_given_up(TaskId(task)) {
                            prop_assert!(ended.insert(id));
                        }
                    }
                    Step::Next => {
                        let room = under_way.len() < AT_ONCE as usize;
                        let Some(id) = pictures.next(AT_ONCE) else { continue };
                        prop_assert!(room && !ended.contains(&id) && !under_way.contains(&id));
                        prop_assert!(pictures.get(id).tasks().all(|task| there.contains(&task)));
                        under_way.push(id);
                    }
                    Step::Done(which) | Step::Failed(which) if which < under_way.len() => {
                        let id = under_way.swap_remove(which);
                        ended.insert(id);
                        match step {
                            Step::Done(_) => pictures.done(id),
                            _ => pictures.failed(id),
                        }
                    }
                    Step::Again(which, piece) if which < under_way.len() => {
                        let id = under_way[which];
                        let pieces: Vec<TaskId> = pictures.get(id).tasks().collect();
                        let task = pieces[piece as usize % pieces.len()];
                        let before = pictures.was_asked_again(task);
                        let asked = pictures.ask_again(id, &BTreeSet::from([task]));
                        prop_assert_eq!(asked, !before);
                        if asked {
                            there.remove(&task);
                            under_way.swap_remove(which);
                        }
                    }
                    Step::Done(_) | Step::Failed(_) | Step::Again(..) => {}
                }
                let counts = pictures.counts();
                prop_assert_eq!((counts.done + counts.failed) as usize, ended.len());
                if pictures.is_idle() {
                    prop_assert!(under_way.is_empty());
                }
            }
        }
    }
}
