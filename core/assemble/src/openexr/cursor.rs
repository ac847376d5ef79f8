//! Numbers and names at the beginning of a file.

use std::io::{self, Read};

use super::header::{Flaw, broken};

const NAME_BYTES_MAX: usize = 255;

/// Reads numbers and names, and counts.
pub(super) struct Cursor<R> {
    file: R,
    at: u64,
}

impl<R: Read> Cursor<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, at: 0 }
    }

    /// How far it has read.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn take(&mut self, bytes: u64) -> Result<Vec<u8>, Flaw> {
        let mut value = Vec::new();
        let read = (&mut self.file).take(bytes).read_to_end(&mut value)? as u64;
        self.at += read;
        if read < bytes {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(value)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let mut value = [0; N];
        self.file.read_exact(&mut value)?;
        self.at += N as u64;
        Ok(value)
    }

    pub(super) fn number(&mut self) -> Result<u32, Flaw> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn text(&mut self) -> Result<Vec<u8>, Flaw> {
        let mut text = Vec::new();
        loop {
            match self.array::<1>()? {
                [0] => return Ok(text),
                [byte] => text.push(byte),
            }
            if text.len() > NAME_BYTES_MAX {
                return Err(broken("a name in its headers does not end"));
            }
        }
    }
}
