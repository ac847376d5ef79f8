//! Files that are wanted from a host, whatever the connection does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use framewright_worker::freight::message::{Fault, FaultKind, READS_MAX, ReadId, ToDepot};
use serde_bytes::ByteBuf;

use super::staging::Numbers;
use super::unload::{Item, Unloaded};
use super::{Fetch, FetchFault, FetchToken, FreightNews};

/// Reads that a depot has at a time: enough that it always has a next one.
const ASKED_MAX: usize = READS_MAX / 2;

/// All of them, in the order in which they were asked for.
pub(super) struct Fetching {
    items: Sender<Item>,
    wanted: BTreeMap<FetchToken, Wanted>,
    /// Not asked for on this connection.
    waiting: VecDeque<FetchToken>,
    reads: BTreeMap<ReadId, FetchToken>,
    /// Bytes taken since the connection began, and whether the depot was told.
    taken: u64,
    ack_due: bool,
}

struct Wanted {
    fetch: Fetch,
    written: Arc<AtomicU64>,
    read: Option<ReadId>,
}

impl Fetching {
    pub(super) fn new(items: Sender<Item>) -> Self {
        Self {
            items,
            wanted: BTreeMap::new(),
            waiting: VecDeque::new(),
            reads: BTreeMap::new(),
            taken: 0,
            ack_due: false,
        }
    }

    pub(super) fn want(&mut self, fetch: Fetch) {
        let token = fetch.token;
        let written = Arc::new(AtomicU64::new(0));
        self.tell(Item::Expect {
            fetch: fetch.clone(),
            written: Arc::clone(&written),
        });
        let wanted = Wanted {
            fetch,
            written,
            read: None,
        };
        self.wanted.insert(token, wanted);
        self.waiting.push_back(token);
    }

    pub(super) fn forget(&mut self, token: FetchToken, say: &mut Vec<ToDepot>) {
        if let Some(read) = self.drop_wanted(token) {
            say.push(ToDepot::Unread { read });
        }
        self.tell(Item::Forget { token });
    }

    /// The connection is lost, and everything that came over it was written.
    pub(super) fn cut(&mut self) {
        self.reads.clear();
        self.taken = 0;
        self.ack_due = false;
        for wanted in self.wanted.values_mut() {
            wanted.read = None;
        }
        let waiting: std::collections::BTreeSet<_> = self.waiting.iter().copied().collect();
        // Those that were asked for come first again.
        for token in self
            .wanted
            .keys()
            .rev()
            .filter(|token| !waiting.contains(token))
        {
            self.waiting.push_front(*token);
        }
    }

    /// Asks for what is next, as far as the depot may be asked.
    pub(super) fn ask(&mut self, numbers: &mut Numbers, say: &mut Vec<ToDepot>) {
        while self.reads.len() < ASKED_MAX
            && let Some(token) = self.waiting.pop_front()
        {
            let Some(wanted) = self.wanted.get_mut(&token) else {
                continue;
            };
            let read = ReadId(numbers.take(1));
            wanted.read = Some(read);
            self.reads.insert(read, token);
            say.push(ToDepot::Read {
                read,
                path: wanted.fetch.from.clone(),
                from: wanted.written.load(Ordering::Acquire),
                bytes: wanted.fetch.bytes,
            });
        }
    }

    pub(super) fn data(&mut self, read: ReadId, data: ByteBuf) {
        match self.reads.get(&read) {
            Some(&token) => {
                let data = data.into_vec();
                self.tell(Item::Data { token, data });
            }
            // It was still on its way when it was given up.
            None => self.take(data.len() as u64),
        }
    }

    pub(super) fn end(&mut self, read: ReadId) {
        if let Some(token) = self.reads.remove(&read) {
            self.tell(Item::End { token });
        }
    }

    pub(super) fn not_read(&mut self, read: ReadId, fault: Fault) -> Option<FreightNews> {
        let token = self.reads.remove(&read)?;
        self.wanted.remove(&token);
        self.tell(Item::Forget { token });
        let kind = match fault.kind {
            FaultKind::Missing => FetchFault::Gone,
            FaultKind::Differs => FetchFault::Differs,
            _ => FetchFault::Unreadable,
        };
        let why = fault.why;
        Some(FreightNews::FetchFailed { token, why, kind })
    }

    /// Takes what the thread that writes tells.
    pub(super) fn unloaded(
        &mut self,
        told: Unloaded,
        say: &mut Vec<ToDepot>,
    ) -> Option<FreightNews> {
        match told {
            Unloaded::Wrote { bytes } => {
                self.take(bytes);
                None
            }
            Unloaded::Done { token } => {
                self.drop_wanted(token);
                Some(FreightNews::Fetched { token })
            }
            Unloaded::Failed { token, why, kind } => {
                if let Some(read) = self.drop_wanted(token) {
                    say.push(ToDepot::Unread { read });
                }
                Some(FreightNews::FetchFailed { token, why, kind })
            }
        }
    }

    /// What the depot is to be told of what was taken.
    pub(super) fn ack(&mut self, window: u64) -> Option<ToDepot> {
        std::mem::take(&mut self.ack_due).then_some(ToDepot::Ack {
            taken: self.taken,
            window,
        })
    }

    /// Hands an item to the thread that writes, which lives as long as this does.
    pub(super) fn tell(&self, item: Item) {
        let _ = self.items.send(item);
    }

    fn take(&mut self, bytes: u64) {
        self.taken += bytes;
        self.ack_due = true;
    }

    /// The read under which it was asked for, if it was.
    fn drop_wanted(&mut self, token: FetchToken) -> Option<ReadId> {
        let read = self.wanted.remove(&token)?.read?;
        self.reads.remove(&read).map(|_| read)
    }
}
