//! Tests of whole sessions: on recorded logs with no Blender, and against the real one.

mod alone;
mod bench;
mod logs;
mod real;
mod staged;
mod tiles;
