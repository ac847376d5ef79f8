//! framewright's adapter for the blender renderer.
