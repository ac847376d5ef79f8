//! Slots at work: segments going out, effects coming back.
//!
//! A slot has at most one adapter session, opened with its first segment and kept until the slot
//! is stopped or its worker lost; whether the renderer stays loaded between segments is the
//! adapter's affair. A segment is over when the adapter has concluded every task of it that was
//! not cut away and each written picture has been read: only then is the slot free again, so
//! what the kernel calls idle really is.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use framewright_kernel::event::{Event as FarmEvent, Fault, StopReason};
use framewright_kernel::ids::{Attempt, HostId, SegmentId, SlotId, TaskId};
use framewright_kernel::time::Span;
use framewright_plugin_api::data::{Activity, Effect, FORMAT, Input, Open, Task, Verdict};
use framewright_worker::message::{FromWorker, RequestId, RunId, SlotId as WorkerSlot, ToWorker};

use super::controller::Controller;
use super::session::{FromSession, Place, SessionHandle, SessionNumber};
use crate::event::Event;
use crate::request::HostEntry;
use crate::store::{LogError, SegmentLog};

/// How long a renderer that is no longer wanted may take to end by itself.
const POLITE_MS: u32 = 1_000;

/// A slot.
#[derive(Debug)]
pub(super) struct Slot {
    pub host: HostId,
    pub on_host: u32,
    session: Option<Session>,
    /// Segments given to it and not yet over, oldest first.
    queue: VecDeque<SegmentId>,
}

/// A slot's adapter session.
#[derive(Debug)]
struct Session {
    handle: SessionHandle,
    place: Place,
    live: BTreeSet<RunId>,
    /// Orders that wait until a segment's folder is there, oldest first.
    held: VecDeque<Held>,
    /// When the renderer that is now loading was asked for.
    loading_since: Option<Instant>,
    restarts: u32,
}

/// An order to a session, or what it and all later ones wait for. A renderer that is warm writes
/// its first picture sooner than another thread may have made the folder for it.
#[derive(Debug)]
enum Held {
    /// The worker's answer that the folder is made.
    Folder(RequestId),
    /// The order itself.
    Order(Input),
}

/// A task within a segment.
#[derive(Debug)]
pub(super) struct SegmentTask {
    pub task: TaskId,
    pub attempt: Attempt,
    pub phase: Phase,
}

/// How far a task of a segment is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not begun.
    Waiting,
    /// Being rendered.
    Rendering {
        since: Instant,
        wrote: Option<String>,
    },
    /// Written; the worker reads it.
    Checking,
    /// Nothing more to come under this segment.
    Ended,
    /// Cut away.
    Cut,
}

impl Phase {
    fn is_open(&self) -> bool {
        match self {
            Phase::Waiting | Phase::Rendering { .. } | Phase::Checking => true,
            Phase::Ended | Phase::Cut => false,
        }
    }

    fn is_unconcluded(&self) -> bool {
        matches!(self, Phase::Waiting | Phase::Rendering { .. })
    }
}

/// A segment at work. Its tasks are concluded in order, nearly always, so the one that is asked
/// for is looked for from the last one found: a segment of 100,000 tasks costs no more per task
/// than one of ten.
#[derive(Debug)]
pub(super) struct Segment {
    pub slot: SlotId,
    tasks: Vec<SegmentTask>,
    cursor: usize,
    open: usize,
    log: Log,
    /// When its renderer was last ready for the next task: loaded, or done with the one before.
    ready_since: Instant,
}

impl Segment {
    fn new(slot: SlotId, leases: &[(TaskId, Attempt)], log: Log) -> Self {
        let tasks: Vec<_> = leases
            .iter()
            .map(|&(task, attempt)| SegmentTask {
                task,
                attempt,
                phase: Phase::Waiting,
            })
            .collect();
        let open = tasks.len();
        Self {
            slot,
            tasks,
            cursor: 0,
            open,
            log,
            ready_since: Instant::now(),
        }
    }

    fn find(&mut self, task: TaskId) -> Option<&mut SegmentTask> {
        let (before, after) = self.tasks.split_at(self.cursor);
        let found = after
            .iter()
            .position(|at| at.task == task)
            .map(|index| index + self.cursor)
            .or_else(|| before.iter().position(|at| at.task == task))?;
        self.cursor = found;
        Some(&mut self.tasks[found])
    }

    /// Sets a task's phase and gives the one before; `None` for a task that it does not have.
    pub(super) fn set_phase(&mut self, task: TaskId, phase: Phase) -> Option<Phase> {
        let at = self.find(task)?;
        let opened = usize::from(phase.is_open());
        let closed = usize::from(at.phase.is_open());
        let before = std::mem::replace(&mut at.phase, phase);
        self.open = self.open + opened - closed;
        Some(before)
    }

    pub(super) fn attempt(&mut self, task: TaskId) -> Option<Attempt> {
        self.find(task).map(|at| at.attempt)
    }

    fn is_over(&self) -> bool {
        self.open == 0
    }

    /// Tasks that were neither concluded nor cut away, in order.
    fn unconcluded(&self) -> Vec<TaskId> {
        self.tasks
            .iter()
            .filter(|at| at.phase.is_unconcluded())
            .map(|at| at.task)
            .collect()
    }

    /// Cuts away what has not begun from `keep` on.
    fn cut_from(&mut self, keep: u32) {
        for at in self.tasks.iter_mut().skip(keep as usize) {
            if matches!(at.phase, Phase::Waiting) {
                at.phase = Phase::Cut;
                self.open -= 1;
            }
        }
    }
}

/// A segment's log, with its clock; nothing where it could not be opened.
#[derive(Debug)]
struct Log {
    file: Option<SegmentLog>,
    since: Instant,
}

impl Log {
    fn line(&mut self, is_stderr: bool, text: &str) {
        if let Some(file) = &mut self.file {
            file.line(self.since.elapsed(), is_stderr, text);
        }
    }

    fn note(&mut self, text: &str) {
        if let Some(file) = &mut self.file {
            file.note(self.since.elapsed(), text);
        }
    }

    fn task_begins(&mut self, task: &str, attempt: u32) {
        if let Some(file) = &mut self.file {
            file.task_begins(self.since.elapsed(), task, attempt);
        }
    }

    fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            file.flush();
        }
    }

    fn finish(self) -> Result<(), LogError> {
        self.file.map_or(Ok(()), SegmentLog::finish)
    }
}

impl Slot {
    pub(super) fn all(entries: &[HostEntry]) -> Vec<Self> {
        let mut slots = Vec::new();
        for (host, entry) in entries.iter().enumerate() {
            for on_host in 0..entry.slots {
                slots.push(Self {
                    host: HostId(u32::try_from(host).expect("hosts are counted in u32")),
                    on_host,
                    session: None,
                    queue: VecDeque::new(),
                });
            }
        }
        slots
    }
}

impl Controller<'_> {
    fn slot(&mut self, slot: SlotId) -> &mut Slot {
        &mut self.slots[slot.0 as usize]
    }

    pub(super) fn host_name(&self, slot: SlotId) -> (String, u32) {
        let slot = &self.slots[slot.0 as usize];
        (self.host(slot.host).name.clone(), slot.on_host)
    }

    // ---- orders of the kernel -------------------------------------------------------------

    pub(super) fn send_segment(
        &mut self,
        segment: SegmentId,
        slot: SlotId,
        leases: &[(TaskId, Attempt)],
    ) {
        let (host, on_host) = self.host_name(slot);
        let names: Vec<String> = leases
            .iter()
            .map(|(task, _)| self.job.task_name(*task))
            .collect();
        let folder = self.job.segment_folder(segment);
        let log = self.open_log(segment, &host, on_host, &names);
        self.emit(Event::SegmentSent {
            segment: segment.0,
            host,
            slot: on_host,
            tasks: names,
        });
        self.segments
            .insert(segment, Segment::new(slot, leases, log));
        self.slot(slot).queue.push_back(segment);
        if !self.open_session(slot) {
            // The worker was lost in the same breath; the kernel hears of it next.
            return;
        }
        if self.job.writes_files() {
            let request = self.numbers.request();
            self.say(
                slot,
                ToWorker::MakeDir {
                    request,
                    path: folder.clone(),
                },
            );
            if let Some(session) = &mut self.slot(slot).session {
                session.held.push_back(Held::Folder(request));
            }
        }
        let tasks = leases
            .iter()
            .map(|&(task, attempt)| self.adapter_task(&folder, task, attempt))
            .collect();
        self.tell_session(
            slot,
            Input::Segment {
                segment: segment.0,
                tasks,
            },
        );
    }

    /// A log that cannot be written is a warning; the frames matter more.
    fn open_log(&mut self, segment: SegmentId, host: &str, slot: u32, names: &[String]) -> Log {
        let manifest = self.job.manifest(segment, host, slot, names.to_vec());
        match SegmentLog::create(&self.job.folder, &manifest) {
            Ok(log) => Log {
                file: Some(log),
                since: Instant::now(),
            },
            Err(error) => {
                self.warn(error.to_string());
                Log {
                    file: None,
                    since: Instant::now(),
                }
            }
        }
    }

    fn adapter_task(&self, folder: &str, task: TaskId, attempt: Attempt) -> Task {
        let facts = self.job.tasks().facts(task);
        let output = if self.job.writes_files() {
            format!("{folder}/{}", self.job.file_name(task))
        } else {
            String::new()
        };
        Task {
            task: task.0,
            layer: facts.layer.to_owned(),
            frame: facts.frame,
            tile: None,
            attempt: u32::from(attempt.0),
            output,
            needs: Vec::new(),
        }
    }

    pub(super) fn cut_segment(&mut self, segment: SegmentId, keep: u32) {
        let Some(at_work) = self.segments.get(&segment) else {
            return;
        };
        let slot = at_work.slot;
        self.tell_session(
            slot,
            Input::Cut {
                segment: segment.0,
                keep,
            },
        );
    }

    /// Ends what a segment is doing, by ending the slot's renderer.
    pub(super) fn stop_segment(&mut self, segment: SegmentId, reason: StopReason) {
        let Some(at_work) = self.segments.get(&segment) else {
            return;
        };
        let slot = at_work.slot;
        let waiting = at_work.unconcluded().first().copied();
        match reason {
            StopReason::TaskLimit { task } => {
                let why = "stopped: it took longer than its time limit".to_owned();
                self.fail_task(segment, task, Fault::TimeLimit, "time-limit", why);
            }
            StopReason::LoadLimit => {
                let why = "stopped: the renderer was silent for longer than its time limit";
                if let Some(task) = waiting {
                    self.fail_task(
                        segment,
                        task,
                        Fault::TimeLimit,
                        "time-limit",
                        why.to_owned(),
                    );
                }
            }
            StopReason::LostRace | StopReason::Drain | StopReason::Cancel => {}
        }
        self.close_session(slot);
    }

    // ---- sessions -------------------------------------------------------------------------

    /// Makes sure that the slot has a session; false when its host has no worker.
    fn open_session(&mut self, slot: SlotId) -> bool {
        if self.slot(slot).session.is_some() {
            return true;
        }
        let (name, on_host) = self.host_name(slot);
        let host = self.slot(slot).host;
        let Some(program) = self.host(host).program().map(ToOwned::to_owned) else {
            return false;
        };
        let number = self.numbers.session();
        let entry = &self.job.request().hosts[host.0 as usize];
        let cores = self.host(host).link().map_or(0, |link| link.hello.cores);
        let scratch = self
            .job
            .scratch
            .join(format!("slot-{name}-{on_host}-{}", number.0));
        let open = Open {
            format: FORMAT,
            activity: Activity::Render,
            program,
            scene: Some(self.job.prepared.inspection.scene_path.clone()),
            scratch: scratch.display().to_string(),
            host: name,
            slot: on_host,
            threads: (cores / entry.slots.max(1)).max(1),
            memory_bytes: entry.memory_bytes,
            settings: self.job.prepared.inspection.settings.clone(),
            output: self.job.prepared.format.clone(),
            shot: Some(self.job.prepared.shot),
        };
        let place = Place {
            session: number,
            slot: WorkerSlot(on_host),
            scratch: scratch.display().to_string(),
        };
        let handle = SessionHandle::start(
            number,
            self.job.adapter(),
            open,
            self.doors.sessions.clone(),
        );
        self.sessions.insert(number, slot);
        let request = self.numbers.request();
        self.say(
            slot,
            ToWorker::MakeDir {
                request,
                path: place.scratch.clone(),
            },
        );
        self.slot(slot).session = Some(Session {
            handle,
            place,
            live: BTreeSet::new(),
            held: VecDeque::new(),
            loading_since: None,
            restarts: 0,
        });
        true
    }

    /// Ends a slot's session and its renderer; what it had and did not finish is free again.
    fn close_session(&mut self, slot: SlotId) {
        let Some(session) = self.slot(slot).session.take() else {
            return;
        };
        self.sessions.remove(&session.handle.number);
        for run in &session.live {
            self.say(
                slot,
                ToWorker::Kill {
                    run: *run,
                    polite_ms: POLITE_MS,
                },
            );
        }
        self.say(
            slot,
            ToWorker::Remove {
                path: session.place.scratch,
            },
        );
        self.tell(&FarmEvent::SlotCooled { slot });
        let given: Vec<SegmentId> = self.slot(slot).queue.iter().copied().collect();
        for segment in given {
            self.abandon_tasks(segment);
            self.close_segment_if_over(segment);
        }
    }

    /// Nothing more will come of what a segment has not finished, except pictures being read.
    fn abandon_tasks(&mut self, segment: SegmentId) {
        let Some(segment) = self.segments.get_mut(&segment) else {
            return;
        };
        for task in segment.unconcluded() {
            segment.set_phase(task, Phase::Cut);
        }
    }

    /// The host's worker is gone, and everything on it.
    pub(super) fn lose_slots(&mut self, host: HostId) {
        let first = self.host(host).first_slot.0;
        for index in first..first + self.host(host).slots {
            let slot = SlotId(index);
            if let Some(session) = self.slot(slot).session.take() {
                self.sessions.remove(&session.handle.number);
            }
            let lost: Vec<SegmentId> = self.slot(slot).queue.drain(..).collect();
            for id in lost {
                let Some(segment) = self.segments.remove(&id) else {
                    continue;
                };
                self.checks.retain(|_, check| check.segment != id);
                let (name, on_host) = self.host_name(slot);
                for task in &segment.tasks {
                    if matches!(task.phase, Phase::Rendering { .. } | Phase::Checking) {
                        self.emit(Event::TaskFailed {
                            segment: id.0,
                            task: self.job.task_name(task.task),
                            attempt: u32::from(task.attempt.0),
                            host: name.clone(),
                            slot: on_host,
                            verdict: "host-lost".to_owned(),
                            why: format!("host {name} was lost"),
                        });
                    }
                }
                self.emit(Event::SegmentEnded {
                    segment: id.0,
                    host: name,
                    slot: on_host,
                });
            }
        }
    }

    fn tell_session(&mut self, slot: SlotId, input: Input) {
        if let Some(session) = &mut self.slot(slot).session {
            if session.held.is_empty() {
                session.handle.tell(input);
            } else {
                session.held.push_back(Held::Order(input));
            }
        }
    }

    /// A folder is made, or cannot be (which the renderer will say in its own words): orders that
    /// waited for it go out. Folders of one host are made in the order in which they were wanted.
    pub(super) fn on_made(&mut self, host: HostId, request: RequestId) {
        for slot in self.slots.iter_mut().filter(|slot| slot.host == host) {
            let Some(session) = &mut slot.session else {
                continue;
            };
            let waits = |held: &Held| matches!(held, Held::Folder(wanted) if *wanted == request);
            if !session.held.front().is_some_and(waits) {
                continue;
            }
            session.held.pop_front();
            while let Some(Held::Order(order)) = session
                .held
                .pop_front_if(|held| matches!(held, Held::Order(_)))
            {
                session.handle.tell(order);
            }
        }
    }

    pub(super) fn say(&self, slot: SlotId, message: ToWorker) {
        let host = self.slots[slot.0 as usize].host;
        if let Some(link) = self.host(host).link() {
            link.say(message);
        }
    }

    // ---- what a worker says of a run -------------------------------------------------------

    pub(super) fn on_run(&mut self, host: HostId, message: FromWorker) {
        let (FromWorker::Started { run, .. }
        | FromWorker::NotStarted { run, .. }
        | FromWorker::Lines { run, .. }
        | FromWorker::Exited { run, .. }) = &message
        else {
            return;
        };
        let run = *run;
        let (number, _) = SessionNumber::of(run);
        let Some(slot) = self.sessions.get(&number).copied() else {
            // Last words of a session that was closed.
            return;
        };
        debug_assert_eq!(
            self.slots[slot.0 as usize].host, host,
            "a run is on its slot's host"
        );
        if let FromWorker::Started { pid, .. } = &message {
            let (name, on_host) = self.host_name(slot);
            self.emit(Event::RunStarted {
                host: name,
                slot: on_host,
                pid: *pid,
            });
        }
        self.log(slot, &message);
        let Some(session) = &mut self.slot(slot).session else {
            return;
        };
        if let FromWorker::Exited { .. } | FromWorker::NotStarted { .. } = &message {
            session.live.remove(&run);
        }
        session.handle.tell_from_worker(message);
    }

    /// What renderers say while everything is being ended: for the log only.
    pub(super) fn on_last_words(&mut self, message: FromWorker) {
        if let FromWorker::Lines { run, .. } = &message {
            let (number, _) = SessionNumber::of(*run);
            if let Some(slot) = self.sessions.get(&number).copied() {
                self.log(slot, &message);
            }
        }
    }

    /// Hands the logs to the system, so that they can be read while their segments run. Costs
    /// nothing for a log that was given nothing.
    pub(super) fn flush_logs(&mut self) {
        for segment in self.segments.values_mut() {
            segment.log.flush();
        }
    }

    fn log(&mut self, slot: SlotId, message: &FromWorker) {
        let Some(segment) = self.slots[slot.0 as usize].queue.front() else {
            return;
        };
        let Some(segment) = self.segments.get_mut(segment) else {
            return;
        };
        match message {
            FromWorker::Lines {
                stderr,
                lines,
                dropped,
                ..
            } => {
                if *dropped > 0 {
                    segment
                        .log
                        .note(&format!("{dropped} lines came too fast and are lost"));
                }
                for line in lines {
                    segment.log.line(*stderr, line);
                }
            }
            FromWorker::Started { pid, .. } => segment.log.note(&format!("started, pid {pid}")),
            FromWorker::NotStarted { why, .. } => segment.log.note(&format!("not started: {why}")),
            FromWorker::Exited {
                code,
                signal,
                killed,
                cpu_s,
                rss_bytes,
                ..
            } => {
                let how = match (code, signal) {
                    (Some(code), _) => format!("exit code {code}"),
                    (None, Some(signal)) => format!("signal {signal}"),
                    (None, None) => "unknown end".to_owned(),
                };
                let by = if *killed {
                    ", ended by framewright"
                } else {
                    ""
                };
                let mib = rss_bytes / (1024 * 1024);
                segment
                    .log
                    .note(&format!("ended: {how}{by}, {cpu_s:.1} s CPU, {mib} MiB"));
            }
            _ => {}
        }
    }

    // ---- what an adapter wants or has found out --------------------------------------------

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

    fn start_run(&mut self, slot: SlotId, run: framewright_plugin_api::data::Run) {
        let Some(session) = &mut self.slot(slot).session else {
            return;
        };
        session.live.insert(session.place.session.run_id(run.run));
        session.loading_since.get_or_insert_with(Instant::now);
        session.restarts += 1;
        let order = session.place.order(run);
        self.say(slot, order);
    }

    fn say_to_run(&self, slot: SlotId, run: u32, message: impl FnOnce(RunId) -> ToWorker) {
        if let Some(session) = &self.slots[slot.0 as usize].session {
            self.say(slot, message(session.place.session.run_id(run)));
        }
    }

    fn on_loaded(&mut self, slot: SlotId) {
        let now = Instant::now();
        let Some(session) = &mut self.slot(slot).session else {
            return;
        };
        let took = session
            .loading_since
            .take()
            .map_or(Duration::ZERO, |since| now - since);
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
        self.tell(&FarmEvent::Loaded {
            segment: id,
            took: Span::from_secs_f64(load_s),
        });
    }

    /// Marks a task as begun, the first time that the adapter says anything of it.
    fn begin_task(&mut self, id: SegmentId, task: TaskId) {
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        let since = segment.ready_since;
        let slot = segment.slot;
        let Some(at) = segment.find(task) else { return };
        if !matches!(at.phase, Phase::Waiting) {
            return;
        }
        at.phase = Phase::Rendering { since, wrote: None };
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
        let Phase::Rendering { since, wrote } = &mut at.phase else {
            return;
        };
        let (took, wrote) = (now - *since, wrote.take());
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

    // ---- ends ------------------------------------------------------------------------------

    /// Begins a task where it was not, and ends it as failed.
    fn fail_task(&mut self, id: SegmentId, task: TaskId, fault: Fault, word: &str, why: String) {
        self.begin_task(id, task);
        self.end_failed(id, task, fault, word, why);
    }

    /// Every task of a slot's segments that is not concluded fails.
    fn fail_remaining(&mut self, slot: SlotId, verdict: Verdict, why: &str) {
        let (fault, word) = fault_of(verdict);
        let given: Vec<SegmentId> = self.slot(slot).queue.iter().copied().collect();
        if verdict == Verdict::AdapterFault {
            // The attempts tell it; where there is none, it has to be said apart.
            match given.is_empty() {
                true => self.adapter_fault(why.to_owned()),
                false => self.note_adapter_fault(why),
            }
        }
        for id in given {
            let open = self
                .segments
                .get(&id)
                .map_or_else(Vec::new, Segment::unconcluded);
            for task in open {
                self.fail_task(id, task, fault, word, why.to_owned());
            }
            self.close_segment_if_over(id);
        }
    }

    /// Ends a task of a segment as failed: in the journal and for the kernel.
    pub(super) fn end_failed(
        &mut self,
        id: SegmentId,
        task: TaskId,
        fault: Fault,
        word: &str,
        why: String,
    ) {
        let Some(segment) = self.segments.get_mut(&id) else {
            return;
        };
        let Some(attempt) = segment.attempt(task) else {
            return;
        };
        segment.set_phase(task, Phase::Ended);
        // Renderers say in many ways that they could not write; the disk says it in one.
        if fault == Fault::MachineFault
            && self.job.writes_files()
            && framewright_worker::disk_is_full(&self.job.scratch)
        {
            self.on_disk_full();
        }
        let (host, on_host) = self.host_name(self.segments[&id].slot);
        self.emit(Event::TaskFailed {
            segment: id.0,
            task: self.job.task_name(task),
            attempt: u32::from(attempt.0),
            host,
            slot: on_host,
            verdict: word.to_owned(),
            why,
        });
        self.tell(&FarmEvent::TaskFailed {
            segment: id,
            task,
            fault,
        });
    }

    /// Frees the slot when nothing more is to come of a segment.
    pub(super) fn close_segment_if_over(&mut self, id: SegmentId) {
        if !self.segments.get(&id).is_some_and(Segment::is_over) {
            return;
        }
        let Some(segment) = self.segments.remove(&id) else {
            return;
        };
        let slot = segment.slot;
        self.slot(slot).queue.retain(|given| *given != id);
        if let Err(error) = segment.log.finish() {
            self.warn(error.to_string());
        }
        let (host, on_host) = self.host_name(slot);
        self.emit(Event::SegmentEnded {
            segment: id.0,
            host,
            slot: on_host,
        });
        self.tell(&FarmEvent::SegmentOver { segment: id });
    }
}

/// What a verdict means to the kernel, and its word in the journal.
fn fault_of(verdict: Verdict) -> (Fault, &'static str) {
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
