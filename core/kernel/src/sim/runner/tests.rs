//! That the runner sees what a farm forgot.

use super::*;
use crate::frames::Frame;
use crate::hosts::HostSpec;
use crate::ids::LayerId;
use crate::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use crate::policy::{Limits, Pace, Policy};

fn runner() -> Runner {
    let job = Job::new(JobSpec {
        layers: vec![LayerSpec::default()],
        tasks: vec![TaskSpec::new(LayerId(0), Frame(1))],
        costs: Costs {
            load: Span::ZERO,
            call: Span::ZERO,
            frame: Span::from_secs(10),
        },
        kept: true,
        policy: Policy::Auto,
        limits: Limits::default(),
        pace: Pace::default(),
        first_segment: SegmentId(1),
    })
    .unwrap();
    let hosts = vec![HostSpec::default()];
    Runner::new(World::predicted(&job, &hosts), Farm::new(job, hosts), true)
}

#[test]
fn a_renderer_that_runs_on_after_the_end_is_seen() {
    let mut runner = runner();
    runner.settle().unwrap();
    runner.hosts[0].up = true;
    runner.start(SegmentId(7), SlotId(0), vec![TaskId(0)]);
    // What it would do next is on its way.
    runner.settle().unwrap();
    while runner.clock.pop().is_some() {}
    let neglect = Neglect::LostSlot { slot: SlotId(0) };
    assert_eq!(
        runner.settle(),
        Err(SimError::Neglect {
            at: Time::ZERO,
            neglect,
        })
    );
}
