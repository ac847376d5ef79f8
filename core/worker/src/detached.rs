//! A worker that outlives its connections.
//!
//! It is a session of its own, holds nothing of the launcher that its first door came through,
//! and listens on a socket (see `place`). The newest connection that says the right hello is the
//! controller; the one before may be half dead, so it is cut off. What the controller lacks is
//! repeated (see `tally`), so renderers and slots notice nothing of all that.
//!
//! Without a sign of its controller the worker goes on for the grace time, counted from when it
//! was last heard. A controller that is connected but silent for [`SILENT_BEATS_MAX`] heartbeats
//! is not connected. Then, or on bye, or a signal (another door's, which starts the next worker),
//! everything ends as with any worker, and scratch folder, socket and note go as well.
//!
//! The main thread blocks in its one `poll` only.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::callers::{Announced, Callers};
use crate::codec::Decoder;
use crate::home::{self, Scratch};
use crate::identity::build_id;
use crate::kin::{self, Kin, timespec};
use crate::link::{objection, watch_signals};
use crate::message::{ControllerHello, FromWorker, ToWorker};
use crate::outbox::{Outbox, write_all};
use crate::place::{Note, Place};
use crate::serve::{Farewell, Worker, WorkerError, WorkerOptions, setup};
use crate::tally::Receipts;
use crate::wake::Waker;

/// What the worker says to the door that started it, when it listens. Anything else is why not.
pub(crate) const READY: &str = "ready";
/// A controller that said nothing for this many heartbeats is not connected.
const SILENT_BEATS_MAX: u32 = 6;
/// How often the note is made to look new.
const TOUCH_EVERY: Duration = Duration::from_secs(3600);
/// Longest hello.
const HELLO_BYTES_MAX: u64 = 1 << 20;

/// Serves the controller whose hello stands in `stdin`, over whatever connections come, until it
/// says bye or is gone for longer than its grace. Says on `stdout` that it listens, or why it
/// does not, and closes both.
///
/// Takes the descriptors of [`crate::claim_stdio`]. To be called in a process of its own that a
/// door started (see [`WorkerOptions::detach`]).
///
/// # Errors
/// When the system refuses a folder, a socket, threads, descriptors or signal handlers.
pub fn detached_main(
    stdin: OwnedFd,
    stdout: OwnedFd,
    options: &WorkerOptions,
) -> Result<Farewell, WorkerError> {
    match Detached::start(stdin, options) {
        Ok(mut detached) => {
            // A door that is gone already has started us all the same.
            let _ = write_all(&stdout, READY.as_bytes());
            drop(stdout);
            let farewell = detached.serve();
            detached.end(options.polite_at_end);
            Ok(farewell)
        }
        Err(error) => {
            let mut why = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(deeper) = cause {
                let _ = write!(why, ": {deeper}");
                cause = deeper.source();
            }
            let _ = write_all(&stdout, format!("the worker {why}").as_bytes());
            Err(error)
        }
    }
}

struct Detached {
    hello: ControllerHello,
    home: Home,
    worker: Worker,
    outbox: Arc<Outbox>,
    listener: UnixListener,
    signals: UnixStream,
    alarm: Arc<Waker>,
    callers: Callers,
    controller: Option<Connection>,
    receipts: Receipts,
    /// When the controller last said anything.
    heard: Instant,
    next_touch: Instant,
    buffer: Vec<u8>,
}

/// The connection that the controller has now.
struct Connection {
    socket: Arc<UnixStream>,
    decoder: Decoder,
}

/// What the worker keeps in the file system, which goes with it.
#[derive(Clone)]
struct Home {
    place: Place,
    scratch: Scratch,
}

impl Home {
    fn leave(&self) {
        self.scratch.remove();
        self.place.leave();
    }
}

impl Detached {
    fn start(stdin: OwnedFd, options: &WorkerOptions) -> Result<Self, WorkerError> {
        rustix::process::setsid()
            .map_err(io::Error::from)
            .map_err(setup("leave the launcher's session"))?;
        let hello = read_hello(stdin).map_err(setup("read the hello of its door"))?;
        let place = Place::find(options.run_folder.as_deref(), &hello.job, &hello.host)
            .map_err(io::Error::other)
            .map_err(setup("find a place for its socket"))?;
        let mark = format!("{}-{:016x}", place.name(), hello.fence);
        let scratch = Scratch::of(&hello, &mark).map_err(setup("make its scratch folder"))?;
        let home = Home { place, scratch };
        let started = Self::settle(hello, home.clone(), options);
        if started.is_err() {
            home.leave();
        }
        started
    }

    fn settle(
        hello: ControllerHello,
        home: Home,
        options: &WorkerOptions,
    ) -> Result<Self, WorkerError> {
        let kin = Kin::new().map_err(setup("become the parent of orphans"))?;
        let signals = watch_signals().map_err(setup("watch for signals"))?;
        let alarm = Arc::new(Waker::new().map_err(setup("make an event counter"))?);
        let outbox = Arc::new(Outbox::lasting(Arc::clone(&alarm), options.stall_max));
        {
            let outbox = Arc::clone(&outbox);
            std::thread::Builder::new()
                .name("outbox".to_owned())
                .spawn(move || outbox.write_in_turn())
                .map_err(setup("start the writing thread"))?;
        }
        let listener = listen(&home.place.socket()).map_err(setup("listen on its socket"))?;
        let note = note(&hello, &home.scratch);
        home.place
            .write_note(&note)
            .map_err(io::Error::other)
            .map_err(setup("say where it lives"))?;
        let note = home.place.note();
        let root = &home.scratch.root;
        let worker = Worker::start(&hello, kin, &outbox, options, root, Some(&note))?;
        Ok(Self {
            hello,
            home,
            worker,
            outbox,
            listener,
            signals,
            alarm,
            callers: Callers::default(),
            controller: None,
            receipts: Receipts::default(),
            heard: Instant::now(),
            next_touch: Instant::now() + TOUCH_EVERY,
            buffer: vec![0; 64 << 10],
        })
    }

    fn serve(&mut self) -> Farewell {
        loop {
            let now = Instant::now();
            if self.worker.tick(now)
                && let Some(received) = self.receipts.at_beat()
            {
                self.outbox.ack(received);
            }
            if now >= self.next_touch {
                self.home.place.touch();
                self.next_touch = now + TOUCH_EVERY;
            }
            if now >= self.silent_at() {
                self.cut();
            }
            if now >= self.grace_end() {
                return Farewell::LeaseExpired;
            }
            if let Err(farewell) = self.listen() {
                return farewell;
            }
        }
    }

    fn silent_at(&self) -> Instant {
        let silence = self.worker.heartbeat().saturating_mul(SILENT_BEATS_MAX);
        self.heard + silence
    }

    /// When nobody counts on this worker any more, if nothing is heard until then.
    fn grace_end(&self) -> Instant {
        let end = self.heard + Duration::from_millis(self.hello.grace_ms);
        match self.controller {
            Some(_) => end.max(self.silent_at()),
            None => end,
        }
    }

    /// Waits for anybody, or for the next thing that is due.
    fn listen(&mut self) -> Result<(), Farewell> {
        const FIXED: usize = 3;
        let due = [Some(self.worker.next_tick()), self.callers.next_late()];
        let silent = self.controller.is_some().then(|| self.silent_at());
        let until = due
            .into_iter()
            .flatten()
            .chain(silent)
            .fold(self.grace_end(), Instant::min);
        let left = until.saturating_duration_since(Instant::now());
        let mut sources: Vec<BorrowedFd<'_>> = vec![
            self.signals.as_fd(),
            self.alarm.as_fd(),
            self.listener.as_fd(),
        ];
        sources.extend(
            self.controller
                .iter()
                .map(|controller| controller.socket.as_fd()),
        );
        sources.extend(self.callers.iter().map(AsFd::as_fd));
        let mut fds: Vec<PollFd<'_>> = sources
            .iter()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
            .collect();
        if poll(&mut fds, Some(&timespec(left))).is_err() {
            // Interrupted: the caller comes again.
            return Ok(());
        }
        let seen: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        if seen[0] {
            return Err(Farewell::Signalled);
        }
        if seen[1] && self.outbox.is_lost() {
            return Err(Farewell::ControllerGone);
        }
        let mut rest = &seen[FIXED..];
        if self.controller.is_some() {
            let (said, others) = (rest[0], &rest[1..]);
            rest = others;
            if said {
                self.read()?;
            }
        }
        let now = Instant::now();
        for announced in self.callers.hear(rest, now) {
            self.meet(announced)?;
        }
        if seen[2] {
            self.callers.admit(&self.listener, now);
        }
        Ok(())
    }

    /// Somebody has said hello.
    fn meet(&mut self, announced: Announced) -> Result<(), Farewell> {
        if let Some(why) = self.objection(&announced.hello) {
            announced.refuse(why);
            return Ok(());
        }
        let mut introduction = self.worker.introduction.clone();
        introduction.clock_ms = home::clock_ms();
        introduction.received = self.receipts.received();
        let socket = Arc::new(announced.socket);
        let hello = FromWorker::Hello(introduction);
        let received = announced.hello.received;
        let joined = self.outbox.join(Arc::clone(&socket), received, &hello);
        // `objection` has asked the same, and only this thread changes the answer downwards.
        if joined.is_err() {
            return Ok(());
        }
        self.heard = Instant::now();
        self.controller = Some(Connection {
            socket,
            decoder: announced.decoder,
        });
        self.take_messages()
    }

    fn objection(&self, hello: &ControllerHello) -> Option<String> {
        let ours = (
            &self.hello.job,
            &self.hello.host,
            self.hello.fence,
            self.hello.slots,
        );
        let theirs = (&hello.job, &hello.host, hello.fence, hello.slots);
        if let Some(why) = objection(hello) {
            return Some(why);
        }
        if ours != theirs {
            return Some("this is another worker than the one that is meant".to_owned());
        }
        let miscount = self.outbox.check(hello.received).err()?;
        Some(format!("this is not the worker that is meant: {miscount}"))
    }

    fn read(&mut self) -> Result<(), Farewell> {
        let Some(controller) = &mut self.controller else {
            return Ok(());
        };
        match (&*controller.socket).read(&mut self.buffer) {
            Ok(read @ 1..) => {
                self.heard = Instant::now();
                self.receipts.read(read);
                controller.decoder.push(&self.buffer[..read]);
                self.take_messages()
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Ok(_) | Err(_) => {
                self.cut();
                Ok(())
            }
        }
    }

    fn take_messages(&mut self) -> Result<(), Farewell> {
        while let Some(controller) = &mut self.controller {
            match controller.decoder.next::<ToWorker>() {
                Ok(None) => break,
                Ok(Some(ToWorker::Ack { received })) => {
                    if self.outbox.confirm(received).is_err() {
                        self.cut();
                    }
                }
                Ok(Some(message)) => {
                    if message.is_counted() {
                        self.receipts.count();
                    }
                    self.worker.handle(message)?;
                }
                // Bytes were lost or made up on the way: the rest of them is worth nothing, and
                // what was said is said again on the next connection.
                Err(_) => self.cut(),
            }
        }
        if let Some(received) = self.receipts.due() {
            self.outbox.ack(received);
        }
        Ok(())
    }

    fn cut(&mut self) {
        if self.controller.take().is_some() {
            self.outbox.cut();
        }
    }

    fn end(self, polite: Duration) {
        self.outbox.ack(self.receipts.received());
        self.outbox.hurry();
        self.worker.end(polite, || self.home.leave());
    }
}

fn read_hello(stdin: OwnedFd) -> io::Result<ControllerHello> {
    let mut bytes = Vec::new();
    fs::File::from(stdin)
        .take(HELLO_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    let mut decoder = Decoder::new();
    decoder.push(&bytes);
    let hello = match decoder.next() {
        Ok(Some(ToWorker::Hello(hello))) => hello,
        Ok(_) => return Err(io::Error::other("there is none")),
        Err(error) => return Err(io::Error::other(error)),
    };
    match objection(&hello) {
        Some(why) => Err(io::Error::other(why)),
        None => Ok(hello),
    }
}

/// The door holds the lock, so whatever has this name is nobody's any more.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn note(hello: &ControllerHello, scratch: &Scratch) -> Note {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    Note {
        pid: me,
        born: kin::born(me).unwrap_or(0),
        build: build_id().to_owned(),
        fence: hello.fence,
        scratch: scratch.is_own.then(|| PathBuf::from(&scratch.root)),
    }
}
