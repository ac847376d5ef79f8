//! `assemble`: puts pictures together by hand. One file a command.

mod stitch;

use crate::args::assemble::AssembleCommand;
use crate::args::low::{Common, Format};
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
    }
}
