//! framewright's adapter for Arnold.
//!
//! Scenes are read by itself (`ass`, `scene`), so `inspect` needs no Arnold and no process. A task is one
//! `kick` (`launch`), because a scene file holds one frame and `kick` renders no ranges. What `kick`
//! prints is judged line by line (`log`, `clues`).
//!
//! **No Arnold was at hand when this was written.** The scene reader and the log reader were held against
//! real scenes and real logs that others have published; the command line against what is documented of
//! `kick`; its exit codes are not documented and are not believed. What rests on documents alone is said
//! where it is used.
//!
//! Refuses a picture with a watermark: without a licence Arnold renders all the same, says so in one
//! warning, and exits as if nothing were wrong. That is `no-licence`, whatever is in the file.
//!
//! Invariant: `kick` writes nothing but the task's picture and its files in the scratch folder. Drivers
//! that the scene sets to write elsewhere are not run.

mod ass;
mod clues;
mod describe;
mod inspect;
mod launch;
mod log;
mod memo;
mod reader;
mod scene;
mod settings;
#[cfg(test)]
mod tests;

use framewright_plugin_api::command::{
    Command, CommandAdapter, Commanded, Reader, Refusal, Said, Work,
};
use framewright_plugin_api::data::{Description, Open};

use launch::Launch;
use memo::Memo;
use settings::Settings;

/// The adapter. It holds no state; sessions do.
#[derive(Default)]
pub struct Arnold;

impl CommandAdapter for Arnold {
    fn describe(&self) -> Description {
        describe::description()
    }

    fn command(&self, open: &Open, work: &Work<'_>) -> Result<Command, Refusal> {
        match work {
            Work::Probe => Ok(Command::new([open.program.as_str(), "--help"])),
            Work::Inspect => Err(Refusal::unrenderable("the session names no scene")),
            Work::Render { tasks, .. } => {
                let settings = Settings::of(&open.settings)?;
                let launch = Launch::of(open, &settings, Memo::of(open));
                match tasks {
                    [task] => launch.command(task),
                    _ => Err(Refusal::unrenderable("a task is a process of its own")),
                }
            }
        }
    }

    fn reader(&self, open: &Open, work: &Work<'_>) -> Box<dyn Reader> {
        match work {
            Work::Probe | Work::Inspect => Box::new(reader::Probe::new(&open.program)),
            Work::Render { tasks, .. } => {
                let whole = settings::is_whole(&open.settings);
                Box::new(reader::Rendering::new(tasks, whole, &Memo::of(open)))
            }
        }
    }

    fn conclude(&self, open: &Open, work: &Work<'_>, said: &mut Said) -> bool {
        let (Work::Inspect, Some(scene)) = (work, &open.scene) else {
            return false;
        };
        let found = Settings::of(&open.settings)
            .and_then(|settings| inspect::inspect(scene, open, &settings));
        match found {
            Ok(scene) => said.scene(scene),
            Err(refusal) => said.blame_with_hint(refusal.verdict, refusal.why, refusal.hint),
        }
        true
    }
}

framewright_plugin_api::export_adapter!(Commanded<Arnold>);
