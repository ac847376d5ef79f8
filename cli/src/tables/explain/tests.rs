use framewright_core::explain::HostReport;

use super::*;

fn told(controller: Reached, task: TaskReport) -> Explained {
    Explained {
        job: "shot-1".into(),
        status: Status::Running,
        controller,
        tasks: vec![task],
    }
}

fn task(standing: Standing) -> TaskReport {
    TaskReport {
        task: "all:7".into(),
        standing,
        beside: None,
        attempts: 1,
        failures: 1,
        cost: Some(CostReport {
            seconds_s: 20.0,
            estimate_s: 10.0,
            basis: CostBasis::Layer,
            estimate_basis: Some(CostBasis::Declared),
            ended: 14,
            spread: Some(0.12),
        }),
        hosts: Vec::new(),
        hosts_left_out: 0,
        tries: Vec::new(),
    }
}

fn host(name: &str, reason: HostReason) -> HostReport {
    HostReport {
        host: name.into(),
        speed: 2.0,
        takes_s: 10.0,
        reason,
    }
}

fn a_try(segment: u64, why: SentWhy, end: TryEnd) -> Try {
    Try {
        segment,
        host: "n1".into(),
        slot: 0,
        sent: Timestamp::from_second(61).unwrap(),
        why: Some(why),
        attempt: matches!(end, TryEnd::Failed { .. }).then_some(1),
        begun: None,
        ended: None,
        end,
    }
}

fn shown(told: &Explained) -> String {
    text(told, None, &TimeZone::UTC)
}

#[test]
fn what_a_cost_is_known_by_is_said_with_what_it_was_corrected_from() {
    let with = |basis, estimate_basis| {
        costs(&CostReport {
            seconds_s: 20.0,
            estimate_s: 10.0,
            basis,
            estimate_basis,
            ended: 14,
            spread: None,
        })
    };
    let history = Some(CostBasis::History);
    assert_eq!(
        with(CostBasis::History, history),
        "On a host of speed 1 it costs 20s, as in earlier renders."
    );
    assert_eq!(
        with(CostBasis::Layer, history),
        "On a host of speed 1 it costs 20s, by earlier renders and what 14 tasks of its layer took."
    );
    // A controller of an older framewright does not say.
    assert_eq!(
        with(CostBasis::Job, None),
        "On a host of speed 1 it costs 20s, by what 14 tasks of other layers took."
    );
}

#[test]
fn a_task_that_waits_is_told_host_by_host() {
    let mut waiting = task(Standing::Waiting {
        hold: Some(Hold::Licence { for_s: 4.0 }),
        waiting: 42,
        all_done_in_s: Some(300.0),
    });
    let busy = HostReason::Busy { free_in_s: 12.0 };
    let small = HostReason::LacksMemory {
        needs_bytes: 40 << 30,
        has_bytes: 512 << 20,
    };
    let plain = HostReason::LacksTags {
        tags: vec!["gpu".into()],
    };
    let late = HostReason::NotWorthIt {
        ready_in_s: 60.0,
        over_in_s: 42.0,
    };
    waiting.hosts = vec![
        host("n1", busy),
        host("n2", small),
        host("n3", plain),
        host("n4", late),
    ];
    waiting.hosts_left_out = 3;
    waiting.tries = vec![
        a_try(3, SentWhy::Share, TryEnd::CutAway { to: 9 }),
        a_try(
            9,
            SentWhy::Tail { of: 3 },
            TryEnd::Failed {
                verdict: "verify".into(),
                why: "no picture".into(),
            },
        ),
    ];
    insta::assert_snapshot!(shown(&told(Reached::Answered, waiting)), @r#"
    all:7 waits for a slot, as do 41 other tasks of its layer.
    There was no licence: nothing is sent for another 4.0s.
    Everything is expected to be done in 5m00s.
    1 attempt at it failed so far.
    On a host of speed 1 it costs 20s, give or take 12%, by what 14 tasks of its layer took.

    HOST  SPEED  WOULD TAKE  WHY NOT THERE
    n1     2.00         10s  busy, free in 12s
    n2     2.00         10s  it has 512 MiB of memory, of 40.0 GiB that are needed
    n3     2.00         10s  it lacks the tags gpu
    n4     2.00         10s  idle, but ready in 1m00s when all is over in 42s
    and 3 hosts more

    SEGMENT  SLOT  SENT      WHY THERE                               ATTEMPT  END
          3  n1/0  00:01:01  the slot's share of what waited               -  cut away, into segment 9
          9  n1/0  00:01:01  the end of segment 3, for an idle slot        1  verify: no picture
    "#);
}

#[test]
fn a_task_that_runs_is_told_with_its_segment() {
    let lease = LeaseReport {
        segment: 7,
        host: "n1".into(),
        slot: 1,
        why: SentWhy::Share,
        sent_in_s: -65.0,
        place: 4,
        of: 12,
        begun: true,
        begins_in_s: Some(-3.2),
        ends_in_s: Some(6.8),
        segment_ends_in_s: 86.8,
        takes_s: 10.0,
        speed: 2.0,
        cut_for: Some("n2/0".into()),
        stopping: false,
    };
    let mut running = task(Standing::Rendering { lease });
    running.failures = 0;
    insta::assert_snapshot!(shown(&told(Reached::Answered, running)), @r#"
    all:7 has been rendering on n1/1 for 3.2s, and is expected to be done in 6.8s.
    It is task 4 of 12 of segment 7, which is expected to be over in 1m27s; it was sent there 1m05s ago: the slot's share of what waited.
    It is expected to take 10s there, at a speed of 2.00.
    The segment's end is being cut off for n2/0, which is idle.
    On a host of speed 1 it costs 20s, give or take 12%, by what 14 tasks of its layer took.
    "#);
}

#[test]
fn a_late_task_that_two_slots_have_is_told_with_both() {
    let lease = |segment, host: &str, why| LeaseReport {
        segment,
        host: host.into(),
        slot: 0,
        why,
        sent_in_s: -25.0,
        place: 1,
        of: 1,
        begun: true,
        begins_in_s: Some(-20.0),
        ends_in_s: Some(180.0),
        segment_ends_in_s: 180.0,
        takes_s: 200.0,
        speed: 0.05,
        cut_for: None,
        stopping: false,
    };
    let first = lease(7, "n2", SentWhy::Share);
    let mut running = task(Standing::Rendering { lease: first });
    (running.failures, running.cost) = (0, None);
    let copy = LeaseReport {
        sent_in_s: -1.0,
        begun: false,
        begins_in_s: Some(4.0),
        ends_in_s: Some(14.0),
        segment_ends_in_s: 14.0,
        takes_s: 10.0,
        speed: 1.0,
        ..lease(9, "n1", SentWhy::Copy { of: 7 })
    };
    running.beside = Some(copy.clone());
    insta::assert_snapshot!(shown(&told(Reached::Answered, running.clone())), @r#"
    all:7 has been rendering on n2/0 for 20s, and is expected to be done in 3m00s.
    It is task 1 of 1 of segment 7, which is expected to be over in 3m00s; it was sent there 25s ago: the slot's share of what waited.
    It is expected to take 3m20s there, at a speed of 0.05.
    Beside that, it is given to n1/0: it is expected to begin in 4.0s and to be rendered in 14s. The first picture wins.
    It is task 1 of 1 of segment 9, which is expected to be over in 14s; it was sent there 1.0s ago: a second try beside segment 7.
    It is expected to take 10s there, at a speed of 1.00.
    "#);
    running.beside = Some(LeaseReport {
        begun: true,
        begins_in_s: Some(-3.0),
        ends_in_s: Some(7.0),
        ..copy.clone()
    });
    let second = |task| {
        shown(&told(Reached::Answered, task))
            .lines()
            .nth(3)
            .unwrap_or_default()
            .to_owned()
    };
    insta::assert_snapshot!(second(running.clone()), @"Beside that, n1/0 has been rendering it for 3.0s, and is expected to be done in 7.0s. The first picture wins.");
    running.beside = Some(LeaseReport {
        begins_in_s: None,
        ends_in_s: None,
        ..copy
    });
    insta::assert_snapshot!(second(running), @"Beside that, it was rendered on n1/0, and that picture is being read. The first picture wins.");
}

#[test]
fn of_a_job_that_does_not_run_the_journal_tells() {
    let mut left = task(Standing::Left);
    left.cost = None;
    left.failures = 0;
    let mut told = told(Reached::None, left);
    told.status = Status::Interrupted;
    insta::assert_snapshot!(shown(&told), @r#"
    all:7 is not done, and its job does not run.

    Job shot-1 does not run, its state is interrupted; go on with: framewright render --resume shot-1
    "#);
    told.controller = Reached::Silent {
        why: "the controller did not answer within 2 s".into(),
    };
    insta::assert_snapshot!(shown(&told), @r#"
    all:7 is not done, and where it waits only the controller knows.

    Job shot-1 runs, but this is only what its journal tells: the controller did not answer within 2 s.
    "#);
}
