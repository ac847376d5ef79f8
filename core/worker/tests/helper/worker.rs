//! Filled in with what it drives.

fn main() {}
