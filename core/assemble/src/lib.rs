//! Puts pictures together: tiles into frames, layers into one file, frames into films and contact
//! sheets.
//!
//! Knows files and rectangles; jobs, hosts and renderers are not known here. Whatever is written is
//! written whole: under a temporary name beside its place, then renamed.

mod openexr;
mod rect;
pub mod stitch;
mod whole;

pub use rect::Rect;
pub use whole::{Output, WriteError};
