//! A depot's connection: hello, orders, the end.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::blobs::{self, Arriving, Blobs, free_bytes};
use super::message::{
    AskId, BATCH_MAX, BlobFact, DepotHello, DepotWelcome, Fault, FaultKind, FromDepot,
    PIECE_BYTES_MAX, Place, PutId, READS_MAX, ToDepot,
};
use super::post::Post;
use super::reads::{self, Wanted};
use super::tree::{self, Laid, Tree};
use super::{evict, names};
use crate::codec::{Decoder, preamble_line};
use crate::identity::build_id;
use crate::kin::timespec;

/// How long the controller may take for its hello.
const HELLO_MAX: Duration = Duration::from_secs(60);
/// A controller that said nothing for this many heartbeats is gone.
const SILENT_BEATS_MAX: u32 = 6;
/// Shortest and longest heartbeat that is taken.
const HEARTBEAT_MS: std::ops::RangeInclusive<u64> = 20..=60_000;
/// Orders that wait for the disk: some megabytes of pieces at most.
const ORDERS_MAX: usize = 32;
/// How often a tree is marked as one whose job lives.
const KEEP_EVERY: Duration = Duration::from_secs(600);
/// Bytes read at once, and the size that a pipe is given.
const READ_BYTES: usize = 256 << 10;
const PIPE_BYTES: usize = 1 << 20;

/// Why a depot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DepotEnd {
    /// The controller said so.
    Bye,
    /// The connection is closed, or nothing came for too long.
    ControllerGone,
    /// The hello was not accepted.
    Refused {
        /// Why.
        why: String,
    },
    /// What came is not the protocol.
    Garbled {
        /// What is wrong.
        why: String,
    },
}

/// Serves one connection to its end. What has come by then is on the disk when it returns.
pub fn depot_main(stdin: OwnedFd, stdout: OwnedFd) -> DepotEnd {
    // A limit on file sizes is to be an error of the write, not the end of the depot.
    // SAFETY: ignoring a signal runs no code of ours in a handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    for end in [&stdin, &stdout] {
        // Fails where it is no pipe, or where the system allows less.
        let _ = rustix::pipe::fcntl_setpipe_size(end, PIPE_BYTES);
    }
    let post = Arc::new(Post::new());
    let writer = {
        let post = Arc::clone(&post);
        thread::spawn(move || post.write_to(&stdout))
    };
    post.raw(&preamble_line(build_id()));
    let end = converse(&stdin, &post);
    match &end {
        // Words on their way still arrive.
        DepotEnd::Bye | DepotEnd::Refused { .. } => {
            post.close();
            let _ = writer.join();
        }
        // Nobody reads: the writer may hang, and ends with the process.
        DepotEnd::ControllerGone | DepotEnd::Garbled { .. } => post.give_up(),
    }
    end
}

fn converse(stdin: &OwnedFd, post: &Arc<Post>) -> DepotEnd {
    let mut line = Line::new(stdin);
    let hello = match line.hello() {
        Ok(hello) => hello,
        Err(end) => return refuse(post, end, None),
    };
    let (depot, root) = match open(&hello) {
        Ok(opened) => opened,
        Err(fault) => {
            let why = fault.why.clone();
            return refuse(post, DepotEnd::Refused { why }, Some(fault));
        }
    };
    let beat = hello
        .heartbeat_ms
        .clamp(*HEARTBEAT_MS.start(), *HEARTBEAT_MS.end());
    let beat = Duration::from_millis(beat);
    line.silence_max = beat * SILENT_BEATS_MAX;
    post.say(&FromDepot::Hello(DepotWelcome {
        build: build_id().to_owned(),
        pid: std::process::id(),
        hostname: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        cache_root: root.to_string_lossy().into_owned(),
        disk_bytes: free_bytes(depot.blobs.at()),
    }));
    post.begin(beat, hello.window);

    let (orders, disk) = start_disk(depot, post);
    let (reads, reader) = start_reads(post);
    let end = obey(&mut line, post, &orders, &reads);
    if end != DepotEnd::Bye {
        post.give_up();
    }
    drop(reads);
    drop(orders);
    // What was taken from the connection is written, and the seat left.
    let _ = disk.join();
    let _ = reader.join();
    if end == DepotEnd::Bye {
        post.say(&FromDepot::Bye);
    }
    end
}

fn refuse(post: &Post, end: DepotEnd, fault: Option<Fault>) -> DepotEnd {
    if let DepotEnd::Refused { why } = &end {
        let why = why.clone();
        post.say(&FromDepot::Refused { why, fault });
    }
    end
}

/// Passes on what the controller says until the connection ends.
fn obey(
    line: &mut Line<'_>,
    post: &Post,
    orders: &SyncSender<Order>,
    reads: &SyncSender<Wanted>,
) -> DepotEnd {
    let garbled = |why: &str| DepotEnd::Garbled {
        why: why.to_owned(),
    };
    loop {
        let message = match line.next() {
            Ok(message) => message,
            Err(end) => return end,
        };
        let order = match message {
            ToDepot::Hello(_) => return garbled("a second hello"),
            ToDepot::Have { blobs, .. } if blobs.len() > BATCH_MAX => {
                return garbled("too many blobs in one question");
            }
            ToDepot::Lay { files, .. } if files.len() > BATCH_MAX => {
                return garbled("too many files in one order");
            }
            ToDepot::Piece { data, .. } | ToDepot::Sink { data }
                if data.len() > PIECE_BYTES_MAX =>
            {
                return garbled("a piece over the limit");
            }
            ToDepot::Have { ask, blobs } => Order::Have { ask, blobs },
            ToDepot::Room { ask, bytes } => Order::Room { ask, bytes },
            ToDepot::Put { put, blob, from } => Order::Put { put, blob, from },
            ToDepot::Piece { put, zstd, data } => {
                let bytes = data.len();
                let piece = Order::Piece {
                    put,
                    zstd,
                    data: data.into_vec(),
                };
                if orders.send(piece).is_err() {
                    return DepotEnd::ControllerGone;
                }
                post.acknowledge(bytes);
                continue;
            }
            ToDepot::Sink { data } => {
                post.acknowledge(data.len());
                continue;
            }
            ToDepot::Lay { ask, job, files } => Order::Lay { ask, job, files },
            ToDepot::Remove { ask, job } => Order::Remove { ask, job },
            ToDepot::Read {
                read,
                path,
                from,
                bytes,
            } => {
                let wanted = Wanted::File {
                    read,
                    path,
                    from,
                    bytes,
                };
                match reads.try_send(wanted) {
                    Ok(()) => continue,
                    Err(TrySendError::Full(_)) => return garbled("too many reads at once"),
                    Err(TrySendError::Disconnected(_)) => return DepotEnd::ControllerGone,
                }
            }
            ToDepot::Source { read, bytes } => {
                if reads.try_send(Wanted::Nothing { read, bytes }).is_err() {
                    return garbled("too many reads at once");
                }
                continue;
            }
            ToDepot::Unread { read } => {
                post.forget(read);
                continue;
            }
            ToDepot::Ack { taken, window } => {
                post.acknowledged(taken, window);
                continue;
            }
            ToDepot::Ping { number: 0 } => continue,
            ToDepot::Ping { number } => {
                post.say(&FromDepot::Pong { number });
                continue;
            }
            ToDepot::Bye => return DepotEnd::Bye,
        };
        // Waits while the disk is behind; the controller's window closes meanwhile.
        if orders.send(order).is_err() {
            return DepotEnd::ControllerGone;
        }
    }
}

/// The way from the controller.
struct Line<'a> {
    stdin: &'a OwnedFd,
    decoder: Decoder,
    chunk: Vec<u8>,
    silence_max: Duration,
}

impl<'a> Line<'a> {
    fn new(stdin: &'a OwnedFd) -> Self {
        Self {
            stdin,
            decoder: Decoder::new(),
            chunk: vec![0; READ_BYTES],
            silence_max: HELLO_MAX,
        }
    }

    fn hello(&mut self) -> Result<DepotHello, DepotEnd> {
        let refused = |why: String| Err(DepotEnd::Refused { why });
        match self.next() {
            Ok(ToDepot::Hello(hello)) if hello.build == build_id() => Ok(hello),
            Ok(ToDepot::Hello(hello)) => refused(format!(
                "the controller is build {}, this depot is build {}",
                hello.build,
                build_id()
            )),
            Ok(_) => refused("the first message is no hello".to_owned()),
            // Another build's hello may not even be readable.
            Err(DepotEnd::Garbled { why }) => refused(format!(
                "the hello cannot be read by this build, {}: {why}",
                build_id()
            )),
            Err(end) => Err(end),
        }
    }

    /// The next message, waited for.
    fn next(&mut self) -> Result<ToDepot, DepotEnd> {
        loop {
            match self.decoder.next() {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => self.read()?,
                Err(error) => {
                    let why = error.to_string();
                    return Err(DepotEnd::Garbled { why });
                }
            }
        }
    }

    fn read(&mut self) -> Result<(), DepotEnd> {
        // Counted from here: while the disk kept us from reading, silence was ours.
        let until = Instant::now() + self.silence_max;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(DepotEnd::ControllerGone);
            }
            let mut fds = [PollFd::new(self.stdin, PollFlags::IN)];
            match poll(&mut fds, Some(&timespec(left))) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return Err(DepotEnd::ControllerGone),
            }
            match rustix::io::read(self.stdin, &mut self.chunk) {
                Ok(0) => return Err(DepotEnd::ControllerGone),
                Ok(count) => {
                    self.decoder.push(&self.chunk[..count]);
                    return Ok(());
                }
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Err(DepotEnd::ControllerGone),
            }
        }
    }
}

/// What is done on the disk, in order.
enum Order {
    Have {
        ask: AskId,
        blobs: Vec<BlobFact>,
    },
    Room {
        ask: AskId,
        bytes: u64,
    },
    Put {
        put: PutId,
        blob: BlobFact,
        from: u64,
    },
    Piece {
        put: PutId,
        zstd: bool,
        data: Vec<u8>,
    },
    Lay {
        ask: AskId,
        job: String,
        files: Vec<Place>,
    },
    Remove {
        ask: AskId,
        job: String,
    },
}

/// The disk's side of a depot.
struct Depot {
    root: PathBuf,
    job: String,
    cap: Option<u64>,
    blobs: Blobs,
    arriving: BTreeMap<PutId, Arriving>,
}

fn open(hello: &DepotHello) -> Result<(Depot, PathBuf), Fault> {
    let job = names::job(&hello.job)?.to_owned();
    let root = cache_root(&hello.cache_root)?;
    // A host may be in the farm under two names, and two hosts may share one home.
    let host = blake3::hash(hello.host.as_bytes()).to_hex();
    let blobs = Blobs::open(&root, &format!("{job}-{}", &host[..8]))?;
    tree::keep(&root, &job);
    let depot = Depot {
        root: root.clone(),
        job,
        cap: hello.cache_bytes,
        blobs,
        arriving: BTreeMap::new(),
    };
    Ok((depot, root))
}

/// The folder that the hello names, or framewright's in the user's cache folder.
fn cache_root(named: &str) -> Result<PathBuf, Fault> {
    let absolute = |text: std::ffi::OsString| Some(PathBuf::from(text)).filter(|p| p.is_absolute());
    if !named.is_empty() {
        return absolute(named.into()).ok_or_else(|| {
            Fault::new(
                FaultKind::BadName,
                "the cache folder's path is not absolute",
            )
        });
    }
    std::env::var_os("XDG_CACHE_HOME")
        .and_then(absolute)
        .or_else(|| {
            let home = std::env::var_os("HOME").and_then(absolute)?;
            Some(home.join(".cache"))
        })
        .map(|caches| caches.join("framewright"))
        .ok_or_else(|| Fault::new(FaultKind::Missing, "the user has no home folder there"))
}

fn start_disk(mut depot: Depot, post: &Arc<Post>) -> (SyncSender<Order>, JoinHandle<()>) {
    let (orders, queue) = sync_channel(ORDERS_MAX);
    let post = Arc::clone(post);
    let thread = thread::spawn(move || {
        depot.serve(&queue, &post);
        depot.arriving.clear();
        depot.blobs.close();
    });
    (orders, thread)
}

fn start_reads(post: &Arc<Post>) -> (SyncSender<Wanted>, JoinHandle<()>) {
    let (reads, queue) = sync_channel(READS_MAX);
    let post = Arc::clone(post);
    let thread = thread::spawn(move || reads::serve(&queue, &post));
    (reads, thread)
}

impl Depot {
    fn serve(&mut self, orders: &Receiver<Order>, post: &Post) {
        use std::sync::mpsc::RecvTimeoutError;
        loop {
            match orders.recv_timeout(KEEP_EVERY) {
                Ok(order) => self.obey(order, post),
                Err(RecvTimeoutError::Timeout) => tree::keep(&self.root, &self.job),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn obey(&mut self, order: Order, post: &Post) {
        match order {
            Order::Have { ask, blobs } => {
                let present: Result<Vec<_>, Fault> =
                    blobs.iter().map(|fact| self.blobs.presence(fact)).collect();
                post.say(&match present {
                    Ok(blobs) => FromDepot::Had { ask, blobs },
                    Err(fault) => FromDepot::Refused {
                        why: fault.why.clone(),
                        fault: Some(fault),
                    },
                });
            }
            Order::Room { ask, bytes } => post.say(&self.room(ask, bytes)),
            Order::Put { put, blob, from } => match self.begin(blob, from) {
                Ok(arriving) => self.go_on(put, arriving, post),
                Err(fault) => post.say(&FromDepot::NotStored { put, fault }),
            },
            Order::Piece { put, zstd, data } => {
                // Of a blob that has failed nothing more is wanted.
                if let Some(arriving) = self.arriving.remove(&put) {
                    self.piece(put, arriving, zstd, &data, post);
                }
            }
            Order::Lay { ask, job, files } => {
                let (missing, fault) = self.lay(&job, &files);
                post.say(&FromDepot::Laid {
                    ask,
                    missing,
                    fault,
                });
            }
            Order::Remove { ask, job } => {
                let fault = tree::folder(&self.root, &job)
                    .and_then(|tree| tree::remove(&tree))
                    .err();
                // What the tree held may be over the cap; that it is is no fault of this order.
                let _ = evict::make_room(&self.blobs, self.cap, 0);
                post.say(&FromDepot::Removed { ask, fault });
            }
        }
    }

    fn room(&self, ask: AskId, bytes: u64) -> FromDepot {
        for tree in evict::old_trees(&self.root, &self.job) {
            // Somebody else's files in it keep it; the next job tries again.
            let _ = tree::remove(&tree);
        }
        match evict::make_room(&self.blobs, self.cap, bytes) {
            Ok(room) => FromDepot::Roomy {
                ask,
                bytes: room.bytes,
                cap_bytes: room.cap_bytes,
                evicted: room.evicted,
            },
            Err(fault) => FromDepot::Refused {
                why: fault.why.clone(),
                fault: Some(fault),
            },
        }
    }

    /// Does something that needs room; once more after making some where there was none.
    fn with_room<T>(
        blobs: &Blobs,
        bytes: u64,
        mut attempt: impl FnMut() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        match attempt() {
            Err(fault) if fault.no_room() && evict::free(blobs, bytes) => attempt(),
            outcome => outcome,
        }
    }

    fn begin(&self, blob: BlobFact, from: u64) -> Result<Arriving, Fault> {
        let missing = blob.bytes.saturating_sub(from);
        Self::with_room(&self.blobs, missing, || self.blobs.begin(blob, from))
    }

    fn piece(&mut self, put: PutId, mut arriving: Arriving, zstd: bool, data: &[u8], post: &Post) {
        let written = (|| {
            let unpacked;
            let data = if zstd {
                unpacked = blobs::unpack(data)?;
                &unpacked
            } else {
                data
            };
            let missing = arriving.missing_bytes();
            Self::with_room(&self.blobs, missing, || arriving.write(data))
        })();
        match written {
            Ok(()) => self.go_on(put, arriving, post),
            Err(fault) => {
                // On a full disk half a blob is in everybody's way.
                arriving.discard();
                post.say(&FromDepot::NotStored { put, fault });
            }
        }
    }

    fn go_on(&mut self, put: PutId, arriving: Arriving, post: &Post) {
        if !arriving.is_whole() {
            self.arriving.insert(put, arriving);
            return;
        }
        post.say(&match self.blobs.finish(arriving) {
            Ok(()) => FromDepot::Stored { put },
            Err(fault) => FromDepot::NotStored { put, fault },
        });
    }

    fn lay(&self, job: &str, files: &[Place]) -> (Vec<u32>, Option<Fault>) {
        let mut missing = Vec::new();
        let mut tree = match Tree::open(&self.root, job) {
            Ok(tree) => tree,
            Err(fault) => return (missing, Some(fault)),
        };
        for (index, place) in (0_u32..).zip(files) {
            let laid = Self::with_room(&self.blobs, place.fact.bytes, || {
                tree.lay(&self.blobs, place)
            });
            match laid {
                Ok(Laid::Done) => {}
                Ok(Laid::Missing) => missing.push(index),
                Err(fault) => return (missing, Some(fault)),
            }
        }
        (missing, None)
    }
}

/// Where a job's tree is, for whoever knows the cache folder.
#[must_use]
pub fn tree_folder(cache_root: &Path, job: &str) -> Option<PathBuf> {
    tree::folder(cache_root, job).ok()
}
