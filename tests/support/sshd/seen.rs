//! What runs on this machine, and which files lie where, as the kernel shows it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::host::Host;

pub(super) fn all_pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

pub(super) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

pub(super) fn descendants(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(children(pid));
        next += 1;
    }
    found
}

pub fn kill(pid: u32) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Regular files below a folder, by device and inode.
pub(super) fn walk(folder: &Path, files: &mut BTreeMap<(u32, u32, u64), String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(about) = entry.metadata() else {
            continue;
        };
        if about.is_dir() {
            walk(&entry.path(), files);
        } else if about.is_file() {
            let device = about.dev();
            let key = (
                rustix::fs::major(device),
                rustix::fs::minor(device),
                about.ino(),
            );
            files.insert(key, entry.path().display().to_string());
        }
    }
}

/// The ssh processes of a controller that lead to a host.
pub fn ssh_clients(controller: u32, host: &Host) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{controller}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let lists: Vec<String> = lists.collect();
    let pids = lists.iter().flat_map(|list| list.split_whitespace());
    let leads = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.first() == Some(&b"ssh".as_slice()) && words.contains(&host.address().as_bytes())
    };
    pids.filter_map(|pid| pid.parse().ok())
        .filter(leads)
        .collect()
}
