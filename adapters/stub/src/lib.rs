//! framewright's adapter for the stub renderer.
