//! How much may be on its way, from how fast it arrives.
//!
//! The window is what fills the way there and back, twice (so that a faster way is found out), and
//! what the host takes in 20 ms besides. Less would leave the way empty now and then; more only
//! waits in somebody's buffer, and whoever shares the way waits behind it.
//!
//! A pure function of what it is told: times come in as arguments.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Window before anything is known.
pub(super) const WINDOW_BYTES_FIRST: u64 = 512 << 10;
/// Limits of the window. The largest fills 1 Gbit/s over 120 ms.
const WINDOW_BYTES: std::ops::RangeInclusive<u64> = 256 << 10..=32 << 20;
/// Limits of what waits at the host's end.
const SLACK_BYTES: std::ops::RangeInclusive<u64> = 128 << 10..=1 << 20;
const SLACK_S: f64 = 0.02;
/// Shortest time over which a rate is taken.
const SAMPLE_MIN: Duration = Duration::from_millis(20);
/// Of so many rates the best counts: the others had something else in their way.
const SAMPLES: usize = 8;

#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes sent and acknowledged since the connection began.
    sent: u64,
    acked: u64,
    /// When what was on its way: the count after it, and the time.
    marks: VecDeque<(u64, Instant)>,
    round_trip: Option<Duration>,
    sample: Option<Sample>,
    rates: VecDeque<f64>,
    /// Rates in whose time there was always something to send.
    link_rates: VecDeque<f64>,
}

#[derive(Debug)]
struct Sample {
    since: Instant,
    acked: u64,
    starved: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            sent: 0,
            acked: 0,
            marks: VecDeque::new(),
            round_trip: None,
            sample: None,
            rates: VecDeque::new(),
            link_rates: VecDeque::new(),
        }
    }

    /// A round trip that was measured with nothing else on the way.
    pub(super) fn round_trip(&mut self, took: Duration) {
        self.round_trip = Some(self.round_trip.map_or(took, |least| least.min(took)));
    }

    pub(super) fn on_its_way(&self) -> u64 {
        self.sent - self.acked
    }

    /// Whether the next parcel may leave. One may always be on its way.
    pub(super) fn may_send(&self) -> bool {
        self.sent == self.acked || self.on_its_way() < self.window()
    }

    pub(super) fn sent(&mut self, now: Instant, bytes: u64) {
        if self.on_its_way() == 0 {
            self.sample = Some(Sample {
                since: now,
                acked: self.acked,
                starved: false,
            });
        }
        self.sent += bytes;
        self.marks.push_back((self.sent, now));
    }

    /// There was room and nothing to send.
    pub(super) fn starved(&mut self) {
        if let Some(sample) = &mut self.sample {
            sample.starved = true;
        }
    }

    /// The host has taken so much in all. More than was sent is not believed.
    pub(super) fn acked(&mut self, now: Instant, taken: u64) {
        self.acked = taken.clamp(self.acked, self.sent);
        while let Some((count, then)) = self.marks.front().copied() {
            if count > self.acked {
                break;
            }
            self.round_trip(now.saturating_duration_since(then));
            self.marks.pop_front();
        }
        let Some(sample) = &mut self.sample else {
            return;
        };
        let took = now.saturating_duration_since(sample.since);
        if took >= SAMPLE_MIN {
            let rate = (self.acked - sample.acked) as f64 / took.as_secs_f64();
            keep(&mut self.rates, rate);
            if !sample.starved {
                keep(&mut self.link_rates, rate);
            }
            *sample = Sample {
                since: now,
                acked: self.acked,
                starved: false,
            };
        }
        if self.sent == self.acked {
            self.sample = None;
        }
    }

    pub(super) fn window(&self) -> u64 {
        let (Some(rate), Some(round_trip)) = (best(&self.rates), self.round_trip) else {
            return WINDOW_BYTES_FIRST;
        };
        let slack = ((rate * SLACK_S) as u64).clamp(*SLACK_BYTES.start(), *SLACK_BYTES.end());
        let on_the_way = (2.0 * rate * round_trip.as_secs_f64()) as u64;
        (on_the_way + slack).clamp(*WINDOW_BYTES.start(), *WINDOW_BYTES.end())
    }

    /// Bytes a second that the way carries; nothing before it was ever full.
    pub(super) fn link_rate(&self) -> Option<f64> {
        best(&self.link_rates)
    }
}

fn keep(rates: &mut VecDeque<f64>, rate: f64) {
    if rates.len() == SAMPLES {
        rates.pop_front();
    }
    rates.push_back(rate);
}

fn best(rates: &VecDeque<f64>) -> Option<f64> {
    rates.iter().copied().reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends all the time over a way of this rate and delay, for so long; says how much arrived.
    fn run(rate: f64, delay: Duration, seconds: f64) -> (Pace, f64) {
        const PARCEL: u64 = 64 << 10;
        let start = Instant::now();
        let mut pace = Pace::new();
        pace.round_trip(delay);
        // Each parcel's acknowledgement: when it arrives, and the count.
        let mut acks: VecDeque<(f64, u64)> = VecDeque::new();
        let (mut now, mut free, mut sent) = (0.0, 0.0_f64, 0);
        while now < seconds {
            if pace.may_send() {
                pace.sent(start + Duration::from_secs_f64(now), PARCEL);
                sent += PARCEL;
                free = free.max(now) + PARCEL as f64 / rate;
                acks.push_back((free + delay.as_secs_f64(), sent));
                continue;
            }
            let Some((at, count)) = acks.pop_front() else {
                panic!("nothing is on its way, and nothing may be sent");
            };
            now = at;
            pace.acked(start + Duration::from_secs_f64(now), count);
        }
        let arrived = pace.acked as f64 / now;
        (pace, arrived)
    }

    #[test]
    fn long_way_is_filled() {
        let (_, arrived) = run(50e6, Duration::from_millis(80), 10.0);
        assert!(arrived > 0.9 * 50e6, "{arrived}");
    }

    #[test]
    fn slow_way_is_not_buried() {
        let (pace, arrived) = run(12.5e6, Duration::from_millis(1), 5.0);
        assert!(arrived > 0.95 * 12.5e6, "{arrived}");
        let waits = pace.window() as f64 / 12.5e6;
        assert!(waits < 0.04, "the last byte waits {waits} s");
    }

    #[test]
    fn rate_of_the_way_needs_a_full_way() {
        let start = Instant::now();
        let mut pace = Pace::new();
        pace.sent(start, 1000);
        pace.starved();
        pace.acked(start + Duration::from_secs(1), 1000);
        assert_eq!(pace.link_rate(), None);
        let (pace, _) = run(50e6, Duration::from_millis(1), 1.0);
        let rate = pace.link_rate().expect("it was always full");
        assert!((45e6..55e6).contains(&rate), "{rate}");
    }

    #[test]
    fn acks_of_what_was_not_sent_are_not_believed() {
        let mut pace = Pace::new();
        pace.sent(Instant::now(), 10);
        pace.acked(Instant::now(), u64::MAX);
        assert_eq!(pace.on_its_way(), 0);
        pace.acked(Instant::now(), 3);
        assert_eq!(pace.on_its_way(), 0);
    }
}
