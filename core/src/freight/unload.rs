//! Writing what comes home, on a thread of its own.
//!
//! A file is written beside its final name, hashed as it is written, and renamed when size and
//! hash are right. One that is not finished leaves nothing: its temporary file goes with it.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use framewright_worker::freight::message::Blob;
use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};

use super::{Fetch, FetchFault, FetchToken};

/// What the thread is told. Bounded by the window that the depot is given.
#[derive(Debug)]
pub(super) enum Item {
    /// A file is to come. How much of it is written is counted in `written`.
    Expect {
        fetch: Fetch,
        written: Arc<AtomicU64>,
    },
    Data {
        token: FetchToken,
        data: Vec<u8>,
    },
    End {
        token: FetchToken,
    },
    Forget {
        token: FetchToken,
    },
    /// Everything before this is to be written.
    Flush(oneshot::Sender<()>),
}

/// What the thread tells.
#[derive(Debug)]
pub(super) enum Unloaded {
    Wrote {
        bytes: u64,
    },
    Done {
        token: FetchToken,
    },
    Failed {
        token: FetchToken,
        why: String,
        kind: FetchFault,
    },
}

/// Starts the thread; it ends when the sender is dropped.
pub(super) fn start() -> (Sender<Item>, mpsc::UnboundedReceiver<Unloaded>) {
    let (items, queue) = channel();
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || serve(&queue, &tell));
    (items, told)
}

struct Arriving {
    fetch: Fetch,
    written: Arc<AtomicU64>,
    file: Option<NamedTempFile>,
    hasher: blake3::Hasher,
}

fn serve(queue: &Receiver<Item>, tell: &mpsc::UnboundedSender<Unloaded>) {
    let mut arriving: BTreeMap<FetchToken, Arriving> = BTreeMap::new();
    while let Ok(item) = queue.recv() {
        let mut failed = None;
        match item {
            Item::Expect { fetch, written } => {
                let token = fetch.token;
                let expected = Arriving {
                    fetch,
                    written,
                    file: None,
                    hasher: blake3::Hasher::new(),
                };
                arriving.insert(token, expected);
            }
            Item::Data { token, data } => {
                let bytes = data.len() as u64;
                let wrote = arriving
                    .get_mut(&token)
                    .map_or(Ok(()), |file| file.add(&data));
                failed = wrote.err().map(|error| (token, error));
                // Taken, whether or not anybody wants it.
                let _ = tell.send(Unloaded::Wrote { bytes });
            }
            Item::End { token } => {
                if let Some(file) = arriving.remove(&token) {
                    match file.finish() {
                        Ok(()) => drop(tell.send(Unloaded::Done { token })),
                        Err(error) => failed = Some((token, error)),
                    }
                }
            }
            Item::Forget { token } => drop(arriving.remove(&token)),
            Item::Flush(done) => drop(done.send(())),
        }
        if let Some((token, (why, kind))) = failed {
            arriving.remove(&token);
            let _ = tell.send(Unloaded::Failed { token, why, kind });
        }
    }
}

impl Arriving {
    fn open(&mut self) -> Result<&mut NamedTempFile, (String, FetchFault)> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let to = &self.fetch.to;
                let folder = to.parent().unwrap_or(Path::new("."));
                tempfile::Builder::new()
                    .prefix(".fetched-")
                    // As a renderer's file: the user's mask takes away what it takes away.
                    .permissions(Permissions::from_mode(0o666))
                    .tempfile_in(folder)
                    .map_err(|error| cannot_write(to, &error))?
            }
        };
        Ok(self.file.insert(file))
    }

    fn add(&mut self, data: &[u8]) -> Result<(), (String, FetchFault)> {
        let to = self.fetch.to.clone();
        let file = self.open()?;
        file.as_file_mut()
            .write_all(data)
            .map_err(|error| cannot_write(&to, &error))?;
        self.hasher.update(data);
        self.written.fetch_add(data.len() as u64, Ordering::Release);
        Ok(())
    }

    fn finish(mut self) -> Result<(), (String, FetchFault)> {
        self.open()?;
        let Fetch {
            from,
            to,
            bytes,
            hash,
            ..
        } = self.fetch;
        let found = Blob::from(self.hasher.finalize()).to_string();
        if self.hasher.count() != bytes || found != hash {
            let why = format!("{from} is not the file that was verified there");
            return Err((why, FetchFault::Differs));
        }
        let Some(file) = self.file else {
            return Ok(());
        };
        file.persist(&to)
            .map_err(|error| cannot_write(&to, &error.error))?;
        Ok(())
    }
}

fn cannot_write(to: &Path, error: &io::Error) -> (String, FetchFault) {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FetchFault::LocalDiskFull,
        _ => FetchFault::Local,
    };
    (format!("cannot write {}: {error}", to.display()), kind)
}
