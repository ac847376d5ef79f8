//! Carrying one conversation over as many connections as it takes.
//!
//! When a connection is lost the controller is told so once, and the link tries to join the
//! worker again, with growing pauses, until it is heard or [`LinkSpec::lost_after`] has passed since
//! it was heard last.
//! Messages are counted (see `framewright_worker::tally`), so the controller sees none twice and
//! misses none. A worker that is not the one which was talked to ends the link, and is told to
//! end.
//!
//! A controller that says bye, or drops its link, while nobody is heard still wants its worker
//! ended: the link goes on trying for [`BYE_REACH_MAX`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use framewright_worker::codec::Encoder;
use framewright_worker::message::{FromWorker, ToWorker};
use framewright_worker::tally::{Kept, Miscount, Receipts, WINDOW_BYTES};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::open::{Connected, LinkError, LinkSpec, connect, end_command};
use super::pump::{CHUNK_BYTES, SILENT_BEATS_MAX};
use super::{FromLink, Link, LinkLife, LinkNews, Way};

/// First pause before a lost connection is tried again; doubled each time.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a worker that is not heard is tried to be reached with a bye.
pub(super) const BYE_REACH_MAX: Duration = Duration::from_secs(10);
/// How long a worker may be silent while it ends what it started.
const END_SILENCE_MAX: Duration = Duration::from_secs(20);
/// What may wait for a worker that is not heard.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// Bytes of one write, about.
const PIECE_BYTES: usize = 64 << 10;
/// Which part of the time after which it is lost a host is tried for at least.
const REGAIN_PART: u32 = 4;
/// How long a worker that is not the one may take to hear that it is not wanted.
const DISMISS_MAX: Duration = Duration::from_secs(5);

/// What the controller says, kept until the worker has it.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    state: Mutex<State>,
    /// There is something to write.
    more: Notify,
    /// The worker is to end.
    leaving: Notify,
}

#[derive(Debug, Default)]
struct State {
    kept: Kept,
    ack: Option<u64>,
    /// When bye was said, by the controller or for it.
    bye_at: Option<Instant>,
    /// More waits than may.
    overflown: bool,
}

impl Outgoing {
    pub(super) fn say(&self, message: &ToWorker) {
        let mut state = self.lock();
        if state.bye_at.is_some() || state.overflown {
            return;
        }
        let mut bytes = Vec::new();
        if let Err(error) = Encoder::encode(message, &mut bytes) {
            // Only a message over the size limit fails, and none of ours is built that large:
            // what is said here is what a bug would look like.
            debug_assert!(false, "unsendable message: {error}");
            return;
        }
        state.kept.push(bytes);
        state.overflown = state.kept.bytes() > KEPT_BYTES_MAX;
        if *message == ToWorker::Bye {
            state.bye_at = Some(Instant::now());
            self.leaving.notify_one();
        }
        self.more.notify_one();
    }

    /// Until when a bye is tried to be brought, once it is said.
    fn bye_until(&self) -> Option<Instant> {
        self.lock().bye_at.map(|at| at + BYE_REACH_MAX)
    }

    /// The worker knows that it is to end.
    fn is_left(&self) -> bool {
        let state = self.lock();
        state.bye_at.is_some() && state.kept.is_empty()
    }

    /// Nothing will be written any more: nothing need be kept.
    fn close(&self) {
        let mut state = self.lock();
        state.overflown = true;
        state.kept = Kept::default();
    }

    fn is_overflown(&self) -> bool {
        self.lock().overflown
    }

    fn ack(&self, received: u64) {
        self.lock().ack = Some(received);
        self.more.notify_one();
    }

    fn confirm(&self, received: u64) -> Result<(), Miscount> {
        let confirmed = self.lock().kept.confirm(received);
        // The window has moved.
        self.more.notify_one();
        confirmed
    }

    fn rejoin(&self, received: u64) -> Result<(), Miscount> {
        let mut state = self.lock();
        state.ack = None;
        state.kept.rejoin(received)
    }

    /// What can be written now.
    fn take(&self, bytes: &mut Vec<u8>) {
        let mut state = self.lock();
        if let Some(received) = state.ack.take() {
            encode(&ToWorker::Ack { received }, bytes);
        }
        state.kept.give(bytes, PIECE_BYTES, WINDOW_BYTES);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked left whole messages.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The controller's end of what it says.
#[derive(Debug)]
pub(super) struct Say(Arc<Outgoing>);

impl Say {
    pub(super) fn say(&self, message: &ToWorker) {
        self.0.say(message);
    }
}

impl Drop for Say {
    /// Nobody will want what this worker does: it need not wait out its grace.
    fn drop(&mut self) {
        self.0.say(&ToWorker::Bye);
    }
}

/// Why a connection is over.
enum Over {
    /// The conversation is over with it.
    Ended(String),
    /// The conversation goes on when another is made.
    Cut(String),
}

/// Runs a link to its end: announces it, carries messages, finds its worker again.
pub(super) async fn run(
    spec: LinkSpec,
    life: LinkLife,
    connected: Connected,
    news: mpsc::Sender<FromLink>,
) {
    let outgoing = Arc::new(Outgoing::default());
    let link = Link {
        hello: connected.hello.clone(),
        command_pid: connected.child.id().unwrap_or(0),
        way: Way::Lasting(Say(Arc::clone(&outgoing))),
    };
    let mut talk = Talk {
        worker: connected.hello.pid,
        spec,
        life,
        news,
        outgoing,
        receipts: Receipts::default(),
        heard: Instant::now(),
    };
    talk.tell(LinkNews::Opened(Ok(Box::new(link)))).await;
    let mut connected = connected;
    let why = loop {
        match talk.carry(connected).await {
            Over::Ended(why) => break why,
            Over::Cut(why) => talk.tell(LinkNews::Silent { why }).await,
        }
        match talk.regain().await {
            Ok(again) => connected = again,
            Err(why) => break why,
        }
        talk.tell(LinkNews::Heard).await;
    };
    talk.outgoing.close();
    talk.tell(LinkNews::Lost { why }).await;
}

struct Talk {
    spec: LinkSpec,
    life: LinkLife,
    news: mpsc::Sender<FromLink>,
    outgoing: Arc<Outgoing>,
    receipts: Receipts,
    /// When anything came of it last.
    heard: Instant,
    /// The worker's process id there.
    worker: u32,
}

impl Talk {
    async fn tell(&mut self, news: LinkNews) {
        let item = FromLink {
            host: self.spec.host,
            life: self.life,
            news,
        };
        if self.news.send(item).await.is_err() {
            // The controller is gone, and its link with it.
            self.outgoing.say(&ToWorker::Bye);
        }
    }

    /// Carries messages over one connection until it is over; its command is gone then.
    async fn carry(&mut self, connected: Connected) -> Over {
        let Connected {
            mut child,
            mut stdout,
            mut decoder,
            stderr,
            ..
        } = connected;
        let stdin = child.stdin.take().expect("connect put it back");
        let writer = tokio::spawn(write(
            stdin,
            Arc::clone(&self.outgoing),
            self.spec.heartbeat,
        ));
        let name = self.spec.name.clone();
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut said_bye = false;
        let mut next_beat = Instant::now() + self.spec.heartbeat;
        let over = 'over: loop {
            loop {
                match decoder.next::<FromWorker>() {
                    Ok(Some(message)) => {
                        said_bye |= matches!(message, FromWorker::Bye);
                        if let Err(miscount) = self.heed(message).await {
                            break 'over Over::Ended(format!("host {name}: {miscount}"));
                        }
                    }
                    Ok(None) => break,
                    Err(error) => break 'over Over::Cut(format!("host {name}: {error}")),
                }
            }
            let due = if Instant::now() >= next_beat {
                next_beat = Instant::now() + self.spec.heartbeat;
                self.receipts.at_beat()
            } else {
                self.receipts.due()
            };
            if let Some(received) = due {
                self.outgoing.ack(received);
            }
            if self.outgoing.is_overflown() {
                break Over::Ended(format!("host {name}: its worker takes nothing any more"));
            }
            let silence_max = self.silence_max();
            match timeout(silence_max, stdout.read(&mut chunk)).await {
                Ok(Ok(0)) if said_bye => {
                    break Over::Ended(format!("host {name}: its worker ended"));
                }
                Ok(Ok(0)) => {
                    let last = stderr.as_suffix().await;
                    break Over::Cut(format!("host {name}: the connection was closed{last}"));
                }
                Ok(Ok(count)) => {
                    self.heard = Instant::now();
                    self.receipts.read(count);
                    decoder.push(&chunk[..count]);
                }
                Ok(Err(error)) => {
                    break Over::Cut(format!("host {name}: the link broke: {error}"));
                }
                Err(_) => {
                    let silent_s = (silence_max.as_secs_f64() * 10.0).round() / 10.0;
                    break Over::Cut(format!(
                        "host {name}: its worker has said nothing for {silent_s} s"
                    ));
                }
            }
        };
        writer.abort();
        end_command(&mut child, said_bye).await;
        over
    }

    fn silence_max(&self) -> Duration {
        let silence_max = self.spec.heartbeat.saturating_mul(SILENT_BEATS_MAX);
        if self.outgoing.is_left() {
            silence_max.max(END_SILENCE_MAX)
        } else {
            silence_max
        }
    }

    async fn heed(&mut self, message: FromWorker) -> Result<(), Miscount> {
        if message.is_counted() {
            self.receipts.count();
        }
        match message {
            FromWorker::Ack { received } => return self.outgoing.confirm(received),
            // Heartbeats have done their work by arriving.
            FromWorker::Pong { number: 0 } => {}
            message => self.tell(LinkNews::Said(message)).await,
        }
        Ok(())
    }

    /// Joins the worker again, or says why it is lost.
    async fn regain(&mut self) -> Result<Connected, String> {
        let name = self.spec.name.clone();
        let since = Instant::now();
        let mut pauses = Pauses::new(u64::from(self.spec.host.0));
        let mut last = String::new();
        loop {
            let pause_end = Instant::now() + pauses.next();
            if !self.wait(since, sleep_until(pause_end)).await.is_waited() {
                return Err(self.given_up(&last));
            }
            let spec = self.spec.clone();
            let attempt = connect(&spec, self.receipts.received());
            match self.wait(since, attempt).await {
                Waited::Done(Ok(connected)) => return self.join(connected).await,
                // Somebody there knows that the worker is over.
                Waited::Done(Err(LinkError::Refused { why, .. })) => {
                    return Err(format!("host {name}: {why}"));
                }
                Waited::Done(Err(error)) => last = error.to_string(),
                Waited::TooLong => return Err(self.given_up(&last)),
            }
            if self.outgoing.bye_until().is_some() {
                pauses.again();
            }
        }
    }

    /// Waits for something, for as long as it is worth while; a bye makes that shorter.
    async fn wait<T>(&self, since: Instant, thing: impl Future<Output = T>) -> Waited<T> {
        let mut thing = std::pin::pin!(thing);
        loop {
            // Where the silence itself took that long, it is tried all the same.
            let least = since + self.spec.lost_after / REGAIN_PART;
            let mut until = (self.heard + self.spec.lost_after).max(least);
            let bye_until = self.outgoing.bye_until();
            if let Some(bye_until) = bye_until {
                until = until.min(bye_until.max(since + BYE_REACH_MAX));
            }
            tokio::select! {
                biased;
                done = &mut thing => return Waited::Done(done),
                () = sleep_until(until) => return Waited::TooLong,
                () = self.outgoing.leaving.notified(), if bye_until.is_none() => {}
            }
        }
    }

    fn given_up(&self, last: &str) -> String {
        let name = &self.spec.name;
        let last = match last.strip_prefix(&format!("host {name}: ")) {
            Some(last) => format!(": {last}"),
            None if last.is_empty() => String::new(),
            None => format!(": {last}"),
        };
        if self.outgoing.bye_until().is_some() {
            let grace_s = self.spec.grace.as_secs_f64();
            return format!(
                "host {name}: its worker could not be told to end, and ends by itself {grace_s} s \
                 after it last heard of us{last}"
            );
        }
        let lost_after_s = self.spec.lost_after.as_secs_f64();
        format!("host {name}: not reached again within {lost_after_s} s{last}")
    }

    /// Whether the worker that answered is the one that was talked to.
    async fn join(&mut self, mut connected: Connected) -> Result<Connected, String> {
        let hello = &connected.hello;
        if hello.pid == self.worker && self.outgoing.rejoin(hello.received).is_ok() {
            self.heard = Instant::now();
            return Ok(connected);
        }
        let mut bye = Vec::new();
        encode(&ToWorker::Bye, &mut bye);
        if let Some(stdin) = &mut connected.child.stdin {
            let told = timeout(DISMISS_MAX, stdin.write_all(&bye)).await;
            let mut chunk = [0; 4096];
            let until = Instant::now() + DISMISS_MAX;
            // Its output ends when it has.
            while let (Ok(Ok(())), Ok(Ok(1..))) = (
                &told,
                timeout_at(until, connected.stdout.read(&mut chunk)).await,
            ) {}
        }
        end_command(&mut connected.child, false).await;
        let name = &self.spec.name;
        Err(format!(
            "host {name}: its worker is gone, and another answered in its place"
        ))
    }
}

enum Waited<T> {
    Done(T),
    TooLong,
}

impl Waited<()> {
    fn is_waited(&self) -> bool {
        matches!(self, Self::Done(()))
    }
}

/// Writes what there is to write, and a heartbeat when there is nothing.
async fn write(mut stdin: ChildStdin, outgoing: Arc<Outgoing>, heartbeat: Duration) {
    let mut bytes = Vec::new();
    let mut next_beat = Instant::now() + heartbeat;
    loop {
        bytes.clear();
        outgoing.take(&mut bytes);
        if bytes.is_empty() {
            tokio::select! {
                biased;
                () = outgoing.more.notified() => continue,
                () = sleep_until(next_beat) => encode(&ToWorker::Ping { number: 0 }, &mut bytes),
            }
        }
        next_beat = Instant::now() + heartbeat;
        if stdin.write_all(&bytes).await.is_err() {
            // The reader sees the same end and reports it.
            return;
        }
    }
}

fn encode(message: &ToWorker, to: &mut Vec<u8>) {
    if let Err(error) = Encoder::encode(message, to) {
        debug_assert!(false, "unsendable message: {error}");
    }
}

/// Growing pauses, each up to a quarter shorter or longer, so that many links that were cut at
/// once do not all knock at the same moment.
struct Pauses {
    pause: Duration,
    random: u64,
}

impl Pauses {
    fn new(seed: u64) -> Self {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| u64::from(since.subsec_nanos()));
        Self {
            pause: PAUSE,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ nanos
                ^ u64::from(std::process::id()),
        }
    }

    fn next(&mut self) -> Duration {
        // splitmix64, of which any one number is as good as another.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = (mixed >> 40) as f64 / (1_u64 << 24) as f64;
        let pause = self.pause.mul_f64(0.75 + share / 2.0);
        self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
        pause
    }

    /// Begins anew with short ones.
    fn again(&mut self) {
        self.pause = PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let mut pauses = Pauses::new(1);
        let mut wanted = PAUSE;
        for _ in 0..12 {
            let pause = pauses.next();
            assert!(pause >= wanted.mul_f64(0.75) && pause <= wanted.mul_f64(1.25));
            wanted = (wanted * 2).min(PAUSE_MAX);
        }
        assert_eq!(wanted, PAUSE_MAX);
        assert_ne!(Pauses::new(1).next(), Pauses::new(2).next());
    }
}
