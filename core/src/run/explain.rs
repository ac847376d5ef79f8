//! Answers of a running controller: the kernel's reasons with names put to them.

use framewright_kernel::event::{Event as FarmEvent, Outcome};
use framewright_kernel::farm::{self as kernel, Standing as At};
use framewright_kernel::hosts::TagSet;
use framewright_kernel::ids::{HostId, LayerId, SlotId, TaskId};
use framewright_kernel::time::Time;
use framewright_plugin_api::data::Basis;

use super::controller::Controller;
use super::farm::tag_names;
use super::slots::sent_why;
use crate::control::{Answer, Asked, Request};
use crate::explain::{
    CostBasis, CostReport, HOSTS_MAX, Hold, HostReason, HostReport, LayerLeft, LeaseReport,
    Standing, TaskReport,
};
use crate::names::TaskName;
use crate::store::TaskPhase;

impl Controller<'_> {
    /// Answers at once, from what is in memory.
    pub(super) fn on_asked(&mut self, asked: Asked) {
        // Predictions are made from the latest time that the kernel heard of.
        self.tell(&FarmEvent::Tick);
        let answer = match &asked.request {
            Request::Explain { task } => self.explain(task),
            Request::HostAdd { entry } => self.add_host(entry),
            Request::HostDrain { host } => self.drain_host(host),
        };
        // Whoever asked may have gone meanwhile.
        let _ = asked.reply.send(answer);
    }

    fn explain(&self, typed: &str) -> Answer {
        let name: Option<TaskName> = typed.parse().ok();
        match name.and_then(|name| self.job.tasks().find(&name)) {
            Some(task) => Answer::Explained(Box::new(self.task_report(task))),
            None => Answer::Refused {
                why: format!("there is no task {typed} in job {}", self.job.id()),
            },
        }
    }

    fn task_report(&self, task: TaskId) -> TaskReport {
        let told = self.farm.explain(task);
        let hosts = told.hosts.iter().take(HOSTS_MAX);
        TaskReport {
            task: self.job.task_name(task),
            standing: self.standing(task, &told.standing),
            beside: told.beside.as_ref().map(|lease| self.lease_report(lease)),
            attempts: u32::from(told.attempts),
            failures: u32::from(told.failures),
            cost: Some(self.cost_report(task, &told.cost)),
            hosts: hosts.map(|host| self.host_report(host)).collect(),
            hosts_left_out: count(told.hosts.len().saturating_sub(HOSTS_MAX)),
            tries: Vec::new(),
        }
    }

    /// Seconds from now; below 0 for what was.
    fn seconds_to(&self, at: Time) -> f64 {
        let now = self.now();
        if at >= now {
            at.since(now).as_secs_f64()
        } else {
            -now.since(at).as_secs_f64()
        }
    }

    fn standing(&self, task: TaskId, at: &At) -> Standing {
        match at {
            At::Blocked(needs) => Standing::Blocked {
                needs: needs
                    .tasks
                    .iter()
                    .map(|need| self.job.task_name(*need))
                    .collect(),
                needs_count: needs.count,
                layers: needs
                    .layers
                    .iter()
                    .map(|(layer, left)| LayerLeft {
                        layer: self.layer_name(*layer),
                        left: *left,
                    })
                    .collect(),
            },
            At::Ready { hold, waiting } => Standing::Waiting {
                hold: hold.map(|hold| self.hold(hold)),
                waiting: *waiting,
                all_done_in_s: self.farm.predicted_end().map(|at| self.seconds_to(at)),
            },
            At::Leased(lease) => {
                let begun = lease.begun;
                let lease = self.lease_report(lease);
                match begun {
                    true => Standing::Rendering { lease },
                    false => Standing::Given { lease },
                }
            }
            At::Committing { segment } => Standing::Committing { segment: segment.0 },
            At::Committed => Standing::Done,
            At::GivenUp { reason } => {
                let told = self.state.tasks().get(&self.job.task_name(task));
                let told = told.and_then(|task| match &task.phase {
                    TaskPhase::GivenUp { why } => Some(why.clone()),
                    TaskPhase::Pending | TaskPhase::Running { .. } | TaskPhase::Done { .. } => None,
                });
                let kernel_s = || reason.map(|reason| reason.to_string());
                Standing::GivenUp {
                    why: told.or_else(kernel_s).unwrap_or_default(),
                }
            }
        }
    }

    fn layer_name(&self, layer: LayerId) -> String {
        // The scene as it is is one layer to the kernel, whatever it is made of.
        let layers = &self.job.prepared.layers;
        let name = layers.get(usize::from(layer.0)).map_or("", String::as_str);
        TaskName::new(name, 0, None).layer().to_owned()
    }

    fn hold(&self, hold: kernel::Hold) -> Hold {
        let for_s = |until: Time| self.seconds_to(until).max(0.0);
        match hold {
            kernel::Hold::Draining { outcome } => match outcome {
                Outcome::DiskFull => Hold::DiskFull,
                Outcome::Failed => Hold::FailFast,
                Outcome::Done | Outcome::Interrupted | Outcome::Cancelled => Hold::Stopping,
            },
            kernel::Hold::Cancelling => Hold::Cancelling,
            kernel::Hold::Over { .. } => Hold::Over,
            kernel::Hold::Licence { until } => Hold::Licence {
                for_s: for_s(until),
            },
            kernel::Hold::Interval { until } => Hold::Interval {
                for_s: for_s(until),
            },
            kernel::Hold::Loads { loading } => Hold::Loads { loading },
            kernel::Hold::Undivided { blocked } => Hold::Undivided { blocked },
            kernel::Hold::UndividedRuns => Hold::UndividedRuns,
            kernel::Hold::Closed => Hold::Closed,
            kernel::Hold::Silent => Hold::Silent,
        }
    }

    fn lease_report(&self, lease: &kernel::Lease) -> LeaseReport {
        let (host, slot) = self.host_name(lease.slot);
        let full_name = |slot: SlotId| {
            let (host, slot) = self.host_name(slot);
            format!("{host}/{slot}")
        };
        LeaseReport {
            segment: lease.segment.0,
            host,
            slot,
            why: sent_why(lease.reason),
            sent_in_s: self.seconds_to(lease.sent),
            place: lease.place + 1,
            of: lease.of,
            begun: lease.begun,
            begins_in_s: lease.begins.map(|at| self.seconds_to(at)),
            ends_in_s: lease.ends.map(|at| self.seconds_to(at)),
            segment_ends_in_s: self.seconds_to(lease.segment_ends),
            takes_s: lease.takes.as_secs_f64(),
            speed: lease.speed,
            cut_for: lease.thief.map(full_name),
            stopping: lease.stopping,
        }
    }

    fn cost_report(&self, task: TaskId, cost: &kernel::Cost) -> CostReport {
        let before = self.basis_before(task);
        let (basis, ended) = match cost.basis {
            kernel::CostBasis::Layer { ended } => (CostBasis::Layer, ended),
            kernel::CostBasis::Job { ended } => (CostBasis::Job, ended),
            kernel::CostBasis::Before => (before, 0),
        };
        CostReport {
            seconds_s: cost.seconds.as_secs_f64(),
            estimate_s: cost.estimate.as_secs_f64(),
            basis,
            estimate_basis: Some(before),
            ended,
            spread: cost.spread,
        }
    }

    /// What a task's cost was known by before the start. What is remembered goes by layers, so that
    /// of one job some tasks may stand on it and others on what the scene says.
    fn basis_before(&self, task: TaskId) -> CostBasis {
        let prepared = &self.job.prepared;
        let facts = self.job.tasks().facts(task);
        let remembered = prepared.remembered.as_ref();
        let cost = remembered.and_then(|known| known.cost(facts.layer_index, facts.frame_index));
        if cost.is_some() {
            return CostBasis::History;
        }
        match prepared.inspection.scene.costs.frame_s.basis {
            Basis::Unknown => CostBasis::Guess,
            Basis::Estimated => CostBasis::Estimated,
            Basis::Declared => CostBasis::Declared,
            Basis::Measured => CostBasis::Measured,
        }
    }

    fn host_report(&self, host: &kernel::Elsewhere) -> HostReport {
        HostReport {
            host: self.host(host.host).name.clone(),
            speed: host.speed,
            takes_s: host.takes.as_secs_f64(),
            reason: self.host_reason(host.host, host.reason),
        }
    }

    fn host_reason(&self, host: HostId, reason: kernel::HostReason) -> HostReason {
        use kernel::HostReason as Kernel;
        match reason {
            Kernel::NoSlots => HostReason::NoSlots,
            Kernel::LacksMemory { needs, has } => HostReason::LacksMemory {
                needs_bytes: needs.0,
                has_bytes: has.0,
            },
            Kernel::LacksTags { missing } => HostReason::LacksTags {
                tags: self.missing_tags(host, missing),
            },
            Kernel::NotUp => HostReason::NotUp,
            Kernel::Silent => HostReason::Silent,
            Kernel::Closed => HostReason::Closed {
                why: self.why_closed(host),
            },
            Kernel::Lost => HostReason::Lost,
            Kernel::Gone => HostReason::Gone,
            Kernel::Rests { until } => HostReason::Rests {
                for_s: self.seconds_to(until).max(0.0),
            },
            Kernel::FailedThere => HostReason::FailedThere,
            Kernel::MoreMemoryElsewhere => HostReason::MoreMemoryElsewhere,
            Kernel::HasIt => HostReason::HasIt,
            Kernel::Busy { free } => HostReason::Busy {
                free_in_s: self.seconds_to(free),
            },
            Kernel::Promised { victim } => HostReason::Promised { segment: victim.0 },
            Kernel::LoadsFull { loading } => HostReason::LoadsFull { loading },
            Kernel::NotWorthIt { ready, over } => HostReason::NotWorthIt {
                ready_in_s: self.seconds_to(ready),
                over_in_s: self.seconds_to(over),
            },
            Kernel::Idle { ready } => HostReason::Idle {
                ready_in_s: self.seconds_to(ready),
            },
        }
    }

    /// Why a host takes nothing: what is true of it, or who has its slots.
    fn why_closed(&self, host: HostId) -> String {
        if let Some(why) = self.host(host).closed.values().next_back() {
            return why.clone();
        }
        let slots = self.slots_of(host).into_iter();
        let mut holders: Vec<String> = slots
            .flat_map(|slot| self.slots[slot.0 as usize].lease.held_by())
            .collect();
        holders.sort();
        holders.dedup();
        match holders.is_empty() {
            true => "its slots are waited for".to_owned(),
            false => format!("its slots are held by {}", holders.join(", ")),
        }
    }

    fn missing_tags(&self, host: HostId, missing: TagSet) -> Vec<String> {
        let has = &self.host(host).entry.tags;
        let mut names = tag_names(&self.job.prepared, missing);
        names.retain(|name| !has.contains(name));
        names
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
