//! Hosts as the controller knows them: opening their links, losing them, finding them again.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use framewright_kernel::event::Event as FarmEvent;
use framewright_kernel::hosts::Bytes;
use framewright_kernel::ids::{HostId, SlotId};
use framewright_worker::message::{FromWorker, RequestId, ToWorker};
use tokio::sync::mpsc;
use tokio::time::{Instant as Deadline, sleep, timeout_at};

use super::activity::{not_there, program_names};
use super::closed::{self, Closed};
use super::controller::Controller;
use super::ground::Ground;
use super::needs::Delivered;
use super::paths::PathMap;
use super::{RunError, link_spec};
use crate::event::Event;
use crate::freight::Freight;
use crate::link::{self, FromLink, Link, LinkError, LinkLife, LinkNews};
use crate::request::{HostEntry, LinkKind, Storage};

/// Pause before a lost worker is started again; doubled each time, up to [`RECONNECT_PAUSE_MAX`].
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Attempts in a row without one finished task after which a host is given up: one on this machine,
/// which nothing but the worker itself can keep from working, or the last one that there is. Others
/// are tried for as long as the job has anything to do.
const RECONNECTS_MAX: u32 = 6;
/// How long workers may take to end what they have and say so: also one whose connection is found to
/// be dead only now, and which has to be found again for it.
const CLOSE_MAX: Duration = Duration::from_secs(25);

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    pub name: String,
    pub entry: HostEntry,
    pub first_slot: SlotId,
    pub slots: u32,
    pub life: LinkLife,
    pub state: HostState,
    /// Times in a row that its worker was lost without a task done in between.
    pub losses: u32,
    /// Where the job's things are there, once it has them.
    pub ground: Option<Ground>,
    /// Why it takes nothing new; empty where it does.
    pub closed: BTreeMap<Closed, String>,
    /// Since when its connection is lost while its worker is believed to go on.
    pub silent_since: Option<Instant>,
    /// When it was last heard again after a silence.
    pub heard_again: Option<Instant>,
    /// What carries files to and from it.
    pub freight: Option<Freight>,
    /// What it was given beside the scene.
    pub delivered: Delivered,
    /// Why it was lost or not reached, as people were told last; they are not told again of a host
    /// that has not answered since.
    pub told: Option<String>,
    /// Whether people were told that its clock is off.
    pub clock_told: bool,
}

/// How things stand with a host.
#[derive(Debug)]
pub(super) enum HostState {
    /// No link now; another attempt may be on its way.
    Down,
    /// The worker answered; the renderer is being looked for.
    Looking { link: Box<Link>, request: RequestId },
    /// The scene and what it needs are on their way.
    Staging { link: Box<Link>, program: String },
    /// Ready for work.
    Up { link: Box<Link>, program: String },
    /// Not used any more.
    GivenUp,
}

impl Host {
    pub(super) fn all(entries: &[HostEntry]) -> Vec<Self> {
        let mut next = 0;
        let mut hosts = Vec::with_capacity(entries.len());
        for entry in entries {
            hosts.push(Self::new(entry.clone(), SlotId(next)));
            next += entry.slots;
        }
        hosts
    }

    pub(super) fn new(entry: HostEntry, first_slot: SlotId) -> Self {
        Self {
            name: entry.name.clone(),
            first_slot,
            slots: entry.slots,
            life: LinkLife(0),
            state: HostState::Down,
            losses: 0,
            ground: None,
            closed: closed::at_first(&entry),
            silent_since: None,
            heard_again: None,
            freight: None,
            delivered: Delivered::default(),
            told: None,
            clock_told: false,
            entry,
        }
    }

    pub(super) fn link(&self) -> Option<&Link> {
        match &self.state {
            HostState::Looking { link, .. }
            | HostState::Staging { link, .. }
            | HostState::Up { link, .. } => Some(link),
            HostState::Down | HostState::GivenUp => None,
        }
    }

    pub(super) fn program(&self) -> Option<&str> {
        match &self.state {
            HostState::Up { program, .. } => Some(program),
            HostState::Looking { .. }
            | HostState::Staging { .. }
            | HostState::Down
            | HostState::GivenUp => None,
        }
    }

    /// Whether the worker is this machine's own child.
    pub(super) fn is_local(&self) -> bool {
        self.entry.link == LinkKind::Local
    }
}

impl Controller<'_> {
    pub(super) fn host(&self, host: HostId) -> &Host {
        &self.hosts[host.0 as usize]
    }

    pub(super) fn host_mut(&mut self, host: HostId) -> &mut Host {
        &mut self.hosts[host.0 as usize]
    }

    /// Starts to open a host's link; the answer comes as news.
    pub(super) fn open_host(&mut self, host: HostId) {
        if matches!(self.host(host).state, HostState::GivenUp) {
            return;
        }
        let life = LinkLife(self.host(host).life.0 + 1);
        self.host_mut(host).life = life;
        let entry = &self.host(host).entry;
        let scratch = match (entry.storage, &entry.link) {
            // The worker has a folder of its own.
            (Storage::Staged, _) => String::new(),
            (Storage::Shared, _) => {
                PathMap::new(&entry.paths).there(&self.job.scratch.display().to_string())
            }
        };
        let mut spec = link_spec(self.around, entry, scratch);
        spec.host = host;
        self.job.id().clone_into(&mut spec.job);
        spec.fence = self.fence.wrapping_add(u64::from(life.0));
        link::open(spec, life, self.doors.links.clone());
    }

    pub(super) fn on_link(&mut self, from: FromLink) {
        let FromLink { host, life, news } = from;
        if life != self.host(host).life {
            return;
        }
        if matches!(self.host(host).state, HostState::GivenUp) {
            if matches!(news, LinkNews::Lost { .. } | LinkNews::Opened(Err(_))) {
                self.leaving.retain(|(left, _)| *left != host);
            }
            // One that answers only now is told to end by its link being dropped.
            return;
        }
        match news {
            LinkNews::Opened(Ok(link)) => self.on_opened(host, link),
            LinkNews::Opened(Err(error)) => self.on_not_opened(host, &error),
            LinkNews::Said(message) => self.on_said(host, message),
            LinkNews::Silent { why } => self.on_silent(host, why),
            LinkNews::Heard => self.on_heard(host),
            LinkNews::Lost { why } => self.on_lost(host, why),
        }
    }

    fn on_not_opened(&mut self, host: HostId, error: &LinkError) {
        if error.is_permanent() {
            self.give_up_host(host, error.advised());
        } else {
            self.on_lost(host, error.advised());
        }
    }

    /// The connection is gone; the worker goes on, and what it says is heard later.
    fn on_silent(&mut self, host: HostId, why: String) {
        if self.host(host).silent_since.is_some() {
            return;
        }
        self.host_mut(host).silent_since = Some(Instant::now());
        let name = self.host(host).name.clone();
        let why = without_host(&name, &why);
        self.emit(Event::HostSilent { host: name, why });
        self.tell(&FarmEvent::HostSilent { host });
    }

    fn on_heard(&mut self, host: HostId) {
        let Some(since) = self.host_mut(host).silent_since.take() else {
            return;
        };
        self.host_mut(host).heard_again = Some(Instant::now());
        let name = self.host(host).name.clone();
        self.emit(Event::HostHeard {
            host: name,
            silent_s: since.elapsed().as_secs_f64(),
        });
        self.tell(&FarmEvent::HostHeard { host });
    }

    fn on_opened(&mut self, host: HostId, link: Box<Link>) {
        let request = self.numbers.request();
        let names = program_names(self.job.adapter(), &self.host(host).entry);
        link.say(ToWorker::Which { request, names });
        self.host_mut(host).state = HostState::Looking { link, request };
    }

    fn on_said(&mut self, host: HostId, message: FromWorker) {
        match message {
            FromWorker::Program { request, path } => self.on_program(host, request, path),
            FromWorker::Verified { request, outcome } => self.on_verified(request, outcome),
            FromWorker::Made { request, error } => {
                if let Some(why) = error
                    && self.is_unwritable(host, &why)
                {
                    return;
                }
                self.on_made(host, request);
            }
            FromWorker::Pong { .. } | FromWorker::Ack { .. } | FromWorker::Bye => {}
            FromWorker::Leased { slot } => self.on_leased(host, slot),
            FromWorker::LeaseWaits { slot, holders } => self.on_lease_waits(host, slot, holders),
            FromWorker::LeaseWanted { give, waiting } => {
                self.on_lease_wanted(host, give, !waiting.is_empty());
            }
            FromWorker::Vitals(vitals) => self.on_vitals(host, &vitals),
            FromWorker::Hello(_) | FromWorker::Refused { .. } => {
                self.warn(format!(
                    "host {}: its worker said hello twice",
                    self.host(host).name
                ));
            }
            run @ (FromWorker::Started { .. }
            | FromWorker::NotStarted { .. }
            | FromWorker::Lines { .. }
            | FromWorker::Exited { .. }) => self.on_run(host, run),
        }
    }

    fn on_program(&mut self, host: HostId, request: RequestId, path: Option<String>) {
        let state = std::mem::replace(&mut self.host_mut(host).state, HostState::Down);
        let link = match state {
            HostState::Looking {
                link,
                request: asked,
            } if asked == request => link,
            other => {
                self.host_mut(host).state = other;
                return;
            }
        };
        match path {
            // Its version is heard of later; until then it is still looked at.
            Some(program) if self.asks_version(host, &program) => {
                self.host_mut(host).state = HostState::Looking { link, request };
            }
            Some(program) => self.program_fits(host, link, program),
            None => {
                let adapter = self.job.adapter().description();
                let names = program_names(self.job.adapter(), &self.host(host).entry);
                let why = format!(
                    "host {} has no {}: {} (install it there, or name it in farm.toml: programs = {{ {} = \"/path\" }})",
                    self.host(host).name,
                    adapter.renderer,
                    not_there(&names),
                    adapter.id,
                );
                self.give_up_host(host, why);
            }
        }
    }

    /// The host has a worker and a renderer that will do; the scene may still have to be brought.
    pub(super) fn program_fits(&mut self, host: HostId, link: Box<Link>, program: String) {
        match self.host(host).entry.storage {
            Storage::Shared => {
                let paths = PathMap::new(&self.host(host).entry.paths);
                let scene = &self.job.prepared.inspection.scene_path;
                let ground = Ground::shared(scene, &self.job.scratch, paths);
                self.host_is_ready(host, link, program, ground);
            }
            Storage::Staged => self.stage(host, link, program),
        }
    }

    /// The host has a worker, a renderer and the scene: it takes work.
    pub(super) fn host_is_ready(
        &mut self,
        host: HostId,
        link: Box<Link>,
        program: String,
        ground: Ground,
    ) {
        let at = self.host_mut(host);
        at.state = HostState::Up { link, program };
        at.told = None;
        at.ground = Some(ground);
        let (name, slots) = (at.name.clone(), at.slots);
        if let Some(link) = self.host(host).link() {
            let memory = Bytes(link.hello.memory_bytes);
            let now = self.now();
            self.farm.know_memory(now, host, memory);
        }
        self.emit(Event::HostUp { host: name, slots });
        self.tell(&FarmEvent::HostUp { host });
        self.want_slots(host);
        self.settle_slots(host);
    }

    pub(super) fn on_lost(&mut self, host: HostId, why: String) {
        if matches!(self.host(host).state, HostState::GivenUp) {
            return;
        }
        let worker = self.host(host).link().map(|link| link.hello.pid);
        let at = self.host_mut(host);
        at.state = HostState::Down;
        at.silent_since = None;
        at.freight = None;
        at.delivered = Delivered::default();
        if let (Some(pid), true) = (worker, self.host(host).is_local()) {
            // A worker that was killed could not end its renderers; they are ours by now.
            framewright_worker::sweep_tagged(pid);
        }
        self.emit_lost(host, &why);
        self.lose_slots(host);
        self.lose_leases(host);
        self.lose_fetches(host);
        self.tell(&FarmEvent::HostLost {
            host,
            for_good: false,
        });
        let losses = self.host(host).losses + 1;
        self.host_mut(host).losses = losses;
        if self.host(host).closed.contains_key(&Closed::Draining) {
            self.host_has_left(host);
            return;
        }
        if losses > RECONNECTS_MAX && (self.host(host).is_local() || !self.others_may_work(host)) {
            self.give_up_host(host, why);
            return;
        }
        let pause = RECONNECT_PAUSE
            .saturating_mul(1 << (losses - 1).min(16))
            .min(RECONNECT_PAUSE_MAX);
        let again = self.doors.reconnects.clone();
        tokio::spawn(async move {
            sleep(pause).await;
            // The controller may have ended meanwhile.
            let _ = again.send(host);
        });
    }

    /// The event has the host's name in a field of its own, so its sentence needs no other.
    fn emit_lost(&mut self, host: HostId, why: &str) {
        let name = self.host(host).name.clone();
        let why = without_host(&name, why);
        if self.host_mut(host).told.as_ref() == Some(&why) {
            return;
        }
        self.host_mut(host).told = Some(why.clone());
        self.emit(Event::HostLost { host: name, why });
    }

    /// Whether any other host has a worker now.
    fn others_may_work(&self, host: HostId) -> bool {
        let others = self.hosts.iter().enumerate();
        others
            .filter(|(index, _)| *index != host.0 as usize)
            .any(|(_, other)| other.link().is_some())
    }

    pub(super) fn give_up_host(&mut self, host: HostId, why: String) {
        let at = self.host_mut(host);
        at.state = HostState::GivenUp;
        at.freight = None;
        at.delivered = Delivered::default();
        self.emit_lost(host, &why);
        self.tell(&FarmEvent::HostLost {
            host,
            for_good: true,
        });
        if self
            .hosts
            .iter()
            .all(|host| matches!(host.state, HostState::GivenUp))
        {
            self.give_up_job(RunError::NoHost { why });
        } else {
            self.give_up_if_hopeless();
        }
    }

    /// Ends every worker and everything below it, and waits until that is so.
    pub(super) async fn close_all(&mut self, links: &mut mpsc::Receiver<FromLink>) {
        let mut open: VecDeque<HostId> = VecDeque::new();
        for (index, host) in self.hosts.iter().enumerate() {
            if let Some(link) = host.link() {
                link.say(ToWorker::Bye);
                open.push_back(HostId(
                    u32::try_from(index).expect("hosts are counted in u32"),
                ));
            }
        }
        open.extend(self.leaving.iter().map(|(host, _)| *host));
        let deadline = Deadline::now() + CLOSE_MAX;
        while !open.is_empty() {
            let Ok(Some(from)) = timeout_at(deadline, links.recv()).await else {
                break;
            };
            if from.life != self.host(from.host).life {
                continue;
            }
            match from.news {
                LinkNews::Lost { .. } | LinkNews::Opened(Err(_)) => {
                    open.retain(|host| *host != from.host);
                }
                // One that answers only now is told to end by its link being dropped.
                LinkNews::Opened(Ok(_)) | LinkNews::Silent { .. } | LinkNews::Heard => {}
                // A picture that was being read when the job stopped is rendered again on resume;
                // what renderers print while they end goes to their log.
                LinkNews::Said(FromWorker::Bye) => {}
                LinkNews::Said(message) => self.on_last_words(message),
            }
        }
        for host in &mut self.hosts {
            if let (Some(link), true) = (host.link(), host.is_local()) {
                framewright_worker::sweep_tagged(link.hello.pid);
            }
            host.freight = None;
            host.delivered = Delivered::default();
            host.state = HostState::GivenUp;
        }
    }
}

impl Controller<'_> {
    /// A host that gets things done is no host that keeps failing.
    pub(super) fn host_works(&mut self, name: &str) {
        if let Some(host) = self.hosts.iter_mut().find(|host| host.name == name) {
            host.losses = 0;
        }
    }
}

/// What is said of a host in an event that has its name in a field of its own.
fn without_host(name: &str, why: &str) -> String {
    match why.strip_prefix(&format!("host {name}")) {
        Some(rest) => match rest.strip_prefix(": ") {
            Some(rest) => rest.to_owned(),
            None => format!("it{rest}"),
        },
        None => why.to_owned(),
    }
}
