//! Claims on output patterns: two jobs must not write one set of files at a time.
//!
//! A claim is an `flock`ed file named by the hash of the pattern's key, with the job's id inside.
//! Like the job's lock it ends with its process. It holds among jobs of one state directory; an
//! overwrite by others is still refused file by file when a frame is committed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::job_id::JobId;
use super::lock::try_flock;

/// How often the file may be found removed by an ending claim before taking it is given up.
const TRIES: u32 = 16;
/// No job id is longer.
const ID_BYTES_MAX: usize = 64;

/// The right to write to a pattern. Given back when dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    /// Open as long as the claim holds: the lock lives with it.
    _file: File,
}

/// Why a pattern cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another job has it.
    #[error("{} is writing to the same files", holder.as_ref().map_or("another job".to_owned(), |job| format!("job {job}")))]
    Held {
        /// The other job, where its id was written.
        holder: Option<String>,
    },
    /// The claim file cannot be used.
    #[error("cannot claim the output with {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Claim {
    pub(super) fn take(claims: &Path, key: &[u8], job: &JobId) -> Result<Self, ClaimError> {
        let path = claims.join(blake3::hash(key).to_hex().as_str());
        let fail = |source| ClaimError::Io {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(claims).map_err(fail)?;
        for _ in 0..TRIES {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)
                .map_err(fail)?;
            if !try_flock(&file, 1).map_err(fail)? {
                return Err(ClaimError::Held {
                    holder: job_in(&file),
                });
            }
            // An ending claim removes its file: what was locked must still be what has the name.
            if !is_same_file(&file, &path).map_err(fail)? {
                continue;
            }
            file.set_len(0).map_err(fail)?;
            file.write_all(job.as_str().as_bytes()).map_err(fail)?;
            return Ok(Self { path, _file: file });
        }
        Err(ClaimError::Held { holder: None })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A file left behind is harmless: without its lock it claims nothing.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((ours.dev(), ours.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn job_in(file: &File) -> Option<String> {
    let mut text = [0; ID_BYTES_MAX];
    let got = file.read_at(&mut text, 0).ok()?;
    let id = std::str::from_utf8(&text[..got]).ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn two_jobs_cannot_write_to_one_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let claims = folder.path().join("claims");
        let first = JobId::fresh(OsStr::new("a"));
        let second = JobId::fresh(OsStr::new("b"));
        let claim = Claim::take(&claims, b"/out/x.#.png", &first).unwrap();
        let refused = Claim::take(&claims, b"/out/x.#.png", &second).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("job {first} is writing to the same files")
        );
        Claim::take(&claims, b"/out/y.#.png", &second).unwrap();
        drop(claim);
        Claim::take(&claims, b"/out/x.#.png", &second).unwrap();
        assert_eq!(fs::read_dir(&claims).unwrap().count(), 0);
    }
}
