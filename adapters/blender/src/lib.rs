//! framewright's adapter for Blender.
//!
//! A session renders with one Blender that keeps the scene loaded and is fed tasks over its
//! standard input by scripts of ours (`scripts/`); where that is not wanted or cannot work, plain
//! `blender -b … -a` animation renders do (`render`). `probe` and `inspect` are one run each.
//!
//! Refuses to believe exit codes: Blender exits 0 without a picture in many ways. A task counts
//! as rendered only when the script saw the written file, and no line on either stream says that
//! something was amiss with it (`clues`).
//!
//! Invariant: each task that was given and not cut away is ended exactly once, whatever Blender
//! prints and however it dies.

mod clues;
mod describe;
mod file;
mod inspect;
mod launch;
mod lines;
mod probe;
mod render;
mod settings;
#[cfg(test)]
mod tests;

use framewright_plugin_api::data::{Activity, Description, Failure, Open};
use framewright_plugin_api::{Adapter, Effects, Session};

/// The adapter. It holds no state; sessions do.
#[derive(Default)]
pub struct Blender;

impl Adapter for Blender {
    fn describe(&self) -> Description {
        describe::description()
    }

    fn open(&self, open: Open, out: &mut Effects) -> Result<Box<dyn Session>, Failure> {
        match open.activity {
            Activity::Probe => Ok(Box::new(probe::Probe::open(&open, out))),
            Activity::Inspect => Ok(Box::new(inspect::Inspect::open(open, out)?)),
            Activity::Render => Ok(Box::new(render::Render::open(open)?)),
        }
    }
}

framewright_plugin_api::export_adapter!(Blender);
