//! The C ABI as Rust types: the mirror of `include/framewright_adapter.h`, whose comments are the
//! manual. A test compiles the header and compares every size, offset and constant.
//!
//! Whoever writes an adapter in Rust needs none of this: see
//! [`export_adapter!`](crate::export_adapter).

use std::ffi::c_void;

/// `FRAMEWRIGHT_ADAPTER_MAGIC`: "FWADAPT1" in memory on a little-endian machine.
pub const MAGIC: u64 = 0x3154_5041_4441_5746;
/// `FRAMEWRIGHT_ABI_MAJOR`.
pub const ABI_MAJOR: u16 = 1;
/// `FRAMEWRIGHT_ABI_MINOR`.
pub const ABI_MINOR: u16 = 0;
/// `FRAMEWRIGHT_ANSWER_BYTES_MAX`: the longest answer to one call.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// `FRAMEWRIGHT_OK`.
pub const OK: i32 = 0;
/// `FRAMEWRIGHT_ERROR`.
pub const ERROR: i32 = 1;
/// `FRAMEWRIGHT_POISONED`.
pub const POISONED: i32 = 2;

/// The exported function's name, zero-terminated for the loader.
pub const ENTRY_NAME: &[u8] = b"framewright_adapter_entry\0";

/// `framewright_sink`: takes a piece of an answer.
pub type Sink = unsafe extern "C" fn(context: *mut c_void, data: *const u8, len: usize);

/// `describe`.
pub type DescribeFn = unsafe extern "C" fn(sink: Sink, context: *mut c_void) -> i32;
/// `open`.
pub type OpenFn = unsafe extern "C" fn(
    document: *const u8,
    len: usize,
    session: *mut *mut c_void,
    sink: Sink,
    context: *mut c_void,
) -> i32;
/// `step`.
pub type StepFn = unsafe extern "C" fn(
    session: *mut c_void,
    document: *const u8,
    len: usize,
    sink: Sink,
    context: *mut c_void,
) -> i32;
/// `close`.
pub type CloseFn = unsafe extern "C" fn(session: *mut c_void);
/// `framewright_adapter_entry`.
pub type EntryFn = unsafe extern "C" fn(host_abi_major: u32) -> *const Table;

/// The first 16 bytes of every table, in every major.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// [`MAGIC`].
    pub magic: u64,
    /// Size of the whole table as the adapter was compiled.
    pub size: u32,
    /// [`ABI_MAJOR`].
    pub abi_major: u16,
    /// [`ABI_MINOR`].
    pub abi_minor: u16,
}

/// `framewright_adapter_table`. Functions are optional because a host copies only as many bytes
/// as the adapter's table has.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// What never changes.
    pub head: Head,
    /// Says who the adapter is.
    pub describe: Option<DescribeFn>,
    /// Opens a session.
    pub open: Option<OpenFn>,
    /// Tells a session what happened.
    pub step: Option<StepFn>,
    /// Frees a session.
    pub close: Option<CloseFn>,
}
