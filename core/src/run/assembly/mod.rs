//! From committed pieces to final pictures, and from these to a film and a contact sheet.
//!
//! The controller is told here when a picture has all its pieces; threads put it together beside the
//! loop ([`work`]), which goes on sending segments meanwhile. What they made is recorded and then
//! renamed into place by the journal's thread, as a task's picture is, and only then do the pieces go:
//! a picture that exists can be read, and a kill at any moment loses nothing. A piece that is to blame
//! is rendered once more; if it is to blame again, its picture fails.
//!
//! Refuses: knowing pixels ([`framewright_assemble`]), and placing tasks, which is the kernel's.

mod pictures;
mod reel_work;
pub mod reels;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use framewright_assemble::sequence::frame_set;
use framewright_assemble::stitch::Canvas;
use framewright_kernel::event::{Event as FarmEvent, Outcome};
use framewright_kernel::ids::TaskId;
use framewright_plugin_api::data::TileAbility;
use jiff::Timestamp;

use self::pictures::{PictureId, Pictures};
use self::reel_work::ReelOrder;
use self::reels::Reel;
use self::work::{Ending, Layer, Made, Order, Piece};
use super::RunError;
use super::controller::Controller;
use super::job::Job;
use super::pieces::{merges_layers, pieces_folder};
use crate::event::{CommittedFile, Event, PictureName, ReelKind, Seam, Stamped};
use crate::store::journal::{Commit, Token};
use crate::store::{
    JobState, PicturePhase, ReelPhase, TaskPhase, VERDICT_ASSEMBLY, VERDICT_COMMIT,
};

/// Cores from which on two pictures are put together at once: one uses several, where it has more
/// to do than to copy.
const CORES_FOR_TWO: usize = 8;
/// Seams of one picture that are told.
const SEAMS_TOLD_MAX: usize = 20;
/// Verdict of an `AssemblyFailed` for which a piece is to blame.
const VERDICT_PIECE: &str = "piece";
/// And where tiles differ.
const VERDICT_SEAM: &str = "seam";

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
            Recorded::Reel(index) if disk_full => {
                *self.assembly.reel_mut(index) = ReelState::Waiting;
            }
            Recorded::Reel(index) => {
                self.reel_failed(index, VERDICT_COMMIT, why.to_owned());
            }
        }
        remove_order(recording.folder);
        true
    }
}

// ---- pictures ---------------------------------------------------------------------------------

impl Controller<'_> {
    fn picture_name(&self, id: PictureId) -> PictureName {
        self.assembly.pictures.get(id).name.clone()
    }

    fn order_folder(&mut self) -> PathBuf {
        self.assembly.orders += 1;
        let name = format!("assembly-{}", self.assembly.orders);
        self.job.scratch.join(name)
    }

    /// What is to be done for a picture; none where a piece of it is not there.
    fn order(&mut self, id: PictureId) -> Option<Order> {
        let folder = self.order_folder();
        let picture = self.assembly.pictures.get(id);
        let prepared = &self.job.prepared;
        let names: Vec<&str> = self.job.tasks().layers().collect();
        let mut parts = Vec::new();
        for part in &picture.parts {
            let mut pieces = Vec::new();
            for task in part.tasks() {
                let name = self.job.task_name(task);
                let file = done_file(&self.state, &name)?.clone();
                let tile = self.job.tasks().facts(task).tile.copied();
                pieces.push(Piece {
                    task,
                    name,
                    file,
                    tile,
                });
            }
            parts.push(Layer {
                name: names[part.layer].to_owned(),
                pieces,
            });
        }
        let scene = &prepared.inspection.scene;
        let path = self.job.picture_path(&picture.name);
        Some(Order {
            id,
            frame: picture.name.frame,
            width: scene.width,
            height: scene.height,
            canvas: match prepared.inspection.description.can.tiles {
                TileAbility::FullCanvas => Canvas::Full,
                TileAbility::Crop | TileAbility::None => Canvas::Crop,
            },
            margin: scene.tiles.margin,
            parts,
            folder,
            file_name: file_name(&path),
            cancelled: Arc::clone(&self.assembly.cancelled),
        })
    }

    fn begin_picture(&mut self, order: Order) {
        let picture = self.assembly.pictures.get(order.id);
        let event = Event::Assembling {
            picture: picture.name.clone(),
            pieces: picture.pieces(),
        };
        self.emit(event);
        self.tell(&FarmEvent::AssemblyBegun);
        let id = order.id;
        self.begin_thread(
            move || work::put_together(&order),
            move |ending| FromAssembly::Picture(id, ending),
        );
    }

    /// Does something that takes a while beside the loop.
    fn begin_thread(
        &mut self,
        work: impl FnOnce() -> Ending + Send + 'static,
        answer: impl FnOnce(Ending) -> FromAssembly + Send + 'static,
    ) {
        self.assembly.running += 1;
        let door = self.doors.assembly.clone();
        let body = move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let ending = done.unwrap_or_else(|_| Ending::Failed {
                why: "a fault of framewright: putting it together ended by a panic".to_owned(),
            });
            // The controller may have ended meanwhile.
            let _ = door.send(answer(ending));
        };
        // A thread and none of tokio's: those are waited for when the program ends.
        let spawned = std::thread::Builder::new()
            .name("assembly".to_owned())
            .spawn(body);
        if let Err(error) = spawned {
            let why = format!("cannot start a thread that puts pictures together: {error}");
            self.give_up_job(RunError::Journal { why });
        }
    }

    fn on_picture(&mut self, id: PictureId, ending: Ending) {
        match ending {
            Ending::Made(made) => return self.on_made_picture(id, made),
            Ending::Blamed {
                tasks,
                verdict,
                why,
            } => self.on_blamed(id, tasks, verdict, why),
            Ending::Cancelled => self.assembly.pictures.put_off(id),
            Ending::DiskFull => {
                self.assembly.pictures.put_off(id);
                self.on_disk_full();
            }
            Ending::Failed { why } => {
                self.assembly.pictures.failed(id);
                self.emit(Event::AssemblyFailed {
                    picture: self.picture_name(id),
                    task: None,
                    verdict: VERDICT_ASSEMBLY.to_owned(),
                    why,
                    again: false,
                });
            }
        }
        self.tell(&FarmEvent::AssemblyOver);
    }

    fn on_blamed(&mut self, id: PictureId, tasks: Vec<TaskId>, verdict: &'static str, why: String) {
        let first = tasks.first().map(|task| self.job.task_name(*task));
        let tasks: BTreeSet<TaskId> = tasks.into_iter().collect();
        if self.assembly.is_stopped() {
            // A resume finds the same.
            return self.assembly.pictures.put_off(id);
        }
        let again = self.assembly.pictures.ask_again(id, &tasks);
        if !again {
            self.assembly.pictures.failed(id);
        }
        self.emit(Event::AssemblyFailed {
            picture: self.picture_name(id),
            task: first,
            verdict: VERDICT_PIECE.to_owned(),
            why: why.clone(),
            again,
        });
        if again {
            for task in tasks {
                self.render_again(task, verdict, why.clone());
            }
        }
    }

    fn on_made_picture(&mut self, id: PictureId, made: Made) {
        let has_seams = !made.seams.is_empty();
        let is_put_off = has_seams && self.assembly.is_stopped();
        if is_put_off {
            self.assembly.pictures.put_off(id);
        }
        if is_put_off || (has_seams && self.seams_again(id, &made.seams)) {
            self.tell(&FarmEvent::AssemblyOver);
            return remove_order(folder_of(&made.from));
        }
        let picture = self.assembly.pictures.get(id);
        let path = self.job.picture_path(&picture.name);
        let event = Event::Assembled {
            picture: picture.name.clone(),
            pieces: picture.pieces(),
            seconds: made.seconds,
            file: made.file(&path),
            seams: made
                .seams
                .iter()
                .take(SEAMS_TOLD_MAX)
                .map(|(seam, _)| seam.clone())
                .collect(),
        };
        let what = Recorded::Picture { id, has_seams };
        self.record(what, event, made.file(&path));
    }

    /// Has the tiles of seams rendered once more, as far as they were not yet. Whether any is.
    fn seams_again(&mut self, id: PictureId, seams: &[(Seam, [TaskId; 2])]) -> bool {
        let was_asked = |task: &TaskId| self.assembly.pictures.was_asked_again(*task);
        let fresh = seams
            .iter()
            .filter(|(_, tasks)| !tasks.iter().all(was_asked));
        let mut why: BTreeMap<TaskId, String> = BTreeMap::new();
        for (seam, tasks) in fresh {
            for task in tasks {
                why.entry(*task).or_insert_with(|| seam.to_string());
            }
        }
        let again = !why.is_empty() && {
            let tasks = why.keys().copied().collect();
            self.assembly.pictures.ask_again(id, &tasks)
        };
        let picture = self.picture_name(id);
        for (seam, _) in seams.iter().take(SEAMS_TOLD_MAX) {
            self.emit(Event::Seam {
                picture: picture.clone(),
                seam: seam.clone(),
                again,
            });
        }
        if again {
            let (first, _) = &seams[0];
            self.emit(Event::AssemblyFailed {
                picture,
                task: Some(first.tiles[0].clone()),
                verdict: VERDICT_SEAM.to_owned(),
                why: first.to_string(),
                again,
            });
            for (task, why) in why {
                self.render_again(task, VERDICT_ASSEMBLY, why);
            }
        }
        again
    }

    /// Takes a commit back, so that its task is rendered once more.
    fn render_again(&mut self, task: TaskId, verdict: &str, why: String) {
        let name = self.job.task_name(task);
        let Some(TaskPhase::Done {
            segment,
            attempt,
            host,
            ..
        }) = self.state.tasks().get(&name).map(|task| &task.phase)
        else {
            debug_assert!(false, "{name} is a piece that is there");
            return;
        };
        let event = Event::TaskFailed {
            segment: *segment,
            attempt: *attempt,
            host: host.clone(),
            slot: 0,
            task: name,
            verdict: verdict.to_owned(),
            why,
        };
        self.emit(event);
        self.not_finished();
        self.tell(&FarmEvent::Reopened { task });
    }

    /// Records what was made, and has it renamed into place then.
    fn record(&mut self, what: Recorded, event: Event, file: CommittedFile) {
        let stamped = Stamped {
            time: Timestamp::now(),
            event,
        };
        let token = self.numbers.commit();
        let folder = folder_of(Path::new(&file.from));
        let replace = self.job.replace(Path::new(&file.path));
        let commit = Commit {
            token,
            file,
            replace,
        };
        match self.journal.append_commit(stamped.clone(), commit) {
            Ok(_) => {
                let recording = Recording {
                    what,
                    stamped,
                    folder,
                };
                self.assembly.recording.insert(token, recording);
            }
            Err(error) => self.give_up_job(RunError::Journal {
                why: error.to_string(),
            }),
        }
    }

    /// Pieces that nobody needs once their picture has its name.
    fn pieces_to_remove(&self, id: PictureId) -> Vec<PathBuf> {
        let parts = self.assembly.pictures.get(id).parts.iter();
        let unneeded = parts.filter(|part| !self.assembly.needed[part.layer]);
        unneeded
            .flat_map(|part| part.tasks())
            .map(|task| self.job.final_path(task))
            .collect()
    }
}

impl Made {
    fn file(&self, path: &Path) -> CommittedFile {
        CommittedFile {
            path: path.display().to_string(),
            from: self.from.display().to_string(),
            bytes: self.bytes,
            hash: self.hash.clone(),
        }
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

/// Removes pieces, and their folders where nothing else is in them.
fn remove_pieces(pieces: &[PathBuf]) {
    let mut folders = BTreeSet::new();
    for piece in pieces {
        let _ = std::fs::remove_file(piece);
        folders.extend(piece.parent());
    }
    for folder in folders {
        let _ = std::fs::remove_dir(folder);
    }
}

/// Removes everything that a job kept of pieces.
pub(super) fn remove_all_pieces(job: &Job) {
    if let Some(output) = &job.prepared.output {
        let _ = std::fs::remove_dir_all(pieces_folder(output, job.folder.id()));
    }
}

// ---- reels ------------------------------------------------------------------------------------

impl Controller<'_> {
    /// When nothing more will come, films and sheets are made of what there is, one after the other,
    /// or not at all where a frame is missing.
    pub(super) fn begin_reels(&mut self) {
        let is_over = matches!(self.finished(), Some(Outcome::Done | Outcome::Failed));
        let reels = &self.assembly.reels;
        let is_busy = reels.iter().any(|(_, at)| *at == ReelState::UnderWay)
            || !self.assembly.pictures.is_idle()
            || !self.commits.is_empty()
            || !self.fetches.is_empty();
        if !is_over || is_busy || self.assembly.is_stopped() {
            return;
        }
        let Some(index) = reels.iter().position(|(_, at)| *at == ReelState::Waiting) else {
            return;
        };
        let holes = self.frames_without_picture();
        if !holes.is_empty() {
            let have = if holes.len() == 1 { "frame" } else { "frames" };
            let has = if holes.len() == 1 { "has" } else { "have" };
            let why = format!(
                "{have} {} {has} no picture that is right",
                frame_set(&holes)
            );
            for index in index..self.assembly.reels.len() {
                if self.assembly.reels[index].1 == ReelState::Waiting {
                    self.reel_failed(index, VERDICT_ASSEMBLY, why.clone());
                }
            }
            return;
        }
        let folder = self.order_folder();
        let reel = &self.assembly.reels[index].0;
        let order = ReelOrder::new(self.job, reel, folder, &self.assembly.cancelled);
        *self.assembly.reel_mut(index) = ReelState::UnderWay;
        self.emit(Event::ReelBegun {
            kind: order.kind(),
            frames: order.frames(),
        });
        self.begin_thread(
            move || order.make(),
            move |ending| FromAssembly::Reel(index, ending),
        );
    }

    /// Frames of which something is missing, rising.
    fn frames_without_picture(&self) -> Vec<i32> {
        let mut holes = BTreeSet::new();
        for task in self.job.tasks().ids() {
            if done_file(&self.state, &self.job.task_name(task)).is_none() {
                holes.insert(self.job.tasks().facts(task).frame);
            }
        }
        holes.extend(self.assembly.pictures.frames_not_done());
        holes.into_iter().collect()
    }

    fn on_reel(&mut self, index: usize, ending: Ending) {
        match ending {
            Ending::Made(made) => {
                let reel = &self.assembly.reels[index].0;
                let (kind, path) = (reel.kind, reel.path.clone());
                let frames = self.job.tasks().frames().len();
                let event = Event::Reel {
                    kind,
                    frames: u32::try_from(frames).unwrap_or(u32::MAX),
                    fps: (kind == ReelKind::Film).then(|| reel_work::rate(self.job).as_f64()),
                    seconds: made.seconds,
                    file: made.file(&path),
                };
                self.record(Recorded::Reel(index), event, made.file(&path));
            }
            Ending::Cancelled => *self.assembly.reel_mut(index) = ReelState::Waiting,
            Ending::DiskFull => {
                *self.assembly.reel_mut(index) = ReelState::Waiting;
                self.on_disk_full();
            }
            Ending::Failed { why } | Ending::Blamed { why, .. } => {
                self.reel_failed(index, VERDICT_ASSEMBLY, why);
            }
        }
    }

    fn reel_failed(&mut self, index: usize, verdict: &str, why: String) {
        let (reel, at) = &mut self.assembly.reels[index];
        *at = ReelState::Failed;
        let event = Event::ReelFailed {
            kind: reel.kind,
            path: reel.path.display().to_string(),
            verdict: verdict.to_owned(),
            why,
        };
        self.emit(event);
    }
}
