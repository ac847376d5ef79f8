//! From committed pieces to final pictures, and from these to a film and a contact sheet.
//!
//! The controller is told here when a picture has all its pieces; threads put it together beside the
//! loop ([`work`]), which goes on sending segments meanwhile. What they made is recorded and then
//! renamed into place by the journal's thread, as a task's picture is, and only then do the pieces go:
//! a picture that exists can be read, and a kill at any moment loses nothing. A piece that is to blame
//! is rendered once more; if it is to blame again, its picture fails.
//!
//! Refuses: knowing pixels ([`framewright_assemble`]), and placing tasks, which is the kernel's.

mod closing;
mod frames;
mod pictures;
mod reel_work;
pub mod reels;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use framewright_kernel::event::Event as FarmEvent;
use framewright_kernel::ids::TaskId;

pub(super) use self::frames::remove_all_pieces;
use self::frames::{VERDICT_PIECE, remove_pieces};
use self::pictures::{PictureId, Pictures};
use self::reels::Reel;
use self::work::Ending;
use super::controller::Controller;
use super::job::Job;
use super::pieces::merges_layers;
use crate::event::{CommittedFile, Event, Stamped};
use crate::store::journal::Token;
use crate::store::{JobState, PicturePhase, ReelPhase, TaskPhase, VERDICT_COMMIT};

/// Cores from which on two pictures are put together at once: one uses several, where it has more
/// to do than to copy.
const CORES_FOR_TWO: usize = 8;

/// What threads that put things together have to say.
#[derive(Debug)]
pub(super) enum FromAssembly {
    Picture(PictureId, Ending),
    Reel(usize, Ending),
}

/// What is put together in a job, and how far it is.
#[derive(Debug)]
pub(super) struct Assembly {
    pictures: Pictures,
    reels: Vec<(Reel, ReelState)>,
    at_once: u32,
    /// Threads at work.
    running: u32,
    cancelled: Arc<AtomicBool>,
    /// Numbers the folders of orders.
    orders: u64,
    /// What is on its way into the journal and to its name.
    recording: BTreeMap<Token, Recording>,
    /// Layers that others stand on: their pieces are needed yet when their pictures are there.
    needed: Vec<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReelState {
    Waiting,
    UnderWay,
    Done,
    Failed,
}

#[derive(Debug)]
struct Recording {
    what: Recorded,
    stamped: Stamped,
    /// The order's folder.
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug)]
enum Recorded {
    Picture { id: PictureId, has_seams: bool },
    Reel(usize),
}

impl Assembly {
    /// What is to be put together in a job that was left in this state.
    pub(super) fn new(job: &Job, state: &JobState) -> Self {
        let prepared = &job.prepared;
        let mut pictures = match &prepared.output {
            Some(output) => {
                let merges = merges_layers(output, &prepared.layers);
                Pictures::new(job.tasks(), merges)
            }
            None => Pictures::default(),
        };
        for (name, picture) in state.pictures() {
            if let PicturePhase::Assembled { seams, .. } = &picture.phase
                && seams.is_empty()
            {
                pictures.skip(name);
            }
        }
        if !pictures.is_empty() {
            for task in job.tasks().ids() {
                if done_file(state, &job.task_name(task)).is_some() {
                    pictures.piece_came(task);
                }
            }
        }
        let is_made = |reel: &Reel| {
            let known = state.reels().get(&reel.path.display().to_string());
            known.is_some_and(|known| matches!(known.phase, ReelPhase::Made { .. }))
        };
        let reels = prepared.reels.iter().map(|reel| {
            let at = match is_made(reel) {
                true => ReelState::Done,
                false => ReelState::Waiting,
            };
            (reel.clone(), at)
        });
        let scene = &prepared.inspection.scene;
        let is_needed = |layer: &str| {
            let mut after = scene.layers.iter().flat_map(|other| &other.after);
            after.any(|after| after.layer == layer)
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            reels: reels.collect(),
            at_once: if cores >= CORES_FOR_TWO { 2 } else { 1 },
            running: 0,
            cancelled: Arc::new(AtomicBool::new(false)),
            orders: 0,
            recording: BTreeMap::new(),
            needed: job.tasks().layers().map(is_needed).collect(),
            pictures,
        }
    }

    /// Pictures, and how many of them were there already.
    pub(super) fn at_start(&self) -> (u32, u32) {
        let counts = self.pictures.counts();
        (counts.total, counts.done)
    }

    /// Whether nothing is under way.
    pub(super) fn rests(&self) -> bool {
        self.running == 0 && self.recording.is_empty()
    }

    /// Whether a thread is at work.
    pub(super) fn is_running(&self) -> bool {
        self.running > 0
    }

    /// A thread has ended whose work is not wanted.
    pub(super) fn one_ended(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Whether nothing is on its way to its name.
    pub(super) fn has_recorded_all(&self) -> bool {
        self.recording.is_empty()
    }

    /// Whether nothing is left that could be done, for better or worse.
    pub(super) fn is_settled(&self) -> bool {
        let is_open = |at: &ReelState| matches!(at, ReelState::Waiting | ReelState::UnderWay);
        self.rests() && self.pictures.is_settled() && !self.reels.iter().any(|(_, at)| is_open(at))
    }

    /// Whether all that was to be made is.
    pub(super) fn is_done(&self) -> bool {
        self.pictures.are_done() && self.reels.iter().all(|(_, at)| *at == ReelState::Done)
    }

    /// Nothing is begun any more, and what is under way ends soon.
    pub(super) fn stop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.pictures.stop();
    }

    fn is_stopped(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn reel_mut(&mut self, index: usize) -> &mut ReelState {
        &mut self.reels[index].1
    }
}

/// The file of a task that is done.
fn done_file<'a>(state: &'a JobState, task: &str) -> Option<&'a CommittedFile> {
    match &state.tasks().get(task)?.phase {
        TaskPhase::Done { file, .. } => file.as_ref(),
        TaskPhase::Pending | TaskPhase::Running { .. } | TaskPhase::GivenUp { .. } => None,
    }
}

// ---- what comes in ----------------------------------------------------------------------------

impl Controller<'_> {
    /// A task's picture is in its place.
    pub(super) fn piece_came(&mut self, task: TaskId) {
        self.assembly.pictures.piece_came(task);
    }

    /// No further attempt is made at a task: a picture that it is a piece of will not be.
    pub(super) fn piece_is_given_up(&mut self, task: TaskId) {
        let Some(id) = self.assembly.pictures.piece_is_given_up(task) else {
            return;
        };
        let task = self.job.task_name(task);
        self.emit(Event::AssemblyFailed {
            picture: self.picture_name(id),
            why: format!("its piece {task} was given up"),
            task: Some(task),
            verdict: VERDICT_PIECE.to_owned(),
            again: false,
        });
    }

    /// Begins pictures that have all their pieces.
    pub(super) fn assemble(&mut self) {
        if self.assembly.is_stopped() {
            return;
        }
        while let Some(id) = self.assembly.pictures.next(self.assembly.at_once) {
            match self.order(id) {
                Some(order) => self.begin_picture(order),
                // A piece was taken back in the same breath.
                None => self.assembly.pictures.put_off(id),
            }
        }
    }

    /// A thread has ended.
    pub(super) fn on_assembly(&mut self, from: FromAssembly) {
        self.assembly.one_ended();
        match from {
            FromAssembly::Picture(id, ending) => self.on_picture(id, ending),
            FromAssembly::Reel(index, ending) => self.on_reel(index, ending),
        }
    }

    /// Final pictures that are there: those of tasks that are no pieces, and those of several.
    pub(super) fn outputs(&self) -> Vec<String> {
        let pictures = &self.assembly.pictures;
        let alone = self
            .job
            .tasks()
            .ids()
            .filter(|id| pictures.of(*id).is_none());
        let of_tasks = alone.filter_map(|id| done_file(&self.state, &self.job.task_name(id)));
        let of_several = self.state.pictures().values();
        let of_several = of_several.filter_map(|picture| match &picture.phase {
            PicturePhase::Assembled { file, .. } => Some(file),
            PicturePhase::Waiting | PicturePhase::Failed { .. } => None,
        });
        of_tasks
            .chain(of_several)
            .map(|file| file.path.clone())
            .collect()
    }

    /// Whether the store's word is of something that was put together: then it is taken in.
    pub(super) fn is_recorded(&mut self, token: Token) -> bool {
        let Some(recording) = self.assembly.recording.remove(&token) else {
            return false;
        };
        self.publish(&recording.stamped);
        if let Recorded::Picture { .. } = recording.what {
            self.tell(&FarmEvent::AssemblyOver);
        }
        match recording.what {
            Recorded::Picture {
                id,
                has_seams: true,
            } => self.assembly.pictures.failed(id),
            Recorded::Picture {
                id,
                has_seams: false,
            } => {
                self.assembly.pictures.done(id);
                let pieces = self.pieces_to_remove(id);
                tokio::task::spawn_blocking(move || remove_pieces(&pieces));
            }
            Recorded::Reel(index) => *self.assembly.reel_mut(index) = ReelState::Done,
        }
        remove_order(recording.folder);
        true
    }

    /// The same where it did not get its name.
    pub(super) fn is_not_recorded(&mut self, token: Token, why: &str, disk_full: bool) -> bool {
        let Some(recording) = self.assembly.recording.remove(&token) else {
            return false;
        };
        match recording.what {
            Recorded::Picture { id, .. } => {
                self.tell(&FarmEvent::AssemblyOver);
                match disk_full {
                    true => self.assembly.pictures.put_off(id),
                    false => self.assembly.pictures.failed(id),
                }
                self.emit(Event::AssemblyFailed {
                    picture: self.picture_name(id),
                    task: None,
                    verdict: VERDICT_COMMIT.to_owned(),
                    why: why.to_owned(),
                    again: disk_full,
                });
            }
            Recorded::Reel(index) => {
                self.reel_failed(index, VERDICT_COMMIT, why.to_owned());
                if disk_full {
                    *self.assembly.reel_mut(index) = ReelState::Waiting;
                }
            }
        }
        remove_order(recording.folder);
        true
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

/// What cannot be removed is litter below the scratch folder, which goes at the end.
fn remove_order(folder: PathBuf) {
    tokio::task::spawn_blocking(move || drop(std::fs::remove_dir_all(folder)));
}
