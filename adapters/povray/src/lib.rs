//! framewright's adapter for POV-Ray 3.7, and the worked example of `docs/writing-an-adapter.md`.
//!
//! POV-Ray is one command a range of frames: `povray shot.ini +SF5 +EF9 +O"…"`. So the adapter is a
//! [`CommandAdapter`]: it says which command does a piece of work (`launch`) and hands over a
//! reader of what that command prints (`output`). What is in a scene it reads by itself
//! (`inspect`): options from `.ini` files (`options`, `plan`), files and effects from the text
//! of the scene (`text`).
//!
//! Refuses frames that are not in the shot: POV-Ray would render others in their place, and exit with 0.
//!
//! Invariant: every run is told the frames and the clock of the whole shot, and its part besides;
//! otherwise POV-Ray would give the same frame another clock and its file another name.

mod describe;
mod inspect;
mod launch;
mod options;
mod output;
mod plan;
mod probe;
#[cfg(test)]
mod tests;
mod text;

use framewright_plugin_api::command::{
    Command, CommandAdapter, Commanded, Reader, Refusal, Said, Share, Work,
};
use framewright_plugin_api::data::{Description, Open, Task};
use framewright_plugin_api::export_adapter;

/// The adapter. It holds no state.
#[derive(Debug, Default)]
pub struct Povray;

export_adapter!(Commanded<Povray>);

impl CommandAdapter for Povray {
    fn describe(&self) -> Description {
        describe::description()
    }

    fn share(&self, _open: &Open) -> Share {
        Share::Run
    }

    fn follows(&self, before: &Task, next: &Task) -> bool {
        launch::follows(before, next)
    }

    fn command(&self, open: &Open, work: &Work<'_>) -> Result<Command, Refusal> {
        match work {
            Work::Probe => Ok(Command::new([open.program.as_str(), "--version"])),
            Work::Inspect => Err(Refusal::unrenderable("the scene was not read")),
            Work::Render { tasks, .. } => launch::command(open, tasks),
        }
    }

    fn reader(&self, open: &Open, work: &Work<'_>) -> Box<dyn Reader> {
        match work {
            Work::Probe | Work::Inspect => Box::new(probe::Version),
            Work::Render { tasks, .. } => Box::new(output::Frames::new(open, tasks)),
        }
    }

    fn conclude(&self, open: &Open, work: &Work<'_>, said: &mut Said) -> bool {
        let inspects = matches!(work, Work::Inspect);
        if inspects {
            inspect::conclude(open, said);
        }
        inspects
    }
}
