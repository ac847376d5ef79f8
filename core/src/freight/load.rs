//! Reading what is to be sent, on a thread of its own, and putting it into parcels.
//!
//! A parcel is some whole messages in the form that goes into the pipe, so that the thread that
//! serves the connection only passes bytes on. Small files share one; of a large file each piece
//! is one. A few parcels wait ready, so that the way never waits for a disk; memory is bounded by
//! them.
//!
//! A file is compared with what was hashed when it is opened and again when it was read: one that
//! changed meanwhile ends the load.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use framewright_worker::codec::Encoder;
use framewright_worker::freight::message::{
    AskId, BATCH_MAX, PIECE_BYTES_MAX, Place, PutId, ToDepot,
};
use serde_bytes::ByteBuf;
use tokio::sync::mpsc;

use super::Package;
use super::hashes::Stamp;
use super::package::Packed;
use super::squeeze::Squeezer;

/// Parcels that wait ready.
const READY_MAX: usize = 6;
/// A parcel is closed when it has this many bytes.
const PARCEL_BYTES: usize = 128 << 10;
/// Bytes of a piece: several fit into the smallest window.
const PIECE_BYTES: usize = 128 << 10;
const _: () = assert!(PIECE_BYTES <= PIECE_BYTES_MAX);

/// A blob to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consignment {
    pub(super) put: PutId,
    /// Index into the package.
    pub(super) file: usize,
    /// What is there already.
    pub(super) from: u64,
}

/// What is to be done at a host.
pub(super) struct Cargo {
    pub(super) package: Arc<Package>,
    pub(super) job: String,
    pub(super) consignments: Vec<Consignment>,
    /// Number of the first order to lay out; the others follow. See [`lay_orders`].
    pub(super) first_ask: AskId,
    /// What the way carries, in bytes a second; 0 = not known yet.
    pub(super) link_rate: Arc<AtomicU64>,
}

/// Some messages.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    pub(super) bytes: Vec<u8>,
    /// Bytes in it that the depot acknowledges.
    pub(super) payload: u64,
    /// Bytes of files in it.
    pub(super) plain: u64,
}

/// What comes from the thread.
pub(super) type Loaded = Result<Parcel, String>;

/// How many orders it takes to lay out so many files.
pub(super) fn lay_orders(files: usize) -> usize {
    files.div_ceil(BATCH_MAX)
}

/// Starts to load. Dropping the receiver ends it.
pub(super) fn start(cargo: Cargo) -> mpsc::Receiver<Loaded> {
    let (ready, parcels) = mpsc::channel(READY_MAX);
    std::thread::spawn(move || {
        let mut loader = Loader {
            ready,
            parcel: Parcel::default(),
            squeezer: Squeezer::new(),
            piece: Vec::new(),
        };
        match loader.load(&cargo) {
            Ok(()) | Err(Stop::NotWanted) => {}
            Err(Stop::Because(why)) => drop(loader.ready.blocking_send(Err(why))),
        }
    });
    parcels
}

enum Stop {
    NotWanted,
    Because(String),
}

struct Loader {
    ready: mpsc::Sender<Loaded>,
    parcel: Parcel,
    squeezer: Squeezer,
    piece: Vec<u8>,
}

impl Loader {
    fn load(&mut self, cargo: &Cargo) -> Result<(), Stop> {
        for consignment in &cargo.consignments {
            let Some(file) = cargo.package.files().get(consignment.file) else {
                continue;
            };
            let rate = cargo.link_rate.load(Ordering::Relaxed);
            self.send(file, *consignment, (rate > 0).then_some(rate as f64))?;
        }
        for (index, batch) in (0..).zip(cargo.package.files().chunks(BATCH_MAX)) {
            self.add(&ToDepot::Lay {
                ask: AskId(cargo.first_ask.0 + index),
                job: cargo.job.clone(),
                files: batch
                    .iter()
                    .map(|file| Place {
                        path: file.path.clone(),
                        fact: file.fact,
                    })
                    .collect(),
            })?;
        }
        self.ship()
    }

    fn send(
        &mut self,
        file: &Packed,
        consignment: Consignment,
        link_rate: Option<f64>,
    ) -> Result<(), Stop> {
        let path = &file.source;
        let cannot = |error: io::Error| {
            Stop::Because(format!("cannot read the asset {}: {error}", path.display()))
        };
        let changed = || {
            let why = format!("{} changed after the job was made", path.display());
            Stop::Because(why)
        };
        let same = |opened: &File| {
            let about = opened.metadata().map_err(cannot)?;
            let stamp =
                Stamp::of(path, &about).map_err(|error| Stop::Because(error.to_string()))?;
            if stamp == file.stamp {
                Ok(())
            } else {
                Err(changed())
            }
        };
        let mut opened = File::open(path).map_err(cannot)?;
        same(&opened)?;
        let Consignment { put, from, .. } = consignment;
        self.add(&ToDepot::Put {
            put,
            blob: file.fact,
            from,
        })?;
        let mut left = file.fact.bytes - from;
        let squeeze = left > 0
            && self
                .squeezer
                .pays_for(&opened, file.fact.bytes, link_rate)
                .map_err(cannot)?;
        opened.seek(SeekFrom::Start(from)).map_err(cannot)?;
        while left > 0 {
            let count = left.min(PIECE_BYTES as u64);
            self.piece.clear();
            (&mut opened)
                .take(count)
                .read_to_end(&mut self.piece)
                .map_err(cannot)?;
            if self.piece.len() as u64 != count {
                return Err(changed());
            }
            self.piece(put, squeeze)?;
            left -= count;
        }
        same(&opened)
    }

    /// Adds `self.piece`.
    fn piece(&mut self, put: PutId, squeeze: bool) -> Result<(), Stop> {
        let plain = self.piece.len();
        let packed = if squeeze {
            self.squeezer
                .squeeze(&self.piece)
                .filter(|packed| packed.len() < plain)
        } else {
            None
        };
        let (zstd, data) = match packed {
            Some(packed) => (true, packed.to_vec()),
            None => (false, std::mem::take(&mut self.piece)),
        };
        let payload = data.len();
        let message = ToDepot::Piece {
            put,
            zstd,
            data: ByteBuf::from(data),
        };
        self.parcel.payload += payload as u64;
        self.parcel.plain += plain as u64;
        self.add(&message)?;
        if let (false, ToDepot::Piece { data, .. }) = (zstd, message) {
            self.piece = data.into_vec();
        }
        Ok(())
    }

    fn add(&mut self, message: &ToDepot) -> Result<(), Stop> {
        Encoder::encode(message, &mut self.parcel.bytes)
            .map_err(|error| Stop::Because(error.to_string()))?;
        if self.parcel.bytes.len() >= PARCEL_BYTES {
            self.ship()?;
        }
        Ok(())
    }

    fn ship(&mut self) -> Result<(), Stop> {
        if self.parcel.bytes.is_empty() {
            return Ok(());
        }
        let parcel = std::mem::take(&mut self.parcel);
        self.ready
            .blocking_send(Ok(parcel))
            .map_err(|_| Stop::NotWanted)
    }
}
