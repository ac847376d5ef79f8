//! Pictures that turn out bad when they are put together.

mod script;

use framewright_kernel::event::{Action, Event, Fault, GiveUpReason, Outcome};
use framewright_kernel::farm::Phase;
use framewright_kernel::hosts::{HostSpec, TagSet};
use framewright_kernel::ids::{HostId, SegmentId, TaskId};
use framewright_kernel::job::{LayerSpec, Scope};

use script::{Script, add_tasks, job, layer};

fn reopen(script: &mut Script, task: u32) {
    script.tell(Event::Reopened { task: TaskId(task) });
}

fn phase(script: &Script, task: u32) -> Phase {
    script.farm.task(TaskId(task)).phase
}

fn last_outcome(script: &Script) -> Option<Outcome> {
    script.farm.outcome()
}

#[test]
fn a_bad_picture_is_rendered_once_more_and_nobody_is_to_blame() {
    let mut script = Script::new(job(3), vec![HostSpec::default()]);
    script.all_up();
    script.render(1, 0);
    reopen(&mut script, 0);
    assert_eq!(phase(&script, 0), Phase::Ready);
    script.render(1, 1);
    script.render(1, 2);
    script.over(1);
    assert_eq!(script.sent(), [(0, vec![0])]);
    let view = script.farm.task(TaskId(0));
    assert_eq!((view.attempts, view.failures), (1, 0));
    assert_eq!(script.farm.host(HostId(0)).rest_until, None);
    script.render(2, 0);
    assert_eq!(script.finished(), Some(Outcome::Done));
    assert_eq!(script.farm.task(TaskId(0)).attempts, 2);
}

#[test]
fn a_job_that_was_over_goes_on_and_knows_of_the_slots_that_ended_since() {
    let mut script = Script::new(job(2), vec![HostSpec::default(); 2]);
    script.all_up();
    script.render(1, 0);
    script.render(2, 1);
    assert_eq!(script.finished(), Some(Outcome::Done));
    // What is told of slots after the end is not lost.
    script.over(1);
    script.lose(1, false);
    script.sent();
    reopen(&mut script, 1);
    assert_eq!(last_outcome(&script), None);
    assert_eq!(script.sent(), [(0, vec![1])]);
    script.render(3, 1);
    assert_eq!(last_outcome(&script), Some(Outcome::Done));
}

#[test]
fn the_bad_picture_told_of_again_does_not_win() {
    let mut script = Script::new(job(1), vec![HostSpec::default()]);
    script.all_up();
    script.render(1, 0);
    reopen(&mut script, 0);
    script.rendered(1, 0);
    let (segment, task) = (SegmentId(1), TaskId(0));
    assert!(script.wants(&Action::Discard { segment, task }));
    assert_eq!(phase(&script, 0), Phase::Ready);
    script.over(1);
    script.render(2, 0);
    assert_eq!(last_outcome(&script), Some(Outcome::Done));
}

#[test]
fn a_job_waits_for_pictures_that_are_put_together() {
    let mut script = Script::new(job(1), vec![HostSpec::default()]);
    script.all_up();
    script.tell(Event::AssemblyBegun);
    script.render(1, 0);
    script.over(1);
    assert_eq!(script.finished(), None);
    reopen(&mut script, 0);
    script.tell(Event::AssemblyOver);
    script.render(2, 0);
    assert_eq!(script.finished(), Some(Outcome::Done));
}

#[test]
fn what_stands_on_it_and_is_with_a_slot_goes_on_and_what_waits_waits_again() {
    for scope in [Scope::Frame, Scope::Layer] {
        let mut spec = job(2);
        spec.layers.push(layer(0, scope));
        add_tasks(&mut spec, 1, 2);
        let mut script = Script::new(spec, vec![HostSpec::default()]);
        script.all_up();
        script.render(1, 0);
        script.render(1, 1);
        let behind = [phase(&script, 2), phase(&script, 3)];
        assert_eq!(behind, [Phase::Ready, Phase::Ready]);
        reopen(&mut script, 0);
        let other = match scope {
            Scope::Frame => Phase::Ready,
            Scope::Layer => Phase::Blocked,
        };
        assert_eq!(
            [phase(&script, 2), phase(&script, 3)],
            [Phase::Blocked, other]
        );
        script.over(1);
        script.render(2, 0);
        script.over(2);
        script.begin(3, 2);
        reopen(&mut script, 0);
        assert_eq!(phase(&script, 2), Phase::Begun);
        script.rendered(3, 2);
        script.commit(3, 2);
        assert_eq!(phase(&script, 2), Phase::Committed);
    }
}

#[test]
fn what_comes_back_while_what_it_stands_on_is_open_waits_for_it_and_is_lost_with_it() {
    let mut spec = job(1);
    spec.limits.retries = 0;
    spec.layers.push(layer(0, Scope::Frame));
    add_tasks(&mut spec, 1, 1);
    let mut script = Script::new(spec, vec![HostSpec::default(); 2]);
    script.all_up();
    script.render(1, 0);
    script.over(1);
    assert_eq!(phase(&script, 1), Phase::Leased);
    reopen(&mut script, 0);
    // Its slot is lost before it began.
    let slot = script.farm.task(TaskId(1)).lease.unwrap().1;
    script.lose(slot.0, false);
    assert_eq!(phase(&script, 1), Phase::Blocked);
    let segment = script.farm.task(TaskId(0)).lease.unwrap().0;
    script.begin(segment.0, 0);
    script.fail(segment.0, 0, Fault::Verify);
    let need = TaskId(0);
    assert!(script.wants(&Action::GiveUp {
        task: TaskId(1),
        reason: GiveUpReason::Need { need },
    }));
    assert_eq!(script.finished(), Some(Outcome::Failed));
}

#[test]
fn a_job_that_was_stopped_stays_so_and_leaves_the_task_to_its_resumption() {
    let mut script = Script::new(job(2), vec![HostSpec::default()]);
    script.all_up();
    script.render(1, 0);
    script.tell(Event::Cancel);
    script.over(1);
    assert_eq!(script.finished(), Some(Outcome::Cancelled));
    reopen(&mut script, 0);
    assert_eq!(script.finished(), Some(Outcome::Cancelled));
    assert_eq!(phase(&script, 0), Phase::Ready);
    // Of what is not committed there is nothing to say.
    reopen(&mut script, 1);
    reopen(&mut script, 77);
}

#[test]
fn a_task_that_no_host_can_take_any_more_is_given_up_though_others_are_under_way() {
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
    script.render(1, 0);
    script.over(1);
    script.lose(0, true);
    script.up(1);
    assert_eq!(last_outcome(&script), None);
    reopen(&mut script, 0);
    assert_eq!(phase(&script, 0), Phase::GivenUp);
}

#[test]
fn a_picture_of_an_earlier_run_that_stands_on_what_is_lost_is_lost_when_it_is_opened_again() {
    let mut spec = job(1);
    spec.limits.retries = 0;
    spec.layers.push(layer(0, Scope::Frame));
    add_tasks(&mut spec, 1, 1);
    spec.tasks[1].done = true;
    let mut script = Script::new(spec, vec![HostSpec::default()]);
    script.all_up();
    script.begin(1, 0);
    script.fail(1, 0, Fault::Unrenderable);
    reopen(&mut script, 1);
    assert_eq!(phase(&script, 1), Phase::GivenUp);
}
