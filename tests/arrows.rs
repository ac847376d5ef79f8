//! The arrows between rooms: who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Every package of the workspace and all that it depends on, at any depth, for a normal build on
/// this machine.
fn trees() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo prints JSON");
    let packages = metadata["packages"]
        .as_array()
        .expect("cargo lists packages");
    packages
        .iter()
        .map(|package| package["name"].as_str().expect("a package has a name"))
        .map(|name| {
            let lines = cargo(&["tree", "-p", name, "-e", "normal", "--prefix", "none"]);
            let names = lines
                .lines()
                .skip(1)
                .filter_map(|line| line.split(' ').next());
            (name.to_owned(), names.map(ToOwned::to_owned).collect())
        })
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("cli/ is in the tree");
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(top)
        .output()
        .expect("cargo runs the tests, so it is there");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

#[test]
fn the_kernel_has_no_effects_in_its_tree() {
    let trees = trees();
    let kernel = &trees["framewright-kernel"];
    for banned in [
        "tokio",
        "libloading",
        "clap",
        "serde_json",
        "rusqlite",
        "rustix",
        "framewright-core",
    ] {
        assert!(
            !kernel.contains(banned),
            "the kernel depends on {banned}: {kernel:?}"
        );
    }
}

#[test]
fn the_worker_stays_small_and_knows_no_one() {
    let trees = trees();
    let worker = &trees["framewright-worker"];
    for banned in ["tokio", "libloading", "rusqlite", "clap"] {
        assert!(
            !worker.contains(banned),
            "the worker depends on {banned}: {worker:?}"
        );
    }
    let ours: Vec<_> = worker
        .iter()
        .filter(|name| name.starts_with("framewright"))
        .collect();
    assert!(ours.is_empty(), "the worker depends on {ours:?}");
}

#[test]
fn assembling_knows_pictures_only() {
    let trees = trees();
    let assemble = &trees["framewright-assemble"];
    for banned in ["tokio", "libloading", "rusqlite", "clap", "serde_json"] {
        assert!(
            !assemble.contains(banned),
            "assembling depends on {banned}: {assemble:?}"
        );
    }
    let ours: Vec<_> = assemble
        .iter()
        .filter(|name| name.starts_with("framewright"))
        .collect();
    assert!(ours.is_empty(), "assembling depends on {ours:?}");
    assert!(assemble.contains("exr") && assemble.contains("png"));
}

#[test]
fn kernel_and_plugin_api_do_not_know_each_other() {
    let trees = trees();
    assert!(!trees["framewright-kernel"].contains("framewright-plugin-api"));
    assert!(!trees["framewright-plugin-api"].contains("framewright-kernel"));
}

#[test]
fn nothing_links_an_adapter_and_adapters_link_only_the_plugin_api() {
    let trees = trees();
    let mut adapters = 0;
    for (name, tree) in &trees {
        let linked: Vec<_> = tree
            .iter()
            .filter(|need| need.starts_with("framewright-adapter-"))
            .collect();
        assert!(linked.is_empty(), "{name} links {linked:?}");
        if name.starts_with("framewright-adapter-") {
            adapters += 1;
            let ours: Vec<_> = tree
                .iter()
                .filter(|need| need.starts_with("framewright"))
                .collect();
            assert_eq!(ours, ["framewright-plugin-api"], "{name}");
        }
    }
    assert!(adapters >= 2, "no adapters found: {:?}", trees.keys());
}

/// The control: the arrows that are there are seen.
#[test]
fn the_arrows_that_exist_are_found() {
    let trees = trees();
    assert!(trees["framewright"].contains("framewright-core"));
    assert!(trees["framewright-core"].contains("tokio"));
    assert!(trees["framewright-core"].contains("framewright-kernel"));
}
