//! The C functions of an adapter written in Rust.
//!
//! Invariant: nothing unwinds out of any of them, and whatever fails is a return code with an
//! error document.

use std::ffi::c_void;

use serde::Serialize;

use crate::abi::{self, Head, Sink, Table};
use crate::adapter::{Adapter, Session};
use crate::data::{Failure, Open, Step};
use crate::effects::Effects;
use crate::guard::guarded;

/// Exports an adapter: `export_adapter!(MyAdapter);` at the top of a `cdylib` crate. The type
/// implements [`Adapter`] and `Default`; wrap a
/// [`CommandAdapter`](crate::command::CommandAdapter) in
/// [`Commanded`](crate::command::Commanded) first.
///
/// Panics are caught on the adapter's side: the call answers an error with the panic's file and
/// line, and the session can no longer be used.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        /// The one function that framewright looks up.
        #[unsafe(no_mangle)]
        pub extern "C" fn framewright_adapter_entry(
            _host_abi_major: u32,
        ) -> *const $crate::abi::Table {
            $crate::export::table::<$adapter>()
        }
    };
}

/// A session behind its C pointer.
struct Held {
    /// None once it is poisoned.
    session: Option<Box<dyn Session>>,
}

/// The table of an adapter.
#[must_use]
pub fn table<A: Adapter + Default>() -> &'static Table {
    const {
        &Table {
            head: Head {
                magic: abi::MAGIC,
                size: size_of::<Table>() as u32,
                abi_major: abi::ABI_MAJOR,
                abi_minor: abi::ABI_MINOR,
            },
            describe: Some(describe::<A>),
            open: Some(open::<A>),
            step: Some(step),
            close: Some(close),
        }
    }
}

/// Where an answer goes.
struct Out {
    sink: Sink,
    context: *mut c_void,
}

impl Out {
    fn bytes(&self, bytes: &[u8]) {
        // SAFETY: the host promises that sink and context are valid for the whole call that
        // passed them, and `Out` never outlives that call.
        unsafe { (self.sink)(self.context, bytes.as_ptr(), bytes.len()) }
    }

    fn document(&self, document: &impl Serialize, code_if_sent: i32) -> i32 {
        match serde_json::to_vec(document) {
            Ok(bytes) => {
                self.bytes(&bytes);
                code_if_sent
            }
            Err(_) => {
                self.bytes(br#"{"code":"bad-document","message":"the adapter's answer cannot be written as JSON"}"#);
                abi::POISONED
            }
        }
    }

    fn failure(&self, failure: &Failure, code: i32) -> i32 {
        self.document(failure, code)
    }
}

fn bad_document(what: &str, error: &serde_json::Error) -> Failure {
    Failure::new(
        "bad-document",
        format!("cannot read the {what} document: {error}"),
    )
}

/// # Safety
/// `document` is valid for `len` bytes, or `len` is 0.
unsafe fn bytes_of<'a>(document: *const u8, len: usize) -> &'a [u8] {
    if document.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(document, len) }
}

unsafe extern "C" fn describe<A: Adapter + Default>(sink: Sink, context: *mut c_void) -> i32 {
    let out = Out { sink, context };
    match guarded(|| A::default().describe()) {
        Ok(description) => out.document(&description, abi::OK),
        Err(failure) => out.failure(&failure, abi::ERROR),
    }
}

unsafe extern "C" fn open<A: Adapter + Default>(
    document: *const u8,
    len: usize,
    session: *mut *mut c_void,
    sink: Sink,
    context: *mut c_void,
) -> i32 {
    let out = Out { sink, context };
    // SAFETY: the host passes a document that is valid until this call returns.
    let bytes = unsafe { bytes_of(document, len) };
    let open: Open = match serde_json::from_slice(bytes) {
        Ok(open) => open,
        Err(error) => return out.failure(&bad_document("open", &error), abi::ERROR),
    };
    let mut effects = Effects::new();
    match guarded(|| A::default().open(open, &mut effects)) {
        Ok(Ok(opened)) => {
            let code = out.document(&effects.into_answer(), abi::OK);
            if code == abi::OK {
                let held = Box::new(Held {
                    session: Some(opened),
                });
                // SAFETY: the host passes a place for one pointer.
                unsafe { *session = Box::into_raw(held).cast() };
            }
            code
        }
        Ok(Err(failure)) | Err(failure) => out.failure(&failure, abi::ERROR),
    }
}

unsafe extern "C" fn step(
    session: *mut c_void,
    document: *const u8,
    len: usize,
    sink: Sink,
    context: *mut c_void,
) -> i32 {
    let out = Out { sink, context };
    // SAFETY: the host passes what `open` stored and `close` has not freed, from one thread.
    let held = unsafe { &mut *session.cast::<Held>() };
    // SAFETY: the host passes a document that is valid until this call returns.
    let bytes = unsafe { bytes_of(document, len) };
    let Some(live) = held.session.as_mut() else {
        let failure = Failure::new("poisoned", "the session failed before and is closed");
        return out.failure(&failure, abi::POISONED);
    };
    let step: Step = match serde_json::from_slice(bytes) {
        Ok(step) => step,
        Err(error) => return out.failure(&bad_document("step", &error), abi::ERROR),
    };
    let mut effects = Effects::new();
    match guarded(|| live.step(step.at_s, step.inputs, &mut effects)) {
        Ok(()) => out.document(&effects.into_answer(), abi::OK),
        Err(failure) => {
            // Its destructor may be as broken as the rest: leak it rather than run it.
            std::mem::forget(held.session.take());
            out.failure(&failure, abi::POISONED)
        }
    }
}

unsafe extern "C" fn close(session: *mut c_void) {
    if session.is_null() {
        return;
    }
    // SAFETY: the host passes what `open` stored, exactly once.
    let held = unsafe { Box::from_raw(session.cast::<Held>()) };
    // A destructor that panics has nobody left to tell.
    let _ = guarded(move || drop(held));
}
