//! The controller's end: takes clients, reads their requests, hands them to the loop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::IgnoredAny;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Answer, FORMAT, Limits, Line, Request, socket};

/// Why nobody can ask this controller. The job runs all the same.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen in {}: `framewright explain` will know only what the journal tells: {source}", folder.display())]
pub struct ControlError {
    folder: PathBuf,
    source: std::io::Error,
}

/// A request, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Asked {
    pub request: Request,
    pub reply: oneshot::Sender<Answer>,
}

/// An open control socket; closed, and its name taken away, with the value.
#[derive(Debug)]
pub(crate) struct Control {
    folder: PathBuf,
    listening: JoinHandle<()>,
}

impl Control {
    /// Listens in a job's folder; requests come in by `door`. Must be called within a runtime.
    pub fn open(
        folder: &Path,
        limits: Limits,
        door: mpsc::Sender<Asked>,
    ) -> Result<Self, ControlError> {
        let fail = |source| ControlError {
            folder: folder.to_owned(),
            source,
        };
        let listener = socket::listen(folder).map_err(fail)?;
        let listener = UnixListener::from_std(listener).map_err(fail)?;
        Ok(Self {
            folder: folder.to_owned(),
            listening: tokio::spawn(listen(listener, limits, door)),
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.listening.abort();
        socket::unlisten(&self.folder);
    }
}

async fn listen(listener: UnixListener, limits: Limits, door: mpsc::Sender<Asked>) {
    let me = rustix::process::geteuid().as_raw();
    let room = Arc::new(Semaphore::new(limits.clients_max));
    // Further clients wait in the system's own queue.
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: some client will give one back.
            tokio::time::sleep(limits.patience).await;
            continue;
        };
        let is_ours = |uid: u32| uid == me || uid == 0;
        if !stream.peer_cred().is_ok_and(|peer| is_ours(peer.uid())) {
            continue;
        }
        let door = door.clone();
        tokio::spawn(async move {
            serve(stream, limits, door).await;
            drop(place);
        });
    }
}

/// One client, until it goes, is silent for too long, or says what cannot be read past.
async fn serve(stream: UnixStream, limits: Limits, door: mpsc::Sender<Asked>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    for _ in 0..limits.requests_max {
        let answer = match timeout(limits.patience, next(&mut read, &limits, &mut line)).await {
            Ok(Next::Line) => answer(&line, &limits, &door).await,
            Ok(Next::TooLong) => {
                let most = limits.line_bytes_max;
                let refused = Answer::refused(format!("a request has at most {most} bytes"));
                say(&mut write, &limits, refused).await;
                return;
            }
            Ok(Next::Gone) | Err(_) => return,
        };
        if !say(&mut write, &limits, answer).await {
            return;
        }
    }
}

enum Next {
    Line,
    TooLong,
    Gone,
}

/// Reads a line; its line feed is left out.
async fn next(read: &mut BufReader<OwnedReadHalf>, limits: &Limits, line: &mut Vec<u8>) -> Next {
    line.clear();
    let most = limits.line_bytes_max as u64 + 1;
    match read.take(most).read_until(b'\n', line).await {
        Ok(_) if line.pop_if(|last| *last == b'\n').is_some() => Next::Line,
        Ok(count) if count as u64 == most => Next::TooLong,
        Ok(_) | Err(_) => Next::Gone,
    }
}

async fn answer(line: &[u8], limits: &Limits, door: &mpsc::Sender<Asked>) -> Answer {
    let request = match parse(line) {
        Ok(request) => request,
        Err(why) => return Answer::refused(why),
    };
    let (reply, answered) = oneshot::channel();
    let asked = async {
        door.send(Asked { request, reply }).await.ok()?;
        answered.await.ok()
    };
    match timeout(limits.patience, asked).await {
        Ok(Some(answer)) => answer,
        Ok(None) => Answer::refused("the job is ending"),
        Err(_) => Answer::refused("the controller is busy"),
    }
}

fn parse(line: &[u8]) -> Result<Request, String> {
    let not = |error: serde_json::Error| format!("that is no request: {error}");
    // The version first: what a later one means is not to be guessed.
    let Line { format, .. }: Line<IgnoredAny> = serde_json::from_slice(line).map_err(not)?;
    if format != FORMAT {
        return Err(format!(
            "this framewright speaks format {FORMAT}, not {format}"
        ));
    }
    let line: Line<Request> = serde_json::from_slice(line).map_err(not)?;
    Ok(line.body)
}

/// Whether the client took it.
async fn say(write: &mut OwnedWriteHalf, limits: &Limits, answer: Answer) -> bool {
    let line = Line {
        format: FORMAT,
        body: answer,
    };
    let Ok(mut text) = serde_json::to_vec(&line) else {
        return false;
    };
    text.push(b'\n');
    matches!(
        timeout(limits.patience, write.write_all(&text)).await,
        Ok(Ok(()))
    )
}
