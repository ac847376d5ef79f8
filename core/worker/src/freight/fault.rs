//! What the system's errors mean to a controller.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::message::{Fault, FaultKind};

impl Fault {
    /// Operation (`write`), subject, and the system's reason.
    pub(super) fn io(operation: &str, path: &Path, error: &io::Error) -> Self {
        let kind = match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC) => FaultKind::DiskFull,
            Some(Errno::DQUOT) => FaultKind::Quota,
            Some(Errno::ROFS) => FaultKind::ReadOnly,
            Some(Errno::FBIG) => FaultKind::TooLarge,
            Some(Errno::ACCESS | Errno::PERM) => FaultKind::Denied,
            Some(Errno::NOENT | Errno::NOTDIR) => FaultKind::Missing,
            _ => FaultKind::Other,
        };
        let why = match kind {
            FaultKind::DiskFull => "the disk is full".to_owned(),
            FaultKind::Quota => "the quota is used up".to_owned(),
            FaultKind::ReadOnly => "the file system is mounted read-only".to_owned(),
            FaultKind::TooLarge => "the limit on the size of a file is reached".to_owned(),
            _ => error.to_string(),
        };
        Self {
            kind,
            why: format!("cannot {operation} {}: {why}", path.display()),
        }
    }

    pub(super) fn new(kind: FaultKind, why: impl Into<String>) -> Self {
        Self {
            kind,
            why: why.into(),
        }
    }

    pub(super) fn protocol(why: impl Into<String>) -> Self {
        Self::new(FaultKind::Protocol, why)
    }
}
