//! The controller: one loop that turns everything that happens into events for the kernel, and
//! everything that the kernel wants into orders.
//!
//! All sources (links, adapter sessions, the journal's thread, the user, the alarm clock) meet in
//! one `select!`. Each item is handled by a plain synchronous function; then the kernel's actions
//! are carried out. Nothing in here waits for a renderer, an adapter or a disk, and nothing in
//! here decides: which task goes where, which attempt wins, what is tried again, is the kernel's.
//!
//! The order of things is the safety of finished frames: an event is in the journal before its
//! order leaves, and a picture is renamed into place only after the record that names it is on
//! disk (the store's thread does both, in groups).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framewright_kernel::event::{Action, Event as FarmEvent, GiveUpReason, Outcome};
use framewright_kernel::farm::Farm;
use framewright_kernel::ids::{HostId, SegmentId, SlotId, TaskId};
use framewright_kernel::time::Time;
use framewright_worker::message::RequestId;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::assembly::{Assembly, FromAssembly, remove_all_pieces};
use super::checks::{Check, Committing, Complete};
use super::hosts::Host;
use super::job::Job;
use super::needs::Delivery;
use super::remembered::Remembered;
use super::segment::Segment;
use super::session::{FromSession, SessionNumber};
use super::slots::Slot;
use super::transfer::Fetching;
use super::versions::Versioned;
use super::{RunEnd, RunError, Stop, Surroundings, open_files};
use crate::control::{self, Asked, Control};
use crate::event::{Event, JobEnd, Stamped};
use crate::freight::{FetchToken, FromFreight, Package, PackageError};
use crate::link::{FromLink, Link};
use crate::store::JobState;
use crate::store::journal::{Done, JournalWriter, Seq, Token};

/// Items of one source handled before the kernel is asked again what it wants.
const BATCH_MAX: usize = 256;
/// Words from links that may wait for the loop.
const LINK_NEWS_MAX: usize = 4096;
/// Words from those who carry files that may wait for the loop.
const FREIGHT_NEWS_MAX: usize = 1024;
/// Answers of adapters that may wait for the loop.
const SESSION_NEWS_MAX: usize = 1024;
/// How long the journal may take for what it was given, at the end.
const COMMITS_MAX: Duration = Duration::from_secs(30);
/// How long threads that put pictures together may take to notice that nobody wants them.
const ASSEMBLY_MAX: Duration = Duration::from_secs(5);
/// Warnings shown for one job; the rest is only counted.
const WARNINGS_MAX: u32 = 50;

/// What a controller starts from.
pub(super) struct Opened {
    pub farm: Farm,
    pub journal: JournalWriter,
    pub done: mpsc::UnboundedReceiver<Done>,
    pub state: JobState,
    /// Seconds until the end, as planned.
    pub predicted_makespan_s: Option<f64>,
}

/// Everything the loop owns.
pub(super) struct Controller<'a> {
    pub(super) around: &'a Surroundings,
    pub(super) job: &'a Job,
    pub(super) farm: Farm,
    pub(super) journal: JournalWriter,
    pub(super) state: JobState,
    sink: &'a mut dyn FnMut(&Stamped),
    pub(super) started: Instant,
    pub(super) hosts: Vec<Host>,
    pub(super) slots: Vec<Slot>,
    pub(super) segments: BTreeMap<SegmentId, Segment>,
    pub(super) sessions: BTreeMap<SessionNumber, SlotId>,
    pub(super) checks: BTreeMap<RequestId, Check>,
    pub(super) complete: BTreeMap<(SegmentId, TaskId), Complete>,
    pub(super) commits: BTreeMap<Token, Committing>,
    /// Winning pictures on their way here, by number.
    pub(super) fetches: BTreeMap<FetchToken, Fetching>,
    /// What staged hosts are given.
    pub(super) package: Option<Arc<Package>>,
    /// Hosts that joined and wait for it to be made.
    pub(super) unpackaged: Vec<HostId>,
    /// Size of the largest picture so far.
    pub(super) largest_picture: u64,
    /// Leases were given back because nothing was left to do.
    pub(super) unwanted: bool,
    /// Links of hosts that were let go, until they have ended.
    pub(super) leaving: Vec<(HostId, Box<Link>)>,
    /// Tells this controller's workers from those of earlier ones; each life of a host adds one.
    pub(super) fence: u64,
    /// Commits without a file: theirs are done when their record is on disk.
    pub(super) unsynced: VecDeque<(Seq, Token)>,
    /// Channels of the first picture of each layer.
    pub(super) channels: BTreeMap<usize, Vec<String>>,
    pub(super) numbers: Numbers,
    pub(super) doors: Doors,
    /// What is put together of committed pictures.
    pub(super) assembly: Assembly,
    /// The first segment of this controller; smaller numbers are earlier controllers'.
    pub(super) first_segment: u64,
    predicted_makespan_s: Option<f64>,
    /// How often each host loaded for earlier controllers, and how many seconds that took.
    pub(super) loads_before: BTreeMap<String, (u32, f64)>,
    /// Tasks that were the first after a load.
    pub(super) first_tasks: BTreeSet<(SegmentId, TaskId)>,
    warnings: u32,
    finished: Option<Outcome>,
    stopping: bool,
    stop_now: bool,
    adapter_faults: Vec<String>,
    disk_full: Option<String>,
    broken: Option<RunError>,
}

/// Counters of things that need a number for the life of the controller.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    pub request: u64,
    pub session: u32,
    pub commit: u64,
    pub fetch: u64,
}

impl Numbers {
    pub(super) fn request(&mut self) -> RequestId {
        self.request += 1;
        RequestId(self.request)
    }

    pub(super) fn session(&mut self) -> SessionNumber {
        self.session += 1;
        SessionNumber(self.session)
    }

    pub(super) fn fetch(&mut self) -> FetchToken {
        self.fetch += 1;
        FetchToken(self.fetch)
    }

    pub(super) fn commit(&mut self) -> Token {
        self.commit += 1;
        Token(self.commit)
    }
}

/// Where the loop's sources put what they have.
#[derive(Debug)]
pub(super) struct Doors {
    pub links: mpsc::Sender<FromLink>,
    pub sessions: mpsc::Sender<FromSession>,
    pub reconnects: mpsc::UnboundedSender<HostId>,
    pub freight: mpsc::Sender<FromFreight>,
    pub packages: mpsc::UnboundedSender<Result<Package, PackageError>>,
    pub needs: mpsc::UnboundedSender<(Delivery, Result<Package, PackageError>)>,
    pub assembly: mpsc::UnboundedSender<FromAssembly>,
    pub versions: mpsc::UnboundedSender<Versioned>,
}

/// The other ends.
struct Sources {
    links: mpsc::Receiver<FromLink>,
    sessions: mpsc::Receiver<FromSession>,
    reconnects: mpsc::UnboundedReceiver<HostId>,
    freight: mpsc::Receiver<FromFreight>,
    packages: mpsc::UnboundedReceiver<Result<Package, PackageError>>,
    needs: mpsc::UnboundedReceiver<(Delivery, Result<Package, PackageError>)>,
    assembly: mpsc::UnboundedReceiver<FromAssembly>,
    versions: mpsc::UnboundedReceiver<Versioned>,
    store: mpsc::UnboundedReceiver<Done>,
    stops: mpsc::UnboundedReceiver<Stop>,
    asked: mpsc::Receiver<Asked>,
}

/// One thing that happened.
enum Happened {
    Link(FromLink),
    Session(FromSession),
    Reconnect(HostId),
    Freight(FromFreight),
    Packaged(Result<Package, PackageError>),
    Needs(Delivery, Result<Package, PackageError>),
    Assembly(FromAssembly),
    Version(Versioned),
    Store(Done),
    Stop(Stop),
    Asked(Asked),
    Alarm,
}

impl<'a> Controller<'a> {
    /// Runs the job to its end, or to where the user stops it.
    pub(super) async fn run(
        around: &'a Surroundings,
        job: &'a Job,
        opened: Opened,
        stops: mpsc::UnboundedReceiver<Stop>,
        sink: &'a mut dyn FnMut(&Stamped),
    ) -> Result<RunEnd, RunError> {
        let (links, from_links) = mpsc::channel(LINK_NEWS_MAX);
        let (sessions, from_sessions) = mpsc::channel(SESSION_NEWS_MAX);
        let (reconnects, from_reconnects) = mpsc::unbounded_channel();
        let (freight, from_freight) = mpsc::channel(FREIGHT_NEWS_MAX);
        let (packages, from_packages) = mpsc::unbounded_channel();
        let (needs, from_needs) = mpsc::unbounded_channel();
        let (assembly, from_assembly) = mpsc::unbounded_channel();
        let (versions, from_versions) = mpsc::unbounded_channel();
        let (door, asked) = mpsc::channel(control::WAITING_MAX);
        let Opened {
            farm,
            journal,
            done,
            state,
            predicted_makespan_s,
        } = opened;
        let first_segment = state.segment_next();
        let hosts = state.hosts().iter();
        let loads_before = hosts
            .map(|(name, host)| (name.clone(), (host.loads, host.load_s)))
            .collect();
        let mut controller = Self {
            around,
            job,
            farm,
            journal,
            sink,
            started: Instant::now(),
            hosts: Host::all(&job.request().hosts),
            slots: Slot::all(&job.request().hosts),
            segments: BTreeMap::new(),
            sessions: BTreeMap::new(),
            checks: BTreeMap::new(),
            complete: BTreeMap::new(),
            commits: BTreeMap::new(),
            fetches: BTreeMap::new(),
            package: job.package.clone(),
            unpackaged: Vec::new(),
            largest_picture: 0,
            unwanted: false,
            leaving: Vec::new(),
            fence: new_fence(),
            unsynced: VecDeque::new(),
            channels: BTreeMap::new(),
            numbers: Numbers::default(),
            doors: Doors {
                links,
                sessions,
                reconnects,
                freight,
                packages,
                needs,
                assembly,
                versions,
            },
            assembly: Assembly::new(job, &state),
            state,
            first_segment,
            predicted_makespan_s,
            loads_before,
            first_tasks: BTreeSet::new(),
            warnings: 0,
            finished: None,
            stopping: false,
            stop_now: false,
            adapter_faults: Vec::new(),
            disk_full: None,
            broken: None,
        };
        let sources = Sources {
            links: from_links,
            sessions: from_sessions,
            reconnects: from_reconnects,
            freight: from_freight,
            packages: from_packages,
            needs: from_needs,
            assembly: from_assembly,
            versions: from_versions,
            store: done,
            stops,
            asked,
        };
        controller.begin();
        let limits = control::Limits::default();
        let control = match Control::open(job.folder.path(), limits, door) {
            Ok(control) => Some(control),
            Err(error) => {
                controller.warn(error.to_string());
                None
            }
        };
        let sources = controller.work(sources).await;
        // From here on the journal tells more than we could.
        drop(control);
        controller.end(sources).await
    }

    fn begin(&mut self) {
        let skipped = self.job.already_done;
        let remembered = self.job.prepared.remembered.as_ref();
        let (pictures, pictures_skipped) = self.assembly.at_start();
        self.emit(Event::JobStarted {
            job: self.job.id().to_owned(),
            tasks: self.job.tasks().len(),
            skipped,
            slots: u32::try_from(self.slots.len()).unwrap_or(u32::MAX),
            pid: std::process::id(),
            predicted_makespan_s: self.predicted_makespan_s,
            history: remembered.map(Remembered::costs_from),
            pictures,
            pictures_skipped,
        });
        for text in self.job.warnings.clone() {
            self.warn(text);
        }
        self.make_room_for_files();
        for host in 0..self.hosts.len() {
            self.open_host(HostId(
                u32::try_from(host).expect("hosts are counted in u32"),
            ));
        }
    }

    pub(super) fn make_room_for_files(&mut self) {
        if let Err(why) = open_files::make_room(self.hosts.len(), self.slots.len()) {
            self.warn(why);
        }
    }

    async fn work(&mut self, mut sources: Sources) -> Sources {
        loop {
            // Before the kernel is asked, which ends the job when it knows of nothing more.
            self.assemble();
            self.act();
            self.begin_reels();
            self.want_again();
            self.flush_logs();
            if self.is_over() {
                return sources;
            }
            let alarm = self.farm.next_alarm().map(|at| self.instant_of(at));
            let first = tokio::select! {
                biased;
                Some(stop) = sources.stops.recv() => Happened::Stop(stop),
                // Questions are few, and bounded by their door: they cannot crowd out the rest.
                Some(asked) = sources.asked.recv() => Happened::Asked(asked),
                Some(done) = sources.store.recv() => Happened::Store(done),
                Some(from) = sources.sessions.recv() => Happened::Session(from),
                Some(from) = sources.links.recv() => Happened::Link(from),
                Some(from) = sources.freight.recv() => Happened::Freight(from),
                Some(host) = sources.reconnects.recv() => Happened::Reconnect(host),
                Some(package) = sources.packages.recv() => Happened::Packaged(package),
                Some((delivery, package)) = sources.needs.recv() => Happened::Needs(delivery, package),
                Some(from) = sources.assembly.recv() => Happened::Assembly(from),
                Some(versioned) = sources.versions.recv() => Happened::Version(versioned),
                () = wait_for(alarm), if alarm.is_some() => Happened::Alarm,
            };
            self.handle(first);
            // What else is here already is handled before the kernel is asked: one question for
            // many answers is what keeps short tasks cheap.
            for _ in 0..BATCH_MAX {
                if let Ok(done) = sources.store.try_recv() {
                    self.handle(Happened::Store(done));
                } else if let Ok(from) = sources.sessions.try_recv() {
                    self.handle(Happened::Session(from));
                } else if let Ok(from) = sources.links.try_recv() {
                    self.handle(Happened::Link(from));
                } else if let Ok(from) = sources.freight.try_recv() {
                    self.handle(Happened::Freight(from));
                } else {
                    break;
                }
            }
        }
    }

    fn handle(&mut self, happened: Happened) {
        match happened {
            Happened::Link(from) => self.on_link(from),
            Happened::Session(from) => self.on_session(from),
            Happened::Reconnect(host) => self.open_host(host),
            Happened::Freight(from) => self.on_freight(from),
            Happened::Packaged(package) => self.on_packaged(package),
            Happened::Needs(delivery, package) => self.on_needs(delivery, package),
            Happened::Assembly(from) => self.on_assembly(from),
            Happened::Version(versioned) => self.on_version(versioned),
            Happened::Store(done) => self.on_store(done),
            Happened::Stop(stop) => self.on_stop(stop),
            Happened::Asked(asked) => self.on_asked(asked),
            Happened::Alarm => self.tell(&FarmEvent::Tick),
        }
    }

    fn is_over(&self) -> bool {
        if self.stop_now || self.broken.is_some() || self.disk_full.is_some() {
            return true;
        }
        // The last looks at every picture, so it is asked last.
        let is_put_together = || match self.stopping {
            true => self.assembly.rests(),
            false => self.assembly.is_settled(),
        };
        self.finished.is_some()
            && self.commits.is_empty()
            && self.fetches.is_empty()
            && is_put_together()
    }

    /// How the kernel is done with the tasks, if it is.
    pub(super) fn finished(&self) -> Option<Outcome> {
        self.finished
    }

    /// The kernel is given more to do.
    pub(super) fn not_finished(&mut self) {
        self.finished = None;
    }

    fn act(&mut self) {
        // Carrying out an action can make the kernel want more, for instance when a slot has no
        // worker any more: until it wants nothing.
        loop {
            let actions = self.farm.drain();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.carry_out(action);
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send {
                segment,
                slot,
                leases,
                reason,
            } => self.send_segment(segment, slot, &leases, reason),
            Action::Cut { segment, keep } => self.cut_segment(segment, keep),
            Action::Stop { segment, reason } => self.stop_segment(segment, reason),
            Action::Commit { segment, task } => self.commit(segment, task),
            Action::Discard { segment, task } => self.discard(segment, task),
            Action::GiveUp { task: id, reason } => {
                let task = self.job.task_name(id);
                let why = match reason {
                    GiveUpReason::Need { need } => {
                        format!(
                            "it stands on {}, which was given up",
                            self.job.task_name(need)
                        )
                    }
                    // How many attempts failed is counted wherever this is told.
                    GiveUpReason::Failed { .. } => self
                        .last_failure(&task)
                        .unwrap_or_else(|| reason.to_string()),
                    GiveUpReason::NoHostMemory
                    | GiveUpReason::NoHostTags
                    | GiveUpReason::HostsGone => reason.to_string(),
                };
                self.emit(Event::TaskGivenUp { task, why });
                self.piece_is_given_up(id);
            }
            Action::Finished { outcome } => self.finished = Some(outcome),
        }
    }

    /// What the last failed attempt of a task died of.
    fn last_failure(&self, task: &str) -> Option<String> {
        let state = self.state.tasks().get(task)?;
        let failure = state.last_failure.as_ref()?;
        (!failure.why.is_empty()).then(|| failure.why.clone())
    }

    fn on_stop(&mut self, stop: Stop) {
        self.assembly.stop();
        match stop {
            Stop::Finish if !self.stopping => {
                self.stopping = true;
                self.emit(Event::Stopping);
                self.tell(&FarmEvent::Drain);
            }
            Stop::Finish | Stop::Now => {
                self.stopping = true;
                self.stop_now = true;
            }
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping || self.finished.is_some() || self.broken.is_some()
    }

    /// Tells the kernel.
    pub(super) fn tell(&mut self, event: &FarmEvent) {
        let now = self.now();
        self.farm.handle(now, event);
    }

    pub(super) fn now(&self) -> Time {
        Time::from_secs_f64(self.started.elapsed().as_secs_f64())
    }

    fn instant_of(&self, at: Time) -> Instant {
        self.started + Duration::from_secs_f64(at.as_secs_f64())
    }

    /// Lets an event happen: into the journal, into the state, to the readers.
    pub(super) fn emit(&mut self, event: Event) {
        let stamped = Stamped {
            time: Timestamp::now(),
            event,
        };
        if stamped.event.is_journalled()
            && let Err(error) = self.journal.append(stamped.clone())
        {
            self.give_up_job(RunError::Journal {
                why: error.to_string(),
            });
        }
        self.publish(&stamped);
    }

    /// Shows an event that is in the journal already.
    pub(super) fn publish(&mut self, stamped: &Stamped) {
        self.state.apply(stamped);
        (self.sink)(stamped);
    }

    /// Says something that people should know; a flood of it is cut off.
    pub(super) fn warn(&mut self, text: String) {
        self.warnings += 1;
        if self.warnings <= WARNINGS_MAX {
            self.emit(Event::Warning { text });
        } else if self.warnings == WARNINGS_MAX + 1 {
            self.emit(Event::Warning {
                text: "further warnings are not shown".to_owned(),
            });
        }
    }

    /// Remembers that an adapter broke its contract, which decides the exit code if the job fails.
    pub(super) fn adapter_fault(&mut self, why: String) {
        self.note_adapter_fault(&why);
        self.warn(why);
    }

    /// The same where the sentence is told by the attempts that it cost.
    pub(super) fn note_adapter_fault(&mut self, why: &str) {
        if self.adapter_faults.len() < 20 && !self.adapter_faults.iter().any(|known| known == why) {
            self.adapter_faults.push(why.to_owned());
        }
    }

    /// Ends the job here and now, for a reason that no retry can mend.
    pub(super) fn give_up_job(&mut self, error: RunError) {
        if self.broken.is_none() {
            self.broken = Some(error);
        }
    }

    /// The output disk is full: what is rendered could not be kept, so nothing more is.
    pub(super) fn on_disk_full(&mut self) {
        if self.disk_full.is_some() {
            return;
        }
        let folder = self.job.scratch.parent().and_then(Path::parent);
        let folder = folder.unwrap_or(&self.job.scratch).display();
        let why = format!("the disk of {folder} is full: make room, then resume the job");
        self.disk_full = Some(why.clone());
        self.warn(why);
    }

    async fn end(mut self, mut sources: Sources) -> Result<RunEnd, RunError> {
        self.assembly.stop();
        self.close_all(&mut sources.links).await;
        // What threads made after they were told to end is not recorded any more.
        let deadline = tokio::time::Instant::now() + ASSEMBLY_MAX;
        while self.assembly.is_running() {
            match tokio::time::timeout_at(deadline, sources.assembly.recv()).await {
                Ok(Some(_)) => self.assembly.one_ended(),
                Ok(None) | Err(_) => break,
            }
        }
        // Pictures whose record is given are moved even now; their outcomes are taken in.
        let deadline = tokio::time::Instant::now() + COMMITS_MAX;
        while !(self.commits.is_empty() && self.assembly.has_recorded_all()) {
            match tokio::time::timeout_at(deadline, sources.store.recv()).await {
                Ok(Some(done)) => self.on_store(done),
                Ok(None) | Err(_) => break,
            }
        }
        let counts = self.state.counts();
        let state = if counts.done == counts.total && self.assembly.is_done() {
            JobEnd::Done
        } else if matches!(self.finished, Some(Outcome::Done | Outcome::Failed))
            && self.assembly.is_settled()
        {
            JobEnd::Failed
        } else {
            JobEnd::Interrupted
        };
        let lower_bound_s = self.measured_bound();
        let speeds = self.speeds();
        let hosts = self.hosts.iter();
        let speeds_declared = hosts
            .map(|host| (host.name.clone(), host.entry.speed))
            .collect();
        let makespan_s = self.started.elapsed().as_secs_f64();
        self.leave_history();
        self.emit(Event::JobEnded {
            state,
            done: counts.done,
            failed: counts.failed,
            makespan_s,
            lower_bound_s,
        });
        if state != JobEnd::Interrupted {
            self.job.remove_scratch();
        }
        if state == JobEnd::Done {
            remove_all_pieces(self.job);
        }
        let outputs = self.outputs();
        let Self {
            job,
            journal,
            state: job_state,
            adapter_faults,
            disk_full,
            broken,
            ..
        } = self;
        journal.close().map_err(|error| RunError::Journal {
            why: error.to_string(),
        })?;
        if let Some(error) = broken {
            return Err(error);
        }
        Ok(RunEnd {
            job: job.id().to_owned(),
            state,
            job_state,
            outputs,
            speeds,
            speeds_declared,
            adapter_faults,
            disk_full,
        })
    }
}

/// A number that no earlier controller of any job is likely to have used: two of one job never run
/// at once, so the clock tells them apart.
fn new_fence() -> u64 {
    let nanos = Timestamp::now().as_nanosecond();
    u64::try_from(nanos).unwrap_or(1)
}

async fn wait_for(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
