//! Giving a finished file its final name, once.
//!
//! Invariant: a file under its final name is whole and durable, and a file that may not be replaced
//! never is, not even between a look and a rename.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::event::CommittedFile;
use crate::store::durable;

/// The caller's number for a commit, given back with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A file to be renamed into place once its record is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Given back with the outcome.
    pub token: Token,
    /// From where to where, and how large: as the record has it.
    pub file: CommittedFile,
    /// Whether a file that has the name already may be replaced.
    pub replace: Replace,
}

/// Whether a file that has the name already may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// No: the commit fails.
    Never,
    /// Yes: the user allows overwriting, or the file is this job's own older one.
    Allowed,
}

/// Why a file did not get its final name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    /// The name is taken.
    #[error("{} exists and is not this job's", .0.display())]
    Exists(PathBuf),
    /// It is no longer the file that was verified.
    #[error("{} was {wanted} bytes when it was verified and is {found} now", path.display())]
    Changed {
        path: PathBuf,
        wanted: u64,
        found: u64,
    },
    /// The system says no.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl PlaceError {
    pub(crate) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if durable::is_disk_full(source))
    }

    pub(crate) fn is_exists(&self) -> bool {
        matches!(self, Self::Exists(_))
    }
}

fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> PlaceError + 'a {
    move |source| PlaceError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Make the file's bytes durable, then give it its name. The caller syncs the folder.
pub(crate) fn place(file: &CommittedFile, replace: Replace) -> Result<(), PlaceError> {
    let (from, to) = (Path::new(&file.from), Path::new(&file.path));
    let source = File::open(from).map_err(io_error("open", from))?;
    let found = source.metadata().map_err(io_error("look at", from))?.len();
    if found != file.bytes {
        return Err(PlaceError::Changed {
            path: from.to_owned(),
            wanted: file.bytes,
            found,
        });
    }
    source.sync_all().map_err(io_error("sync", from))?;
    match rename(from, to, replace) {
        Err(PlaceError::Io { source, .. }) if source.kind() == io::ErrorKind::CrossesDevices => {
            copy_over(from, to, replace)
        }
        other => other,
    }
}

fn rename(from: &Path, to: &Path, replace: Replace) -> Result<(), PlaceError> {
    let fail = io_error("rename into place", to);
    let result = match replace {
        Replace::Allowed => return fs::rename(from, to).map_err(fail),
        Replace::Never => renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE),
    };
    match result {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => Err(PlaceError::Exists(to.to_owned())),
        // The file system (NFS, some FUSE) or the kernel does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => link_then_unlink(from, to),
        Err(errno) => Err(fail(errno.into())),
    }
}

/// As safe as a rename that does not replace, where hard links exist: the link fails when the
/// name is taken.
fn link_then_unlink(from: &Path, to: &Path) -> Result<(), PlaceError> {
    match fs::hard_link(from, to) {
        // The file has its name; a scratch name left over is swept with the scratch folder.
        Ok(()) => {
            let _ = fs::remove_file(from);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(PlaceError::Exists(to.to_owned()))
        }
        Err(_) => look_then_rename(from, to),
    }
}

/// The last resort, on file systems with neither: another program can still take the name between
/// the look and the rename.
fn look_then_rename(from: &Path, to: &Path) -> Result<(), PlaceError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(PlaceError::Exists(to.to_owned()));
    }
    fs::rename(from, to).map_err(io_error("rename into place", to))
}

/// Where scratch and output lie on different file systems: copy beside the final name, then rename.
fn copy_over(from: &Path, to: &Path, replace: Replace) -> Result<(), PlaceError> {
    let fail = io_error("copy into place", to);
    let folder = to.parent().unwrap_or(Path::new("."));
    let mut copy = tempfile::Builder::new()
        .prefix(".framewright-")
        .tempfile_in(folder)
        .map_err(&fail)?;
    let mut source = File::open(from).map_err(io_error("open", from))?;
    io::copy(&mut source, copy.as_file_mut()).map_err(&fail)?;
    let mode = source.metadata().map_err(&fail)?.permissions();
    copy.as_file().set_permissions(mode).map_err(&fail)?;
    copy.as_file().sync_all().map_err(&fail)?;
    let copy = copy.into_temp_path();
    rename(&copy, to, replace)?;
    // It has its name now and must not be removed as a temporary file; the old one is not needed.
    let _ = copy.keep();
    let _ = fs::remove_file(from);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, bytes: &[u8]) -> CommittedFile {
        let from = folder.join("scratch.png");
        fs::write(&from, bytes).unwrap();
        CommittedFile {
            path: folder.join("final.png").to_str().unwrap().to_owned(),
            from: from.to_str().unwrap().to_owned(),
            bytes: bytes.len() as u64,
            hash: blake3::hash(bytes).to_hex().to_string(),
        }
    }

    #[test]
    fn every_way_of_placing_refuses_a_taken_name() {
        type Way = fn(&Path, &Path) -> Result<(), PlaceError>;
        let ways: [(&str, Way); 4] = [
            ("rename", |from, to| rename(from, to, Replace::Never)),
            ("link", link_then_unlink),
            ("look", look_then_rename),
            ("copy", |from, to| copy_over(from, to, Replace::Never)),
        ];
        for (name, way) in ways {
            let folder = tempfile::tempdir().unwrap();
            let file = file(folder.path(), b"new");
            let (from, to) = (Path::new(&file.from), Path::new(&file.path));
            fs::write(to, b"old").unwrap();
            assert!(way(from, to).unwrap_err().is_exists(), "{name}");
            assert_eq!(fs::read(to).unwrap(), b"old", "{name}");
            assert_eq!(fs::read(from).unwrap(), b"new", "{name}");
            fs::remove_file(to).unwrap();
            way(from, to).unwrap();
            assert_eq!(fs::read(to).unwrap(), b"new", "{name}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{name}");
        }
    }

    #[test]
    fn an_allowed_replace_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), b"new");
        fs::write(&file.path, b"old").unwrap();
        place(&file, Replace::Allowed).unwrap();
        assert_eq!(fs::read(&file.path).unwrap(), b"new");
    }

    #[test]
    fn a_file_that_changed_since_it_was_verified_is_not_placed() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), b"new");
        fs::write(&file.from, b"ne").unwrap();
        let error = place(&file, Replace::Never).unwrap_err().to_string();
        assert!(
            error.ends_with("was 3 bytes when it was verified and is 2 now"),
            "{error}"
        );
        assert!(!Path::new(&file.path).exists());
    }
}
