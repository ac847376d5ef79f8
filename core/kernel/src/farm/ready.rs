//! `after`: which tasks become ready when another is committed, and which are lost when it is
//! given up.

use std::ops::Range;

use super::{Farm, Phase};
use crate::event::{Action, GiveUpReason, Outcome};
use crate::ids::TaskId;
use crate::job::{After, Scope};

impl Farm {
    /// Whether everything that a task stands on is committed. A layer that lacks the frame is not
    /// waited for.
    pub(super) fn needs_met(&self, task: TaskId) -> bool {
        let key = self.job.key(task);
        let met = |after: &After| match after.scope {
            Scope::Layer => self.layers[after.layer.index()].left == 0,
            Scope::Frame => self
                .job
                .frame_tasks(after.layer, key.frame)
                .all(|need| self.rows[need as usize].phase == Phase::Committed),
        };
        self.job.layer(key.layer).after().iter().all(met)
    }

    /// A task's file is in its place.
    pub(super) fn settle_committed(&mut self, task: TaskId) {
        self.set_phase(task, Phase::Committed);
        self.trouble.remove(&task);
        self.reopened.remove(&task);
        let key = self.job.key(task);
        let layer = &mut self.layers[key.layer.index()];
        layer.left -= 1;
        let complete = layer.left == 0;
        for index in 0..self.job.layer(key.layer).before().len() {
            let before = self.job.layer(key.layer).before()[index];
            match before.scope {
                Scope::Frame => self.unblock(self.job.frame_tasks(before.layer, key.frame)),
                Scope::Layer if complete => {
                    self.unblock(self.job.layer(before.layer).range());
                }
                Scope::Layer => {}
            }
        }
    }

    fn unblock(&mut self, tasks: Range<u32>) {
        for task in tasks.map(TaskId) {
            if self.rows[task.index()].phase == Phase::Blocked && self.needs_met(task) {
                self.enqueue(task);
            }
        }
    }

    /// No further attempt at a task, nor at anything that stands on it.
    pub(super) fn give_up(&mut self, task: TaskId, reason: GiveUpReason) {
        let mut lost = vec![(task, reason)];
        while let Some((task, reason)) = lost.pop() {
            let phase = self.rows[task.index()].phase;
            // What has its picture keeps it, though what it stands on was opened again.
            let has_picture = phase == Phase::Committed || self.committing.get(&task).is_some();
            if has_picture || phase == Phase::GivenUp {
                continue;
            }
            if phase == Phase::Ready {
                self.dequeue(task);
            }
            self.set_phase(task, Phase::GivenUp);
            self.trouble.remove(&task);
            self.lost.insert(task, reason);
            // A layer that is not divided may have waited for it, and goes without it now.
            self.stirred = true;
            self.actions.push(Action::GiveUp { task, reason });
            if let Some(holder) = self.rows[task.index()].lease() {
                self.stop_if_lost(holder);
            }
            self.push_standing_on(task, &mut lost);
        }
        if !self.job.limits().keep_going {
            self.drain_job(Outcome::Failed);
        }
    }

    fn push_standing_on(&mut self, need: TaskId, lost: &mut Vec<(TaskId, GiveUpReason)>) {
        let key = self.job.key(need);
        // Whoever waits for the whole layer is lost with its first task; once is enough.
        let first = !std::mem::replace(&mut self.layers[key.layer.index()].doomed, true);
        for before in self.job.layer(key.layer).before() {
            let tasks = match before.scope {
                Scope::Frame => self.job.frame_tasks(before.layer, key.frame),
                Scope::Layer if first => self.job.layer(before.layer).range(),
                Scope::Layer => continue,
            };
            lost.extend(
                tasks
                    .rev()
                    .map(|task| (TaskId(task), GiveUpReason::Need { need })),
            );
        }
    }

    /// Gives up every layer that no host can take any more.
    pub(super) fn give_up_hopeless(&mut self) {
        for index in 0..self.layers.len() {
            let Some(reason) = self.hopeless(index) else {
                continue;
            };
            for task in self.job.layer(super::layer_at(index)).range().map(TaskId) {
                if matches!(self.rows[task.index()].phase, Phase::Blocked | Phase::Ready) {
                    self.give_up(task, reason);
                }
            }
        }
    }

    fn hopeless(&self, index: usize) -> Option<GiveUpReason> {
        let layer = self.job.layer(super::layer_at(index));
        let class = &self.classes[self.layers[index].class];
        let left = class
            .hosts
            .iter()
            .any(|host| self.hosts[host.index()].presence != super::Presence::Gone);
        if left {
            return None;
        }
        if !class.hosts.is_empty() || self.hosts.is_empty() {
            return Some(GiveUpReason::HostsGone);
        }
        let tagged = self
            .hosts
            .iter()
            .any(|host| host.spec.tags.has_all(layer.tags()));
        Some(if tagged {
            GiveUpReason::NoHostMemory
        } else {
            GiveUpReason::NoHostTags
        })
    }
}
