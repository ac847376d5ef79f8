//! Moments to kill at: drawn from a seed, and tied to what the job does, never to the clock alone.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::record::{Tail, is};
use super::support::{LONG, Running};

/// SplitMix64: small, and the same on every machine.
pub struct Random(u64);

impl Random {
    /// From `FRAMEWRIGHT_SEED`, else from the clock; says which, so that a failure can be tried
    /// again.
    pub fn new(what: &str) -> Self {
        let seed = std::env::var("FRAMEWRIGHT_SEED").map_or_else(
            |_| {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .expect("it is after 1970");
                u64::from(now.subsec_nanos())
            },
            |text| text.parse().expect("FRAMEWRIGHT_SEED is a number"),
        );
        eprintln!("{what}: FRAMEWRIGHT_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Less than `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than a usize")
    }

    pub fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// After the n-th event of a kind, and then this much later.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub kind: &'static str,
    pub nth: usize,
    pub later: Duration,
}

impl Moment {
    /// Waits for it; false when the program ended before.
    pub fn wait(&self, events: &Path, program: &mut Running) -> bool {
        let mut tail = Tail::of(events);
        let mut seen = 0;
        let mut looked = 0;
        let deadline = Instant::now() + LONG;
        let until = loop {
            assert!(Instant::now() < deadline, "{self:?} never comes");
            let is_running = program.is_running();
            let all = tail.read();
            seen += all[looked..]
                .iter()
                .filter(|event| is(event, self.kind))
                .count();
            looked = all.len();
            if seen >= self.nth {
                break Instant::now() + self.later;
            }
            if !is_running {
                return false;
            }
            thread::park_timeout(Duration::from_micros(300));
        };
        pass(until.saturating_duration_since(Instant::now()));
        program.is_running()
    }
}

/// Lets the drawn part of a moment pass, after the event that it is tied to.
pub fn pass(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}
