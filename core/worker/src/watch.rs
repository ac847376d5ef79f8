//! The watch: a small process that outlives a worker which is killed.
//!
//! A worker that ends in any other way ends everything that it started. After SIGKILL it cannot,
//! and its controller, who could, may be on another machine or dead as well. So each worker holds
//! one end of a connection whose other end a watch reads: when it closes, the worker is gone, and
//! the watch kills whatever carries that worker's tag, and clears away what a worker that outlives
//! its connections keeps in the file system (see `place`). Until then it also keeps the worker's
//! locks open (see `lease`), so that a slot of the machine is not free while something runs there
//! still. It does nothing else, and a worker that ends orderly ends its watch too.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::kin::sweep_tagged;
use crate::place;

/// First byte of a message with a lock to be kept open; its number follows.
const KEEP: u8 = b'k';
/// First byte of a message that names a lock to be closed.
const DROP: u8 = b'd';
/// First byte of a message with the path of the worker's note.
const NOTE: u8 = b'n';
/// Bytes of a message about a lock.
const LOCK_BYTES: usize = 5;
/// Longest message: a note's path.
const MESSAGE_BYTES_MAX: usize = 4097;

/// The worker's end. While it is held, the watch waits.
#[derive(Debug)]
pub(crate) struct Watched {
    socket: OwnedFd,
}

impl Watched {
    /// Gives the watch a second hold of a lock.
    pub(crate) fn keep(&self, number: u32, lock: BorrowedFd<'_>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let locks = [lock];
        rights.push(SendAncillaryMessage::ScmRights(&locks));
        self.say(KEEP, number, &mut rights)
    }

    /// Lets the watch give it up again.
    pub(crate) fn drop_lock(&self, number: u32) -> io::Result<()> {
        self.say(DROP, number, &mut SendAncillaryBuffer::default())
    }

    fn say(
        &self,
        kind: u8,
        number: u32,
        rights: &mut SendAncillaryBuffer<'_, '_, '_>,
    ) -> io::Result<()> {
        let mut message = [kind; LOCK_BYTES];
        message[1..].copy_from_slice(&number.to_ne_bytes());
        self.send(&message, rights)
    }

    /// Says what else is to be cleared away.
    fn note(&self, path: &Path) -> io::Result<()> {
        let path = path.as_os_str().as_bytes();
        if path.len() >= MESSAGE_BYTES_MAX {
            return Err(io::Error::other("its note has too long a path"));
        }
        let message = [&[NOTE], path].concat();
        self.send(&message, &mut SendAncillaryBuffer::default())
    }

    fn send(&self, message: &[u8], rights: &mut SendAncillaryBuffer<'_, '_, '_>) -> io::Result<()> {
        // A watch that does not read is none: nobody waits for it.
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.socket, &[IoSlice::new(message)], rights, flags)?;
        Ok(())
    }
}

/// Starts the watch of this worker: `command`, followed by this process's id. `note` says what
/// else is to be cleared away.
///
/// From a thread of its own that stays for as long as the watch does: the children of the main
/// thread are taken for orphans.
pub(crate) fn start(command: &[OsString], note: Option<&Path>) -> io::Result<Watched> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("the command is empty"))?;
    // Each message is read whole, with the lock that came with it.
    let (socket, far_end) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut watch = Command::new(program);
    watch
        .args(arguments)
        .arg(std::process::id().to_string())
        .stdin(Stdio::from(far_end))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Whoever kills the worker's group does not kill its watch.
        .process_group(0);
    let (tell, told) = sync_channel(1);
    std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || {
            let spawned = watch.spawn();
            // It has the far end as well.
            drop(watch);
            match spawned {
                Ok(mut child) => {
                    // The worker does not end before it is told.
                    let _ = tell.send(Ok(()));
                    let _ = child.wait();
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })?;
    let told = told.recv();
    told.unwrap_or_else(|_| Err(io::Error::other("its thread ended")))?;
    let watched = Watched { socket };
    if let Some(note) = note {
        watched.note(note)?;
    }
    Ok(watched)
}

/// What the watch's process does: waits until `input`, the connection from the worker with this
/// process id, is closed, kills what that worker left and clears away what it kept. Its locks are
/// free when this process ends.
pub fn watch_main(worker_pid: u32, input: impl AsFd) {
    let mut kept = Kept::default();
    while hear(&input, &mut kept) {}
    sweep_tagged(worker_pid);
    if let Some(note) = &kept.note {
        place::leave_after(note, worker_pid);
    }
}

/// What a watch was told.
#[derive(Default)]
struct Kept {
    locks: BTreeMap<[u8; 4], OwnedFd>,
    note: Option<PathBuf>,
}

/// Takes one message; false at the end of the connection, or when it breaks.
fn hear(input: impl AsFd, kept: &mut Kept) -> bool {
    let mut message = [0_u8; MESSAGE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let heard = recvmsg(
        &input,
        &mut [IoSliceMut::new(&mut message)],
        &mut rights,
        RecvFlags::CMSG_CLOEXEC,
    );
    let bytes = match heard {
        Ok(heard) => heard.bytes,
        Err(Errno::INTR) => return true,
        // A pipe, of who starts a watch by hand: its end is the news as well.
        Err(Errno::NOTSOCK) => {
            return matches!(
                rustix::io::read(&input, &mut message),
                Ok(1..) | Err(Errno::INTR)
            );
        }
        Err(_) => return false,
    };
    let came = rights.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    match (&message[..bytes], came) {
        (&[KEEP, a, b, c, d], Some(lock)) => drop(kept.locks.insert([a, b, c, d], lock)),
        (&[DROP, a, b, c, d], _) => drop(kept.locks.remove(&[a, b, c, d])),
        ([NOTE, path @ ..], _) => kept.note = Some(OsString::from_vec(path.to_vec()).into()),
        _ => {}
    }
    bytes > 0
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, flock};

    use super::*;

    #[test]
    fn a_lock_is_held_for_as_long_as_the_watch_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let open = || std::fs::File::create(&path).unwrap();
        let is_free = || flock(open(), FlockOperation::NonBlockingLockExclusive).is_ok();
        let flags = SocketFlags::CLOEXEC;
        let (socket, input) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let watched = Watched { socket };
        let mut kept = Kept::default();
        let lock = open();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        watched.keep(7, lock.as_fd()).unwrap();
        drop(lock);
        assert!(!is_free(), "it is on its way");
        assert!(hear(&input, &mut kept));
        assert!(!is_free() && kept.locks.len() == 1);
        watched.drop_lock(7).unwrap();
        assert!(hear(&input, &mut kept));
        assert!(is_free() && kept.locks.is_empty());
        watched.note(Path::new("/run/note")).unwrap();
        assert!(hear(&input, &mut kept));
        assert_eq!(kept.note.as_deref(), Some(Path::new("/run/note")));
        drop(watched);
        assert!(!hear(&input, &mut kept), "the worker is gone");
    }

    #[test]
    fn the_end_of_a_pipe_is_news_as_well() {
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        assert!(!hear(&reader, &mut Kept::default()));
    }
}
