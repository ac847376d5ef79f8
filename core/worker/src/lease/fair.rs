//! Who of those that share a machine's slots takes one, and who gives some back.
//!
//! A function of what everybody has and wants, so that each worker reckons the same by itself and
//! nobody is in charge. Slots are dealt out in rounds: one to each who wants one, then a second to
//! each who wants two, and so on. Where a round has fewer slots than takers, who has them keeps them, and
//! the others come in the order in which they began to wait. Only in the first round that would leave
//! somebody with nothing at all: there a slot is kept for [`QUANTUM`], and then it is the turn of those
//! who wait.
//!
//! It refuses to know files, locks and clocks.
//!
//! Invariant: what is to be given is never more than what others lack; as long as nobody waits,
//! nothing is.

use std::cmp::Reverse;
use std::time::Duration;

/// How long one who has a slot keeps it while another has none.
pub(crate) const QUANTUM: Duration = Duration::from_secs(60);

/// What one worker has of the machine's slots, and what it wants besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) held: u32,
    /// When it got the last of them, in milliseconds since 1970.
    pub(crate) granted_ms: i64,
    pub(crate) waiting: u32,
    /// Since when it waits.
    pub(crate) since_ms: i64,
}

/// What a worker is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Free slots that it may take.
    pub(crate) take: u32,
    /// Slots that it should give back.
    pub(crate) give: u32,
}

/// What each is to do, in the order of the claims, which has to be the same for all who ask: it
/// decides between those that came at the same moment.
pub(crate) fn turns(slots: u32, claims: &[Claim], now_ms: i64, quantum: Duration) -> Vec<Turn> {
    let mut turns = vec![Turn::default(); claims.len()];
    if claims.iter().all(|claim| claim.waiting == 0) {
        return turns;
    }
    let targets = targets(slots, claims, now_ms, quantum);
    for ((turn, claim), target) in turns.iter_mut().zip(claims).zip(&targets) {
        turn.give = claim.held.saturating_sub(*target);
    }
    let held = claims.iter().map(|claim| claim.held).sum::<u32>();
    for _ in held..slots {
        let has = |place: usize| claims[place].held + turns[place].take;
        let lacks = |place: &usize| {
            has(*place) < targets[*place] && turns[*place].take < claims[*place].waiting
        };
        let next = (0..claims.len())
            .filter(lacks)
            .min_by_key(|place| (has(*place), claims[*place].since_ms, *place));
        match next {
            Some(place) => turns[place].take += 1,
            None => break,
        }
    }
    turns
}

/// How many slots each should have.
fn targets(slots: u32, claims: &[Claim], now_ms: i64, quantum: Duration) -> Vec<u32> {
    let quantum_ms = i64::try_from(quantum.as_millis()).unwrap_or(i64::MAX);
    let mut targets = vec![0; claims.len()];
    let mut left = slots as usize;
    let mut round = 0;
    while left > 0 {
        let wants = |place: &usize| claims[*place].held.saturating_add(claims[*place].waiting);
        let mut takers: Vec<usize> = (0..claims.len())
            .filter(|place| wants(place) > round)
            .collect();
        if takers.is_empty() {
            break;
        }
        if takers.len() > left {
            takers.sort_by_key(|place| {
                let claim = &claims[*place];
                let fresh = now_ms.saturating_sub(claim.granted_ms) < quantum_ms;
                if claim.held <= round {
                    (1, claim.since_ms, Reverse(0))
                } else if round > 0 || fresh {
                    (0, 0, Reverse(claim.granted_ms))
                } else {
                    // Who got it first gives it back first.
                    (2, 0, Reverse(claim.granted_ms))
                }
            });
            takers.truncate(left);
        }
        left -= takers.len();
        for place in takers {
            targets[place] += 1;
        }
        round += 1;
    }
    targets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn held(held: u32, ago_s: i64) -> Claim {
        Claim {
            held,
            granted_ms: NOW - ago_s * 1000,
            ..Claim::default()
        }
    }

    fn waits(waiting: u32, ago_s: i64) -> Claim {
        Claim {
            waiting,
            since_ms: NOW - ago_s * 1000,
            ..Claim::default()
        }
    }

    fn both(has: u32, granted_s: i64, waiting: u32, since_s: i64) -> Claim {
        Claim {
            waiting,
            since_ms: NOW - since_s * 1000,
            ..held(has, granted_s)
        }
    }

    fn gives(slots: u32, claims: &[Claim]) -> Vec<u32> {
        let turns = turns(slots, claims, NOW, QUANTUM);
        turns.iter().map(|turn| turn.give).collect()
    }

    fn takes(slots: u32, claims: &[Claim]) -> Vec<u32> {
        let turns = turns(slots, claims, NOW, QUANTUM);
        turns.iter().map(|turn| turn.take).collect()
    }

    #[test]
    fn who_is_alone_takes_all() {
        assert_eq!(takes(4, &[waits(9, 0)]), [4]);
        assert_eq!(gives(4, &[both(4, 999, 5, 999)]), [0]);
    }

    #[test]
    fn as_long_as_nobody_waits_nothing_is_given() {
        assert_eq!(gives(4, &[held(4, 999)]), [0]);
        assert_eq!(gives(1, &[held(1, 999), held(1, 999)]), [0, 0]);
    }

    #[test]
    fn a_second_job_gets_its_half() {
        assert_eq!(gives(4, &[held(4, 1), waits(4, 0)]), [2, 0]);
        assert_eq!(gives(5, &[held(5, 1), waits(5, 0)]), [2, 0]);
        assert_eq!(gives(4, &[held(4, 1), waits(1, 0)]), [1, 0], "as it wants");
        // What is free already need not be given.
        assert_eq!(gives(4, &[held(3, 1), waits(4, 0)]), [1, 0]);
        assert_eq!(takes(4, &[held(3, 1), waits(4, 0)]), [0, 1]);
    }

    #[test]
    fn nobody_is_left_with_nothing_while_others_have_two() {
        // Who got its slots first gives.
        let claims = [held(2, 900), held(2, 30), waits(2, 0)];
        assert_eq!(gives(4, &claims), [1, 0, 0]);
        let claims = [held(1, 900), both(2, 30, 3, 30), both(1, 1, 1, 1)];
        assert_eq!(gives(4, &claims), [0, 0, 0], "and then all is well");
    }

    #[test]
    fn first_come_first_served_among_equals() {
        let claims = [waits(1, 1), waits(1, 3), waits(1, 2)];
        assert_eq!(takes(1, &claims), [0, 1, 0]);
        assert_eq!(takes(2, &claims), [0, 1, 1]);
        // Who has less comes before who came earlier.
        assert_eq!(takes(2, &[both(1, 90, 3, 90), waits(1, 0)]), [0, 1]);
    }

    #[test]
    fn with_more_jobs_than_slots_they_take_turns() {
        let mut claims = [held(1, 10), waits(1, 5), waits(1, 4)];
        assert_eq!(gives(1, &claims), [0, 0, 0], "its minute is not over");
        claims[0].granted_ms = NOW - 60_000;
        assert_eq!(gives(1, &claims), [1, 0, 0]);
        // The slot is free: the first one's turn, then the second one's, then the first again.
        claims[0] = waits(1, 0);
        assert_eq!(takes(1, &claims), [0, 1, 0]);
        claims[1] = held(1, 61);
        assert_eq!(gives(1, &claims), [0, 1, 0]);
        claims[1] = waits(1, 0);
        assert_eq!(takes(1, &claims), [0, 0, 1]);
        // Of two whose time is over the one gives that has had it for longer.
        let claims = [held(1, 100), held(1, 200), waits(1, 9)];
        assert_eq!(gives(2, &claims), [0, 1, 0]);
    }

    fn claim() -> impl Strategy<Value = Claim> {
        (0_u32..6, 0_i64..200, 0_u32..6, 0_i64..200)
            .prop_map(|(held, granted, waiting, since)| both(held, granted, waiting, since))
    }

    proptest! {
        #[test]
        fn what_is_given_is_lacked_and_what_is_taken_is_free(
            slots in 1_u32..12,
            claims in prop::collection::vec(claim(), 1..7),
        ) {
            let held: u32 = claims.iter().map(|claim| claim.held).sum();
            prop_assume!(held <= slots);
            let turns = turns(slots, &claims, NOW, QUANTUM);
            let takes: u32 = turns.iter().map(|turn| turn.take).sum();
            let gives: u32 = turns.iter().map(|turn| turn.give).sum();
            let wanted: u32 = claims.iter().map(|claim| claim.waiting).sum();
            prop_assert!(takes <= slots - held);
            prop_assert!(takes + gives <= wanted);
            // Nothing stays free that somebody wants.
            prop_assert!(takes == (slots - held).min(wanted));
            let share = slots / u32::try_from(claims.len()).unwrap();
            for (turn, claim) in turns.iter().zip(&claims) {
                prop_assert!(turn.take <= claim.waiting && turn.give <= claim.held);
                prop_assert!(turn.take == 0 || turn.give == 0);
                // Nobody is asked for what is a part of its own.
                prop_assert!(turn.give == 0 || claim.held - turn.give >= share);
            }
        }

        /// Slots that are given back and taken again, for as long as anything changes: then nobody
        /// has two more than another who waits.
        #[test]
        fn it_comes_to_rest_evenly(
            slots in 1_u32..12,
            wants in prop::collection::vec(1_u32..8, 1..7),
        ) {
            let mut claims: Vec<Claim> = wants.iter().map(|wants| waits(*wants, 0)).collect();
            claims[0] = both(slots.min(wants[0]), 0, wants[0].saturating_sub(slots), 0);
            for _ in 0..50 {
                // All was granted a moment ago: nobody's time is over.
                let turns = turns(slots, &claims, NOW, QUANTUM);
                for (claim, turn) in claims.iter_mut().zip(turns) {
                    claim.held = claim.held + turn.take - turn.give;
                    claim.waiting = claim.waiting + turn.give - turn.take;
                    claim.granted_ms = NOW;
                }
            }
            for rich in &claims {
                for poor in claims.iter().filter(|claim| claim.waiting > 0) {
                    prop_assert!(rich.held <= poor.held + 1, "{claims:?}");
                }
            }
        }
    }
}
