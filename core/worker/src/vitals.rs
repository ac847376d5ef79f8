//! How the machine is: who else uses it, and what room is left.
//!
//! One thread measures and says it every [`EVERY`]; another, which may hang in a file server for as
//! long as that likes, looks at the disk. What a kernel does not tell is 0.
//!
//! The load is what *others* make: cores that were busy, less what this worker and all that descends
//! from it used. A process that ends gives what it used to whoever waits for it, so the sum over
//! the worker, what it waited for, and what lives below it only grows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::lease::now_ms;
use crate::message::{FromWorker, Vitals};
use crate::outbox::Outbox;

/// How often it is said.
const EVERY: Duration = Duration::from_secs(2);
/// How long until the first look is told.
const FIRST: Duration = Duration::from_millis(300);

/// While it is held, the machine is looked at.
#[derive(Debug)]
pub(crate) struct Monitor {
    _until_dropped: [Sender<()>; 2],
}

impl Monitor {
    pub(crate) fn start(outbox: &Arc<Outbox>, scratch_root: &Path) -> std::io::Result<Self> {
        let disk = Arc::new(AtomicU64::new(0));
        let (end_disk, disk_ends) = channel();
        let (end_vitals, vitals_end) = channel();
        {
            let (disk, root) = (Arc::clone(&disk), scratch_root.to_owned());
            std::thread::Builder::new()
                .name("disk".to_owned())
                .spawn(move || {
                    disk.store(room(&root), Ordering::Relaxed);
                    while goes_on(&disk_ends, EVERY) {
                        disk.store(room(&root), Ordering::Relaxed);
                    }
                })?;
        }
        let outbox = Arc::clone(outbox);
        std::thread::Builder::new()
            .name("vitals".to_owned())
            .spawn(move || {
                let mut before = Used::now();
                // Hosts that are closed at some hours take nothing before the first of these.
                let mut pause = FIRST;
                while goes_on(&vitals_end, std::mem::replace(&mut pause, EVERY)) {
                    let now = Used::now();
                    let vitals = Vitals {
                        load: now.load_since(&before),
                        memory_bytes: available_memory(),
                        disk_bytes: disk.load(Ordering::Relaxed),
                        minute: minute_of_day(),
                        clock_ms: now_ms(),
                    };
                    before = now;
                    // Old news is no use to a controller that takes nothing for now.
                    if outbox.stalled_for(Instant::now()) < EVERY {
                        outbox.control(&FromWorker::Vitals(vitals));
                    }
                }
            })?;
        Ok(Self {
            _until_dropped: [end_disk, end_vitals],
        })
    }
}

/// Waits until it is time to look again; false at the end.
fn goes_on(end: &Receiver<()>, pause: Duration) -> bool {
    matches!(end.recv_timeout(pause), Err(RecvTimeoutError::Timeout))
}

/// Processor time used so far, in clock ticks, and when that was.
#[derive(Clone, Copy, Debug)]
struct Used {
    at: Instant,
    by_all: u64,
    by_own: u64,
}

impl Used {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let own = own_ticks(std::process::id(), &processes());
        Self {
            at: Instant::now(),
            by_all: busy_ticks(&stat).unwrap_or(0),
            by_own: own,
        }
    }

    /// Cores that others kept busy, on average.
    fn load_since(&self, before: &Self) -> f64 {
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        let all = self.by_all.saturating_sub(before.by_all);
        let own = self.by_own.saturating_sub(before.by_own);
        let ticks = all.saturating_sub(own) as f64;
        if seconds > 0.0 {
            ticks / ticks_per_second() / seconds
        } else {
            0.0
        }
    }
}

fn ticks_per_second() -> f64 {
    // SAFETY: sysconf takes a number and gives one.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    ticks.max(1) as f64
}

/// Ticks in which a core of the machine was busy: with programs, at whatever priority, and with
/// the kernel; not while it waited for a disk or was another machine's.
fn busy_ticks(stat: &str) -> Option<u64> {
    const USER: usize = 0;
    const NICE: usize = 1;
    const SYSTEM: usize = 2;
    const IRQ: usize = 5;
    const SOFTIRQ: usize = 6;
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = all
        .split_ascii_whitespace()
        .map_while(|number| number.parse().ok())
        .collect();
    let busy = [USER, NICE, SYSTEM, IRQ, SOFTIRQ];
    busy.iter().map(|place| ticks.get(*place).copied()).sum()
}

/// A process, its parent, and the ticks that it and what it waited for used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    number: u32,
    parent: u32,
    ticks: u64,
}

/// `42 (any (name)) S 1 …`: the name may hold blanks and brackets, so the last one counts.
fn parse_process(number: u32, stat: &str) -> Option<Process> {
    const FIELD_PARENT: usize = 1;
    const FIELD_TICKS: usize = 11;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(FIELD_PARENT)?.parse().ok()?;
    // User and system time of its own, then of the children that it waited for.
    let mut ticks = 0_u64;
    let mut times = fields.skip(FIELD_TICKS - FIELD_PARENT - 1);
    for _ in 0..4 {
        // What children used is counted with a sign.
        let time: i64 = times.next()?.parse().ok()?;
        ticks += u64::try_from(time).unwrap_or(0);
    }
    Some(Process {
        number,
        parent,
        ticks,
    })
}

fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|number| {
            let stat = std::fs::read(format!("/proc/{number}/stat")).ok()?;
            parse_process(number, &String::from_utf8_lossy(&stat))
        })
        .collect()
}

/// What a process and everything below it used.
fn own_ticks(me: u32, all: &[Process]) -> u64 {
    let mut children: BTreeMap<u32, Vec<&Process>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let own = all.iter().filter(|process| process.number == me);
    let mut ticks: u64 = own.map(|process| process.ticks).sum();
    let (mut parents, mut seen) = (vec![me], BTreeSet::from([me]));
    while let Some(parent) = parents.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            // The list was not read in one moment: numbers may have come round in it.
            if seen.insert(child.number) {
                ticks += child.ticks;
                parents.push(child.number);
            }
        }
    }
    ticks
}

/// Memory that programs may take without swapping.
fn available_memory() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    parse_available(&info).unwrap_or(0)
}

fn parse_available(info: &str) -> Option<u64> {
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Room for this user on the disk that a folder is on, or will be.
fn room(folder: &Path) -> u64 {
    let mut folder: PathBuf = folder.to_owned();
    loop {
        match rustix::fs::statvfs(&folder) {
            Ok(disk) => {
                // What is kept back for the system's administrator is not kept from them.
                let admin = rustix::process::geteuid().is_root();
                let blocks = if admin { disk.f_bfree } else { disk.f_bavail };
                return blocks.saturating_mul(disk.f_frsize);
            }
            Err(rustix::io::Errno::NOENT) if folder.pop() => {}
            Err(_) => return 0,
        }
    }
}

/// Minutes since midnight where this machine is.
fn minute_of_day() -> u16 {
    let now = libc::time_t::try_from(now_ms() / 1000).unwrap_or(0);
    // SAFETY: tm is a struct of integers and a pointer, for which all zeroes is a value.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live variables of the types that localtime_r wants. It reads
    // the environment, which nothing in this program changes.
    let told = unsafe { libc::localtime_r(&raw const now, &raw mut local) };
    if told.is_null() {
        return 0;
    }
    u16::try_from(local.tm_hour * 60 + local.tm_min).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_neither_idle_nor_waiting_nor_stolen() {
        let stat = "cpu  100 20 30 4000 500 6 7 800 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n";
        assert_eq!(busy_ticks(stat), Some(100 + 20 + 30 + 6 + 7));
        assert_eq!(busy_ticks("cpu  1 2 3\n"), None);
        assert_eq!(busy_ticks(""), None);
    }

    #[test]
    fn a_process_is_read_with_what_it_waited_for() {
        let stat = "42 (a) R 1 (b) S 7 41 41 0 -1 4194560 1 0 0 0 10 2 300 4000 20 0 1 0 99 1 1";
        let process = Process {
            number: 42,
            parent: 7,
            ticks: 4312,
        };
        assert_eq!(parse_process(42, stat), Some(process));
        assert_eq!(parse_process(42, "42 (a"), None);
        assert_eq!(parse_process(42, "42 (a) S 7"), None);
    }

    #[test]
    fn all_that_descends_is_own_and_nothing_else() {
        let process = |number, parent, ticks| Process {
            number,
            parent,
            ticks,
        };
        let all = [
            process(1, 0, 1_000),
            process(10, 1, 1),
            process(11, 10, 20),
            process(12, 11, 300),
            process(13, 1, 4_000),
            // A ring, of numbers that came round while the list was read.
            process(14, 15, 5),
            process(15, 14, 5),
        ];
        assert_eq!(own_ticks(10, &all), 321);
        assert_eq!(own_ticks(99, &all), 0);
        assert_eq!(own_ticks(14, &all), 10);
    }

    #[test]
    fn the_load_is_that_of_others() {
        let at = Instant::now();
        let before = Used {
            at,
            by_all: 1_000,
            by_own: 100,
        };
        let ticks = ticks_per_second() as u64;
        let now = Used {
            at: at + Duration::from_secs(2),
            by_all: 1_000 + 6 * ticks,
            by_own: 100 + 2 * ticks,
        };
        assert!((now.load_since(&before) - 2.0).abs() < 1e-9);
        let more = Used {
            by_own: 100 + 9 * ticks,
            ..now
        };
        assert_eq!(more.load_since(&before), 0.0, "never below nothing");
    }

    #[test]
    fn this_machine_has_memory_room_and_a_time() {
        assert!(available_memory() > 1 << 20);
        let folder = tempfile::tempdir().unwrap();
        assert!(room(folder.path()) > 0);
        assert_eq!(
            room(&folder.path().join("not/there/yet")) > 0,
            room(folder.path()) > 0
        );
        assert!(minute_of_day() < 24 * 60);
        assert_eq!(parse_available("MemAvailable:   12 kB\n"), Some(12 * 1024));
        assert_eq!(parse_available("MemFree: 12 kB\n"), None);
    }

    #[test]
    fn what_a_child_used_stays_own_when_it_has_ended() {
        const TICKS: u64 = 10;
        let me = std::process::id();
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let of_child = || own_ticks(child.id(), &processes());
        let deadline = Instant::now() + Duration::from_secs(30);
        while of_child() < TICKS {
            assert!(Instant::now() < deadline, "it gets no time");
        }
        let (living, used) = (own_ticks(me, &processes()), of_child());
        assert!(living >= used, "{living} of which {used} are the child's");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(own_ticks(me, &processes()) >= living);
    }

    #[test]
    fn what_this_process_burns_is_its_own() {
        let before = Used::now();
        let until = Instant::now() + Duration::from_millis(300);
        let mut sum = 0_u64;
        while Instant::now() < until {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let now = Used::now();
        assert!(now.by_own > before.by_own, "{before:?} {now:?}");
        assert!(now.by_all >= before.by_all);
    }
}
