//! The depot: files on a host, for controllers that do not share a file system with it.
//!
//! A depot is a process behind a connection, like the worker but apart from it. It takes blobs
//! (files by the hash of their content) into a folder that jobs share, lays trees out of them, and
//! sends result files home. It is *stateless*: what it knows is what is on its disk, so a lost
//! connection costs a new one and nothing else. The half of a blob that has come stays as a part,
//! which the next depot goes on with.
//!
//! ```text
//! <cache root>/blobs/ab/cdef…              a verified blob, read-only, named by its hash
//! <cache root>/blobs/parts/<owner>/<hash>  a blob that comes; `seat` beside it is locked meanwhile
//! <cache root>/jobs/<job>/tree/abs/path    a job's files: hard links of blobs, or copies
//! ```
//!
//! Refuses: names that lead out of a tree or through a symbolic link; blobs that are not what
//! their hash says; deciding what a job needs. It starts no process.
//!
//! Invariant: under a blob's final name is a whole file that had its hash when it was put there.
//! Whether it still has is seen by its size and its time of modification, which a depot sets and
//! any write changes; where they are not as expected it is hashed again.
//!
//! Threads: one reads the connection, one does what was asked in order, one sends files, one
//! writes. The reader stops while the disk has more than a few pieces to write, and so does the
//! controller, whose window is not acknowledged then.

mod blobs;
mod evict;
mod fault;
pub mod message;
mod names;
mod post;
mod reads;
mod seat;
mod serve;
mod times;
mod tree;

pub use serve::{DepotEnd, depot_main, tree_folder};
