//! One slot: a queue of runs, and the thread that works it off.
//!
//! Only this thread starts, feeds, reads, ends and waits for the slot's processes, so nothing of
//! a run is shared. The main thread leaves messages in the seat and wakes it where it matters.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::feed::{Feed, FeedOverflow};
use crate::kin::Kin;
use crate::launch::Launcher;
use crate::lease::Leases;
use crate::message::{FromWorker, RunId, RunOrder, SlotId};
use crate::outbox::Outbox;
use crate::run::run_to_end;
use crate::wait::Ended;
use crate::wake::Waker;

/// Runs that may wait in one slot.
pub(crate) const QUEUE_MAX: usize = 65_536;

/// What the main thread tells a slot.
#[derive(Debug)]
pub(crate) enum SlotMessage {
    Run(Box<RunOrder>),
    Write {
        run: RunId,
        text: String,
    },
    CloseStdin {
        run: RunId,
    },
    Kill {
        run: RunId,
        polite: Duration,
    },
    /// Take the machine's lease of this slot, or wait for one.
    Lease,
    /// Give it back once nothing runs here any more.
    Release,
    /// End everything and stop.
    End {
        polite: Duration,
    },
}

/// Where the main thread and the slot's thread meet.
pub(crate) struct Seat {
    mailbox: Mutex<Mailbox>,
    waker: Arc<Waker>,
}

#[derive(Default)]
struct Mailbox {
    messages: VecDeque<SlotMessage>,
    idle: bool,
    /// Somebody has woken the slot since it last looked.
    woken: bool,
}

impl Seat {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            mailbox: Mutex::default(),
            waker: Arc::new(Waker::new()?),
        })
    }

    /// Leaves a message. A run for a busy slot wakes nobody: the queue is looked at anyway.
    pub(crate) fn tell(&self, message: SlotMessage) {
        let can_wait = matches!(message, SlotMessage::Run(_));
        let mut mailbox = self.lock();
        mailbox.messages.push_back(message);
        if (mailbox.idle || !can_wait) && !mailbox.woken {
            mailbox.woken = true;
            drop(mailbox);
            self.waker.wake();
        }
    }

    pub(crate) fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    fn take(&self) -> VecDeque<SlotMessage> {
        let mut mailbox = self.lock();
        mailbox.woken = false;
        std::mem::take(&mut mailbox.messages)
    }

    /// Waits until a message is there.
    fn rest(&self) {
        {
            let mut mailbox = self.lock();
            if !mailbox.messages.is_empty() {
                return;
            }
            mailbox.idle = true;
        }
        // An interrupted wait is looked into like any other.
        let _ = poll(&mut [PollFd::new(&*self.waker, PollFlags::IN)], None);
        self.waker.clear();
        self.lock().idle = false;
    }

    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        // The mailbox is whole whoever panicked.
        match self.mailbox.lock() {
            Ok(mailbox) => mailbox,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// What all slots share.
pub(crate) struct Shop {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) kin: Kin,
    pub(crate) launcher: Launcher,
    /// Where slots are leased.
    pub(crate) leases: Option<Arc<Leases>>,
    /// In which slot each run is that has not ended.
    pub(crate) places: Mutex<BTreeMap<RunId, usize>>,
    /// How long a controller may take nothing before lines are dropped.
    pub(crate) stall_max: Duration,
}

impl Shop {
    pub(crate) fn places(&self) -> MutexGuard<'_, BTreeMap<RunId, usize>> {
        // The map is whole whoever panicked.
        match self.places.lock() {
            Ok(places) => places,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    /// Tells the end of a run, at once or together with other news.
    pub(crate) fn say_exited(&self, run: RunId, ended: Ended, killed: bool, may_wait: bool) {
        self.places().remove(&run);
        let message = FromWorker::Exited {
            run,
            code: ended.code,
            signal: ended.signal,
            killed,
            cpu_s: ended.cpu_s,
            rss_bytes: ended.rss_bytes,
        };
        if may_wait {
            self.outbox.later(&message);
        } else {
            self.outbox.control(&message);
        }
    }

    pub(crate) fn say_not_started(&self, run: RunId, why: String, missing: bool) {
        self.places().remove(&run);
        self.outbox
            .control(&FromWorker::NotStarted { run, why, missing });
    }
}

/// A run that has not started.
pub(crate) struct Waiting {
    pub(crate) order: Box<RunOrder>,
    pub(crate) feed: Feed,
}

/// What concerns the run under way.
#[derive(Debug)]
pub(crate) enum Concern {
    Write(String),
    CloseStdin,
    End(Duration),
}

pub(crate) struct Slot {
    pub(crate) seat: Arc<Seat>,
    pub(crate) shop: Arc<Shop>,
    pub(crate) buffer: Box<[u8]>,
    queue: VecDeque<Waiting>,
    number: SlotId,
    /// What was asked of its lease and waits for the run under way to end.
    lease_orders: VecDeque<LeaseOrder>,
    closing: bool,
}

/// What is asked of a slot's lease.
#[derive(Clone, Copy, Debug)]
enum LeaseOrder {
    Lease,
    Release,
}

impl Slot {
    pub(crate) fn new(number: SlotId, seat: Arc<Seat>, shop: Arc<Shop>) -> Self {
        const READ_BYTES: usize = 64 << 10;
        Self {
            seat,
            shop,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            queue: VecDeque::new(),
            number,
            lease_orders: VecDeque::new(),
            closing: false,
        }
    }

    /// Works until told to end.
    pub(crate) fn work(mut self) {
        loop {
            // Nothing is under way, so nothing concerns it.
            self.take_messages(None, |_| {});
            self.settle_lease();
            match self.queue.pop_front() {
                Some(waiting) => run_to_end(&mut self, waiting),
                None if self.closing => return,
                None => self.seat.rest(),
            }
        }
    }

    /// Passes on what was asked of the lease: nothing runs, so it may be given back.
    fn settle_lease(&mut self) {
        let orders = std::mem::take(&mut self.lease_orders);
        let Some(leases) = &self.shop.leases else {
            return;
        };
        for order in orders {
            match order {
                LeaseOrder::Lease => leases.lease(self.number),
                LeaseOrder::Release => leases.release(self.number),
            }
        }
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Takes what was left in the seat: queues runs, changes waiting ones, and passes on what
    /// concerns the run under way.
    pub(crate) fn take_messages(
        &mut self,
        current: Option<RunId>,
        mut concern: impl FnMut(Concern),
    ) {
        for message in self.seat.take() {
            match message {
                SlotMessage::Run(order) if self.closing => self.drop_run(order.run),
                SlotMessage::Run(order) if self.queue.len() >= QUEUE_MAX => {
                    let why = format!("more than {QUEUE_MAX} runs wait in this slot");
                    self.shop.say_not_started(order.run, why, false);
                }
                SlotMessage::Run(order) => self.queue.push_back(Waiting {
                    order,
                    feed: Feed::default(),
                }),
                SlotMessage::Write { run, text } if current == Some(run) => {
                    concern(Concern::Write(text));
                }
                SlotMessage::CloseStdin { run } if current == Some(run) => {
                    concern(Concern::CloseStdin);
                }
                SlotMessage::Kill { run, polite } if current == Some(run) => {
                    concern(Concern::End(polite));
                }
                SlotMessage::Write { run, text } => self.write_ahead(run, &text),
                SlotMessage::CloseStdin { run } => {
                    if let Some(waiting) = self.waiting(run) {
                        waiting.feed.close();
                    }
                }
                SlotMessage::Kill { run, .. } => {
                    if self.remove(run) {
                        self.drop_run(run);
                    }
                }
                SlotMessage::Lease => self.lease_orders.push_back(LeaseOrder::Lease),
                SlotMessage::Release => self.lease_orders.push_back(LeaseOrder::Release),
                SlotMessage::End { polite } => {
                    self.closing = true;
                    for waiting in std::mem::take(&mut self.queue) {
                        self.drop_run(waiting.order.run);
                    }
                    concern(Concern::End(polite));
                }
            }
        }
    }

    fn write_ahead(&mut self, run: RunId, text: &str) {
        let Some(waiting) = self.waiting(run) else {
            // It has ended: the text crossed its end on the way.
            return;
        };
        if let Err(overflow @ FeedOverflow) = waiting.feed.write(text) {
            self.remove(run);
            self.shop.say_not_started(run, overflow.to_string(), false);
        }
    }

    fn waiting(&mut self, run: RunId) -> Option<&mut Waiting> {
        self.queue
            .iter_mut()
            .find(|waiting| waiting.order.run == run)
    }

    fn remove(&mut self, run: RunId) -> bool {
        let before = self.queue.len();
        self.queue.retain(|waiting| waiting.order.run != run);
        self.queue.len() < before
    }

    fn drop_run(&self, run: RunId) {
        self.shop.say_exited(run, Ended::NEVER_STARTED, true, false);
    }
}
