//! Slots at work: sessions and segments, from the kernel's order to their end.
//!
//! A slot has at most one adapter session, opened with its first segment and kept until the slot
//! is stopped or its worker lost; whether the renderer stays loaded between segments is the
//! adapter's affair. A segment is over when the adapter has concluded every task of it that was
//! not cut away and each written picture has been read: only then is the slot free again, so
//! what the kernel calls idle really is.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use framewright_kernel::event::{Event as FarmEvent, Fault, SendReason, StopReason};
use framewright_kernel::ids::{Attempt, HostId, SegmentId, SlotId, TaskId};
use framewright_kernel::time::Span;
use framewright_plugin_api::data::{Activity, FORMAT, Input, Open, Task, Verdict};
use framewright_worker::message::{FromWorker, RequestId, RunId, SlotId as WorkerSlot, ToWorker};

use super::controller::Controller;
use super::effects::fault_of;
use super::leases::Lease;
use super::segment::{Log, Phase, Segment};
use super::session::{Place, SessionHandle, SessionNumber};
use crate::event::{Event, SentWhy};
use crate::request::HostEntry;
use crate::store::SegmentLog;

/// How long a renderer that is no longer wanted may take to end by itself.
pub(super) const POLITE_MS: u32 = 1_000;

/// A slot.
#[derive(Debug)]
pub(super) struct Slot {
    pub host: HostId,
    pub on_host: u32,
    pub session: Option<Session>,
    /// Segments given to it and not yet over, oldest first.
    pub queue: VecDeque<SegmentId>,
    /// Whether it is ours on its machine.
    pub lease: Lease,
    /// Whether the kernel was told that it takes nothing new.
    pub is_closed: bool,
}

/// A slot's adapter session.
#[derive(Debug)]
pub(super) struct Session {
    pub handle: SessionHandle,
    pub place: Place,
    pub live: BTreeSet<RunId>,
    /// Orders that wait until a segment's folder is there, oldest first.
    held: VecDeque<Held>,
    /// When the renderer that is now loading was asked for.
    pub loading_since: Option<Instant>,
    /// It has loaded, and no task has begun since.
    pub is_fresh: bool,
}

/// An order to a session, or what it and all later ones wait for. A renderer that is warm writes
/// its first picture sooner than another thread may have made the folder for it.
#[derive(Debug)]
enum Held {
    /// The answer that the folder is made, or that what the tasks stand on is there.
    Folder(RequestId),
    /// The order itself.
    Order(Input),
}

impl Held {
    fn waits_for(&self, request: RequestId) -> bool {
        matches!(self, Held::Folder(wanted) if *wanted == request)
    }
}

impl Slot {
    pub(super) fn all(entries: &[HostEntry]) -> Vec<Self> {
        let mut slots = Vec::new();
        for (host, entry) in entries.iter().enumerate() {
            let host = HostId(u32::try_from(host).expect("hosts are counted in u32"));
            slots.extend(Self::of_host(host, entry));
        }
        slots
    }

    pub(super) fn of_host(host: HostId, entry: &HostEntry) -> impl Iterator<Item = Self> {
        let lease = if entry.leased {
            Lease::Unwanted
        } else {
            Lease::NotNeeded
        };
        (0..entry.slots).map(move |on_host| Self {
            host,
            on_host,
            session: None,
            queue: VecDeque::new(),
            lease: lease.clone(),
            is_closed: false,
        })
    }
}

impl Controller<'_> {
    pub(super) fn slot(&mut self, slot: SlotId) -> &mut Slot {
        &mut self.slots[slot.0 as usize]
    }

    pub(super) fn host_name(&self, slot: SlotId) -> (String, u32) {
        let slot = &self.slots[slot.0 as usize];
        (self.host(slot.host).name.clone(), slot.on_host)
    }

    /// What the first task after a load takes longer in this slot, which the kernel counts to the
    /// load.
    pub(super) fn warm_up(&self, slot: SlotId) -> Span {
        let host = self.slots[slot.0 as usize].host;
        self.job.prepared.warm_up(host.0 as usize)
    }

    // ---- orders of the kernel -------------------------------------------------------------

    pub(super) fn send_segment(
        &mut self,
        segment: SegmentId,
        slot: SlotId,
        leases: &[(TaskId, Attempt)],
        reason: SendReason,
    ) {
        let expected = self.farm.sent(segment);
        let warm_up_s = self.warm_up(slot).as_secs_f64();
        let (host, on_host) = self.host_name(slot);
        let names: Vec<String> = leases
            .iter()
            .map(|(task, _)| self.job.task_name(*task))
            .collect();
        let Some(folder) = self.segment_folder(segment, slot) else {
            // The worker was lost in the same breath; the kernel hears of it next.
            return;
        };
        let log = self.open_log(segment, &host, on_host, &names);
        self.emit(Event::SegmentSent {
            segment: segment.0,
            host,
            slot: on_host,
            tasks: names,
            why: Some(sent_why(reason)),
            load_s: expected
                .map(|sent| sent.load.as_secs_f64())
                .filter(|load_s| *load_s > 0.0)
                .map(|load_s| (load_s - warm_up_s).max(0.0)),
            end_s: expected.map(|sent| sent.ends.since(self.farm.now()).as_secs_f64()),
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
        let host = self.slots[slot.0 as usize].host;
        let waits = self.deliver(host, leases.iter().map(|(task, _)| *task));
        if let Some(session) = &mut self.slot(slot).session {
            session.held.extend(waits.into_iter().map(Held::Folder));
        }
        let tasks = leases
            .iter()
            .map(|&(task, attempt)| self.adapter_task(&folder, slot, task, attempt))
            .collect();
        self.tell_session(
            slot,
            Input::Segment {
                segment: segment.0,
                tasks,
            },
        );
    }

    /// The folder of one segment's attempts on its host: new for each, so a late writer of a segment
    /// that was given up can never touch the file of a newer one.
    fn segment_folder(&self, segment: SegmentId, slot: SlotId) -> Option<String> {
        let host = self.slots[slot.0 as usize].host;
        let ground = self.host(host).ground.as_ref()?;
        Some(ground.folder(&format!("segment-{}", segment.0)))
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

    fn adapter_task(&self, folder: &str, slot: SlotId, task: TaskId, attempt: Attempt) -> Task {
        let host = self.slots[slot.0 as usize].host;
        let ground = self.host(host).ground.as_ref();
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
            tile: facts.tile.map(|tile| tile.at.into()),
            reduced: 0,
            attempt: u32::from(attempt.0),
            output,
            needs: ground.map_or_else(Vec::new, |ground| self.job.needs(task, ground)),
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
            StopReason::LostRace => {
                if let Some(at_work) = self.segments.get_mut(&segment) {
                    at_work
                        .log
                        .note("ended by framewright: another try was done first");
                }
            }
            StopReason::Closed => {
                if let Some(at_work) = self.segments.get_mut(&segment) {
                    at_work.log.note(
                        "ended by framewright: its slot is closed, and it had not loaded yet",
                    );
                }
            }
            StopReason::Drain | StopReason::Cancel => {}
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
        let at = &self.hosts[host.0 as usize];
        let (Some(program), Some(ground)) = (at.program(), &at.ground) else {
            return false;
        };
        let number = self.numbers.session();
        let entry = &at.entry;
        let cores = at.link().map_or(0, |link| link.hello.cores);
        let scratch = ground.folder(&format!("slot-{name}-{on_host}-{}", number.0));
        let open = Open {
            format: FORMAT,
            activity: Activity::Render,
            program: program.to_owned(),
            scene: Some(ground.scene.clone()),
            scratch: scratch.clone(),
            host: name,
            slot: on_host,
            threads: (cores / entry.slots.max(1)).max(1),
            memory_bytes: entry.memory_bytes,
            settings: self.job.prepared.inspection.settings.clone(),
            output: self.job.prepared.format.clone(),
            shot: Some(self.job.prepared.shot),
            paths: ground.paths.clone(),
            carry: self.job.prepared.inspection.scene.carry.clone(),
        };
        let place = Place {
            session: number,
            slot: WorkerSlot(on_host),
            scratch,
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
            is_fresh: false,
        });
        true
    }

    /// Ends a slot's session and its renderer; what it had and did not finish is free again.
    pub(super) fn close_session(&mut self, slot: SlotId) {
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

    /// The slots whose sessions wait for this answer.
    pub(super) fn slots_waiting_for(&self, host: HostId, request: RequestId) -> Vec<SlotId> {
        let waits = |slot: &Slot| {
            let session = slot.session.as_ref();
            let held = session
                .is_some_and(|session| session.held.iter().any(|held| held.waits_for(request)));
            slot.host == host && held
        };
        let slots = self.slots.iter().zip(0..).filter(|(slot, _)| waits(slot));
        slots.map(|(_, index)| SlotId(index)).collect()
    }

    /// A folder is made, or cannot be (which the renderer will say in its own words): orders that
    /// waited for it go out.
    pub(super) fn on_made(&mut self, host: HostId, request: RequestId) {
        for slot in self.slots.iter_mut().filter(|slot| slot.host == host) {
            let Some(session) = &mut slot.session else {
                continue;
            };
            // What a session waits for need not come in the order in which it was asked for.
            session.held.retain(|held| !held.waits_for(request));
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

    // ---- ends ------------------------------------------------------------------------------

    /// Begins a task where it was not, and ends it as failed.
    fn fail_task(&mut self, id: SegmentId, task: TaskId, fault: Fault, word: &str, why: String) {
        self.begin_task(id, task);
        self.end_failed(id, task, fault, word, why);
    }

    /// The first task of a segment that is not concluded fails.
    pub(super) fn fail_first(&mut self, id: SegmentId, verdict: Verdict, why: String) {
        let (fault, word) = fault_of(verdict);
        let first = self.segments.get(&id).map(Segment::unconcluded);
        if let Some(task) = first.and_then(|open| open.first().copied()) {
            self.fail_task(id, task, fault, word, why);
        }
    }

    /// Every task of a slot's segments that is not concluded fails.
    pub(super) fn fail_remaining(&mut self, slot: SlotId, verdict: Verdict, why: &str) {
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
        self.give_back_if_done(slot);
        self.let_go_if_drained(self.slots[slot.0 as usize].host);
    }
}

/// The kernel's reason, as it is journalled.
pub(super) fn sent_why(reason: SendReason) -> SentWhy {
    match reason {
        SendReason::Share => SentWhy::Share,
        SendReason::Undivided => SentWhy::Undivided,
        SendReason::Tail { victim } => SentWhy::Tail { of: victim.0 },
        SendReason::Copy { of } => SentWhy::Copy { of: of.0 },
    }
}
