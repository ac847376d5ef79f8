//! Times of files: of modification (the scene's, kept) and of use (ours, for eviction).

use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Stat, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

const NANOS: i64 = 1_000_000_000;

/// Nanoseconds since 1970.
pub(super) fn mtime_ns(stat: &Stat) -> i64 {
    stat.st_mtime
        .saturating_mul(NANOS)
        .saturating_add(i64::try_from(stat.st_mtime_nsec).unwrap_or(0))
}

/// Nanoseconds since 1970.
pub(super) fn atime_ns(stat: &Stat) -> i64 {
    stat.st_atime
        .saturating_mul(NANOS)
        .saturating_add(i64::try_from(stat.st_atime_nsec).unwrap_or(0))
}

/// Whether a file has this time of modification, as far as its file system can keep it.
pub(super) fn same_mtime(stat: &Stat, wanted_ns: i64) -> bool {
    mtime_ns(stat) == wanted_ns
        || stat.st_mtime_nsec == 0 && stat.st_mtime == wanted_ns.div_euclid(NANOS)
}

/// Seconds since 1970.
pub(super) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

/// Used now, modified when the scene's file was.
pub(super) fn used_now(mtime_ns: i64) -> Timestamps {
    Timestamps {
        last_access: special(UTIME_NOW),
        last_modification: Timespec {
            tv_sec: mtime_ns.div_euclid(NANOS),
            tv_nsec: mtime_ns.rem_euclid(NANOS),
        },
    }
}

/// Marks a file as used now.
pub(super) fn touch(folder: impl AsFd, name: &str) -> rustix::io::Result<()> {
    let times = Timestamps {
        last_access: special(UTIME_NOW),
        last_modification: special(UTIME_OMIT),
    };
    rustix::fs::utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

fn special(value: impl TryInto<i64>) -> Timespec {
    Timespec {
        tv_sec: 0,
        tv_nsec: value.try_into().unwrap_or(0),
    }
}
