//! The farm's invariants, checked from scratch. O(tasks + slots): for tests and simulations.

use std::collections::BTreeMap;

use thiserror::Error;

use super::explain::Standing;
use super::slots::{Presence, Segment, Stage, Work};
use super::tasks::{PHASES, Phase};
use super::waiting::Waiting;
use super::{Farm, Mode};
use crate::ids::{SlotId, TaskId};

/// An invariant that does not hold: a fault of this crate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the farm's state is broken: {what}")]
pub struct Broken {
    /// What does not hold.
    pub what: String,
}

/// Fails with a sentence unless a condition holds.
macro_rules! hold {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(Broken { what: format!($($what)+) });
        }
    };
}

impl Farm {
    /// Checks every invariant of the state.
    pub fn check(&self) -> Result<(), Broken> {
        self.check_counts()?;
        self.check_queues()?;
        self.check_slots()?;
        self.check_leases()?;
        self.check_needs()?;
        self.check_sets()?;
        self.check_explained()
    }

    /// What readers are told of a few tasks fits what is so.
    fn check_explained(&self) -> Result<(), Broken> {
        let count = self.rows.len();
        for index in [0, count / 3, count * 2 / 3, count.saturating_sub(1)] {
            let Some(row) = self.rows.get(index) else {
                continue;
            };
            let task = TaskId::at(index);
            let told = self.explain(task);
            let fits = match told.standing {
                Standing::Blocked(ref needs) => {
                    row.phase == Phase::Blocked && (needs.count > 0 || !needs.layers.is_empty())
                }
                Standing::Ready { waiting, .. } => row.phase == Phase::Ready && waiting > 0,
                Standing::Leased(lease) => row.is_out() && row.lease() == Some(lease.slot),
                Standing::Committing { .. } => row.phase == Phase::Committing,
                Standing::Committed => row.phase == Phase::Committed,
                Standing::GivenUp { reason } => row.phase == Phase::GivenUp && reason.is_some(),
            };
            hold!(
                fits,
                "task {task} is {:?}, explained as {told:?}",
                row.phase
            );
            let begun = row.phase > Phase::Leased;
            let hosts = if begun { 0 } else { self.hosts.len() };
            hold!(
                told.hosts.len() == hosts,
                "task {task} is explained on {} hosts of {hosts}",
                told.hosts.len()
            );
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), Broken> {
        let mut counts = [0; PHASES];
        for row in &self.rows {
            counts[row.phase as usize] += 1;
        }
        hold!(
            counts == self.counts,
            "phases are {counts:?}, counted {:?}",
            self.counts
        );
        for (index, layer) in self.layers.iter().enumerate() {
            let range = self.job.layer(super::layer_at(index)).range();
            let rows = &self.rows[range.start as usize..range.end as usize];
            let count = |phase| rows.iter().filter(|row| row.phase == phase).count() as u32;
            let left = rows.len() as u32 - count(Phase::Committed);
            hold!(
                layer.left == left,
                "layer {index} has {left} left, counted {}",
                layer.left
            );
            let blocked = count(Phase::Blocked);
            hold!(
                layer.blocked == blocked,
                "layer {index} has {blocked} blocked tasks"
            );
            let ready = count(Phase::Ready);
            hold!(
                layer.queue.count() == ready,
                "layer {index} has {ready} ready tasks"
            );
        }
        Ok(())
    }

    fn check_queues(&self) -> Result<(), Broken> {
        for (index, layer) in self.layers.iter().enumerate() {
            let queue = &layer.queue;
            let first = queue.urgent.iter().chain(&queue.retry).copied();
            let last = queue.last.iter().flat_map(Waiting::iter);
            let waiting = first.chain(queue.bulk.iter()).chain(last);
            let mut units = 0;
            // As many as are ready, each once (counts were compared), each ready and of the layer.
            let mut seen = std::collections::BTreeSet::new();
            for task in waiting {
                units += self.units(task);
                hold!(seen.insert(task), "task {task} waits twice");
                let phase = self.rows[task.index()].phase;
                hold!(phase == Phase::Ready, "task {task} waits but is {phase:?}");
                let layer = self.job.layer_of(task).index();
                hold!(layer == index, "task {task} waits with layer {index}");
            }
            hold!(
                units == queue.units,
                "the cost that waits in layer {index} is off"
            );
        }
        Ok(())
    }

    fn check_slots(&self) -> Result<(), Broken> {
        let mut running = BTreeMap::new();
        let mut loading = 0;
        for (index, slot) in self.slots.iter().enumerate() {
            let id = SlotId::at(index);
            let there = self.hosts[slot.host.index()].is_there();
            let away = matches!(slot.work, Work::Away);
            hold!(there != away, "slot {id} does not match its host");
            let idle = matches!(slot.work, Work::Idle) && self.takes(id);
            hold!(
                idle == self.idle.contains(&id),
                "slot {id} is listed wrongly as idle"
            );
            if let Some(segment) = slot.segment() {
                let doubled = running.insert(segment.id, id);
                hold!(doubled.is_none(), "segment {} runs twice", segment.id);
                hold!(
                    segment.id < self.next_segment,
                    "segment {} is unborn",
                    segment.id
                );
                loading += u32::from(matches!(segment.stage, Stage::Sent { cold: true }));
                self.check_segment(id, segment)?;
            }
            if let Work::Thief { victim } = slot.work {
                hold!(
                    self.takes(id),
                    "slot {id} waits for a tail that it may not take"
                );
                let victim = self.live.get(victim);
                let cut = victim.and_then(|slot| self.slots[slot.index()].segment()?.cut);
                let waited = cut.is_some_and(|cut| cut.thief == Some(id));
                hold!(waited, "slot {id} waits for a cut that nobody makes");
            }
        }
        hold!(
            running.into_iter().eq(self.live.iter()),
            "the list of running segments is off"
        );
        hold!(
            loading == self.loading,
            "{loading} load, counted {}",
            self.loading
        );
        Ok(())
    }

    fn check_segment(&self, slot: SlotId, segment: &Segment) -> Result<(), Broken> {
        let id = segment.id;
        hold!(
            segment.next <= segment.tasks.len(),
            "segment {id} began more than it has"
        );
        let leased = |task: &&TaskId| self.holds(slot, **task);
        let open = segment.tasks.iter().filter(leased).count();
        hold!(
            open == segment.open,
            "segment {id} has {open} open, counted {}",
            segment.open
        );
        let untouched = &segment.tasks[segment.next..];
        let units: u64 = untouched.iter().map(|task| self.units(*task)).sum();
        hold!(
            units == segment.units,
            "the cost left of segment {id} is off"
        );
        if let Some(cut) = segment.cut {
            hold!(cut.answers > 0, "segment {id} is cut and has answered");
            hold!(
                cut.thief.is_none() || !self.is_silent(slot),
                "slot {slot} is silent, and somebody waits for a tail of it"
            );
        }
        for task in &segment.tasks {
            let layer = self.job.layer_of(*task);
            hold!(layer == segment.layer, "segment {id} spans layers");
        }
        let listed = self.slots[slot.index()].deadline;
        if let (None, Some(due)) = (segment.stopping, self.due(slot)) {
            // What is learned moves limits a little after they were listed.
            let early = listed.is_some_and(|listed| self.deadlines.contains(&(listed, slot)));
            hold!(
                early,
                "segment {id} is due at {due} and has no deadline listed"
            );
        }
        let host = self.slots[slot.index()].host;
        let class = &self.classes[self.layers[segment.layer.index()].class];
        hold!(class.has(host), "segment {id} runs where it may not");
        Ok(())
    }

    /// Each lease is held by the one segment that lists the task.
    fn check_leases(&self) -> Result<(), Broken> {
        let mut leases = 0;
        for (index, row) in self.rows.iter().enumerate() {
            let task = TaskId::at(index);
            hold!(
                row.lease().is_some() || !row.is_out(),
                "task {task} is out with nobody"
            );
            let Some(slot) = row.lease() else {
                continue;
            };
            leases += 1;
            hold!(
                !matches!(row.phase, Phase::Blocked | Phase::Ready),
                "task {task} is {:?} and leased",
                row.phase
            );
            let segment = self.slots[slot.index()].segment();
            let times = segment.map_or(0, |segment| {
                segment.tasks.iter().filter(|other| **other == task).count()
            });
            hold!(
                times == 1,
                "task {task} is leased to slot {slot}, which has it {times} times"
            );
        }
        leases += self.copies.len();
        for (task, slot) in &self.copies {
            let first = self.rows[task.index()].lease();
            hold!(
                first.is_some_and(|first| first != *slot),
                "task {task} has a copy and no first holder"
            );
        }
        let open: usize = self
            .slots
            .iter()
            .filter_map(|slot| slot.segment())
            .map(|segment| segment.open)
            .sum();
        hold!(
            open == leases,
            "{leases} tasks are leased, segments hold {open}"
        );
        Ok(())
    }

    fn check_needs(&self) -> Result<(), Broken> {
        for (index, row) in self.rows.iter().enumerate() {
            let task = TaskId::at(index);
            let blocked = match row.phase {
                Phase::Blocked => true,
                Phase::GivenUp => continue,
                Phase::Ready
                | Phase::Leased
                | Phase::Begun
                | Phase::Committing
                | Phase::Committed => false,
            };
            // What an earlier run committed may stand on what is rendered again.
            let done =
                row.phase == Phase::Committed && self.job.done().binary_search(&task).is_ok();
            // And what had begun goes on when what it stands on is opened again.
            let begun = !matches!(row.phase, Phase::Blocked | Phase::Ready);
            let excused = done || (begun && !self.reopened.is_empty());
            hold!(
                excused || blocked != self.needs_met(task),
                "task {task} is {:?}",
                row.phase
            );
        }
        Ok(())
    }

    fn check_sets(&self) -> Result<(), Broken> {
        for (index, host) in self.hosts.iter().enumerate() {
            let silent = host.presence == Presence::Silent;
            hold!(
                self.knows_silence || !silent,
                "host {index} is silent, and no host ever was"
            );
            let open = host.slots().filter(|slot| self.is_open(*slot)).count();
            hold!(
                open == host.open as usize,
                "host {index} has {open} open slots, counted {}",
                host.open
            );
        }
        let slots: u32 = self.hosts.iter().map(|host| host.spec.slots).sum();
        hold!(
            slots as usize == self.slots.len(),
            "hosts have {slots} slots in all"
        );
        for task in self.committing.tasks() {
            let phase = self.rows[task.index()].phase;
            hold!(
                phase == Phase::Committing,
                "task {task} is committed and {phase:?}"
            );
        }
        let committing = self.counts[Phase::Committing as usize] as usize;
        hold!(
            committing == self.committing.len(),
            "{committing} tasks are being committed"
        );
        let first = self.deadlines.first().map(|(time, _)| *time);
        hold!(first == self.first_deadline, "the first deadline is off");
        let deadlines = self.slots.iter().filter_map(|slot| slot.deadline);
        hold!(
            deadlines.count() == self.deadlines.len(),
            "a deadline is left over"
        );
        for task in self.reopened.keys() {
            hold!(
                self.rows[task.index()].phase != Phase::Committed,
                "task {task} is committed and opened again"
            );
        }
        for task in self.trouble.keys() {
            hold!(
                !self.rows[task.index()].is_final(),
                "task {task} is final and in trouble"
            );
        }
        let still = self.live.is_empty() && self.committing.is_empty();
        let waiting =
            self.counts[Phase::Blocked as usize] > 0 && self.counts[Phase::Ready as usize] == 0;
        let stuck = self.mode == Mode::Running && still && waiting;
        hold!(
            !(self.mode == Mode::Running && still && self.is_asleep()),
            "a task could be sent, and nobody will ever do it"
        );
        hold!(
            !stuck,
            "everything that is left waits for something that nobody makes"
        );
        Ok(())
    }

    /// Whether something waits that an idle slot may take, and nothing will wake the farm.
    fn is_asleep(&self) -> bool {
        let may_take = |class: usize, slot: &SlotId| {
            let host = self.slots[slot.index()].host;
            self.takes(*slot)
                && self.classes[class].has(host)
                && self.hosts[host.index()].is_usable(self.now)
        };
        let waits = self.layers.iter().any(|layer| {
            let incomplete = layer.undivided && layer.blocked > 0;
            let waits = !layer.queue.is_empty() && !incomplete;
            waits && self.idle.iter().any(|slot| may_take(layer.class, slot))
        });
        waits && !self.stirred && self.wake.is_none()
    }
}

#[cfg(test)]
mod tests {
    //! A check that never fails would prove nothing: each kind of damage must be seen.

    use super::super::slots::Cutting;
    use super::*;
    use crate::event::Event;
    use crate::frames::Frame;
    use crate::hosts::HostSpec;
    use crate::ids::{HostId, LayerId, SegmentId};
    use crate::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
    use crate::policy::{Limits, Pace, Policy};
    use crate::time::{Span, Time};

    /// Two slots at work, some tasks left over.
    fn farm() -> Farm {
        let frames = (1..=8).map(|frame| TaskSpec::new(LayerId(0), Frame(frame)));
        let job = Job::new(JobSpec {
            layers: vec![LayerSpec::default()],
            tasks: frames.collect(),
            costs: Costs {
                load: Span::from_secs(60),
                call: Span::ZERO,
                frame: Span::from_secs(20),
            },
            kept: true,
            policy: Policy::Fixed(3),
            limits: Limits::default(),
            pace: Pace::default(),
            first_segment: SegmentId(1),
        });
        let mut farm = Farm::new(job.unwrap(), vec![HostSpec::default(); 2]);
        for host in [HostId(0), HostId(1)] {
            farm.handle(Time::ZERO, &Event::HostUp { host });
        }
        assert_eq!(farm.drain().len(), 2);
        farm.check().unwrap();
        farm
    }

    fn seen(damage: impl FnOnce(&mut Farm)) -> String {
        let mut farm = farm();
        damage(&mut farm);
        farm.check().expect_err("the damage is seen").what
    }

    #[test]
    fn every_kind_of_damage_is_seen() {
        let lost = seen(|farm| farm.dequeue(TaskId(7)));
        assert!(lost.contains("ready tasks"), "{lost}");
        let doubled = seen(|farm| farm.layers[0].queue.bulk.insert(TaskId(0)));
        assert!(doubled.contains("ready tasks"), "{doubled}");
        let miscounted = seen(|farm| farm.counts[Phase::Ready as usize] += 1);
        assert!(miscounted.contains("phases"), "{miscounted}");
        let stolen = seen(|farm| farm.rows[0].set_lease(Some(SlotId(1))));
        assert!(
            stolen.contains("open") || stolen.contains("leased"),
            "{stolen}"
        );
        let twice = seen(|farm| farm.slots[1].work = farm.slots[0].work.clone());
        assert!(twice.contains("runs twice"), "{twice}");
        let hidden = seen(|farm| farm.live.remove(SegmentId(1)));
        assert!(hidden.contains("running segments"), "{hidden}");
        let committed = seen(|farm| {
            farm.committing.begin(TaskId(0), SegmentId(1));
        });
        assert!(committed.contains("committed"), "{committed}");
        let listed = seen(|farm| {
            farm.idle.insert(SlotId(0));
        });
        assert!(listed.contains("listed wrongly"), "{listed}");
        let ajar = seen(|farm| farm.slots[1].closed = true);
        assert!(ajar.contains("open slots"), "{ajar}");
        let hushed = seen(|farm| {
            farm.slots[1].segment_mut().unwrap().cut = Some(Cutting {
                thief: Some(SlotId(0)),
                answers: 1,
            });
            farm.hosts[1].presence = Presence::Silent;
            farm.knows_silence = true;
        });
        assert!(hushed.contains("silent"), "{hushed}");
        let forgotten = seen(|farm| farm.deadlines.clear());
        assert!(forgotten.contains("deadline"), "{forgotten}");
    }
}
