//! The orphans that came to this process.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::process::Pid;

/// Reads the list of children of the process's main thread. The kernel hands orphans to that
/// thread, and it starts no process itself, so the list is the orphans and nothing else.
///
/// A kernel built without this list (`CONFIG_PROC_CHILDREN`) gives an empty one: orphans are then
/// found by their group when a run ends, and by ancestry and tags when the worker ends.
pub(super) struct Adopted {
    children: Option<File>,
}

impl Adopted {
    pub(super) fn of(worker: Pid) -> Self {
        let pid = worker.as_raw_nonzero();
        Self {
            children: File::open(format!("/proc/self/task/{pid}/children")).ok(),
        }
    }

    /// One system call when there are few.
    pub(super) fn list(&self) -> Vec<Pid> {
        const LIST_BYTES_MAX: usize = 1 << 20;
        let Some(children) = &self.children else {
            return Vec::new();
        };
        let mut bytes = [0_u8; 512];
        match children.read_at(&mut bytes, 0) {
            Ok(0) | Err(_) => Vec::new(),
            Ok(read) if read < bytes.len() => parse(&bytes[..read]),
            Ok(_) => {
                let mut bytes = vec![0_u8; LIST_BYTES_MAX];
                let mut filled = 0;
                while let Ok(read @ 1..) = children.read_at(&mut bytes[filled..], filled as u64) {
                    filled += read;
                }
                parse(&bytes[..filled])
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Vec<Pid> {
    bytes
        .split(|byte| *byte == b' ')
        .filter_map(|number| std::str::from_utf8(number).ok()?.parse().ok())
        .filter_map(Pid::from_raw)
        .collect()
}
