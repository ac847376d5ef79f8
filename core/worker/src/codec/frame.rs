//! One message: length, payload, newline.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest payload, checked before anything is allocated for it.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;

const LENGTH_BYTES: usize = 4;
const END: u8 = b'\n';

/// Why a message could not be put into bytes.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The payload is larger than any reader accepts.
    #[error("cannot send a message of {bytes} bytes: the limit is {MESSAGE_BYTES_MAX}")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// The payload has no MessagePack form.
    #[error("cannot put a message into MessagePack")]
    Payload(#[from] rmp_serde::encode::Error),
}

/// Why bytes are not a message. The stream is of no use after any of these.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The announced length is over the limit.
    #[error("a message announces {bytes} bytes: the limit is {MESSAGE_BYTES_MAX}")]
    TooLong {
        /// What was announced.
        bytes: usize,
    },
    /// Another byte than a newline follows the payload.
    #[error("a message of {bytes} bytes ends in byte {found:#04x} instead of a newline")]
    NoNewline {
        /// Length of its payload.
        bytes: usize,
        /// What was found.
        found: u8,
    },
    /// The payload is not the message that was expected.
    #[error("a message of {bytes} bytes cannot be read")]
    Payload {
        /// Length of its payload.
        bytes: usize,
        /// What the reader stumbled on.
        #[source]
        source: Box<rmp_serde::decode::Error>,
    },
}

/// Puts messages into bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoder;

impl Encoder {
    /// Appends one message to `to`. On an error `to` is as it was.
    ///
    /// # Errors
    /// When the message is over [`MESSAGE_BYTES_MAX`] or has no MessagePack form.
    pub fn encode<T: Serialize>(message: &T, to: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = to.len();
        to.extend_from_slice(&[0; LENGTH_BYTES]);
        let written = rmp_serde::encode::write_named(to, message);
        let payload = to.len() - start - LENGTH_BYTES;
        let outcome = match written {
            Err(error) => Err(EncodeError::Payload(error)),
            Ok(()) if payload > MESSAGE_BYTES_MAX => Err(EncodeError::TooLong { bytes: payload }),
            Ok(()) => {
                // Fits: MESSAGE_BYTES_MAX is far below u32::MAX.
                let length = (payload as u32).to_le_bytes();
                to[start..start + LENGTH_BYTES].copy_from_slice(&length);
                to.push(END);
                Ok(())
            }
        };
        if outcome.is_err() {
            to.truncate(start);
        }
        outcome
    }
}

/// Finds messages in pushed bytes, in whatever pieces they come.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Everything before this index was given out.
    start: usize,
}

impl Decoder {
    /// A decoder at the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        // Moving the rest down costs at most what was given out since the last time.
        if self.start > 0 && self.start >= self.bytes.len() - self.start {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are not a message; every later call gives an error too.
    #[expect(
        clippy::should_implement_trait,
        reason = "no iterator: what comes next depends on what was pushed and on the type asked for"
    )]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, DecodeError> {
        let Some(payload) = self.payload()? else {
            return Ok(None);
        };
        let message = rmp_serde::from_slice(&self.bytes[payload.clone()]).map_err(|source| {
            DecodeError::Payload {
                bytes: payload.len(),
                source: Box::new(source),
            }
        })?;
        self.start = payload.end + 1;
        Ok(Some(message))
    }

    /// Bytes that were pushed and not given out: at a clean end of the stream there are none.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// What was pushed and not given out, for whoever reads on from here.
    #[must_use]
    pub fn into_rest(mut self) -> Vec<u8> {
        self.bytes.split_off(self.start)
    }

    /// Where the next payload lies, once it and its newline are there.
    fn payload(&self) -> Result<Option<std::ops::Range<usize>>, DecodeError> {
        let rest = &self.bytes[self.start..];
        let Some(length) = rest.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let bytes = u32::from_le_bytes(*length) as usize;
        if bytes > MESSAGE_BYTES_MAX {
            return Err(DecodeError::TooLong { bytes });
        }
        match rest.get(LENGTH_BYTES + bytes) {
            None => Ok(None),
            Some(&END) => {
                let start = self.start + LENGTH_BYTES;
                Ok(Some(start..start + bytes))
            }
            Some(&found) => Err(DecodeError::NoNewline { bytes, found }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{FromWorker, ToWorker};

    #[test]
    fn message_over_the_limit_leaves_the_buffer_as_it_was() {
        let mut bytes = b"before".to_vec();
        let long = FromWorker::Refused {
            why: "x".repeat(MESSAGE_BYTES_MAX),
        };
        let outcome = Encoder::encode(&long, &mut bytes);
        assert!(matches!(outcome, Err(EncodeError::TooLong { .. })));
        assert_eq!(bytes, b"before");
    }

    #[test]
    fn announced_length_is_refused_before_the_payload_comes() {
        let mut decoder = Decoder::new();
        decoder.push(&(MESSAGE_BYTES_MAX as u32 + 1).to_le_bytes());
        assert!(matches!(
            decoder.next::<ToWorker>(),
            Err(DecodeError::TooLong { .. })
        ));
    }

    #[test]
    fn missing_newline_is_an_error() {
        let mut bytes = Vec::new();
        Encoder::encode(&ToWorker::Bye, &mut bytes).unwrap();
        *bytes.last_mut().unwrap() = 0;
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        let outcome = decoder.next::<ToWorker>();
        assert!(matches!(
            outcome,
            Err(DecodeError::NoNewline { found: 0, .. })
        ));
    }

    #[test]
    fn payload_carries_its_field_names() {
        let mut bytes = Vec::new();
        Encoder::encode(&ToWorker::Ping { number: 3 }, &mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("say") && text.contains("ping") && text.contains("number"));
    }
}
