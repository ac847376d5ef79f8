//! `assemble`: puts pictures together by hand. One file a command.

mod layers;
mod sheet;
mod stitch;
mod video;

use framewright_assemble::sequence::frame_set;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::assemble::AssembleCommand;
use crate::args::low::{Common, Format};
use crate::display::DRAWS_A_SECOND;
use crate::exit::Exit;
use crate::problem::Presentable;

/// Carries it out.
pub(crate) fn run(
    what: AssembleCommand,
    common: &Common,
    format: Format,
) -> Result<Exit, Presentable> {
    match what {
        AssembleCommand::Stitch(args) => stitch::run(&args, common, format),
        AssembleCommand::Layers(args) => layers::run(&args, common, format),
        AssembleCommand::Video(args) => video::run(&args, common, format),
        AssembleCommand::Sheet(args) => sheet::run(&args, common, format),
    }
}

/// A bar for work that counts its steps; on a terminal only.
fn bar(common: &Common, format: Format) -> ProgressBar {
    let target = if common.quiet || format == Format::Json {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(DRAWS_A_SECOND)
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} frames, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Frames that have no picture, as the end of a sentence.
fn without(holes: &[i32]) -> String {
    match holes {
        [] => String::new(),
        [frame] => format!(", frame {frame} is missing"),
        _ => format!(", frames {} are missing", frame_set(holes)),
    }
}
