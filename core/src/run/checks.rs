//! From a written picture to a committed one.
//!
//! The worker decodes the file; the kernel says whether this attempt wins; the store records it
//! and then renames it into place. A picture that cannot be read never gets further than here.

use std::path::Path;

use framewright_kernel::event::{Event as FarmEvent, Fault};
use framewright_kernel::ids::{SegmentId, TaskId};
use framewright_kernel::time::Span;
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
    slot: u32,
    attempt: u32,
    took: Took,
    /// Where the picture is; absent where the job writes none.
    written: Option<(String, Picture)>,
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
        let expect = Expect {
            format: self.job.prepared.format.clone(),
            width: self.job.prepared.inspection.scene.width,
            height: self.job.prepared.inspection.scene.height,
            channels: self.job.prepared.inspection.scene.channels.clone(),
        };
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
                if disk_full {
                    self.on_disk_full();
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
        let (host, slot) = self.host_name(self.segments[&segment].slot);
        let attempt = u32::from(attempt.0);
        self.complete.insert(
            (segment, task),
            Complete {
                host,
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
        let Complete {
            host,
            slot,
            attempt,
            took,
            written,
        } = complete;
        let file = written.map(|(from, picture)| CommittedFile {
            path: self.job.final_path(task).display().to_string(),
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
        if let Some(Complete {
            written: Some((path, _)),
            ..
        }) = self.complete.remove(&(segment, task))
        {
            // Left behind at worst, below the job's scratch folder, which goes at the end.
            let _ = std::fs::remove_file(path);
        }
    }

    pub(super) fn on_store(&mut self, done: Done) {
        match done {
            Done::Synced(seq) => {
                while let Some((_, token)) = self.unsynced.pop_front_if(|(at, _)| *at <= seq) {
                    self.committed(token);
                }
            }
            Done::Committed { token } => self.committed(token),
            Done::CommitFailed {
                token,
                why,
                disk_full,
                ..
            } => {
                if disk_full {
                    self.on_disk_full();
                }
                self.commit_failed(token, why, disk_full);
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
