//! Reads Arnold's scene files, `.ass` and `.ass.gz`, as a stream of nodes.
//!
//! The file is never held: bytes are read once, a node is handed over when it ends, and what a render
//! manager has no use for (points, indices, base85) is stepped over without being kept. Values keep the
//! form in which they stand there; what they mean is for `scene` to say.
//!
//! Refuses only what no scene file can be: a node without a body, one that is not closed, a string that
//! is not closed. Anything else that it does not know is stepped over, because Arnold itself warns of it
//! and goes on.
//!
//! Invariant: whatever the bytes are, no more of them are read than the [`Budget`] has, memory stays
//! below a few megabytes, and each byte is looked at a bounded number of times.

mod lexer;
mod node;
mod source;
#[cfg(test)]
mod tests;

pub use node::{Node, Param, Value};
pub use source::Budget;

use std::path::Path;

use lexer::Lexer;

/// Why a scene file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system says no.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// The system's reason, or the decompressor's.
        source: std::io::Error,
    },
    /// No scene file.
    #[error("{path}, line {line}: {what}")]
    Malformed {
        /// Which file.
        path: String,
        /// Where, from 1.
        line: u64,
        /// What is wrong there.
        what: String,
    },
}

/// What stands at the top of a scene file.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A node.
    Node(Node),
    /// `include "file"`.
    Include(String),
    /// A line `### key: value`, which exporters put before the first node.
    Header {
        /// Before the colon.
        key: String,
        /// After it.
        value: String,
    },
}

/// How the reading of a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of it was read.
    Whole,
    /// The budget ended first.
    Cut,
}

/// Reads a file and hands over what it holds, in its order.
///
/// # Errors
/// When it cannot be read, or is no scene file. What was handed over before holds.
pub fn read(
    path: &Path,
    budget: &mut Budget,
    take: &mut dyn FnMut(Item),
) -> Result<End, ReadError> {
    let source = source::open(path, budget).map_err(|source| ReadError::Io {
        path: path.display().to_string(),
        source,
    })?;
    parse(source, path, take)
}

fn parse(
    source: source::Source<'_>,
    path: &Path,
    take: &mut dyn FnMut(Item),
) -> Result<End, ReadError> {
    let mut lexer = Lexer::new(source);
    let result = node::items(&mut lexer, take);
    // What the text looks like where it ends early says nothing about the text.
    if let Some(source) = lexer.take_failure() {
        return Err(ReadError::Io {
            path: path.display().to_string(),
            source,
        });
    }
    if lexer.is_cut() {
        return Ok(End::Cut);
    }
    match result {
        Ok(()) => Ok(End::Whole),
        Err(what) => Err(ReadError::Malformed {
            path: path.display().to_string(),
            line: lexer.line(),
            what,
        }),
    }
}
