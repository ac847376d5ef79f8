//! Files on their way: what a staged host needs, and the pictures that it made.
//!
//! A staged host takes work once the scene and all that it needs are there. A picture of it that
//! wins is fetched first, checked against the hash that its worker read, and then committed like
//! any other. A connection that is lost costs time here, not a frame: what carries the files tries
//! again for as long as the host is not given up.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use framewright_kernel::event::Event as FarmEvent;
use framewright_kernel::ids::{HostId, SegmentId, TaskId};
use framewright_plugin_api::data::Asset;

use super::checks::Complete;
use super::closed::Closed;
use super::controller::Controller;
use super::ground::Ground;
use super::hosts::HostState;
use super::prepare::{PrepareError, Prepared};
use super::{Surroundings, freight_spec};
use crate::event::Event;
use crate::freight::{
    Fetch, FetchFault, FetchToken, Freight, FreightNews, FromFreight, Gathered, HashCache, Package,
    PackageError, Wishes,
};
use crate::link::Link;
use crate::request::{HostEntry, Storage};
use crate::store::VERDICT_COMMIT;

/// A winning picture on its way here.
#[derive(Debug)]
pub(super) struct Fetching {
    pub host: HostId,
    pub segment: SegmentId,
    pub task: TaskId,
    pub complete: Complete,
    /// Where it will be.
    pub to: String,
}

impl Controller<'_> {
    /// Sends a host what the scene needs.
    pub(super) fn stage(&mut self, host: HostId, link: Box<Link>, program: String) {
        let Some(package) = self.package.clone() else {
            // One is made for every host that joins, before it is opened.
            let why = format!("host {} cannot be given the scene", self.host(host).name);
            self.give_up_host(host, why);
            return;
        };
        // Its own folder there, which the worker removes at its end, with the tree in it.
        let job = job_folder(&link);
        let spec = freight_spec(self.around, host, &self.host(host).entry, job);
        let freight = Freight::open(spec, self.doors.freight.clone());
        freight.stage(package, job);
        let at = self.host_mut(host);
        at.freight = Some(freight);
        at.state = HostState::Staging { link, program };
    }

    pub(super) fn on_freight(&mut self, from: FromFreight) {
        let FromFreight { host, news } = from;
        match news {
            FreightNews::Staged {
                tree,
                bytes_sent,
                bytes_total,
                files,
                seconds,
            } => {
                let at = self.host_mut(host);
                let state = std::mem::replace(&mut at.state, HostState::Down);
                let (link, program) = match state {
                    HostState::Staging { link, program } => (link, program),
                    other => {
                        at.state = other;
                        self.on_delivered(host);
                        return;
                    }
                };
                let name = at.name.clone();
                self.emit(Event::Staged {
                    host: name,
                    files: u32::try_from(files).unwrap_or(u32::MAX),
                    bytes: bytes_total,
                    bytes_sent,
                    seconds,
                });
                let package = self.package.clone().expect("it was just staged");
                let ground = Ground::staged(&package, &tree, &link.hello.scratch_root);
                self.host_is_ready(host, link, program, ground);
            }
            FreightNews::Unusable { why } => self.give_up_host(host, why),
            FreightNews::StageFailed { why, disk_full } => {
                if matches!(self.host(host).state, HostState::Staging { .. }) {
                    let name = &self.host(host).name;
                    let why = why_not_staged(name, &why, disk_full);
                    self.give_up_host(host, why);
                } else {
                    self.on_not_delivered(host, &why, disk_full);
                }
            }
            FreightNews::Reached { .. }
            | FreightNews::Away { .. }
            | FreightNews::Progress { .. }
            | FreightNews::Removed { .. } => {}
            FreightNews::Fetched { token } => {
                let Some(fetching) = self.fetches.remove(&token) else {
                    return;
                };
                self.commit_file(
                    fetching.segment,
                    fetching.task,
                    fetching.complete,
                    fetching.to,
                );
                self.let_go_if_drained(host);
            }
            FreightNews::FetchFailed { token, why, kind } => {
                let disk_full = kind == FetchFault::LocalDiskFull;
                if disk_full {
                    self.on_disk_full();
                }
                self.fetch_failed(token, &why, disk_full);
            }
        }
    }

    /// Fetches a winning picture.
    pub(super) fn fetch(
        &mut self,
        host: HostId,
        segment: SegmentId,
        task: TaskId,
        complete: Complete,
    ) {
        let token = self.numbers.fetch();
        let to = self.job.fetched_path(segment, task);
        if let Some(folder) = to.parent() {
            // What cannot be made is told by whoever writes there.
            let _ = std::fs::create_dir_all(folder);
        }
        let Some((from, picture)) = complete.written() else {
            return;
        };
        let fetch = Fetch {
            token,
            from: from.to_owned(),
            to: to.clone(),
            bytes: picture.bytes,
            hash: picture.hash.clone(),
        };
        self.fetches.insert(
            token,
            Fetching {
                host,
                segment,
                task,
                complete,
                to: to.display().to_string(),
            },
        );
        match &self.host(host).freight {
            Some(freight) => freight.fetch(fetch),
            None => self.fetch_failed(token, "its host was lost", false),
        }
    }

    fn fetch_failed(&mut self, token: FetchToken, why: &str, disk_full: bool) {
        let Some(fetching) = self.fetches.remove(&token) else {
            return;
        };
        let (host, slot, attempt) = fetching.complete.who();
        self.emit(Event::TaskFailed {
            segment: fetching.segment.0,
            task: self.job.task_name(fetching.task),
            attempt,
            host,
            slot,
            verdict: VERDICT_COMMIT.to_owned(),
            why: format!("its picture could not be fetched: {why}"),
        });
        self.tell(&FarmEvent::CommitFailed {
            segment: fetching.segment,
            task: fetching.task,
            disk_full,
        });
        self.let_go_if_drained(fetching.host);
    }

    /// A host is gone, and the pictures on it.
    pub(super) fn lose_fetches(&mut self, host: HostId) {
        let of_host = |fetching: &Fetching| fetching.host == host;
        let lost: Vec<FetchToken> = self
            .fetches
            .iter()
            .filter(|(_, fetching)| of_host(fetching))
            .map(|(token, _)| *token)
            .collect();
        for token in lost {
            self.fetch_failed(token, "its host was lost", false);
        }
    }

    /// Whether pictures of a host are to be fetched yet, or may be: which of those that are whole wins
    /// is the kernel's to say, and that may be on its way.
    pub(super) fn is_fetching_from(&self, host: HostId) -> bool {
        self.fetches.values().any(|fetching| fetching.host == host)
            || self.complete.values().any(|complete| complete.on == host)
    }

    /// A staged host's disk is full: it takes nothing until it has room again.
    pub(super) fn host_disk_full(&mut self, host: HostId) {
        self.close(
            host,
            Closed::Disk,
            "its disk is full (make room there)".to_owned(),
        );
    }
}

impl Controller<'_> {
    pub(super) fn is_staged(&self, host: HostId) -> bool {
        self.host(host).entry.storage == Storage::Staged
    }

    /// Makes what staged hosts are given, for one that joined a job which had none.
    pub(super) fn package_for(&mut self, host: HostId) {
        self.unpackaged.push(host);
        if self.unpackaged.len() > 1 {
            return;
        }
        let (state_dir, prepared) = (self.around.state_dir.clone(), self.job.prepared.clone());
        let door = self.doors.packages.clone();
        tokio::task::spawn_blocking(move || {
            // The controller may have ended meanwhile.
            let _ = door.send(package(&state_dir, &prepared).map(|gathered| gathered.package));
        });
    }

    pub(super) fn on_packaged(&mut self, package: Result<Package, PackageError>) {
        let waiting = std::mem::take(&mut self.unpackaged);
        match package {
            Ok(package) => {
                self.package = Some(Arc::new(package));
                waiting.into_iter().for_each(|host| self.open_host(host));
            }
            Err(error) => {
                for host in waiting {
                    self.give_up_host(host, error.to_string());
                }
            }
        }
    }
}

/// What the job is called on a staged host: its own folder there, which the worker removes at its
/// end, with the tree in it.
pub(super) fn job_folder(link: &Link) -> &str {
    let root = &link.hello.scratch_root;
    root.rsplit('/').next().unwrap_or_default()
}

/// What the hosts of a settled request are given, where any of them is staged.
pub(super) async fn package_if_staged(
    around: &Surroundings,
    prepared: &mut Prepared,
) -> Result<Option<Arc<Package>>, PrepareError> {
    let is_staged = |host: &HostEntry| host.storage == Storage::Staged;
    if !prepared.request.hosts.iter().any(is_staged) {
        return Ok(None);
    }
    let (state_dir, asked) = (around.state_dir.clone(), prepared.clone());
    // Hashing reads every file that was changed since the last time.
    let gathered = tokio::task::spawn_blocking(move || package(&state_dir, &asked)).await;
    let gathered =
        gathered.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
    prepared.warnings.extend(gathered.warnings);
    Ok(Some(Arc::new(gathered.package)))
}

/// The scene and what it needs. What is missing was told when the scene was read; whether a picture
/// without it is wanted is the renderer's affair, on every host alike.
fn package(state_dir: &Path, prepared: &Prepared) -> Result<Gathered, PackageError> {
    let scene = &prepared.inspection.scene;
    let there = |asset: &&Asset| !asset.missing;
    let assets: Vec<Asset> = scene.assets.iter().filter(there).cloned().collect();
    let wishes = Wishes {
        scene: &prepared.request.scene,
        assets: &assets,
        patterns: &prepared.request.assets,
    };
    let hashes = HashCache::at(state_dir);
    Package::gather(wishes, Some(&hashes), &AtomicBool::new(false))
}

/// Why the scene cannot be put on a host, with what to do where that is known.
fn why_not_staged(host: &str, why: &str, disk_full: bool) -> String {
    let why = why.strip_prefix(&format!("host {host}: ")).unwrap_or(why);
    let advice = if disk_full { " (make room there)" } else { "" };
    format!("host {host}: {why}{advice}")
}
