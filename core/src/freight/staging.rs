//! Bringing one package to a host: ask what is there, send the rest, lay it out.
//!
//! All of it is done in rounds. A round asks for every blob, sends what is missing and lays out
//! every file; what went away meanwhile (another job's eviction, a damaged part) makes another
//! round, a few times at most. After a cut the round begins again, and finds on the host what the
//! last one sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use framewright_worker::freight::message::{
    AskId, BATCH_MAX, Blob, BlobFact, Fault, FaultKind, FromDepot, Presence, PutId, ToDepot,
};
use tokio::sync::mpsc;

use super::load::{self, Cargo, Consignment, Loaded, Parcel};
use super::{FreightNews, Package};

/// Rounds after which something is wrong that more rounds do not mend.
const ROUNDS_MAX: u32 = 4;
/// Progress is told so often at most.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// A package on its way, whatever the connection does.
pub(super) struct Staging {
    package: Arc<Package>,
    job: String,
    asked: Instant,
    bytes_sent: u64,
    rounds: u32,
    told: Option<Instant>,
    round: Option<Round>,
}

/// One round, over one connection.
struct Round {
    /// Questions without an answer, and which of `unique` each is about.
    asking: BTreeMap<AskId, std::ops::Range<usize>>,
    /// Index of the first file with each blob.
    unique: Vec<usize>,
    missing: Vec<(usize, u64)>,
    there_bytes: u64,
    parcels: Option<mpsc::Receiver<Loaded>>,
    link_rate: Arc<AtomicU64>,
    /// Blobs that were sent and are not known to be stored.
    puts: BTreeSet<PutId>,
    laying: BTreeSet<AskId>,
    /// What is not there although it was sent.
    again: bool,
}

/// Numbers for questions and blobs, never given twice on a connection.
#[derive(Debug, Default)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn take(&mut self, count: u64) -> u64 {
        let first = self.0 + 1;
        self.0 += count;
        first
    }
}

impl Staging {
    pub(super) fn new(package: Arc<Package>, job: String) -> Self {
        Self {
            package,
            job,
            asked: Instant::now(),
            bytes_sent: 0,
            rounds: 0,
            told: None,
            round: None,
        }
    }

    /// The connection is lost: the next one begins a round.
    pub(super) fn cut(&mut self) {
        self.round = None;
    }

    pub(super) fn is_begun(&self) -> bool {
        self.round.is_some()
    }

    /// Begins a round: the questions to be asked.
    pub(super) fn begin(&mut self, numbers: &mut Numbers) -> Vec<ToDepot> {
        let files = self.package.files();
        let mut first: BTreeMap<Blob, usize> = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            first.entry(file.fact.blob).or_insert(index);
        }
        let mut unique: Vec<usize> = first.into_values().collect();
        // In the order of the package, so that files of one folder are read one after the other.
        unique.sort_unstable();
        let mut asking = BTreeMap::new();
        let mut questions = Vec::new();
        for (index, batch) in unique.chunks(BATCH_MAX).enumerate() {
            let ask = AskId(numbers.take(1));
            let start = index * BATCH_MAX;
            asking.insert(ask, start..start + batch.len());
            questions.push(ToDepot::Have {
                ask,
                blobs: batch.iter().map(|&file| files[file].fact).collect(),
            });
        }
        self.round = Some(Round {
            asking,
            unique,
            missing: Vec::new(),
            there_bytes: 0,
            parcels: None,
            link_rate: Arc::new(AtomicU64::new(0)),
            puts: BTreeSet::new(),
            laying: BTreeSet::new(),
            again: false,
        });
        questions
    }

    /// What is ready to be sent.
    pub(super) fn parcels(&mut self) -> Option<&mut mpsc::Receiver<Loaded>> {
        self.round.as_mut()?.parcels.as_mut()
    }

    /// Nothing more is to be sent in this round.
    pub(super) fn all_sent(&mut self) {
        if let Some(round) = &mut self.round {
            round.parcels = None;
        }
    }

    /// A parcel leaves.
    pub(super) fn leaves(&mut self, parcel: &Parcel, link_rate: Option<f64>) {
        self.bytes_sent += parcel.payload;
        if let (Some(round), Some(rate)) = (&self.round, link_rate) {
            round.link_rate.store(rate as u64, Ordering::Relaxed);
        }
    }

    /// So many bytes of files were taken.
    pub(super) fn arrived(&mut self, plain: u64) {
        if let Some(round) = &mut self.round {
            round.there_bytes += plain;
        }
    }

    /// How far it is, if that was not told just now.
    pub(super) fn progress(&mut self) -> Option<FreightNews> {
        let round = self.round.as_ref()?;
        if self.told.is_some_and(|told| told.elapsed() < TOLD_EVERY) {
            return None;
        }
        self.told = Some(Instant::now());
        let bytes_total = self.package.bytes();
        Some(FreightNews::Progress {
            bytes: self.there(round).min(bytes_total),
            bytes_total,
        })
    }

    /// Files of equal content count once each, like the package's own size.
    fn there(&self, round: &Round) -> u64 {
        let files = self.package.files();
        let unique: u64 = round
            .unique
            .iter()
            .map(|&file| files[file].fact.bytes)
            .sum();
        let twice = self.package.bytes() - unique;
        if round.there_bytes >= unique {
            round.there_bytes + twice
        } else {
            round.there_bytes
        }
    }

    /// Takes an answer of the depot. Further questions go to `say`; an outcome ends the staging.
    pub(super) fn hear(
        &mut self,
        message: FromDepot,
        numbers: &mut Numbers,
        say: &mut Vec<ToDepot>,
        tree: impl Fn(&str) -> String,
    ) -> Option<FreightNews> {
        let round = self.round.as_mut()?;
        match message {
            FromDepot::Had { ask, blobs } => {
                let range = round.asking.remove(&ask)?;
                if range.len() != blobs.len() {
                    return Some(failed(
                        "the depot's answer does not fit the question",
                        false,
                    ));
                }
                for (index, presence) in range.zip(blobs) {
                    let file = round.unique[index];
                    let fact: BlobFact = self.package.files()[file].fact;
                    match presence {
                        Presence::Whole => round.there_bytes += fact.bytes,
                        Presence::Part(from) => {
                            let from = from.min(fact.bytes);
                            round.there_bytes += from;
                            round.missing.push((file, from));
                        }
                    }
                }
                if round.asking.is_empty() {
                    self.load(numbers, say);
                }
                None
            }
            FromDepot::Stored { put } => {
                round.puts.remove(&put);
                None
            }
            FromDepot::NotStored { put, fault } => {
                if !round.puts.remove(&put) {
                    return None;
                }
                if fault.kind == FaultKind::Differs {
                    round.again = true;
                    return None;
                }
                Some(failed(&fault.why, fault.no_room()))
            }
            FromDepot::Laid {
                ask,
                missing,
                fault,
            } => {
                if !round.laying.remove(&ask) {
                    return None;
                }
                if let Some(Fault { ref why, .. }) = fault {
                    return Some(failed(why, fault.as_ref().is_some_and(Fault::no_room)));
                }
                round.again |= !missing.is_empty();
                if round.laying.is_empty() {
                    return self.laid(numbers, say, tree);
                }
                None
            }
            _ => None,
        }
    }

    /// Everything is known: what is missing is sent, and everything laid out.
    fn load(&mut self, numbers: &mut Numbers, say: &mut Vec<ToDepot>) {
        let Some(round) = &mut self.round else { return };
        // Batches are answered in order, but nothing here depends on that.
        round.missing.sort_unstable();
        let files = self.package.files();
        let to_come: u64 = round
            .missing
            .iter()
            .map(|&(file, from)| files[file].fact.bytes - from)
            .sum();
        if to_come > 0 {
            say.push(ToDepot::Room {
                ask: AskId(numbers.take(1)),
                bytes: to_come,
            });
        }
        let consignments: Vec<Consignment> = round
            .missing
            .iter()
            .map(|&(file, from)| Consignment {
                put: PutId(numbers.take(1)),
                file,
                from,
            })
            .collect();
        round.puts = consignments.iter().map(|one| one.put).collect();
        let orders = load::lay_orders(files.len()) as u64;
        let first = numbers.take(orders);
        round.laying = (first..first + orders).map(AskId).collect();
        round.parcels = Some(load::start(Cargo {
            package: Arc::clone(&self.package),
            job: self.job.clone(),
            consignments,
            first_ask: AskId(first),
            link_rate: Arc::clone(&round.link_rate),
        }));
    }

    fn laid(
        &mut self,
        numbers: &mut Numbers,
        say: &mut Vec<ToDepot>,
        tree: impl Fn(&str) -> String,
    ) -> Option<FreightNews> {
        let round = self.round.as_ref()?;
        if round.again {
            self.rounds += 1;
            if self.rounds >= ROUNDS_MAX {
                let why = "what arrives is not what was sent, or goes away again at once";
                return Some(failed(why, false));
            }
            say.extend(self.begin(numbers));
            return None;
        }
        Some(FreightNews::Staged {
            tree: tree(&self.job),
            bytes_sent: self.bytes_sent,
            bytes_total: self.package.bytes(),
            files: self.package.files().len(),
            seconds: self.asked.elapsed().as_secs_f64(),
        })
    }
}

fn failed(why: &str, disk_full: bool) -> FreightNews {
    FreightNews::StageFailed {
        why: why.to_owned(),
        disk_full,
    }
}
