//! The watch: a small process that outlives a worker which is killed.
//!
//! A worker that ends in any other way ends everything that it started. After SIGKILL it cannot,
//! and its controller, who could, may be on another machine or dead as well. So each worker holds
//! one end of a pipe whose other end a watch reads: when the pipe closes, the worker is gone, and
//! the watch kills whatever carries that worker's tag. It does nothing else, and a worker that
//! ends orderly ends its watch too.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::sync_channel;

use crate::kin::sweep_tagged;

/// The worker's end. While it is held, the watch waits.
#[derive(Debug)]
pub(crate) struct Watched {
    _pipe: ChildStdin,
}

/// Starts the watch of this worker: `command`, followed by this process's id.
///
/// From a thread of its own that stays for as long as the watch does: the children of the main
/// thread are taken for orphans.
pub(crate) fn start(command: &[OsString]) -> io::Result<Watched> {
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
                    let _ = tell.send(Ok(Watched { _pipe: pipe }));
                    let _ = child.wait();
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        })?;
    told.recv()
        .unwrap_or_else(|_| Err(io::Error::other("its thread ended")))
}

/// What the watch's process does: waits until `input`, the pipe from the worker with this process
/// id, is closed, and kills what that worker left.
pub fn watch_main(worker_pid: u32, mut input: impl io::Read) {
    let mut nothing = [0; 64];
    // Nothing is ever said: the end of the pipe, or its breaking, is the news.
    while matches!(input.read(&mut nothing), Ok(1..)) {}
    sweep_tagged(worker_pid);
}
