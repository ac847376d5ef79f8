//! Computes the build identity: a hash of this crate's sources.
//!
//! Two executables made from the same sources talk to each other whatever their target, profile
//! or linking (the static one that is sent to a host is not the dynamic one that sends it), so
//! the hash is of the sources and not of the executable.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    let mut hash = Fnv::new();
    for file in &files {
        let name = file.strip_prefix(&root).expect("collected below it");
        hash.add(name.as_os_str().as_encoded_bytes());
        hash.add(&[0]);
        hash.add(&fs::read(file).expect("a source file can be read"));
        hash.add(&[0]);
    }
    println!(
        "cargo::rustc-env=FRAMEWRIGHT_WORKER_SOURCES={:016x}",
        hash.0
    );
    println!("cargo::rerun-if-changed=src");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source folder can be read") {
        let path = entry.expect("the source folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// FNV-1a, 64 bits: enough to tell builds apart, and no dependency of the build.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u64::from(*byte);
            self.0 = self.0.wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
