//! The lower bound: no schedule of whole tasks can end sooner.
//!
//! The i-th slot to be sent to begins to load at bᵢ + δ: one send every d, never more scenes being
//! loaded at once than allowed, δ from a send to the start. A slot of speed s that loads for L is
//! ready at r = bᵢ + δ + L; what it is sent later can only delay it. The bound is the largest of
//!
//! * (a) the smallest T with Σ sᵢ·max(0, T − rᵢ) ≥ Σ cⱼ: work against capacity;
//! * (b) the same for the k longest tasks, which are on at most k slots, for every k up to the
//!   number of slots (Horvath, Lam and Sethi's bound for machines of unlike speed, with loads);
//! * (c) maxⱼ minᵢ (δ + Lᵢ + cⱼ/sᵢ): the longest task on the slot that is best for it;
//! * (d) the smallest T by which slots can end k whole tasks, if each slot had the shortest ones
//!   among the k longest for itself, for many k: with all tasks it is what equal tasks really take,
//!   with fewer it is what dear ones take, of which a slot holds few;
//! * (e) the longest path through `after`, every task on the fastest slot that may take it, behind
//!   the shortest δ + Lᵢ.
//!
//! (a) to (d) are taken over all tasks, and over those that only some of the hosts may take.
//!
//! In (a) and (b) slots are counted fastest first and loads shortest first, independently of each
//! other. Where the fast slots are not those that load quickly, that grants the schedule a slot
//! better than any there is, so the bound stays a bound (rearrangement inequality); where they are,
//! it is the sum above as it stands. (a) is taken a second time with the slots as they are and no
//! waiting for turns.
//!
//! It knows nothing of the farm's policy and shares no code with it, so that it can judge it.

mod assignment;
mod level;
mod whole;
mod works;

use crate::hosts::HostSpec;
use crate::ids::{HostId, LayerId, TaskId};
use crate::job::{Job, Scope};
use crate::time::Span;
use works::Works;

/// What is known of costs and hosts: predictions before a run, measurements after it.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// What each task costs on a host of speed 1, by [`TaskId`]. Tasks that are not to be done in
    /// this run cost nothing.
    pub costs: &'a [Span],
    /// How fast each host is, by [`HostId`].
    pub speeds: &'a [f64],
    /// How long its first load takes, by [`HostId`].
    pub loads: &'a [Span],
}

/// The lower bound as far as it is known before the start: estimated costs, declared speeds, and
/// nothing to do for tasks that earlier runs committed.
#[must_use]
pub fn predicted_bound(job: &Job, hosts: &[HostSpec]) -> Option<Span> {
    let mut costs: Vec<Span> = job.tasks().map(|task| job.cost(task)).collect();
    for task in job.done() {
        costs[task.index()] = Span::ZERO;
    }
    let speeds: Vec<f64> = hosts.iter().map(|host| host.speed.as_f64()).collect();
    let loads: Vec<Span> = hosts
        .iter()
        .map(|host| host.expected_load(job.costs().load))
        .collect();
    let judged = Judged {
        costs: &costs,
        speeds: &speeds,
        loads: &loads,
    };
    lower_bound(job, hosts, judged)
}

/// A slot that may take something.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Server {
    speed: f64,
    load: f64,
}

/// The lower bound of a job on these hosts; `None` when a task with a cost can go nowhere.
///
/// # Panics
/// When `judged` does not cover all tasks and hosts.
#[must_use]
pub fn lower_bound(job: &Job, hosts: &[HostSpec], judged: Judged<'_>) -> Option<Span> {
    let bound = Clauses::new(job, hosts, judged)?.largest();
    Some(if bound > 0.0 {
        Span::from_secs_f64(bound + job.pace().start_delay.as_secs_f64())
    } else {
        Span::ZERO
    })
}

/// What each part of the bound says, without δ.
#[derive(Clone, Copy, Debug, Default)]
struct Clauses {
    /// (a).
    work: f64,
    /// (b).
    few: f64,
    /// (c).
    task: f64,
    /// (d); the largest of the others where it is not above them.
    whole: f64,
    /// (e).
    path: f64,
}

impl Clauses {
    fn new(job: &Job, hosts: &[HostSpec], judged: Judged<'_>) -> Option<Clauses> {
        assert_eq!(judged.costs.len(), job.task_count() as usize);
        assert!(judged.speeds.len() == hosts.len() && judged.loads.len() == hosts.len());
        let groups = groups(job, hosts, judged);
        let stranded = |group: &Group| group.servers.is_empty() && group.has_work;
        if groups.iter().any(stranded) {
            return None;
        }
        let mut clauses = Clauses {
            path: longest_path(job, &groups, judged.costs),
            ..Clauses::default()
        };
        for group in &groups {
            clauses.hold(job, &group.servers, group.layers_within(&groups), judged);
        }
        let all = servers(hosts, judged, &used(job, hosts));
        if groups.iter().all(|group| group.servers.len() < all.len()) {
            let layers = (0..job.layers().len()).map(LayerId::at).collect();
            clauses.hold(job, &all, layers, judged);
        }
        Some(clauses)
    }

    /// These layers can only be rendered on these slots.
    fn hold(&mut self, job: &Job, servers: &[Server], layers: Vec<LayerId>, judged: Judged<'_>) {
        let ranges = layers
            .iter()
            .map(|layer| job.layers()[layer.index()].range());
        let costs = ranges.map(|range| &judged.costs[range.start as usize..range.end as usize]);
        let works = Works::new(costs.flatten());
        if works.count() == 0 || servers.is_empty() {
            return;
        }
        let begins = begins(job, servers);
        self.work = self.work.max(level::all(&works, servers, &begins));
        self.few = self.few.max(level::few(&works, servers, &begins));
        self.task = self.task.max(longest_task(works.longest(), servers));
        // Only where it is above all others it is worth finding.
        self.whole = whole::raised(self.largest(), &works, servers, &begins);
    }

    fn largest(self) -> f64 {
        let parts = [self.work, self.few, self.task, self.whole, self.path];
        parts.into_iter().fold(0.0, f64::max)
    }
}

/// When the first, the second, … slot to be sent to can begin to load, without δ.
fn begins(job: &Job, servers: &[Server]) -> Vec<f64> {
    let pace = job.pace();
    let interval = pace.dispatch_interval.as_secs_f64();
    let shortest = shortest_load(servers);
    let begin = |place: usize| {
        let sent = place as f64 * interval;
        // So many rounds of loads have ended before this one begins.
        let rounds = pace
            .loads_max
            .map_or(0, |most| place / most.max(1) as usize);
        sent.max(rounds as f64 * shortest)
    };
    (0..servers.len()).map(begin).collect()
}

fn shortest_load(servers: &[Server]) -> f64 {
    let loads = servers.iter().map(|server| server.load);
    loads.fold(f64::INFINITY, f64::min)
}

/// Layers that the same hosts may take.
struct Group {
    layers: Vec<LayerId>,
    hosts: Vec<HostId>,
    servers: Vec<Server>,
    has_work: bool,
}

impl Group {
    /// All layers that only hosts of this group may take.
    fn layers_within(&self, groups: &[Group]) -> Vec<LayerId> {
        let own = |host: &HostId| self.hosts.binary_search(host).is_ok();
        let within = groups.iter().filter(|other| other.hosts.iter().all(own));
        within.flat_map(|group| &group.layers).copied().collect()
    }
}

fn groups(job: &Job, hosts: &[HostSpec], judged: Judged<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (index, layer) in job.layers().iter().enumerate() {
        let able: Vec<HostId> = (0..hosts.len())
            .filter(|host| hosts[*host].can_take(layer.memory(), layer.tags()))
            .map(HostId::at)
            .collect();
        let range = layer.range();
        let costs = &judged.costs[range.start as usize..range.end as usize];
        let has_work = costs.iter().any(|cost| *cost > Span::ZERO);
        match groups.iter_mut().find(|group| group.hosts == able) {
            Some(group) => {
                group.layers.push(LayerId::at(index));
                group.has_work |= has_work;
            }
            None => groups.push(Group {
                layers: vec![LayerId::at(index)],
                servers: servers(hosts, judged, &able),
                hosts: able,
                has_work,
            }),
        }
    }
    groups
}

/// Hosts that may take any layer at all.
fn used(job: &Job, hosts: &[HostSpec]) -> Vec<HostId> {
    let used = |host: &HostId| {
        let mut layers = job.layers().iter();
        layers.any(|layer| hosts[host.index()].can_take(layer.memory(), layer.tags()))
    };
    (0..hosts.len()).map(HostId::at).filter(used).collect()
}

fn servers(hosts: &[HostSpec], judged: Judged<'_>, wanted: &[HostId]) -> Vec<Server> {
    let servers = |host: &HostId| {
        let server = Server {
            speed: judged.speeds[host.index()],
            load: judged.loads[host.index()].as_secs_f64(),
        };
        (0..hosts[host.index()].slots).map(move |_| server)
    };
    wanted.iter().flat_map(servers).collect()
}

/// (c), without δ.
fn longest_task(longest: f64, servers: &[Server]) -> f64 {
    let end = |server: &Server| server.load + longest / server.speed;
    servers.iter().map(end).fold(f64::INFINITY, f64::min)
}

/// (e), without δ.
fn longest_path(job: &Job, groups: &[Group], costs: &[Span]) -> f64 {
    let fastest = |layer: LayerId| {
        let group = groups.iter().find(|group| group.layers.contains(&layer));
        let speeds = group.into_iter().flat_map(|group| &group.servers);
        speeds.map(|server| server.speed).fold(0.0, f64::max)
    };
    let loads = groups.iter().map(|group| shortest_load(&group.servers));
    let load = loads.fold(f64::INFINITY, f64::min);
    // When each task ends at best, counted from the first picture's beginning.
    let mut ends = vec![0.0_f64; costs.len()];
    let mut layer_ends = vec![0.0_f64; job.layers().len()];
    for id in job.layers_in_order() {
        let layer = &job.layers()[id.index()];
        let speed = fastest(id);
        for task in layer.range().map(TaskId) {
            let cost = costs[task.index()].as_secs_f64();
            if cost <= 0.0 {
                // Done before this run; so was, or need not be, what it stands on.
                continue;
            }
            let frame = job.key(task).frame;
            let begin = layer.after().iter().map(|after| match after.scope {
                Scope::Layer => layer_ends[after.layer.index()],
                Scope::Frame => {
                    let range = job.frame_tasks(after.layer, frame);
                    range.map(|need| ends[need as usize]).fold(0.0, f64::max)
                }
            });
            let end = begin.fold(0.0, f64::max) + cost / speed;
            ends[task.index()] = end;
            layer_ends[id.index()] = layer_ends[id.index()].max(end);
        }
    }
    let longest = layer_ends.into_iter().fold(0.0, f64::max);
    if longest > 0.0 { load + longest } else { 0.0 }
}

#[cfg(test)]
mod tests;
