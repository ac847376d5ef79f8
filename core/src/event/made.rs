//! What events say of things that are made of committed pictures.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::TaskName;

/// A picture that is put together from the pictures of several tasks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PictureName {
    /// Its frame.
    pub frame: i32,
    /// Its layer; absent where it holds all there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
}

impl PictureName {
    /// Whether it is put together from the pictures of tasks like this one.
    #[must_use]
    pub fn has(&self, task: &TaskName) -> bool {
        let layer = self.layer.as_deref();
        task.frame() == self.frame && layer.is_none_or(|layer| layer == task.layer())
    }
}

/// As a task's name of a whole frame: `beauty:17`, or `all:17`.
impl fmt::Display for PictureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TaskName::new(self.layer.as_deref().unwrap_or(""), self.frame, None).fmt(f)
    }
}

/// A place where neighbouring tiles differ by more than they may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seam {
    /// The two, as tasks.
    pub tiles: [String; 2],
    /// Where in the picture they differ most, from the left.
    pub x: u32,
    /// And from the top.
    pub y: u32,
    /// In which channel.
    pub channel: String,
    /// By how much.
    pub difference: f64,
    /// By how much they may.
    pub tolerance: f64,
}

/// As a sentence's beginning, without its end.
impl fmt::Display for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tiles: [one, other],
            x,
            y,
            channel,
            difference,
            tolerance,
        } = self;
        write!(
            f,
            "{one} and {other} differ by {difference} in {channel} at pixel {x},{y} where both are \
             rendered ({tolerance} is allowed)"
        )
    }
}

/// What all frames of a job are made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReelKind {
    /// `--video`.
    Film,
    /// `--contact-sheet`.
    ContactSheet,
}

impl fmt::Display for ReelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Film => "film",
            Self::ContactSheet => "contact sheet",
        })
    }
}
