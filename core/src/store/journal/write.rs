//! The journal's writer: one thread, groups, one sync a group, then the group's commits.
//!
//! Invariant: [`Done::Synced`] and every rename come after the sync of their records. After the
//! first failed write or sync nothing more is written or renamed: what the disk then holds is not
//! known, and is found out by the next reader.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::commit::{Commit, Token, place};
use super::line::{Header, LINE_BYTES_MAX, encode, make_finite};
use super::read::{ReadError, ReadReport, read};
use crate::event::Stamped;
use crate::store::durable::{is_disk_full, sync_folder};
use crate::store::record::FORMAT;

/// Records that wait for the writer; one more makes the caller wait.
const QUEUE_MAX: usize = 1 << 16;
/// A group is closed when it has this many bytes.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// Syncs begin no sooner after one another than this, unless a group is full: what comes meanwhile
/// shares the next one. After a quiet moment a record waits for nothing.
const SYNC_EVERY_MIN: Duration = Duration::from_millis(3);
/// A group is closed when it has this many commits, so that their outcomes come soon.
const GROUP_COMMITS_MAX: usize = 64;

/// Number of a record among those given to one writer, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// What the writer reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Every record up to this one is on the disk.
    Synced(Seq),
    /// A file has its final name, durably.
    Committed {
        /// Which.
        token: Token,
    },
    /// A file did not get its final name; its record says otherwise until a
    /// [`VERDICT_COMMIT`](crate::store::VERDICT_COMMIT) failure takes it back.
    CommitFailed {
        /// Which.
        token: Token,
        /// One sentence.
        why: String,
        /// Whether no room was left.
        disk_full: bool,
        /// Whether a file that may not be replaced has the name.
        exists: bool,
    },
    /// The journal can no longer be written. Nothing given to this writer from now on is
    /// written; commits are answered by `CommitFailed`. Reported once.
    Broken {
        /// One sentence.
        why: String,
        /// Whether no room was left.
        disk_full: bool,
    },
}

/// The writer's thread is gone.
#[derive(Debug, thiserror::Error)]
#[error("the journal's writer has ended")]
pub struct WriterGone;

/// Why a journal cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error("cannot write the journal {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The only one who writes a job's journal, while the job's lock is held.
///
/// Dropping it writes what waits and ends the thread.
#[derive(Debug)]
pub struct JournalWriter {
    orders: Option<SyncSender<Order>>,
    given: Seq,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Order {
    stamped: Stamped,
    commit: Option<Commit>,
}

impl JournalWriter {
    /// Open the journal at `path`, made if missing, a torn end cut off; `take` gets the events
    /// that it holds already. `report` is called on the writer's thread, must not block, and must
    /// not wait for whoever appends: the two would wait for each other.
    pub fn open(
        path: &Path,
        take: impl FnMut(Stamped),
        report: impl FnMut(Done) + Send + 'static,
    ) -> Result<(Self, ReadReport), OpenError> {
        let found = read(path, take)?;
        let fail = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let file = prepare(path, &found).map_err(fail)?;
        let writer = Self::on_file(file, path, report).map_err(fail)?;
        Ok((writer, found))
    }

    /// Write to an open file that ends where the next record begins.
    pub(super) fn on_file(
        file: File,
        path: &Path,
        report: impl FnMut(Done) + Send + 'static,
    ) -> io::Result<Self> {
        let (orders, inbox) = sync_channel(QUEUE_MAX);
        let writer = Writer {
            file,
            path: path.to_owned(),
            report,
            group: Vec::with_capacity(GROUP_BYTES_MAX * 2),
            commits: Vec::new(),
            synced: Seq::default(),
            next_sync: Instant::now(),
            is_broken: false,
        };
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&inbox))?;
        Ok(Self {
            orders: Some(orders),
            given: Seq::default(),
            thread: Some(thread),
        })
    }

    /// Append an event. Waits only while 65,536 records are ahead of it.
    pub fn append(&mut self, stamped: Stamped) -> Result<Seq, WriterGone> {
        self.give(stamped, None)
    }

    /// Append the event that announces a commit; the file is renamed once the record is durable.
    pub fn append_commit(&mut self, stamped: Stamped, commit: Commit) -> Result<Seq, WriterGone> {
        self.give(stamped, Some(commit))
    }

    /// The last record given.
    #[must_use]
    pub fn given(&self) -> Seq {
        self.given
    }

    fn give(&mut self, stamped: Stamped, commit: Option<Commit>) -> Result<Seq, WriterGone> {
        let orders = self.orders.as_ref().ok_or(WriterGone)?;
        orders
            .send(Order { stamped, commit })
            .map_err(|_| WriterGone)?;
        self.given.0 += 1;
        Ok(self.given)
    }

    /// Write what waits, report it, and end.
    pub fn close(mut self) -> Result<(), WriterGone> {
        self.end_thread()
    }

    fn end_thread(&mut self) -> Result<(), WriterGone> {
        self.orders = None;
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        thread.thread().unpark();
        thread.join().map_err(|_| WriterGone)
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        // A panic of the report function was its own message.
        let _ = self.end_thread();
    }
}

/// Cut the torn end off, and see that there is a header and that the file's name is durable.
fn prepare(path: &Path, found: &ReadReport) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if found.torn_bytes > 0 {
        file.set_len(found.whole_bytes)?;
    }
    if found.whole_bytes == 0 {
        let mut line = Vec::new();
        encode(
            &Header {
                format: FORMAT,
                framewright: env!("CARGO_PKG_VERSION").to_owned(),
            },
            &mut line,
        )?;
        file.write_all(&line)?;
    }
    file.sync_all()?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    Ok(file)
}

struct Writer<R> {
    file: File,
    path: PathBuf,
    report: R,
    group: Vec<u8>,
    commits: Vec<Commit>,
    synced: Seq,
    next_sync: Instant,
    is_broken: bool,
}

impl<R: FnMut(Done)> Writer<R> {
    fn run(mut self, inbox: &Receiver<Order>) {
        while let Ok(first) = inbox.recv() {
            // Ended early when the journal is closed; any other early end costs one more sync.
            thread::park_timeout(self.next_sync.saturating_duration_since(Instant::now()));
            let mut count = 0;
            let mut next = Some(first);
            while let Some(order) = next {
                count += 1;
                self.collect(order);
                let is_full =
                    self.group.len() >= GROUP_BYTES_MAX || self.commits.len() >= GROUP_COMMITS_MAX;
                next = match inbox.try_recv() {
                    Ok(order) if !is_full => Some(order),
                    Ok(order) => {
                        self.flush(count);
                        count = 0;
                        Some(order)
                    }
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
                };
            }
            self.flush(count);
        }
    }

    fn collect(&mut self, order: Order) {
        let Order {
            mut stamped,
            commit,
        } = order;
        make_finite(&mut stamped);
        let start = self.group.len();
        match encode(&stamped, &mut self.group) {
            Ok(()) if self.group.len() - start <= LINE_BYTES_MAX => {}
            Ok(()) => {
                self.group.truncate(start);
                self.break_off(&"a record is too long", false);
            }
            Err(error) => self.break_off(&error, false),
        }
        self.commits.extend(commit);
    }

    /// Write the group, sync, and only then do what it announces.
    fn flush(&mut self, count: u64) {
        self.next_sync = Instant::now() + SYNC_EVERY_MIN;
        if !self.is_broken {
            let written = self
                .file
                .write_all(&self.group)
                .and_then(|()| self.file.sync_data());
            match written {
                Ok(()) => {
                    self.synced.0 += count;
                    (self.report)(Done::Synced(self.synced));
                }
                Err(error) => self.break_off(&error, is_disk_full(&error)),
            }
        }
        self.group.clear();
        let commits = std::mem::take(&mut self.commits);
        if self.is_broken {
            for Commit { token, .. } in commits {
                (self.report)(Done::CommitFailed {
                    token,
                    why: "the journal cannot be written".to_owned(),
                    disk_full: false,
                    exists: false,
                });
            }
        } else {
            self.perform(&commits);
        }
    }

    fn perform(&mut self, commits: &[Commit]) {
        let mut placed = Vec::with_capacity(commits.len());
        let mut folders = BTreeSet::new();
        for commit in commits {
            match place(&commit.file, commit.replace) {
                Ok(()) => {
                    let folder = Path::new(&commit.file.path).parent();
                    let folder = folder.unwrap_or(Path::new("."));
                    folders.insert(folder);
                    placed.push((commit.token, folder));
                }
                Err(error) => (self.report)(Done::CommitFailed {
                    token: commit.token,
                    why: error.to_string(),
                    disk_full: error.is_disk_full(),
                    exists: error.is_exists(),
                }),
            }
        }
        let mut failed: Vec<(&Path, io::Error)> = Vec::new();
        for folder in folders {
            if let Err(error) = sync_folder(folder) {
                failed.push((folder, error));
            }
        }
        for (token, folder) in placed {
            let error = failed.iter().find(|(name, _)| *name == folder);
            (self.report)(match error {
                None => Done::Committed { token },
                Some((_, error)) => Done::CommitFailed {
                    token,
                    why: format!("cannot sync the folder {}: {error}", folder.display()),
                    disk_full: is_disk_full(error),
                    exists: false,
                },
            });
        }
    }

    fn break_off(&mut self, why: &dyn std::fmt::Display, disk_full: bool) {
        if self.is_broken {
            return;
        }
        self.is_broken = true;
        let why = format!("cannot write the journal {}: {why}", self.path.display());
        (self.report)(Done::Broken { why, disk_full });
    }
}
