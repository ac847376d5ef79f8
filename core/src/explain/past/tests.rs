use super::*;
use crate::event::JobEnd;
use crate::store::VERDICT_COMMIT;

const TASK: &str = "all:7";

fn past(events: Vec<Event>) -> Past {
    let mut past = Past::of(TASK);
    for (second, event) in (0..).zip(events) {
        past.apply(&Stamped {
            time: Timestamp::from_second(second).unwrap(),
            event,
        });
    }
    past
}

fn started() -> Event {
    Event::JobStarted {
        job: "j".into(),
        tasks: 9,
        skipped: 0,
        slots: 2,
        pid: 1,
        predicted_makespan_s: None,
        history: None,
        pictures: 0,
        pictures_skipped: 0,
    }
}

fn sent(segment: u64, host: &str, why: SentWhy) -> Event {
    Event::SegmentSent {
        segment,
        host: host.into(),
        slot: 0,
        tasks: vec!["all:6".into(), TASK.into()],
        why: Some(why),
        load_s: None,
        end_s: None,
    }
}

fn begun(segment: u64, attempt: u32) -> Event {
    Event::TaskStarted {
        segment,
        task: TASK.into(),
        attempt,
        host: "a".into(),
        slot: 0,
    }
}

fn failed(segment: u64, verdict: &str) -> Event {
    Event::TaskFailed {
        segment,
        task: TASK.into(),
        attempt: 1,
        host: "a".into(),
        slot: 0,
        verdict: verdict.into(),
        why: "because".into(),
    }
}

fn done(segment: u64) -> Event {
    Event::TaskDone {
        segment,
        task: TASK.into(),
        attempt: 2,
        host: "b".into(),
        slot: 0,
        render_s: 3.0,
        predicted_s: Some(2.5),
        file: None,
    }
}

fn over(segment: u64) -> Event {
    Event::SegmentEnded {
        segment,
        host: "a".into(),
        slot: 0,
    }
}

fn ends(past: &Past) -> Vec<(u64, TryEnd)> {
    let end = |one: &Try| (one.segment, one.end.clone());
    past.tries.iter().map(end).collect()
}

fn rendered() -> TryEnd {
    TryEnd::Done {
        render_s: 3.0,
        predicted_s: Some(2.5),
    }
}

#[test]
fn a_tail_is_told_from_where_it_was_cut() {
    let past = past(vec![
        started(),
        sent(1, "a", SentWhy::Share),
        sent(2, "b", SentWhy::Tail { of: 1 }),
        begun(2, 1),
        done(2),
        over(2),
        over(1),
    ]);
    assert_eq!(
        ends(&past),
        [(1, TryEnd::CutAway { to: 2 }), (2, rendered())]
    );
    assert_eq!(past.tries[1].why, Some(SentWhy::Tail { of: 1 }));
    assert_eq!(past.standing(), Standing::Done);
}

#[test]
fn a_lost_host_is_told_whether_it_had_begun_or_not() {
    let lost = || Event::HostLost {
        host: "a".into(),
        why: "killed".into(),
    };
    let unbegun = past(vec![sent(1, "a", SentWhy::Share), lost(), over(1)]);
    assert_eq!(ends(&unbegun), [(1, TryEnd::HostLost)]);
    assert_eq!(unbegun.standing(), Standing::Left);
    let begun = past(vec![
        sent(1, "a", SentWhy::Share),
        begun(1, 1),
        lost(),
        failed(1, "host-lost"),
        over(1),
        sent(2, "b", SentWhy::Share),
    ]);
    assert!(
        matches!(&begun.tries[0].end, TryEnd::Failed { verdict, .. } if verdict == "host-lost")
    );
    assert_eq!(begun.tries[1].end, TryEnd::Open);
    assert_eq!((begun.attempts(), begun.failures()), (1, 1));
}

#[test]
fn what_a_controller_left_is_interrupted_and_what_it_gave_up_is_tried_again() {
    let mut events = vec![
        started(),
        sent(1, "a", SentWhy::Share),
        begun(1, 1),
        failed(1, "verify"),
        Event::TaskGivenUp {
            task: TASK.into(),
            why: "no picture".into(),
        },
    ];
    let why = "no picture".to_owned();
    assert_eq!(past(events.clone()).standing(), Standing::GivenUp { why });
    events.extend([started(), sent(2, "a", SentWhy::Share), started()]);
    let past = past(events);
    assert_eq!(past.standing(), Standing::Left);
    assert_eq!(past.tries[1].end, TryEnd::Interrupted);
    assert_eq!(past.failures(), 0);
}

#[test]
fn a_segment_that_ended_first_gave_the_task_back() {
    let past = past(vec![
        sent(1, "a", SentWhy::Undivided),
        over(1),
        Event::JobEnded {
            state: JobEnd::Interrupted,
            done: 0,
            failed: 0,
            makespan_s: 1.0,
            lower_bound_s: None,
        },
    ]);
    assert_eq!(ends(&past), [(1, TryEnd::Returned)]);
    assert_eq!(
        past.tries[0].ended,
        Some(Timestamp::from_second(1).unwrap())
    );
}

#[test]
fn a_picture_may_come_after_its_segment() {
    let past = past(vec![
        sent(1, "a", SentWhy::Share),
        begun(1, 1),
        over(1),
        done(1),
    ]);
    assert_eq!(ends(&past), [(1, rendered())]);
    assert_eq!(
        past.tries[0].ended,
        Some(Timestamp::from_second(3).unwrap())
    );
}

#[test]
fn a_commit_that_was_taken_back_is_a_failure() {
    let past = past(vec![
        sent(1, "a", SentWhy::Share),
        begun(1, 1),
        done(1),
        failed(1, VERDICT_COMMIT),
    ]);
    assert!(matches!(&past.tries[0].end, TryEnd::Failed { .. }));
    assert_eq!(past.standing(), Standing::Left);
}

#[test]
fn of_two_tries_at_once_the_later_one_is_beaten() {
    let past = past(vec![
        sent(1, "a", SentWhy::Share),
        begun(1, 1),
        sent(2, "b", SentWhy::Copy { of: 1 }),
        begun(2, 2),
        done(1),
        over(1),
        over(2),
    ]);
    assert_eq!(ends(&past), [(1, rendered()), (2, TryEnd::Beaten)]);
}

#[test]
fn other_tasks_leave_no_trace() {
    let mut other = Past::of("all:8");
    for event in [sent(1, "a", SentWhy::Share), begun(1, 1), done(1), over(1)] {
        other.apply(&Stamped {
            time: Timestamp::UNIX_EPOCH,
            event,
        });
    }
    assert_eq!((other.tries.len(), other.attempts), (0, 0));
}
