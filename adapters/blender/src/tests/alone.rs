//! A scene's file says by itself what Blender says of the scene, in the same words.
//!
//! Left to the running Blender are its costs, and what only a load shows: scripts and drivers that were
//! not run, data-blocks that are missing from their library, engines and denoisers that are not there.

use std::path::{Path, PathBuf};
use std::process::Command;

use framewright_plugin_api::data::{Costs, Scene};
use serde_json::{Value, json};

use super::bench::nothing;
use super::real::{cases, inspected, inspected_by, must_not_skip};

/// What only Blender knows.
const BLENDERS_OWN: [&str; 7] = [
    "scripts in the scene were not run",
    "linked data-block",
    "denoising, which this build",
    "is not available",
    "a driver may not run",
    "a library is missing",
    "written by newer Blender",
];

fn comparable(mut scene: Scene) -> Scene {
    scene.costs = Costs::default();
    scene.memory_bytes = 0;
    scene.assets.sort_by(|a, b| a.path.cmp(&b.path));
    scene.warnings.sort();
    let is_shared = |text: &String| !BLENDERS_OWN.iter().any(|own| text.contains(own));
    scene.warnings.retain(is_shared);
    scene
}

/// How the file and Blender differ over a scene; none where they agree.
pub(super) fn difference(path: &Path, set: &Value, output: &str) -> Option<String> {
    let theirs = comparable(inspected(path, set.clone(), output));
    let ours = comparable(inspected_by("", path, set.clone(), output));
    if ours == theirs {
        return None;
    }
    let fields = |scene: &Scene| match json!(scene) {
        Value::Object(fields) => fields,
        other => panic!("a scene is an object, not {other}"),
    };
    let (ours, theirs) = (fields(&ours), fields(&theirs));
    let unlike = ours
        .iter()
        .filter(|(key, value)| theirs.get(*key) != Some(value));
    let told =
        unlike.map(|(key, value)| format!("{key}: {value}, by Blender {}", json!(theirs.get(key))));
    Some(format!(
        "{} {set}: {}",
        path.display(),
        told.collect::<Vec<_>>().join("; ")
    ))
}

fn blends(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("a folder of scenes");
    let files = files.map(|one| one.expect("an entry").path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|one| one == "blend"))
        .collect();
    files.sort();
    files
}

#[test]
fn the_file_and_blender_say_the_same_of_each_case() {
    let Some(folder) = cases() else { return };
    let mut told = Vec::new();
    for path in blends(folder) {
        // Blender puts another engine in the place of one that is not there.
        if !path.ends_with("engine_missing.blend") {
            told.extend(difference(&path, &nothing(), "png"));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn the_file_and_blender_say_the_same_of_scenes_that_nobody_here_made() {
    let vendored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenes/samples");
    let mut folders = vec![vendored];
    folders.extend(
        std::env::var_os("FRAMEWRIGHT_SAMPLES")
            .map(|place| Path::new(&place).join("blend-samples")),
    );
    let mut told = Vec::new();
    for path in folders.iter().flat_map(|folder| blends(folder)) {
        let version = crate::file::version(&path.display().to_string()).expect("a header");
        if version < (4, 0) {
            told.extend(difference(&path, &nothing(), "png"));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn the_file_and_blender_name_the_same_files_of_every_kind() {
    let font = "/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf";
    if cases().is_none() || !Path::new(font).is_file() {
        must_not_skip("there is no Blender, or not the font that a scene needs");
        return;
    }
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenes");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut told = Vec::new();
    for (script, options) in [("make_staged.py", [font]), ("make_shot.py", ["--library"])] {
        let folder = dir.path().join(script);
        let made = Command::new("blender")
            .args(["-b", "--factory-startup", "--python-exit-code", "3", "-P"])
            .arg(scripts.join(script))
            .arg("--")
            .arg(&folder)
            .args(options)
            .output()
            .expect("Blender starts");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stdout)
        );
        let inner = folder.join("shot");
        let scenes = blends(if inner.is_dir() { &inner } else { &folder });
        assert!(!scenes.is_empty());
        for path in scenes {
            let found = inspected_by("", &path, nothing(), "png");
            assert!(
                found.assets.iter().any(|asset| !asset.missing),
                "{}",
                path.display()
            );
            told.extend(difference(&path, &nothing(), "png"));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}
