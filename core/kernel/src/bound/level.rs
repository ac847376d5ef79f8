//! Work against capacity, as if tasks could be divided.

use super::Server;
use super::works::Works;

/// Slots, taken one after the other, readiest first.
#[derive(Debug)]
struct Pool {
    /// Speed and readiness.
    slots: Vec<(f64, f64)>,
    taken: usize,
    speed: f64,
    /// Σ sᵢ·rᵢ of those taken.
    lost: f64,
}

impl Pool {
    fn new(slots: Vec<(f64, f64)>) -> Pool {
        Pool {
            slots,
            taken: 0,
            speed: 0.0,
            lost: 0.0,
        }
    }

    /// Slots better than any there are: the fastest has the shortest load and the first turn.
    fn granted(servers: &[Server], begins: &[f64]) -> Pool {
        let mut speeds: Vec<f64> = servers.iter().map(|server| server.speed).collect();
        let mut loads: Vec<f64> = servers.iter().map(|server| server.load).collect();
        speeds.sort_by(|a, b| b.total_cmp(a));
        loads.sort_by(f64::total_cmp);
        let ready = loads.iter().zip(begins).map(|(load, begin)| load + begin);
        Pool::new(speeds.into_iter().zip(ready).collect())
    }

    /// The slots as they are, but nobody waits for a turn.
    fn at_once(servers: &[Server]) -> Pool {
        let mut slots: Vec<(f64, f64)> = servers
            .iter()
            .map(|server| (server.speed, server.load))
            .collect();
        slots.sort_by(|a, b| a.1.total_cmp(&b.1));
        Pool::new(slots)
    }

    /// The smallest T by which the first `most` slots do this work. Never asked for less work or
    /// for fewer slots than before.
    fn end(&mut self, work: f64, most: usize) -> f64 {
        let most = most.min(self.slots.len());
        while self.taken < most {
            let (speed, ready) = self.slots[self.taken];
            // Who is ready only when the others are through helps nobody.
            if self.taken > 0 && ready >= (work + self.lost) / self.speed {
                break;
            }
            self.speed += speed;
            self.lost += speed * ready;
            self.taken += 1;
        }
        (work + self.lost) / self.speed
    }
}

/// (a), without δ.
pub(super) fn all(works: &Works, servers: &[Server], begins: &[f64]) -> f64 {
    let end = |mut pool: Pool| pool.end(works.total(), servers.len());
    end(Pool::granted(servers, begins)).max(end(Pool::at_once(servers)))
}

/// (b), without δ.
pub(super) fn few(works: &Works, servers: &[Server], begins: &[f64]) -> f64 {
    let mut pool = Pool::granted(servers, begins);
    let few = servers.len().min(works.known());
    let ends = (1..=few).map(|k| pool.end(works.first(k), k));
    ends.fold(0.0, f64::max)
}
