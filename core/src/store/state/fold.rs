//! How each event changes the state.
//!
//! Counts are kept beside the tasks instead of being counted again, because bars ask for them at
//! every event; whatever changes a task's phase changes the counts with it.

use jiff::Timestamp;

use super::standing::{Held, Presence};
use super::{
    End, Failure, HostState, JobState, SlotState, TaskPhase, TaskState, VERDICT_LOST, WARNINGS_MAX,
    seconds,
};
use crate::event::{Event, Stamped};

impl JobState {
    /// Go on by one event.
    pub fn apply(&mut self, stamped: &Stamped) {
        let at = stamped.time;
        match &stamped.event {
            Event::JobStarted {
                tasks,
                skipped,
                slots,
                predicted_makespan_s,
                pictures,
                ..
            } => {
                self.begin(at, *tasks, *skipped, *slots);
                self.begin_pictures(*pictures);
                self.predicted_makespan_s = predicted_makespan_s.filter(|it| it.is_finite());
            }
            Event::HostUp { host, slots } => {
                let host = self.host(host);
                host.slots = *slots;
                host.turn(Presence::Up);
                host.held.waiting.clear();
            }
            Event::HostLost { host, .. } => {
                self.host(host).turn(Presence::Lost);
                self.free_slots(at, Some(host));
            }
            Event::HostSilent { host, .. } => self.host(host).fall_silent(),
            Event::HostHeard { host, .. } => self.host(host).turn(Presence::Up),
            Event::HostClosed { host, why } => self.host(host).held.closed = Some(why.clone()),
            Event::HostOpened { host } => self.host(host).held.closed = None,
            Event::SlotWaiting {
                host,
                slot,
                holders,
            } => {
                let waiting = &mut self.host(host).held.waiting;
                waiting.insert(*slot, holders.clone());
            }
            Event::SlotLeased { host, slot } => {
                self.host(host).held.waiting.remove(slot);
            }
            Event::Staged {
                host,
                bytes_sent,
                seconds,
                ..
            } => {
                let host = self.host(host);
                host.stagings += 1;
                host.staged_bytes = host.staged_bytes.saturating_add(*bytes_sent);
                host.staged_s += at_least_0(*seconds);
            }
            Event::HostJoined { host, slots } => {
                self.slots = self.slots.saturating_add(*slots);
                let host = self.host(host);
                host.slots = *slots;
                host.turn(Presence::Unheard);
                host.held = Held::default();
            }
            Event::HostDrained { host } => {
                self.free_slots(at, Some(host));
                let state = self.host(host);
                // Told twice, it is gone once.
                let is_drained = state.presence == Presence::Drained;
                let slots = if is_drained { 0 } else { state.slots };
                state.turn(Presence::Drained);
                self.slots = self.slots.saturating_sub(slots);
            }
            Event::SegmentSent {
                segment,
                host,
                slot,
                tasks,
                load_s,
                ..
            } => {
                self.send(at, *segment, host, *slot, tasks);
                if let Some(load_s) = load_s {
                    self.expect_load(host, *slot, *load_s);
                }
            }
            Event::Loaded {
                host, slot, load_s, ..
            } => {
                let expected = self.take_expected_load(host, *slot);
                let host = self.host(host);
                host.loads += 1;
                host.load_s += at_least_0(*load_s);
                host.predicted_load_s += expected;
            }
            Event::TaskStarted {
                segment,
                task,
                attempt,
                host,
                slot,
            } => self.start(at, task, *attempt, *segment, host, *slot),
            Event::TaskDone {
                segment,
                task,
                attempt,
                host,
                slot,
                render_s,
                predicted_s,
                file,
            } => {
                self.leave(host, *slot, task);
                if let Some(predicted_s) = predicted_s {
                    let host = self.host(host);
                    host.predicted += 1;
                    host.predicted_s += at_least_0(*predicted_s);
                }
                let phase = TaskPhase::Done {
                    segment: *segment,
                    attempt: *attempt,
                    host: host.clone(),
                    render_s: at_least_0(*render_s),
                    file: file.clone(),
                };
                self.finish(task, phase);
            }
            Event::TaskFailed {
                segment,
                task,
                attempt,
                host,
                slot,
                verdict,
                why,
            } => {
                self.leave(host, *slot, task);
                let failure = Failure {
                    attempt: *attempt,
                    host: host.clone(),
                    verdict: verdict.clone(),
                    why: why.clone(),
                };
                self.fail(task, *segment, failure);
            }
            Event::TaskGivenUp { task, why } => self.give_up(task, why),
            Event::SegmentEnded { host, slot, .. } => self.end_segment(at, host, *slot),
            Event::Warning { text } => {
                self.warnings_count += 1;
                if self.warnings.len() == WARNINGS_MAX {
                    self.warnings.remove(0);
                }
                self.warnings.push(text.clone());
            }
            Event::Stopping => self.is_stopping = true,
            Event::JobEnded {
                state,
                makespan_s,
                lower_bound_s,
                ..
            } => {
                self.free_slots(at, None);
                self.end = Some(End {
                    state: *state,
                    at,
                    makespan_s: at_least_0(*makespan_s),
                    lower_bound_s: lower_bound_s.filter(|bound| bound.is_finite()),
                });
            }
            Event::Assembled { .. }
            | Event::AssemblyFailed { .. }
            | Event::Reel { .. }
            | Event::ReelFailed { .. } => self.apply_to_pictures(&stamped.event),
            Event::RunStarted { .. }
            | Event::Progress { .. }
            | Event::TaskVerifying { .. }
            | Event::Assembling { .. }
            | Event::Seam { .. }
            | Event::ReelBegun { .. } => {}
        }
        self.last = Some(at);
    }

    /// A controller takes the job up. What an earlier one left half done is pending again, and so
    /// is what it had given up: a resume tries it anew.
    fn begin(&mut self, at: Timestamp, tasks: u32, skipped: u32, slots: u32) {
        let last = self.last.unwrap_or(at);
        self.free_slots(last, None);
        self.beside.clear();
        for host in self.hosts.values_mut() {
            host.turn(Presence::Unheard);
            host.held = Held::default();
        }
        if self.given_up > 0 {
            for task in self.tasks.values_mut() {
                if matches!(task.phase, TaskPhase::GivenUp { .. }) {
                    task.phase = TaskPhase::Pending;
                }
            }
            self.given_up = 0;
        }
        self.declared = tasks;
        self.skipped = skipped;
        self.slots = slots;
        self.done_now = 0;
        self.started.get_or_insert(at);
        self.taken_up = Some(at);
        self.end = None;
        self.is_stopping = false;
    }

    fn send(&mut self, at: Timestamp, segment: u64, host: &str, slot: u32, tasks: &[String]) {
        self.segments += 1;
        self.segment_next = self.segment_next.max(segment.saturating_add(1));
        for task in tasks {
            self.task(task).segments.push(segment);
        }
        let slot = self
            .busy
            .entry((host.to_owned(), slot))
            .or_insert(SlotState {
                segments: 0,
                since: at,
                task: None,
                expected_load_s: None,
            });
        slot.segments += 1;
    }

    fn expect_load(&mut self, host: &str, slot: u32, load_s: f64) {
        if let Some(slot) = self.busy.get_mut(&(host.to_owned(), slot)) {
            slot.expected_load_s = Some(at_least_0(load_s));
        }
    }

    /// What the slot's load was expected to take; nothing for one that nobody expected, as after a
    /// crash.
    fn take_expected_load(&mut self, host: &str, slot: u32) -> f64 {
        let slot = self.busy.get_mut(&(host.to_owned(), slot));
        slot.and_then(|slot| slot.expected_load_s.take())
            .unwrap_or(0.0)
    }

    fn start(
        &mut self,
        at: Timestamp,
        task: &str,
        attempt: u32,
        segment: u64,
        host: &str,
        on_host: u32,
    ) {
        if let Some(slot) = self.busy.get_mut(&(host.to_owned(), on_host)) {
            let before = slot.task.replace(task.to_owned());
            if let Some(before) = before.filter(|before| before != task) {
                self.rest(&before, host, on_host);
            }
        }
        let state = self.task(task);
        state.attempts = state.attempts.max(attempt);
        // A second host may try a task that is done meanwhile: done it stays.
        if !matches!(state.phase, TaskPhase::Pending | TaskPhase::Running { .. }) {
            return;
        }
        let phase = TaskPhase::Running {
            segment,
            host: host.to_owned(),
            slot: on_host,
            since: at,
        };
        let before = std::mem::replace(&mut state.phase, phase);
        if let TaskPhase::Running { host, slot, .. } = &before
            && self.is_at(host, *slot, task)
        {
            self.beside.insert(task.to_owned(), before);
        }
    }

    /// Whether a slot works on a task.
    fn is_at(&self, host: &str, slot: u32, task: &str) -> bool {
        let state = self.busy.get(&(host.to_owned(), slot));
        state.is_some_and(|state| state.task.as_deref() == Some(task))
    }

    /// A try that is over leaves the task to the other one, if there are two, else pending.
    /// `is_it` picks out the one that is over.
    fn end_try(&mut self, name: &str, is_it: impl Fn(&TaskPhase) -> bool) {
        if is_it(&self.task(name).phase) {
            self.task(name).phase = self.beside.remove(name).unwrap_or_default();
        } else if self.beside.get(name).is_some_and(is_it) {
            self.beside.remove(name);
        }
    }

    fn finish(&mut self, name: &str, phase: TaskPhase) {
        let TaskPhase::Done {
            attempt,
            ref host,
            render_s,
            ..
        } = phase
        else {
            return;
        };
        self.take_back(name);
        self.beside.remove(name);
        let host = self.host(host);
        host.tasks += 1;
        host.renders += 1;
        host.render_s += render_s;
        self.done += 1;
        self.done_now += 1;
        let task = self.task(name);
        task.attempts = task.attempts.max(attempt);
        task.phase = phase;
    }

    fn fail(&mut self, name: &str, segment: u64, failure: Failure) {
        let task = self.task(name);
        task.attempts = task.attempts.max(failure.attempt);
        match &task.phase {
            TaskPhase::Done {
                segment: done,
                attempt,
                file,
                ..
            } if (*done, *attempt) == (segment, failure.attempt) => {
                if failure.verdict == VERDICT_LOST
                    && let Some(file) = file
                {
                    task.own_path = Some(file.path.clone());
                }
                self.take_back(name);
            }
            TaskPhase::Pending | TaskPhase::Running { .. } => self.end_try(
                name,
                |at| matches!(at, TaskPhase::Running { segment: running, .. } if *running == segment),
            ),
            TaskPhase::Done { .. } | TaskPhase::GivenUp { .. } => {}
        }
        self.task(name).last_failure = Some(failure);
    }

    fn give_up(&mut self, name: &str, why: &str) {
        self.beside.remove(name);
        let task = self.task(name);
        let phase = TaskPhase::GivenUp {
            why: why.to_owned(),
        };
        match std::mem::replace(&mut task.phase, phase) {
            // What is committed is not given up.
            done @ TaskPhase::Done { .. } => task.phase = done,
            TaskPhase::GivenUp { .. } => {}
            TaskPhase::Pending | TaskPhase::Running { .. } => self.given_up += 1,
        }
    }

    /// A task that is done or given up becomes pending, and the counts follow.
    fn take_back(&mut self, name: &str) {
        let task = self.task(name);
        match std::mem::take(&mut task.phase) {
            TaskPhase::Done { host, .. } => {
                self.done -= 1;
                self.done_now = self.done_now.saturating_sub(1);
                self.host(&host).tasks -= 1;
            }
            TaskPhase::GivenUp { .. } => self.given_up -= 1,
            TaskPhase::Pending | TaskPhase::Running { .. } => {}
        }
    }

    /// The slot's renderer no longer works on this task.
    fn leave(&mut self, host: &str, slot: u32, task: &str) {
        if let Some(slot) = self.busy.get_mut(&(host.to_owned(), slot))
            && slot.task.as_deref() == Some(task)
        {
            slot.task = None;
        }
    }

    /// A slot renders a task no longer that it had.
    fn rest(&mut self, name: &str, on: &str, on_host: u32) {
        self.end_try(
            name,
            |at| matches!(at, TaskPhase::Running { host, slot, .. } if host == on && *slot == on_host),
        );
    }

    fn end_segment(&mut self, at: Timestamp, host: &str, slot: u32) {
        let key = (host.to_owned(), slot);
        let Some(state) = self.busy.get_mut(&key) else {
            return;
        };
        if state.segments > 1 {
            state.segments -= 1;
            return;
        }
        if let Some(state) = self.busy.remove(&key) {
            self.close_slot(at, host, slot, state);
        }
    }

    fn free_slots(&mut self, at: Timestamp, only: Option<&str>) {
        let keys: Vec<_> = self
            .busy
            .keys()
            .filter(|(host, _)| only.is_none_or(|only| only == host))
            .cloned()
            .collect();
        for key in keys {
            if let Some(state) = self.busy.remove(&key) {
                self.close_slot(at, &key.0, key.1, state);
            }
        }
    }

    fn close_slot(&mut self, at: Timestamp, host: &str, slot: u32, state: SlotState) {
        self.host(host).busy_s += seconds(state.since, at);
        if let Some(task) = state.task {
            self.rest(&task, host, slot);
        }
    }

    fn task(&mut self, name: &str) -> &mut TaskState {
        if !self.tasks.contains_key(name) {
            self.tasks.insert(name.to_owned(), TaskState::default());
        }
        self.tasks.get_mut(name).expect("it was just inserted")
    }

    fn host(&mut self, name: &str) -> &mut HostState {
        if !self.hosts.contains_key(name) {
            self.hosts.insert(name.to_owned(), HostState::default());
        }
        self.hosts.get_mut(name).expect("it was just inserted")
    }
}

fn at_least_0(number: f64) -> f64 {
    if number.is_finite() {
        number.max(0.0)
    } else {
        0.0
    }
}
