//! OpenEXR files as headers and compressed blocks, without their samples.
//!
//! Crate `exr` reads and writes pictures; here blocks are read from any place of a file, copied as
//! they are, or written one by one, and attributes pass through byte for byte, known or not. Follows
//! "OpenEXR File Layout" and "Technical Introduction to OpenEXR" of the format's authors. Deep data,
//! subsampled channels and HTJ2K are refused; of several resolutions the finest is read.

mod blocks;
mod codec;
mod cursor;
mod header;
mod reader;
mod writer;

pub(crate) use blocks::Blocks;
pub(crate) use codec::{Codec, Method};
pub(crate) use header::{Attribute, Channel, Flaw, Header, MAGIC, Part, SIDE_MAX, Sample, Window};
pub(crate) use reader::{Table, read_tables};
pub(crate) use writer::{ChunkWriter, NewPart};
