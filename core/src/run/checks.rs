//! From a written picture to a committed one.
//!
//! The worker decodes the file; the kernel says whether this attempt wins; the store records it
//! and then renames it into place. A picture that cannot be read never gets further than here.

use std::path::Path;

use framewright_kernel::event::{Event as FarmEvent, Fault};
use framewright_kernel::ids::{HostId, SegmentId, TaskId};
use framewright_kernel::time::Span;
use framewright_plugin_api::data::TileAbility;
use framewright_worker::message::{Checked, Expect, Picture, RequestId, ToWorker};
use jiff::Timestamp;

use super::RunError;
use super::controller::Controller;
use super::segment::{Phase, Took};
use crate::event::{CommittedFile, Event, Stamped};
use crate::store::VERDICT_COMMIT;
use crate::store::journal::{Commit, Done, Token};

/// A picture that a worker reads now.
#[derive(Debug)]
pub(super) struct Check {
    pub segment: SegmentId,
    pub task: TaskId,
    path: String,
    took: Took,
}

/// An attempt that is complete and waits for the kernel's word. It remembers who made it, because
/// its segment may be over by then.
#[derive(Debug)]
pub(super) struct Complete {
    host: String,
    /// The same by number: of two hosts of one name, the later may have joined after the earlier left.
    pub on: HostId,
    slot: u32,
    attempt: u32,
    took: Took,
    /// Where the picture is; absent where the job writes none.
    written: Option<(String, Picture)>,
}

impl Complete {
    /// Host, slot, attempt: as the journal names them.
    pub(super) fn who(&self) -> (String, u32, u32) {
        (self.host.clone(), self.slot, self.attempt)
    }

    /// Where the picture is on its host, and what it is.
    pub(super) fn written(&self) -> Option<(&str, &Picture)> {
        let (path, picture) = self.written.as_ref()?;
        Some((path, picture))
    }
}

/// An attempt that won, on its way into the journal and its place.
#[derive(Debug)]
pub(super) struct Committing {
    segment: SegmentId,
    task: TaskId,
    stamped: Stamped,
}

impl Controller<'_> {
    /// The renderer says that a picture is complete: have it read.
    pub(super) fn check_picture(
        &mut self,
        segment: SegmentId,
        task: TaskId,
        took: Took,
        wrote: Option<String>,
    ) {
        if !self.job.writes_files() {
            self.complete(segment, task, took, None);
            return;
        }
        let Some(path) = wrote else {
            let why = "the renderer said that the frame is done but wrote no picture".to_owned();
            self.end_failed(segment, task, Fault::Verify, "verify", why);
            return;
        };
        let Some(at_work) = self.segments.get_mut(&segment) else {
            return;
        };
        let slot = at_work.slot;
        at_work.set_phase(task, Phase::Checking);
        let request = self.numbers.request();
        let expect = self.expected_picture(task);
        self.say(
            slot,
            ToWorker::Verify {
                request,
                path: path.clone(),
                expect,
            },
        );
        self.checks.insert(
            request,
            Check {
                segment,
                task,
                path,
                took,
            },
        );
        let (host, on_host) = self.host_name(slot);
        self.emit(Event::TaskVerifying {
            segment: segment.0,
            task: self.job.task_name(task),
            host,
            slot: on_host,
        });
    }

    /// What a task's picture must be like. A tile has its own size where the renderer crops it; a layer
    /// has channels of its own, of which only the frames of it tell.
    fn expected_picture(&self, task: TaskId) -> Expect {
        let prepared = &self.job.prepared;
        let scene = &prepared.inspection.scene;
        let facts = self.job.tasks().facts(task);
        let (width, height) = match (facts.tile, prepared.inspection.description.can.tiles) {
            (Some(tile), TileAbility::Crop) => (tile.at.width, tile.at.height),
            (Some(_), TileAbility::FullCanvas | TileAbility::None) | (None, _) => {
                (scene.width, scene.height)
            }
        };
        Expect {
            format: prepared.format.clone(),
            width,
            height,
            channels: match facts.layer {
                "" => scene.channels.clone(),
                _ => Vec::new(),
            },
        }
    }

    pub(super) fn on_verified(&mut self, request: RequestId, outcome: Checked) {
        let Some(check) = self.checks.remove(&request) else {
            return;
        };
        let Check {
            segment,
            task,
            path,
            took,
        } = check;
        match outcome {
            Checked::Good(picture) => match self.differs_from_its_layer(task, &picture) {
                None => self.complete(segment, task, took, Some((path, picture))),
                Some(why) => self.end_failed(segment, task, Fault::Verify, "verify", why),
            },
            Checked::Bad { why, disk_full } => {
                let host = self.segments.get(&segment);
                let host = host.map(|at_work| self.slots[at_work.slot.0 as usize].host);
                match host {
                    // Its disk is its own: others go on.
                    Some(host) if disk_full && self.is_staged(host) => self.host_disk_full(host),
                    _ if disk_full => self.on_disk_full(),
                    _ => {}
                }
                self.end_failed(segment, task, Fault::Verify, "verify", why);
            }
        }
        self.close_segment_if_over(segment);
    }

    /// All pictures of a layer have the same channels; one that has others was made with other
    /// settings or by another renderer, and must not slip into the sequence.
    fn differs_from_its_layer(&mut self, task: TaskId, picture: &Picture) -> Option<String> {
        let layer = self.job.tasks().facts(task).layer_index;
        let first = self
            .channels
            .entry(layer)
            .or_insert_with(|| picture.channels.clone());
        (*first != picture.channels).then(|| {
            format!(
                "its channels are {} where earlier frames have {}",
                picture.channels.join(" "),
                first.join(" ")
            )
        })
    }

    /// An attempt is complete: the kernel says whether it wins.
    fn complete(
        &mut self,
        segment: SegmentId,
        task: TaskId,
        took: Took,
        written: Option<(String, Picture)>,
    ) {
        let Some(at_work) = self.segments.get_mut(&segment) else {
            return;
        };
        let Some(attempt) = at_work.attempt(task) else {
            return;
        };
        at_work.set_phase(task, Phase::Ended);
        let slot = self.segments[&segment].slot;
        let on = self.slots[slot.0 as usize].host;
        let (host, slot) = self.host_name(slot);
        let attempt = u32::from(attempt.0);
        if let Some((_, picture)) = &written {
            self.largest_picture = self.largest_picture.max(picture.bytes);
        }
        self.complete.insert(
            (segment, task),
            Complete {
                host,
                on,
                slot,
                attempt,
                took,
                written,
            },
        );
        // After the last task of a segment the kernel takes all that it is not told of for the time
        // until the next one can be sent, so there it is told all.
        let is_first = took.expected.warm_up > Span::ZERO;
        let took = if is_first && !self.segments[&segment].unconcluded().is_empty() {
            took.without_warm_up()
        } else {
            Span::from_secs_f64(took.real.as_secs_f64())
        };
        self.tell(&FarmEvent::Rendered {
            segment,
            task,
            took,
        });
    }

    /// This attempt wins: record it, then move its file into place.
    pub(super) fn commit(&mut self, segment: SegmentId, task: TaskId) {
        let Some(complete) = self.complete.remove(&(segment, task)) else {
            debug_assert!(false, "the kernel commits what it was told is complete");
            return;
        };
        let on = complete.on;
        let Some((path, _)) = complete.written() else {
            self.commit_file(segment, task, complete, String::new());
            self.let_go_if_drained(on);
            return;
        };
        let ground = self.host(on).ground.as_ref();
        match ground.and_then(|ground| ground.here(path)) {
            Some(here) => {
                let here = here.display().to_string();
                self.commit_file(segment, task, complete, here);
            }
            None => self.fetch(on, segment, task, complete),
        }
        self.let_go_if_drained(on);
    }

    /// This attempt wins, and its file is here: record it, then move the file into place.
    pub(super) fn commit_file(
        &mut self,
        segment: SegmentId,
        task: TaskId,
        complete: Complete,
        from: String,
    ) {
        let Complete {
            host,
            on: _,
            slot,
            attempt,
            took,
            written,
        } = complete;
        let to = written.is_some().then(|| self.job.final_path(task));
        let piece = to.as_ref().filter(|to| self.job.is_among_pieces(to));
        if let Some(folder) = piece.and_then(|piece| piece.parent()) {
            // What cannot be made is told by whoever renames into it.
            let _ = std::fs::create_dir_all(folder);
        }
        let file = written.zip(to).map(|((_, picture), to)| CommittedFile {
            path: to.display().to_string(),
            from,
            bytes: picture.bytes,
            hash: picture.hash,
        });
        let event = Event::TaskDone {
            segment: segment.0,
            task: self.job.task_name(task),
            attempt,
            host,
            slot,
            render_s: took.real.as_secs_f64(),
            predicted_s: Some(took.predicted().as_secs_f64()),
            file: file.clone(),
        };
        let stamped = Stamped {
            time: Timestamp::now(),
            event,
        };
        let token = self.numbers.commit();
        let given = match file {
            Some(file) => {
                let replace = self.job.replace(Path::new(&file.path));
                self.journal.append_commit(
                    stamped.clone(),
                    Commit {
                        token,
                        file,
                        replace,
                    },
                )
            }
            None => self
                .journal
                .append(stamped.clone())
                .inspect(|seq| self.unsynced.push_back((*seq, token))),
        };
        match given {
            Ok(_) => {
                self.commits.insert(
                    token,
                    Committing {
                        segment,
                        task,
                        stamped,
                    },
                );
            }
            Err(error) => self.give_up_job(RunError::Journal {
                why: error.to_string(),
            }),
        }
    }

    /// A late or losing attempt: its file goes.
    pub(super) fn discard(&mut self, segment: SegmentId, task: TaskId) {
        let Some(Complete { on, written, .. }) = self.complete.remove(&(segment, task)) else {
            return;
        };
        if let Some((path, _)) = written {
            let ground = self.host(on).ground.as_ref();
            match ground.and_then(|ground| ground.here(&path)) {
                // Left behind at worst, below the job's scratch folder, which goes at the end.
                Some(here) => drop(std::fs::remove_file(here)),
                None => {
                    if let Some(link) = self.host(on).link() {
                        link.say(ToWorker::Remove { path });
                    }
                }
            }
        }
        self.let_go_if_drained(on);
    }

    pub(super) fn on_store(&mut self, done: Done) {
        match done {
            Done::Synced(seq) => {
                while let Some((_, token)) = self.unsynced.pop_front_if(|(at, _)| *at <= seq) {
                    self.committed(token);
                }
            }
            Done::Committed { token } => {
                if !self.is_recorded(token) {
                    self.committed(token);
                }
            }
            Done::CommitFailed {
                token,
                why,
                disk_full,
                ..
            } => {
                if disk_full {
                    self.on_disk_full();
                }
                if !self.is_not_recorded(token, &why, disk_full) {
                    self.commit_failed(token, why, disk_full);
                }
            }
            Done::Broken { why, .. } => self.give_up_job(RunError::Journal { why }),
        }
    }

    fn committed(&mut self, token: Token) {
        let Some(Committing {
            segment,
            task,
            stamped,
        }) = self.commits.remove(&token)
        else {
            return;
        };
        if let Event::TaskDone { host, .. } = &stamped.event {
            self.host_works(host);
        }
        self.publish(&stamped);
        self.tell(&FarmEvent::Committed { segment, task });
        self.piece_came(task);
    }

    fn commit_failed(&mut self, token: Token, why: String, disk_full: bool) {
        let Some(Committing {
            segment,
            task,
            stamped,
        }) = self.commits.remove(&token)
        else {
            return;
        };
        if let Event::TaskDone {
            task: name,
            attempt,
            host,
            slot,
            ..
        } = stamped.event
        {
            self.emit(Event::TaskFailed {
                segment: segment.0,
                task: name,
                attempt,
                host,
                slot,
                verdict: VERDICT_COMMIT.to_owned(),
                why,
            });
        }
        self.tell(&FarmEvent::CommitFailed {
            segment,
            task,
            disk_full,
        });
    }
}
