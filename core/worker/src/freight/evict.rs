//! Keeping the blobs below a cap, those used longest ago going first.
//!
//! A blob is used when a job asks for it; its time of access says when that was, set by us and not
//! left to how the file system is mounted. What a live job's tree holds by a hard link stays, also
//! above the cap: removing its name would free nothing, and the next job would send it again.
//!
//! Unless the farm says otherwise the cap is half of what is free or taken by blobs. The disk's
//! size would be a poor measure, because others fill it, too; half leaves the other half to the
//! renderers, whose scratch folders lie on the same disk.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, statat};

use super::blobs::{Blobs, free_bytes};
use super::message::Fault;
use super::seat::Seat;
use super::times;

/// A part that nobody went on with for so long is removed.
const PART_AGE_MAX_S: i64 = 7 * 24 * 3600;
/// A tree whose job was not heard of for so long is removed: its controller was killed.
const TREE_AGE_MAX_S: i64 = 2 * 24 * 3600;

/// What making room came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Bytes of blobs left.
    pub(super) bytes: u64,
    pub(super) cap_bytes: u64,
    pub(super) evicted: u64,
}

struct Known {
    used_ns: i64,
    name: String,
    bytes: u64,
    linked: bool,
}

/// Makes room for so many bytes under the cap, as far as there is anything to remove.
pub(super) fn make_room(blobs: &Blobs, cap: Option<u64>, incoming: u64) -> Result<Room, Fault> {
    remove_old_parts(blobs);
    let mut known = survey(blobs)?;
    let mut bytes: u64 = known.iter().map(|blob| blob.bytes).sum();
    let cap_bytes = cap.unwrap_or_else(|| bytes.saturating_add(free_bytes(blobs.at())) / 2);
    // Names break ties, so that it does not depend on the order of a folder.
    known.sort_by(|a, b| (a.used_ns, &a.name).cmp(&(b.used_ns, &b.name)));
    let mut evicted = 0;
    for blob in known.iter().filter(|blob| !blob.linked) {
        if bytes.saturating_add(incoming) <= cap_bytes {
            break;
        }
        if std::fs::remove_file(blobs.folder().join(&blob.name)).is_ok() {
            bytes -= blob.bytes;
            evicted += 1;
        }
    }
    Ok(Room {
        bytes,
        cap_bytes,
        evicted,
    })
}

/// Frees at least so many bytes of the disk if it can; says whether it could.
pub(super) fn free(blobs: &Blobs, wanted: u64) -> bool {
    let Ok(known) = survey(blobs) else {
        return false;
    };
    let bytes: u64 = known.iter().map(|blob| blob.bytes).sum();
    let target = bytes.saturating_sub(wanted);
    make_room(blobs, Some(target), 0).is_ok_and(|room| room.evicted > 0 && room.bytes <= target)
}

fn survey(blobs: &Blobs) -> Result<Vec<Known>, Fault> {
    let cannot = |path: &Path, error: &io::Error| Fault::io("look through", path, error);
    let mut known = Vec::new();
    let folder = blobs.folder();
    for shard in std::fs::read_dir(folder).map_err(|error| cannot(folder, &error))? {
        let shard = shard.map_err(|error| cannot(folder, &error))?;
        let shard_name = shard.file_name();
        let Some(shard_name) = shard_name.to_str().filter(|name| name.len() == 2) else {
            continue;
        };
        let Ok(entries) = std::fs::read_dir(shard.path()) else {
            continue;
        };
        for entry in entries.flatten() {
            let Some(name) = entry
                .file_name()
                .to_str()
                .map(|name| format!("{shard_name}/{name}"))
            else {
                continue;
            };
            // Another depot may have removed it meanwhile.
            if let Ok(stat) = statat(blobs.at(), &name, AtFlags::SYMLINK_NOFOLLOW) {
                known.push(Known {
                    used_ns: times::atime_ns(&stat),
                    name,
                    bytes: stat.st_size.cast_unsigned(),
                    linked: stat.st_nlink > 1,
                });
            }
        }
    }
    Ok(known)
}

fn remove_old_parts(blobs: &Blobs) {
    let now = times::now_s();
    for folder in blobs.other_parts() {
        let Ok(Some(seat)) = Seat::try_take(&folder) else {
            continue;
        };
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let old = std::fs::symlink_metadata(&path).is_ok_and(|about| {
                use std::os::unix::fs::MetadataExt;
                about.mtime() < now - PART_AGE_MAX_S
            });
            // The seat itself is as old as the parts; it goes with `leave`.
            if old && path.file_name().is_some_and(|name| name.len() == 64) {
                let _ = std::fs::remove_file(path);
            }
        }
        seat.leave();
    }
}

/// Trees of jobs that nobody was heard of for long.
pub(super) fn old_trees(cache_root: &Path, but: &str) -> Vec<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let oldest = times::now_s() - TREE_AGE_MAX_S;
    let mut old: Vec<PathBuf> = std::fs::read_dir(cache_root.join("jobs"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name() != but)
        .map(|entry| entry.path().join("tree"))
        .filter(|tree| {
            std::fs::symlink_metadata(tree)
                .is_ok_and(|about| about.is_dir() && about.mtime() < oldest)
        })
        .collect();
    old.sort();
    old
}
