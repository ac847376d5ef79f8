//! Where a job's things are on a host: its scene, its scratch folder, and what the two sides call
//! the same file.
//!
//! A host with shared storage sees our files, under our paths or under mapped prefixes. On a staged
//! one they lie in the worker's own folder: the scene and what it needs in a tree that repeats our
//! paths, so that relative references hold, and pictures until they are fetched.

use std::path::{Path, PathBuf};

use framewright_plugin_api::data::PathPair;

use super::paths::PathMap;
use crate::freight::Package;

/// A host's view of the job.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// The scene's path there.
    pub scene: String,
    /// The folder below which segments and slots have theirs.
    scratch: String,
    /// Where it has what the scene names absolutely.
    pub paths: Vec<PathPair>,
    /// How a picture comes here.
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    /// It is here already, under a path that may have another prefix.
    Shared(PathMap),
    /// It is fetched. What is sent there lies below this tree, by its path here.
    Fetched { tree: String },
}

impl Ground {
    /// Of a host with shared storage.
    pub(super) fn shared(scene: &str, scratch: &Path, paths: PathMap) -> Self {
        Self {
            scene: paths.there(scene),
            scratch: paths.there(&scratch.display().to_string()),
            paths: paths.pairs(),
            way: Way::Shared(paths),
        }
    }

    /// Of a staged host, whose worker has a scratch folder of its own.
    pub(super) fn staged(package: &Package, tree: &str, scratch: &str) -> Self {
        Self {
            scene: package.scene_on(tree),
            scratch: scratch.to_owned(),
            paths: vec![PathPair {
                from: "/".to_owned(),
                to: tree.to_owned(),
            }],
            way: Way::Fetched {
                tree: tree.trim_end_matches('/').to_owned(),
            },
        }
    }

    /// What a file of ours is called there.
    pub(super) fn there(&self, path: &Path) -> String {
        let path = path.display().to_string();
        match &self.way {
            Way::Shared(paths) => paths.there(&path),
            Way::Fetched { tree } => format!("{tree}{path}"),
        }
    }

    /// A folder below the job's scratch folder there.
    pub(super) fn folder(&self, name: &str) -> String {
        format!("{}/{name}", self.scratch)
    }

    /// Where a file of that host is here; `None` where it has to be fetched.
    pub(super) fn here(&self, path: &str) -> Option<PathBuf> {
        match &self.way {
            Way::Shared(paths) => Some(PathBuf::from(paths.here(path))),
            Way::Fetched { .. } => None,
        }
    }
}
