//! The socket's file: made, replaced and reached whatever the length of its path.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The socket's name in the job's folder.
const NAME: &str = "control.sock";
/// Its name until it is ready.
const NAME_NEW: &str = "control.sock.new";
/// Bytes of a path in a socket's address, its closing zero left out.
const PATH_BYTES_MAX: usize = 107;

/// The way to a file of a folder that fits into a socket's address. The descriptor keeps it open.
struct Way {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

fn way(folder: &Path, name: &str) -> io::Result<Way> {
    let path = folder.join(name);
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return Ok(Way {
            path,
            _folder: None,
        });
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    Ok(Way {
        path: PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd())),
        _folder: Some(folder),
    })
}

/// Listens in a job's folder. The name appears when everything is in order, in place of what an
/// earlier controller left.
pub(super) fn listen(folder: &Path) -> io::Result<UnixListener> {
    let new = folder.join(NAME_NEW);
    remove(&new)?;
    let listener = UnixListener::bind(&way(folder, NAME_NEW)?.path)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, folder.join(NAME))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Takes the name away.
pub(super) fn unlisten(folder: &Path) {
    // One that stays is refused by the system when somebody knocks, and replaced by the next.
    let _ = remove(&folder.join(NAME));
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Knocks at a job's controller.
pub(super) async fn connect(folder: &Path) -> io::Result<tokio::net::UnixStream> {
    let way = way(folder, NAME)?;
    tokio::net::UnixStream::connect(&way.path).await
}
