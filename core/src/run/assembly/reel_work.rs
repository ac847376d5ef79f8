//! Making one film or one contact sheet, on a thread of its own.
//!
//! Written below the job's scratch folder, as pictures are; its name is given by the store.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use framewright_assemble::film::{self, CRF, Codec, Film, FilmError, Holes, Rate};
use framewright_assemble::sequence::Cell;
use framewright_assemble::sheet::{self, Sheet, SheetError};
use framewright_assemble::view::{View, ViewError};
use framewright_assemble::{Output, WriteError};

use super::file_name;
use super::reels::{FFMPEG, Reel, codec, view};
use super::work::{Ending, Made, sealed, unwritten, with_causes};
use crate::event::ReelKind;
use crate::run::job::Job;
use crate::store::is_disk_full;

/// A film or a sheet to be made.
#[derive(Debug)]
pub(super) struct ReelOrder {
    kind: ReelKind,
    cells: Vec<Cell>,
    rate: Rate,
    codec: Codec,
    view: Result<View, ViewError>,
    folder: PathBuf,
    file_name: String,
    cancelled: Arc<AtomicBool>,
}

/// Frames a second of a job's film: the scene's.
pub(super) fn rate(job: &Job) -> Rate {
    Rate::from_f64(job.prepared.inspection.scene.fps).unwrap_or(Rate::DEFAULT)
}

impl ReelOrder {
    /// Of a job whose frames are all there.
    pub(super) fn new(
        job: &Job,
        reel: &Reel,
        folder: PathBuf,
        cancelled: &Arc<AtomicBool>,
    ) -> Self {
        let path = |frame| {
            let output = job.prepared.output.as_ref()?;
            Some(output.path(&reel.layer, frame))
        };
        let frames = job.tasks().frames().iter();
        let cells = frames.map(|frame| Cell {
            frame: *frame,
            path: path(*frame),
        });
        Self {
            kind: reel.kind,
            cells: cells.collect(),
            rate: rate(job),
            // A name that says nothing was refused before the job began.
            codec: codec(&reel.path).unwrap_or(Codec::H264),
            view: view(job.request()),
            folder,
            file_name: file_name(&reel.path),
            cancelled: Arc::clone(cancelled),
        }
    }

    pub(super) fn kind(&self) -> ReelKind {
        self.kind
    }

    pub(super) fn frames(&self) -> u32 {
        u32::try_from(self.cells.len()).unwrap_or(u32::MAX)
    }

    /// Makes it. Blocks.
    pub(super) fn make(&self) -> Ending {
        let since = Instant::now();
        if let Err(error) = fs::create_dir_all(&self.folder) {
            return unwritten(&self.folder, &error);
        }
        let from = self.folder.join(&self.file_name);
        let view = match &self.view {
            Ok(view) => view,
            Err(error) => return failed(error),
        };
        let made = match self.kind {
            ReelKind::Film => self.film(view, &from),
            ReelKind::ContactSheet => self.sheet(view, &from),
        };
        if let Err(ending) = made {
            return ending;
        }
        match sealed(&from) {
            Ok((bytes, hash)) => Ending::Made(Made {
                from,
                bytes,
                hash,
                seconds: since.elapsed().as_secs_f64(),
                seams: Vec::new(),
            }),
            Err(error) => unwritten(&from, &error),
        }
    }

    fn film(&self, view: &View, to: &Path) -> Result<(), Ending> {
        let film = Film {
            cells: &self.cells,
            rate: self.rate,
            codec: self.codec,
            crf: CRF,
            view,
            layer: None,
            holes: Holes::Refuse,
            program: Path::new(FFMPEG),
        };
        let made = film::encode(&film, &Output::new(to), &self.cancelled, &mut |_, _| {});
        made.map(drop).map_err(|error| match &error {
            FilmError::Cancelled => Ending::Cancelled,
            FilmError::Write(error) if no_room(error) => Ending::DiskFull,
            // ffmpeg says it in its own words; the disk says it in one.
            FilmError::Failed { .. } if framewright_worker::disk_is_full(&self.folder) => {
                Ending::DiskFull
            }
            error => failed(error),
        })
    }

    fn sheet(&self, view: &View, to: &Path) -> Result<(), Ending> {
        let sheet = Sheet {
            cells: &self.cells,
            columns: None,
            thumb_width: None,
            view,
            layer: None,
        };
        let made = sheet::make(&sheet, &Output::new(to), &self.cancelled, &mut |_, _| {});
        made.map(drop).map_err(|error| match &error {
            SheetError::Cancelled => Ending::Cancelled,
            SheetError::Write(error) if no_room(error) => Ending::DiskFull,
            error => failed(error),
        })
    }
}

fn no_room(error: &WriteError) -> bool {
    matches!(error, WriteError::Io { source, .. } if is_disk_full(source))
}

fn failed(error: &dyn std::error::Error) -> Ending {
    Ending::Failed {
        why: with_causes(error),
    }
}
