//! The worker's life: preamble, hello, messages, end.
//!
//! A hello with a grace time makes this process a mere door to a worker that outlives it (see
//! `door` and `detached`); what follows is then that worker's part.
//!
//! The main thread reads what the controller says and hands it on; it never blocks on anything
//! but its one `poll`, so heartbeats and the lease keep their time whatever renderers, file
//! servers and the way back to the controller do. It starts no process (see `kin`).
//!
//! However the worker ends (the controller says so, is gone, or a signal comes), it is the same
//! way: all slots end what they run, in parallel and within a bound; then every process that
//! still descends from this one is killed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::codec::preamble_line;
use crate::door;
use crate::errand::{Errand, Errands, Ground};
use crate::home::{self, Scratch};
use crate::identity::build_id;
use crate::kin::Kin;
use crate::launch::Launcher;
use crate::lease::{self, Leases};
use crate::link::{Heard, Link, watch_signals};
use crate::message::{ControllerHello, FromWorker, RunId, SlotId, ToWorker, WorkerHello};
use crate::outbox::Outbox;
use crate::slot::{Seat, Shop, Slot, SlotMessage};
use crate::vitals::Monitor;
use crate::wake::Waker;
use crate::watch::{self, Watched};

/// More slots than any machine has; a hello with more is refused.
pub const SLOTS_MAX: u32 = 4096;

/// Heartbeats come no faster than this, whatever the hello says.
const HEARTBEAT_MIN: Duration = Duration::from_millis(20);

/// How often orphans that have ended are looked for, at least.
const REAP_EVERY_MAX: Duration = Duration::from_secs(1);

/// How long the slots may take to end, beyond the polite time.
const END_MAX: Duration = Duration::from_secs(4);

/// How long the last messages may take to be written.
pub(crate) const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// What a worker can be told apart from its controller's hello.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// How long the controller may take to say hello.
    pub hello_max: Duration,
    /// How long processes may take to end by themselves when the worker ends.
    pub polite_at_end: Duration,
    /// How long a controller may take nothing before lines are dropped (and counted). Until then
    /// processes that print more than fits wait.
    pub stall_max: Duration,
    /// The command that becomes the process which ends what is left when this worker is killed:
    /// it gets the worker's process id as its last argument and calls [`crate::watch_main`].
    /// `None`: whoever finds the worker dead has to call [`crate::sweep_tagged`].
    pub watch: Option<Vec<OsString>>,
    /// The command that becomes a worker which outlives its connections: it calls
    /// [`crate::detached_main`]. `None`: a hello with a grace time is refused.
    pub detach: Option<Vec<OsString>>,
    /// The folder where doors find such a worker; `None`: one of the user's own in `/tmp`, or
    /// below the cache folder.
    pub run_folder: Option<PathBuf>,
    /// How long this job keeps a slot of the machine while another job has none.
    pub lease_turn: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            hello_max: Duration::from_secs(60),
            polite_at_end: Duration::from_millis(500),
            stall_max: Duration::from_secs(5),
            watch: None,
            detach: None,
            run_folder: None,
            lease_turn: lease::QUANTUM,
        }
    }
}

/// Why a worker ended. Everything it had started is gone then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The controller said bye.
    Bye,
    /// The controller's end of the link was closed.
    ControllerGone,
    /// Nothing came from the controller for its grace time.
    LeaseExpired,
    /// This process was a door to the worker, and the connection through it is closed.
    DoorClosed,
    /// A signal.
    Signalled,
    /// The hello was refused.
    Refused {
        /// Why.
        why: String,
    },
    /// This process was to be a door, and reached no worker; trying again may help.
    NotReached {
        /// Why.
        why: String,
    },
    /// What came from the controller is not the protocol.
    Garbled {
        /// What was wrong.
        why: String,
    },
}

impl fmt::Display for Farewell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bye => formatter.write_str("the controller said bye"),
            Self::ControllerGone => formatter.write_str("the controller is gone"),
            Self::LeaseExpired => formatter.write_str("nothing came from the controller for long"),
            Self::DoorClosed => formatter.write_str("the connection to the worker is closed"),
            Self::Signalled => formatter.write_str("a signal came"),
            Self::Refused { why } => write!(formatter, "the hello was refused: {why}"),
            Self::NotReached { why } => write!(formatter, "no worker was reached: {why}"),
            Self::Garbled { why } => write!(formatter, "the controller is not understood: {why}"),
        }
    }
}

/// Why a worker could not work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The system refused something that every worker needs.
    #[error("cannot {what}")]
    Setup {
        /// What was tried.
        what: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

pub(crate) fn setup(what: &'static str) -> impl FnOnce(io::Error) -> WorkerError {
    move |source| WorkerError::Setup { what, source }
}

/// Serves one controller until it is gone, and ends everything that was started for it.
///
/// Takes the descriptors of [`crate::claim_stdio`]. To be called in a process of its own, whose
/// main thread has started no other process. Blocks; returns within a few seconds of the
/// controller's end.
///
/// # Errors
/// When the system refuses threads, descriptors or signal handlers.
pub fn worker_main(
    stdin: OwnedFd,
    stdout: OwnedFd,
    options: &WorkerOptions,
) -> Result<Farewell, WorkerError> {
    let signals = watch_signals().map_err(setup("watch for signals"))?;
    let alarm = Arc::new(Waker::new().map_err(setup("make an event counter"))?);
    let outbox = Arc::new(Outbox::new(Arc::clone(&alarm)));
    let stdout = Arc::new(stdout);
    {
        let (outbox, stdout) = (Arc::clone(&outbox), Arc::clone(&stdout));
        std::thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || outbox.write_to(&stdout))
            .map_err(setup("start the writing thread"))?;
    }
    outbox.raw(&preamble_line(build_id()));
    let mut link = Link::new(stdin, signals, alarm, Arc::clone(&outbox));
    let hello = match link.await_hello(Instant::now() + options.hello_max) {
        Ok(hello) => hello,
        Err(farewell) => {
            outbox.close(Instant::now() + FAREWELL_MAX);
            return Ok(farewell);
        }
    };
    if hello.grace_ms > 0 {
        return Ok(door::serve(&hello, link, &outbox, &stdout, options));
    }
    let kin = Kin::new().map_err(setup("become the parent of orphans"))?;
    let scratch = Scratch::of(&hello, &std::process::id().to_string())
        .map_err(setup("make its scratch folder"))?;
    let mut worker = Worker::start(&hello, kin, &outbox, options, &scratch.root, None)?;
    let farewell = worker.serve(&mut link);
    worker.end(options.polite_at_end, || scratch.remove());
    Ok(farewell)
}

/// Slots and errands of a worker whose hello was accepted.
pub(crate) struct Worker {
    /// What it says of itself on each connection.
    pub(crate) introduction: WorkerHello,
    heartbeat: Duration,
    next_beat: Instant,
    next_reap: Instant,
    shop: Arc<Shop>,
    seats: Vec<Arc<Seat>>,
    errands: Errands,
    /// Gets one message from each slot that has ended.
    ended: Receiver<()>,
    _monitor: Option<Monitor>,
    _watched: Option<Arc<Watched>>,
}

impl Worker {
    /// `note`: what is to be cleared away with this worker when it is killed.
    pub(crate) fn start(
        hello: &ControllerHello,
        kin: Kin,
        outbox: &Arc<Outbox>,
        options: &WorkerOptions,
        scratch_root: &Path,
        note: Option<&Path>,
    ) -> Result<Self, WorkerError> {
        let watch = options.watch.as_deref();
        let watched = watch.map(|command| watch::start(command, note)).transpose();
        let watched = watched.map_err(setup("start its watch"))?.map(Arc::new);
        let start_leases = || Leases::start(hello, outbox, watched.clone(), options.lease_turn);
        let leases = hello.leased.then(start_leases).transpose();
        let leases = leases
            .map_err(setup("start the thread for leases"))?
            .map(Arc::new);
        let look = || Monitor::start(outbox, scratch_root);
        let monitor = hello.vitals.then(look).transpose();
        let monitor = monitor.map_err(setup("start the threads for vitals"))?;
        let own: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        let executable = std::env::current_exe().unwrap_or_default();
        let introduction = introduce(&executable, scratch_root);
        // A worker that outlives its connections says hello on each, when it comes.
        if hello.grace_ms == 0 {
            outbox.control(&FromWorker::Hello(introduction.clone()));
        }
        let errands = Errands::start(Ground {
            outbox: Arc::clone(outbox),
            own: own.clone(),
            executable,
            scratch_root: scratch_root.to_owned(),
        })
        .map_err(setup("start the threads for files"))?;
        let shop = Arc::new(Shop {
            outbox: Arc::clone(outbox),
            kin,
            launcher: Launcher::new(hello, own),
            leases,
            places: Mutex::default(),
            stall_max: options.stall_max,
        });
        let (tell_end, ended) = channel();
        let mut seats = Vec::new();
        for number in 0..hello.slots {
            let seat = Arc::new(Seat::new().map_err(setup("make an event counter"))?);
            let slot = Slot::new(SlotId(number), Arc::clone(&seat), Arc::clone(&shop));
            let tell_end = tell_end.clone();
            std::thread::Builder::new()
                .name(format!("slot-{number}"))
                .spawn(move || {
                    slot.work();
                    // Nobody listens any more when the end took too long.
                    let _ = tell_end.send(());
                })
                .map_err(setup("start a slot's thread"))?;
            seats.push(seat);
        }
        let heartbeat = Duration::from_millis(hello.heartbeat_ms).max(HEARTBEAT_MIN);
        Ok(Self {
            introduction,
            heartbeat,
            next_beat: Instant::now() + heartbeat,
            next_reap: Instant::now(),
            shop,
            seats,
            errands,
            ended,
            _monitor: monitor,
            _watched: watched,
        })
    }

    fn serve(&mut self, link: &mut Link) -> Farewell {
        loop {
            if let Err(farewell) = self.take_messages(link) {
                return farewell;
            }
            self.tick(Instant::now());
            match link.listen(self.next_tick()) {
                Heard::Something | Heard::Nothing => {}
                Heard::End(farewell) => return farewell,
            }
        }
    }

    /// Does what is due; true when a heartbeat was.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        let beats = now >= self.next_beat;
        if beats {
            self.shop.outbox.heartbeat();
            self.next_beat = now + self.heartbeat;
        }
        if now >= self.next_reap {
            self.shop.kin.reap_adopted();
            self.next_reap = now + REAP_EVERY_MAX;
        }
        beats
    }

    /// When something is due next.
    pub(crate) fn next_tick(&self) -> Instant {
        self.next_beat.min(self.next_reap)
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    fn take_messages(&self, link: &mut Link) -> Result<(), Farewell> {
        while let Some(message) = link.next()? {
            self.handle(message)?;
        }
        Ok(())
    }

    pub(crate) fn handle(&self, message: ToWorker) -> Result<(), Farewell> {
        match message {
            ToWorker::Hello(_) => Err(garbled("a second hello")),
            ToWorker::Bye => Err(Farewell::Bye),
            ToWorker::Ack { .. } => Ok(()),
            ToWorker::Lease { slot } => self.tell_slot(slot, SlotMessage::Lease),
            ToWorker::Release { slot } => self.tell_slot(slot, SlotMessage::Release),
            ToWorker::Ping { number } => {
                self.shop.outbox.control(&FromWorker::Pong { number });
                Ok(())
            }
            ToWorker::Run(order) => {
                let place = order.slot.0 as usize;
                let Some(seat) = self.seats.get(place) else {
                    return Err(garbled(&format!("a run for slot {place}")));
                };
                if self.shop.places().insert(order.run, place).is_some() {
                    return Err(garbled(&format!("a second run {}", order.run.0)));
                }
                seat.tell(SlotMessage::Run(Box::new(order)));
                Ok(())
            }
            ToWorker::Write { run, text } => self.tell(run, SlotMessage::Write { run, text }),
            ToWorker::CloseStdin { run } => self.tell(run, SlotMessage::CloseStdin { run }),
            ToWorker::Kill { run, polite_ms } => {
                let polite = Duration::from_millis(polite_ms.into());
                self.tell(run, SlotMessage::Kill { run, polite })
            }
            ToWorker::Verify {
                request,
                path,
                expect,
            } => self.ask(Errand::Verify {
                request,
                path,
                expect,
            }),
            ToWorker::Which { request, names } => self.ask(Errand::Which { request, names }),
            ToWorker::MakeDir { request, path } => self.ask(Errand::MakeDir { request, path }),
            ToWorker::Remove { path } => self.ask(Errand::Remove { path }),
        }
    }

    fn tell_slot(&self, slot: SlotId, message: SlotMessage) -> Result<(), Farewell> {
        let Some(seat) = self.seats.get(slot.0 as usize) else {
            return Err(garbled(&format!("a word for slot {}", slot.0)));
        };
        seat.tell(message);
        Ok(())
    }

    /// A run that has ended is told nothing: the message crossed its end on the way.
    fn tell(&self, run: RunId, message: SlotMessage) -> Result<(), Farewell> {
        let place = self.shop.places().get(&run).copied();
        if let Some(seat) = place.and_then(|place| self.seats.get(place)) {
            seat.tell(message);
        }
        Ok(())
    }

    fn ask(&self, errand: Errand) -> Result<(), Farewell> {
        if self.errands.ask(errand) {
            Ok(())
        } else {
            Err(garbled("more questions than can wait"))
        }
    }

    /// Ends everything, then does what is to be done when nothing of it lives, and says bye if
    /// anybody listens.
    pub(crate) fn end(self, polite: Duration, then: impl FnOnce()) {
        for seat in &self.seats {
            seat.tell(SlotMessage::End { polite });
        }
        let deadline = Instant::now() + polite + END_MAX;
        for _ in &self.seats {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ended.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.shop.kin.clear_all();
        then();
        self.shop.outbox.control(&FromWorker::Bye);
        self.shop.outbox.close(Instant::now() + FAREWELL_MAX);
    }
}

fn introduce(executable: &Path, scratch_root: &Path) -> WorkerHello {
    let system = rustix::system::sysinfo();
    WorkerHello {
        build: build_id().to_owned(),
        pid: std::process::id(),
        hostname: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        executable: executable.to_string_lossy().into_owned(),
        cores: std::thread::available_parallelism()
            .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
        memory_bytes: system.totalram * u64::from(system.mem_unit),
        user: home::user(),
        scratch_root: scratch_root.to_string_lossy().into_owned(),
        cache_root: home::cache_root()
            .map_or_else(String::new, |root| root.to_string_lossy().into_owned()),
        clock_ms: home::clock_ms(),
        received: 0,
    }
}

fn garbled(why: &str) -> Farewell {
    Farewell::Garbled {
        why: why.to_owned(),
    }
}
