//! The worker's first line, found behind whatever a login shell or a banner prints before it.

use super::Decoder;
use crate::identity::PROTOCOL;

/// How many bytes of anything else may come before the preamble.
pub const FOREIGN_BYTES_MAX: usize = 64 << 10;

/// Longest build identity.
pub const BUILD_ID_BYTES_MAX: usize = 64;

const MAGIC: &[u8] = b"FRAMEWRIGHT-WORKER ";

/// Longest rest of the line: number, blank, build, newline.
const REST_BYTES_MAX: usize = 10 + 1 + BUILD_ID_BYTES_MAX + 1;

/// The line a worker of this build opens with: `FRAMEWRIGHT-WORKER 1 <build>` and a newline.
#[must_use]
pub fn preamble_line(build: &str) -> Vec<u8> {
    format!("FRAMEWRIGHT-WORKER {PROTOCOL} {build}\n").into_bytes()
}

/// What a worker's first line said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// The worker's build.
    pub build: String,
    /// What came before the line: a banner, an error of the remote shell. At most
    /// [`FOREIGN_BYTES_MAX`] bytes, invalid UTF-8 replaced.
    pub before: String,
}

/// Why there is no worker at the other end.
#[derive(Debug, thiserror::Error)]
pub enum PreambleError {
    /// Too much of something else.
    #[error("no worker answered within the first {FOREIGN_BYTES_MAX} bytes")]
    NotFound {
        /// The beginning of what came instead.
        before: String,
    },
    /// A worker, but of another protocol.
    #[error("the worker speaks protocol {found}, this build speaks {PROTOCOL}")]
    Protocol {
        /// Its protocol.
        found: u32,
    },
}

/// Looks for the preamble in pushed bytes.
#[derive(Debug, Default)]
pub struct PreambleFinder {
    bytes: Vec<u8>,
    /// No magic starts before this index.
    searched: usize,
}

impl PreambleFinder {
    /// A finder at the start of a link.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The preamble and a decoder that already holds what followed it, or `None` when more bytes
    /// are needed. To be called after each push; afterwards the finder is empty.
    ///
    /// # Errors
    /// When no preamble can come any more.
    pub fn find(&mut self) -> Result<Option<(Preamble, Decoder)>, PreambleError> {
        while let Some(at) = find(&self.bytes[self.searched..], MAGIC) {
            let start = self.searched + at;
            let rest = &self.bytes[start + MAGIC.len()..];
            let line = &rest[..rest.len().min(REST_BYTES_MAX)];
            let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
                if line.len() < REST_BYTES_MAX {
                    self.searched = start;
                    return self.within_limit(start);
                }
                self.searched = start + 1;
                continue;
            };
            match parse_rest(&line[..end]) {
                None => self.searched = start + 1,
                Some((PROTOCOL, build)) if start <= FOREIGN_BYTES_MAX => {
                    let mut decoder = Decoder::new();
                    decoder.push(&rest[end + 1..]);
                    let before = String::from_utf8_lossy(&self.bytes[..start]).into_owned();
                    self.bytes.clear();
                    self.searched = 0;
                    return Ok(Some((Preamble { build, before }, decoder)));
                }
                Some((PROTOCOL, _)) => return self.within_limit(start),
                Some((found, _)) => return Err(PreambleError::Protocol { found }),
            }
        }
        // A magic may have begun in the last bytes.
        self.searched = self
            .searched
            .max(self.bytes.len().saturating_sub(MAGIC.len() - 1));
        self.within_limit(self.searched)
    }

    /// What came so far, for the message when the link ends or the deadline passes.
    #[must_use]
    pub fn before(&self) -> String {
        let shown = self.bytes.len().min(FOREIGN_BYTES_MAX);
        String::from_utf8_lossy(&self.bytes[..shown]).into_owned()
    }

    fn within_limit<T>(&self, foreign_bytes: usize) -> Result<Option<T>, PreambleError> {
        if foreign_bytes > FOREIGN_BYTES_MAX {
            return Err(PreambleError::NotFound {
                before: self.before(),
            });
        }
        Ok(None)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// `1 0.1.0-abc` as number and build.
fn parse_rest(line: &[u8]) -> Option<(u32, String)> {
    let text = std::str::from_utf8(line).ok()?;
    let (number, build) = text.split_once(' ')?;
    let fits = !build.is_empty()
        && build.len() <= BUILD_ID_BYTES_MAX
        && build.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        return None;
    }
    Some((number.parse().ok()?, build.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Result<Option<(Preamble, Decoder)>, PreambleError> {
        let mut finder = PreambleFinder::new();
        finder.push(bytes);
        finder.find()
    }

    #[test]
    fn found_behind_a_banner_without_a_line_end() {
        let mut bytes = b"Welcome to node01\r\nlast login: never> ".to_vec();
        bytes.extend(preamble_line("0.1.0-abc"));
        bytes.extend(b"rest");
        let (preamble, decoder) = found(&bytes).unwrap().unwrap();
        assert_eq!(preamble.build, "0.1.0-abc");
        assert!(preamble.before.starts_with("Welcome to node01"));
        assert_eq!(decoder.pending_bytes(), 4);
    }

    #[test]
    fn line_that_only_resembles_it_is_skipped() {
        let mut bytes = b"FRAMEWRIGHT-WORKER is not installed\nFRAMEWRIGHT-WORKER 1 \n".to_vec();
        bytes.extend(preamble_line("b"));
        assert_eq!(found(&bytes).unwrap().unwrap().0.build, "b");
    }

    #[test]
    fn other_protocol_is_named() {
        let outcome = found(b"FRAMEWRIGHT-WORKER 7 x\n");
        assert!(matches!(outcome, Err(PreambleError::Protocol { found: 7 })));
    }

    #[test]
    fn endless_banner_is_an_error() {
        let outcome = found(&vec![b'x'; FOREIGN_BYTES_MAX + MAGIC.len() + 1]);
        assert!(matches!(outcome, Err(PreambleError::NotFound { .. })));
        let mut bytes = vec![b'x'; FOREIGN_BYTES_MAX + 1];
        bytes.extend(preamble_line("b"));
        assert!(found(&bytes).is_err());
        bytes.remove(0);
        assert!(found(&bytes).unwrap().is_some());
    }
}
