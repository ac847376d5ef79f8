//! The door: what a launcher reaches of a worker that outlives its connections.
//!
//! It finds the worker of the hello's job and host, or starts one, passes the hello on, and from
//! then on only carries bytes. It knows no message but the first, starts no renderer, and ends
//! when either side closes. A worker of another fence or build is ended before a new one starts;
//! only who comes for the first time may do that, so that a connection of a life which was given
//! up cannot, however late it arrives.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::codec::Encoder;
use crate::detached::READY;
use crate::home;
use crate::identity::build_id;
use crate::kin::{self, tag, timespec};
use crate::link::Link;
use crate::message::{ControllerHello, FromWorker, ToWorker};
use crate::outbox::{Outbox, write_all};
use crate::place::{Place, PlaceError};
use crate::serve::{FAREWELL_MAX, Farewell, WorkerOptions};

/// How long another door may take to start or end this job's worker. Ending takes longest.
const LOCK_MAX: Duration = Duration::from_secs(30);
/// How long a worker may take to be ready for its door.
const READY_MAX: Duration = Duration::from_secs(20);
/// How long the last of what the worker said may take to be written.
const FLUSH_MAX: Duration = Duration::from_secs(2);
/// Bytes carried at once.
const CARRY_BYTES: usize = 64 << 10;

/// Serves a hello whose worker is to outlive this process.
pub(crate) fn serve(
    hello: &ControllerHello,
    link: Link,
    outbox: &Outbox,
    stdout: &Arc<OwnedFd>,
    options: &WorkerOptions,
) -> Farewell {
    let (stdin, rest) = link.into_rest();
    let reached = reach(hello, &stdin, options).and_then(|socket| {
        let mut first = Vec::new();
        Encoder::encode(&ToWorker::Hello(hello.clone()), &mut first)
            .map_err(|error| NoWay::Now(error.to_string()))?;
        write_all(&socket, &first)
            .map_err(|error| NoWay::Now(format!("its worker does not listen: {error}")))?;
        Ok(socket)
    });
    let socket = match reached {
        Ok(socket) => socket,
        Err(NoWay::Now(why)) => return Farewell::NotReached { why },
        Err(NoWay::Ever(why)) => {
            outbox.control(&FromWorker::Refused { why: why.clone() });
            outbox.close(Instant::now() + FAREWELL_MAX);
            return Farewell::Refused { why };
        }
    };
    // When the preamble is written; from then on the worker speaks.
    outbox.close(Instant::now() + options.hello_max);
    carry(&stdin, rest, socket, stdout);
    Farewell::DoorClosed
}

/// Why the worker is not reached.
enum NoWay {
    /// It may be, later.
    Now(String),
    /// It will not be.
    Ever(String),
}

impl From<PlaceError> for NoWay {
    fn from(error: PlaceError) -> Self {
        Self::Now(error.to_string())
    }
}

/// A connection to the worker that the hello means.
fn reach(
    hello: &ControllerHello,
    stdin: &OwnedFd,
    options: &WorkerOptions,
) -> Result<UnixStream, NoWay> {
    let place = Place::find(options.run_folder.as_deref(), &hello.job, &hello.host)?;
    let lock = place.lock(LOCK_MAX)?;
    let reached = find_or_start(&place, hello, stdin, options);
    if reached.is_err() && place.read_note().is_none() {
        place.close(lock);
    }
    reached
}

/// To be called with the lock.
fn find_or_start(
    place: &Place,
    hello: &ControllerHello,
    stdin: &OwnedFd,
    options: &WorkerOptions,
) -> Result<UnixStream, NoWay> {
    let note = place.read_note();
    let living = note.as_ref().filter(|note| note.lives());
    if let Some(living) = living
        && living.fence == hello.fence
        && living.build == build_id()
        && let Ok(socket) = UnixStream::connect(place.socket())
    {
        return Ok(socket);
    }
    if is_closed(stdin) {
        return Err(NoWay::Now("the controller is gone".to_owned()));
    }
    // Whoever comes back comes to the worker that it knew; nobody else's is ended for it.
    let comes_back = hello.received > 0;
    let over = || NoWay::Ever(format!("the worker of job {} is over", hello.job));
    if let Some(living) = living {
        if comes_back && living.fence != hello.fence {
            return Err(over());
        }
        if !living.end() {
            let pid = living.pid;
            let why = format!("the worker before, process {pid}, does not end");
            return Err(NoWay::Now(why));
        }
    }
    if note.is_some() || !comes_back {
        kin::sweep_host(&hello.job, &hello.host);
    }
    if let Some(note) = &note {
        place.clear_after(note);
    }
    if comes_back {
        return Err(over());
    }
    home::remove_leftovers(&hello.job, place.name());
    let Some(command) = options.detach.as_deref() else {
        let why = "this worker cannot outlive its connection: set grace to 0";
        return Err(NoWay::Ever(why.to_owned()));
    };
    start(command, hello).map_err(NoWay::Now)?;
    UnixStream::connect(place.socket())
        .map_err(|error| NoWay::Now(format!("its worker is gone: {error}")))
}

/// Starts the worker and waits until it listens.
fn start(command: &[OsString], hello: &ControllerHello) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("cannot start the worker: the command for it is empty".to_owned());
    };
    let mut first = Vec::new();
    Encoder::encode(&ToWorker::Hello(hello.clone()), &mut first)
        .map_err(|error| error.to_string())?;
    let failed = |error: io::Error| format!("cannot start the worker: {error}");
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir("/")
        // What its renderers carry as well, so that a sweep of the job finds all of it.
        .env(tag::JOB, &hello.job)
        .env(tag::HOST, &hello.host)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let outcome = introduce(&mut child, &first);
    if outcome.is_err() {
        // It may not even have begun; nothing of it may stay.
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome
}

fn introduce(child: &mut Child, hello: &[u8]) -> Result<(), String> {
    let gone = || "cannot start the worker: it ended at once".to_owned();
    let mut stdin = child.stdin.take().ok_or_else(gone)?;
    let stdout = child.stdout.take().ok_or_else(gone)?;
    stdin.write_all(hello).map_err(|_| gone())?;
    drop(stdin);
    let said = read_to_end(stdout, Instant::now() + READY_MAX)
        .ok_or_else(|| format!("the worker was not ready within {} s", READY_MAX.as_secs()))?;
    match said.strip_prefix(READY) {
        Some(_) => Ok(()),
        None if said.is_empty() => Err(gone()),
        None => Err(said),
    }
}

fn read_to_end(mut from: ChildStdout, until: Instant) -> Option<String> {
    const BYTES_MAX: usize = 16 << 10;
    let mut said = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match poll(
            &mut [PollFd::new(&from, PollFlags::IN)],
            Some(&timespec(left)),
        ) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(_) => continue,
        }
        match from.read(&mut piece) {
            Ok(0) | Err(_) => return Some(String::from_utf8_lossy(&said).into_owned()),
            Ok(read) if said.len() < BYTES_MAX => said.extend_from_slice(&piece[..read]),
            Ok(_) => {}
        }
    }
}

fn is_closed(stdin: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(stdin, PollFlags::IN | PollFlags::RDHUP)];
    let now = timespec(Duration::ZERO);
    poll(&mut fds, Some(&now)).is_ok()
        && fds[0]
            .revents()
            .intersects(PollFlags::HUP | PollFlags::RDHUP | PollFlags::ERR | PollFlags::NVAL)
}

/// Carries bytes both ways until either side closes.
fn carry(stdin: &OwnedFd, rest: Vec<u8>, socket: UnixStream, stdout: &Arc<OwnedFd>) {
    let socket = Arc::new(socket);
    let Ok(over) = carry_out(&socket, stdout) else {
        return;
    };
    carry_in(stdin, rest, &socket);
    // Closed by the worker: what it said last is still on its way. Closed by the controller:
    // nobody reads, so a write fails at once; where it hangs instead, the end of this process
    // ends it.
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let _ = over.recv_timeout(FLUSH_MAX);
}

/// The way out has a thread of its own: a cut net blocks its writes.
fn carry_out(socket: &Arc<UnixStream>, stdout: &Arc<OwnedFd>) -> io::Result<Receiver<()>> {
    let (tell, over) = sync_channel(1);
    let (socket, stdout) = (Arc::clone(socket), Arc::clone(stdout));
    std::thread::Builder::new()
        .name("out".to_owned())
        .spawn(move || {
            let mut buffer = vec![0; CARRY_BYTES];
            loop {
                match (&*socket).read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => {
                        if write_all(&*stdout, &buffer[..read]).is_err() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            // Wakes the other way.
            let _ = socket.shutdown(std::net::Shutdown::Both);
            let _ = tell.send(());
        })?;
    Ok(over)
}

fn carry_in(stdin: &OwnedFd, rest: Vec<u8>, socket: &UnixStream) {
    let mut waiting = rest;
    let mut start = 0;
    let mut buffer = vec![0; CARRY_BYTES];
    loop {
        let has_room = start == waiting.len();
        let (from, to) = if has_room {
            (PollFlags::IN, PollFlags::RDHUP)
        } else {
            (PollFlags::empty(), PollFlags::RDHUP | PollFlags::OUT)
        };
        let mut fds = [PollFd::new(stdin, from), PollFd::new(socket, to)];
        if poll(&mut fds, None).is_err() {
            continue;
        }
        let [controller, worker] = fds.map(|fd| fd.revents());
        if worker.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
            return;
        }
        if has_room && !controller.is_empty() {
            match rustix::io::read(stdin, &mut buffer) {
                Ok(0) => return,
                Ok(read) => {
                    waiting.clear();
                    waiting.extend_from_slice(&buffer[..read]);
                    start = 0;
                }
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(_) => return,
            }
        } else if !has_room && controller.intersects(PollFlags::HUP | PollFlags::ERR) {
            // Gone, with a worker that takes nothing: what it said would be repeated anyway.
            return;
        }
        match send(
            socket.as_fd(),
            &waiting[start..],
            SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
        ) {
            Ok(sent) => start += sent,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}
