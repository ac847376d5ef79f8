use proptest::prelude::*;

use super::*;
use crate::event::{Event, ReelKind, Seam};

fn at(second: i64, event: Event) -> Stamped {
    Stamped {
        time: Timestamp::from_second(second).unwrap(),
        event,
    }
}

fn started(tasks: u32, skipped: u32) -> Event {
    Event::JobStarted {
        job: "shot-1".to_owned(),
        tasks,
        skipped,
        slots: 2,
        pid: 1,
        predicted_makespan_s: None,
        history: None,
        pictures: 0,
        pictures_skipped: 0,
    }
}

fn sent(segment: u64, slot: u32, tasks: &[&str]) -> Event {
    Event::SegmentSent {
        segment,
        host: "local".to_owned(),
        slot,
        tasks: tasks.iter().map(|&task| task.to_owned()).collect(),
        why: None,
        load_s: None,
        end_s: None,
    }
}

fn begun(segment: u64, slot: u32, task: &str, attempt: u32) -> Event {
    Event::TaskStarted {
        segment,
        task: task.to_owned(),
        attempt,
        host: "local".to_owned(),
        slot,
    }
}

fn done(segment: u64, slot: u32, task: &str, attempt: u32) -> Event {
    Event::TaskDone {
        segment,
        task: task.to_owned(),
        attempt,
        host: "local".to_owned(),
        slot,
        render_s: 2.0,
        predicted_s: None,
        file: Some(CommittedFile {
            path: format!("/o/{task}"),
            from: format!("/s/{task}"),
            bytes: 1,
            hash: String::new(),
        }),
    }
}

fn failed(segment: u64, slot: u32, task: &str, attempt: u32, verdict: &str) -> Event {
    Event::TaskFailed {
        segment,
        task: task.to_owned(),
        attempt,
        host: "local".to_owned(),
        slot,
        verdict: verdict.to_owned(),
        why: "because".to_owned(),
    }
}

fn ended(segment: u64, slot: u32) -> Event {
    Event::SegmentEnded {
        segment,
        host: "local".to_owned(),
        slot,
    }
}

fn fold(events: &[(i64, Event)]) -> JobState {
    let stamped: Vec<_> = events
        .iter()
        .map(|(second, event)| at(*second, event.clone()))
        .collect();
    JobState::of(&stamped)
}

fn counts(state: &JobState) -> (u32, u32, u32, u32) {
    let TaskCounts {
        total,
        done,
        failed,
        skipped,
    } = state.counts();
    (total, done, failed, skipped)
}

/// Where a task runs: its segment, and how many attempts there were.
fn running(state: &JobState, task: &str) -> (Option<u64>, u32) {
    let task = &state.tasks()[task];
    match task.phase {
        TaskPhase::Running { segment, .. } => (Some(segment), task.attempts),
        TaskPhase::Pending | TaskPhase::Done { .. } | TaskPhase::GivenUp { .. } => {
            (None, task.attempts)
        }
    }
}

#[test]
fn a_task_that_two_slots_try_runs_until_neither_does() {
    let twice = [
        (0, started(1, 0)),
        (1, sent(1, 0, &["all:1"])),
        (1, begun(1, 0, "all:1", 1)),
        (2, sent(2, 1, &["all:1"])),
        (3, begun(2, 1, "all:1", 2)),
    ];
    let then = |more: &[(i64, Event)]| fold(&[&twice[..], more].concat());
    assert_eq!(running(&then(&[]), "all:1"), (Some(2), 2));
    let fails = |segment, slot, attempt| (4, failed(segment, slot, "all:1", attempt, "oom"));
    let ends = |segment, slot| (5, ended(segment, slot));
    // Either may end first, by a failure or with its segment; the other one goes on.
    assert_eq!(running(&then(&[fails(2, 1, 2)]), "all:1"), (Some(1), 2));
    assert_eq!(running(&then(&[ends(2, 1)]), "all:1"), (Some(1), 2));
    assert_eq!(running(&then(&[fails(1, 0, 1)]), "all:1"), (Some(2), 2));
    assert_eq!(running(&then(&[ends(1, 0)]), "all:1"), (Some(2), 2));
    for both in [[ends(1, 0), ends(2, 1)], [fails(2, 1, 2), ends(1, 0)]] {
        assert_eq!(running(&then(&both), "all:1"), (None, 2));
    }
    // The loser is stopped when the other's picture is in its place.
    let won = then(&[(4, done(2, 1, "all:1", 2)), ends(1, 0), ends(2, 1)]);
    assert_eq!(counts(&won), (1, 1, 0, 0));
    assert_eq!(won.hosts()["local"].tasks, 1);
    let won = then(&[(4, done(1, 0, "all:1", 1)), ends(2, 1), ends(1, 0)]);
    assert_eq!(counts(&won), (1, 1, 0, 0));
    // A picture that is lost afterwards does not bring a try back that is over.
    let lost = then(&[
        (4, done(2, 1, "all:1", 2)),
        ends(1, 0),
        ends(2, 1),
        (9, failed(2, 1, "all:1", 2, VERDICT_LOST)),
    ]);
    assert_eq!(running(&lost, "all:1"), (None, 2));
}

#[test]
fn a_job_runs_to_its_end() {
    let state = fold(&[
        (0, started(3, 0)),
        (
            0,
            Event::HostUp {
                host: "local".to_owned(),
                slots: 2,
            },
        ),
        (1, sent(1, 0, &["all:1", "all:2"])),
        (1, sent(2, 1, &["all:3"])),
        (
            3,
            Event::Loaded {
                segment: 1,
                host: "local".to_owned(),
                slot: 0,
                load_s: 2.0,
            },
        ),
        (3, begun(1, 0, "all:1", 1)),
        (5, done(1, 0, "all:1", 1)),
        (5, begun(1, 0, "all:2", 1)),
        (6, begun(2, 1, "all:3", 1)),
        (7, failed(1, 0, "all:2", 1, "machine-fault")),
        (8, done(2, 1, "all:3", 1)),
        (9, ended(1, 0)),
        (9, ended(2, 1)),
        (
            9,
            Event::TaskGivenUp {
                task: "all:2".to_owned(),
                why: "it failed".to_owned(),
            },
        ),
        (
            10,
            Event::JobEnded {
                state: JobEnd::Failed,
                done: 2,
                failed: 1,
                makespan_s: 10.0,
                lower_bound_s: Some(8.0),
            },
        ),
    ]);
    assert_eq!(counts(&state), (3, 2, 1, 0));
    assert_eq!(state.status(true), Status::Failed);
    assert_eq!((state.segments(), state.segment_next()), (2, 3));
    let host = &state.hosts()["local"];
    assert_eq!((host.tasks, host.loads, host.slots), (2, 1, 2));
    assert_eq!((host.busy_s, host.load_s, host.render_s), (16.0, 2.0, 4.0));
    assert_eq!(
        (state.makespan_s(), state.eta_s(Timestamp::UNIX_EPOCH)),
        (10.0, None)
    );
    let task = &state.tasks()["all:2"];
    assert_eq!((task.attempts, task.segments.as_slice()), (1, &[1][..]));
    assert_eq!(task.last_failure.as_ref().unwrap().verdict, "machine-fault");
    assert_eq!(state.attempt_next("all:2"), 2);
}

#[test]
fn a_killed_controller_leaves_an_interrupted_job_that_a_resume_takes_up() {
    let mut state = fold(&[
        (0, started(4, 0)),
        (1, sent(1, 0, &["all:1", "all:2", "all:3", "all:4"])),
        (1, begun(1, 0, "all:1", 1)),
        (4, done(1, 0, "all:1", 1)),
        (4, begun(1, 0, "all:2", 1)),
    ]);
    assert_eq!(state.status(true), Status::Running);
    assert_eq!(state.status(false), Status::Interrupted);
    assert_eq!(state.eta_s(Timestamp::from_second(4).unwrap()), Some(12.0));
    // A minute later; the time between is nobody's.
    state.apply(&at(64, started(4, 1)));
    assert_eq!(counts(&state), (4, 1, 0, 1));
    assert_eq!(state.tasks()["all:2"].phase, TaskPhase::Pending);
    assert_eq!(state.hosts()["local"].busy_s, 3.0);
    assert_eq!((state.segment_next(), state.attempt_next("all:2")), (2, 2));
    assert_eq!(state.makespan_s(), 0.0);
}

#[test]
fn a_commit_that_failed_is_taken_back() {
    let before = [
        (0, started(1, 0)),
        (1, sent(7, 0, &["all:1"])),
        (1, begun(7, 0, "all:1", 2)),
        (2, done(7, 0, "all:1", 2)),
    ];
    for (event, is_done) in [
        (failed(7, 0, "all:1", 2, VERDICT_COMMIT), false),
        (failed(7, 0, "all:1", 2, VERDICT_LOST), false),
        // Late news of an older attempt, or of another segment, is harmless.
        (failed(7, 0, "all:1", 1, "machine-fault"), true),
        (failed(6, 0, "all:1", 2, "machine-fault"), true),
    ] {
        let mut state = fold(&before);
        state.apply(&at(3, event.clone()));
        assert_eq!(counts(&state), (1, u32::from(is_done), 0, 0), "{event:?}");
        assert_eq!(state.hosts()["local"].tasks, u32::from(is_done));
        let is_lost =
            matches!(&event, Event::TaskFailed { verdict, .. } if verdict == VERDICT_LOST);
        assert_eq!(state.is_own_path("all:1", "/o/all:1"), is_lost);
    }
}

#[test]
fn what_was_given_up_is_tried_again_by_a_resume() {
    let state = fold(&[
        (0, started(1, 0)),
        (
            1,
            Event::TaskGivenUp {
                task: "all:1".to_owned(),
                why: "no".to_owned(),
            },
        ),
        (2, started(1, 0)),
    ]);
    assert_eq!(counts(&state), (1, 0, 0, 0));
}

#[test]
fn a_lost_host_frees_its_slots() {
    let state = fold(&[
        (0, started(2, 0)),
        (1, sent(1, 0, &["all:1"])),
        (1, begun(1, 0, "all:1", 1)),
        (
            5,
            Event::HostLost {
                host: "local".to_owned(),
                why: "killed".to_owned(),
            },
        ),
        (9, ended(1, 0)),
    ]);
    assert_eq!(state.tasks()["all:1"].phase, TaskPhase::Pending);
    assert_eq!(state.hosts()["local"].busy_s, 4.0);
}

#[test]
fn a_host_is_one_word() {
    let local = || "local".to_owned();
    let up = || Event::HostUp {
        host: local(),
        slots: 2,
    };
    let silent = || Event::HostSilent {
        host: local(),
        why: "no answer".to_owned(),
    };
    let heard = || Event::HostHeard {
        host: local(),
        silent_s: 12.0,
    };
    let closed = || Event::HostClosed {
        host: local(),
        why: "its disk is full".to_owned(),
    };
    let waiting = || Event::SlotWaiting {
        host: local(),
        slot: 0,
        holders: vec!["anna (job x)".to_owned()],
    };
    let leased = || Event::SlotLeased {
        host: local(),
        slot: 0,
    };
    let lost = || Event::HostLost {
        host: local(),
        why: String::new(),
    };
    let drained = || Event::HostDrained { host: local() };
    let opened = || Event::HostOpened { host: local() };
    let joined = || Event::HostJoined {
        host: local(),
        slots: 2,
    };
    let word = |events: &[Event]| {
        let events: Vec<_> = events.iter().map(|event| (1, event.clone())).collect();
        fold(&events).standing("local").map(Standing::as_str)
    };
    assert_eq!(word(&[started(1, 0)]), None);
    assert_eq!(word(&[joined()]), Some("starting"));
    assert_eq!(word(&[up()]), Some("up"));
    assert_eq!(word(&[up(), silent()]), Some("silent"));
    assert_eq!(word(&[up(), silent(), heard()]), Some("up"));
    assert_eq!(word(&[up(), silent(), lost()]), Some("lost"));
    assert_eq!(word(&[up(), lost(), silent()]), Some("lost"));
    assert_eq!(word(&[up(), waiting()]), Some("waiting"));
    assert_eq!(word(&[up(), waiting(), leased()]), Some("up"));
    assert_eq!(word(&[up(), waiting(), lost(), up()]), Some("up"));
    // The other slot works.
    assert_eq!(word(&[up(), waiting(), sent(1, 1, &["all:1"])]), Some("up"));
    assert_eq!(word(&[up(), closed()]), Some("closed"));
    assert_eq!(word(&[up(), closed(), waiting(), silent()]), Some("silent"));
    assert_eq!(word(&[up(), closed(), opened()]), Some("up"));
    assert_eq!(word(&[up(), closed(), drained()]), Some("drained"));
    assert_eq!(word(&[up(), closed(), started(1, 0), up()]), Some("up"));
}

#[test]
fn hosts_come_to_a_running_job_and_go() {
    let host = || "late".to_owned();
    let joined = Event::HostJoined {
        host: host(),
        slots: 3,
    };
    let drained = || Event::HostDrained { host: host() };
    let staged = Event::Staged {
        host: host(),
        files: 2,
        bytes: 100,
        bytes_sent: 40,
        seconds: 0.5,
    };
    let state = fold(&[(0, started(1, 0)), (1, joined.clone()), (2, staged)]);
    let before = state.slots();
    let late = &state.hosts()["late"];
    assert_eq!((late.stagings, late.staged_bytes), (1, 40));
    let state = fold(&[
        (0, started(1, 0)),
        (1, joined),
        (2, drained()),
        (3, drained()),
    ]);
    assert_eq!(state.slots() + 3, before);
}

#[test]
fn what_was_expected_is_summed_by_host() {
    let mut cold = sent(1, 0, &["all:1", "all:2"]);
    let mut first = done(1, 0, "all:1", 1);
    if let Event::SegmentSent { load_s, .. } = &mut cold {
        *load_s = Some(6.0);
    }
    if let Event::TaskDone { predicted_s, .. } = &mut first {
        *predicted_s = Some(1.5);
    }
    let loaded = |load_s| Event::Loaded {
        segment: 1,
        host: "local".to_owned(),
        slot: 0,
        load_s,
    };
    let state = fold(&[
        (0, started(2, 0)),
        (0, cold),
        (5, loaded(5.0)),
        (7, first),
        // Its renderer died and was started again, which nobody expected.
        (12, loaded(4.0)),
        (14, done(1, 0, "all:2", 1)),
        (14, ended(1, 0)),
    ]);
    let host = &state.hosts()["local"];
    assert_eq!((host.predicted, host.renders), (1, 2));
    assert_eq!((host.predicted_s, host.render_s), (1.5, 4.0));
    assert_eq!((host.predicted_load_s, host.load_s), (6.0, 9.0));
}

/// Events that need not make sense together.
fn any_event() -> impl Strategy<Value = Event> {
    let task = || prop::sample::select(vec!["all:1", "all:2", "all:3"]).prop_map(str::to_owned);
    let host = || prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned);
    let float = || prop_oneof![-1.0..10.0f64, Just(f64::NAN), Just(f64::INFINITY)];
    let verdict = || prop::sample::select(vec!["machine-fault", VERDICT_COMMIT, VERDICT_LOST]);
    prop_oneof![
        1 => (0u32..5, 0u32..5).prop_map(|(tasks, skipped)| started(tasks, skipped)),
        1 => host().prop_map(|host| Event::HostUp { host, slots: 2 }),
        1 => host().prop_map(|host| Event::HostLost { host, why: String::new() }),
        1 => host().prop_map(|host| Event::HostSilent { host, why: String::new() }),
        1 => (host(), float()).prop_map(|(host, silent_s)| Event::HostHeard { host, silent_s }),
        1 => host().prop_map(|host| Event::HostClosed { host, why: String::new() }),
        1 => host().prop_map(|host| Event::HostOpened { host }),
        1 => (host(), 0u32..2).prop_map(|(host, slot)| Event::SlotWaiting { host, slot, holders: Vec::new() }),
        1 => (host(), 0u32..2).prop_map(|(host, slot)| Event::SlotLeased { host, slot }),
        1 => (host(), float()).prop_map(|(host, seconds)| Event::Staged {
            host, files: 1, bytes: 2, bytes_sent: u64::MAX, seconds,
        }),
        1 => host().prop_map(|host| Event::HostJoined { host, slots: 2 }),
        1 => host().prop_map(|host| Event::HostDrained { host }),
        3 => (0u64..6, host(), 0u32..2, prop::collection::vec(task(), 0..3), float())
            .prop_map(|(segment, host, slot, tasks, load_s)| Event::SegmentSent {
                segment, host, slot, tasks, why: None, load_s: Some(load_s), end_s: None,
            }),
        1 => (0u64..6, host(), float())
            .prop_map(|(segment, host, load_s)| Event::Loaded { segment, host, slot: 0, load_s }),
        3 => (0u64..6, task(), 1u32..4, host(), 0u32..2)
            .prop_map(|(segment, task, attempt, host, slot)| Event::TaskStarted { segment, task, attempt, host, slot }),
        3 => (0u64..6, task(), 1u32..4, host(), 0u32..2, float())
            .prop_map(|(segment, task, attempt, host, slot, render_s)| Event::TaskDone {
                segment, task, attempt, host, slot, render_s, predicted_s: Some(render_s), file: None,
            }),
        3 => (0u64..6, task(), 1u32..4, host(), 0u32..2, verdict())
            .prop_map(|(segment, task, attempt, host, slot, verdict)| Event::TaskFailed {
                segment, task, attempt, host, slot, verdict: verdict.to_owned(), why: String::new(),
            }),
        2 => task().prop_map(|task| Event::TaskGivenUp { task, why: String::new() }),
        2 => (0u64..6, host(), 0u32..2).prop_map(|(segment, host, slot)| Event::SegmentEnded { segment, host, slot }),
        2 => (picture(), 0usize..2, float()).prop_map(|(picture, seams, seconds)| Event::Assembled {
            picture, pieces: 2, seconds, file: file("frame"), seams: vec![seam(); seams],
        }),
        2 => (picture(), verdict(), any::<bool>())
            .prop_map(|(picture, verdict, again)| Event::AssemblyFailed {
                picture, task: None, verdict: verdict.to_owned(), why: String::new(), again,
            }),
        1 => float().prop_map(|seconds| Event::Reel {
            kind: ReelKind::Film, frames: 2, fps: None, seconds, file: file("film"),
        }),
        1 => verdict().prop_map(|verdict| Event::ReelFailed {
            kind: ReelKind::Film, path: file("film").path, verdict: verdict.to_owned(), why: String::new(),
        }),
        1 => Just(Event::Warning { text: String::new() }),
        1 => Just(Event::Stopping),
        1 => float().prop_map(|makespan_s| Event::JobEnded {
            state: JobEnd::Interrupted, done: 0, failed: 0, makespan_s, lower_bound_s: Some(makespan_s),
        }),
    ]
}

fn picture_named(layer: Option<&str>) -> PictureName {
    PictureName {
        frame: 1,
        layer: layer.map(str::to_owned),
    }
}

fn picture() -> impl Strategy<Value = PictureName> {
    prop::sample::select(vec![picture_named(None), picture_named(Some("a"))])
}

fn seam() -> Seam {
    Seam {
        tiles: ["a:1:0,0".to_owned(), "a:1:1,0".to_owned()],
        x: 1,
        y: 2,
        channel: "R".to_owned(),
        difference: 0.5,
        tolerance: 0.0,
    }
}

fn file(name: &str) -> CommittedFile {
    CommittedFile {
        path: format!("/o/{name}"),
        from: format!("/s/{name}"),
        bytes: 1,
        hash: String::new(),
    }
}

fn any_events() -> impl Strategy<Value = Vec<Stamped>> {
    // Times may run backwards, as clocks do.
    prop::collection::vec(
        (0i64..100, any_event()).prop_map(|(second, event)| at(second, event)),
        0..60,
    )
}

/// What holds after any events at all.
fn assert_valid(state: &JobState) {
    let is = |wanted: fn(&TaskPhase) -> bool| {
        state
            .tasks()
            .values()
            .filter(|task| wanted(&task.phase))
            .count()
    };
    let TaskCounts {
        total,
        done,
        failed,
        skipped,
    } = state.counts();
    assert_eq!(
        done as usize,
        is(|phase| matches!(phase, TaskPhase::Done { .. }))
    );
    assert_eq!(
        failed as usize,
        is(|phase| matches!(phase, TaskPhase::GivenUp { .. }))
    );
    assert!(done + failed <= total && skipped <= done);
    assert!(state.tasks().len() <= total as usize);
    let by_hosts: u32 = state.hosts().values().map(|host| host.tasks).sum();
    assert_eq!(by_hosts, done);
    for (name, host) in state.hosts() {
        assert!(host.renders >= host.tasks);
        for number in [
            host.busy_s,
            host.load_s,
            host.render_s,
            host.predicted_s,
            host.predicted_load_s,
            host.staged_s,
        ] {
            assert!(state.standing(name).is_some());
            assert!(number.is_finite() && number >= 0.0, "{name}: {number}");
        }
    }
    for task in state.tasks().values() {
        assert!(
            task.segments
                .iter()
                .all(|segment| *segment < state.segment_next())
        );
        if let TaskPhase::Running { host, slot, .. } = &task.phase {
            assert!(*slot < 2 && state.hosts().len() <= 2, "{host}");
        }
        if let Some(failure) = &task.last_failure {
            assert!(failure.attempt <= task.attempts);
        }
    }
    let pictures = state.picture_counts();
    assert!(pictures.done + pictures.failed <= pictures.total);
    assert!(state.reels().len() <= 1);
    assert!(state.makespan_s().is_finite() && state.makespan_s() >= 0.0);
    let eta = state.eta_s(Timestamp::from_second(50).unwrap());
    assert!(eta.is_none_or(|eta| eta.is_finite() && eta >= 0.0));
}

proptest! {
    #[test]
    fn every_prefix_folds_to_a_valid_state(events in any_events()) {
        let mut state = JobState::default();
        assert_valid(&state);
        for stamped in &events {
            state.apply(stamped);
            assert_valid(&state);
        }
    }

    #[test]
    fn a_fold_can_be_stopped_anywhere_and_gone_on_with(events in any_events(), at in any::<prop::sample::Index>()) {
        let middle = if events.is_empty() { 0 } else { at.index(events.len()) };
        let mut state = JobState::of(&events[..middle]);
        for stamped in &events[middle..] {
            state.apply(stamped);
        }
        prop_assert_eq!(state, JobState::of(&events));
    }
}

#[test]
fn a_picture_that_failed_is_tried_anew_by_a_resume() {
    let whole = || picture_named(None);
    let failed = |again, verdict: &str| Event::AssemblyFailed {
        picture: whole(),
        task: Some("all:1:0,0".to_owned()),
        verdict: verdict.to_owned(),
        why: "it is cut off".to_owned(),
        again,
    };
    let assembled = || Event::Assembled {
        picture: whole(),
        pieces: 2,
        seconds: 0.5,
        file: file("frame"),
        seams: Vec::new(),
    };
    let counts = |events: &[(i64, Event)]| {
        let counts = fold(events).picture_counts();
        (counts.total, counts.done, counts.failed)
    };
    let mut begin = started(2, 0);
    if let Event::JobStarted { pictures, .. } = &mut begin {
        *pictures = 3;
    }
    let begin = || (0, begin.clone());
    assert_eq!(counts(&[begin()]), (3, 0, 0));
    assert_eq!(counts(&[begin(), (1, failed(true, "piece"))]), (3, 0, 0));
    let gave_up = [begin(), (1, failed(false, "piece"))];
    assert_eq!(counts(&gave_up), (3, 0, 1));
    assert_eq!(counts(&[&gave_up[..], &[begin()]].concat()), (3, 0, 0));
    let made = [&gave_up[..], &[begin(), (2, assembled())]].concat();
    assert_eq!(counts(&made), (3, 1, 0));
    let lost = fold(&[&made[..], &[(3, failed(true, VERDICT_LOST))]].concat());
    assert_eq!(lost.picture_counts().done, 0);
    let own = lost.pictures()[&whole()].own_path.as_deref();
    assert_eq!(own, Some("/o/frame"));
    // A name that another file has is not the job's.
    let taken = fold(&[&made[..], &[(3, failed(false, VERDICT_COMMIT))]].concat());
    assert_eq!(taken.pictures()[&whole()].own_path, None);
}

#[test]
fn a_piece_that_does_not_fit_is_rendered_again() {
    let state = fold(&[
        (0, started(1, 0)),
        (1, begun(1, 0, "all:1:0,0", 1)),
        (2, done(1, 0, "all:1:0,0", 1)),
        (3, failed(1, 0, "all:1:0,0", 1, VERDICT_ASSEMBLY)),
    ]);
    assert_eq!(counts(&state), (1, 0, 0, 0));
    assert_eq!(state.attempt_next("all:1:0,0"), 2);
}
