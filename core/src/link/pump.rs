//! Carrying messages over the one connection of a plain link until it is lost.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use framewright_kernel::ids::HostId;
use framewright_worker::codec::Encoder;
use framewright_worker::message::{FromWorker, ToWorker};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::open::{Connected, end_command};
use super::{FromLink, Link, LinkLife, LinkNews, Way};

/// Bytes read from a worker at once.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;
/// A worker that said nothing for this many heartbeats is lost.
pub(super) const SILENT_BEATS_MAX: u32 = 6;

/// Runs an open link to its end: announces it, carries messages, says that it is lost.
pub(super) async fn run(
    host: HostId,
    life: LinkLife,
    connected: Connected,
    news: mpsc::Sender<FromLink>,
) {
    let Connected {
        name,
        mut child,
        mut stdout,
        mut decoder,
        hello,
        stderr,
        heartbeat,
    } = connected;
    let (outgoing, queue) = mpsc::unbounded_channel();
    let stdin = child.stdin.take().expect("connect put it back");
    let writer = tokio::spawn(write_all(stdin, queue, heartbeat));
    let link = Link {
        hello,
        command_pid: child.id().unwrap_or(0),
        way: Way::Plain(outgoing),
    };
    let tell = async |news_item| {
        news.send(FromLink {
            host,
            life,
            news: news_item,
        })
        .await
        .is_ok()
    };
    if !tell(LinkNews::Opened(Ok(Box::new(link)))).await {
        return;
    }

    let mut chunk = vec![0; CHUNK_BYTES];
    let silence_max = heartbeat.saturating_mul(SILENT_BEATS_MAX);
    let mut said_bye = false;
    let why = 'lost: loop {
        loop {
            match decoder.next::<FromWorker>() {
                Ok(Some(FromWorker::Bye)) => {
                    said_bye = true;
                    if !tell(LinkNews::Said(FromWorker::Bye)).await {
                        return;
                    }
                }
                // Heartbeats have done their work by arriving.
                Ok(Some(FromWorker::Pong { number: 0 })) => {}
                Ok(Some(message)) => {
                    if !tell(LinkNews::Said(message)).await {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => break 'lost format!("host {name}: {error}"),
            }
        }
        match timeout(silence_max, stdout.read(&mut chunk)).await {
            Ok(Ok(0)) if said_bye => break format!("host {name}: its worker ended"),
            Ok(Ok(0)) => {
                break format!(
                    "host {name}: its worker is gone{}",
                    stderr.as_suffix().await
                );
            }
            Ok(Ok(count)) => decoder.push(&chunk[..count]),
            Ok(Err(error)) => break format!("host {name}: the link broke: {error}"),
            Err(_) => {
                break format!(
                    "host {name}: its worker has said nothing for {} s",
                    silence_max.as_secs()
                );
            }
        }
    };
    writer.abort();
    end_command(&mut child, true).await;
    let _ = tell(LinkNews::Lost { why }).await;
}

/// Writes queued messages, many at a time, and a heartbeat when there is nothing else to say.
async fn write_all(
    mut stdin: ChildStdin,
    mut queue: mpsc::UnboundedReceiver<ToWorker>,
    heartbeat: Duration,
) {
    const BATCH_BYTES: usize = 256 * 1024;
    let mut bytes = Vec::with_capacity(BATCH_BYTES);
    loop {
        bytes.clear();
        let next = tokio::select! {
            biased;
            message = queue.recv() => match message {
                Some(message) => message,
                // The controller dropped its link: closing our end tells the worker.
                None => return,
            },
            () = sleep_until(Instant::now() + heartbeat) => ToWorker::Ping { number: 0 },
        };
        let mut next = Some(next);
        while let Some(message) = next {
            if let Err(error) = Encoder::encode(&message, &mut bytes) {
                // Only a message over the size limit fails, and none of ours is built that large:
                // what is said here is what a bug would look like.
                debug_assert!(false, "unsendable message: {error}");
            }
            next = if bytes.len() < BATCH_BYTES {
                queue.try_recv().ok()
            } else {
                None
            };
        }
        if stdin.write_all(&bytes).await.is_err() {
            // The reader sees the same end and reports it.
            return;
        }
    }
}

/// The last lines that a link's command printed on standard error, for its obituary.
#[derive(Debug)]
pub(crate) struct StderrTail {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: JoinHandle<()>,
}

impl StderrTail {
    const LINES_MAX: usize = 20;
    const LINE_BYTES_MAX: usize = 400;

    pub(super) fn follow(stderr: ChildStderr) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        let reader = tokio::spawn(async move {
            let mut reader = BufReader::new(stderr);
            let mut raw = Vec::new();
            loop {
                raw.clear();
                let mut limited = (&mut reader).take(64 * 1024);
                match limited.read_until(b'\n', &mut raw).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
                let text = String::from_utf8_lossy(&raw);
                let text: String = text.trim().chars().take(Self::LINE_BYTES_MAX).collect();
                if text.is_empty() {
                    continue;
                }
                let mut lines = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == Self::LINES_MAX {
                    lines.pop_front();
                }
                lines.push_back(text);
            }
        });
        Self { lines, reader }
    }

    /// `: last line` where there is one. Waits a moment for words still on their way.
    pub(crate) async fn as_suffix(&self) -> String {
        let words = self.last_words().await;
        let last = words.last();
        last.map_or_else(String::new, |line| format!(": {line}"))
    }

    /// The last lines. Waits a moment for words still on their way.
    pub(super) async fn last_words(&self) -> Vec<String> {
        let settle = Instant::now() + Duration::from_millis(200);
        while !self.reader.is_finished() && Instant::now() < settle {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

impl Drop for StderrTail {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
