//! A late task is tried on a second slot: who wins, and what becomes of the other.

mod script;

use framewright_kernel::event::{Action, Fault, SendReason, StopReason};
use framewright_kernel::farm::Phase;
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{Attempt, SegmentId, SlotId, TaskId};
use framewright_kernel::time::Span;
use script::{Script, job};

/// Of seven frames one is with a host that takes five times as long and is late; the other host
/// has rendered the rest and tries that frame too. Returns the frame, its segment, and the copy's.
fn late() -> (Script, u32, u64, u64) {
    let mut spec = job(7);
    spec.kept = true;
    spec.costs.load = Span::ZERO;
    let host = |speed: f64| HostSpec {
        speed: Speed::new(speed).expect("a speed"),
        ..HostSpec::default()
    };
    let mut script = Script::new(spec, vec![host(1.0), host(0.2)]);
    let mut sent = script.all_up();
    let slow = sent
        .iter()
        .position(|(slot, _)| *slot == 1)
        .expect("it gets one");
    let (_, tasks) = sent.remove(slow);
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    let (late, first) = (tasks[0], slow as u64 + 1);
    script.begin(first, late);
    let (mut segment, mut done) = (if first == 1 { 2 } else { 1 }, 0);
    while done < 6 {
        let [(0, tasks)] = sent.as_slice() else {
            panic!("the fast host goes on alone: {sent:?}");
        };
        for task in tasks.clone() {
            script.render_in(segment, task, 20);
            done += 1;
        }
        script.over(segment);
        segment = if segment < 3 { 3 } else { segment + 1 };
        sent = script.sent();
    }
    assert_eq!(
        sent,
        [(0, vec![late])],
        "the frame that is late, on the fast host"
    );
    let leases = vec![(TaskId(late), Attempt(2))];
    assert!(script.wants(&Action::Send {
        segment: SegmentId(segment),
        slot: SlotId(0),
        leases,
        reason: SendReason::Copy {
            of: SegmentId(first)
        },
    }));
    (script, late, first, segment)
}

fn stop(segment: u64) -> Action {
    Action::Stop {
        segment: SegmentId(segment),
        reason: StopReason::LostRace,
    }
}

#[test]
fn the_copy_wins_and_the_first_try_is_stopped() {
    let (mut script, late, first, copy) = late();
    script.render_in(copy, late, 20);
    assert!(script.wants(&stop(first)));
    assert_eq!(script.farm.task(TaskId(late)).phase, Phase::Committed);
    assert!(script.finished().is_some());
}

#[test]
fn the_first_try_wins_and_the_copy_is_stopped() {
    let (mut script, late, first, copy) = late();
    script.begin(copy, late);
    script.rendered_in(first, late, 130);
    script.commit(first, late);
    assert!(script.wants(&stop(copy)));
    assert_eq!(script.farm.task(TaskId(late)).attempts, 2);
    assert!(script.finished().is_some());
}

#[test]
fn a_picture_of_the_loser_is_thrown_away() {
    let (mut script, late, first, copy) = late();
    script.begin(copy, late);
    script.rendered_in(copy, late, 20);
    script.rendered_in(first, late, 140);
    let (segment, task) = (SegmentId(first), TaskId(late));
    assert!(script.wants(&Action::Discard { segment, task }));
    script.commit(copy, late);
    assert!(script.finished().is_some());
}

#[test]
fn where_one_try_fails_the_other_goes_on_and_nothing_is_sent_anew() {
    for copy_fails in [false, true] {
        let (mut script, late, first, copy) = late();
        script.begin(copy, late);
        let (fails, wins) = if copy_fails {
            (copy, first)
        } else {
            (first, copy)
        };
        script.fail(fails, late, Fault::MachineFault);
        script.over(fails);
        assert_eq!(script.sent(), [], "the other try is under way");
        assert_eq!(script.farm.task(TaskId(late)).failures, 1);
        assert_eq!(script.farm.task(TaskId(late)).phase, Phase::Begun);
        script.rendered_in(wins, late, 150);
        script.commit(wins, late);
        assert!(script.finished().is_some());
    }
}

#[test]
fn where_both_hosts_are_lost_the_frame_waits_for_one() {
    let (mut script, late, _, copy) = late();
    script.begin(copy, late);
    script.lose(0, false);
    assert_eq!(script.farm.task(TaskId(late)).phase, Phase::Begun);
    script.lose(1, false);
    assert_eq!(script.farm.task(TaskId(late)).phase, Phase::Ready);
    script.up(0);
    assert_eq!(script.sent(), [(0, vec![late])]);
}

#[test]
fn a_copy_that_has_not_begun_leaves_the_frame_with_whoever_renders_it() {
    let (mut script, late, first, copy) = late();
    // The first try's host goes while the copy has not begun: it has the task, not yet its picture.
    script.lose(1, false);
    assert_eq!(script.farm.task(TaskId(late)).phase, Phase::Leased);
    let lease = script.farm.task(TaskId(late)).lease;
    assert_eq!(lease, Some((SegmentId(copy), SlotId(0))));
    assert!(first < copy);
    script.render_in(copy, late, 20);
    assert!(script.finished().is_some());
}

#[test]
fn a_scene_that_cannot_be_rendered_ends_both_tries() {
    let (mut script, late, first, copy) = late();
    script.begin(copy, late);
    script.fail(copy, late, Fault::Unrenderable);
    assert!(script.wants(&stop(first)));
    assert_eq!(script.farm.task(TaskId(late)).phase, Phase::GivenUp);
    assert!(script.finished().is_some());
}

#[test]
fn a_task_is_copied_once() {
    let (mut script, late, _, copy) = late();
    script.begin(copy, late);
    script.fail(copy, late, Fault::MachineFault);
    script.over(copy);
    script.wait(1_000);
    for _ in 0..5 {
        script.sleep_a_little();
    }
    assert_eq!(script.sent(), []);
}

/// Two hosts of which the second never gets anywhere; frames of 20 s, `load` s to load.
fn stuck(load: u64, begins: bool) -> (Script, u32) {
    let mut spec = job(4);
    spec.kept = true;
    spec.costs.load = Span::from_secs(load);
    let mut script = Script::new(spec, vec![HostSpec::default(); 2]);
    let sent = script.all_up();
    let stuck = sent
        .iter()
        .position(|(slot, _)| *slot == 1)
        .expect("it gets one");
    let late = sent[stuck].1[0];
    if begins {
        script.begin(stuck as u64 + 1, late);
    }
    let mut sent: Vec<_> = sent.into_iter().filter(|(slot, _)| *slot == 0).collect();
    let mut segment = if stuck == 0 { 2 } else { 1 };
    while let Some((_, tasks)) = sent.pop() {
        for task in tasks.into_iter().filter(|task| *task != late) {
            script.render_in(segment, task, 20);
        }
        script.over(segment);
        segment = if segment < 3 { 3 } else { segment + 1 };
        sent = script.sent();
        if sent.iter().any(|(_, tasks)| tasks.contains(&late)) {
            return (script, late);
        }
    }
    for _ in 0..1_000 {
        script.sleep_a_little();
        let sent = script.sent();
        if sent.iter().any(|(_, tasks)| tasks.contains(&late)) {
            return (script, late);
        }
    }
    panic!("task {late} is left to the host that gets nowhere");
}

#[test]
fn the_first_frame_of_a_host_that_turns_out_slow_is_tried_elsewhere() {
    let (script, _) = stuck(0, true);
    // 20 s were expected of it, and three times 20 s the other host had to do.
    assert!(script.now.as_secs_f64() < 120.0, "{}", script.now);
}

#[test]
fn the_only_frame_of_a_host_that_does_not_come_to_load_is_tried_elsewhere() {
    let (script, late) = stuck(60, false);
    assert!(script.now.as_secs_f64() < 400.0, "{}", script.now);
    assert_eq!(script.farm.task(TaskId(late)).phase, Phase::Leased);
}
