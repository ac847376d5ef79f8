//! Slots that are closed and opened, hosts that fall silent and are heard again, hosts that join and
//! leave while the job runs.

mod script;

use framewright_kernel::event::{Action, Event, Fault, GiveUpReason, Outcome, StopReason};
use framewright_kernel::farm::{Hold, HostReason, Phase, Presence, Standing};
use framewright_kernel::hosts::{Bytes, HostSpec};
use framewright_kernel::ids::{HostId, SegmentId, SlotId, TaskId};
use framewright_kernel::job::JobSpec;
use framewright_kernel::policy::Policy;
use framewright_kernel::time::Span;
use script::{Script, job};

/// Three tasks a segment, nothing is cut or copied by itself.
fn fixed(frames: i32) -> JobSpec {
    JobSpec {
        policy: Policy::Fixed(3),
        ..job(frames)
    }
}

fn hosts(count: usize) -> Vec<HostSpec> {
    vec![HostSpec::default(); count]
}

fn phase(script: &Script, task: u32) -> Phase {
    script.farm.task(TaskId(task)).phase
}

fn stop(segment: u64, reason: StopReason) -> Action {
    let segment = SegmentId(segment);
    Action::Stop { segment, reason }
}

// ---- slots ------------------------------------------------------------------------------------

#[test]
fn a_slot_closed_before_its_host_answers_gets_nothing_until_it_is_opened() {
    let mut script = Script::new(fixed(6), hosts(2));
    script.close(0);
    script.close(0);
    assert_eq!(script.all_up(), [(1, vec![0, 1, 2])]);
    script.lose(0, false);
    script.up(0);
    assert_eq!(script.sent(), [], "it is closed whatever its host does");
    script.open(0);
    assert_eq!(script.sent(), [(0, vec![3, 4, 5])]);
    script.open(0);
    assert_eq!(script.sent(), []);
}

#[test]
fn what_loads_on_a_closed_slot_is_stopped_and_goes_to_others() {
    let mut script = Script::new(fixed(3), hosts(2));
    assert_eq!(script.all_up(), [(0, vec![0, 1, 2])]);
    script.close(0);
    assert!(script.wants(&stop(1, StopReason::Closed)));
    script.over(1);
    assert_eq!(script.sent(), [(1, vec![0, 1, 2])]);
    assert_eq!(script.farm.task(TaskId(0)).failures, 0, "nobody failed");
}

#[test]
fn a_closed_slot_ends_what_it_has_begun() {
    let mut script = Script::new(fixed(3), hosts(2));
    script.all_up();
    script.begin(1, 0);
    script.close(0);
    assert!(!script.has_stopped());
    assert_eq!(script.take_cut(), Some((1, 1)));
    script.tell(Event::Kept {
        segment: SegmentId(1),
        keep: 1,
    });
    assert_eq!(script.sent(), [(1, vec![1, 2])], "the rest is anybody's");
    script.rendered(1, 0);
    script.commit(1, 0);
    script.over(1);
    assert_eq!(phase(&script, 0), Phase::Committed);
    script.render(2, 1);
    script.render(2, 2);
    assert_eq!(script.finished(), Some(Outcome::Done));
}

#[test]
fn a_loaded_renderer_only_loses_what_it_has_not_begun() {
    let mut spec = fixed(6);
    spec.kept = true;
    let mut script = Script::new(spec, hosts(1));
    script.all_up();
    script.render(1, 0);
    script.render(1, 1);
    script.render(1, 2);
    script.over(1);
    assert_eq!(script.sent(), [(0, vec![3, 4, 5])]);
    script.close(0);
    assert!(!script.has_stopped(), "it has the scene, and keeps it");
    assert_eq!(script.take_cut(), Some((2, 0)));
    script.tell(Event::Kept {
        segment: SegmentId(2),
        keep: 0,
    });
    script.over(2);
    assert_eq!(phase(&script, 3), Phase::Ready);
    assert_eq!(script.farm.task(TaskId(3)).failures, 0);
    assert_eq!(script.finished(), None, "the job waits");
    script.open(0);
    assert_eq!(script.sent(), [(0, vec![3, 4, 5])]);
}

#[test]
fn a_slot_opened_while_its_segment_still_runs_goes_on_afterwards() {
    let mut script = Script::new(fixed(6), hosts(1));
    script.all_up();
    script.begin(1, 0);
    script.close(0);
    script.open(0);
    script.tell(Event::Kept {
        segment: SegmentId(1),
        keep: 1,
    });
    script.rendered(1, 0);
    script.over(1);
    assert_eq!(script.sent(), [(0, vec![1, 2, 3])]);
}

#[test]
fn a_second_cut_of_a_closed_slot_is_heard_too() {
    let mut spec = job(40);
    spec.costs.load = Span::from_secs(1);
    let mut script = Script::new(spec, hosts(2));
    script.all_up();
    let tasks = script.tasks_of(1);
    script.begin(1, tasks[0]);
    for task in script.tasks_of(2) {
        script.render_in(2, task, 1);
    }
    script.over(2);
    let (victim, keep) = script.take_cut().expect("the idle slot asks for a part");
    script.close(0);
    assert_eq!((victim, script.take_cut()), (1, Some((1, 1))));
    assert!(keep > 1);
    let segment = SegmentId(1);
    script.tell(Event::Kept { segment, keep });
    script.tell(Event::Kept { segment, keep: 1 });
    for task in &tasks[1..] {
        let lease = script.farm.task(TaskId(*task)).lease;
        assert_ne!(lease.map(|lease| lease.0), Some(segment), "task {task}");
    }
    script.rendered(1, tasks[0]);
    script.over(1);
    assert_eq!(script.farm.task(TaskId(tasks[1])).failures, 0);
}

#[test]
fn a_failed_task_does_not_wait_for_a_host_that_is_closed() {
    let mut script = Script::new(fixed(1), hosts(2));
    script.all_up();
    script.begin(1, 0);
    script.close(1);
    script.fail(1, 0, Fault::MachineFault);
    script.over(1);
    assert_eq!(
        script.sent(),
        [(0, vec![0])],
        "where it failed, for want of others"
    );
}

// ---- silence ----------------------------------------------------------------------------------

#[test]
fn a_silent_host_keeps_what_it_has_and_gets_nothing() {
    let mut script = Script::new(fixed(9), hosts(2));
    script.all_up();
    script.silence(0);
    script.silence(0);
    assert_eq!(script.farm.host(HostId(0)).presence, Presence::Silent);
    assert_eq!(phase(&script, 0), Phase::Leased);
    script.render(2, 3);
    script.render(2, 4);
    script.render(2, 5);
    script.over(2);
    assert_eq!(script.sent(), [(1, vec![6, 7, 8])]);
    script.hear(0);
    script.render(1, 0);
    script.render(1, 1);
    script.render(1, 2);
    script.over(1);
    assert_eq!(script.farm.counts().committed, 6);
}

#[test]
fn no_limit_runs_while_a_host_is_silent() {
    let mut spec = fixed(3);
    spec.limits.task_limit = Some(Span::from_secs(100));
    let mut script = Script::new(spec, hosts(1));
    script.all_up();
    script.begin(1, 0);
    script.wait(90);
    script.silence(0);
    script.wait(1_000);
    script.tell(Event::Tick);
    script.hear(0);
    assert!(!script.has_stopped());
    script.wait(99);
    script.tell(Event::Tick);
    assert!(!script.has_stopped(), "it counts from when it was heard");
    script.wait(1);
    script.tell(Event::Tick);
    let task = TaskId(0);
    assert!(script.wants(&stop(1, StopReason::TaskLimit { task })));
}

#[test]
fn a_load_is_not_overdue_either() {
    let mut script = Script::new(fixed(3), hosts(1));
    script.all_up();
    script.silence(0);
    script.wait(100_000);
    script.tell(Event::Tick);
    script.hear(0);
    script.wait(599);
    script.tell(Event::Tick);
    assert!(!script.has_stopped());
    script.wait(1);
    script.tell(Event::Tick);
    assert!(script.wants(&stop(1, StopReason::LoadLimit)));
}

/// Two hosts with a frame of 20 s each, the second done, the first at it for so long.
fn last_frame(after: u64) -> Script {
    let mut spec = job(2);
    spec.kept = true;
    spec.costs.load = Span::ZERO;
    let mut script = Script::new(spec, hosts(2));
    script.all_up();
    script.begin(1, script.tasks_of(1)[0]);
    script.begin(2, script.tasks_of(2)[0]);
    script.wait(after);
    script.rendered(2, script.tasks_of(2)[0]);
    script.commit(2, script.tasks_of(2)[0]);
    script
}

#[test]
fn silence_alone_is_no_reason_to_try_a_task_elsewhere() {
    let mut script = last_frame(15);
    script.silence(0);
    script.over(2);
    for _ in 0..30 {
        script.wait(60);
        script.tell(Event::Tick);
    }
    script.sent();
    assert_eq!(script.farm.counts().rendering, 1);
    assert!(script.farm.next_alarm().is_none_or(|at| at > script.now));
    script.hear(0);
    script.rendered(1, script.tasks_of(1)[0]);
    script.commit(1, script.tasks_of(1)[0]);
    assert_eq!(script.finished(), Some(Outcome::Done));
}

#[test]
fn without_the_silence_it_would_have_been_tried() {
    let mut script = last_frame(15);
    script.over(2);
    script.sent();
    for _ in 0..30 {
        script.wait(60);
        script.tell(Event::Tick);
    }
    assert_eq!(script.sent().len(), 1, "a copy of what takes so long");
}

#[test]
fn a_silent_host_that_comes_up_begins_anew() {
    let mut script = Script::new(fixed(3), hosts(1));
    script.all_up();
    script.begin(1, 0);
    script.silence(0);
    script.up(0);
    assert_eq!(script.sent(), [(0, vec![1, 2, 0])]);
    assert_eq!(script.farm.task(TaskId(0)).failures, 1);
    script.silence(0);
    script.lose(0, false);
    script.hear(0);
    assert_eq!(script.farm.host(HostId(0)).presence, Presence::Lost);
    assert_eq!(script.farm.counts().ready, 3);
    assert_eq!(script.finished(), None);
}

// ---- joining and leaving ----------------------------------------------------------------------

#[test]
fn a_host_that_joins_takes_its_share() {
    let mut script = Script::new(fixed(6), hosts(1));
    assert_eq!(script.all_up(), [(0, vec![0, 1, 2])]);
    let host = script.join(HostSpec {
        slots: 2,
        ..HostSpec::default()
    });
    assert_eq!(host, 1);
    assert_eq!(script.sent(), [], "it has not answered yet");
    assert_eq!(script.farm.host(HostId(1)).presence, Presence::Expected);
    script.up(1);
    assert_eq!(script.sent(), [(1, vec![3, 4, 5])]);
    let slots: Vec<SlotId> = script.farm.slots_of(HostId(1)).collect();
    assert_eq!(slots, [SlotId(1), SlotId(2)]);
}

#[test]
fn what_was_given_up_for_want_of_a_host_stays_so() {
    let mut spec = fixed(3);
    spec.layers[0].memory = Bytes(8);
    let mut script = Script::new(spec, hosts(1));
    let small = HostSpec {
        memory: Some(Bytes(4)),
        ..HostSpec::default()
    };
    script.all_up();
    script.join(small);
    script.up(1);
    assert!(matches!(
        script.farm.explain(TaskId(0)).standing,
        Standing::Leased(_)
    ));
    let mut spec = fixed(3);
    spec.layers[0].memory = Bytes(8);
    let mut script = Script::new(spec, vec![small, small]);
    script.all_up();
    assert_eq!(script.finished(), Some(Outcome::Failed));
    script.join(HostSpec::default());
    script.up(2);
    let reason = GiveUpReason::NoHostMemory;
    assert_eq!(
        script.farm.explain(TaskId(0)).standing,
        Standing::GivenUp {
            reason: Some(reason)
        }
    );
}

#[test]
fn a_host_leaves_without_a_failure_and_the_last_one_ends_the_job() {
    let mut script = Script::new(fixed(6), hosts(2));
    script.all_up();
    script.begin(1, 0);
    script.close(0);
    script.tell(Event::Kept {
        segment: SegmentId(1),
        keep: 1,
    });
    script.rendered(1, 0);
    script.commit(1, 0);
    script.over(1);
    script.lose(0, true);
    assert_eq!(script.farm.counts().given_up, 0);
    script.close(1);
    script.over(2);
    assert_eq!(script.finished(), None, "it waits, all slots closed");
    script.lose(1, true);
    assert_eq!(script.finished(), Some(Outcome::Failed));
}

// ---- what is said of it -----------------------------------------------------------------------

#[test]
fn explanations_name_closed_slots_and_silent_hosts() {
    let mut script = Script::new(fixed(9), hosts(2));
    script.all_up();
    script.close(0);
    script.silence(1);
    let told = script.farm.explain(TaskId(8));
    let reasons: Vec<HostReason> = told.hosts.iter().map(|host| host.reason).collect();
    assert_eq!(reasons, [HostReason::Closed, HostReason::Silent]);
    let hold = |script: &Script| match script.farm.explain(TaskId(8)).standing {
        Standing::Ready { hold, .. } => hold,
        other => panic!("it waits: {other:?}"),
    };
    assert_eq!(hold(&script), Some(Hold::Silent));
    assert_eq!(script.farm.predicted_end(), None, "nobody takes what waits");
    script.hear(1);
    assert_eq!(hold(&script), None);
    script.close(1);
    assert_eq!(hold(&script), Some(Hold::Closed));
    assert!(!script.farm.is_open(SlotId(1)));
}

#[test]
fn unknown_slots_and_hosts_change_nothing() {
    let mut script = Script::new(fixed(3), hosts(1));
    script.close(7);
    script.open(7);
    script.silence(7);
    script.hear(7);
    assert_eq!(script.all_up(), [(0, vec![0, 1, 2])]);
}

#[test]
fn memory_of_a_host_counts_once_it_is_known() {
    let mut spec = fixed(3);
    spec.layers[0].memory = Bytes(8);
    let mut script = Script::new(spec, hosts(2));
    let now = script.farm.now();
    script.farm.know_memory(now, HostId(0), Bytes(4));
    assert_eq!(script.all_up(), [(1, vec![0, 1, 2])]);
    // What was said at the start stands.
    script.farm.know_memory(now, HostId(0), Bytes(16));
    let reason = |script: &Script, host: usize| script.farm.explain(TaskId(1)).hosts[host].reason;
    assert!(matches!(
        reason(&script, 0),
        HostReason::LacksMemory { needs, has } if (needs, has) == (Bytes(8), Bytes(4))
    ));
    assert!(script.farm.check().is_ok());

    let mut spec = fixed(3);
    spec.layers[0].memory = Bytes(8);
    let mut script = Script::new(spec, hosts(1));
    script.farm.know_memory(now, HostId(0), Bytes(4));
    script.all_up();
    assert_eq!(script.finished(), Some(Outcome::Failed));
}
