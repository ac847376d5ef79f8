//! Which version of its renderer a host has, where the scene wants one that is new enough.
//!
//! Asked once the renderer is found, over a link of its own, before anything of the job goes there. A
//! host that is too old is not used; one that does not say is: its renderer will refuse by itself.
//! The very program of this machine that has loaded the scene needs no asking.

use std::collections::BTreeMap;

use framewright_kernel::ids::HostId;
use framewright_plugin_api::data::{Basis, Scene};

use super::Surroundings;
use super::activity::{self, ActivityError, Question};
use super::controller::Controller;
use super::hosts::HostState;
use super::prepare::{Inspection, PrepareError, Prepared};
use crate::link::LinkLife;
use crate::request::{HostEntry, LinkKind};

/// Refuses a job that has no host but this machine, whose renderer is too old for the scene.
pub(super) async fn check_here(
    around: &Surroundings,
    prepared: &Prepared,
) -> Result<(), PrepareError> {
    let Inspection { scene, adapter, .. } = &prepared.inspection;
    let hosts = &prepared.request.hosts;
    let is_here = |host: &HostEntry| host.link == LinkKind::Local;
    if scene.version_min.is_empty() || was_loaded(scene) || !hosts.iter().all(is_here) {
        return Ok(());
    }
    let mut refused = None;
    for host in hosts {
        let question = Question {
            adapter,
            host,
            settings: &BTreeMap::new(),
            output: "",
        };
        match activity::probe(around, &question).await {
            Ok(found) if is_older(&found.what.version, &scene.version_min) => {
                let renderer = &adapter.description().renderer;
                refused = Some(too_old(host, renderer, &found.what.version, scene));
            }
            // Whatever else is wrong with it is told when it is used.
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    match refused {
        Some(why) => Err(PrepareError::NoHost {
            why,
            no_renderer: true,
        }),
        None => Ok(()),
    }
}

/// Whether a renderer of this machine has loaded the scene.
fn was_loaded(scene: &Scene) -> bool {
    scene.costs.load_s.basis == Basis::Measured
}

fn too_old(host: &HostEntry, renderer: &str, version: &str, scene: &Scene) -> String {
    format!(
        "host {} has {renderer} {version}, and the scene needs {} or newer",
        host.name, scene.version_min
    )
}

/// What a host was found to have.
#[derive(Debug)]
pub(super) struct Versioned {
    host: HostId,
    life: LinkLife,
    program: String,
    version: Result<String, ActivityError>,
}

impl Controller<'_> {
    /// Has the host asked, where that matters; whether it does.
    pub(super) fn asks_version(&self, host: HostId, program: &str) -> bool {
        let Inspection {
            scene,
            program: looked,
            ..
        } = &self.job.prepared.inspection;
        let has_loaded = was_loaded(scene) && self.host(host).is_local() && program == looked;
        if scene.version_min.is_empty() || has_loaded {
            return false;
        }
        let around = self.around.clone();
        let adapter = self.job.adapter().clone();
        let entry = self.host(host).entry.clone();
        let (life, program) = (self.host(host).life, program.to_owned());
        let door = self.doors.versions.clone();
        tokio::spawn(async move {
            let question = Question {
                adapter: &adapter,
                host: &entry,
                settings: &BTreeMap::new(),
                output: "",
            };
            let found = activity::probe(&around, &question).await;
            let version = found.map(|found| found.what.version);
            // The controller may have ended meanwhile.
            let _ = door.send(Versioned {
                host,
                life,
                program,
                version,
            });
        });
        true
    }

    /// The host has said which version it has, or nothing.
    pub(super) fn on_version(&mut self, versioned: Versioned) {
        let Versioned {
            host,
            life,
            program,
            version,
        } = versioned;
        if life != self.host(host).life {
            return;
        }
        let state = std::mem::replace(&mut self.host_mut(host).state, HostState::Down);
        let HostState::Looking { link, .. } = state else {
            self.host_mut(host).state = state;
            return;
        };
        let scene = &self.job.prepared.inspection.scene;
        match version {
            Ok(version) if is_older(&version, &scene.version_min) => {
                let renderer = &self.job.adapter().description().renderer;
                let why = too_old(&self.host(host).entry, renderer, &version, scene);
                drop(link);
                self.give_up_host(host, why);
            }
            Ok(_) | Err(_) => self.program_fits(host, link, program),
        }
    }
}

/// Whether a version, as a renderer prints it, is older than dotted numbers.
fn is_older(version: &str, wanted: &str) -> bool {
    let found = numbers(version);
    !found.is_empty() && found < numbers(wanted)
}

/// `4.2.1 LTS` is 4, 2, 1.
fn numbers(version: &str) -> Vec<u64> {
    let parts = version.trim().split('.').map(|part| {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..end].parse().ok()
    });
    let mut numbers: Vec<u64> = parts.map_while(|part| part).collect();
    // 4 and 4.0 are one.
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        for (version, wanted) in [
            ("3.4.1", "4.0"),
            ("2.93", "3.0"),
            ("4.1.9", "4.2"),
            ("9.9", "10.0"),
        ] {
            assert!(is_older(version, wanted), "{version} {wanted}");
            assert!(!is_older(wanted, version), "{version} {wanted}");
        }
        for (version, wanted) in [
            ("4", "4.0"),
            ("4.0.0", "4"),
            ("4.2.1 LTS", "4.2"),
            ("3.4.1", "3.0"),
            ("no idea", "4.0"),
            ("", "4.0"),
        ] {
            assert!(!is_older(version, wanted), "{version} {wanted}");
        }
    }
}
