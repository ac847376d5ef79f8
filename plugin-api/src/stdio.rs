//! The second carrier: JSON lines over a child's standard input and output.
//!
//! An adapter in any language is a program that framewright starts (`command = [...]` in its
//! `adapter.toml`). One JSON document a line, UTF-8, at most [`LINE_BYTES_MAX`] a line:
//!
//! ```text
//! adapter  {"framewright-adapter":1,"abi":[1,0]}                      once, at the start
//! host     {"call":"describe"}
//! adapter  {"ok":{"format":1,"id":"toy",…}}
//! host     {"call":"open","session":1,"open":{"format":1,"activity":"render",…}}
//! adapter  {"ok":{"effects":[]}}
//! host     {"call":"step","session":1,"step":{"at_s":0.5,"inputs":[…]}}
//! adapter  {"ok":{"effects":[{"effect":"run","run":1,"argv":[…]}]}}
//! adapter  {"error":{"code":"unsupported","message":"one sentence","where":"toy.py:7"}}
//! host     {"call":"close","session":1}
//! adapter  {"ok":{}}
//! ```
//!
//! One answer line for each request line, in order, flushed at once. The host numbers sessions
//! from 1. Error code `poisoned` or `panic` means that the session can no longer be used. The
//! adapter ends when its standard input does. Nothing else may be printed on standard output;
//! standard error is kept to explain a crash. Everything else (threads, deadlines, the documents)
//! is as the C header says.
//!
//! [`serve`] is this carrier for an adapter in Rust.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::abi;
use crate::adapter::{Adapter, Session};
use crate::data::{Answer, Failure, Open, Step};
use crate::effects::Effects;
use crate::guard::guarded;

/// The longest line that either side may send.
pub const LINE_BYTES_MAX: usize = abi::ANSWER_BYTES_MAX;

/// Version of the carrier.
pub const CARRIER: u32 = 1;

/// Most sessions that may be open in one process at once.
pub const SESSIONS_MAX: usize = 1024;

/// What an adapter prints first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// [`CARRIER`].
    #[serde(rename = "framewright-adapter")]
    pub carrier: u32,
    /// [`abi::ABI_MAJOR`] and [`abi::ABI_MINOR`]: the version of the documents.
    pub abi: [u16; 2],
}

impl Greeting {
    /// What this build says.
    #[must_use]
    pub fn ours() -> Self {
        Greeting {
            carrier: CARRIER,
            abi: [abi::ABI_MAJOR, abi::ABI_MINOR],
        }
    }
}

/// A request line. The documents inside are not looked at by whoever only passes them on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Request<'a> {
    /// Which call.
    pub call: Call,
    /// Which session, from 1; 0 for `describe`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub session: u32,
    /// The document of `open`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub open: Option<&'a RawValue>,
    /// The document of `step`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub step: Option<&'a RawValue>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// Who are you?
    Describe,
    /// Begin a session.
    Open,
    /// Tell a session what happened.
    Step,
    /// End a session.
    Close,
}

/// An answer line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply<T> {
    /// The document asked for.
    Ok(T),
    /// Why there is none.
    Error(Failure),
}

/// The answer to `close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {}

/// Serves an adapter on this process's standard input and output until the input ends.
///
/// # Errors
/// When a stream breaks or the host sends an overlong line.
pub fn serve(adapter: &dyn Adapter) -> io::Result<()> {
    serve_on(adapter, io::stdin().lock(), io::stdout().lock())
}

/// As [`serve`], on any two streams.
///
/// # Errors
/// When a stream breaks or the host sends an overlong line.
pub fn serve_on(
    adapter: &dyn Adapter,
    mut input: impl BufRead,
    mut output: impl Write,
) -> io::Result<()> {
    let mut sessions = BTreeMap::new();
    send(&mut output, &Greeting::ours())?;
    let mut line = Vec::new();
    while read_line(&mut input, &mut line)? {
        match serde_json::from_slice::<Request<'_>>(&line) {
            Ok(request) => answer(adapter, &mut sessions, request, &mut output)?,
            Err(error) => {
                let failure = Failure::new(
                    "bad-document",
                    format!("the request cannot be read: {error}"),
                );
                send(&mut output, &Reply::<Closed>::Error(failure))?;
            }
        }
    }
    Ok(())
}

/// Reads one line into `line`, without its end; false at the end of the stream.
///
/// # Errors
/// When the stream breaks or the line is longer than [`LINE_BYTES_MAX`].
pub fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let limit = LINE_BYTES_MAX as u64 + 1;
    let read = io::Read::take(&mut *input, limit).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > LINE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is longer than the carrier allows",
        ));
    }
    Ok(read > 0)
}

fn send(output: &mut impl Write, document: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(document)?;
    bytes.push(b'\n');
    output.write_all(&bytes)?;
    output.flush()
}

type Sessions = BTreeMap<u32, Box<dyn Session>>;

fn answer(
    adapter: &dyn Adapter,
    sessions: &mut Sessions,
    request: Request<'_>,
    output: &mut impl Write,
) -> io::Result<()> {
    match request.call {
        Call::Describe => send(output, &reply(guarded(|| adapter.describe()))),
        Call::Open => send(output, &reply(open(adapter, sessions, request))),
        Call::Step => send(output, &reply(step(sessions, request))),
        Call::Close => {
            if let Some(session) = sessions.remove(&request.session) {
                // A destructor that panics has nobody left to tell.
                let _ = guarded(move || drop(session));
            }
            send(output, &Reply::Ok(Closed {}))
        }
    }
}

fn reply<T>(result: Result<T, Failure>) -> Reply<T> {
    match result {
        Ok(document) => Reply::Ok(document),
        Err(failure) => Reply::Error(failure),
    }
}

fn document<'a, T: Deserialize<'a>>(
    document: Option<&'a RawValue>,
    what: &str,
) -> Result<T, Failure> {
    let unreadable = |why: String| {
        Failure::new(
            "bad-document",
            format!("cannot read the {what} document: {why}"),
        )
    };
    let raw = document.ok_or_else(|| unreadable("there is none".to_owned()))?;
    serde_json::from_str(raw.get()).map_err(|error| unreadable(error.to_string()))
}

fn open(
    adapter: &dyn Adapter,
    sessions: &mut Sessions,
    request: Request<'_>,
) -> Result<Answer, Failure> {
    let open: Open = document(request.open, "open")?;
    if sessions.len() >= SESSIONS_MAX {
        return Err(Failure::new("too-many", "too many sessions are open"));
    }
    let mut out = Effects::new();
    let session = guarded(|| adapter.open(open, &mut out)).and_then(|opened| opened)?;
    sessions.insert(request.session, session);
    Ok(out.into_answer())
}

fn step(sessions: &mut Sessions, request: Request<'_>) -> Result<Answer, Failure> {
    let step: Step = document(request.step, "step")?;
    let session = sessions.get_mut(&request.session).ok_or_else(|| {
        Failure::new(
            "poisoned",
            format!("session {} is not open, or failed before", request.session),
        )
    })?;
    let mut out = Effects::new();
    match guarded(|| session.step(step.at_s, step.inputs, &mut out)) {
        Ok(()) => Ok(out.into_answer()),
        Err(failure) => {
            // Its destructor may be as broken as the rest: leak it rather than run it.
            std::mem::forget(sessions.remove(&request.session));
            Err(failure)
        }
    }
}
