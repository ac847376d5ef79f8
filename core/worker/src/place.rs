//! The private place on a host where a door finds the worker of a job: a lock, a note that says
//! who lives there, a socket.
//!
//! The folder belongs to the user and to nobody else. It lies in `/tmp`, which is the machine's
//! own (a home may be shared by many) and stays when the user's last session ends (a runtime
//! folder does not). Names are hashes, so that a path fits a socket's address.
//!
//! Invariant: whoever starts a worker, or clears away a dead one, holds the lock; a note is
//! removed by the worker that wrote it, or when that worker has ended.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::home;
use crate::kin::{self, timespec};

/// A socket's address, its final zero included, is no longer.
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// How often a lock that somebody holds is tried again.
const LOCK_LOOK: Duration = Duration::from_millis(10);
/// First line of a note. Any build reads any other's.
const NOTE_HEAD: &str = "framewright worker 1";

/// Why there is no place for a worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("no private folder for the worker's socket can be had: {0}")]
    Folder(String),
    #[error("cannot {what} {path}: {source}")]
    System {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("somebody else has been starting or ending this worker for {0} s")]
    Busy(u64),
}

/// Where one job's worker on one host is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    folder: PathBuf,
    name: String,
}

/// Who lives at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) pid: i32,
    /// When that process started, so that no later one of its number is taken for it.
    pub(crate) born: u64,
    pub(crate) build: String,
    pub(crate) fence: u64,
    /// The scratch folder that it made and removes.
    pub(crate) scratch: Option<PathBuf>,
}

/// Held by who changes who lives at a place. Freed by the kernel when its holder dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Place {
    /// In the first folder that is, or can be made, the user's own.
    pub(crate) fn find(wanted: Option<&Path>, job: &str, host: &str) -> Result<Self, PlaceError> {
        let candidates = match wanted {
            Some(folder) => vec![folder.to_owned()],
            None => {
                let uid = rustix::process::geteuid().as_raw();
                let shared = PathBuf::from(format!("/tmp/framewright-{uid}"));
                let cached = home::cache_root().map(|root| root.join("run"));
                [Some(shared), cached].into_iter().flatten().collect()
            }
        };
        let mut whys = Vec::new();
        for folder in candidates {
            let place = Self {
                folder,
                name: name_of(job, host),
            };
            match place.check() {
                Ok(()) => return Ok(place),
                Err(why) => whys.push(why),
            }
        }
        Err(PlaceError::Folder(whys.join("; ")))
    }

    fn check(&self) -> Result<(), String> {
        let bytes = self.socket().as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            return Err(format!("{} is too long a path", self.folder.display()));
        }
        make_private(&self.folder)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.file("socket")
    }

    /// The note's path, which is all that a watch has to know.
    pub(crate) fn note(&self) -> PathBuf {
        self.file("note")
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }

    /// The part of its names that is this job's and host's.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn of_note(note: &Path) -> Option<Self> {
        Some(Self {
            folder: note.parent()?.to_owned(),
            name: note.file_stem()?.to_str()?.to_owned(),
        })
    }

    /// Takes the lock.
    pub(crate) fn lock(&self, longest: Duration) -> Result<Lock, PlaceError> {
        let until = Instant::now() + longest;
        loop {
            if let Some(lock) = self.try_lock()? {
                return Ok(lock);
            }
            if Instant::now() >= until {
                return Err(PlaceError::Busy(longest.as_secs()));
            }
            wait(LOCK_LOOK);
        }
    }

    fn try_lock(&self) -> Result<Option<Lock>, PlaceError> {
        let path = self.file("lock");
        let failed = |what| {
            let path = path.clone();
            move |source| PlaceError::System { what, path, source }
        };
        // Who ended the last worker here has removed the folder too.
        make_private(&self.folder).map_err(PlaceError::Folder)?;
        let opened = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open")(error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => return Ok(None),
            Err(error) => return Err(failed("lock")(error.into())),
        }
        // Whoever held it last may have removed the file that we waited for.
        let same = |there: &Metadata, ours: &Metadata| {
            (there.dev(), there.ino()) == (ours.dev(), ours.ino())
        };
        match (fs::metadata(&path), file.metadata()) {
            (Ok(there), Ok(ours)) if same(&there, &ours) => Ok(Some(Lock { _file: file })),
            _ => Ok(None),
        }
    }

    /// Who lives here, or lived here and could not remove its note.
    pub(crate) fn read_note(&self) -> Option<Note> {
        Note::parse(&fs::read_to_string(self.note()).ok()?)
    }

    pub(crate) fn write_note(&self, note: &Note) -> Result<(), PlaceError> {
        let (path, whole) = (self.file("new"), self.note());
        let write = || {
            let mut file = File::options()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(note.text().as_bytes())?;
            fs::rename(&path, &whole)
        };
        write().map_err(|source| PlaceError::System {
            what: "write",
            path: whole.clone(),
            source,
        })
    }

    /// Somebody lives here still: what clears old files out of `/tmp` is to leave the note alone.
    pub(crate) fn touch(&self) {
        // A note that is gone already cannot be kept.
        let note = File::options().write(true).open(self.note());
        let _ = note.and_then(|note| note.set_modified(SystemTime::now()));
    }

    /// The worker that lives here leaves: nothing of it stays.
    pub(crate) fn leave(&self) {
        self.forget();
        // A door that holds the lock starts the next worker, which leaves in its turn.
        if let Ok(Some(lock)) = self.try_lock() {
            self.close(lock);
        }
    }

    /// Clears away what a worker that has ended left here. To be called with the lock.
    pub(crate) fn clear_after(&self, note: &Note) {
        if let Some(scratch) = &note.scratch {
            home::remove_own(scratch);
        }
        self.forget();
    }

    fn forget(&self) {
        for path in [self.socket(), self.file("new"), self.note()] {
            // Not there is as good as removed.
            let _ = fs::remove_file(path);
        }
    }

    /// Removes the lock with its file, and the folder if nobody else's is in it.
    pub(crate) fn close(&self, lock: Lock) {
        let _ = fs::remove_file(self.file("lock"));
        let _ = fs::remove_dir(&self.folder);
        drop(lock);
    }
}

/// What the watch of a worker does after its SIGKILL, when its renderers are ended: as its
/// worker would have left. Who has come to live there since is left alone.
pub(crate) fn leave_after(note_path: &Path, worker: u32) {
    const LONGEST: Duration = Duration::from_secs(20);
    let Some(place) = Place::of_note(note_path) else {
        return;
    };
    if !note_path.exists() {
        return;
    }
    let Ok(lock) = place.lock(LONGEST) else {
        return;
    };
    let Some(note) = place.read_note() else {
        return;
    };
    if i64::from(note.pid) == i64::from(worker) && note.wait_for_end(LONGEST) {
        place.clear_after(&note);
        place.close(lock);
    }
}

impl Note {
    fn text(&self) -> String {
        let scratch = match &self.scratch {
            Some(path) => format!("scratch {}\n", path.display()),
            None => String::new(),
        };
        format!(
            "{NOTE_HEAD}\npid {} {}\nbuild {}\nfence {}\n{scratch}",
            self.pid, self.born, self.build, self.fence
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(NOTE_HEAD) {
            return None;
        }
        let (pid, born) = lines.next()?.strip_prefix("pid ")?.split_once(' ')?;
        let build = lines.next()?.strip_prefix("build ")?;
        let fence = lines.next()?.strip_prefix("fence ")?;
        let scratch = lines.next().and_then(|line| line.strip_prefix("scratch "));
        Some(Self {
            pid: pid.parse().ok().filter(|pid| *pid > 1)?,
            born: born.parse().ok()?,
            build: build.to_owned(),
            fence: fence.parse().ok()?,
            scratch: scratch.map(PathBuf::from),
        })
    }

    /// Whether the process that wrote it has not ended.
    pub(crate) fn lives(&self) -> bool {
        kin::born(self.pid) == Some(self.born)
    }

    /// Becomes readable when the process has ended; `None` when it has.
    fn pidfd(&self) -> Option<OwnedFd> {
        let pid = (self.pid > 0).then(|| Pid::from_raw(self.pid)).flatten()?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        self.lives().then_some(pidfd)
    }

    fn wait_for_end(&self, longest: Duration) -> bool {
        self.pidfd().is_none_or(|pidfd| ends(&pidfd, longest))
    }

    /// Ends the process: asks it, which makes it end all that it started, then makes it.
    /// Whether it has ended.
    pub(crate) fn end(&self) -> bool {
        /// A worker's own end is bounded by less.
        const POLITE: Duration = Duration::from_secs(15);
        const SURE: Duration = Duration::from_secs(5);
        for (signal, longest) in [(Signal::TERM, POLITE), (Signal::KILL, SURE)] {
            let Some(pidfd) = self.pidfd() else {
                return true;
            };
            // It can only fail when the process has ended.
            let _ = pidfd_send_signal(&pidfd, signal);
            if ends(&pidfd, longest) {
                return true;
            }
        }
        false
    }
}

fn ends(pidfd: &OwnedFd, longest: Duration) -> bool {
    let until = Instant::now() + longest;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(_) if left.is_zero() => return false,
            Err(_) => {}
        }
    }
}

fn wait(time: Duration) {
    // An interrupted wait is a shorter one.
    let _ = poll(&mut [], Some(&timespec(time)));
}

fn name_of(job: &str, host: &str) -> String {
    const HEX: usize = 32;
    let mut hasher = blake3::Hasher::new();
    for part in [job, host] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().as_str()[..HEX].to_owned()
}

/// Makes a folder for this user alone; refuses one that another could have put things in.
fn make_private(folder: &Path) -> Result<(), String> {
    if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        return Err(format!("cannot make folder {}: {error}", folder.display()));
    }
    let found = fs::symlink_metadata(folder)
        .map_err(|error| format!("cannot look at folder {}: {error}", folder.display()))?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("{} is not this user's folder", folder.display()));
    }
    if found.mode() & 0o077 != 0 {
        return Err(format!("folder {} is open to others", folder.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn place(base: &Path) -> Place {
        Place::find(Some(&base.join("run")), "job", "host").unwrap()
    }

    fn note_of(pid: i32) -> Note {
        Note {
            pid,
            born: kin::born(pid).unwrap_or(1),
            build: "0.1.0-abc".to_owned(),
            fence: u64::MAX,
            scratch: None,
        }
    }

    #[test]
    fn folder_of_others_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let open = base.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o770)).unwrap();
        let link = base.path().join("link");
        symlink(base.path(), &link).unwrap();
        let long = base.path().join("x".repeat(90));
        for (folder, why) in [
            (open, "open to others"),
            (link, "not this user's"),
            (long, "too long"),
        ] {
            let error = Place::find(Some(&folder), "job", "host").unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        assert_ne!(name_of("ab", "c"), name_of("a", "bc"));
    }

    #[test]
    fn note_is_read_back_and_rubbish_is_no_note() {
        let base = tempfile::tempdir().unwrap();
        let place = place(base.path());
        assert_eq!(place.read_note(), None);
        let note = Note {
            scratch: Some("/home/a b/.cache/x".into()),
            ..note_of(std::process::id() as i32)
        };
        place.write_note(&note).unwrap();
        assert_eq!(place.read_note(), Some(note.clone()));
        assert!(note.lives());
        assert!(
            !Note {
                born: note.born + 1,
                ..note
            }
            .lives(),
            "another of its number"
        );
        for rubbish in [
            "",
            "framewright worker 2\npid 5 6\nbuild x\nfence 1\n",
            "framewright worker 1\npid 1 6\nbuild x\nfence 1\n",
        ] {
            assert_eq!(Note::parse(rubbish), None);
        }
    }

    #[test]
    fn lock_is_one_holders_also_when_its_file_was_removed() {
        let base = tempfile::tempdir().unwrap();
        let place = place(base.path());
        let first = place.lock(Duration::ZERO).unwrap();
        assert!(matches!(
            place.lock(Duration::ZERO),
            Err(PlaceError::Busy(_))
        ));
        place.close(first);
        assert!(!base.path().join("run").exists(), "nothing stays");
        let second = place.lock(Duration::ZERO).unwrap();
        assert!(matches!(
            place.lock(Duration::ZERO),
            Err(PlaceError::Busy(_))
        ));
        drop(second);
        place.lock(Duration::ZERO).unwrap();
    }

    #[test]
    fn what_a_dead_worker_left_goes_and_a_living_ones_stays() {
        let base = tempfile::tempdir().unwrap();
        let place = place(base.path());
        let scratch = base.path().join("jobs/mine");
        fs::create_dir_all(&scratch).unwrap();
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let dead = Note {
            born: 1,
            scratch: Some(scratch.clone()),
            ..note_of(child.id() as i32)
        };
        child.wait().unwrap();
        place.write_note(&dead).unwrap();
        leave_after(&place.note(), std::process::id());
        assert!(place.note().exists(), "it is another's");
        leave_after(&place.note(), child.id());
        assert!(!place.note().exists() && !scratch.exists());
    }
}
