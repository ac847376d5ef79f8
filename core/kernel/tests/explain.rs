//! Why a task is where it is: one test for each answer.

mod script;

use framewright_kernel::event::{Event, Fault, GiveUpReason, Outcome, SendReason};
use framewright_kernel::farm::{CostBasis, Hold, HostReason, Lease, Standing};
use framewright_kernel::hosts::{Bytes, HostSpec, Speed, TagSet};
use framewright_kernel::ids::{LayerId, SegmentId, SlotId, TaskId};
use framewright_kernel::job::{LayerSpec, Scope};
use framewright_kernel::policy::Policy;
use framewright_kernel::time::{Span, Time};

use script::{Script, add_tasks, job, layer};

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

fn hosts(count: usize) -> Vec<HostSpec> {
    vec![HostSpec::default(); count]
}

fn standing(script: &Script, task: u32) -> Standing {
    script.farm.explain(TaskId(task)).standing
}

#[track_caller]
fn hold(script: &Script, task: u32) -> Option<Hold> {
    match standing(script, task) {
        Standing::Ready { hold, .. } => hold,
        other => panic!("it does not wait: {other:?}"),
    }
}

#[track_caller]
fn lease(script: &Script, task: u32) -> Lease {
    match standing(script, task) {
        Standing::Leased(lease) => lease,
        other => panic!("no slot has it: {other:?}"),
    }
}

fn reasons(script: &Script, task: u32) -> Vec<HostReason> {
    let explained = script.farm.explain(TaskId(task));
    explained.hosts.iter().map(|host| host.reason).collect()
}

/// One task a segment.
fn one_by_one(frames: i32) -> framewright_kernel::job::JobSpec {
    let mut spec = job(frames);
    spec.policy = Policy::Fixed(1);
    spec
}

#[test]
fn a_leased_task_is_told_with_its_place_and_its_times() {
    let mut script = Script::new(job(4), hosts(1));
    script.all_up();
    script.wait(10);
    script.tell(Event::Tick);
    let told = lease(&script, 2);
    assert_eq!((told.segment, told.slot), (SegmentId(1), SlotId(0)));
    assert_eq!((told.place, told.of, told.begun), (2, 4, false));
    assert_eq!((told.reason, told.sent), (SendReason::Share, Time::ZERO));
    // 60 s of loading, then two tasks of 20 s.
    assert_eq!((told.begins, told.ends), (Some(at(100)), Some(at(120))));
    assert_eq!(told.segment_ends, at(140));
    assert_eq!((told.takes, told.speed), (Span::from_secs(20), 1.0));
    assert_eq!(reasons(&script, 2), [HostReason::HasIt]);
}

#[test]
fn a_task_that_runs_is_told_since_when_and_until_when() {
    let mut script = Script::new(job(3), hosts(1));
    script.all_up();
    script.wait(60);
    script.begin(1, 0);
    script.wait(5);
    script.tell(Event::Tick);
    let told = lease(&script, 0);
    assert!(told.begun);
    assert_eq!((told.begins, told.ends), (Some(at(60)), Some(at(80))));
    assert!(script.farm.explain(TaskId(0)).hosts.is_empty());
    assert_eq!(script.farm.explain(TaskId(0)).attempts, 1);
    // Its picture is read while the next one is rendered.
    script.begin(1, 1);
    assert_eq!(
        (lease(&script, 0).begins, lease(&script, 0).begun),
        (None, true)
    );
}

#[test]
fn what_is_committed_or_on_its_way_is_said_to_be() {
    let mut script = Script::new(job(2), hosts(1));
    script.all_up();
    script.begin(1, 0);
    script.rendered(1, 0);
    let segment = SegmentId(1);
    assert_eq!(standing(&script, 0), Standing::Committing { segment });
    script.commit(1, 0);
    assert_eq!(standing(&script, 0), Standing::Committed);
}

#[test]
fn hosts_that_are_not_there_are_told_apart() {
    let mut script = Script::new(one_by_one(5), hosts(4));
    script.up(0);
    script.up(1);
    script.lose(1, false);
    script.lose(2, true);
    assert_eq!(
        reasons(&script, 4),
        [
            HostReason::Busy { free: at(80) },
            HostReason::Lost,
            HostReason::Gone,
            HostReason::NotUp,
        ]
    );
    assert_eq!(hold(&script, 4), None);
}

#[test]
fn memory_and_tags_that_are_missing_are_named() {
    let mut spec = one_by_one(2);
    spec.layers[0].memory = Bytes(40);
    spec.layers[0].tags = TagSet(0b110);
    let small = HostSpec {
        memory: Some(Bytes(32)),
        tags: TagSet(0b110),
        ..HostSpec::default()
    };
    let plain = HostSpec {
        tags: TagSet(0b010),
        ..HostSpec::default()
    };
    let none = HostSpec {
        slots: 0,
        ..HostSpec::default()
    };
    let able = HostSpec {
        tags: TagSet(0b111),
        ..HostSpec::default()
    };
    let mut script = Script::new(spec, vec![small, plain, none, able]);
    script.all_up();
    assert_eq!(
        reasons(&script, 1)[..3],
        [
            HostReason::LacksMemory {
                needs: Bytes(40),
                has: Bytes(32)
            },
            HostReason::LacksTags {
                missing: TagSet(0b100)
            },
            HostReason::NoSlots,
        ]
    );
}

#[test]
fn a_task_goes_where_it_has_not_failed() {
    let mut script = Script::new(one_by_one(4), hosts(2));
    script.all_up();
    script.begin(1, 0);
    script.fail(1, 0, Fault::MachineFault);
    assert_eq!(reasons(&script, 0)[0], HostReason::FailedThere);
    assert!(matches!(reasons(&script, 0)[1], HostReason::Busy { .. }));
    assert_eq!(script.farm.explain(TaskId(0)).failures, 1);
}

#[test]
fn after_a_shortage_of_memory_larger_hosts_are_waited_for() {
    let memory = |bytes| HostSpec {
        memory: Some(Bytes(bytes)),
        ..HostSpec::default()
    };
    let mut script = Script::new(one_by_one(5), vec![memory(8), memory(8), memory(16)]);
    script.all_up();
    script.begin(1, 0);
    script.fail(1, 0, Fault::OutOfMemory);
    let told = reasons(&script, 0);
    assert_eq!(
        told[..2],
        [HostReason::FailedThere, HostReason::MoreMemoryElsewhere]
    );
    assert!(matches!(told[2], HostReason::Busy { .. }), "{told:?}");
}

#[test]
fn a_host_that_rests_is_told_until_when() {
    let mut script = Script::new(one_by_one(20), hosts(2));
    script.all_up();
    // Three different tasks in a row fail on the first host.
    for segment in [1, 3, 4] {
        let task = script.tasks_of(segment)[0];
        script.begin(segment, task);
        script.fail(segment, task, Fault::MachineFault);
        script.over(segment);
    }
    let waiting = 19;
    assert_eq!(
        reasons(&script, waiting)[0],
        HostReason::Rests { until: at(30) }
    );
}

#[test]
fn a_missing_licence_holds_everything_for_a_while() {
    let mut script = Script::new(one_by_one(3), hosts(1));
    script.all_up();
    script.fail(1, 0, Fault::NoLicence);
    script.over(1);
    assert_eq!(hold(&script, 0), Some(Hold::Licence { until: at(5) }));
    assert_eq!(hold(&script, 2), Some(Hold::Licence { until: at(5) }));
}

#[test]
fn the_dispatch_interval_is_told_while_a_slot_waits_for_it() {
    let mut spec = one_by_one(3);
    spec.pace.dispatch_interval = Span::from_secs(5);
    let mut script = Script::new(spec, hosts(2));
    script.all_up();
    assert_eq!(hold(&script, 2), Some(Hold::Interval { until: at(5) }));
    assert!(matches!(reasons(&script, 2)[1], HostReason::Idle { .. }));
}

#[test]
fn loads_that_are_full_are_told() {
    let mut spec = one_by_one(3);
    spec.pace.loads_max = Some(1);
    let mut script = Script::new(spec, hosts(2));
    script.all_up();
    assert_eq!(hold(&script, 1), Some(Hold::Loads { loading: 1 }));
    assert_eq!(reasons(&script, 1)[1], HostReason::LoadsFull { loading: 1 });
}

#[test]
fn a_job_that_is_being_ended_keeps_tasks_back() {
    let mut spec = one_by_one(3);
    spec.limits.keep_going = false;
    spec.limits.retries = 0;
    let mut script = Script::new(spec, hosts(2));
    script.all_up();
    script.begin(1, 0);
    script.begin(2, 1);
    script.fail(1, 0, Fault::MachineFault);
    let outcome = Outcome::Failed;
    assert_eq!(hold(&script, 2), Some(Hold::Draining { outcome }));
    script.over(1);
    script.rendered(2, 1);
    script.commit(2, 1);
    script.over(2);
    assert_eq!(hold(&script, 2), Some(Hold::Over { outcome }));

    let mut script = Script::new(one_by_one(2), hosts(1));
    script.all_up();
    script.begin(1, 0);
    script.tell(Event::Cancel);
    assert_eq!(hold(&script, 1), Some(Hold::Cancelling));
    assert!(lease(&script, 0).stopping);
}

#[test]
fn what_a_blocked_task_stands_on_is_named() {
    let mut spec = job(3);
    spec.layers.push(layer(0, Scope::Frame));
    spec.layers.push(layer(0, Scope::Layer));
    add_tasks(&mut spec, 1, 3);
    add_tasks(&mut spec, 2, 1);
    let mut script = Script::new(spec, hosts(1));
    script.all_up();
    let Standing::Blocked(needs) = standing(&script, 4) else {
        panic!("it is blocked");
    };
    assert_eq!((needs.tasks, needs.count), (vec![TaskId(1)], 1));
    script.render(1, 0);
    let Standing::Blocked(needs) = standing(&script, 6) else {
        panic!("it is blocked");
    };
    assert_eq!(
        (needs.tasks.len(), needs.layers),
        (0, vec![(LayerId(0), 2)])
    );
}

#[test]
fn an_undivided_layer_waits_for_all_of_itself() {
    let mut spec = job(2);
    spec.layers.push(LayerSpec {
        undivided: true,
        ..layer(0, Scope::Frame)
    });
    add_tasks(&mut spec, 1, 2);
    let mut script = Script::new(spec, hosts(2));
    script.all_up();
    script.render(1, 0);
    assert_eq!(hold(&script, 2), Some(Hold::Undivided { blocked: 1 }));
    script.render(2, 1);
    script.over(1);
    let told = lease(&script, 3);
    assert_eq!(told.reason, SendReason::Undivided);
    // One of it comes back while the other is still out.
    script.begin(told.segment.0, 2);
    script.fail(told.segment.0, 2, Fault::MachineFault);
    assert_eq!(hold(&script, 2), Some(Hold::UndividedRuns));
}

#[test]
fn a_host_that_loads_too_long_is_not_worth_it() {
    let late = HostSpec {
        load: Some(Span::from_secs(10_000)),
        ..HostSpec::default()
    };
    let mut spec = one_by_one(4);
    spec.policy = Policy::Auto;
    let mut script = Script::new(spec, vec![HostSpec::default(), late]);
    script.all_up();
    let told = reasons(&script, 3);
    assert_eq!(
        told[1],
        HostReason::NotWorthIt {
            ready: at(10_000),
            // One load, and four tasks of 20 s.
            over: at(140)
        }
    );
    // The same of a task that waits: a kept renderer gets one after the other.
    let mut spec = job(4);
    spec.kept = true;
    let mut script = Script::new(spec, vec![HostSpec::default(), late]);
    script.all_up();
    let waits = script.farm.job().tasks().map(|task| task.0);
    let waits: Vec<u32> = waits
        .filter(|task| matches!(standing(&script, *task), Standing::Ready { .. }))
        .collect();
    assert_eq!(waits.len(), 3);
    assert_eq!(hold(&script, waits[0]), None);
    assert_eq!(
        reasons(&script, waits[0]),
        [
            HostReason::Busy { free: at(80) },
            HostReason::NotWorthIt {
                ready: at(10_000),
                over: at(140)
            }
        ]
    );
}

#[test]
fn a_slot_that_waits_for_a_tail_is_promised() {
    let mut script = Script::new(job(10), hosts(2));
    script.lose(1, false);
    script.up(0);
    script.wait(60);
    script.begin(1, script.tasks_of(1)[0]);
    script.up(1);
    let cut = script.take_cut().expect("the first segment is cut");
    let victim = SegmentId(cut.0);
    let last = *script.tasks_of(1).last().expect("a task");
    assert_eq!(reasons(&script, last)[1], HostReason::Promised { victim });
    assert_eq!(lease(&script, last).thief, Some(SlotId(1)));
    script.tell(Event::Kept {
        segment: victim,
        keep: cut.1,
    });
    assert_eq!(lease(&script, last).reason, SendReason::Tail { victim });
}

#[test]
fn a_late_task_that_two_slots_have_is_told_with_both() {
    let mut spec = job(1);
    spec.kept = true;
    let host = |speed| HostSpec {
        speed: Speed::new(speed).expect("a speed"),
        load: Some(Span::ZERO),
        ..HostSpec::default()
    };
    let mut script = Script::new(spec, vec![host(0.1), host(8.0)]);
    script.lose(1, false);
    script.up(0);
    script.begin(1, 0);
    let beside = |script: &Script| script.farm.explain(TaskId(0)).beside;
    assert_eq!(beside(&script), None);
    script.wait(3);
    script.up(1);

    let first = lease(&script, 0);
    assert_eq!((first.segment, first.begun), (SegmentId(1), true));
    let copy = beside(&script).expect("it is tried on the fast host too");
    assert_eq!((copy.segment, copy.begun), (SegmentId(2), false));
    assert_eq!(copy.reason, SendReason::Copy { of: SegmentId(1) });
    assert!(copy.ends < first.ends, "{copy:?}, {first:?}");
    script.begin(2, 0);
    assert_eq!(script.farm.explain(TaskId(0)).attempts, 2);

    // The second one wins, and the first goes on until its picture is in its place.
    script.rendered_in(2, 0, 3);
    let segment = SegmentId(2);
    assert_eq!(standing(&script, 0), Standing::Committing { segment });
    let loser = beside(&script).map(|lease| lease.segment);
    assert_eq!(loser, Some(SegmentId(1)));
    script.commit(2, 0);
    assert_eq!(standing(&script, 0), Standing::Committed);
    assert_eq!(beside(&script), None);
}

#[test]
fn why_a_task_was_given_up_is_kept() {
    let mut spec = job(1);
    spec.limits.retries = 0;
    spec.layers.push(layer(0, Scope::Frame));
    add_tasks(&mut spec, 1, 1);
    let mut script = Script::new(spec, hosts(1));
    script.all_up();
    script.begin(1, 0);
    script.fail(1, 0, Fault::Verify);
    let given_up = |reason| Standing::GivenUp {
        reason: Some(reason),
    };
    assert_eq!(
        standing(&script, 0),
        given_up(GiveUpReason::Failed {
            fault: Fault::Verify,
            failures: 1
        })
    );
    let need = TaskId(0);
    assert_eq!(standing(&script, 1), given_up(GiveUpReason::Need { need }));
}

#[test]
fn a_cost_says_what_it_is_known_by() {
    let mut spec = job(5);
    spec.layers.push(LayerSpec::default());
    add_tasks(&mut spec, 1, 2);
    let mut script = Script::new(
        spec,
        vec![HostSpec {
            speed: Speed::new(2.0).unwrap(),
            ..HostSpec::default()
        }],
    );
    script.all_up();
    let cost = |script: &Script, task| script.farm.cost(TaskId(task));
    assert_eq!(cost(&script, 4).basis, CostBasis::Before);
    assert_eq!(cost(&script, 4).seconds, Span::from_secs(20));
    let tasks = script.tasks_of(1);
    script.render_in(1, tasks[0], 20);
    script.render_in(1, tasks[1], 20);
    let told = cost(&script, 4);
    assert_eq!(told.basis, CostBasis::Layer { ended: 2 });
    assert_eq!(
        (told.seconds, told.estimate),
        (Span::from_secs(40), Span::from_secs(20))
    );
    assert!(told.spread.is_some());
    let other = cost(&script, 6);
    assert_eq!(
        (other.basis, other.spread),
        (CostBasis::Job { ended: 2 }, None)
    );
}

#[test]
fn what_is_expected_of_a_segment_is_known_when_it_is_sent() {
    let mut script = Script::new(job(2), hosts(1));
    script.all_up();
    let sent = script.farm.sent(SegmentId(1)).expect("it was sent");
    assert_eq!((sent.load, sent.ends), (Span::from_secs(60), at(100)));
    assert_eq!(script.farm.sent(SegmentId(2)), None);
}
