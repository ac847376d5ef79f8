//! Files that are there whole or not at all: written under a temporary name beside their place,
//! synced, then renamed.
//!
//! Invariant: what had the final name before stays as it was until the rename, and unless it was
//! asked for, a file that is there is not replaced, also not one that came meanwhile.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is one already.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The disk, or what else the file is on.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where a result goes.
#[derive(Clone, Debug)]
pub struct Output {
    /// The file.
    pub path: PathBuf,
    /// Replace what is there.
    pub overwrite: bool,
}

impl Output {
    /// A new file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            overwrite: false,
        }
    }
}

/// A file that has not got its name yet. Dropped, it is gone.
pub(crate) struct Unfinished {
    file: NamedTempFile,
    output: Output,
}

impl Unfinished {
    /// Begins a file.
    pub(crate) fn begin(output: &Output) -> Result<Self, WriteError> {
        let path = &output.path;
        let failed = |source| WriteError::Io {
            path: path.clone(),
            source,
        };
        match path.symlink_metadata() {
            Ok(there) if there.is_dir() => {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            Ok(_) if !output.overwrite => return Err(WriteError::Exists { path: path.clone() }),
            Ok(_) | Err(_) => {}
        }
        let name = path
            .file_name()
            .ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            // As any new file: what the process's mask leaves.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(path))
            .map_err(failed)?;
        Ok(Self {
            file,
            output: output.clone(),
        })
    }

    /// For programs that are told a path.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// To write to.
    pub(crate) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// What went wrong while it was written.
    pub(crate) fn failed(&self, source: io::Error) -> WriteError {
        WriteError::Io {
            path: self.output.path.clone(),
            source,
        }
    }

    /// Gives it its name; answers its size.
    pub(crate) fn finish(self) -> Result<u64, WriteError> {
        let path = self.output.path;
        let failed = |source| WriteError::Io {
            path: path.clone(),
            source,
        };
        self.file.as_file().sync_all().map_err(failed)?;
        let bytes = self.file.as_file().metadata().map_err(failed)?.len();
        let renamed = if self.output.overwrite {
            self.file.persist(&path)
        } else {
            self.file.persist_noclobber(&path)
        };
        renamed.map_err(|refused| match refused.error.kind() {
            io::ErrorKind::AlreadyExists => WriteError::Exists { path: path.clone() },
            _ => failed(refused.error),
        })?;
        File::open(folder_of(&path))
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
        Ok(bytes)
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_there_stays_unless_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.exr");
        let unfinished = Unfinished::begin(&Output::new(&path)).unwrap();
        unfinished.file().write_all(b"new").unwrap();
        // It comes while ours is being written.
        std::fs::write(&path, "old").unwrap();
        let refused = unfinished.finish().unwrap_err();
        assert!(matches!(refused, WriteError::Exists { .. }), "{refused}");
        assert!(Unfinished::begin(&Output::new(&path)).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        let replacing = Output {
            overwrite: true,
            ..Output::new(&path)
        };
        let unfinished = Unfinished::begin(&replacing).unwrap();
        unfinished.file().write_all(b"new").unwrap();
        assert_eq!(unfinished.finish().unwrap(), 3);
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
