//! Bytes on a link: the preamble a worker opens with, and the messages that follow.
//!
//! A message is its payload's length (`u32`, little endian), the payload (MessagePack with field
//! names) and a newline. The newline is there for launchers that buffer by line: `srun` holds
//! everything back until it sees one. The preamble is one line of text that can be found behind
//! whatever a login shell prints first.
//!
//! Pure functions over bytes: nothing here reads, writes, waits or allocates more than what was
//! pushed in plus one message. A stream that broke a rule stays broken; there is no way to find
//! the next message behind it, and none is tried.

mod frame;
mod preamble;

pub use frame::{DecodeError, Decoder, EncodeError, Encoder, MESSAGE_BYTES_MAX};
pub use preamble::{
    BUILD_ID_BYTES_MAX, FOREIGN_BYTES_MAX, Preamble, PreambleError, PreambleFinder, preamble_line,
};
