//! Reaching a depot: spawn the command, find the preamble, exchange hellos.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use framewright_worker::build_id;
use framewright_worker::codec::{Decoder, Encoder, PreambleFinder};
use framewright_worker::freight::message::{DepotHello, DepotWelcome, FromDepot, ToDepot};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::FreightSpec;
use super::pace::WINDOW_BYTES_FIRST;

/// Size that a pipe is given, so that a write is not cut into small pieces.
const PIPE_BYTES: usize = 1 << 20;
/// What is kept of a command's last words.
const WORDS_MAX: usize = 400;
/// How long last words may take to arrive.
const WORDS_WAIT: Duration = Duration::from_millis(200);

/// A depot that answered.
pub(super) struct Connected {
    pub(super) child: Child,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) decoder: Decoder,
    pub(super) welcome: DepotWelcome,
    pub(super) words: LastWords,
}

/// Why a depot could not be reached. Each is one sentence.
#[derive(Debug)]
pub(super) enum Unreached {
    /// Trying again may help.
    Now(String),
    /// The depot says that its disk is of no use now.
    Disk { why: String, disk_full: bool },
    /// Trying again does not help.
    Ever(String),
}

pub(super) async fn connect(spec: &FreightSpec) -> Result<Connected, Unreached> {
    let name = &spec.name;
    let Some((program, arguments)) = spec.argv.split_first() else {
        let why = format!("host {name}: its link has an empty command");
        return Err(Unreached::Ever(why));
    };
    // Its own group: Ctrl-C in the terminal must reach the controller alone.
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|error| {
        let why = format!("cannot start `{program}`, which host {name} is reached by: {error}");
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Unreached::Ever(why),
            _ => Unreached::Now(why),
        }
    })?;
    let stdin = child.stdin.take().expect("stdin was piped just above");
    let stdout = child.stdout.take().expect("stdout was piped just above");
    let words = LastWords::follow(child.stderr.take().expect("stderr was piped just above"));
    // Not allowed where a user has many pipes; smaller ones do as well.
    let _ = rustix::pipe::fcntl_setpipe_size(&stdin, PIPE_BYTES);
    let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE_BYTES);
    let mut connected = Connected {
        child,
        stdin,
        stdout,
        decoder: Decoder::new(),
        welcome: DepotWelcome {
            build: String::new(),
            pid: 0,
            hostname: String::new(),
            cache_root: String::new(),
            disk_bytes: 0,
        },
        words,
    };
    match timeout(spec.deadline, greet(spec, &mut connected)).await {
        Ok(greeted) => greeted.map(|()| connected),
        Err(_) => {
            let seconds = spec.deadline.as_secs();
            let words = connected.words.suffix().await;
            let why = format!("host {name}: no answer from its depot within {seconds} s{words}");
            Err(Unreached::Now(why))
        }
    }
}

async fn greet(spec: &FreightSpec, connected: &mut Connected) -> Result<(), Unreached> {
    let name = &spec.name;
    let hello = ToDepot::Hello(DepotHello {
        build: build_id().to_owned(),
        job: spec.job.clone(),
        host: name.clone(),
        cache_root: spec.cache_root.clone(),
        cache_bytes: spec.cache_bytes,
        window: WINDOW_BYTES_FIRST,
        heartbeat_ms: u64::try_from(spec.heartbeat.as_millis()).unwrap_or(u64::MAX),
    });
    let mut bytes = Vec::new();
    Encoder::encode(&hello, &mut bytes)
        .map_err(|error| Unreached::Ever(format!("host {name}: {error}")))?;
    // A command that is already gone shows on its output, which is where we look.
    let _ = connected.stdin.write_all(&bytes).await;

    let mut finder = PreambleFinder::new();
    let mut chunk = vec![0; 16 << 10];
    let mut found = false;
    loop {
        let never = |why: String| Unreached::Ever(format!("host {name}: {why}"));
        if !found
            && let Some((preamble, decoder)) = finder.find().map_err(|e| never(e.to_string()))?
        {
            if preamble.build != build_id() {
                return Err(never(format!(
                    "its framewright is another build ({}) than ours ({})",
                    preamble.build,
                    build_id()
                )));
            }
            connected.decoder = decoder;
            found = true;
        }
        if found {
            match connected.decoder.next().map_err(|e| never(e.to_string()))? {
                Some(FromDepot::Hello(welcome)) => {
                    connected.welcome = welcome;
                    return Ok(());
                }
                Some(FromDepot::Refused { why, fault: None }) => return Err(never(why)),
                Some(FromDepot::Refused {
                    fault: Some(fault), ..
                }) => {
                    return Err(Unreached::Disk {
                        why: format!("host {name}: {fault}"),
                        disk_full: fault.no_room(),
                    });
                }
                Some(_) => return Err(never("its depot began with no hello".to_owned())),
                None => {}
            }
        }
        match connected.stdout.read(&mut chunk).await {
            Ok(0) | Err(_) => {
                let words = connected.words.suffix().await;
                return Err(Unreached::Now(format!(
                    "host {name}: the link ended before its depot answered{words}"
                )));
            }
            Ok(count) if found => connected.decoder.push(&chunk[..count]),
            Ok(count) => finder.push(&chunk[..count]),
        }
    }
}

/// The last line that a command printed on standard error.
pub(super) struct LastWords {
    last: Arc<Mutex<String>>,
    reader: tokio::task::JoinHandle<()>,
}

impl LastWords {
    fn follow(stderr: ChildStderr) -> Self {
        let last = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&last);
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
                let text: String = text.trim().chars().take(WORDS_MAX).collect();
                if !text.is_empty() {
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = text;
                }
            }
        });
        Self { last, reader }
    }

    /// `: last line` where there is one. Waits a moment for words still on their way.
    pub(super) async fn suffix(&mut self) -> String {
        let _ = timeout(WORDS_WAIT, &mut self.reader).await;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_empty() {
            String::new()
        } else {
            format!(": {last}")
        }
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
