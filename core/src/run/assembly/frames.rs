//! The controller's side of pictures: what is to be put together, and what became of it.
//!
//! Pieces that are to blame are taken back here and rendered once more; recorded pictures lose their
//! pieces, but for those that other tasks stand on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use framewright_assemble::stitch::Canvas;
use framewright_kernel::event::Event as FarmEvent;
use framewright_kernel::ids::TaskId;
use framewright_plugin_api::data::TileAbility;
use jiff::Timestamp;

use super::pictures::PictureId;
use super::work::{self, Ending, Layer, Made, Order, Piece};
use super::{FromAssembly, Recorded, Recording, done_file, file_name, folder_of, remove_order};
use crate::event::{CommittedFile, Event, PictureName, Seam, Stamped};
use crate::run::RunError;
use crate::run::controller::Controller;
use crate::run::job::Job;
use crate::run::pieces::pieces_folder;
use crate::store::journal::Commit;
use crate::store::{TaskPhase, VERDICT_ASSEMBLY};

/// Seams of one picture that are told.
const SEAMS_TOLD_MAX: usize = 20;
/// Verdict of an `AssemblyFailed` for which a piece is to blame.
pub(super) const VERDICT_PIECE: &str = "piece";
/// And where tiles differ.
const VERDICT_SEAM: &str = "seam";

impl Controller<'_> {
    pub(super) fn picture_name(&self, id: PictureId) -> PictureName {
        self.assembly.pictures.get(id).name.clone()
    }

    pub(super) fn order_folder(&mut self) -> PathBuf {
        self.assembly.orders += 1;
        let name = format!("assembly-{}", self.assembly.orders);
        self.job.scratch.join(name)
    }

    /// What is to be done for a picture; none where a piece of it is not there.
    pub(super) fn order(&mut self, id: PictureId) -> Option<Order> {
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

    pub(super) fn begin_picture(&mut self, order: Order) {
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
    pub(super) fn begin_thread(
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

    pub(super) fn on_picture(&mut self, id: PictureId, ending: Ending) {
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
    pub(super) fn record(&mut self, what: Recorded, event: Event, file: CommittedFile) {
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
    pub(super) fn pieces_to_remove(&self, id: PictureId) -> Vec<PathBuf> {
        let parts = self.assembly.pictures.get(id).parts.iter();
        let unneeded = parts.filter(|part| !self.assembly.needed[part.layer]);
        unneeded
            .flat_map(|part| part.tasks())
            .map(|task| self.job.final_path(task))
            .collect()
    }
}

impl Made {
    pub(super) fn file(&self, path: &Path) -> CommittedFile {
        CommittedFile {
            path: path.display().to_string(),
            from: self.from.display().to_string(),
            bytes: self.bytes,
            hash: self.hash.clone(),
        }
    }
}

/// Removes pieces, and their folders where nothing else is in them.
pub(super) fn remove_pieces(pieces: &[PathBuf]) {
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
pub(in crate::run) fn remove_all_pieces(job: &Job) {
    if let Some(output) = &job.prepared.output {
        let _ = std::fs::remove_dir_all(pieces_folder(output, job.folder.id()));
    }
}
