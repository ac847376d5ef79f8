//! A job's journal: every event, on the disk before it is acted on.
//!
//! Text, one record a line, each with its checksum (`line.rs` has the form); `grep` and `cut`
//! read it too. One thread writes it ([`JournalWriter`]): it takes what waits as one group, appends it, syncs once,
//! and only then does what the group's records announce (renames of finished files), reporting
//! each outcome. So a commit's record is durable before its file has its final name, and a resume
//! finds every file that has one.
//!
//! It refuses to decide: which attempt wins is settled before the record comes here.

mod commit;
mod line;
mod read;
mod write;

pub(crate) use commit::place;
pub use commit::{Commit, Replace, Token};
pub use read::{ReadError, ReadReport, Skipped, read};
pub use write::{Done, JournalWriter, OpenError, Seq, WriterGone};

#[cfg(test)]
mod tests;
