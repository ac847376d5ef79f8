//! The depot: files on a host, for controllers that do not share a file system with it.

pub mod message;
