//! Opening links to test hosts, as the controller does.

use std::path::PathBuf;
use std::time::Duration;

use framewright_core::link::{self, Errand, Launcher, LinkError, LinkLife, LinkNews, LinkSpec};
use framewright_core::request::{HostEntry, LinkKind};
use framewright_kernel::ids::HostId;
use framewright_worker::message::{FromWorker, ToWorker, WorkerHello};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::sshd::Farm;
use crate::support::{LONG, PROGRAM};

/// A host to reach.
#[derive(Clone)]
pub struct Asked {
    pub address: String,
    pub options: Vec<String>,
    pub worker: Option<String>,
    pub deadline: Duration,
}

impl Asked {
    /// A host of a farm, by its number.
    pub fn of(farm: &Farm, index: usize) -> Self {
        Self {
            address: farm.host(index).address().to_owned(),
            options: vec!["-F".to_owned(), farm.ssh_config().display().to_string()],
            worker: None,
            deadline: Duration::from_secs(30),
        }
    }

    /// With one more of ssh's settings.
    pub fn option(mut self, setting: &str) -> Self {
        self.options.extend(["-o".to_owned(), setting.to_owned()]);
        self
    }
}

/// Reaches a host, talks to its worker, and says goodbye.
pub fn ask(asked: &Asked) -> Result<WorkerHello, LinkError> {
    ask_all(std::slice::from_ref(asked)).remove(0)
}

/// The same with several at once.
pub fn ask_all(asked: &[Asked]) -> Vec<Result<WorkerHello, LinkError>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = asked
            .iter()
            .map(|asked| tokio::spawn(one(asked.clone())))
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.expect("no panic"));
        }
        answers
    })
}

async fn one(asked: Asked) -> Result<WorkerHello, LinkError> {
    let mut link = LinkKind::Local;
    if !asked.address.is_empty() {
        link = LinkKind::Ssh {
            address: asked.address,
            options: asked.options,
        };
    }
    let mut entry = HostEntry::new("fw1", link, 1);
    entry.worker = asked.worker;
    let spec = LinkSpec {
        host: HostId(0),
        name: entry.name.clone(),
        launcher: Launcher::new(&entry, &PathBuf::from(PROGRAM), Errand::Worker),
        job: "reach".to_owned(),
        slots: 1,
        scratch_root: "/tmp/framewright-reach".to_owned(),
        grace: Duration::ZERO,
        fence: 0,
        lost_after: Duration::ZERO,
        leased: false,
        vitals: false,
        heartbeat: Duration::from_secs(1),
        deadline: asked.deadline,
    };
    let (news, mut from) = mpsc::channel(16);
    link::open(spec, LinkLife(1), news);
    let mut next = async || {
        let item = timeout(LONG, from.recv()).await.expect("in time");
        item.expect("the link says how it ends").news
    };
    let link = match next().await {
        LinkNews::Opened(opened) => opened?,
        other => panic!("{other:?}"),
    };
    link.say(ToWorker::Ping { number: 42 });
    match next().await {
        LinkNews::Said(FromWorker::Pong { number: 42 }) => {}
        other => panic!("{other:?}"),
    }
    link.say(ToWorker::Bye);
    loop {
        match next().await {
            LinkNews::Lost { .. } => return Ok(link.hello),
            LinkNews::Said(FromWorker::Bye) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// What is said of a host that cannot be reached, as people see it.
#[track_caller]
pub fn refusal(asked: &Asked) -> String {
    let error = ask(asked).expect_err("it cannot be reached");
    match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}
