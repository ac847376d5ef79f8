//! Reaching a depot: spawn the command, find the preamble, exchange hellos.

use framewright_worker::build_id;
use framewright_worker::codec::{Decoder, Encoder, PreambleFinder};
use framewright_worker::freight::message::{DepotHello, DepotWelcome, FromDepot, ToDepot};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::FreightSpec;
use super::pace::WINDOW_BYTES_FIRST;
use crate::link::{Launched, StderrTail, launch};

/// Size that a pipe is given, so that a write is not cut into small pieces.
const PIPE_BYTES: usize = 1 << 20;

/// A depot that answered.
pub(super) struct Connected {
    pub(super) child: Child,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) decoder: Decoder,
    pub(super) welcome: DepotWelcome,
    pub(super) words: StderrTail,
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
    let hello = hello(spec)?;
    let launched = launch(&spec.launcher, name, &hello, spec.deadline).await;
    let Launched {
        child,
        stdin,
        stdout,
        early,
        stderr: words,
    } = launched.map_err(|error| match error.is_permanent() {
        true => Unreached::Ever(error.to_string()),
        false => Unreached::Now(error.to_string()),
    })?;
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
    match timeout(spec.deadline, greet(spec, &early, &mut connected)).await {
        Ok(greeted) => greeted.map(|()| connected),
        Err(_) => {
            let seconds = spec.deadline.as_secs();
            let words = connected.words.as_suffix().await;
            let why = format!("host {name}: no answer from its depot within {seconds} s{words}");
            Err(Unreached::Now(why))
        }
    }
}

fn hello(spec: &FreightSpec) -> Result<Vec<u8>, Unreached> {
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
    Ok(bytes)
}

async fn greet(
    spec: &FreightSpec,
    early: &[u8],
    connected: &mut Connected,
) -> Result<(), Unreached> {
    let name = &spec.name;
    let mut finder = PreambleFinder::new();
    finder.push(early);
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
                let words = connected.words.as_suffix().await;
                return Err(Unreached::Now(format!(
                    "host {name}: the link ended before its depot answered{words}"
                )));
            }
            Ok(count) if found => connected.decoder.push(&chunk[..count]),
            Ok(count) => finder.push(&chunk[..count]),
        }
    }
}
