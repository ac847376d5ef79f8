//! `--max-load-share`: no more slots than let loading take a part of their time.
//!
//! With one load a slot and a schedule that ends everywhere at once, m slots that are ready at Lᵢ
//! are busy for m·T in all, T being the smallest time with Σ sᵢ·max(0, T − Lᵢ) ≥ work; loading
//! takes Σ Lᵢ of it. On like slots that is the closed form: a share φ allows
//! m ≤ work·φ / ((1 − φ)·L). Slots are taken in the order in which they are ready, the faster
//! first, which keeps the share of any number of them smallest.

use framewright_kernel::hosts::HostSpec;
use framewright_kernel::job::{Job, JobSpec};
use framewright_kernel::time::Span;

use crate::request::HostEntry;

/// A slot that may take the job.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Loader {
    load_s: f64,
    speed: f64,
    host: usize,
}

/// How many of the slots, in their order, load for no more than this share of their time; at least
/// one.
fn allowed(work_s: f64, loaders: &[Loader], share: f64) -> usize {
    let (mut speed, mut offset, mut loading) = (0.0, work_s, 0.0);
    let mut allowed = 1;
    for (index, loader) in loaders.iter().enumerate() {
        speed += loader.speed;
        offset += loader.speed * loader.load_s;
        loading += loader.load_s;
        let ends_s = offset / speed;
        // One that is ready only after all is done would not be started at all.
        let starts = loader.load_s < ends_s;
        if !starts || loading > share * ends_s * (index + 1) as f64 * (1.0 + 1e-9) {
            break;
        }
        allowed = index + 1;
    }
    allowed
}

/// Takes slots away until loading takes no more than this share; a sentence where any were taken.
pub(super) fn limit(
    share: f64,
    spec: JobSpec,
    specs: &[HostSpec],
    hosts: &mut Vec<HostEntry>,
) -> Option<String> {
    let job = Job::new(spec).ok()?;
    let work: Span = job
        .tasks()
        .map(|task| job.cost(task))
        .fold(Span::ZERO, |sum, cost| sum + cost);
    let takes = |spec: &HostSpec| {
        let mut layers = job.layers().iter();
        layers.any(|layer| spec.can_take(layer.memory(), layer.tags()))
    };
    let mut loaders = Vec::new();
    for (host, spec) in specs.iter().enumerate().filter(|(_, spec)| takes(spec)) {
        let loader = Loader {
            load_s: spec.expected_load(job.costs().load).as_secs_f64(),
            speed: spec.speed.as_f64(),
            host,
        };
        loaders.extend((0..spec.slots).map(|_| loader));
    }
    loaders.sort_by(|a, b| {
        let ready = a.load_s.total_cmp(&b.load_s);
        ready.then(b.speed.total_cmp(&a.speed))
    });
    let allowed = allowed(work.as_secs_f64(), &loaders, share);
    if allowed >= loaders.len() {
        return None;
    }
    let mut slots = vec![0; specs.len()];
    for loader in &loaders[..allowed] {
        slots[loader.host] += 1;
    }
    let kept = hosts.iter().zip(slots).map(|(host, slots)| HostEntry {
        slots,
        ..host.clone()
    });
    *hosts = kept.filter(|host| host.slots > 0).collect();
    Some(format!(
        "--max-load-share {}% leaves {allowed} of {} slots",
        (share * 1000.0).round() / 10.0,
        loaders.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(count: usize, load_s: f64) -> Vec<Loader> {
        let loader = Loader {
            load_s,
            speed: 1.0,
            host: 0,
        };
        vec![loader; count]
    }

    #[test]
    fn like_slots_follow_the_closed_form() {
        // 2 000 frames of 5 s with a load of 600 s: the shares are those of the table of hosts
        // against time, 5.7 % on one and 55 % on twenty.
        for (share, slots) in [
            (0.30, 7),
            (0.19, 3),
            (0.194, 4),
            (0.5, 16),
            (0.56, 21),
            (0.01, 1),
        ] {
            let closed = 10_000.0 * share / ((1.0 - share) * 600.0);
            assert_eq!(
                allowed(10_000.0, &alike(50, 600.0), share),
                (closed.floor() as usize).max(1)
            );
            assert_eq!(
                allowed(10_000.0, &alike(50, 600.0), share),
                slots,
                "{share}"
            );
        }
    }

    #[test]
    fn no_load_is_no_limit_and_more_work_allows_more() {
        assert_eq!(allowed(100.0, &alike(20, 0.0), 0.1), 20);
        let mut before = 0;
        for work in [100.0, 1_000.0, 10_000.0, 100_000.0] {
            let now = allowed(work, &alike(50, 60.0), 0.2);
            assert!(now >= before);
            before = now;
        }
    }

    #[test]
    fn unlike_slots_are_judged_by_what_they_do() {
        // A fast slot that loads in 30 s, and slow ones that load in 120 s.
        let loader = |load_s, speed| Loader {
            load_s,
            speed,
            host: 0,
        };
        let loaders = [loader(30.0, 2.0), loader(120.0, 0.5), loader(120.0, 0.5)];
        // Alone it ends at 530 s: 5.7 % loading. With the next: T = (1000 + 60 + 60) / 2.5 = 448,
        // 150 of 896 s. With both: T = 1180 / 3 = 393, 270 of 1180 s.
        assert_eq!(allowed(1_000.0, &loaders, 0.05), 1);
        assert_eq!(allowed(1_000.0, &loaders, 0.16), 1);
        assert_eq!(allowed(1_000.0, &loaders, 0.17), 2);
        assert_eq!(allowed(1_000.0, &loaders, 0.22), 2);
        assert_eq!(allowed(1_000.0, &loaders, 0.23), 3);
    }
}
