//! A caller of the farm that does only what a test says. After each event the farm's invariants are
//! checked, and an auditor watches.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use framewright_kernel::Farm;
use framewright_kernel::event::{Action, Event, Fault, Outcome};
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::HostSpec;
use framewright_kernel::ids::{HostId, LayerId, SegmentId, SlotId, TaskId};
use framewright_kernel::job::{After, Costs, Job, JobSpec, LayerSpec, Scope, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::sim::Auditor;
use framewright_kernel::time::{Span, Time};

/// One layer of so many frames of 20 s, 60 s to load, loaded anew for each segment.
pub fn job(frames: i32) -> JobSpec {
    JobSpec {
        layers: vec![LayerSpec::default()],
        tasks: (1..=frames)
            .map(|frame| TaskSpec {
                cost: Some(Span::from_secs(20)),
                ..TaskSpec::new(LayerId(0), Frame(frame))
            })
            .collect(),
        costs: Costs {
            load: Span::from_secs(60),
            call: Span::ZERO,
            frame: Span::from_secs(20),
        },
        kept: false,
        policy: Policy::Auto,
        limits: Limits {
            retries: 2,
            ..Limits::default()
        },
        pace: Pace::default(),
        first_segment: SegmentId(1),
    }
}

/// A layer behind another one.
pub fn layer(after: u16, scope: Scope) -> LayerSpec {
    LayerSpec {
        after: vec![After {
            layer: LayerId(after),
            scope,
        }],
        ..LayerSpec::default()
    }
}

pub fn add_tasks(spec: &mut JobSpec, layer: u16, frames: i32) {
    spec.tasks
        .extend((1..=frames).map(|frame| TaskSpec::new(LayerId(layer), Frame(frame))));
}

pub struct Script {
    pub farm: Farm,
    pub now: Time,
    auditor: Auditor,
    log: Vec<Action>,
    seen: usize,
}

impl Script {
    pub fn new(spec: JobSpec, hosts: Vec<HostSpec>) -> Script {
        let job = Job::new(spec).expect("a job");
        let auditor = Auditor::new(job.task_count(), job.done());
        Script {
            farm: Farm::new(job, hosts),
            now: Time::ZERO,
            auditor,
            log: Vec::new(),
            seen: 0,
        }
    }

    fn handle(&mut self, event: Event) {
        let named = match event {
            Event::HostLost { host, .. }
            | Event::HostUp { host }
            | Event::HostSilent { host }
            | Event::HostHeard { host } => Some(host),
            _ => None,
        };
        let named = named.filter(|host| (host.0 as usize) < self.farm.hosts().count());
        let slots = named.map(|host| self.farm.slots_of(host));
        let known = |task: TaskId| task.0 < self.farm.job().task_count();
        let audited = match event {
            // The auditor takes commits at their word; these are made up by a test.
            Event::Committed { task, .. } | Event::CommitFailed { task, .. } => {
                known(task)
                    && self.farm.task(task).phase == framewright_kernel::farm::Phase::Committing
            }
            _ => true,
        };
        if audited {
            self.auditor.told(&event, slots.into_iter().flatten());
        }
        self.farm.handle(self.now, &event);
    }

    fn drain(&mut self) {
        for action in self.farm.drain() {
            let allowed = self.auditor.wanted(&action);
            allowed.expect("the farm keeps the rules");
            self.log.push(action);
        }
        self.farm.check().expect("the farm's state holds");
    }

    pub fn tell(&mut self, event: Event) {
        self.handle(event);
        self.drain();
    }

    pub fn up(&mut self, host: u32) {
        self.tell(Event::HostUp { host: HostId(host) });
    }

    /// All hosts at once; what is sent then.
    pub fn all_up(&mut self) -> Vec<(u32, Vec<u32>)> {
        for host in self.farm.hosts() {
            self.handle(Event::HostUp { host });
        }
        self.drain();
        self.sent()
    }

    pub fn lose(&mut self, host: u32, for_good: bool) {
        let host = HostId(host);
        self.tell(Event::HostLost { host, for_good });
    }

    pub fn close(&mut self, slot: u32) {
        self.tell(Event::SlotClosed { slot: SlotId(slot) });
    }

    pub fn open(&mut self, slot: u32) {
        self.tell(Event::SlotOpened { slot: SlotId(slot) });
    }

    pub fn silence(&mut self, host: u32) {
        self.tell(Event::HostSilent { host: HostId(host) });
    }

    pub fn hear(&mut self, host: u32) {
        self.tell(Event::HostHeard { host: HostId(host) });
    }

    pub fn join(&mut self, spec: HostSpec) -> u32 {
        let host = self.farm.join(self.now, spec);
        self.drain();
        host.0
    }

    pub fn begin(&mut self, segment: u64, task: u32) {
        let (segment, task) = (SegmentId(segment), TaskId(task));
        self.tell(Event::TaskBegun { segment, task });
    }

    pub fn rendered(&mut self, segment: u64, task: u32) {
        self.rendered_in(segment, task, 20);
    }

    pub fn rendered_in(&mut self, segment: u64, task: u32, seconds: u64) {
        let (segment, task) = (SegmentId(segment), TaskId(task));
        let took = Span::from_secs(seconds);
        self.tell(Event::Rendered {
            segment,
            task,
            took,
        });
    }

    pub fn commit(&mut self, segment: u64, task: u32) {
        let (segment, task) = (SegmentId(segment), TaskId(task));
        self.tell(Event::Committed { segment, task });
    }

    /// From its beginning to its final place, in no time.
    pub fn render(&mut self, segment: u64, task: u32) {
        self.begin(segment, task);
        self.rendered(segment, task);
        self.commit(segment, task);
    }

    pub fn render_in(&mut self, segment: u64, task: u32, seconds: u64) {
        self.begin(segment, task);
        self.wait(seconds);
        self.rendered_in(segment, task, seconds);
        self.commit(segment, task);
    }

    pub fn fail(&mut self, segment: u64, task: u32, fault: Fault) {
        let (segment, task) = (SegmentId(segment), TaskId(task));
        self.tell(Event::TaskFailed {
            segment,
            task,
            fault,
        });
    }

    pub fn over(&mut self, segment: u64) {
        let segment = SegmentId(segment);
        self.tell(Event::SegmentOver { segment });
    }

    pub fn wait(&mut self, seconds: u64) {
        self.now = self.now + Span::from_secs(seconds);
    }

    /// Lets time go on until an alarm makes the farm want something. Alarms may come too soon.
    pub fn sleep_until_alarm(&mut self) {
        let before = self.log.len();
        for _ in 0..100 {
            self.now = self.farm.next_alarm().expect("an alarm is set");
            self.tell(Event::Tick);
            if self.log.len() > before {
                return;
            }
        }
        panic!("a hundred alarms, and nothing is wanted");
    }

    /// Lets time go on to the next alarm, whatever comes of it.
    pub fn sleep_a_little(&mut self) {
        self.now = self.farm.next_alarm().unwrap_or(self.now).max(self.now);
        self.tell(Event::Tick);
    }

    /// Whether a renderer was to be ended, so far.
    pub fn has_stopped(&self) -> bool {
        let stop = |action: &Action| matches!(action, Action::Stop { .. });
        self.log.iter().any(stop)
    }

    /// What was sent since this was asked last: slot, tasks.
    pub fn sent(&mut self) -> Vec<(u32, Vec<u32>)> {
        let new = &self.log[self.seen..];
        self.seen = self.log.len();
        new.iter()
            .filter_map(|action| match action {
                Action::Send { slot, leases, .. } => {
                    Some((slot.0, leases.iter().map(|(task, _)| task.0).collect()))
                }
                _ => None,
            })
            .collect()
    }

    pub fn leases_of(&self, wanted: u64) -> Vec<(u32, u16)> {
        let leases = self.log.iter().find_map(|action| match action {
            Action::Send {
                segment, leases, ..
            } if segment.0 == wanted => Some(leases),
            _ => None,
        });
        let leases = leases.expect("the segment was sent");
        leases.iter().map(|(task, no)| (task.0, no.0)).collect()
    }

    pub fn tasks_of(&self, segment: u64) -> Vec<u32> {
        self.leases_of(segment)
            .iter()
            .map(|lease| lease.0)
            .collect()
    }

    /// Commits wanted since this was asked last.
    pub fn take_commits(&mut self) -> Vec<(u64, u32)> {
        let mut commits = Vec::new();
        self.log.retain(|action| match action {
            Action::Commit { segment, task } => {
                commits.push((segment.0, task.0));
                false
            }
            _ => true,
        });
        self.seen = self.seen.min(self.log.len());
        commits
    }

    /// The last cut that was wanted and not asked for yet.
    pub fn take_cut(&mut self) -> Option<(u64, u32)> {
        let place = self
            .log
            .iter()
            .rposition(|action| matches!(action, Action::Cut { .. }))?;
        let Action::Cut { segment, keep } = self.log.remove(place) else {
            unreachable!("it was one a moment ago");
        };
        self.seen = self.seen.min(place);
        Some((segment.0, keep))
    }

    pub fn wants(&self, action: &Action) -> bool {
        self.log.contains(action)
    }

    pub fn finished(&self) -> Option<Outcome> {
        let said: Vec<Outcome> = self
            .log
            .iter()
            .filter_map(|action| match action {
                Action::Finished { outcome } => Some(*outcome),
                _ => None,
            })
            .collect();
        assert!(said.len() <= 1, "the end is said once");
        assert_eq!(said.first().copied(), self.farm.outcome());
        said.first().copied()
    }
}
