//! Which layers go where: memory and tags, which are hard.

use crate::hosts::HostSpec;
use crate::ids::{HostId, LayerId, SegmentId};
use crate::job::Job;

/// Layers that the same hosts can take.
#[derive(Clone, Debug)]
pub(super) struct Class {
    /// Ascending.
    pub hosts: Vec<HostId>,
    /// In the order in which slots are given their tasks, the fastest slots first: what has the
    /// longest way to the end of the job comes first.
    pub layers: Vec<LayerId>,
    /// The last segment of it that was sent.
    pub sent: SegmentId,
}

/// The classes, those with the fewest slots first, and the class of each layer.
pub(super) fn classes(job: &Job, hosts: &[HostSpec]) -> (Vec<Class>, Vec<usize>) {
    let mut classes: Vec<Class> = Vec::new();
    for (index, layer) in job.layers().iter().enumerate() {
        let able = |host: &HostSpec| host.can_take(layer.memory(), layer.tags());
        let able: Vec<HostId> = (0..hosts.len())
            .filter(|host| able(&hosts[*host]))
            .map(HostId::at)
            .collect();
        let layer = LayerId::at(index);
        match classes.iter_mut().find(|class| class.hosts == able) {
            Some(class) => class.layers.push(layer),
            None => classes.push(Class {
                hosts: able,
                layers: vec![layer],
                sent: SegmentId(0),
            }),
        }
    }
    let ways = ways(job);
    for class in &mut classes {
        let way = |layer: &LayerId| ways[layer.index()];
        class
            .layers
            .sort_by(|a, b| way(b).total_cmp(&way(a)).then(a.cmp(b)));
    }
    let slots = |host: &HostId| u64::from(hosts[host.index()].slots);
    classes.sort_by_key(|class| class.hosts.iter().map(slots).sum::<u64>());
    let mut class_of = vec![0; job.layers().len()];
    for (index, class) in classes.iter().enumerate() {
        for layer in &class.layers {
            class_of[layer.index()] = index;
        }
    }
    (classes, class_of)
}

/// Of each layer: seconds of a task of it and of one of each layer behind it, on the longest such
/// way (the "upward rank" of Topcuoglu, Hariri and Wu's HEFT, 2002). Of layers that nothing waits
/// for, that is just how heavy they are.
fn ways(job: &Job) -> Vec<f64> {
    let mut ways = vec![0.0_f64; job.layers().len()];
    let order = job.layers_in_order();
    for id in order.into_iter().rev() {
        let layer = job.layer(id);
        let range = layer.range();
        let own = job.units(range.clone()) as f64 * 1e-6 / range.len().max(1) as f64;
        let behind = layer
            .before()
            .iter()
            .map(|before| ways[before.layer.index()]);
        ways[id.index()] = own + behind.fold(0.0, f64::max);
    }
    ways
}

impl Class {
    pub fn has(&self, host: HostId) -> bool {
        self.hosts.binary_search(&host).is_ok()
    }
}
