//! Questions about files, answered beside the message loop: a file server that hangs holds up
//! the answer and nothing else.
//!
//! Pictures are decoded by [`DECODERS`] threads, so that verifying leaves the cores to the
//! renderers; short questions have a thread of their own and do not wait behind a picture.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use crate::launch::{FIXED_PATH, find_on, is_executable};
use crate::message::{Expect, FromWorker, RequestId};
use crate::outbox::Outbox;
use crate::verify::verify;

/// Threads that decode pictures.
const DECODERS: usize = 2;

/// Questions that may wait.
const WAITING_MAX: usize = 65_536;

/// What can be asked.
#[derive(Debug)]
pub(crate) enum Errand {
    Verify {
        request: RequestId,
        path: String,
        expect: Expect,
    },
    Which {
        request: RequestId,
        names: Vec<String>,
    },
    MakeDir {
        request: RequestId,
        path: String,
    },
    Remove {
        path: String,
    },
}

/// Where questions are left.
pub(crate) struct Errands {
    pictures: SyncSender<Errand>,
    files: SyncSender<Errand>,
}

/// What the answers depend on.
pub(crate) struct Ground {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) own: BTreeMap<OsString, OsString>,
    pub(crate) executable: PathBuf,
    pub(crate) scratch_root: PathBuf,
}

impl Errands {
    /// Starts the threads; they end with the process.
    pub(crate) fn start(ground: Ground) -> io::Result<Self> {
        let ground = Arc::new(ground);
        let (pictures, picture_errands) = sync_channel(WAITING_MAX);
        let (files, file_errands) = sync_channel(WAITING_MAX);
        let picture_errands = Arc::new(Mutex::new(picture_errands));
        for number in 0..DECODERS {
            spawn(format!("verify-{number}"), &picture_errands, &ground)?;
        }
        spawn(
            "files".to_owned(),
            &Arc::new(Mutex::new(file_errands)),
            &ground,
        )?;
        Ok(Self { pictures, files })
    }

    /// Leaves a question; false when too many wait.
    #[must_use]
    pub(crate) fn ask(&self, errand: Errand) -> bool {
        let to = match &errand {
            Errand::Verify { .. } => &self.pictures,
            Errand::Which { .. } | Errand::MakeDir { .. } | Errand::Remove { .. } => &self.files,
        };
        match to.try_send(errand) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

fn spawn(
    name: String,
    errands: &Arc<Mutex<Receiver<Errand>>>,
    ground: &Arc<Ground>,
) -> io::Result<()> {
    let (errands, ground) = (Arc::clone(errands), Arc::clone(ground));
    std::thread::Builder::new().name(name).spawn(move || {
        loop {
            // The lock is held while waiting: the others then wait for the lock instead.
            let errand = match errands.lock() {
                Ok(errands) => errands.recv(),
                Err(poisoned) => poisoned.into_inner().recv(),
            };
            match errand {
                Ok(errand) => do_errand(&ground, errand),
                Err(_) => return,
            }
        }
    })?;
    Ok(())
}

fn do_errand(ground: &Ground, errand: Errand) {
    let answer = match errand {
        Errand::Verify {
            request,
            path,
            expect,
        } => {
            let outcome = verify(Path::new(&path), &expect);
            forget_peak();
            FromWorker::Verified { request, outcome }
        }
        Errand::Which { request, names } => FromWorker::Program {
            request,
            path: names.iter().find_map(|name| which(ground, name)),
        },
        Errand::MakeDir { request, path } => FromWorker::Made {
            request,
            error: make_dir(Path::new(&path)),
        },
        Errand::Remove { path } => {
            // Nothing is answered: what stays lies below the scratch root, which the controller
            // removes when the job ends.
            drop(remove(Path::new(&path), &ground.scratch_root));
            return;
        }
    };
    ground.outbox.control(&answer);
}

/// Sets this process's peak of memory back to what it holds now. A process that is spawned
/// inherits the peak into its own statistics; a decoded picture is not the renderer's.
fn forget_peak() {
    // Where the kernel cannot, the peak of small processes is overstated.
    drop(fs::write("/proc/self/clear_refs", "5"));
}

fn which(ground: &Ground, name: &str) -> Option<String> {
    let path = if name == "framewright" {
        Some(ground.executable.clone())
    } else if Path::new(name).is_absolute() {
        Some(PathBuf::from(name)).filter(|path| is_executable(path))
    } else if name.is_empty() || name.contains('/') {
        None
    } else {
        let own = ground.own.get(OsStr::new("PATH"));
        own.and_then(|search| find_on(name, search))
            .or_else(|| find_on(name, OsStr::new(FIXED_PATH)))
    };
    path?.into_os_string().into_string().ok()
}

fn make_dir(path: &Path) -> Option<String> {
    if !path.is_absolute() {
        return Some(format!("{} is not an absolute path", path.display()));
    }
    fs::create_dir_all(path)
        .err()
        .map(|reason| format!("cannot make folder {}: {reason}", path.display()))
}

/// Why a path was not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoveError {
    #[error("{0} does not lie below the scratch root")]
    Outside(PathBuf),
    #[error("cannot remove {path}: {reason}")]
    System { path: PathBuf, reason: io::Error },
}

/// Removes a file or a tree that really lies below `root`: `..` is refused, symbolic links on
/// the way are followed before the comparison, and one at the end is removed itself.
pub(crate) fn remove(path: &Path, root: &Path) -> Result<(), RemoveError> {
    let outside = || RemoveError::Outside(path.to_owned());
    let failed = |reason| RemoveError::System {
        path: path.to_owned(),
        reason,
    };
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let (true, true, Some(parent), Some(name)) =
        (plain, path.is_absolute(), path.parent(), path.file_name())
    else {
        return Err(outside());
    };
    let root = root.canonicalize().map_err(failed)?;
    let parent = parent.canonicalize().map_err(failed)?;
    if !parent.starts_with(&root) {
        return Err(outside());
    }
    let real = parent.join(name);
    let kind = real.symlink_metadata().map_err(failed)?.file_type();
    if kind.is_dir() {
        fs::remove_dir_all(&real).map_err(failed)
    } else {
        fs::remove_file(&real).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn remove_stays_below_the_scratch_root() {
        let base = tempfile::tempdir().unwrap();
        let (root, outside) = (base.path().join("root"), base.path().join("outside"));
        for folder in [
            root.join("a/b"),
            outside.clone(),
            base.path().join("rootless"),
        ] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(outside.join("precious"), "x").unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        symlink(&outside, root.join("link")).unwrap();

        for refused in [
            root.clone(),
            root.join("."),
            base.path().join("rootless"),
            outside.clone(),
            root.join("link/precious"),
            root.join("a/../../outside"),
            PathBuf::from("a/file"),
            PathBuf::from("/"),
            PathBuf::new(),
        ] {
            let outcome = remove(&refused, &root);
            assert!(
                matches!(outcome, Err(RemoveError::Outside(_))),
                "{}: {outcome:?}",
                refused.display()
            );
        }
        assert!(outside.join("precious").exists());

        remove(&root.join("link"), &root).unwrap();
        assert!(outside.join("precious").exists(), "only the link goes");
        remove(&root.join("a"), &root).unwrap();
        assert!(root.exists() && !root.join("a").exists());
        assert!(matches!(
            remove(&root.join("a"), &root),
            Err(RemoveError::System { .. })
        ));
    }
}
