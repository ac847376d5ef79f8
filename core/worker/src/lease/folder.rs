//! The folder of the machine's locks, and the files in it.
//!
//! It is shared by all users of the machine, like `/tmp`, so nothing in it is trusted: files are opened
//! without following links and only used where they are plain files with one name, and what others
//! put in the way costs that one slot, with a sentence that says why.
//!
//! A slot is held by whoever has the lock (`flock`) of `slot-N`. Locks vanish with the last process
//! that has the file open, however that ends. Who waits holds the lock of a file `wait-…` of its own, so
//! that those who died waiting are told from those who wait.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, fstat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::record::Record;

/// Where the locks are, unless [`VARIABLE`] says otherwise.
const FOLDER: &str = "/tmp/framewright-slots";
/// The variable of the worker's environment that names another folder.
const VARIABLE: &str = "FRAMEWRIGHT_LOCK_DIR";

/// Anybody may make files; nobody may remove another's.
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o1777);
/// Anybody may lock, and write who has it.
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);

/// Waiting ones that are looked at.
const WAITING_MAX: usize = 1024;
/// Names that a waiting one tries for its file, in case somebody else took them.
const NAMES_MAX: u32 = 16;
/// A file without a lock may still be getting one; only after this is it left behind.
const LEFT_AFTER: Duration = Duration::from_secs(5);

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("{path} is not a folder")]
    NoFolder { path: String },
    #[error("{path} is not a plain file with one name")]
    NoFile { path: String },
    #[error("cannot open {path}: {source}")]
    Open { path: String, source: io::Error },
}

/// The folder, open.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    folder: OwnedFd,
}

/// A file of the folder, open; nobody's lock yet, or somebody's.
#[derive(Debug)]
pub(super) struct LockFile {
    pub(super) file: OwnedFd,
    name: String,
}

/// What a look at a slot that one has not shows.
#[derive(Debug)]
pub(super) enum Seen {
    Free(LockFile),
    /// Somebody has it; who, if that can be read.
    Held(Option<Record>),
}

impl Folder {
    pub(super) fn path() -> PathBuf {
        std::env::var_os(VARIABLE).map_or_else(|| PathBuf::from(FOLDER), PathBuf::from)
    }

    /// Opens the folder, and makes it where it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, Unusable> {
        let named = || path.display().to_string();
        let cannot = |errno: Errno| match errno {
            Errno::NOTDIR | Errno::LOOP => Unusable::NoFolder { path: named() },
            _ => Unusable::Open {
                path: named(),
                source: errno.into(),
            },
        };
        let made = match rustix::fs::mkdir(path, FOLDER_MODE) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(cannot(errno)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(cannot)?;
        if made {
            // The mask of this process took some of it away.
            rustix::fs::fchmod(&folder, FOLDER_MODE).map_err(cannot)?;
        }
        Ok(Self {
            path: path.to_owned(),
            folder,
        })
    }

    /// Whether this is the folder that the path names still: those that are not used for long are
    /// tidied away on many machines.
    pub(super) fn is_there(&self) -> bool {
        let (Ok(open), Ok(named)) = (fstat(&self.folder), rustix::fs::lstat(&self.path)) else {
            return false;
        };
        (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)
    }

    /// Looks at a slot that this worker has not.
    pub(super) fn look(&self, number: u32) -> Result<Seen, Unusable> {
        let file = self.open_file(&format!("slot-{number}"))?;
        // A shared lock is in no other looker's way, and is given up at once.
        if flock(&file.file, FlockOperation::NonBlockingLockShared).is_ok() {
            let _ = flock(&file.file, FlockOperation::Unlock);
            return Ok(Seen::Free(file));
        }
        Ok(Seen::Held(Record::read(&file.file)))
    }

    /// Takes a lock that was free a moment ago; false where somebody else was quicker.
    pub(super) fn take(&self, file: &LockFile) -> bool {
        if flock(&file.file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return false;
        }
        // A file that was removed and made again would be two locks of one slot.
        let same = self.is_named(file);
        if !same {
            let _ = flock(&file.file, FlockOperation::Unlock);
        }
        same
    }

    fn is_named(&self, file: &LockFile) -> bool {
        let open = fstat(&file.file);
        let named = statat(&self.folder, file.name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
        let (Ok(open), Ok(named)) = (open, named) else {
            return false;
        };
        (open.st_dev, open.st_ino) == (named.st_dev, named.st_ino)
    }

    /// Opens a plain file, and makes it where it is not there.
    fn open_file(&self, name: &str) -> Result<LockFile, Unusable> {
        let path = || self.path.join(name).display().to_string();
        let cannot = |errno: Errno| match errno {
            Errno::LOOP | Errno::ISDIR | Errno::NXIO => Unusable::NoFile { path: path() },
            _ => Unusable::Open {
                path: path(),
                source: errno.into(),
            },
        };
        let file = self.open_any(name).map_err(cannot)?;
        let state = fstat(&file).map_err(cannot)?;
        let plain = FileType::from_raw_mode(state.st_mode) == FileType::RegularFile;
        // Through a second name something of another folder would be written to.
        if !plain || state.st_nlink > 1 {
            return Err(Unusable::NoFile { path: path() });
        }
        Ok(LockFile {
            file,
            name: name.to_owned(),
        })
    }

    fn open_any(&self, name: &str) -> Result<OwnedFd, Errno> {
        // A pipe without another end is not waited for.
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let open = |more| openat(&self.folder, name, flags | more, Mode::empty());
        match open(OFlags::RDWR) {
            // Enough for its lock, though not to write who has it.
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => open(OFlags::RDONLY),
            // Without CREATE first: in such folders the system refuses it for others' files.
            Err(Errno::NOENT) => match self.make(name) {
                Err(Errno::EXIST) => open(OFlags::RDWR),
                made => made,
            },
            opened => opened,
        }
    }

    fn make(&self, name: &str) -> Result<OwnedFd, Errno> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, name, flags, FILE_MODE)?;
        rustix::fs::fchmod(&file, FILE_MODE)?;
        Ok(file)
    }

    /// A file that says that this worker waits.
    pub(super) fn wait_in(&self, pid: u32) -> Option<LockFile> {
        (0..NAMES_MAX).find_map(|number| {
            let name = format!("wait-{pid}-{number}");
            let file = match self.make(&name) {
                Ok(file) => file,
                Err(_) => return None,
            };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                // Somebody looks at it this very moment; the next name will do.
                let _ = unlinkat(&self.folder, name.as_str(), AtFlags::empty());
                return None;
            }
            Some(LockFile { file, name })
        })
    }

    pub(super) fn remove(&self, file: &LockFile) {
        // In a folder like this only its owner can, and this is its owner.
        let _ = unlinkat(&self.folder, file.name.as_str(), AtFlags::empty());
    }

    /// Who waits, `own` excepted. What the dead left is cleared away.
    pub(super) fn waiting(&self, own: Option<&LockFile>) -> Vec<Record> {
        let Ok(entries) = Dir::read_from(&self.folder) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str().ok().map(str::to_owned))
            .filter(|name| name.starts_with("wait-"))
            .filter(|name| own.is_none_or(|own| own.name != *name))
            .take(WAITING_MAX)
            .collect();
        names.sort();
        names
            .iter()
            .filter_map(|name| self.waiting_one(name))
            .collect()
    }

    fn waiting_one(&self, name: &str) -> Option<Record> {
        let file = self.open_file(name).ok()?;
        if flock(&file.file, FlockOperation::NonBlockingLockShared).is_ok() {
            let _ = flock(&file.file, FlockOperation::Unlock);
            if age(&file.file).is_some_and(|age| age > LEFT_AFTER) {
                self.remove(&file);
            }
            return None;
        }
        Record::read(&file.file)
    }
}

/// How long a file has not been written to.
fn age(file: impl AsFd) -> Option<Duration> {
    let state = fstat(file).ok()?;
    let written = UNIX_EPOCH + Duration::from_secs(u64::try_from(state.st_mtime).ok()?);
    SystemTime::now().duration_since(written).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let around = tempfile::tempdir().unwrap();
        let folder = Folder::open(&around.path().join("slots")).unwrap();
        (around, folder)
    }

    fn take(folder: &Folder, number: u32) -> Option<LockFile> {
        match folder.look(number).unwrap() {
            Seen::Free(file) => folder.take(&file).then_some(file),
            Seen::Held(_) => None,
        }
    }

    #[test]
    fn everybody_may_use_what_is_made() {
        let (around, folder) = folder();
        let path = around.path().join("slots");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&path), 0o1777);
        take(&folder, 0).unwrap();
        assert_eq!(mode(&path.join("slot-0")), 0o666);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn a_slot_is_taken_once_and_free_when_its_file_is_closed() {
        let (around, folder) = folder();
        let other = Folder::open(&around.path().join("slots")).unwrap();
        let held = take(&folder, 0).unwrap();
        assert!(matches!(other.look(0).unwrap(), Seen::Held(None)));
        take(&other, 1).unwrap();
        drop(held);
        take(&other, 0).unwrap();
    }

    #[test]
    fn what_is_put_in_the_way_is_refused() {
        let (around, folder) = folder();
        let path = around.path().join("slots");
        let precious = around.path().join("precious");
        fs::write(&precious, "mine").unwrap();
        symlink(&precious, path.join("slot-0")).unwrap();
        symlink(around.path().join("nowhere"), path.join("slot-1")).unwrap();
        fs::hard_link(&precious, path.join("slot-2")).unwrap();
        fs::create_dir(path.join("slot-3")).unwrap();
        let pipe = std::process::Command::new("mkfifo")
            .arg(path.join("slot-4"))
            .status();
        assert!(pipe.unwrap().success());
        for number in 0..5 {
            let seen = folder.look(number);
            assert!(matches!(seen, Err(Unusable::NoFile { .. })), "{seen:?}");
        }
        assert!(!around.path().join("nowhere").exists());
        assert_eq!(fs::read_to_string(precious).unwrap(), "mine");
        take(&folder, 5).unwrap();
    }

    #[test]
    fn a_folder_behind_a_link_or_a_file_is_refused() {
        let around = tempfile::tempdir().unwrap();
        let real = around.path().join("real");
        fs::create_dir(&real).unwrap();
        symlink(&real, around.path().join("link")).unwrap();
        fs::write(around.path().join("file"), "").unwrap();
        for name in ["link", "file"] {
            let opened = Folder::open(&around.path().join(name));
            assert!(matches!(opened, Err(Unusable::NoFolder { .. })), "{name}");
        }
        let nowhere = Folder::open(&around.path().join("no/where"));
        assert!(matches!(nowhere, Err(Unusable::Open { .. })));
    }

    #[test]
    fn a_file_that_may_only_be_read_is_a_lock_all_the_same() {
        let (around, folder) = folder();
        let path = around.path().join("slots/slot-0");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let held = take(&folder, 0).unwrap();
        assert!(take(&folder, 0).is_none());
        drop(held);
    }

    #[test]
    fn a_lock_whose_file_was_replaced_is_none() {
        let (around, folder) = folder();
        let Seen::Free(old) = folder.look(0).unwrap() else {
            panic!("nobody has it");
        };
        fs::remove_file(around.path().join("slots/slot-0")).unwrap();
        take(&folder, 0).unwrap();
        assert!(!folder.take(&old), "it has no name any more");
        assert!(folder.is_there());
        fs::remove_dir_all(around.path().join("slots")).unwrap();
        assert!(!folder.is_there());
    }

    #[test]
    fn who_waits_is_seen_until_it_dies() {
        let (around, folder) = folder();
        let other = Folder::open(&around.path().join("slots")).unwrap();
        let record = Record {
            holder: crate::message::Holder {
                user: "anna".to_owned(),
                job: "a".to_owned(),
                pid: 42,
                since_ms: 7,
            },
            wants: 2,
        };
        let waits = folder.wait_in(42).unwrap();
        record.write(&waits.file);
        assert_eq!(folder.waiting(Some(&waits)), []);
        assert_eq!(other.waiting(None), [record]);
        let second = other.wait_in(42).expect("another name");
        other.remove(&second);
        drop(waits);
        assert_eq!(other.waiting(None), []);
        let left = around.path().join("slots/wait-42-0");
        assert!(left.exists(), "it may just be getting its lock");
        let long_ago = SystemTime::now() - LEFT_AFTER * 2;
        fs::File::options()
            .write(true)
            .open(&left)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        other.waiting(None);
        assert!(!left.exists());
    }
}
