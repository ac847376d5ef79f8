//! `job.json`: what a job is. Written once, when the job is made; what happens to it later stands
//! in its journal.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::job_id::JobId;
use crate::request::Request;
use crate::split::StoredTiling;

/// Version of `job.json` and of the journal. A reader refuses a larger one.
pub const FORMAT: u32 = 1;

/// A job as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// 1.
    pub format: u32,
    /// Its id.
    pub job: JobId,
    /// When it was made.
    pub created: Timestamp,
    /// All the rest.
    #[serde(flatten)]
    pub plan: JobPlan,
}

/// What a job is made of, before it has an id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobPlan {
    /// What was asked for.
    pub request: Request,
    /// The adapter that was chosen.
    pub adapter: AdapterIdentity,
    /// The scene as it was then.
    pub scene: SceneIdentity,
    /// How it was split.
    pub settled: Settled,
}

/// Which adapter a job is rendered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterIdentity {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Its manifest.
    pub manifest: PathBuf,
}

/// Which scene file a job renders, to notice that it was changed before a resume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SceneIdentity {
    /// Absolute path.
    pub path: PathBuf,
    /// BLAKE3, in hex.
    pub hash: String,
    /// Size.
    pub bytes: u64,
    /// Time of its last change.
    pub modified: Timestamp,
    /// What the adapter found in it: its `Scene` document, kept as it came.
    pub summary: serde_json::Value,
}

/// How a job was split, with nothing left to decide on a resume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Frame set in canonical form.
    pub frames: String,
    /// Layers that are rendered apart, in order; empty = the scene is rendered as it is.
    pub layers: Vec<String>,
    /// How frames are tiled; absent where they are whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiling: Option<StoredTiling>,
    /// Where pictures go; absent where the job writes none.
    pub output: Option<StoredOutput>,
}

/// An output pattern as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredOutput {
    /// Absolute and literal.
    pub folder: PathBuf,
    /// Below that folder, with `####`, and `{layer}` where layers are split.
    pub pattern: String,
    /// `png` or `exr`.
    pub format: String,
}

impl SceneIdentity {
    /// Read the scene file whole for its hash.
    pub fn read(scene: &Path, summary: serde_json::Value) -> io::Result<Self> {
        let about = fs::metadata(scene)?;
        Ok(Self {
            path: scene.to_owned(),
            hash: hash_file(scene)?,
            bytes: about.len(),
            modified: modified(&about)?,
            summary,
        })
    }

    /// The same, without what the adapter found in it.
    #[must_use]
    pub fn without_summary(&self) -> Self {
        Self {
            path: self.path.clone(),
            hash: self.hash.clone(),
            summary: serde_json::Value::Null,
            ..*self
        }
    }

    /// Whether the file is still the same: by size and time, and by content where the time differs.
    pub fn is_unchanged(&self) -> io::Result<bool> {
        let about = fs::metadata(&self.path)?;
        if about.len() != self.bytes {
            return Ok(false);
        }
        Ok(modified(&about)? == self.modified || hash_file(&self.path)? == self.hash)
    }
}

fn modified(about: &fs::Metadata) -> io::Result<Timestamp> {
    Timestamp::try_from(about.modified()?).map_err(io::Error::other)
}

/// What identifies a scene's content: BLAKE3 of its file, in hex.
pub fn content_of(scene: &Path) -> io::Result<String> {
    hash_file(scene)
}

/// BLAKE3 of a file, in hex.
pub(super) fn hash_file(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}
