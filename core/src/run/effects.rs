//! What adapters want, and what they have found out.

use std::time::{Duration, Instant};

use framewright_kernel::event::{Event as FarmEvent, Fault};
use framewright_kernel::ids::{SegmentId, SlotId, TaskId};
use framewright_kernel::time::Span;
use framewright_plugin_api::data::{Effect, Run, Verdict};
use framewright_worker::message::{RunId, ToWorker};

use super::controller::Controller;
use super::segment::{Expected, Phase, SegmentTask, Took};
use super::session::FromSession;
use super::slots::POLITE_MS;
use crate::event::Event;

impl Controller<'_> {
    pub(super) fn on_session(&mut self, from: FromSession) {
        let Some(slot) = self.sessions.get(&from.session).copied() else {
            return;
        };
        match from.news {
            Ok(effects) => {
                for effect in effects {
                    self.on_effect(slot, effect);
                }
            }
            Err(error) => {
                let why = error.to_string();
                self.fail_remaining(slot, Verdict::AdapterFault, &why);
                self.close_session(slot);
            }
        }
    }

    fn on_effect(&mut self, slot: SlotId, effect: Effect) {
        match effect {
            Effect::Run(run) => self.start_run(slot, run),
            Effect::Write { run, text } => {
                self.say_to_run(slot, run, |run| ToWorker::Write { run, text });
            }
            Effect::Close { run } => {
                self.say_to_run(slot, run, |run| ToWorker::CloseStdin { run });
            }
            Effect::Kill { run } => {
                self.say_to_run(slot, run, |run| ToWorker::Kill {
                    run,
                    polite_ms: POLITE_MS,
                });
            }
            Effect::Loaded => self.on_loaded(slot),
            Effect::Cooled => {
                if let Some(session) = &mut self.slot(slot).session {
                    session.loading_since = None;
                }
                self.tell(&FarmEvent::SlotCooled { slot });
            }
            Effect::Progress {
                segment,
                task,
                fraction,
            } => {
                self.on_progress(SegmentId(segment), TaskId(task), fraction);
            }
            Effect::Wrote {
                segment,
                task,
                path,
            } => {
                let (segment, task) = (SegmentId(segment), TaskId(task));
                self.begin_task(segment, task);
                let Some(segment) = self.segments.get_mut(&segment) else {
                    return;
                };
                if let Some(SegmentTask {
                    phase: Phase::Rendering { wrote, .. },
                    ..
                }) = segment.find(task)
                {
                    *wrote = Some(path);
                }
            }
            Effect::TaskDone {
                segment,
                task,
                verdict,
                why,
            } => {
                self.on_task_done(SegmentId(segment), TaskId(task), verdict, why);
            }
            Effect::Kept { segment, keep } => self.on_kept(SegmentId(segment), keep),
            Effect::Failed { verdict, why, .. } => {
                self.fail_remaining(slot, verdict, &why);
            }
            Effect::Note { text } => self.warn(text),
            Effect::Scene(_) | Effect::Found(_) => {
                let id = &self.job.adapter().description().id;
                let text = format!("adapter {id} answered a question that was not asked");
                self.adapter_fault(text);
            }
        }
    }

    fn start_run(&mut self, slot: SlotId, run: Run) {
        let Some(session) = &mut self.slot(slot).session else {
            return;
        };
        session.live.insert(session.place.session.run_id(run.run));
        session.loading_since.get_or_insert_with(Instant::now);
        let order = session.place.order(run);
        self.say(slot, order);
    }

    fn say_to_run(&self, slot: SlotId, run: u32, message: impl FnOnce(RunId) -> ToWorker) {
        if let Some(session) = &self.slots[slot.0 as usize].session {
            self.say(slot, message(session.place.session.run_id(run)));
        }
    }

    fn on_loaded(&mut self, slot: SlotId) {
        // A load that each task pays is part of what the task takes.
        if self.job.prepared.inspection.description.can.loads_per_task {
            return;
        }
        let now = Instant::now();
        let Some(session) = &mut self.slot(slot).session else {
            return;
        };
        let took = session
            .loading_since
            .take()
            .map_or(Duration::ZERO, |since| now - since);
        session.is_fresh = true;
        let Some(id) = self.slot(slot).queue.front().copied() else {
            return;
        };
        if let Some(segment) = self.segments.get_mut(&id) {
            segment.ready_since = now;
        }
        let (host, on_host) = self.host_name(slot);
        let load_s = took.as_secs_f64();
        self.emit(Event::Loaded {
            segment: id.0,
            host,
            slot: on_host,
            load_s,
        });
        let took = Span::from_secs_f64(load_s) + self.warm_up(slot);
        self.tell(&FarmEvent::Loaded { segment: id, took });
    }

    /// Marks a task as begun, the first time that the adapter says anything of it.
    pub(super) fn begin_task(&mut self, id: SegmentId, task: TaskId) {
        let Some(slot) = self.segments.get(&id).map(|segment| segment.slot) else {
            return;
        };
        let host = self.slots[slot.0 as usize].host;
        let mut expected = Expected {
            own: self.farm.predicted(task, host),
            warm_up: Span::ZERO,
        };
        let warm_up = self.warm_up(slot);
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        let since = segment.ready_since;
        let Some(at) = segment.find(task) else { return };
        if !matches!(at.phase, Phase::Waiting) {
            return;
        }
        if let Some(session) = &mut self.slots[slot.0 as usize].session
            && std::mem::take(&mut session.is_fresh)
        {
            expected.warm_up = warm_up;
            self.first_tasks.insert((id, task));
        }
        at.phase = Phase::Rendering {
            since,
            expected,
            wrote: None,
        };
        let attempt = u32::from(at.attempt.0);
        let name = self.job.task_name(task);
        segment.log.task_begins(&name, attempt);
        let (host, on_host) = self.host_name(slot);
        self.emit(Event::TaskStarted {
            segment: id.0,
            task: name,
            attempt,
            host,
            slot: on_host,
        });
        self.tell(&FarmEvent::TaskBegun { segment: id, task });
    }

    fn on_progress(&mut self, segment: SegmentId, task: TaskId, fraction: f32) {
        self.begin_task(segment, task);
        let Some(slot) = self.segments.get(&segment).map(|segment| segment.slot) else {
            return;
        };
        let (host, on_host) = self.host_name(slot);
        self.emit(Event::Progress {
            segment: segment.0,
            task: self.job.task_name(task),
            host,
            slot: on_host,
            fraction: fraction.clamp(0.0, 1.0),
        });
    }

    fn on_task_done(&mut self, id: SegmentId, task: TaskId, verdict: Verdict, why: String) {
        self.begin_task(id, task);
        let now = Instant::now();
        let heard_again = self.segments.get(&id).and_then(|segment| {
            let host = self.slots[segment.slot.0 as usize].host;
            self.host(host).heard_again
        });
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        segment.ready_since = now;
        let Some(at) = segment.find(task) else {
            let text = format!(
                "the adapter concluded task {} which segment {} has not",
                task.0, id.0
            );
            self.adapter_fault(text);
            return;
        };
        // Said twice, or of a task that was cut away: the first word holds.
        let Phase::Rendering {
            since,
            expected,
            wrote,
        } = &mut at.phase
        else {
            return;
        };
        let mut took = Took {
            real: now - *since,
            expected: *expected,
        };
        if heard_again.is_some_and(|heard| heard > *since) {
            // Its end was not heard when it was: nobody knows what it took, and what the connection
            // took must not be learned as the frame's.
            took.real = Duration::from_secs_f64(took.predicted().as_secs_f64());
        }
        let wrote = wrote.take();
        if verdict == Verdict::Succeeded {
            self.check_picture(id, task, took, wrote);
        } else {
            let (fault, word) = fault_of(verdict);
            if verdict == Verdict::AdapterFault {
                self.note_adapter_fault(&why);
            }
            self.end_failed(id, task, fault, word, why);
        }
        self.close_segment_if_over(id);
    }

    fn on_kept(&mut self, id: SegmentId, keep: u32) {
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        segment.cut_from(keep);
        self.tell(&FarmEvent::Kept { segment: id, keep });
        self.close_segment_if_over(id);
    }
}

/// What a verdict means to the kernel, and its word in the journal.
pub(super) fn fault_of(verdict: Verdict) -> (Fault, &'static str) {
    match verdict {
        Verdict::Unrenderable => (Fault::Unrenderable, "unrenderable"),
        Verdict::OutOfMemory => (Fault::OutOfMemory, "out-of-memory"),
        Verdict::NoLicence => (Fault::NoLicence, "no-licence"),
        Verdict::AdapterFault => (Fault::AdapterFault, "adapter-fault"),
        // A failure that calls itself a success is the adapter's mistake, but the task is simply
        // not done: try again.
        Verdict::MachineFault | Verdict::Succeeded => (Fault::MachineFault, "machine-fault"),
    }
}
