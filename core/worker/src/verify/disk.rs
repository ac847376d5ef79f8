//! Has the disk no room left? The usual reason for half a picture.

use std::path::Path;

use rustix::fs::statvfs;

/// Less than this is nothing.
const FREE_BYTES_MIN: u64 = 1 << 20;

/// One thousandth of the disk is nothing, too: file systems keep such a rest back.
const FREE_PARTS_MIN: u64 = 1000;

/// With less than this a file that ends too early did so for lack of room.
const FREE_BYTES_MIN_IF_TRUNCATED: u64 = 16 << 20;

/// Whether the file system of `path`'s folder is full, or so near to it that it explains a
/// truncated file. False where it cannot be asked.
pub(crate) fn is_full(path: &Path, truncated: bool) -> bool {
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir());
    let Some(stat) = folder.and_then(|folder| statvfs(folder).ok()) else {
        return false;
    };
    judge(
        stat.f_bavail.saturating_mul(stat.f_frsize),
        stat.f_blocks.saturating_mul(stat.f_frsize),
        truncated,
    )
}

fn judge(free_bytes: u64, total_bytes: u64, truncated: bool) -> bool {
    // Pseudo file systems have no size and are not full.
    total_bytes > 0
        && (free_bytes < FREE_BYTES_MIN
            || free_bytes < total_bytes / FREE_PARTS_MIN
            || truncated && free_bytes < FREE_BYTES_MIN_IF_TRUNCATED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_is_nothing_left_or_next_to_nothing() {
        const GIB: u64 = 1 << 30;
        assert!(judge(0, GIB, false));
        assert!(judge(FREE_BYTES_MIN - 1, GIB / 1024, false));
        assert!(judge(GIB, 2000 * GIB, false));
        assert!(!judge(3 * GIB, 2000 * GIB, false));
        assert!(!judge(10 << 20, GIB, false));
        assert!(judge(10 << 20, GIB, true));
        assert!(!judge(0, 0, true));
    }

    #[test]
    fn folder_that_is_not_there_is_not_full() {
        assert!(!is_full(Path::new("relative"), true));
    }
}
