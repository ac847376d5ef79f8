//! framewright's adapter for POV-Ray.
