//! Counting what is said, so that a conversation outlives the connections that carry it.
//!
//! Each side numbers its messages from 1, keeps each until the other has confirmed it, and after
//! a reconnect repeats what the other has not. So every counted message arrives exactly once and
//! in order, or the two sides find that they do not belong together. Heartbeats, confirmations
//! and vitals are not counted: they are worth something only when they are fresh.
//!
//! Invariant: a message that was ever handed to a connection keeps its number and stays until it
//! is confirmed; only lines that no connection has seen may be given up.

use std::collections::{BTreeMap, VecDeque};

use crate::codec::Encoder;
use crate::message::{FromWorker, RunId, ToWorker};

/// Bytes that may be under way without a confirmation: what a control message has to wait behind.
pub const WINDOW_BYTES: usize = 256 << 10;
/// A confirmation is due after so many messages,
const ACK_MESSAGES: u64 = 256;
/// or after so many bytes; and with each heartbeat.
const ACK_BYTES: usize = 64 << 10;
/// What a kept message costs beyond its bytes, about.
const ENTRY_BYTES: usize = 80;

impl ToWorker {
    /// Whether it has a number, and is repeated after a cut.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !matches!(
            self,
            Self::Hello(_) | Self::Ack { .. } | Self::Ping { number: 0 }
        )
    }
}

impl FromWorker {
    /// Whether it has a number, and is repeated after a cut.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !matches!(
            self,
            Self::Hello(_)
                | Self::Refused { .. }
                | Self::Ack { .. }
                | Self::Vitals(_)
                | Self::Pong { number: 0 }
        )
    }
}

/// The other side claims to have what was never said, or asks for what was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it counts {received} messages where between {confirmed} and {told} are possible")]
pub struct Miscount {
    /// What it counts.
    pub received: u64,
    /// What it had confirmed.
    pub confirmed: u64,
    /// What it was told.
    pub told: u64,
}

/// Counted messages that the other side has not confirmed.
#[derive(Debug, Default)]
pub struct Kept {
    entries: VecDeque<Entry>,
    /// The number of the last message before the first entry.
    confirmed: u64,
    /// The highest number that any connection was given.
    told: u64,
    /// How many of the entries this connection was given.
    given: usize,
    given_bytes: usize,
    bytes: usize,
    line_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    bytes: Vec<u8>,
    lines: Option<Mark>,
}

impl Entry {
    fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_BYTES
    }
}

/// Whose lines an entry holds, and how many.
#[derive(Clone, Copy, Debug)]
struct Mark {
    run: RunId,
    stderr: bool,
    lines: u64,
    dropped: u64,
}

impl Kept {
    /// Keeps an encoded message under the next number.
    pub fn push(&mut self, bytes: Vec<u8>) {
        self.add(Entry { bytes, lines: None });
    }

    /// As `push`, for lines, which may be given up by `thin`.
    pub(crate) fn push_lines(&mut self, message: &FromWorker, bytes: Vec<u8>) {
        let lines = match message {
            FromWorker::Lines {
                run,
                stderr,
                lines,
                dropped,
            } => Some(Mark {
                run: *run,
                stderr: *stderr,
                lines: lines.len() as u64,
                dropped: *dropped,
            }),
            _ => None,
        };
        self.add(Entry { bytes, lines });
    }

    fn add(&mut self, mut entry: Entry) {
        entry.bytes.shrink_to_fit();
        self.bytes += entry.cost();
        if entry.lines.is_some() {
            self.line_bytes += entry.cost();
        }
        self.entries.push_back(entry);
    }

    /// Bytes of everything kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of kept lines.
    pub(crate) fn line_bytes(&self) -> usize {
        self.line_bytes
    }

    /// Bytes that this connection was not given yet.
    #[must_use]
    pub fn ahead_bytes(&self) -> usize {
        self.bytes - self.given_bytes
    }

    /// Whether every message was confirmed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Gives this connection the next messages, about `bytes_max` of them, while less than
    /// `window` is under way unconfirmed.
    pub fn give(&mut self, to: &mut Vec<u8>, bytes_max: usize, window: usize) {
        while self.given < self.entries.len() && self.given_bytes < window && to.len() < bytes_max {
            let entry = &self.entries[self.given];
            to.extend_from_slice(&entry.bytes);
            self.given_bytes += entry.cost();
            self.given += 1;
        }
        self.told = self.told.max(self.confirmed + self.given as u64);
    }

    /// Whether the other side can have counted this.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self, received: u64) -> Result<(), Miscount> {
        if (self.confirmed..=self.told).contains(&received) {
            return Ok(());
        }
        Err(Miscount {
            received,
            confirmed: self.confirmed,
            told: self.told,
        })
    }

    /// The other side has so many messages: they are not kept any longer.
    ///
    /// # Errors
    /// When it cannot have them; nothing changes then.
    pub fn confirm(&mut self, received: u64) -> Result<(), Miscount> {
        self.check(received)?;
        while self.confirmed < received {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            self.confirmed += 1;
            self.bytes -= entry.cost();
            if entry.lines.is_some() {
                self.line_bytes -= entry.cost();
            }
            // What an earlier connection carried may be confirmed before this one was given it.
            if self.given > 0 {
                self.given -= 1;
                self.given_bytes -= entry.cost();
            }
        }
        Ok(())
    }

    /// A new connection, whose other side has so many messages: the rest is given again.
    ///
    /// # Errors
    /// When it cannot have them; nothing changes then.
    pub fn rejoin(&mut self, received: u64) -> Result<(), Miscount> {
        self.check(received)?;
        self.given = 0;
        self.given_bytes = 0;
        self.confirm(received)
    }

    /// Gives up the oldest lines that no connection has seen, until lines take no more than
    /// `line_bytes_max`. The oldest and not the newest, because who comes back wants to know
    /// what happens now, and an adapter reads a renderer's last words for why it ended. In the
    /// place of what is given up stays a message that counts it.
    pub(crate) fn thin(&mut self, line_bytes_max: usize) {
        let fixed = usize::try_from(self.told - self.confirmed).unwrap_or(usize::MAX);
        let tail = self.entries.split_off(fixed.min(self.entries.len()));
        let mut gaps: BTreeMap<(RunId, bool), usize> = BTreeMap::new();
        let mut excess = self.line_bytes.saturating_sub(line_bytes_max);
        for entry in tail {
            let Some(mark) = entry.lines.filter(|_| excess > 0) else {
                self.entries.push_back(entry);
                continue;
            };
            excess = excess.saturating_sub(entry.cost());
            self.bytes -= entry.cost();
            self.line_bytes -= entry.cost();
            let lost = mark.lines + mark.dropped;
            let key = (mark.run, mark.stderr);
            let at = *gaps.entry(key).or_insert(self.entries.len());
            match self.entries.get_mut(at).and_then(|gap| gap.lines.as_mut()) {
                Some(gap) => gap.dropped += lost,
                None => self.entries.push_back(Entry {
                    bytes: Vec::new(),
                    lines: Some(Mark {
                        lines: 0,
                        dropped: lost,
                        ..mark
                    }),
                }),
            }
        }
        for at in gaps.into_values() {
            let entry = &mut self.entries[at];
            let Some(mark) = entry.lines else { continue };
            let message = FromWorker::Lines {
                run: mark.run,
                stderr: mark.stderr,
                lines: Vec::new(),
                dropped: mark.dropped,
            };
            if Encoder::encode(&message, &mut entry.bytes).is_err() {
                debug_assert!(false, "a count over the limit");
            }
            entry.bytes.shrink_to_fit();
            self.bytes += entry.cost();
            self.line_bytes += entry.cost();
        }
    }
}

/// Counted messages that have come.
#[derive(Debug, Default)]
pub struct Receipts {
    received: u64,
    acked: u64,
    bytes: usize,
}

impl Receipts {
    /// How many have come since the conversation began.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// One more has come.
    pub fn count(&mut self) {
        self.received += 1;
    }

    /// So many bytes were read.
    pub fn read(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// The confirmation to send, when enough has come for one.
    pub fn due(&mut self) -> Option<u64> {
        let enough = self.received - self.acked >= ACK_MESSAGES || self.bytes >= ACK_BYTES;
        enough.then(|| self.at_beat()).flatten()
    }

    /// The confirmation to send with a heartbeat, when anything has come since the last.
    pub fn at_beat(&mut self) -> Option<u64> {
        self.bytes = 0;
        let news = self.received > self.acked;
        self.acked = self.received;
        news.then_some(self.received)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::Decoder;

    fn lines(run: u64, count: usize) -> FromWorker {
        FromWorker::Lines {
            run: RunId(run),
            stderr: false,
            lines: vec!["x".repeat(100); count],
            dropped: 0,
        }
    }

    fn push(kept: &mut Kept, message: &FromWorker) {
        let mut bytes = Vec::new();
        Encoder::encode(message, &mut bytes).unwrap();
        match message {
            FromWorker::Lines { .. } => kept.push_lines(message, bytes),
            _ => kept.push(bytes),
        }
    }

    fn read(bytes: &[u8]) -> Vec<FromWorker> {
        let mut decoder = Decoder::new();
        decoder.push(bytes);
        std::iter::from_fn(|| decoder.next().unwrap()).collect()
    }

    fn everything(kept: &mut Kept) -> Vec<FromWorker> {
        let mut all = Vec::new();
        let mut confirmed = kept.confirmed;
        loop {
            let mut bytes = Vec::new();
            kept.give(&mut bytes, usize::MAX, WINDOW_BYTES);
            if bytes.is_empty() {
                return all;
            }
            let some = read(&bytes);
            confirmed += some.len() as u64;
            all.extend(some);
            kept.confirm(confirmed).unwrap();
        }
    }

    #[test]
    fn only_lines_that_nobody_saw_are_given_up_and_they_are_counted() {
        let mut kept = Kept::default();
        push(&mut kept, &lines(1, 10));
        let mut seen = Vec::new();
        kept.give(&mut seen, usize::MAX, WINDOW_BYTES);
        for _ in 0..20 {
            push(&mut kept, &lines(1, 10));
            push(&mut kept, &lines(2, 5));
            push(&mut kept, &FromWorker::Pong { number: 7 });
        }
        kept.thin(10_000);
        kept.thin(6_000);
        assert!(kept.line_bytes() < 7_000, "{}", kept.line_bytes());
        kept.rejoin(0).unwrap();
        let all = everything(&mut kept);
        assert_eq!(all[0], lines(1, 10), "what was under way stays");
        let pongs = all
            .iter()
            .filter(|said| matches!(said, FromWorker::Pong { .. }));
        assert_eq!(pongs.count(), 20);
        for (run, printed) in [(1, 210), (2, 100)] {
            let (mut came, mut lost) = (0, 0);
            for said in &all {
                if let FromWorker::Lines {
                    run: of,
                    lines,
                    dropped,
                    ..
                } = said
                    && of.0 == run
                {
                    came += lines.len() as u64;
                    lost += dropped;
                }
            }
            assert_eq!(came + lost, printed, "run {run}");
            assert!(lost > 0);
        }
        assert!(matches!(&all[all.len() - 2], FromWorker::Lines { lines, .. } if lines.len() == 5));
        assert_eq!((kept.bytes(), kept.line_bytes()), (0, 0));
    }

    #[test]
    fn window_holds_back_until_confirmed() {
        let mut kept = Kept::default();
        for _ in 0..100 {
            push(&mut kept, &lines(1, 100));
        }
        let mut bytes = Vec::new();
        kept.give(&mut bytes, usize::MAX, WINDOW_BYTES);
        assert!((WINDOW_BYTES - 1000..WINDOW_BYTES + 20_000).contains(&bytes.len()));
        let before = bytes.len();
        kept.give(&mut bytes, usize::MAX, WINDOW_BYTES);
        assert_eq!(bytes.len(), before);
        kept.confirm(1).unwrap();
        kept.give(&mut bytes, usize::MAX, WINDOW_BYTES);
        assert!(bytes.len() > before);
        assert!(kept.confirm(0).is_err() && kept.confirm(99).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is cut, confirmed and repeated when: everything once, in order.
        #[test]
        fn nothing_is_lost_and_nothing_is_double(
            steps in proptest::collection::vec((0..4_u8, 1..60_usize), 1..120)
        ) {
            let (mut kept, mut receipts) = (Kept::default(), Receipts::default());
            let (mut said, mut heard) = (0_u64, Vec::new());
            // On the way: given to the connection, not yet come.
            let mut way: VecDeque<FromWorker> = VecDeque::new();
            let close = [(0, 0), (3, 0), (1, 0), (2, usize::MAX)];
            for (step, size) in steps.into_iter().chain(close) {
                match step {
                    0 => for _ in 0..size {
                        said += 1;
                        push(&mut kept, &FromWorker::Pong { number: said });
                    },
                    1 => {
                        let mut bytes = Vec::new();
                        kept.give(&mut bytes, if size == 0 { usize::MAX } else { size * 20 }, WINDOW_BYTES);
                        way.extend(read(&bytes));
                    }
                    2 => {
                        for message in way.drain(..size.min(way.len())) {
                            receipts.count();
                            heard.push(message);
                        }
                        if let Some(received) = receipts.at_beat() {
                            kept.confirm(received).unwrap();
                        }
                    }
                    _ => {
                        way.clear();
                        kept.rejoin(receipts.received()).unwrap();
                    }
                }
            }
            let wanted: Vec<_> = (1..=said).map(|number| FromWorker::Pong { number }).collect();
            prop_assert_eq!(heard, wanted);
            prop_assert!(kept.is_empty());
        }
    }
}
