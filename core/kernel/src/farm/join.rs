//! Hosts that join a job which runs already.
//!
//! A host that joins is one more at the end of the list: no host and no slot ever changes its number.
//! Which layers go where is reckoned anew; what was given up for want of such a host stays given
//! up, because those who ask were told so.
//!
//! A host leaves by [`Event::SlotClosed`](crate::event::Event::SlotClosed) for each of its slots and,
//! once they have run empty, [`Event::HostLost`](crate::event::Event::HostLost) for good.

use super::{Farm, class};
use crate::hosts::{Bytes, HostSpec, SLOTS_MAX};
use crate::ids::{HostId, SegmentId};
use crate::time::Time;

impl Farm {
    /// One more host, which has not answered yet. Its slots follow those that are there.
    ///
    /// # Panics
    /// When there would be more than [`SLOTS_MAX`] slots.
    pub fn join(&mut self, now: Time, spec: HostSpec) -> HostId {
        let slot_count = self.slots.len() as u64 + u64::from(spec.slots);
        assert!(
            slot_count <= u64::from(SLOTS_MAX),
            "too many slots: {slot_count}"
        );
        self.now = self.now.max(now);
        let host = HostId::at(self.hosts.len());
        let load = spec.expected_load(self.job.costs().load);
        self.learned.join(spec.speed, load);
        self.add_host(spec);
        self.grow_ends();
        self.classify();
        self.stirred = true;
        host
    }

    /// How much memory a host has of which that was not said before: it is known once the host
    /// answers, and to be told before [`Event::HostUp`](crate::event::Event::HostUp). What no host
    /// can take by now is given up.
    pub fn know_memory(&mut self, now: Time, host: HostId, memory: Bytes) {
        self.now = self.now.max(now);
        let Some(at) = self.hosts.get_mut(host.index()) else {
            return;
        };
        if at.spec.memory.is_some() {
            return;
        }
        at.spec.memory = Some(memory);
        self.classify();
        self.give_up_hopeless();
        self.stirred = true;
    }

    /// Finds out anew which hosts can take which layers.
    fn classify(&mut self) {
        let specs: Vec<HostSpec> = self.hosts.iter().map(|host| host.spec).collect();
        let (mut classes, class_of) = class::classes(&self.job, &specs);
        for (layer, class) in self.layers.iter_mut().zip(class_of) {
            // Whose turn it is goes by what was sent last.
            let sent: SegmentId = self.classes[layer.class].sent;
            let class_sent = &mut classes[class].sent;
            *class_sent = sent.max(*class_sent);
            layer.class = class;
        }
        self.solved = vec![None; classes.len()];
        self.classes = classes;
    }
}
