//! The lock that says a controller works on a job.
//!
//! It is an `flock`: it ends with the process that holds it, however that ends, so there is no
//! stale lock and no guess from process ids. The id written inside is for messages only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// A reader that looks whether the lock is held has it itself for that moment; a controller tries
/// again this often before it believes that another one is there.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The right to run a job. Given back when dropped.
#[derive(Debug)]
pub struct JobLock {
    file: File,
}

/// Why a job cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another controller has it.
    #[error("job {job} is being run by another framewright{}", of_process(*.pid))]
    Held {
        /// The job.
        job: String,
        /// The other controller's process id, where it was written.
        pid: Option<u32>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock job {job} with {}", path.display())]
    Io {
        /// The job.
        job: String,
        /// The lock file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

fn of_process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl JobLock {
    /// Take the lock for this process.
    pub(super) fn take(path: &Path, job: &str) -> Result<Self, LockError> {
        let fail = |source| LockError::Io {
            job: job.to_owned(),
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(fail)?;
        if !try_flock(&file, TRIES).map_err(fail)? {
            return Err(LockError::Held {
                job: job.to_owned(),
                pid: pid_in(&file),
            });
        }
        file.set_len(0).map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Self { file })
    }
}

impl Drop for JobLock {
    fn drop(&mut self) {
        // An id left behind misleads nobody: the lock itself is gone with the file descriptor.
        let _ = self.file.set_len(0);
    }
}

/// Who runs the job: `None` when nobody, `Some(pid)` as far as the id is known.
pub(super) fn holder(path: &Path) -> io::Result<Option<Option<u32>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(pid_in(&file))),
        Err(error) => Err(error.into()),
    }
}

/// Whether the exclusive lock was got within so many tries.
pub(super) fn try_flock(file: &File, tries: u32) -> io::Result<bool> {
    for left in (0..tries).rev() {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) if left > 0 => thread::park_timeout(BETWEEN_TRIES),
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

fn pid_in(file: &File) -> Option<u32> {
    let mut text = [0; 16];
    let got = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..got]).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_controller_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert_eq!(holder(&path).unwrap(), None);
        let lock = JobLock::take(&path, "shot-1").unwrap();
        assert_eq!(holder(&path).unwrap(), Some(Some(std::process::id())));
        let refused = JobLock::take(&path, "shot-1").unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "job shot-1 is being run by another framewright (process {})",
                std::process::id()
            )
        );
        drop(lock);
        assert_eq!(holder(&path).unwrap(), None);
        JobLock::take(&path, "shot-1").unwrap();
    }
}
