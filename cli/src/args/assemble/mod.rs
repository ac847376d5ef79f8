//! `assemble`: what was typed. One file a command, kept beside the option table, of which it is a
//! part.

mod layers;
mod places;
mod reels;
mod stitch;

use clap::Subcommand;

pub(crate) use layers::LayersArgs;
pub(crate) use reels::{SheetArgs, VideoArgs};
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
    /// Merge the layers of a frame into one multi-layer EXR.
    ///
    /// All channels stand side by side, as in Blender's own multilayer files: one that is called
    /// LAYER.… stays, any other gets LAYER. in front. Samples keep their bits, and what each file
    /// says of its objects (cryptomattes) is kept. Files of other sizes or of another frame are
    /// refused.
    #[command(after_help = "Examples:\n  \
        framewright assemble layers beauty=b.0017.exr shadow=s.0017.exr -o shot010.0017.exr\n  \
        framewright assemble layers beauty=b.exr fx=f.exr --parts -o parts.exr")]
    Layers(Box<LayersArgs>),
    /// Make a film of a shot's pictures, by ffmpeg.
    ///
    /// EXRs are shown through a view; PNGs are taken as they are. A frame that is missing between
    /// the first and the last is named and refused, unless --holes says what to do.
    #[command(after_help = "Examples:\n  \
        framewright assemble video 'shot010/shot010.####.exr' -o shot010.mp4 --fps 25\n  \
        framewright assemble video shot010/ --view look.cube --exposure 0.5 -o shot010.mov\n  \
        framewright assemble video 'fx.####.exr' --layer fx.Combined --alpha -o fx.mov")]
    Video(Box<VideoArgs>),
    /// Draw a contact sheet: the whole shot in one PNG.
    ///
    /// A thumbnail a frame, with its number; a frame that is missing is an empty cell.
    #[command(after_help = "Examples:\n  \
        framewright assemble sheet 'shot010/shot010.####.exr' -o shot010.png\n  \
        framewright assemble sheet shot010/ -f 1-300x10 --columns 6 -o shot010.png")]
    Sheet(Box<SheetArgs>),
}
