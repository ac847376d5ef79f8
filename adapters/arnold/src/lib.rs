//! framewright's adapter for Arnold.
