//! The lower bound: no schedule of whole tasks can end sooner.
//!
//! The largest of
//!
//! * (a) the smallest T with Σ sᵢ·max(0, T − rᵢ) ≥ Σ cⱼ, where the i-th slot of speed sᵢ is ready at
//!   rᵢ = i·d + δ + Lᵢ: one send every d, δ from a send to the start, Lᵢ for its first load. Taken
//!   over all tasks, and over the tasks of each set of layers with the slots that may take them;
//! * (b) maxⱼ minᵢ (δ + Lᵢ + cⱼ/sᵢ): the longest task on the slot that is best for it;
//! * (c) the longest path through `after`, every task on the fastest slot that may take it, behind
//!   the shortest δ + Lᵢ;
//! * (d) where slots are alike: the smallest T with Σ ⌊sᵢ·(T − rᵢ) / min cⱼ⌋ ≥ the number of tasks,
//!   for tasks are whole.
//!
//! Slots are counted fastest first and loads shortest first, independently of each other. Where the
//! fast slots are not those that load quickly, that grants the schedule a slot better than any
//! there is, so the bound stays a bound (rearrangement inequality); where they are, it is the sum
//! above as it stands.
//!
//! It knows nothing of the farm's policy and shares no code with it, so that it can judge it.

use crate::hosts::HostSpec;
use crate::ids::{HostId, LayerId, TaskId};
use crate::job::{Job, Scope};
use crate::time::Span;

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

/// Steps of a search for a level: what is left is a millionth of a millionth.
const HALVINGS: u32 = 40;

/// A slot that may take something.
#[derive(Clone, Copy, Debug)]
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
    assert_eq!(judged.costs.len(), job.task_count() as usize);
    assert!(judged.speeds.len() == hosts.len() && judged.loads.len() == hosts.len());
    let pace = job.pace();
    let (interval, delay) = (
        pace.dispatch_interval.as_secs_f64(),
        pace.start_delay.as_secs_f64(),
    );
    let groups = groups(job, hosts, judged);
    if groups
        .iter()
        .any(|group| group.work > 0.0 && group.servers.is_empty())
    {
        return None;
    }
    let mut bound = longest_path(job, &groups, judged.costs);
    for group in &groups {
        let level = level(group.work_within, &group.servers, interval);
        bound = bound
            .max(level)
            .max(longest_task(group))
            .max(whole_level(group, interval));
    }
    let work = groups.iter().map(|group| group.work).sum();
    let all = servers(job, hosts, judged, |_| true);
    bound = bound.max(level(work, &all, interval));
    Some(if bound > 0.0 {
        Span::from_secs_f64(bound + delay)
    } else {
        Span::ZERO
    })
}

/// Layers that the same hosts may take.
struct Group {
    layers: Vec<LayerId>,
    hosts: Vec<HostId>,
    servers: Vec<Server>,
    /// Seconds of its own layers, at speed 1.
    work: f64,
    /// Seconds of all layers that only hosts of this group may take.
    work_within: f64,
    longest: f64,
    /// The shortest, and how many there are, leaving out those that cost nothing.
    shortest: f64,
    count: f64,
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
        let work: f64 = costs.iter().map(|cost| cost.as_secs_f64()).sum();
        let longest = costs.iter().max().map_or(0.0, |cost| cost.as_secs_f64());
        let paid = || costs.iter().filter(|cost| **cost > Span::ZERO);
        let shortest = paid()
            .min()
            .map_or(f64::INFINITY, |cost| cost.as_secs_f64());
        let count = paid().count() as f64;
        match groups.iter_mut().find(|group| group.hosts == able) {
            Some(group) => {
                group.layers.push(LayerId::at(index));
                group.work += work;
                group.longest = group.longest.max(longest);
                group.shortest = group.shortest.min(shortest);
                group.count += count;
            }
            None => groups.push(Group {
                layers: vec![LayerId::at(index)],
                servers: servers(job, hosts, judged, |host| able.contains(&host)),
                hosts: able,
                work,
                work_within: 0.0,
                longest,
                shortest,
                count,
            }),
        }
    }
    for index in 0..groups.len() {
        let within = |other: &&Group| {
            let own = &groups[index].hosts;
            other
                .hosts
                .iter()
                .all(|host| own.binary_search(host).is_ok())
        };
        groups[index].work_within = groups.iter().filter(within).map(|group| group.work).sum();
    }
    groups
}

fn servers(
    job: &Job,
    hosts: &[HostSpec],
    judged: Judged<'_>,
    wanted: impl Fn(HostId) -> bool,
) -> Vec<Server> {
    let used = |host: &HostSpec| {
        let mut layers = job.layers().iter();
        layers.any(|layer| host.can_take(layer.memory(), layer.tags()))
    };
    (0..hosts.len())
        .filter(|host| wanted(HostId::at(*host)) && used(&hosts[*host]))
        .flat_map(|host| {
            let server = Server {
                speed: judged.speeds[host],
                load: judged.loads[host].as_secs_f64(),
            };
            (0..hosts[host].slots).map(move |_| server)
        })
        .collect()
}

/// (a), without δ.
fn level(work: f64, servers: &[Server], interval: f64) -> f64 {
    if work <= 0.0 {
        return 0.0;
    }
    let mut speeds: Vec<f64> = servers.iter().map(|server| server.speed).collect();
    let mut loads: Vec<f64> = servers.iter().map(|server| server.load).collect();
    speeds.sort_by(|a, b| b.total_cmp(a));
    loads.sort_by(f64::total_cmp);
    let (mut capacity, mut needed) = (0.0, work);
    let mut level = f64::INFINITY;
    for (place, (speed, load)) in speeds.iter().zip(&loads).enumerate() {
        let ready = place as f64 * interval + load;
        if ready >= level {
            break;
        }
        capacity += speed;
        needed += speed * ready;
        level = needed / capacity;
    }
    level
}

/// (b), without δ.
fn longest_task(group: &Group) -> f64 {
    if group.longest <= 0.0 {
        return 0.0;
    }
    let end = |server: &Server| server.load + group.longest / server.speed;
    group.servers.iter().map(end).fold(f64::INFINITY, f64::min)
}

/// (d), without δ: the smallest T by which slots could end as many tasks as there are, if each were as short as
/// the shortest: nearer than (a) where all cost the same, as tasks are whole. Only where every
/// slot is as fast and loads as long as the others, so that it does not matter who begins.
fn whole_level(group: &Group, interval: f64) -> f64 {
    let Some(first) = group.servers.first() else {
        return 0.0;
    };
    let alike = |server: &Server| server.speed == first.speed && server.load == first.load;
    if group.count == 0.0 || !group.servers.iter().all(alike) {
        return 0.0;
    }
    let each = group.shortest / first.speed;
    let done = |level: f64| -> f64 {
        let part = |place: usize| (level - first.load - place as f64 * interval) / each;
        // A hair's breadth below a whole number is that number.
        let parts = (0..group.servers.len()).map(|place| (part(place) + 1e-6).floor().max(0.0));
        parts.sum()
    };
    let (mut low, mut high) = (0.0, first.load + (group.count + 1.0) * each);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if done(middle) < group.count {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// (c), without δ.
fn longest_path(job: &Job, groups: &[Group], costs: &[Span]) -> f64 {
    let fastest = |layer: LayerId| {
        let group = groups.iter().find(|group| group.layers.contains(&layer));
        let speeds = group.into_iter().flat_map(|group| &group.servers);
        speeds.map(|server| server.speed).fold(0.0, f64::max)
    };
    let servers = groups.iter().flat_map(|group| &group.servers);
    let load = servers
        .map(|server| server.load)
        .fold(f64::INFINITY, f64::min);
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
