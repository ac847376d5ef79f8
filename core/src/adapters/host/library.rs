//! A loaded plug-in: the only place where foreign code is called.
//!
//! Invariants: the file that is loaded is the opened one that was checked; no more of a table is
//! read than it says it has; a library is never unloaded (a thread of its own would crash); a
//! poisoned session is not called again.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::ptr::null_mut;

use framewright_plugin_api::abi::{
    self, CloseFn, DescribeFn, EntryFn, Head, OpenFn, StepFn, Table,
};
use framewright_plugin_api::data::Failure;
use framewright_plugin_api::stdio::{Call, Closed, Reply, Request, SESSIONS_MAX};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use serde_json::value::RawValue;

use crate::adapters::trust::{Trusted, open_trusted};

/// A plug-in that answers calls.
pub(super) struct Plugin {
    functions: Functions,
    sessions: BTreeMap<u32, Session>,
    answer: Answer,
    _library: ManuallyDrop<Library>,
}

#[derive(Clone, Copy)]
struct Functions {
    describe: DescribeFn,
    open: OpenFn,
    step: StepFn,
    close: CloseFn,
}

struct Session {
    handle: *mut c_void,
    poisoned: bool,
}

/// What came through the sink during one call.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    overflow: bool,
}

impl Plugin {
    /// Checks, loads and asks the library for its table.
    pub(super) fn load(path: &Path, hash: Option<&str>) -> Result<Plugin, Failure> {
        let refused = |code: &str, why: String| Failure::new(code, why);
        let trusted = open_trusted(path).map_err(|e| refused("untrusted", e.to_string()))?;
        if let Some(hash) = hash {
            check_hash(&trusted, hash)?;
        }
        // The opened file is the one that was checked; its name could mean another by now.
        let opened = format!("/proc/self/fd/{}", trusted.file.as_raw_fd());
        // SAFETY: loading runs the library's initialisers. That is what this process is for: it
        // holds nothing but this library, and its parent survives whatever happens here.
        let library =
            unsafe { Library::open(Some(&opened), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| {
                let why = error.to_string().replace(&opened, &path.to_string_lossy());
                refused("not-loadable", why)
            })?;
        let library = ManuallyDrop::new(library);
        // SAFETY: the type is the header's; a library that exports another function under this
        // name is broken in a way that only this process suffers from.
        let entry = unsafe { library.get::<EntryFn>(abi::ENTRY_NAME) }.map_err(|_| {
            refused(
                "no-symbol",
                "it exports no framewright_adapter_entry".to_owned(),
            )
        })?;
        // SAFETY: called once, from the only thread that calls adapter code.
        let table = unsafe { entry(u32::from(abi::ABI_MAJOR)) };
        if table.is_null() {
            return Err(refused(
                "wrong-abi",
                format!("it does not speak ABI {}", abi::ABI_MAJOR),
            ));
        }
        // SAFETY: the header promises that a table stays valid for the life of the process.
        let functions = unsafe { read_table(table)? };
        Ok(Plugin {
            functions,
            sessions: BTreeMap::new(),
            answer: Answer::default(),
            _library: library,
        })
    }

    /// Appends the answer line to one request.
    pub(super) fn answer(&mut self, request: Request<'_>, line: &mut Vec<u8>) {
        let result = match request.call {
            Call::Describe => self.describe(),
            Call::Open => self.open(request.session, request.open),
            Call::Step => self.step(request.session, request.step),
            Call::Close => {
                self.close(request.session);
                self.answer.bytes = b"{}".to_vec();
                Ok(())
            }
        };
        match result {
            Ok(()) => {
                line.extend_from_slice(b"{\"ok\":");
                // Within JSON a raw line end can only be white space.
                line.extend(self.answer.bytes.iter().map(|byte| match byte {
                    b'\n' | b'\r' => b' ',
                    other => *other,
                }));
                line.extend_from_slice(b"}\n");
            }
            Err(failure) => {
                // Writing strings as JSON into memory does not fail.
                let _ = serde_json::to_writer(&mut *line, &Reply::<Closed>::Error(failure));
                line.push(b'\n');
            }
        }
    }

    fn describe(&mut self) -> Result<(), Failure> {
        let describe = self.functions.describe;
        let context = self.answer.begin();
        // SAFETY: sink and context are valid during the call.
        let code = unsafe { describe(sink, context) };
        self.answer.end(code)
    }

    fn open(&mut self, number: u32, document: Option<&RawValue>) -> Result<(), Failure> {
        if self.sessions.len() >= SESSIONS_MAX || self.sessions.contains_key(&number) {
            let why = format!("session {number} cannot be opened: too many, or already open");
            return Err(Failure::new("too-many", why));
        }
        let document = document.map_or("", RawValue::get);
        let mut handle = null_mut();
        let open = self.functions.open;
        let context = self.answer.begin();
        // SAFETY: document, place for the session, sink and context are valid during the call.
        let code = unsafe {
            open(
                document.as_ptr(),
                document.len(),
                &raw mut handle,
                sink,
                context,
            )
        };
        if code == abi::OK {
            let session = Session {
                handle,
                poisoned: false,
            };
            self.sessions.insert(number, session);
        }
        self.answer.end(code)
    }

    fn step(&mut self, number: u32, document: Option<&RawValue>) -> Result<(), Failure> {
        let session = self
            .sessions
            .get_mut(&number)
            .filter(|session| !session.poisoned)
            .ok_or_else(|| {
                let why = format!("session {number} is not open, or failed before");
                Failure::new("poisoned", why)
            })?;
        let document = document.map_or("", RawValue::get);
        let step = self.functions.step;
        let context = self.answer.begin();
        // SAFETY: the handle came from `open`, was not closed and is not poisoned; document, sink
        // and context are valid during the call.
        let code = unsafe {
            step(
                session.handle,
                document.as_ptr(),
                document.len(),
                sink,
                context,
            )
        };
        session.poisoned = code != abi::OK && code != abi::ERROR;
        self.answer.end(code)
    }

    fn close(&mut self, number: u32) {
        if let Some(session) = self.sessions.remove(&number) {
            // SAFETY: the handle came from `open` and is forgotten now.
            unsafe { (self.functions.close)(session.handle) }
        }
    }
}

impl Answer {
    /// Empties it and answers the sink's context.
    fn begin(&mut self) -> *mut c_void {
        self.bytes.clear();
        self.overflow = false;
        std::ptr::from_mut(self).cast()
    }

    /// Looks at what came during the call.
    fn end(&mut self, code: i32) -> Result<(), Failure> {
        if self.overflow {
            let why = format!("its answer is longer than {} bytes", abi::ANSWER_BYTES_MAX);
            return Err(Failure::new("poisoned", why));
        }
        if code == abi::OK {
            return Ok(());
        }
        let mut failure: Failure = serde_json::from_slice(&self.bytes).unwrap_or_else(|_| {
            let why = format!("it answered code {code} and no error document");
            Failure::new("error", why)
        });
        let poisoned = code != abi::ERROR;
        if poisoned && failure.code != "panic" {
            failure.code = "poisoned".to_owned();
        } else if !poisoned && matches!(failure.code.as_str(), "panic" | "poisoned") {
            // The return code says that the session lives; the word must not say otherwise.
            failure.code = "error".to_owned();
        }
        Err(failure)
    }
}

unsafe extern "C" fn sink(context: *mut c_void, data: *const u8, len: usize) {
    // SAFETY: the context is the `Answer` of the call that is going on, and nobody else touches
    // it until that call returns.
    let answer = unsafe { &mut *context.cast::<Answer>() };
    if answer.overflow || len == 0 {
        return;
    }
    if answer.bytes.len().saturating_add(len) > abi::ANSWER_BYTES_MAX {
        answer.overflow = true;
        return;
    }
    // SAFETY: the header asks for `len` readable bytes.
    let piece = unsafe { std::slice::from_raw_parts(data, len) };
    answer.bytes.extend_from_slice(piece);
}

/// Copies as much of a table as both sides know.
///
/// # Safety
/// `table` points to a table as the header describes it: at least its first 16 bytes, and as many
/// as it says.
unsafe fn read_table(table: *const Table) -> Result<Functions, Failure> {
    // SAFETY: every table of every version has this head; it need not be aligned.
    let head = unsafe { table.cast::<Head>().read_unaligned() };
    if head.magic != abi::MAGIC {
        let why = "what it calls its table does not begin like one".to_owned();
        return Err(Failure::new("wrong-abi", why));
    }
    if head.abi_major != abi::ABI_MAJOR {
        let why = format!(
            "it speaks ABI {}.{}, and this framewright speaks ABI {}.{}",
            head.abi_major,
            head.abi_minor,
            abi::ABI_MAJOR,
            abi::ABI_MINOR
        );
        return Err(Failure::new("wrong-abi", why));
    }
    let mut copy = Table {
        head,
        describe: None,
        open: None,
        step: None,
        close: None,
    };
    let known = size_of::<Table>().min(head.size as usize);
    // SAFETY: the source has at least `known` bytes by its own word, the target by its type; what
    // is not copied stays null, which every field after the head may be.
    unsafe {
        std::ptr::copy_nonoverlapping(table.cast::<u8>(), (&raw mut copy).cast::<u8>(), known);
    }
    match (copy.describe, copy.open, copy.step, copy.close) {
        (Some(describe), Some(open), Some(step), Some(close)) => Ok(Functions {
            describe,
            open,
            step,
            close,
        }),
        _ => {
            let why = "its table lacks describe, open, step or close".to_owned();
            Err(Failure::new("wrong-abi", why))
        }
    }
}

fn check_hash(trusted: &Trusted, wanted: &str) -> Result<(), Failure> {
    let found = crate::adapters::hash_of(&trusted.file)
        .map_err(|error| Failure::new("not-loadable", format!("cannot read it: {error}")))?;
    if found == wanted {
        return Ok(());
    }
    Err(Failure::new(
        "wrong-hash",
        format!("its hash is {found}, and its manifest says {wanted}"),
    ))
}
