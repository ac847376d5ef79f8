//! The thread that serves one host, whatever its connections do.
//!
//! Each host has a thread of its own with a runtime of its own, so that the bytes of one neither
//! wait for those of another nor for the controller's loop, which has frames to hand out.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use framewright_worker::freight::message::ToDepot;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::connect::{Unreached, connect};
use super::fetching::Fetching;
use super::load::Loaded;
use super::session::{self, End};
use super::staging::Staging;
use super::unload::{self, Item, Unloaded};
use super::{Fetch, FetchToken, FreightNews, FreightSpec, FromFreight, Package};

/// Pauses between tries: the first, and the longest.
const BACK_OFF_FIRST: Duration = Duration::from_millis(200);
const BACK_OFF_MAX: Duration = Duration::from_secs(15);
/// How long a disk here may take for what has already come, before a new connection is made.
const FLUSH_MAX: Duration = Duration::from_secs(60);

/// What the owner of a freight wants.
#[derive(Debug)]
pub(super) enum Order {
    Stage { package: Arc<Package>, job: String },
    Fetch(Fetch),
    Forget(FetchToken),
    Remove { job: String },
}

/// Who is told.
pub(super) struct Owner {
    host: framewright_kernel::ids::HostId,
    news: mpsc::Sender<FromFreight>,
}

impl Owner {
    pub(super) async fn tell(&self, news: FreightNews) {
        let host = self.host;
        // An owner that is gone closes the orders as well, which ends the freight.
        let _ = self.news.send(FromFreight { host, news }).await;
    }
}

/// What is to be done, over however many connections.
pub(super) struct Tasks {
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) unloaded: mpsc::UnboundedReceiver<Unloaded>,
    pub(super) stages: VecDeque<Staging>,
    pub(super) fetching: Fetching,
    pub(super) removes: VecDeque<String>,
}

impl Tasks {
    pub(super) fn take(&mut self, order: Order, say: &mut Vec<ToDepot>) {
        match order {
            Order::Stage { package, job } => self.stages.push_back(Staging::new(package, job)),
            Order::Fetch(fetch) => self.fetching.want(fetch),
            Order::Forget(token) => self.fetching.forget(token, say),
            Order::Remove { job } => self.removes.push_back(job),
        }
    }

    pub(super) fn parcels(&mut self) -> Option<&mut mpsc::Receiver<Loaded>> {
        self.stages.front_mut()?.parcels()
    }

    /// The connection is lost.
    pub(super) async fn cut(&mut self) {
        if let Some(staging) = self.stages.front_mut() {
            staging.cut();
        }
        // What has come is written first, so that it is known where to go on.
        let (done, flushed) = oneshot::channel();
        self.fetching.tell(Item::Flush(done));
        let _ = timeout(FLUSH_MAX, flushed).await;
        self.fetching.cut();
    }
}

/// Starts the thread. It ends when the orders' sender is dropped.
pub(super) fn start(
    spec: FreightSpec,
    orders: mpsc::UnboundedReceiver<Order>,
    news: mpsc::Sender<FromFreight>,
) {
    let host = spec.host;
    let name = spec.name.clone();
    let told = news.clone();
    let started = std::thread::Builder::new()
        .name("freight".to_owned())
        .spawn(move || {
            let owner = Owner { host, news };
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(serve(&spec, &owner, orders)),
                Err(error) => unusable(&owner.news, host, &spec.name, &error),
            }
        });
    if let Err(error) = started {
        unusable(&told, host, &name, &error);
    }
}

/// The system has no thread or no descriptor left.
fn unusable(
    news: &mpsc::Sender<FromFreight>,
    host: framewright_kernel::ids::HostId,
    name: &str,
    error: &std::io::Error,
) {
    let why = format!("host {name}: its freight cannot be started here: {error}");
    let news_item = FromFreight {
        host,
        news: FreightNews::Unusable { why },
    };
    let _ = news.try_send(news_item);
}

async fn serve(spec: &FreightSpec, owner: &Owner, orders: mpsc::UnboundedReceiver<Order>) {
    let (items, unloaded) = unload::start();
    let mut tasks = Tasks {
        orders,
        unloaded,
        stages: VecDeque::new(),
        fetching: Fetching::new(items),
        removes: VecDeque::new(),
    };
    let mut pause = BACK_OFF_FIRST;
    // A depot that stays away is told of once, unless it is for another reason.
    let mut told = String::new();
    loop {
        let reached = {
            let connecting = connect(spec);
            tokio::pin!(connecting);
            loop {
                tokio::select! {
                    reached = &mut connecting => break reached,
                    open = listen(&mut tasks, owner) => if !open { return },
                }
            }
        };
        let why = match reached {
            Ok(connected) => {
                told.clear();
                let cache_root = connected.welcome.cache_root.clone();
                owner.tell(FreightNews::Reached { cache_root }).await;
                match session::run(spec, owner, &mut tasks, connected).await {
                    End::Dropped => return,
                    End::Lost { why, useful } => {
                        if useful {
                            pause = BACK_OFF_FIRST;
                        }
                        why
                    }
                }
            }
            Err(Unreached::Ever(why)) => {
                owner.tell(FreightNews::Unusable { why }).await;
                return;
            }
            Err(Unreached::Disk { why, disk_full }) => {
                for _ in std::mem::take(&mut tasks.stages) {
                    let why = why.clone();
                    let news = FreightNews::StageFailed { why, disk_full };
                    owner.tell(news).await;
                }
                why
            }
            Err(Unreached::Now(why)) => why,
        };
        if told != why {
            told.clone_from(&why);
            owner.tell(FreightNews::Away { why }).await;
        }
        let until = Instant::now() + jitter(pause);
        pause = (pause * 2).min(BACK_OFF_MAX);
        loop {
            tokio::select! {
                () = sleep_until(until) => break,
                open = listen(&mut tasks, owner) => if !open { return },
            }
        }
    }
}

/// Takes what comes while there is no connection; false when the owner has gone.
async fn listen(tasks: &mut Tasks, owner: &Owner) -> bool {
    // Nothing can be said to a depot now, and nothing needs to: it starts from nothing.
    let mut unsaid = Vec::new();
    tokio::select! {
        order = tasks.orders.recv() => match order {
            Some(order) => tasks.take(order, &mut unsaid),
            None => return false,
        },
        told = tasks.unloaded.recv() => if let Some(told) = told
            && let Some(news) = tasks.fetching.unloaded(told, &mut unsaid)
        {
            owner.tell(news).await;
        },
    }
    true
}

/// Between half and one and a half of a pause: hosts that were lost together come back apart.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let part = (random % 1000) as f64 / 1000.0;
    pause.mul_f64(0.5 + part)
}
