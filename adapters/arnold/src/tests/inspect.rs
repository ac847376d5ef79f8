//! `inspect` of our own scenes, without a process.

use std::fs;
use std::path::Path;

use framewright_plugin_api::data::{Activity, Basis, Scene};
use serde_json::json;

use super::{inspected, look, opened, sample};
use crate::memo::Memo;

fn names(scene: &Scene) -> Vec<(String, bool)> {
    let name = |path: &str| {
        Path::new(path)
            .strip_prefix(sample(""))
            .map_or(path.to_owned(), |rest| rest.display().to_string())
    };
    let mut all: Vec<(String, bool)> = scene
        .assets
        .iter()
        .map(|asset| (name(&asset.path), asset.missing))
        .collect();
    all.sort();
    all
}

#[test]
fn a_still_is_told_whole() {
    let scene = look(&sample("still.ass")).expect("a scene");
    assert_eq!((scene.first, scene.last, scene.step), (12, 12, 1));
    assert_eq!((scene.width, scene.height, scene.fps), (320, 180, 25.0));
    assert_eq!(scene.camera.as_deref(), Some("/cameras/main"));
    assert_eq!(scene.cameras, ["/cameras/main"]);
    assert_eq!(scene.layers.len(), 1);
    assert_eq!(scene.layers[0].passes, ["RGBA"]);
    assert_eq!(scene.channels, ["R", "G", "B"]);
    assert_eq!(names(&scene), [("tex/plate.tx".to_owned(), true)]);
    assert_eq!((scene.tiles.exact, scene.tiles.margin), (true, 1));
    assert!(!scene.layer_split.exact);
    assert_eq!(scene.costs.load_s.basis, Basis::Estimated);
    assert!(scene.costs.load_s.seconds >= 1.0 && scene.memory_bytes > 0);
    assert_eq!(scene.warnings, Vec::<String>::new());
}

#[test]
fn aov_groups_are_layers() {
    let scene = look(&sample("aovs.ass")).expect("a scene");
    let layers: Vec<(&str, &[String])> = scene
        .layers
        .iter()
        .map(|layer| (layer.name.as_str(), layer.passes.as_slice()))
        .collect();
    let one = |name: &str| vec![name.to_owned()];
    assert_eq!(
        layers,
        [
            ("RGBA", one("RGBA").as_slice()),
            ("N", one("N").as_slice()),
            ("albedo", one("albedo").as_slice()),
        ]
    );
    assert!(scene.layer_split.exact && scene.layer_split.repeats);
    assert_eq!(
        scene.cameras,
        ["|cams|main|mainShape", "|cams|left|leftShape"]
    );
    assert!(
        scene.warnings[0].contains("a path of Windows"),
        "{:?}",
        scene.warnings
    );
    let asset = &scene.assets[0];
    assert_eq!(
        (asset.path.as_str(), asset.absolute),
        ("/show/ocio/config.ocio", true)
    );
    let memo: Memo = serde_json::from_value(scene.carry).expect("a memo");
    assert_eq!(
        (memo.cameras, memo.folders),
        (2, vec!["/show/ocio".to_owned()])
    );
    assert_eq!(
        memo.groups[0].params,
        ["compression \"zip\"", "half_precision off"]
    );
}

#[test]
fn includes_and_procedurals_are_followed_round_in_circles() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["city.ass", "lights.ass", "parts/blocks.ass"] {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(sample(name), to).expect("a copy");
    }
    fs::create_dir(folder.path().join("tex")).expect("a folder");
    for (name, bytes) in [
        ("tex/walls.1001.tx", 1000),
        ("tex/walls.1002.tx", 2000),
        ("tex/bricks.tx", 4000),
        ("lamp.ies", 10),
        ("crowd.usdc", 100_000),
    ] {
        fs::write(folder.path().join(name), vec![b'x'; bytes]).expect("a file");
    }
    let scene = look(&folder.path().join("city.ass")).expect("a scene");
    let found: Vec<(&str, u64, &str)> = scene
        .assets
        .iter()
        .map(|asset| {
            let path = Path::new(&asset.path).strip_prefix(folder.path());
            let path = path.expect("below the folder").to_str().expect("UTF-8");
            assert!(!asset.missing && !asset.absolute, "{asset:?}");
            (path, asset.bytes, asset.kind.as_str())
        })
        .collect();
    let bytes = |name: &str| fs::metadata(sample(name)).expect("a file").len();
    let mut wanted = vec![
        ("lights.ass", bytes("lights.ass"), "include"),
        ("parts/blocks.ass", bytes("parts/blocks.ass"), "procedural"),
        ("crowd.usdc", 100_000, "procedural"),
        ("tex/walls.1001.tx", 1000, "texture"),
        ("tex/walls.1002.tx", 2000, "texture"),
        ("lamp.ies", 10, "light profile"),
        ("tex/bricks.tx", 4000, "texture"),
    ];
    let mut sorted = found.clone();
    sorted.sort();
    wanted.sort();
    assert_eq!(sorted, wanted);
    // What a procedural says of the picture is not heard.
    assert_eq!((scene.width, scene.height), (1920, 1080));
    assert_eq!(scene.cameras, ["persp"]);
    assert!(
        !scene.tiles.exact && scene.tiles.why.contains("adaptive"),
        "{:?}",
        scene.tiles
    );
    let told = scene.warnings.join("\n");
    assert!(
        told.contains("the variable FRAMEWRIGHT_TEST_UNSET is not set"),
        "{told}"
    );
    assert!(told.contains("<attr:look>.tx is not listed"), "{told}");
    let memo: Memo = serde_json::from_value(scene.carry).expect("a memo");
    assert_eq!(memo.variables, ["FRAMEWRIGHT_TEST_UNSET"]);
}

#[test]
fn render_outputs_make_groups_and_a_denoiser_forbids_tiles() {
    let scene = look(&sample("nodes.ass")).expect("a scene");
    let passes: Vec<&[String]> = scene
        .layers
        .iter()
        .map(|one| one.passes.as_slice())
        .collect();
    assert_eq!(passes.len(), 2);
    assert_eq!(passes[0], ["RGBA", "Z"]);
    assert_eq!(passes[1], ["crypto_object"]);
    assert_eq!((scene.first, scene.last), (-3, -3));
    assert!(scene.tiles.why.contains("denoises"), "{:?}", scene.tiles);
    assert!(!scene.layer_split.exact);
}

/// A folder with `shot.####.ass` of these frames.
fn shot(frames: &[i32]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(sample("still.ass")).expect("a scene");
    for frame in frames {
        let text = text.replace("frame 12", &format!("frame {frame}"));
        fs::write(folder.path().join(format!("shot.{frame:04}.ass")), text).expect("a file");
    }
    folder
}

#[test]
fn a_file_of_a_sequence_stands_for_all_of_it() {
    let folder = shot(&[1, 2, 3, 5, 6]);
    let scene = look(&folder.path().join("shot.0002.ass")).expect("a scene");
    assert_eq!((scene.first, scene.last, scene.step), (1, 6, 1));
    assert_eq!(scene.warnings, ["the sequence has no file for frame 4"]);
    let frames = scene.assets.iter().filter(|asset| asset.kind == "frame");
    let frames: Vec<&str> = frames
        .map(|asset| &asset.path[asset.path.len() - 8..])
        .collect();
    assert_eq!(frames, ["0001.ass", "0003.ass", "0005.ass", "0006.ass"]);

    let one = opened(
        Activity::Inspect,
        folder.path().join("shot.0002.ass").to_str().expect("UTF-8"),
        json!({"sequence": "no"}),
    );
    let scene = inspected(one).expect("a scene");
    assert_eq!((scene.first, scene.last), (2, 2));
}

#[test]
fn what_cannot_be_looked_into_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.ass");
    let set = |text: &str, settings: serde_json::Value| {
        fs::write(&path, text).expect("a file");
        let open = opened(Activity::Inspect, path.to_str().expect("UTF-8"), settings);
        inspected(open).expect_err(text)
    };
    let still = fs::read_to_string(sample("still.ass")).expect("a scene");
    assert!(set(&still[..still.len() / 2], json!({})).contains("has no end"));
    assert!(set("", json!({})).contains("has no options node"));
    let why = set(&still, json!({"camera": "other"}));
    assert!(
        why.contains("no camera `other`") && why.contains("/cameras/main"),
        "{why}"
    );
    let why = set(&still, json!({"sequence": "yes"}));
    assert!(why.contains("not one file of several"), "{why}");
    let missing = look(&folder.path().join("b.ass")).expect_err("there is none");
    assert!(missing.contains("cannot read"), "{missing}");
}
