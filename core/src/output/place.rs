//! The disk side of an output pattern: folders, names that are taken, scratch.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{OutputError, OutputPattern};
use crate::store::JobId;
use crate::store::journal::Replace;

/// Scratch folders of all jobs that write below one folder. On the output's own file system, so
/// that giving a file its final name is one rename.
const SCRATCH: &str = ".framewright";

impl OutputPattern {
    /// Make the folders of these layers (none = the scene as a whole) and see that files can be
    /// made in them.
    pub fn make_folders(&self, layers: &[String]) -> Result<(), OutputError> {
        let whole = [String::new()];
        let layers = if layers.is_empty() { &whole } else { layers };
        let folders: BTreeSet<_> = layers.iter().map(|layer| self.folder(layer)).collect();
        for folder in folders.into_iter().chain([self.common_folder()]) {
            fs::create_dir_all(&folder).map_err(|source| OutputError::MakeFolder {
                folder: folder.clone(),
                source,
            })?;
            see_writable(&folder).map_err(|source| OutputError::NotWritable { folder, source })?;
        }
        Ok(())
    }

    /// See that none of these names is taken by a file that is not the job's `own`. With
    /// [`Replace::Allowed`] only a folder is in the way.
    pub fn check_free<'a>(
        paths: impl IntoIterator<Item = &'a Path>,
        own: &BTreeSet<PathBuf>,
        replace: Replace,
    ) -> Result<(), OutputError> {
        let mut first = None;
        let mut count = 0;
        for path in paths {
            let about = match fs::symlink_metadata(path) {
                Ok(about) => about,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => {
                    let path = path.to_owned();
                    return Err(OutputError::Look { path, source });
                }
            };
            if about.is_dir() {
                return Err(OutputError::IsFolder(path.to_owned()));
            }
            if replace == Replace::Never && !own.contains(path) {
                first.get_or_insert(path);
                count += 1;
            }
        }
        first.map_or(Ok(()), |first| {
            let first = first.to_owned();
            Err(OutputError::Exists { first, count })
        })
    }

    /// What [`Store::claim_output`](crate::store::Store::claim_output) takes; equal for patterns
    /// that can name the same file. The folders must exist.
    pub fn claim_key(&self) -> Result<Vec<u8>, OutputError> {
        let folder = self.common_folder();
        let real = folder
            .canonicalize()
            .map_err(|source| OutputError::MakeFolder { folder, source })?;
        let mut key = real.as_os_str().as_bytes().to_vec();
        key.push(b'/');
        key.extend_from_slice(self.key_below_common().as_bytes());
        Ok(key)
    }

    /// The folder below which everything that this job's attempts write lies until it is
    /// committed. Not made by this.
    #[must_use]
    pub fn scratch(&self, job: &JobId) -> PathBuf {
        self.common_folder().join(SCRATCH).join(job.as_str())
    }
}

/// See that files can be made in a folder. Permission bits do not tell: a mount may be read-only, a
/// user may be root.
pub fn see_writable(folder: &Path) -> io::Result<()> {
    let probe = tempfile::Builder::new()
        .prefix(".framewright-probe-")
        .tempfile_in(folder);
    probe.and_then(tempfile::NamedTempFile::close)
}

/// Remove a job's scratch folder, and the one of all jobs when it was the last.
pub fn remove_scratch(scratch: &Path) -> io::Result<()> {
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if let Some(all) = scratch.parent().filter(|all| all.ends_with(SCRATCH)) {
        // Fails when another job's is in it, and shall.
        let _ = fs::remove_dir(all);
    }
    Ok(())
}
