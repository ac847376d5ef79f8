//! What is reckoned from a host's answers. Nothing here talks or waits.

use std::time::Duration;

use framewright_worker::message::FromWorker;

/// Which of the times is in the middle; of an even number the lower one.
pub(super) fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len().checked_sub(1)? / 2).copied()
}

/// How far a host's clock is ahead of ours, in seconds: it read its clock half a round trip before
/// its word came here. None of a host that does not say.
pub(super) fn clock_ahead_s(theirs_ms: i64, ours_ms: i64, round_trip: Duration) -> Option<f64> {
    if theirs_ms == 0 {
        return None;
    }
    let read_at_s = ours_ms as f64 / 1e3 - round_trip.as_secs_f64() / 2.0;
    Some(theirs_ms as f64 / 1e3 - read_at_s)
}

/// Free bytes, from what `df -Pk` prints. A file system's name may have blanks; what stands before
/// the share in use is what is free.
pub(super) fn free_bytes(lines: &[String]) -> Option<u64> {
    let fields: Vec<&str> = lines.last()?.split_whitespace().collect();
    let is_share = |field: &&str| {
        let digits = field.strip_suffix('%');
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let share = fields.iter().rposition(is_share)?;
    let kib: u64 = fields.get(share.checked_sub(1)?)?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Slots of a machine that is shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// Those that could be had at once.
    pub free: u32,
    /// Who has the others, each as `anna (job x)`.
    pub holders: Vec<String>,
}

/// What has been answered so far to asking for every slot.
#[derive(Debug)]
pub(super) struct SlotsAsked {
    answered: Vec<bool>,
    slots: Slots,
}

impl SlotsAsked {
    pub fn new(slots: u32) -> Self {
        Self {
            answered: vec![false; slots as usize],
            slots: Slots::default(),
        }
    }

    /// Takes an answer in.
    pub fn hear(&mut self, message: &FromWorker) {
        match message {
            FromWorker::Leased { slot } => {
                let is_first = self.answer(slot.0);
                self.slots.free += u32::from(is_first);
            }
            FromWorker::LeaseWaits { slot, holders } => {
                self.answer(slot.0);
                for holder in holders {
                    let name = format!("{} (job {})", holder.user, holder.job);
                    if !self.slots.holders.contains(&name) {
                        self.slots.holders.push(name);
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether this is the first answer for the slot.
    fn answer(&mut self, slot: u32) -> bool {
        match self.answered.get_mut(slot as usize) {
            Some(answered) => !std::mem::replace(answered, true),
            None => false,
        }
    }

    /// All of it, once every slot is answered for.
    pub fn whole(&self) -> Option<Slots> {
        let all = self.answered.iter().all(|answered| *answered);
        all.then(|| {
            let mut slots = self.slots.clone();
            slots.holders.sort();
            slots
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framewright_worker::message::{Holder, SlotId};

    #[test]
    fn the_time_in_the_middle_is_not_moved_by_one_that_is_late() {
        let ms = Duration::from_millis;
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [ms(3)]), Some(ms(3)));
        assert_eq!(median(&mut [ms(900), ms(1), ms(2)]), Some(ms(2)));
        assert_eq!(median(&mut [ms(4), ms(1)]), Some(ms(1)));
    }

    #[test]
    fn a_clock_is_read_half_a_round_trip_before_it_is_heard_of() {
        let trip = Duration::from_millis(200);
        // Read at 9.9 s by ours, heard of at 10 s.
        let ahead = |theirs| clock_ahead_s(theirs, 10_000, trip).unwrap();
        assert!(ahead(9_900).abs() < 1e-9);
        assert!((ahead(3_609_900) - 3600.0).abs() < 1e-9);
        assert!((ahead(8_900) + 1.0).abs() < 1e-9);
        assert_eq!(clock_ahead_s(0, 10_000, trip), None);
    }

    #[test]
    fn free_room_is_found_whatever_the_file_system_is_called() {
        let free = |last: &str| {
            let head = "Filesystem 1024-blocks Used Available Capacity Mounted on";
            free_bytes(&[head.to_owned(), last.to_owned()])
        };
        assert_eq!(free("/dev/sda1 1000 400 600 40% /"), Some(600 << 10));
        assert_eq!(free("nas:/a b 1000 400 0 100% /m n/100%x"), Some(0));
        assert_eq!(free("df: no such file"), None);
        assert_eq!(free("40% /"), None);
        assert_eq!(free_bytes(&[]), None);
    }

    #[test]
    fn slots_are_known_when_each_is_answered_for() {
        let holder = |user: &str| Holder {
            user: user.to_owned(),
            job: "x".to_owned(),
            pid: 1,
            since_ms: 0,
        };
        let waits = |slot, users: &[&str]| FromWorker::LeaseWaits {
            slot: SlotId(slot),
            holders: users.iter().map(|user| holder(user)).collect(),
        };
        let mut asked = SlotsAsked::new(3);
        asked.hear(&FromWorker::Leased { slot: SlotId(0) });
        asked.hear(&waits(1, &["ben"]));
        assert_eq!(asked.whole(), None);
        // Said again, and of a slot that nobody asked for.
        asked.hear(&FromWorker::Leased { slot: SlotId(0) });
        asked.hear(&FromWorker::Leased { slot: SlotId(7) });
        assert_eq!(asked.whole(), None);
        asked.hear(&waits(2, &["ben", "anna"]));
        let slots = asked.whole().unwrap();
        assert_eq!(slots.free, 1);
        assert_eq!(slots.holders, ["anna (job x)", "ben (job x)"]);
    }
}
