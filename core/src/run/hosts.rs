//! Hosts as the controller knows them: opening their links, losing them, finding them again.

use std::collections::VecDeque;
use std::time::Duration;

use framewright_kernel::event::Event as FarmEvent;
use framewright_kernel::ids::{HostId, SlotId};
use framewright_worker::message::{FromWorker, RequestId, ToWorker};
use tokio::sync::mpsc;
use tokio::time::{Instant as Deadline, sleep, timeout_at};

use super::activity::program_names;
use super::controller::Controller;
use super::{RunError, launcher};
use crate::event::Event;
use crate::link::{self, FromLink, Link, LinkLife, LinkNews, LinkSpec};
use crate::request::{HostEntry, LinkKind};

/// Pause before a lost worker is started again; doubled each time, up to [`RECONNECT_PAUSE_MAX`].
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Attempts in a row without one finished task after which a host is given up.
const RECONNECTS_MAX: u32 = 6;
/// How long workers may take to end what they have and say so.
const CLOSE_MAX: Duration = Duration::from_secs(15);

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    pub name: String,
    pub first_slot: SlotId,
    pub slots: u32,
    pub life: LinkLife,
    pub state: HostState,
    /// Times in a row that its worker was lost without a task done in between.
    pub losses: u32,
}

/// How things stand with a host.
#[derive(Debug)]
pub(super) enum HostState {
    /// No link now; another attempt may be on its way.
    Down,
    /// The worker answered; the renderer is being looked for.
    Looking { link: Box<Link>, request: RequestId },
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
            hosts.push(Self {
                name: entry.name.clone(),
                first_slot: SlotId(next),
                slots: entry.slots,
                life: LinkLife(0),
                state: HostState::Down,
                losses: 0,
            });
            next += entry.slots;
        }
        hosts
    }

    pub(super) fn link(&self) -> Option<&Link> {
        match &self.state {
            HostState::Looking { link, .. } | HostState::Up { link, .. } => Some(link),
            HostState::Down | HostState::GivenUp => None,
        }
    }

    pub(super) fn program(&self) -> Option<&str> {
        match &self.state {
            HostState::Up { program, .. } => Some(program),
            HostState::Looking { .. } | HostState::Down | HostState::GivenUp => None,
        }
    }
}

impl Controller<'_> {
    pub(super) fn host(&self, host: HostId) -> &Host {
        &self.hosts[host.0 as usize]
    }

    fn host_mut(&mut self, host: HostId) -> &mut Host {
        &mut self.hosts[host.0 as usize]
    }

    /// Starts to open a host's link; the answer comes as news.
    pub(super) fn open_host(&mut self, host: HostId) {
        let entry = &self.job.request().hosts[host.0 as usize];
        let life = LinkLife(self.host(host).life.0 + 1);
        self.host_mut(host).life = life;
        let spec = LinkSpec {
            host,
            name: entry.name.clone(),
            launcher: launcher(self.around, entry),
            job: self.job.id().to_owned(),
            slots: entry.slots,
            scratch_root: self.job.scratch.display().to_string(),
            grace: Duration::ZERO,
            fence: 0,
            lost_after: Duration::ZERO,
            leased: false,
            heartbeat: self.around.heartbeat,
            deadline: self.around.link_deadline,
        };
        link::open(spec, life, self.doors.links.clone());
    }

    pub(super) fn on_link(&mut self, from: FromLink) {
        let FromLink { host, life, news } = from;
        if life != self.host(host).life {
            return;
        }
        match news {
            LinkNews::Opened(Ok(link)) => self.on_opened(host, link),
            LinkNews::Opened(Err(error)) => self.on_lost(host, error.to_string()),
            LinkNews::Said(message) => self.on_said(host, message),
            LinkNews::Silent { .. } | LinkNews::Heard => {}
            LinkNews::Lost { why } => self.on_lost(host, why),
        }
    }

    fn on_opened(&mut self, host: HostId, link: Box<Link>) {
        let request = self.numbers.request();
        let names = program_names(
            self.job.adapter(),
            &self.job.request().hosts[host.0 as usize],
        );
        link.say(ToWorker::Which { request, names });
        self.host_mut(host).state = HostState::Looking { link, request };
    }

    fn on_said(&mut self, host: HostId, message: FromWorker) {
        match message {
            FromWorker::Program { request, path } => self.on_program(host, request, path),
            FromWorker::Verified { request, outcome } => self.on_verified(request, outcome),
            FromWorker::Made { request, error } => {
                if let Some(why) = error {
                    self.warn(why);
                }
                self.on_made(host, request);
            }
            FromWorker::Pong { .. } | FromWorker::Ack { .. } | FromWorker::Bye => {}
            FromWorker::Leased { .. }
            | FromWorker::LeaseWaits { .. }
            | FromWorker::LeaseWanted { .. }
            | FromWorker::Vitals(_) => {}
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
            Some(program) => {
                let (name, slots) = (self.host(host).name.clone(), self.host(host).slots);
                self.host_mut(host).state = HostState::Up { link, program };
                self.emit(Event::HostUp { host: name, slots });
                self.tell(&FarmEvent::HostUp { host });
            }
            None => {
                let renderer = &self.job.adapter().description().renderer;
                let why = format!("host {} has no {renderer}", self.host(host).name);
                self.give_up_host(host, why);
            }
        }
    }

    fn on_lost(&mut self, host: HostId, why: String) {
        if matches!(self.host(host).state, HostState::GivenUp) {
            return;
        }
        let worker = self.host(host).link().map(|link| link.hello.pid);
        self.host_mut(host).state = HostState::Down;
        let local = self.job.request().hosts[host.0 as usize].link == LinkKind::Local;
        if let (Some(pid), true) = (worker, local) {
            // A worker that was killed could not end its renderers; they are ours by now.
            framewright_worker::sweep_tagged(pid);
        }
        self.emit_lost(host, &why);
        self.lose_slots(host);
        self.tell(&FarmEvent::HostLost {
            host,
            for_good: false,
        });
        let losses = self.host(host).losses + 1;
        self.host_mut(host).losses = losses;
        if losses > RECONNECTS_MAX {
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
        let about = format!("host {name}");
        let why = match why.strip_prefix(&about) {
            Some(rest) => match rest.strip_prefix(": ") {
                Some(rest) => rest.to_owned(),
                None => format!("it{rest}"),
            },
            None => why.to_owned(),
        };
        self.emit(Event::HostLost { host: name, why });
    }

    fn give_up_host(&mut self, host: HostId, why: String) {
        self.host_mut(host).state = HostState::GivenUp;
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
            if let (HostState::Up { link, .. } | HostState::Looking { link, .. }, true) =
                (&host.state, true)
            {
                framewright_worker::sweep_tagged(link.hello.pid);
            }
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
