//! Slots that are leased from the machine: what several jobs, and several users, share on one host.
//!
//! The machine has as many slots as the hello says, each of them a lock in a folder of all users
//! ([`folder`]). A worker takes one for each of its own slots that is wanted, and gives it back when it
//! is released. Who waits says so there as well, and who has more than its part ([`fair`]) is told to
//! its controller, which alone knows what may be given back without losing work.
//!
//! One thread does all of it. It touches nothing but that folder, so whatever file servers of the job
//! do it goes on; it sleeps while this worker has and wants nothing, and otherwise looks a few times a
//! second at a folder of a few files.
//!
//! Invariant: a slot is said to be leased only while its lock is held, by this worker and by its watch;
//! after a kill of the worker it is held until the watch has ended what the worker left. No renderer
//! inherits a lock.

mod fair;
mod folder;
mod record;

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::message::{ControllerHello, FromWorker, Holder, SlotId};
use crate::outbox::Outbox;
use crate::watch::Watched;
use fair::{Claim, Turn, turns};
use folder::{Folder, LockFile, Seen};
use record::Record;

pub(crate) use fair::QUANTUM;

/// How often locks are looked at while somebody waits, and by how much that differs from worker to
/// worker: two that look at the same moment are in each other's way.
const LOOK_EVERY: Duration = Duration::from_millis(120);
const LOOK_SPREAD_MS: u32 = 60;
/// How often it is looked whether somebody waits, while nobody does.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// How often the folder is tried again that cannot be used.
const TRY_EVERY: Duration = Duration::from_secs(2);
/// A free slot that whoever is first in turn does not take for so long is anybody's.
const UNTAKEN_MAX: Duration = Duration::from_secs(3);
/// How often locks are written to, so that they are not tidied away as old files.
const FRESHEN_EVERY: Duration = Duration::from_secs(1800);
/// How long the end of a worker waits for its waiting file to be removed.
const END_MAX: Duration = Duration::from_millis(200);

/// What the main thread asks for.
#[derive(Clone, Copy, Debug)]
enum Order {
    Lease(u32),
    Release(u32),
}

/// The leases of a worker.
pub(crate) struct Leases {
    /// Taken when the worker ends.
    orders: Option<Sender<Order>>,
    /// Only looked at by who drops it.
    ended: Mutex<Receiver<()>>,
}

impl Leases {
    pub(crate) fn start(
        hello: &ControllerHello,
        outbox: &Arc<Outbox>,
        watched: Option<Arc<Watched>>,
        quantum: Duration,
    ) -> std::io::Result<Self> {
        let (orders, ordered) = channel();
        let (tell_end, ended) = channel();
        let me = Holder {
            user: user(),
            job: hello.job.clone(),
            pid: std::process::id(),
            since_ms: 0,
        };
        let outbox = Arc::clone(outbox);
        let mut desk = Desk {
            slots: hello.slots,
            quantum,
            me,
            watched,
            say: Box::new(move |message| outbox.control(message)),
            folder: None,
            held: BTreeMap::new(),
            waiting: BTreeMap::new(),
            wait_file: None,
            said_waits: BTreeMap::new(),
            said_wanted: (0, Vec::new()),
            free_since: None,
            freshened: Instant::now(),
        };
        std::thread::Builder::new()
            .name("leases".to_owned())
            .spawn(move || {
                desk.work(&ordered);
                desk.stop_waiting();
                // Nobody listens any more when the end took too long. What is held stays so until
                // this process ends: its renderers may end after this.
                let _ = tell_end.send(());
                std::mem::forget(desk);
            })?;
        Ok(Self {
            orders: Some(orders),
            ended: Mutex::new(ended),
        })
    }

    pub(crate) fn lease(&self, slot: SlotId) {
        self.order(Order::Lease(slot.0));
    }

    pub(crate) fn release(&self, slot: SlotId) {
        self.order(Order::Release(slot.0));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // Its thread ends only after this.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.orders = None;
        if let Ok(ended) = self.ended.get_mut() {
            let _ = ended.recv_timeout(END_MAX);
        }
    }
}

/// A lock that this worker has.
struct Held {
    number: u32,
    lock: LockFile,
    since_ms: i64,
}

/// What the thread knows.
struct Desk {
    slots: u32,
    quantum: Duration,
    me: Holder,
    watched: Option<Arc<Watched>>,
    say: Box<dyn Fn(&FromWorker) + Send>,
    folder: Option<Folder>,
    /// By the worker's own slots.
    held: BTreeMap<u32, Held>,
    /// Since when each of its slots waits.
    waiting: BTreeMap<u32, i64>,
    wait_file: Option<LockFile>,
    said_waits: BTreeMap<u32, Vec<Holder>>,
    said_wanted: (u32, Vec<Holder>),
    /// Since when there is a free slot that is another one's turn.
    free_since: Option<Instant>,
    freshened: Instant,
}

/// What a look at all slots shows.
#[derive(Default)]
struct View {
    /// Slots that can be locks at all.
    usable: u32,
    free: Vec<(u32, LockFile)>,
    /// Who has the others, and what is the matter with those that cannot be used.
    holders: Vec<Holder>,
    /// What each other worker has and wants.
    claims: BTreeMap<(String, String, u32), Claim>,
}

impl View {
    fn claim(&mut self, holder: &Holder) -> &mut Claim {
        let key = (holder.user.clone(), holder.job.clone(), holder.pid);
        self.claims.entry(key).or_default()
    }

    fn count_held(&mut self, holder: &Holder) {
        let claim = self.claim(holder);
        claim.held += 1;
        claim.granted_ms = claim.granted_ms.max(holder.since_ms);
    }
}

impl Desk {
    fn work(&mut self, ordered: &Receiver<Order>) {
        let mut pause = None;
        loop {
            let order = match pause {
                Some(pause) => ordered.recv_timeout(pause),
                None => ordered.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(order) => {
                    self.take_order(order);
                    while let Ok(order) = ordered.try_recv() {
                        self.take_order(order);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            pause = self.step();
        }
    }

    fn take_order(&mut self, order: Order) {
        match order {
            Order::Lease(slot) if self.held.contains_key(&slot) => self.say_leased(slot),
            Order::Lease(slot) => {
                self.waiting.entry(slot).or_insert_with(now_ms);
            }
            Order::Release(slot) => {
                self.waiting.remove(&slot);
                self.said_waits.remove(&slot);
                if let Some(held) = self.held.remove(&slot) {
                    self.release(held);
                }
            }
        }
    }

    fn release(&self, held: Held) {
        let _ = rustix::fs::ftruncate(&held.lock.file, 0);
        // The watch has the same lock: it is given up here and now, for both.
        let _ = rustix::fs::flock(&held.lock.file, rustix::fs::FlockOperation::Unlock);
        if let Some(watched) = &self.watched {
            let _ = watched.drop_lock(held.number);
        }
    }

    /// Does what can be done now. Returns when to look again, if nothing is ordered before.
    fn step(&mut self) -> Option<Duration> {
        if self.waiting.is_empty() {
            self.stop_waiting();
            if self.held.is_empty() {
                self.say_wanted(0, Vec::new());
                return None;
            }
        }
        let folder = self.folder.take().filter(Folder::is_there);
        let folder = match folder.map_or_else(|| Folder::open(&Folder::path()), Ok) {
            Ok(folder) => folder,
            Err(unusable) => {
                self.say_waits(vec![trouble(unusable.to_string())]);
                return Some(TRY_EVERY);
            }
        };
        let others = folder.waiting(self.wait_file.as_ref());
        let pause = if self.waiting.is_empty() && others.is_empty() {
            // A look at the slots would tell nothing.
            self.say_wanted(0, Vec::new());
            WATCH_EVERY
        } else {
            self.share(&folder, &others);
            LOOK_EVERY + Duration::from_millis(u64::from(self.me.pid % LOOK_SPREAD_MS))
        };
        if self.freshened.elapsed() >= FRESHEN_EVERY {
            self.freshened = Instant::now();
            for held in self.held.values() {
                self.record(held.since_ms, 0).write(&held.lock.file);
            }
        }
        self.folder = Some(folder);
        Some(pause)
    }

    /// Takes what it is this worker's turn to take, and says what it should give.
    fn share(&mut self, folder: &Folder, others: &[Record]) {
        let mut view = self.look(folder);
        for other in others {
            let claim = view.claim(&other.holder);
            claim.waiting = claim
                .waiting
                .saturating_add(other.wants.clamp(1, self.slots));
            claim.since_ms = other.holder.since_ms;
        }
        let turn = self.turn(&view);
        let late = self.is_untaken(&view, turn);
        let most = turn.take.max(u32::from(late));
        let free = std::mem::take(&mut view.free);
        for (number, lock) in free.into_iter().take(most as usize) {
            let Some(slot) = self.waiting.first_key_value().map(|(slot, _)| *slot) else {
                break;
            };
            if folder.take(&lock) {
                self.take(slot, number, lock);
            }
        }
        self.wait_file(folder);
        if !self.waiting.is_empty() {
            view.holders.extend(self.held.values().map(|held| Holder {
                since_ms: held.since_ms,
                ..self.me.clone()
            }));
            view.holders.sort();
            self.say_waits(view.holders);
        }
        let waiting = others.iter().map(|other| other.holder.clone()).collect();
        self.say_wanted(turn.give, waiting);
    }

    /// Looks at every slot that this worker has not.
    fn look(&self, folder: &Folder) -> View {
        let mut view = View::default();
        for number in 0..self.slots {
            if self.held.values().any(|held| held.number == number) {
                view.usable += 1;
                continue;
            }
            match folder.look(number) {
                Ok(Seen::Free(lock)) => {
                    view.usable += 1;
                    view.free.push((number, lock));
                }
                Ok(Seen::Held(record)) => {
                    view.usable += 1;
                    // One that was taken a moment ago may not be written yet.
                    let unnamed = || trouble("somebody who left no name".to_owned());
                    let holder = record.map_or_else(unnamed, |it| it.holder);
                    view.count_held(&holder);
                    view.holders.push(holder);
                }
                Err(unusable) => view.holders.push(trouble(unusable.to_string())),
            }
        }
        view
    }

    fn turn(&self, view: &View) -> Turn {
        let own = Claim {
            held: u32::try_from(self.held.len()).unwrap_or(u32::MAX),
            granted_ms: self.held.values().map(|h| h.since_ms).max().unwrap_or(0),
            waiting: u32::try_from(self.waiting.len()).unwrap_or(u32::MAX),
            since_ms: self.waiting.values().min().copied().unwrap_or(0),
        };
        let key = (self.me.user.clone(), self.me.job.clone(), self.me.pid);
        let mut all = view.claims.clone();
        all.insert(key.clone(), own);
        let place = all.keys().position(|other| *other == key).unwrap_or(0);
        let claims: Vec<Claim> = all.into_values().collect();
        turns(view.usable, &claims, now_ms(), self.quantum)[place]
    }

    /// Whether slots have been free for so long that whoever's turn it is must be out of order.
    fn is_untaken(&mut self, view: &View, turn: Turn) -> bool {
        if self.waiting.is_empty() || view.free.is_empty() || turn.take > 0 {
            self.free_since = None;
            return false;
        }
        let since = self.free_since.get_or_insert_with(Instant::now);
        since.elapsed() >= UNTAKEN_MAX
    }

    fn take(&mut self, slot: u32, number: u32, lock: LockFile) {
        let since_ms = now_ms();
        self.record(since_ms, 0).write(&lock.file);
        if let Some(watched) = &self.watched {
            // Without its watch the lock ends with this worker: that is no reason to do without.
            let _ = watched.keep(number, lock.file.as_fd());
        }
        self.waiting.remove(&slot);
        self.said_waits.remove(&slot);
        self.free_since = None;
        let held = Held {
            number,
            lock,
            since_ms,
        };
        self.held.insert(slot, held);
        self.say_leased(slot);
    }

    fn record(&self, since_ms: i64, wants: u32) -> Record {
        let holder = Holder {
            since_ms,
            ..self.me.clone()
        };
        Record { holder, wants }
    }

    /// Lets the others know what this worker waits for.
    fn wait_file(&mut self, folder: &Folder) {
        let Some(since_ms) = self.waiting.values().min().copied() else {
            if let Some(file) = self.wait_file.take() {
                folder.remove(&file);
            }
            return;
        };
        if self.wait_file.is_none() {
            self.wait_file = folder.wait_in(self.me.pid);
        }
        if let Some(file) = &self.wait_file {
            let wants = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
            let record = self.record(since_ms, wants);
            if Record::read(&file.file).as_ref() != Some(&record) {
                record.write(&file.file);
            }
        }
    }

    fn stop_waiting(&mut self) {
        if let (Some(file), Some(folder)) = (self.wait_file.take(), &self.folder) {
            folder.remove(&file);
        }
    }

    fn say_leased(&self, slot: u32) {
        (self.say)(&FromWorker::Leased { slot: SlotId(slot) });
    }

    /// Tells each slot that waits who has the machine, if that is news to it.
    fn say_waits(&mut self, holders: Vec<Holder>) {
        for slot in self.waiting.keys() {
            if self.said_waits.get(slot) != Some(&holders) {
                let message = FromWorker::LeaseWaits {
                    slot: SlotId(*slot),
                    holders: holders.clone(),
                };
                (self.say)(&message);
                self.said_waits.insert(*slot, holders.clone());
            }
        }
    }

    fn say_wanted(&mut self, give: u32, waiting: Vec<Holder>) {
        let waiting = if give > 0 { waiting } else { Vec::new() };
        let wanted = (give, waiting);
        if wanted != self.said_wanted {
            let (give, waiting) = wanted.clone();
            (self.say)(&FromWorker::LeaseWanted { give, waiting });
            self.said_wanted = wanted;
        }
    }
}

/// What stands in a list of holders where there is nobody to name: instead of a job, and with no process,
/// why a slot cannot be had.
fn trouble(why: String) -> Holder {
    Holder {
        user: String::new(),
        job: why,
        pid: 0,
        since_ms: 0,
    }
}

/// The name of the user whom this worker runs as.
fn user() -> String {
    std::env::var("USER")
        .ok()
        .filter(|user| !user.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
