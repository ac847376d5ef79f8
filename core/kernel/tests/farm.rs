//! The farm by lists of events: what is told, what is wanted then.

mod script;

use framewright_kernel::event::{Action, Event, Fault, GiveUpReason, Outcome, StopReason};
use framewright_kernel::farm::{Phase, SlotView};
use framewright_kernel::hosts::{Bytes, HostSpec, Speed, TagSet};
use framewright_kernel::ids::{HostId, SegmentId, SlotId, TaskId};
use framewright_kernel::job::{LayerSpec, Scope};
use framewright_kernel::policy::Policy;
use framewright_kernel::time::Span;

use script::{Script, add_tasks, job, layer};

fn host(memory: u64) -> HostSpec {
    HostSpec {
        memory: Some(Bytes(memory)),
        ..HostSpec::default()
    }
}

#[test]
fn all_tasks_are_shared_out_and_each_is_committed_once() {
    let mut script = Script::new(job(6), vec![HostSpec::default(); 2]);
    let sends = script.all_up();
    assert_eq!(sends, [(0, vec![0, 1, 2]), (1, vec![3, 4, 5])]);
    for segment in [1, 2] {
        for task in script.tasks_of(segment) {
            script.render(segment, task);
        }
        script.tell(Event::SegmentOver {
            segment: SegmentId(segment),
        });
    }
    assert_eq!(script.finished(), Some(Outcome::Done));
}

#[test]
fn a_fast_host_gets_more_and_one_that_loads_too_long_gets_nothing() {
    let fast = HostSpec {
        speed: Speed::new(3.0).unwrap(),
        ..HostSpec::default()
    };
    let late = HostSpec {
        load: Some(Span::from_secs(10_000)),
        ..HostSpec::default()
    };
    let mut script = Script::new(job(12), vec![HostSpec::default(), fast, late]);
    let sends = script.all_up();
    assert_eq!(sends, [(1, (0..11).collect()), (0, vec![11])]);
}

#[test]
fn a_late_picture_of_a_lost_host_wins_once_and_its_double_is_thrown_away() {
    let mut script = Script::new(job(1), vec![HostSpec::default(); 2]);
    script.all_up();
    script.begin(1, 0);
    script.lose(0, false);
    assert_eq!(script.sent(), [(1, vec![0])]);
    script.begin(2, 0);
    // The first attempt, thought lost, arrives; then the second.
    script.rendered(1, 0);
    assert_eq!(script.take_commits(), [(1, 0)]);
    script.rendered(2, 0);
    assert!(script.wants(&Action::Discard {
        segment: SegmentId(2),
        task: TaskId(0)
    }));
    assert_eq!(script.finished(), None);
    script.commit(1, 0);
    assert_eq!(script.finished(), Some(Outcome::Done));
}

#[test]
fn after_a_failed_commit_another_picture_may_win() {
    let mut script = Script::new(job(1), vec![HostSpec::default()]);
    script.all_up();
    script.begin(1, 0);
    script.rendered(1, 0);
    assert_eq!(script.take_commits(), [(1, 0)]);
    script.tell(Event::CommitFailed {
        segment: SegmentId(1),
        task: TaskId(0),
        disk_full: false,
    });
    script.over(1);
    assert_eq!(script.sent(), [(0, vec![0])]);
    script.render(2, 0);
    assert_eq!(script.finished(), Some(Outcome::Done));
}

#[test]
fn a_full_disk_ends_the_job_with_its_tasks_left() {
    let mut script = Script::new(job(3), vec![HostSpec::default()]);
    script.all_up();
    script.begin(1, 0);
    script.rendered(1, 0);
    script.tell(Event::CommitFailed {
        segment: SegmentId(1),
        task: TaskId(0),
        disk_full: true,
    });
    script.over(1);
    assert_eq!(script.finished(), Some(Outcome::DiskFull));
}

#[test]
fn events_about_unknown_things_change_nothing() {
    let mut script = Script::new(job(2), vec![HostSpec::default()]);
    script.all_up();
    let before = script.farm.counts();
    let (segment, task) = (SegmentId(99), TaskId(77));
    let took = Span::ZERO;
    let known = TaskId(0);
    for event in [
        Event::Rendered {
            segment,
            task,
            took,
        },
        Event::Rendered {
            segment,
            task: known,
            took,
        },
        Event::Rendered {
            segment: SegmentId(1),
            task,
            took,
        },
        Event::Committed { segment, task },
        Event::Committed {
            segment: SegmentId(1),
            task: known,
        },
        Event::TaskFailed {
            segment,
            task: known,
            fault: Fault::Unrenderable,
        },
        Event::TaskBegun {
            segment,
            task: known,
        },
        Event::Kept { segment, keep: 0 },
        Event::Kept {
            segment: SegmentId(1),
            keep: 0,
        },
        Event::SegmentOver { segment },
        Event::Loaded { segment, took },
        Event::SlotCooled { slot: SlotId(50) },
        Event::HostLost {
            host: HostId(50),
            for_good: true,
        },
        Event::HostUp { host: HostId(50) },
    ] {
        script.tell(event);
        assert_eq!(script.farm.counts(), before, "{event:?}");
        assert!(script.take_commits().is_empty(), "{event:?}");
    }
}

#[test]
fn a_failed_task_goes_to_another_host_and_is_given_up_after_its_retries() {
    let mut script = Script::new(job(1), vec![HostSpec::default(); 2]);
    let mut sent = script.all_up();
    for (segment, slot) in [(1, 0), (2, 1), (3, 0)] {
        assert_eq!(sent, [(slot, vec![0])], "segment {segment}");
        script.begin(segment, 0);
        script.fail(segment, 0, Fault::MachineFault);
        script.over(segment);
        sent = script.sent();
    }
    // Three failures, two retries: enough. And the host that failed twice never got it twice in
    // a row.
    let reason = GiveUpReason::Failed {
        fault: Fault::MachineFault,
        failures: 3,
    };
    assert!(script.wants(&Action::GiveUp {
        task: TaskId(0),
        reason
    }));
    assert_eq!(script.finished(), Some(Outcome::Failed));
}

#[test]
fn what_cannot_be_rendered_is_given_up_at_once_with_all_that_stands_on_it() {
    let mut spec = job(2);
    spec.layers.push(layer(0, Scope::Frame));
    spec.layers.push(layer(0, Scope::Layer));
    add_tasks(&mut spec, 1, 2);
    add_tasks(&mut spec, 2, 2);
    let mut script = Script::new(spec, vec![HostSpec::default()]);
    script.all_up();
    script.begin(1, 0);
    script.fail(1, 0, Fault::Unrenderable);
    let need = TaskId(0);
    for task in [2, 4, 5] {
        assert!(script.wants(&Action::GiveUp {
            task: TaskId(task),
            reason: GiveUpReason::Need { need }
        }));
    }
    assert_eq!(script.farm.task(TaskId(3)).phase, Phase::Blocked);
    script.render(1, 1);
    script.over(1);
    assert_eq!(script.sent(), [(0, vec![3])]);
    script.render(2, 3);
    assert_eq!(script.finished(), Some(Outcome::Failed));
}

#[test]
fn a_renderer_that_dies_while_loading_costs_one_task_one_attempt() {
    let mut script = Script::new(job(4), vec![HostSpec::default()]);
    script.all_up();
    for task in 0..4 {
        script.fail(1, task, Fault::MachineFault);
    }
    script.over(1);
    let failures: Vec<u8> = (0..4)
        .map(|task| script.farm.task(TaskId(task)).failures)
        .collect();
    assert_eq!(failures, [1, 0, 0, 0]);
}

#[test]
fn a_renderer_that_never_says_a_word_is_not_started_for_ever() {
    let mut script = Script::new(job(1), vec![HostSpec::default()]);
    script.all_up();
    for segment in 1..=3 {
        script.over(segment);
    }
    assert_eq!(script.finished(), Some(Outcome::Failed));
}

#[test]
fn after_too_little_memory_a_bigger_host_is_tried() {
    let mut script = Script::new(job(1), vec![host(16), host(8), host(32)]);
    script.up(0);
    assert_eq!(script.sent(), [(0, vec![0])]);
    script.up(1);
    script.up(2);
    script.begin(1, 0);
    script.fail(1, 0, Fault::OutOfMemory);
    script.over(1);
    assert_eq!(script.sent(), [(2, vec![0])]);
}

#[test]
fn a_missing_licence_is_waited_for_and_counts_nothing() {
    let mut script = Script::new(job(1), vec![HostSpec::default()]);
    script.all_up();
    let mut waits = Vec::new();
    for segment in 1..=8 {
        script.begin(segment, 0);
        script.fail(segment, 0, Fault::NoLicence);
        script.over(segment);
        let began = script.now;
        script.sent();
        script.sleep_until_alarm();
        waits.push(script.now.since(began).as_micros() / 1_000_000);
        assert_eq!(script.sent(), [(0, vec![0])]);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(script.farm.task(TaskId(0)).failures, 0);
    assert_eq!(script.farm.task(TaskId(0)).attempts, 8);
}

#[test]
fn a_host_on_which_everything_fails_rests_longer_each_time() {
    let mut spec = job(12);
    spec.limits.retries = 200;
    spec.policy = Policy::Fixed(1);
    let mut script = Script::new(spec, vec![HostSpec::default()]);
    script.all_up();
    let mut rests = Vec::new();
    for segment in 1..=6 {
        let task = script.tasks_of(segment)[0];
        script.begin(segment, task);
        script.sent();
        script.fail(segment, task, Fault::MachineFault);
        script.over(segment);
        if let Some(until) = script.farm.host(HostId(0)).rest_until {
            rests.push(until.since(script.now).as_micros() / 1_000_000);
            assert_eq!(script.sent(), []);
            script.sleep_until_alarm();
        }
    }
    assert_eq!(rests, [30, 60, 120, 240]);
}

#[test]
fn a_frame_that_hangs_while_the_one_before_is_read_is_stopped_at_its_own_limit() {
    let mut spec = job(3);
    spec.limits.task_limit = Some(Span::from_secs(5));
    let mut script = Script::new(spec, vec![HostSpec::default()]);
    script.all_up();
    script.begin(1, 0);
    script.wait(1);
    script.begin(1, 1);
    let began = script.now;
    script.wait(2);
    script.rendered(1, 0);
    script.sleep_until_alarm();
    assert_eq!(script.now.since(began), Span::from_secs(5));
    assert!(script.wants(&Action::Stop {
        segment: SegmentId(1),
        reason: StopReason::TaskLimit { task: TaskId(1) }
    }));
}

#[test]
fn a_broken_adapter_sends_no_host_to_rest() {
    let mut script = Script::new(job(4), vec![HostSpec::default()]);
    script.all_up();
    for task in 0..4 {
        script.begin(1, task);
        script.fail(1, task, Fault::AdapterFault);
    }
    script.over(1);
    assert_eq!(script.farm.host(HostId(0)).rest_until, None);
    assert_eq!(script.sent(), [(0, vec![0, 1, 2, 3])]);
}

#[test]
fn a_host_that_was_lost_once_with_much_under_way_does_not_rest() {
    let mut script = Script::new(
        job(8),
        vec![HostSpec {
            slots: 4,
            ..HostSpec::default()
        }],
    );
    let sent = script.all_up();
    assert_eq!(sent.len(), 4, "{sent:?}");
    for (segment, (_, tasks)) in (1..).zip(&sent) {
        script.begin(segment, tasks[0]);
    }
    script.lose(0, false);
    script.up(0);
    assert_eq!(
        script.sent().len(),
        4,
        "all four slots have work again at once"
    );
}

#[test]
fn a_task_that_takes_ten_times_the_median_is_stopped() {
    let mut script = Script::new(job(8), vec![HostSpec::default()]);
    script.all_up();
    for task in 0..4 {
        script.render_in(1, task, 20);
    }
    script.begin(1, 4);
    // Four tasks say nothing yet: however long the fifth takes, it is not stopped.
    script.wait(900);
    script.tell(Event::Tick);
    assert!(!script.has_stopped());
    script.rendered(1, 4);
    script.begin(1, 5);
    let began = script.now;
    script.sleep_until_alarm();
    let limit = script.now.since(began).as_secs_f64();
    assert!((200.0..=230.0).contains(&limit), "{limit}");
    assert!(script.wants(&Action::Stop {
        segment: SegmentId(1),
        reason: StopReason::TaskLimit { task: TaskId(5) }
    }));
    script.fail(1, 5, Fault::TimeLimit);
    script.over(1);
    assert_eq!(script.farm.task(TaskId(5)).failures, 1);
    // It may have been right: the next try gets twice as long.
    let again = script.tasks_of(2);
    for task in again.iter().take_while(|task| **task != 5) {
        script.render_in(2, *task, 20);
    }
    script.begin(2, 5);
    let began = script.now;
    script.sleep_until_alarm();
    let doubled = script.now.since(began).as_secs_f64();
    assert!((400.0..=460.0).contains(&doubled), "{doubled}");
}

#[test]
fn hosts_are_not_to_blame_for_frames_that_fail_on_both() {
    let mut spec = job(12);
    spec.limits.retries = 200;
    spec.policy = Policy::Fixed(1);
    let mut script = Script::new(spec, vec![HostSpec::default(); 2]);
    script.all_up();
    // Each frame fails where it is and then on the other host, six times over.
    for segment in 1..=24 {
        let task = script.tasks_of(segment)[0];
        script.begin(segment, task);
        script.fail(segment, task, Fault::MachineFault);
        script.over(segment);
        let rests = |host| script.farm.host(HostId(host)).rest_until;
        assert_eq!((rests(0), rests(1)), (None, None), "segment {segment}");
    }
}

#[test]
fn heavier_layers_go_to_faster_hosts() {
    let mut spec = job(0);
    spec.layers = [0.2, 1.0, 0.2]
        .map(|weight| LayerSpec {
            weight,
            ..LayerSpec::default()
        })
        .to_vec();
    for layer in 0..3 {
        add_tasks(&mut spec, layer, 1);
    }
    let host = |speed: f64| HostSpec {
        speed: Speed::new(speed).expect("a speed"),
        ..HostSpec::default()
    };
    let mut script = Script::new(spec, vec![host(1.0), host(4.0), host(1.0)]);
    let sent = script.all_up();
    // Of three tasks, one a layer, the second is the heavy one.
    let fastest = sent
        .iter()
        .find(|(slot, _)| *slot == 1)
        .expect("it is used");
    assert_eq!(fastest.1, [1], "{sent:?}");
}

#[test]
fn a_load_that_never_ends_is_stopped() {
    let mut script = Script::new(job(1), vec![HostSpec::default()]);
    script.all_up();
    script.sleep_until_alarm();
    assert_eq!(script.now.as_secs_f64(), 600.0);
    assert!(script.wants(&Action::Stop {
        segment: SegmentId(1),
        reason: StopReason::LoadLimit
    }));
}

#[test]
fn a_segment_is_cut_for_an_idle_slot_which_gets_the_tail_when_it_is_given_back() {
    let mut script = Script::new(job(20), vec![HostSpec::default(); 2]);
    script.up(0);
    // The other host has not answered, and half is kept for it.
    assert_eq!(script.sent(), [(0, (0..10).collect())]);
    script.up(1);
    assert_eq!(script.sent(), [(1, (10..20).collect())]);
    // The first host turns out slow: 90 s a task, where the second needs 20 s.
    script.begin(1, 0);
    for task in 10..20 {
        script.render_in(2, task, 20);
        if task == 14 || task == 19 {
            let done = u32::from(task == 19);
            script.rendered_in(1, done, 90);
            script.commit(1, done);
            script.begin(1, done + 1);
        }
    }
    script.over(2);
    let (segment, keep) = script.take_cut().expect("the idle slot wants a part");
    assert_eq!(segment, 1);
    assert!((3..8).contains(&keep), "{keep}");
    // Meanwhile nothing else is asked for, and the slot stays idle.
    script.tell(Event::Tick);
    assert_eq!(script.take_cut(), None);
    assert_eq!(script.sent(), []);
    // The renderer had begun one more than it was asked to keep.
    script.tell(Event::Kept {
        segment: SegmentId(1),
        keep: keep + 1,
    });
    assert_eq!(script.sent(), [(1, (keep + 1..10).collect())]);
}

#[test]
fn a_stop_lets_running_tasks_end_and_begins_nothing() {
    let mut script = Script::new(job(6), vec![HostSpec::default(); 2]);
    script.all_up();
    script.begin(1, 0);
    script.tell(Event::Drain);
    assert_eq!(script.take_cut(), Some((1, 1)));
    assert!(script.wants(&Action::Stop {
        segment: SegmentId(2),
        reason: StopReason::Drain
    }));
    script.tell(Event::Kept {
        segment: SegmentId(1),
        keep: 1,
    });
    script.over(2);
    script.rendered(1, 0);
    script.over(1);
    assert_eq!(script.finished(), None, "a commit is under way");
    script.commit(1, 0);
    assert_eq!(script.sent(), []);
    assert_eq!(script.finished(), Some(Outcome::Interrupted));
}

#[test]
fn a_second_stop_ends_everything_now() {
    let mut script = Script::new(job(6), vec![HostSpec::default()]);
    script.all_up();
    script.begin(1, 0);
    script.tell(Event::Drain);
    script.tell(Event::Cancel);
    assert!(script.wants(&Action::Stop {
        segment: SegmentId(1),
        reason: StopReason::Cancel
    }));
    script.over(1);
    assert_eq!(script.finished(), Some(Outcome::Cancelled));
    script.rendered(1, 0);
    assert!(
        script.take_commits().is_empty(),
        "nothing is committed after the end"
    );
}

#[test]
fn with_fail_fast_the_first_lost_task_ends_the_job() {
    let mut spec = job(6);
    spec.limits.keep_going = false;
    let mut script = Script::new(spec, vec![HostSpec::default()]);
    script.all_up();
    script.begin(1, 0);
    script.fail(1, 0, Fault::Unrenderable);
    script.over(1);
    assert_eq!(script.sent(), []);
    assert_eq!(script.finished(), Some(Outcome::Failed));
}

#[test]
fn an_undivided_layer_goes_to_one_slot_in_one_segment_even_after_a_failure() {
    let mut spec = job(5);
    spec.layers[0].undivided = true;
    let mut script = Script::new(spec, vec![HostSpec::default(); 3]);
    assert_eq!(script.all_up(), [(0, (0..5).collect())]);
    script.render(1, 0);
    script.begin(1, 1);
    script.fail(1, 1, Fault::MachineFault);
    assert_eq!(script.sent(), [], "it is all in one place still");
    script.over(1);
    assert_eq!(script.sent(), [(1, (1..5).collect())]);
}

#[test]
fn an_undivided_layer_goes_without_a_frame_that_is_given_up_when_all_is_quiet() {
    let mut spec = job(2);
    spec.limits.retries = 0;
    spec.layers.push(LayerSpec {
        undivided: true,
        ..layer(0, Scope::Frame)
    });
    add_tasks(&mut spec, 1, 2);
    let mut script = Script::new(spec, vec![HostSpec::default()]);
    assert_eq!(script.all_up(), [(0, vec![0, 1])]);
    script.render(1, 0);
    script.begin(1, 1);
    script.rendered(1, 1);
    script.over(1);
    assert_eq!(script.sent(), [], "its second frame may still come");
    script.tell(Event::CommitFailed {
        segment: SegmentId(1),
        task: TaskId(1),
        disk_full: false,
    });
    assert_eq!(script.sent(), [(0, vec![2])]);
}

#[test]
fn what_no_host_can_take_is_given_up_with_its_reason() {
    let mut spec = job(1);
    spec.layers.push(LayerSpec {
        memory: Bytes(64),
        ..LayerSpec::default()
    });
    spec.layers.push(LayerSpec {
        tags: TagSet(1),
        ..LayerSpec::default()
    });
    add_tasks(&mut spec, 1, 1);
    add_tasks(&mut spec, 2, 1);
    let mut script = Script::new(spec, vec![host(8)]);
    let given_up = |task, reason| Action::GiveUp {
        task: TaskId(task),
        reason,
    };
    script.tell(Event::Tick);
    assert!(script.wants(&given_up(1, GiveUpReason::NoHostMemory)));
    assert!(script.wants(&given_up(2, GiveUpReason::NoHostTags)));
    script.lose(0, true);
    assert!(script.wants(&given_up(0, GiveUpReason::HostsGone)));
    assert_eq!(script.finished(), Some(Outcome::Failed));
}

#[test]
fn a_layer_waits_for_the_same_frame_or_for_all_of_another() {
    let mut spec = job(2);
    spec.layers.push(layer(0, Scope::Frame));
    spec.layers.push(layer(0, Scope::Layer));
    add_tasks(&mut spec, 1, 2);
    add_tasks(&mut spec, 2, 1);
    let mut script = Script::new(spec, vec![HostSpec::default(); 1]);
    script.all_up();
    let phase = |script: &Script, task| script.farm.task(TaskId(task)).phase;
    script.render(1, 0);
    assert_eq!(phase(&script, 2), Phase::Ready);
    assert_eq!(phase(&script, 3), Phase::Blocked);
    assert_eq!(phase(&script, 4), Phase::Blocked);
    script.render(1, 1);
    assert_eq!(phase(&script, 3), Phase::Ready);
    assert_eq!(phase(&script, 4), Phase::Ready);
}

#[test]
fn a_resumed_job_leaves_what_is_done_and_counts_on() {
    let mut spec = job(3);
    spec.tasks[1].done = true;
    spec.tasks[2].attempts = 4;
    spec.first_segment = SegmentId(17);
    let mut script = Script::new(spec, vec![HostSpec::default()]);
    script.all_up();
    let leases = script.leases_of(17);
    assert_eq!(leases, [(0, 1), (2, 5)]);
    script.render(17, 0);
    script.render(17, 2);
    assert_eq!(script.finished(), Some(Outcome::Done));
}

#[test]
fn sends_keep_their_distance_and_loads_their_number() {
    let mut spec = job(40);
    spec.pace.dispatch_interval = Span::from_secs(5);
    let mut script = Script::new(spec, vec![HostSpec::default(); 2]);
    assert_eq!(script.all_up().len(), 1);
    while script.sent().is_empty() {
        script.sleep_until_alarm();
    }
    assert_eq!(script.now.as_secs_f64(), 5.0);

    let mut spec = job(40);
    spec.pace.loads_max = Some(1);
    let mut script = Script::new(spec, vec![HostSpec::default(); 2]);
    assert_eq!(script.all_up().len(), 1);
    script.tell(Event::Loaded {
        segment: SegmentId(1),
        took: Span::from_secs(60),
    });
    assert_eq!(script.sent().len(), 1);
}

#[test]
fn what_the_user_wants_first_goes_first() {
    let mut spec = job(10);
    spec.tasks[7].priority = true;
    spec.tasks[4].priority = true;
    let mut script = Script::new(spec, vec![HostSpec::default(); 2]);
    let sends = script.all_up();
    assert_eq!(sends[0].1[0], 4);
    assert_eq!(sends[1].1[0], 7);
}

#[test]
fn sizes_asked_for_are_kept() {
    for (policy, sizes) in [
        (Policy::Fixed(3), vec![3, 3, 3]),
        (Policy::Fixed(0), vec![20]),
        (Policy::Even, vec![7, 7, 6]),
        (Policy::RoyalRender { min: 2, max: 5 }, vec![5, 5, 5]),
        (Policy::RoyalRender { min: 0, max: 5 }, vec![20]),
    ] {
        let mut spec = job(20);
        spec.policy = policy;
        let mut script = Script::new(spec, vec![HostSpec::default(); 3]);
        let sent: Vec<usize> = script.all_up().iter().map(|send| send.1.len()).collect();
        assert_eq!(sent, sizes, "{policy:?}");
    }
}

#[test]
fn readers_see_what_runs_and_when_it_will_end() {
    let mut script = Script::new(job(10), vec![HostSpec::default(); 2]);
    script.all_up();
    assert!(matches!(
        script.farm.slot(SlotId(0)),
        SlotView::Loading { .. }
    ));
    let end = script.farm.predicted_end().unwrap().as_secs_f64();
    assert_eq!(end, 60.0 + 5.0 * 20.0);
    script.begin(1, 0);
    let SlotView::Rendering { task, ends, .. } = script.farm.slot(SlotId(0)) else {
        panic!("{:?}", script.farm.slot(SlotId(0)));
    };
    assert_eq!((task, ends.as_secs_f64()), (Some(TaskId(0)), 100.0));
}

#[test]
fn a_picture_that_cannot_be_put_in_its_place_after_all_hosts_are_gone_is_given_up() {
    let mut spec = job(1);
    spec.layers[0].tags = TagSet(1);
    spec.layers.push(LayerSpec::default());
    add_tasks(&mut spec, 1, 1);
    let tagged = HostSpec {
        tags: TagSet(1),
        ..HostSpec::default()
    };
    let mut script = Script::new(spec, vec![tagged, HostSpec::default()]);
    script.up(0);
    script.begin(1, 0);
    script.rendered(1, 0);
    script.lose(0, true);
    script.tell(Event::CommitFailed {
        segment: SegmentId(1),
        task: TaskId(0),
        disk_full: false,
    });
    assert_eq!(script.farm.task(TaskId(0)).phase, Phase::GivenUp);
}
