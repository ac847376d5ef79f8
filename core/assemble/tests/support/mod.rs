//! What tests with real programs share.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

pub mod shots;

use exr::prelude::{FlatSamples, read_all_flat_layers_from_file};

/// Whether a program is here; where it is not, that is said, and is a failure under `CI=true`.
#[expect(
    clippy::print_stderr,
    reason = "a test that could not run must be seen"
)]
pub fn is_here(program: &str) -> bool {
    let is_here = Command::new(program)
        .arg(if program == "blender" || program == "oiiotool" {
            "--version"
        } else {
            "-version"
        })
        .output()
        .is_ok();
    if !is_here {
        let why = format!("there is no {program} here");
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
        eprintln!("SKIPPED: {why}");
    }
    is_here
}

/// Runs a program, which must succeed.
pub fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("the program starts");
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Every channel of an EXR, by its full name: its type and the bits of its samples.
pub fn channels(path: &Path) -> BTreeMap<String, (&'static str, Vec<u32>)> {
    let image = read_all_flat_layers_from_file(path).expect("an EXR");
    let mut channels = BTreeMap::new();
    let several = image.layer_data.len() > 1;
    for layer in &image.layer_data {
        for channel in &layer.channel_data.list {
            let name = match &layer.attributes.layer_name {
                Some(part) if several => format!("{part}.{}", channel.name),
                _ => channel.name.to_string(),
            };
            let samples = match &channel.sample_data {
                FlatSamples::F16(samples) => {
                    let bits = samples.iter().map(|s| u32::from(s.to_bits()));
                    ("half", bits.collect())
                }
                FlatSamples::F32(samples) => {
                    ("float", samples.iter().map(|s| s.to_bits()).collect())
                }
                FlatSamples::U32(samples) => ("uint", samples.clone()),
            };
            assert!(channels.insert(name, samples).is_none(), "a channel twice");
        }
    }
    channels
}

/// How many different values there are.
pub fn distinct(samples: &[u32]) -> usize {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len()
}
