//! Layers that plain Blender rendered one by one, merged, against the file that it writes of all.
//!
//! A machine without Blender or oiiotool says so aloud, and fails when `CI=true`.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use exr::prelude::*;
use framewright_assemble::Output;
use framewright_assemble::layers::{LayerFile, MergeError, MergeOptions, Merged, merge};
use support::{channels, distinct, is_here, run};

/// What `three_layers.py` says; `None` without Blender.
fn scenes() -> Option<&'static Path> {
    static SCENES: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let made = SCENES.get_or_init(|| {
        if !is_here("blender") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/three_layers.py");
        let out = folder.path().to_str().expect("text");
        let blender = ["-b", "--factory-startup", "--python-exit-code", "3", "-P"];
        run("blender", &[&blender[..], &[script, "--", out]].concat());
        Some(folder)
    });
    made.as_ref().map(tempfile::TempDir::path)
}

fn merged(
    layers: &[(&str, PathBuf)],
    out: &Path,
    options: &MergeOptions,
) -> std::result::Result<Merged, MergeError> {
    let layers: Vec<LayerFile> = layers
        .iter()
        .map(|(layer, path)| LayerFile {
            layer: (*layer).to_owned(),
            path: path.clone(),
        })
        .collect();
    merge(&layers, &Output::new(out), options)
}

fn refused(layers: &[(&str, PathBuf)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.exr");
    let error = merged(layers, &out, &MergeOptions::default()).expect_err("refused");
    let left = std::fs::read_dir(folder.path()).expect("the folder");
    assert_eq!(left.count(), 0, "something was left behind");
    error.to_string()
}

/// Attributes of the only part, as text.
fn attributes(path: &Path) -> BTreeMap<String, String> {
    let meta = MetaData::read_from_file(path, false).expect("an EXR");
    meta.headers[0]
        .own_attributes
        .other
        .iter()
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect()
}

#[test]
fn three_view_layers_are_what_blender_writes_of_all() {
    let Some(scenes) = scenes() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("merged.exr");
    // Not in the order of their names, which must not matter.
    let layers = ["fx.dust", "chars", "beauty"].map(|l| (l, scenes.join(format!("{l}.exr"))));
    let made = merged(&layers, &out, &MergeOptions::default()).expect("merged");
    assert_eq!((made.width, made.height), (160, 90));
    assert!(made.left_out.is_empty());

    let (ours, theirs) = (channels(&out), channels(&scenes.join("all.exr")));
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        theirs.keys().collect::<Vec<_>>()
    );
    let described: Vec<String> = theirs
        .iter()
        .map(|(n, (kind, _))| format!("{n}:{kind}"))
        .collect();
    assert_eq!(made.channels, described);
    for (name, samples) in &theirs {
        assert!(ours[name] == *samples, "channel {name} differs");
    }
    for name in [
        "beauty.Combined.R",
        "chars.Combined.G",
        "fx.dust.Combined.B",
    ] {
        assert!(distinct(&theirs[name].1) > 1000, "{name} is too plain");
    }

    // What the layers' files say of their objects is all there.
    let theirs = attributes(&scenes.join("all.exr"));
    let ours = attributes(&out);
    let mattes = |name: &&String| name.starts_with("cryptomatte/");
    assert_eq!(theirs.keys().filter(mattes).count(), 12, "{theirs:?}");
    for name in theirs.keys().filter(mattes) {
        assert_eq!(ours.get(name), theirs.get(name), "{name}");
    }
    assert!(ours.contains_key("cycles.chars.samples"), "{ours:?}");

    // The control: a pixel to the side is seen.
    let moved = folder.path().join("moved.exr");
    let mut layers = layers;
    layers[1].1 = scenes.join("moved.exr");
    merged(&layers, &moved, &MergeOptions::default()).expect("merged");
    let (ours, theirs) = (channels(&moved), channels(&scenes.join("all.exr")));
    let different: Vec<&String> = theirs.keys().filter(|n| ours[*n] != theirs[*n]).collect();
    assert!(different.iter().any(|name| *name == "chars.Combined.R"));
    assert!(different.iter().all(|name| name.starts_with("chars.")));
}

#[test]
fn a_merged_file_is_opened_by_oiiotool_and_equal_there() {
    let Some(scenes) = scenes() else { return };
    if !is_here("oiiotool") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("merged.exr");
    let layers = ["beauty", "chars", "fx.dust"].map(|l| (l, scenes.join(format!("{l}.exr"))));
    merged(&layers, &out, &MergeOptions::default()).expect("merged");
    let (ours, all) = (
        out.display().to_string(),
        scenes.join("all.exr").display().to_string(),
    );
    run(
        "oiiotool",
        &["--fail", "0", "--warn", "0", &ours, &all, "--diff"],
    );

    // A part for each layer: the same samples under the layers' own names.
    let parts = folder.path().join("parts.exr");
    merged(&layers, &parts, &MergeOptions { parts: true }).expect("merged");
    for (number, (layer, path)) in layers.iter().enumerate() {
        let (parts, one) = (parts.display().to_string(), path.display().to_string());
        let number = number.to_string();
        let info = run("oiiotool", &["-v", "--info", "-a", &parts]);
        let info = String::from_utf8_lossy(&info.stdout).into_owned();
        assert!(info.contains(&format!("name: \"{layer}\"")), "{info}");
        let compare = [
            "--fail",
            "0",
            "--warn",
            "0",
            &parts,
            "--subimage",
            &number,
            &one,
            "--diff",
        ];
        run("oiiotool", &compare);
    }
}

/// What Blender makes of a file: its kind, its layers with their passes.
fn told_by_blender(path: &Path) -> Vec<String> {
    let script = r#"
import sys, bpy
image = bpy.data.images.load(sys.argv[-1])
bpy.context.scene.use_nodes = True
node = bpy.context.scene.node_tree.nodes.new("CompositorNodeImage")
node.image = image
def passes():
    return [socket.name for socket in node.outputs if socket.enabled]
print("@@", image.type, node.has_layers)
if not node.has_layers:
    print("@@", passes())
for name in ["beauty", "chars", "fx.dust", "none"]:
    try:
        node.layer = name
    except TypeError:
        continue
    print("@@", name, passes())
"#;
    let path = path.to_str().expect("text");
    let blender = ["-b", "--factory-startup", "--python-exit-code", "3"];
    let said = run(
        "blender",
        &[&blender[..], &["--python-expr", script, "--", path]].concat(),
    );
    String::from_utf8_lossy(&said.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix("@@ "))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn a_merged_file_is_multilayer_to_blender() {
    let Some(scenes) = scenes() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("merged.exr");
    let layers = ["beauty", "chars", "fx.dust"].map(|l| (l, scenes.join(format!("{l}.exr"))));
    merged(&layers, &out, &MergeOptions::default()).expect("merged");
    let told = told_by_blender(&out);
    assert_eq!(told[0], "MULTILAYER True");
    assert_eq!(told.len(), 4, "three layers: {told:?}");
    assert_eq!(told[3], "fx.dust ['Combined', 'Alpha', 'AO']");
    assert_eq!(told, told_by_blender(&scenes.join("all.exr")));

    // Layers that were rendered to plain files are passes with the layers' names.
    let bare = folder.path().join("bare.exr");
    let layers = ["beauty", "chars"].map(|l| (l, scenes.join(format!("bare_{l}.exr"))));
    let made = merged(&layers, &bare, &MergeOptions::default()).expect("merged");
    assert_eq!(made.channels[3], "beauty.R:half");
    let expected = ["MULTILAYER False", "['beauty', 'chars']"];
    assert_eq!(told_by_blender(&bare), expected);
}

#[test]
fn a_composite_of_one_layer_is_left_out_and_told() {
    let Some(scenes) = scenes() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("merged.exr");
    let layers = ["beauty", "chars"].map(|l| (l, scenes.join(format!("comp_{l}.exr"))));
    let made = merged(&layers, &out, &MergeOptions::default()).expect("merged");
    let composite = |name: &&String| name.starts_with("Composite.Combined.");
    assert_eq!(made.left_out.iter().filter(composite).count(), 8);
    assert!(!made.channels.iter().any(|name| name.contains("Composite")));
    // Alone, a layer's file is what it was.
    let alone = folder.path().join("alone.exr");
    let made = merged(&layers[..1], &alone, &MergeOptions::default()).expect("merged");
    assert!(made.left_out.is_empty());
    assert_eq!(channels(&alone), channels(&layers[0].1));
}

#[test]
fn layers_that_do_not_belong_together_are_named() {
    let Some(scenes) = scenes() else { return };
    let file = |name: &str| scenes.join(format!("{name}.exr"));
    let (beauty, late) = (file("beauty"), file("late_chars"));
    assert_eq!(
        refused(&[("beauty", beauty.clone()), ("chars", late.clone())]),
        format!(
            "{} has the frame 4, and {} has 3",
            late.display(),
            beauty.display()
        )
    );
    // The right file under another layer's name as well.
    let twice = refused(&[("beauty", beauty.clone()), ("beauty", file("chars"))]);
    assert_eq!(twice, "the layer `beauty` is given twice");
    let broken = scenes.join("broken.exr");
    let bytes = std::fs::read(file("chars")).expect("a file");
    std::fs::write(&broken, &bytes[..bytes.len() - 100]).expect("a file");
    let said = refused(&[("beauty", beauty.clone()), ("chars", broken.clone())]);
    let start = format!("{} is not a whole EXR: ", broken.display());
    assert!(said.starts_with(&start), "{said}");
    let none = scenes.join("none.exr");
    let said = refused(&[("beauty", beauty), ("chars", none.clone())]);
    assert_eq!(said, format!("cannot read {}", none.display()));
}
