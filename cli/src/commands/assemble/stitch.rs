//! `assemble stitch`: tiles become a picture.

use crate::args::assemble::StitchArgs;
use crate::args::low::{Common, Format};
use crate::exit::Exit;
use crate::problem::Presentable;

/// Carries it out.
pub(crate) fn run(
    _args: &StitchArgs,
    _common: &Common,
    _format: Format,
) -> Result<Exit, Presentable> {
    Err(Presentable::not_yet("stitching by hand"))
}
