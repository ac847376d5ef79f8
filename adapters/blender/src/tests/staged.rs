//! A host that has nothing but the listed files, under other paths, renders what Blender alone
//! rendered where they were; and whichever of them is left out, nobody takes the picture for right.
//!
//! The scenes name files of each kind, relatively and absolutely (`make_staged.py`). They are made and
//! rendered in one folder, which is then renamed, so no path of the scene leads anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use framewright_plugin_api::data::{Activity, Asset, PathPair, Scene, Task, Verdict};
use serde_json::{Value, json};

use super::bench::{Bench, Ended, nothing};
use super::real::{inspected, must_not_skip, pixels, reference, wrapper};

const FRAMES: [i32; 3] = [1, 2, 3];
const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf";

/// What was there before the folder was renamed.
struct Studio {
    dir: tempfile::TempDir,
    /// Scenes by name: what the adapter lists, and the pixels of Blender's own frames.
    shots: BTreeMap<&'static str, (Scene, Vec<Vec<u8>>)>,
}

impl Studio {
    /// Where everything was when the scenes were saved.
    fn named(&self) -> PathBuf {
        self.dir.path().join("studio")
    }

    /// Where it is now.
    fn kept(&self) -> PathBuf {
        self.dir.path().join("hidden")
    }

    fn scene(&self, name: &str) -> PathBuf {
        self.named().join(format!("shot/{name}.blend"))
    }
}

/// None without Blender or the font that a scene needs.
fn studio() -> Option<&'static Studio> {
    static STUDIO: OnceLock<Option<Studio>> = OnceLock::new();
    let made = STUDIO.get_or_init(|| {
        let blender = Command::new("blender").arg("--version").output().is_ok();
        (blender && Path::new(FONT).is_file()).then(make)
    });
    if made.is_none() {
        must_not_skip("there is no Blender here, or no font for its scenes");
    }
    made.as_ref()
}

fn make() -> Studio {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut studio = Studio {
        dir,
        shots: BTreeMap::new(),
    };
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/scenes/make_staged.py"
    );
    let made = Command::new("blender")
        .args(["-b", "--factory-startup", "--python-exit-code", "3", "-P"])
        .args([script, "--"])
        .arg(studio.named())
        .arg(FONT)
        .output()
        .expect("Blender starts");
    let said = String::from_utf8_lossy(&made.stdout);
    assert!(made.status.success(), "{said}");
    for name in ["shot", "cut", "comp"] {
        let alone = studio.dir.path().join(name);
        fs::create_dir(&alone).expect("a folder");
        reference(&studio.scene(name), &alone, &[]);
        let frame = |one: i32| pixels(&alone.join(format!("r_{one:04}.png")));
        let listed = inspected(&studio.scene(name), nothing(), "png");
        let frames = FRAMES.map(frame).to_vec();
        studio.shots.insert(name, (listed, frames));
    }
    fs::rename(studio.named(), studio.kept()).expect("the originals are hidden");
    studio
}

/// A host's folder: what was listed, below it by absolute path, but for one file.
fn staged(studio: &Studio, name: &str, without: Option<&str>) -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a temporary folder");
    let bring = |path: &str| {
        let path = Path::new(path);
        let from = studio
            .kept()
            .join(path.strip_prefix(studio.named()).expect("below"));
        copy(&from, &below(tree.path(), path));
    };
    bring(&studio.scene(name).display().to_string());
    for asset in &studio.shots[name].0.assets {
        assert!(!asset.missing, "{} was there", asset.path);
        if Some(asset.path.as_str()) != without {
            bring(&asset.path);
        }
    }
    tree
}

fn below(tree: &Path, path: &Path) -> PathBuf {
    tree.join(path.strip_prefix("/").expect("an absolute path"))
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::copy(from, to).expect("a copy");
    }
}

fn pair(from: &Path, to: &Path) -> PathPair {
    PathPair {
        from: from.display().to_string(),
        to: to.display().to_string(),
    }
}

fn rendered(scene: &Path, set: Value, paths: &[PathPair]) -> (Bench, Ended) {
    let mut bench = Bench::open_with(Activity::Render, "blender", scene, set, "png", paths);
    let tasks = (1..)
        .zip(FRAMES)
        .map(|(number, frame)| Task::frame(number, frame, &bench.output(number, "png")))
        .collect();
    bench.give(1, tasks);
    let ended = bench.settle();
    (bench, ended)
}

fn frames(ended: &Ended) -> Vec<Vec<u8>> {
    ended.wrote.values().map(|path| pixels(path)).collect()
}

#[test]
fn what_was_listed_is_enough_under_any_path() {
    let Some(studio) = studio() else { return };
    for (name, (_, alone)) in &studio.shots {
        for sticky in [true, false] {
            let tree = staged(studio, name, None);
            let scene = below(tree.path(), &studio.scene(name));
            let root = pair(Path::new("/"), tree.path());
            let (_bench, ended) = rendered(&scene, json!({ "sticky": sticky }), &[root]);
            ended.all(Verdict::Succeeded, "");
            assert!(frames(&ended) == *alone, "{name}: a frame differs");
        }
    }
}

#[test]
fn a_disk_that_is_mounted_elsewhere_is_found_there() {
    let Some(studio) = studio() else { return };
    let scene = studio.kept().join("shot/shot.blend");
    // The longer one counts; by the shorter one nothing is found.
    let paths = [
        pair(studio.dir.path(), Path::new("/nowhere")),
        pair(&studio.named(), &studio.kept()),
    ];
    let (_bench, ended) = rendered(&scene, nothing(), &paths);
    ended.all(Verdict::Succeeded, "");
    assert!(frames(&ended) == studio.shots["shot"].1, "a frame differs");
}

#[test]
fn without_paths_the_first_absolute_name_is_told_as_missing() {
    let Some(studio) = studio() else { return };
    let tree = staged(studio, "shot", None);
    let scene = below(tree.path(), &studio.scene("shot"));
    let (_bench, ended) = rendered(&scene, nothing(), &[]);
    ended.all(Verdict::Unrenderable, "outer.blend is missing");
}

#[test]
fn a_blender_in_which_scripts_fail_is_not_left_to_look_in_the_wrong_places() {
    let Some(studio) = studio() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let program = wrapper(
        dir.path(),
        "case \"$*\" in *fw_driver.py*) exec blender -b --python-exit-code 90 --python-expr 'raise ValueError';; esac\nexec blender \"$@\"",
    );
    let scene = studio.kept().join("shot/shot.blend");
    let paths = [pair(&studio.named(), &studio.kept())];
    let mut bench = Bench::open_with(Activity::Render, &program, &scene, nothing(), "png", &paths);
    let output = bench.output(1, "png");
    bench.give(1, vec![Task::frame(1, 1, &output)]);
    bench.settle().all(Verdict::AdapterFault, "script");
}

/// One file of each kind and name, numbers aside: of a sequence its last.
fn samples(assets: &[Asset]) -> Vec<&Asset> {
    let mut seen = BTreeSet::new();
    let fresh = |asset: &&Asset| {
        let name = Path::new(&asset.path).file_name().expect("a name");
        let name = name
            .to_string_lossy()
            .replace(|c: char| c.is_ascii_digit(), "");
        seen.insert((asset.kind.clone(), name))
    };
    let mut last: Vec<&Asset> = assets.iter().rev().filter(fresh).collect();
    last.reverse();
    last
}

#[test]
fn a_file_that_is_left_out_never_goes_unseen() {
    let Some(studio) = studio() else { return };
    for (name, (listed, alone)) in &studio.shots {
        for asset in samples(&listed.assets) {
            let tree = staged(studio, name, Some(&asset.path));
            let scene = below(tree.path(), &studio.scene(name));
            let root = pair(Path::new("/"), tree.path());
            let (_bench, ended) = rendered(&scene, nothing(), &[root]);
            let file = Path::new(&asset.path).file_name().expect("a name");
            let file = file.to_string_lossy();
            let told = ended.tasks.values().any(|(verdict, why)| {
                *verdict == Verdict::Unrenderable && why.contains(file.as_ref())
            });
            let differs = ended.wrote.len() == FRAMES.len() && frames(&ended) != *alone;
            assert!(told || differs, "{name} without {file}: {:?}", ended.tasks);
        }
    }
}

#[test]
fn each_kind_of_file_is_listed_as_it_is_named() {
    let Some(studio) = studio() else { return };
    let named = studio.named();
    let mut listed = BTreeMap::new();
    for (scene, _) in studio.shots.values() {
        for asset in &scene.assets {
            let path = Path::new(&asset.path).strip_prefix(&named).expect("below");
            let path = path.display().to_string();
            assert!(asset.bytes > 0 && !asset.missing, "{asset:?}");
            listed.insert(path, (asset.kind.as_str(), asset.absolute));
        }
    }
    let mut wanted: BTreeMap<String, (&str, bool)> = [
        ("outer/outer.blend", "library", true),
        ("inner/inner.blend", "library", false),
        ("deep/deep.blend", "library", true),
        ("inner/own.png", "image", false),
        ("outer/own.png", "image", false),
        ("tex/beside.png", "image", false),
        ("abs/far.png", "image", true),
        ("abs/tiles.1001.png", "image", true),
        ("abs/tiles.1002.png", "image", true),
        ("abs/face.ttf", "font", true),
        ("abs/lamp.ies", "light", true),
        ("abs/points.pc2", "cache", true),
        ("shot/blendcache_shot", "cache", false),
    ]
    .map(|(path, kind, absolute)| (path.to_owned(), (kind, absolute)))
    .into();
    for frame in FRAMES {
        for (path, kind, absolute) in [
            (format!("tex/near_{frame:03}.png"), "image", false),
            (format!("abs/away_{frame:03}.png"), "image", true),
            (format!("abs/strip/{frame}.png"), "strip", true),
            (format!("abs/clip/c{frame:04}.png"), "clip", true),
        ] {
            wanted.insert(path, (kind, absolute));
        }
        // A Blender without fluids or volumes makes none.
        let fog = format!("abs/fog/fog_{frame:04}.vdb");
        if studio.kept().join(&fog).is_file() {
            wanted.insert(fog, ("volume", true));
            wanted.insert("abs/smoke".to_owned(), ("cache", true));
        }
    }
    assert_eq!(listed, wanted);
}
