//! One connection to a depot, from its hello to its loss.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use framewright_worker::codec::Encoder;
use framewright_worker::freight::message::{AskId, FromDepot, ToDepot};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::client::{Owner, Tasks};
use super::connect::Connected;
use super::load::{Loaded, Parcel};
use super::pace::Pace;
use super::staging::{Numbers, Staging};
use super::{FreightNews, FreightSpec};

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 << 10;
/// A depot that said nothing for this many heartbeats is lost.
const SILENT_BEATS_MAX: u32 = 6;
/// The number of the first ping, which measures the round trip.
const FIRST_PING: u64 = 1;
/// Window for what comes home while nothing else was measured.
const HOME_WINDOW_BYTES: u64 = 1 << 20;
/// How long a depot may take to say goodbye.
const BYE_MAX: Duration = Duration::from_secs(2);

/// How a connection ended.
pub(super) enum End {
    /// The owner dropped the freight.
    Dropped,
    Lost {
        why: String,
        /// Whether anything was moved: then the next try need not wait long.
        useful: bool,
    },
}

/// What is true of one connection.
struct Session<'a> {
    spec: &'a FreightSpec,
    owner: &'a Owner,
    tasks: &'a mut Tasks,
    cache_root: String,
    numbers: Numbers,
    pace: Pace,
    /// Messages that go before the next parcel.
    control: Vec<u8>,
    /// What is being written, and how far.
    out: Vec<u8>,
    written: usize,
    /// Acknowledged count after each parcel that left, and bytes of files in it.
    left: VecDeque<(u64, u64)>,
    left_payload: u64,
    removing: BTreeMap<AskId, String>,
    pinged: Instant,
    useful: bool,
}

/// Serves a connection until it ends. What was not finished is in `tasks`.
pub(super) async fn run(
    spec: &FreightSpec,
    owner: &Owner,
    tasks: &mut Tasks,
    connected: Connected,
) -> End {
    let Connected {
        mut child,
        mut stdin,
        mut stdout,
        mut decoder,
        welcome,
        words,
    } = connected;
    let mut session = Session {
        spec,
        owner,
        tasks,
        cache_root: welcome.cache_root,
        numbers: Numbers::default(),
        pace: Pace::new(),
        control: Vec::new(),
        out: Vec::new(),
        written: 0,
        left: VecDeque::new(),
        left_payload: 0,
        removing: BTreeMap::new(),
        pinged: Instant::now(),
        useful: false,
    };
    session.say(&ToDepot::Ping { number: FIRST_PING });
    let heartbeat = spec.heartbeat;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut heard = Instant::now();
    let mut spoke = Instant::now();
    let why = 'lost: loop {
        loop {
            match decoder.next::<FromDepot>() {
                Ok(Some(FromDepot::Refused { why, fault })) => {
                    let full = fault.is_some_and(|fault| fault.no_room());
                    session.fail_stage(why, full).await;
                }
                Ok(Some(message)) => session.hear(message).await,
                Ok(None) => break,
                Err(error) => break 'lost format!("host {}: {error}", spec.name),
            }
        }
        session.go_on().await;
        session.fill();
        let idle = session.out.is_empty();
        let may_load = idle && session.pace.may_send();
        let beat_at = spoke + heartbeat;
        let silent_at = heard + heartbeat * SILENT_BEATS_MAX;
        let Tasks {
            orders,
            unloaded,
            stages,
            ..
        } = &mut *session.tasks;
        let parcels = stages.front_mut().and_then(Staging::parcels);
        tokio::select! {
            biased;
            read = stdout.read(&mut chunk) => match read {
                Ok(0) => {
                    let words = words.as_suffix().await;
                    break format!("host {}: its depot is gone{words}", spec.name);
                }
                Ok(count) => {
                    heard = Instant::now();
                    decoder.push(&chunk[..count]);
                }
                Err(error) => break format!("host {}: the link broke: {error}", spec.name),
            },
            order = orders.recv() => match order {
                Some(order) => session.take(order),
                None => {
                    goodbye(&mut session, &mut stdin, &mut stdout, &mut chunk).await;
                    end(&mut child).await;
                    return End::Dropped;
                }
            },
            told = unloaded.recv() => if let Some(told) = told {
                session.unloaded(told).await;
            },
            wrote = stdin.write(&session.out[session.written..]), if !idle => match wrote {
                Ok(count) => {
                    spoke = Instant::now();
                    session.wrote(count);
                }
                // The reader sees the same end, and knows more of it.
                Err(_) => {
                    let words = words.as_suffix().await;
                    break format!("host {}: its depot is gone{words}", spec.name);
                }
            },
            loaded = next(parcels), if may_load => session.loaded(loaded).await,
            () = sleep_until(beat_at), if idle => {
                session.say(&ToDepot::Ping { number: 0 });
            }
            () = sleep_until(silent_at) => {
                let seconds = (heartbeat * SILENT_BEATS_MAX).as_secs_f64();
                break format!("host {}: its depot has said nothing for {seconds} s", spec.name);
            }
        }
    };
    let useful = session.useful;
    let removing = std::mem::take(&mut session.removing);
    tasks.removes.extend(removing.into_values());
    tasks.cut().await;
    end(&mut child).await;
    End::Lost { why, useful }
}

/// The next parcel of whatever is staged; never, where nothing is.
async fn next(parcels: Option<&mut mpsc::Receiver<Loaded>>) -> Option<Loaded> {
    match parcels {
        Some(parcels) => parcels.recv().await,
        None => std::future::pending().await,
    }
}

/// Lets the depot leave its seat in order.
async fn goodbye(
    session: &mut Session<'_>,
    stdin: &mut tokio::process::ChildStdin,
    stdout: &mut tokio::process::ChildStdout,
    chunk: &mut [u8],
) {
    let mut rest = session.out.split_off(session.written);
    rest.append(&mut session.control);
    // A bye always has a form.
    let _ = Encoder::encode(&ToDepot::Bye, &mut rest);
    let _ = timeout(BYE_MAX, async {
        stdin.write_all(&rest).await?;
        while stdout.read(chunk).await? > 0 {}
        Ok::<_, std::io::Error>(())
    })
    .await;
}

/// Leaves no zombie.
async fn end(child: &mut tokio::process::Child) {
    let _ = child.start_kill();
    let _ = timeout(BYE_MAX, child.wait()).await;
}

impl Session<'_> {
    fn say(&mut self, message: &ToDepot) {
        let said = Encoder::encode(message, &mut self.control);
        debug_assert!(said.is_ok(), "an unsendable message");
    }

    fn say_all(&mut self, messages: &[ToDepot]) {
        for message in messages {
            self.say(message);
        }
    }

    fn take(&mut self, order: super::client::Order) {
        let mut say = Vec::new();
        self.tasks.take(order, &mut say);
        self.say_all(&say);
    }

    /// Starts what waits and may start.
    async fn go_on(&mut self) {
        let mut say = Vec::new();
        self.tasks.fetching.ask(&mut self.numbers, &mut say);
        let window = self.pace.window().max(HOME_WINDOW_BYTES);
        say.extend(self.tasks.fetching.ack(window));
        while let Some(job) = self.tasks.removes.pop_front() {
            let ask = AskId(self.numbers.take(1));
            say.push(ToDepot::Remove {
                ask,
                job: job.clone(),
            });
            self.removing.insert(ask, job);
        }
        if let Some(staging) = self.tasks.stages.front_mut()
            && !staging.is_begun()
        {
            say.extend(staging.begin(&mut self.numbers));
        }
        self.say_all(&say);
        let progress = self.tasks.stages.front_mut().and_then(Staging::progress);
        if let Some(progress) = progress {
            self.owner.tell(progress).await;
        }
    }

    /// Takes the next bytes to write, control messages before parcels.
    fn fill(&mut self) {
        if self.out.is_empty() && !self.control.is_empty() {
            std::mem::swap(&mut self.out, &mut self.control);
            self.written = 0;
        }
        if self.out.is_empty() && self.pace.may_send() {
            // `loaded` takes it.
            let ready = self
                .tasks
                .parcels()
                .is_some_and(|parcels| !parcels.is_empty());
            if !ready {
                self.pace.starved();
            }
        }
    }

    fn send(&mut self, parcel: Parcel) {
        self.pace.sent(Instant::now().into_std(), parcel.payload);
        self.left_payload += parcel.payload;
        self.left.push_back((self.left_payload, parcel.plain));
        if let Some(staging) = self.tasks.stages.front_mut() {
            staging.leaves(&parcel, self.pace.link_rate());
        }
        self.out = parcel.bytes;
        self.written = 0;
    }

    fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written >= self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    async fn loaded(&mut self, loaded: Option<Loaded>) {
        match loaded {
            Some(Ok(parcel)) => self.send(parcel),
            Some(Err(why)) => self.fail_stage(why, false).await,
            None => {
                if let Some(staging) = self.tasks.stages.front_mut() {
                    staging.all_sent();
                }
            }
        }
    }

    async fn fail_stage(&mut self, why: String, disk_full: bool) {
        if self.tasks.stages.pop_front().is_some() {
            let news = FreightNews::StageFailed { why, disk_full };
            self.owner.tell(news).await;
        }
    }

    async fn unloaded(&mut self, told: super::unload::Unloaded) {
        let mut say = Vec::new();
        let news = self.tasks.fetching.unloaded(told, &mut say);
        self.say_all(&say);
        if let Some(news) = news {
            self.owner.tell(news).await;
        }
    }

    async fn hear(&mut self, message: FromDepot) {
        let news = match message {
            FromDepot::Pong { number: FIRST_PING } => {
                self.pace.round_trip(self.pinged.elapsed());
                None
            }
            FromDepot::Ack { taken } => {
                self.useful = true;
                self.pace.acked(Instant::now().into_std(), taken);
                let mut plain = 0;
                while let Some((_, bytes)) = self.left.pop_front_if(|(count, _)| *count <= taken) {
                    plain += bytes;
                }
                if let Some(staging) = self.tasks.stages.front_mut() {
                    staging.arrived(plain);
                }
                None
            }
            FromDepot::Data { read, data } => {
                self.useful = true;
                self.tasks.fetching.data(read, data);
                None
            }
            FromDepot::End { read } => {
                self.tasks.fetching.end(read);
                None
            }
            FromDepot::NotRead { read, fault } => self.tasks.fetching.not_read(read, fault),
            FromDepot::Removed { ask, fault } => {
                self.removing.remove(&ask).map(|job| FreightNews::Removed {
                    job,
                    fault: fault.map(|fault| fault.why),
                })
            }
            message @ (FromDepot::Had { .. }
            | FromDepot::Stored { .. }
            | FromDepot::NotStored { .. }
            | FromDepot::Laid { .. }) => self.staged(message),
            FromDepot::Hello(_)
            | FromDepot::Refused { .. }
            | FromDepot::Roomy { .. }
            | FromDepot::Pong { .. }
            | FromDepot::Bye => None,
        };
        if let Some(news) = news {
            self.owner.tell(news).await;
        }
    }

    fn staged(&mut self, message: FromDepot) -> Option<FreightNews> {
        let staging = self.tasks.stages.front_mut()?;
        let root = &self.cache_root;
        let tree = |job: &str| {
            framewright_worker::freight::tree_folder(root.as_ref(), job)
                .map_or_else(String::new, |tree| tree.to_string_lossy().into_owned())
        };
        let mut say = Vec::new();
        let outcome = staging.hear(message, &mut self.numbers, &mut say, tree);
        self.say_all(&say);
        if outcome.is_some() {
            self.tasks.stages.pop_front();
        }
        outcome.map(|news| match news {
            FreightNews::StageFailed { why, disk_full } => FreightNews::StageFailed {
                why: format!("host {}: {why}", self.spec.name),
                disk_full,
            },
            news => news,
        })
    }
}
