//! Puts pictures together: tiles into frames, layers into one file, frames into films and contact
//! sheets.
//!
//! Knows files and rectangles; jobs, hosts and renderers are not known here. Whatever is written is
//! written whole: under a temporary name beside its place, then renamed.

pub mod film;
pub mod layers;
mod openexr;
mod rect;
pub mod sequence;
pub mod sheet;
mod shown;
pub mod stitch;
pub mod view;
mod whole;

pub use rect::Rect;
pub use shown::PictureError;
pub use whole::{Output, WriteError};
