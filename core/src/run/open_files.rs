//! Room for the files that a controller holds open: pipes to each worker and each adapter's host,
//! logs, what carries files. A farm of a hundred hosts needs more than the thousand that systems
//! give a process until it asks.
//!
//! Only the soft limit is raised, only as far as the job needs, and only upwards: what we start
//! inherits it, and there are programs that misbehave where it is very high.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open whatever the farm is: journal, control socket, output, libraries.
const OWN: u64 = 256;
/// Pipes, process handles and log of a worker's and a freight's link.
const A_HOST: u64 = 12;
/// Pipes and process handle of an adapter's host, logs of segments, a picture that is fetched.
const A_SLOT: u64 = 10;

/// Makes room for so many hosts and slots. Says what to do where the system does not allow it.
pub(super) fn make_room(hosts: usize, slots: usize) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    let Some(raised) = raised(&limit, hosts as u64, slots as u64) else {
        return Ok(());
    };
    let wanted = raised.wanted;
    if setrlimit(Resource::Nofile, raised.limit).is_ok() && raised.is_enough {
        return Ok(());
    }
    Err(format!(
        "{hosts} hosts with {slots} slots may need {wanted} open files, more than this system lets a \
         process have: raise its hard limit (`ulimit -Hn`), or use fewer hosts"
    ))
}

struct Raised {
    limit: Rlimit,
    wanted: u64,
    is_enough: bool,
}

/// None where there is room already.
fn raised(limit: &Rlimit, hosts: u64, slots: u64) -> Option<Raised> {
    let wanted = OWN + hosts * A_HOST + slots * A_SLOT;
    // Absent is without a limit.
    let current = limit.current?;
    if current >= wanted {
        return None;
    }
    let may = limit.maximum.unwrap_or(u64::MAX);
    Some(Raised {
        limit: Rlimit {
            current: Some(wanted.min(may).max(current)),
            maximum: limit.maximum,
        },
        wanted,
        is_enough: wanted <= may,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(current: Option<u64>, maximum: Option<u64>) -> Rlimit {
        Rlimit { current, maximum }
    }

    #[test]
    fn limit_rises_only_where_it_must_and_only_as_far_as_it_may() {
        assert!(raised(&limit(Some(1024), Some(4096)), 4, 16).is_none());
        assert!(raised(&limit(None, None), 9999, 9999).is_none());
        let farm = raised(&limit(Some(1024), Some(1 << 20)), 200, 200).expect("it is too low");
        assert_eq!(farm.limit.current, Some(256 + 200 * 22));
        assert_eq!(farm.limit.maximum, Some(1 << 20));
        assert!(farm.is_enough);
        let tight = raised(&limit(Some(1024), Some(2048)), 200, 200).expect("it is too low");
        assert_eq!(tight.limit.current, Some(2048));
        assert!(!tight.is_enough);
    }
}
