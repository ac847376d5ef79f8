//! One depot a job and host: who comes later ends who came before.
//!
//! After a cut the old depot may wait behind a connection that nobody will use again, with pieces
//! in its queue that it still writes. A new one of the same owner finds it by the lock on the
//! owner's seat (the kernel knows who holds it, and gives it back when its holder dies), ends it,
//! and then has the parts for itself. Parts of other owners are only taken from an empty seat.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process};

const NAME: &str = "seat";
/// How long an older depot may take to end by itself.
const POLITE_MAX: Duration = Duration::from_secs(3);
/// How long one whose connection just broke may take to write what it has.
const DRAIN_MAX: Duration = Duration::from_millis(300);
/// And until it is gone for sure.
const GONE_MAX: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A folder of parts that nobody else writes in.
#[derive(Debug)]
pub(super) struct Seat {
    folder: PathBuf,
    /// Closing it, or any other descriptor of the same file, gives the lock back.
    _lock: File,
}

impl Seat {
    /// Takes the seat of this folder, which is made; ends who has it.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        let begun = Instant::now();
        loop {
            std::fs::create_dir_all(folder)?;
            match Self::try_take(folder) {
                Ok(Some(seat)) => return Ok(seat),
                Ok(None) => {}
                // Who left it just now removed the folder, too.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            let waited = begun.elapsed();
            if waited > GONE_MAX {
                let why = "an earlier depot of the same job does not end";
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            if waited > DRAIN_MAX
                && let Some(holder) = holder(&folder.join(NAME))?
            {
                let sure = waited > POLITE_MAX;
                // Gone meanwhile: so much the better.
                let _ = kill_process(holder, if sure { Signal::KILL } else { Signal::TERM });
            }
            pause();
        }
    }

    /// Takes the seat if it is empty.
    pub(super) fn try_take(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(NAME);
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)?;
        match rustix::fs::fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Its last holder may have removed the file between our opening and our locking.
        let same = std::fs::symlink_metadata(&path).is_ok_and(|there| {
            lock.metadata()
                .is_ok_and(|ours| ours.ino() == there.ino() && ours.dev() == there.dev())
        });
        Ok(same.then(|| Self {
            folder: folder.to_path_buf(),
            _lock: lock,
        }))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves nothing where no part is left.
    pub(super) fn leave(self) {
        let only_seat = std::fs::read_dir(&self.folder).is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|e| e.file_name() == NAME))
        });
        if only_seat {
            // While the lock is held: who opens the file later makes a new one.
            let _ = std::fs::remove_file(self.folder.join(NAME));
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lock that is waited for cannot be given up at a deadline"
)]
fn pause() {
    std::thread::sleep(LOOK_AGAIN);
}

/// Who holds the lock of a seat.
fn holder(path: &Path) -> io::Result<Option<Pid>> {
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // SAFETY: flock is a struct of integers, for which all zeroes is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the descriptor is open, and the pointer is to a live struct of the type that
    // F_GETLK reads and writes.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) };
    if asked != 0 {
        return Err(io::Error::last_os_error());
    }
    if lock.l_type == libc::F_UNLCK as libc::c_short {
        return Ok(None);
    }
    // A holder on another machine that shares this folder has no process here.
    Ok((lock.l_pid > 0)
        .then(|| Pid::from_raw(lock.l_pid))
        .flatten())
}
