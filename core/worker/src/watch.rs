//! The watch: a small process that outlives a worker which is killed.
//!
//! A worker that ends in any other way ends everything that it started. After SIGKILL it cannot,
//! and its controller, who could, may be on another machine or dead as well. So each worker holds
//! one end of a pipe whose other end a watch reads: when the pipe closes, the worker is gone, and
//! the watch kills whatever carries that worker's tag, and clears away what a worker that outlives
//! its connections keeps in the file system (see `place`). It does nothing else, and a worker that
//! ends orderly ends its watch too.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::sync_channel;

use crate::kin::sweep_tagged;
use crate::place;

/// Longest path of a note.
const NOTE_BYTES_MAX: usize = 4096;

/// The worker's end. While it is held, the watch waits.
#[derive(Debug)]
pub(crate) struct Watched {
    pipe: ChildStdin,
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
    let mut watch = Command::new(program);
    watch
        .args(arguments)
        .arg(std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Whoever kills the worker's group does not kill its watch.
        .process_group(0);
    let (tell, told) = sync_channel(1);
    std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || {
            let spawned = watch.spawn().and_then(|mut child| {
                let pipe = child.stdin.take();
                let pipe = pipe.ok_or_else(|| io::Error::other("there is no pipe"))?;
                Ok((child, pipe))
            });
            match spawned {
                Ok((mut child, pipe)) => {
                    // The worker does not end before it is told.
                    let _ = tell.send(Ok(Watched { pipe }));
                    let _ = child.wait();
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })?;
    let mut watched: Watched = told
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("its thread ended")))?;
    if let Some(note) = note {
        // It fits into the pipe, so nobody is waited for.
        watched.pipe.write_all(note.as_os_str().as_bytes())?;
    }
    Ok(watched)
}

/// What the watch's process does: waits until `input`, the pipe from the worker with this process
/// id, is closed, and kills what that worker left. What came through the pipe is the path of the
/// worker's note, if it has one.
pub fn watch_main(worker_pid: u32, mut input: impl io::Read) {
    let mut note = Vec::new();
    let mut piece = [0; 512];
    // The end of the pipe, or its breaking, is the news.
    while let Ok(read @ 1..) = input.read(&mut piece) {
        if note.len() < NOTE_BYTES_MAX {
            note.extend_from_slice(&piece[..read]);
        }
    }
    sweep_tagged(worker_pid);
    if !note.is_empty() {
        place::leave_after(&PathBuf::from(OsString::from_vec(note)), worker_pid);
    }
}
