//! The state directory and the folders of its jobs: make, list, find, open.
//!
//! A name that people type is looked up among the folders that are there; it never becomes part
//! of a path.

mod find;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::claim::{Claim, ClaimError};
use super::durable;
use super::job_id::JobId;
use super::journal::{self, Done, JournalWriter, OpenError, ReadError, ReadReport};
use super::lock::{self, JobLock, LockError};
use super::record::{FORMAT, JobPlan, JobRecord};
use super::state::{JobState, Status};
use crate::event::Stamped;

pub use find::FindError;

/// How often a fresh id is tried before making a job is given up.
const ID_TRIES: u32 = 64;
/// The state directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// One job's folder.
#[derive(Clone, Debug)]
pub struct JobFolder {
    id: JobId,
    path: PathBuf,
}

/// Why a job cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Its folder or record cannot be written.
    #[error("cannot make a job in {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Its record cannot be written as JSON.
    #[error("cannot write the job down as JSON (is a path not valid UTF-8?)")]
    Unwritable(#[source] serde_json::Error),
}

/// Why a job's folder cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum JobFolderError {
    /// A file of it cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Its record is damaged.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        source: serde_json::Error,
    },
    /// It was made by a later framewright.
    #[error("{} has format {format}, and this framewright reads up to {FORMAT}: use a newer framewright", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// Its journal cannot be read.
    #[error(transparent)]
    Journal(#[from] ReadError),
}

/// A job in a listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its folder.
    pub folder: JobFolder,
    /// What it is.
    pub record: JobRecord,
    /// What happened to it.
    pub state: JobState,
    /// How it is now.
    pub status: Status,
}

/// All jobs, and what could not be listed.
#[derive(Debug, Default)]
pub struct Listing {
    /// Oldest first.
    pub jobs: Vec<Listed>,
    /// One sentence for each folder or record that was skipped.
    pub warnings: Vec<String>,
}

impl Store {
    /// The store in this state directory, which need not exist yet.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The state directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// Make a job's folder with its record. The id is new: `mkdir` gives it to one maker only.
    pub fn create_job(
        &self,
        stem: &OsStr,
        created: Timestamp,
        plan: JobPlan,
    ) -> Result<(JobFolder, JobRecord), CreateError> {
        let jobs = self.jobs();
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| CreateError::Io { path, source }
        };
        fs::create_dir_all(&jobs).map_err(fail(&jobs))?;
        let folder = fresh_folder(&jobs, stem).map_err(fail(&jobs))?;
        let record = JobRecord {
            format: FORMAT,
            job: folder.id.clone(),
            created,
            plan,
        };
        let written = serde_json::to_vec_pretty(&record)
            .map_err(CreateError::Unwritable)
            .and_then(|json| folder.write_record(&json).map_err(fail(&folder.path)));
        if let Err(error) = written {
            // A folder without a record is no job, so leaving it behind would do no harm either.
            let _ = fs::remove_dir_all(&folder.path);
            return Err(error);
        }
        Ok((folder, record))
    }

    /// The job of this id, or of the only id that begins so.
    pub fn find_job(&self, typed: &str) -> Result<JobFolder, FindError> {
        let folders = self.folders()?;
        find::find(typed, &folders).cloned()
    }

    /// Every job with its state, oldest first. A folder that cannot be read becomes a warning.
    pub fn list_jobs(&self) -> Result<Listing, FindError> {
        let mut listing = Listing::default();
        for folder in self.folders()? {
            match folder.open() {
                Ok((listed, report)) => {
                    listing.warnings.extend(report.warnings());
                    listing.jobs.push(listed);
                }
                Err(error) => {
                    listing.warnings.push(format!(
                        "job {} is left out: {}",
                        folder.id,
                        with_causes(&error)
                    ));
                }
            }
        }
        listing.jobs.sort_by(|a, b| {
            (a.record.created, &a.record.job).cmp(&(b.record.created, &b.record.job))
        });
        Ok(listing)
    }

    /// Claim an output pattern for a job, so that no second job writes the same files.
    /// `key` is equal for patterns that can name the same file.
    pub fn claim_output(&self, key: &[u8], job: &JobId) -> Result<Claim, ClaimError> {
        Claim::take(&self.root.join("claims"), key, job)
    }

    /// Folders that are jobs, by id.
    fn folders(&self) -> Result<Vec<JobFolder>, FindError> {
        let jobs = self.jobs();
        let fail = |source| FindError::Io {
            path: jobs.clone(),
            source,
        };
        let entries = match fs::read_dir(&jobs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail)?;
            let path = entry.path();
            if let Some(id) = JobId::from_folder_name(&entry.file_name())
                && path.join("job.json").exists()
            {
                folders.push(JobFolder { id, path });
            }
        }
        folders.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(folders)
    }
}

impl JobFolder {
    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its journal.
    #[must_use]
    pub fn journal_path(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The folder of its logs.
    #[must_use]
    pub fn logs_path(&self) -> PathBuf {
        self.path.join("logs")
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// What the job is.
    pub fn record(&self) -> Result<JobRecord, JobFolderError> {
        #[derive(serde::Deserialize)]
        struct Format {
            format: u32,
        }
        let path = self.path.join("job.json");
        let bytes = fs::read(&path).map_err(|source| JobFolderError::Io {
            path: path.clone(),
            source,
        })?;
        let damaged = |source| JobFolderError::Damaged {
            path: path.clone(),
            source,
        };
        let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if format > FORMAT {
            return Err(JobFolderError::Newer { path, format });
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    /// What happened to it so far.
    pub fn state(&self) -> Result<(JobState, ReadReport), JobFolderError> {
        let mut state = JobState::default();
        let report = journal::read(&self.journal_path(), |stamped| state.apply(&stamped))?;
        Ok((state, report))
    }

    /// All of it, as `jobs` and `status` need it.
    pub fn open(&self) -> Result<(Listed, ReadReport), JobFolderError> {
        let record = self.record()?;
        // The lock is looked at first: a controller that ends in between has then written its end.
        let is_held = self.holder()?.is_some();
        let (state, report) = self.state()?;
        let listed = Listed {
            folder: self.clone(),
            record,
            status: state.status(is_held),
            state,
        };
        Ok((listed, report))
    }

    /// Take the job up: as long as the lock lives, no other controller can.
    pub fn lock(&self) -> Result<JobLock, LockError> {
        JobLock::take(&self.lock_path(), self.id.as_str())
    }

    /// Open its journal for writing, which only the holder of its lock may; `take` gets the events
    /// so far, `report` is as in [`JournalWriter::open`].
    pub fn open_journal(
        &self,
        _held: &JobLock,
        take: impl FnMut(Stamped),
        report: impl FnMut(Done) + Send + 'static,
    ) -> Result<(JournalWriter, ReadReport), OpenError> {
        JournalWriter::open(&self.journal_path(), take, report)
    }

    /// Whether a live controller holds the job, and its process id as far as it is known.
    pub fn holder(&self) -> Result<Option<Option<u32>>, JobFolderError> {
        let path = self.lock_path();
        lock::holder(&path).map_err(|source| JobFolderError::Io { path, source })
    }

    fn write_record(&self, json: &[u8]) -> io::Result<()> {
        fs::create_dir(self.logs_path())?;
        durable::write_whole(&self.path.join("job.json"), json)?;
        durable::sync_folder(self.path.parent().unwrap_or(&self.path))
    }
}

fn fresh_folder(jobs: &Path, stem: &OsStr) -> io::Result<JobFolder> {
    for _ in 0..ID_TRIES {
        let id = JobId::fresh(stem);
        let path = jobs.join(id.as_str());
        match fs::create_dir(&path) {
            Ok(()) => return Ok(JobFolder { id, path }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("every job id that was tried is taken"))
}

/// An error and its causes in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
