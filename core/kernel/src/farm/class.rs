//! Which layers go where: memory and tags, which are hard.

use crate::hosts::HostSpec;
use crate::ids::{HostId, LayerId};
use crate::job::Job;

/// Layers that the same hosts can take.
#[derive(Clone, Debug)]
pub(super) struct Class {
    /// Ascending.
    pub hosts: Vec<HostId>,
    pub layers: Vec<LayerId>,
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
            }),
        }
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

impl Class {
    pub fn has(&self, host: HostId) -> bool {
        self.hosts.binary_search(&host).is_ok()
    }
}
