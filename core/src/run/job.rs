//! A job under way: what the controller reads and never changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use framewright_kernel::ids::{SegmentId, TaskId};

use super::pieces::{is_piece, piece_path, pieces_folder};
use super::prepare::Prepared;
use super::tasks::TaskList;
use crate::adapters::Loaded;
use crate::event::PictureName;
use crate::freight::Package;
use crate::output::remove_scratch;
use crate::request::Request;
use crate::store::journal::Replace;
use crate::store::{Claim, JobFolder, JobLock, LogManifest, SceneIdentity};

/// A job that this controller holds. While it lives, no other controller can take the job, and no
/// other job can write to its files.
#[derive(Debug)]
pub(super) struct Job {
    pub prepared: Prepared,
    pub folder: JobFolder,
    /// The scene's file as this controller renders it.
    pub scene: SceneIdentity,
    /// Folder of attempts and sessions; on the output's file system where there is one.
    pub scratch: PathBuf,
    /// Final paths where this job's own older files may lie.
    pub own_paths: BTreeSet<PathBuf>,
    /// Tasks whose committed file was found whole.
    pub already_done: u32,
    pub warnings: Vec<String>,
    /// What staged hosts are given; absent where there were none when the job began.
    pub package: Option<Arc<Package>>,
    pub _lock: JobLock,
    pub _claim: Option<Claim>,
}

impl Job {
    pub(super) fn id(&self) -> &str {
        self.folder.id().as_str()
    }

    pub(super) fn request(&self) -> &Request {
        &self.prepared.request
    }

    pub(super) fn adapter(&self) -> &Arc<Loaded> {
        &self.prepared.inspection.adapter
    }

    pub(super) fn tasks(&self) -> &TaskList {
        &self.prepared.tasks
    }

    pub(super) fn task_name(&self, task: TaskId) -> String {
        self.tasks().name(task).to_string()
    }

    pub(super) fn writes_files(&self) -> bool {
        self.prepared.output.is_some()
    }

    /// Where a task's picture goes in the end: to its own name, or among the pieces of a picture.
    /// Only for jobs that write files.
    pub(super) fn final_path(&self, task: TaskId) -> PathBuf {
        let facts = self.tasks().facts(task);
        let output = self
            .prepared
            .output
            .as_ref()
            .expect("asked only where files are written");
        let tile = facts.tile.map(|tile| tile.place);
        match is_piece(output, &self.prepared.layers, tile) {
            true => piece_path(output, self.folder.id(), facts.layer, facts.frame, tile),
            false => output.path(facts.layer, facts.frame),
        }
    }

    /// Where a picture of several goes in the end. Only for jobs that write files.
    pub(super) fn picture_path(&self, picture: &PictureName) -> PathBuf {
        let output = self
            .prepared
            .output
            .as_ref()
            .expect("asked only where files are written");
        output.path(picture.layer.as_deref().unwrap_or(""), picture.frame)
    }

    /// A task's file name within an attempt's folder: the final one, so that renderers which
    /// write their own name into the picture write the right one.
    pub(super) fn file_name(&self, task: TaskId) -> String {
        let path = self.final_path(task);
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Where the pictures of a segment that was rendered on a staged host are put.
    pub(super) fn fetched_path(&self, segment: SegmentId, task: TaskId) -> PathBuf {
        self.scratch
            .join(format!("segment-{}", segment.0))
            .join(self.file_name(task))
    }

    /// Whether a file that has a task's name may be replaced.
    pub(super) fn replace(&self, path: &Path) -> Replace {
        let is_own = |path| self.own_paths.contains(path) || self.is_among_pieces(path);
        if self.request().overwrite || is_own(path) {
            Replace::Allowed
        } else {
            Replace::Never
        }
    }

    /// Whether a file lies where nobody but this job writes.
    pub(super) fn is_among_pieces(&self, path: &Path) -> bool {
        let output = self.prepared.output.as_ref();
        output.is_some_and(|output| path.starts_with(pieces_folder(output, self.folder.id())))
    }

    pub(super) fn manifest(
        &self,
        segment: SegmentId,
        host: &str,
        slot: u32,
        tasks: Vec<String>,
    ) -> LogManifest {
        LogManifest {
            job: self.id().to_owned(),
            segment: segment.0,
            host: host.to_owned(),
            slot,
            scene: self.prepared.inspection.scene_path.clone(),
            scene_hash: self.scene.hash.clone(),
            tasks,
            settings: self.request().settings.clone(),
            note: self.request().note.clone(),
        }
    }

    /// Removes what attempts and sessions left, and the folder for such things where no other job
    /// uses it.
    pub(super) fn remove_scratch(&self) {
        // What cannot be removed is litter, not a failure of the job.
        let _ = remove_scratch(&self.scratch);
    }
}
