//! `assemble`: what was typed. One file a command, kept beside the option table, of which it is a
//! part.

mod places;
mod stitch;

use clap::Subcommand;

pub(crate) use stitch::StitchArgs;

/// What to put together.
#[derive(Debug, Subcommand)]
pub(crate) enum AssembleCommand {
    /// Stitch the tiles of a picture.
    ///
    /// EXR with all its channels and parts, or PNG. Tiles are placed by their names where these end
    /// in COLUMN,ROW (counted from 0, such as beauty.0017.2,3.exr), else in the order given, row by
    /// row, as --grid says. Where they overlap they are compared: a difference beyond --tolerance
    /// is named, the picture is written all the same, and the exit code is 1.
    #[command(after_help = "Examples:\n  \
        framewright assemble stitch tiles/*.exr -o shot010.exr\n  \
        framewright assemble stitch a.png b.png c.png d.png --grid 2x2 --overlap 16 -o still.png\n  \
        framewright assemble stitch top.exr low.exr --at 1920x540+0+0 --at 1920x540+0+540 -o still.exr")]
    Stitch(Box<StitchArgs>),
}
