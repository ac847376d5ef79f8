//! What an inspection tells the renders that follow it.
//!
//! A render session may run where the scene cannot be read, and an adapter reads files only when it
//! inspects; so what the command line needs to know of the scene travels in what it `carry`s.

use framewright_plugin_api::data::{Open, Scene};
use serde::{Deserialize, Serialize};

use crate::scene::outputs::Output;
use crate::scene::sequence::{Naming, Run, has};

/// Bytes of a memo.
pub const BYTES_MAX: usize = 48 * 1024;

/// The facts that a command line needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memo {
    /// The frame that the scene file holds.
    pub frame: i32,
    /// How the files of its sequence are called, and which there are.
    pub sequence: Option<(Naming, Vec<Run>)>,
    /// Size of the picture, settings not applied.
    pub size: (u32, u32),
    /// AOV groups in their order.
    pub groups: Vec<GroupMemo>,
    /// Cameras through which a frame is rendered, one after the other; 0 where that is not known.
    pub cameras: usize,
    /// Absolute folders that the scene names.
    pub folders: Vec<String>,
    /// Environment variables that the scene names.
    pub variables: Vec<String>,
}

/// A file that a frame is written to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupMemo {
    /// Its name as a layer.
    pub name: String,
    /// Its output strings; none where it cannot be redirected.
    pub outputs: Vec<Output>,
    /// Its driver's type.
    pub kind: String,
    /// Its driver's parameters, without name and file.
    pub params: Vec<String>,
}

impl Memo {
    /// Of a session; nothing is known where there is none.
    pub fn of(open: &Open) -> Option<Memo> {
        serde_json::from_value(open.carry.clone()).ok()
    }

    /// Puts it into a scene. What is too long for a memo goes without the drivers' parameters first, then
    /// without folders.
    pub fn put(mut self, scene: &mut Scene) {
        for shorten in [
            |_: &mut Memo| {},
            |memo: &mut Memo| {
                memo.groups
                    .iter_mut()
                    .for_each(|group| group.params.clear())
            },
            |memo: &mut Memo| memo.folders.clear(),
            |memo: &mut Memo| memo.groups.truncate(1),
        ] {
            shorten(&mut self);
            let value = serde_json::to_value(&self).unwrap_or_default();
            if value.to_string().len() <= BYTES_MAX {
                scene.carry = value;
                return;
            }
        }
        scene
            .warnings
            .push("the scene says more of its outputs than can be remembered".to_owned());
    }

    /// The file of a frame in place of the scene's own: its name. `None` where there is none.
    pub fn file_of(&self, frame: i32) -> Option<Option<String>> {
        match &self.sequence {
            Some((naming, runs)) => has(runs, frame).then(|| Some(naming.name(frame))),
            None => (frame == self.frame).then_some(None),
        }
    }
}
