//! What tasks stand on: the files of layers that had to exist before theirs.
//!
//! A task's adapter is told these files by the paths that they have on its host. A host that shares
//! our disk has them; to a staged one they travel as the scene did, into the same tree, and its
//! session hears of the segment once they are there. What a host was given before, it keeps.
//!
//! Refuses: deciding when a task may begin, which is the kernel's; by then the files are committed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use framewright_kernel::ids::{HostId, TaskId};
use framewright_plugin_api::data::{Need, Scope, Verdict};
use framewright_worker::message::RequestId;

use super::controller::Controller;
use super::ground::Ground;
use super::job::Job;
use super::layout;
use super::transfer::job_folder;
use crate::freight::{HashCache, Package, PackageError};
use crate::split::Rect;

/// A file that a task stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needed {
    layer: String,
    frame: i32,
    tile: Option<Rect>,
    path: PathBuf,
}

/// Needed files on their way to a host.
#[derive(Debug)]
pub(super) struct Delivery {
    host: HostId,
    /// What sessions wait for.
    request: RequestId,
    paths: Vec<PathBuf>,
}

/// What a staged host was given beside the scene, in this life of its worker.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// By which delivery each file comes or came.
    paths: BTreeMap<PathBuf, RequestId>,
    /// Deliveries that are not there yet, files being hashed included.
    pending: BTreeSet<RequestId>,
    /// Those of them that its depot works on, in their order.
    under_way: VecDeque<Delivery>,
}

impl Job {
    /// What a task stands on, in the order of the layer's `after`.
    pub(super) fn needed(&self, task: TaskId) -> Vec<Needed> {
        let layers = &self.prepared.layers;
        if layers.is_empty() || !self.writes_files() {
            return Vec::new();
        }
        let tasks = self.tasks();
        let facts = tasks.facts(task);
        let scene = &self.prepared.inspection.scene;
        let mut needed = Vec::new();
        for (name, scope) in layout::waits_for(scene, facts.layer) {
            let Some(layer) = layers.iter().position(|layer| layer == name) else {
                continue;
            };
            let frames = match scope {
                Scope::Frame => facts.frame_index..facts.frame_index + 1,
                Scope::Layer => 0..tasks.frames().len(),
            };
            for task in frames.flat_map(|frame| tasks.of_frame(layer, frame)) {
                let facts = tasks.facts(task);
                needed.push(Needed {
                    layer: name.to_owned(),
                    frame: facts.frame,
                    tile: facts.tile.map(|tile| tile.at),
                    path: self.final_path(task),
                });
            }
        }
        needed
    }

    /// The same, as an adapter on that ground is told.
    pub(super) fn needs(&self, task: TaskId, ground: &Ground) -> Vec<Need> {
        let needed = self.needed(task).into_iter();
        needed
            .map(|needed| Need {
                layer: needed.layer,
                frame: needed.frame,
                tile: needed.tile.map(Into::into),
                path: ground.there(&needed.path),
            })
            .collect()
    }
}

impl Controller<'_> {
    /// Sends a staged host what tasks stand on and it does not have. What is answered is to be waited
    /// for before a session hears of these tasks.
    pub(super) fn deliver(
        &mut self,
        host: HostId,
        tasks: impl Iterator<Item = TaskId>,
    ) -> BTreeSet<RequestId> {
        if !self.is_staged(host) {
            return BTreeSet::new();
        }
        let needed = tasks.flat_map(|task| self.job.needed(task));
        let paths: BTreeSet<PathBuf> = needed.map(|needed| needed.path).collect();
        let delivered = &self.host(host).delivered;
        let (given, missing): (Vec<_>, Vec<_>) = paths
            .into_iter()
            .partition(|path| delivered.paths.contains_key(path));
        let by = given.iter().filter_map(|path| delivered.paths.get(path));
        let mut waits: BTreeSet<RequestId> = by
            .filter(|request| delivered.pending.contains(request))
            .copied()
            .collect();
        if missing.is_empty() {
            return waits;
        }
        let request = self.numbers.request();
        waits.insert(request);
        let delivered = &mut self.host_mut(host).delivered;
        delivered.pending.insert(request);
        for path in &missing {
            delivered.paths.insert(path.clone(), request);
        }
        let delivery = Delivery {
            host,
            request,
            paths: missing,
        };
        let hashes = HashCache::at(&self.around.state_dir);
        let door = self.doors.needs.clone();
        tokio::task::spawn_blocking(move || {
            let never = AtomicBool::new(false);
            let package = Package::of_files(&delivery.paths, Some(&hashes), &never);
            // The controller may have ended meanwhile.
            let _ = door.send((delivery, package.map(|gathered| gathered.package)));
        });
        waits
    }

    /// The files of a delivery are hashed, or cannot be read.
    pub(super) fn on_needs(&mut self, delivery: Delivery, package: Result<Package, PackageError>) {
        let at = self.host_mut(delivery.host);
        if !at.delivered.pending.contains(&delivery.request) {
            // It was for a life that is over.
            return;
        }
        let job = at.link().map(|link| job_folder(link).to_owned());
        match (package, &at.freight, job) {
            (Ok(package), Some(freight), Some(job)) => {
                freight.stage(Arc::new(package), job);
                at.delivered.under_way.push_back(delivery);
            }
            (Err(error), _, _) => self.not_delivered(delivery, &error.to_string(), false),
            (Ok(_), _, _) => self.not_delivered(delivery, "the host was lost", false),
        }
    }

    /// A host has what it was sent last.
    pub(super) fn on_delivered(&mut self, host: HostId) {
        let delivered = &mut self.host_mut(host).delivered;
        if let Some(delivery) = delivered.under_way.pop_front() {
            delivered.pending.remove(&delivery.request);
            self.on_made(host, delivery.request);
        }
    }

    /// A host could not be given what it was sent last.
    pub(super) fn on_not_delivered(&mut self, host: HostId, why: &str, disk_full: bool) {
        if let Some(delivery) = self.host_mut(host).delivered.under_way.pop_front() {
            self.not_delivered(delivery, why, disk_full);
        }
    }

    /// Sessions that wait for a delivery end with all that waits in them.
    fn not_delivered(&mut self, delivery: Delivery, why: &str, disk_full: bool) {
        let Delivery {
            host,
            request,
            paths,
        } = delivery;
        if disk_full {
            self.host_disk_full(host);
        }
        let delivered = &mut self.host_mut(host).delivered;
        delivered.pending.remove(&request);
        for path in &paths {
            delivered.paths.remove(path);
        }
        let why = format!("what it stands on could not be brought to its host: {why}");
        for slot in self.slots_waiting_for(host, request) {
            if let Some(segment) = self.slots[slot.0 as usize].queue.back().copied() {
                self.fail_first(segment, Verdict::MachineFault, why.clone());
            }
            self.close_session(slot);
        }
    }
}
