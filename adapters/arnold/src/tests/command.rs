//! Command lines, and the second scene file that goes along.

use std::collections::BTreeMap;
use std::fs;

use framewright_plugin_api::data::{
    Activity, Effect, Input, Open, PathPair, Run, Scene, Task, Tile, Verdict,
};
use framewright_plugin_api::{Adapter, Effects};
use serde_json::{Value, json};

use super::{ADAPTER, inspected, look, opened, sample};

/// What a render session asks for, or how it ends a task.
fn asked(open: Open, task: Task) -> Result<Run, (Verdict, String)> {
    let mut out = Effects::new();
    let mut session = ADAPTER.open(open, &mut out).expect("it opens");
    let tasks = vec![task];
    session.step(0.0, vec![Input::Segment { segment: 1, tasks }], &mut out);
    match out.take().as_slice() {
        [Effect::Run(run)] => Ok(run.clone()),
        [Effect::TaskDone { verdict, why, .. }] => Err((*verdict, why.clone())),
        other => panic!("neither: {other:?}"),
    }
}

fn render(scene: &Scene, path: &str, settings: Value) -> Open {
    Open {
        carry: scene.carry.clone(),
        ..opened(Activity::Render, path, settings)
    }
}

fn words(run: &Run) -> Vec<&str> {
    run.argv.iter().map(String::as_str).collect()
}

fn has(run: &Run, wanted: &[&str]) -> bool {
    words(run).windows(wanted.len()).any(|some| some == wanted)
}

#[test]
fn a_plain_scene_is_a_plain_command() {
    let scene = look(&sample("still.ass")).expect("a scene");
    let open = render(&scene, "/show/still.ass", json!({}));
    let run = asked(open, Task::frame(3, 12, "/out/still.0012.exr")).expect("a command");
    assert_eq!(
        words(&run),
        [
            "/opt/arnold/bin/kick",
            "-i",
            "/show/still.ass",
            "-o",
            "/out/still.0012.exr",
            "-dw",
            "-dp",
            "-v",
            "4",
            "-set",
            "options.abort_on_license_fail",
            "on",
        ]
    );
    assert_eq!((run.cwd.as_str(), run.files.len()), ("/show", 0));
    assert!(run.inherit.contains(&"ADSK*".to_owned()));
}

#[test]
fn a_tile_is_a_region_with_both_ends_included() {
    let scene = look(&sample("still.ass")).expect("a scene");
    let mut task = Task::frame(3, 12, "/out/a.exr");
    let (x, y, width, height) = (64, 0, 32, 180);
    task.tile = Some(Tile {
        x,
        y,
        width,
        height,
    });
    let open = render(&scene, "/show/still.ass", json!({}));
    let run = asked(open.clone(), task.clone()).expect("a command");
    assert!(has(&run, &["-rg", "64", "0", "95", "179"]), "{run:?}");
    task.tile = None;
    task.reduced = 8;
    let run = asked(open, task).expect("a command");
    assert!(has(&run, &["-r", "40", "23"]), "{run:?}");
}

#[test]
fn settings_become_options() {
    let scene = look(&sample("still.ass")).expect("a scene");
    let settings = json!({
        "camera": "/cameras/main", "samples": 2, "resolution_x": 640, "resolution_y": 360,
        "set": "options.GI_diffuse_depth 3; key.color 1 0.5 -0.25", "plugins": "/a:/b c",
        "license_check": false, "verbose": 6, "nstdin": true,
    });
    let open = Open {
        threads: 3,
        ..render(&scene, "/show/still.ass", settings)
    };
    let run = asked(open, Task::frame(3, 12, "/out/a.exr")).expect("a command");
    for wanted in [
        &["-v", "6", "-nstdin"][..],
        &["-t", "3"],
        &["-r", "640", "360"],
        &["-c", "/cameras/main"],
        &["-as", "2"],
        &["-l", "/a", "-l", "/b c"],
        &["-set", "options.GI_diffuse_depth", "3"],
        &["-set", "key.color", "1", "0.5", "-0.25"],
    ] {
        assert!(has(&run, wanted), "{wanted:?} in {run:?}");
    }
    assert!(!words(&run).contains(&"options.abort_on_license_fail"));
}

/// The second scene file of a run.
fn second(run: &Run) -> &str {
    assert!(!words(run).contains(&"-o"), "{run:?}");
    assert_eq!(run.files.len(), 1);
    assert!(has(run, &["-i", &run.files[0].path]), "{run:?}");
    assert!(run.files[0].path.starts_with("/scratch/"));
    &run.files[0].text
}

#[test]
fn several_drivers_are_merged_into_one_of_ours() {
    let scene = look(&sample("aovs.ass")).expect("a scene");
    let open = render(&scene, "/show/aovs.ass", json!({}));
    let run = asked(open, Task::frame(0, 1001, "/out/a \"b\".exr")).expect("a command");
    assert_eq!(
        second(&run),
        "# Written by framewright: where the picture of this task goes.\n\n\
         options\n{\n outputs 3 1 STRING\n  \
         \"RGBA RGBA defaultFilter@gaussian_filter framewright/picture\"\n  \
         \"|cams|left|leftShape N VECTOR closest@closest_filter framewright/picture\"\n  \
         \"albedo RGB defaultFilter@gaussian_filter framewright/picture\"\n}\n\n\
         driver_exr\n{\n name framewright/picture\n filename \"/out/a \\\"b\\\".exr\"\n \
         compression \"zip\"\n half_precision off\n}\n"
    );
    let nothing_elsewhere = |text: &str| !text.contains("/show/out");
    assert!(nothing_elsewhere(second(&run)));
}

#[test]
fn a_group_alone_and_a_png_have_one_output() {
    let scene = look(&sample("aovs.ass")).expect("a scene");
    let mut task = Task::frame(0, 1001, "/out/N.exr");
    task.layer = "N".to_owned();
    let open = render(&scene, "/show/aovs.ass", json!({}));
    let run = asked(open.clone(), task).expect("a command");
    let text = second(&run);
    assert!(
        text.contains("outputs 1 1 STRING\n  \"|cams|left|leftShape N VECTOR"),
        "{text}"
    );
    let run = asked(open, Task::frame(0, 1001, "/out/a.png")).expect("a command");
    let text = second(&run);
    assert!(text.contains("outputs 1 1 STRING\n  \"RGBA RGBA"), "{text}");
    assert!(
        text.contains("\ndriver_png\n") && !text.contains("compression"),
        "{text}"
    );
    let open = render(&scene, "/show/aovs.ass", json!({"aovs": "first"}));
    let run = asked(open, Task::frame(0, 1001, "/out/a.exr")).expect("a command");
    assert!(second(&run).contains("outputs 1 1 STRING\n  \"RGBA"));
}

#[test]
fn the_second_file_is_a_scene_file_that_we_can_read() {
    let scene = look(&sample("aovs.ass")).expect("a scene");
    let open = render(&scene, "/show/aovs.ass", json!({}));
    let run = asked(open, Task::frame(0, 1001, "/out/a.exr")).expect("a command");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.ass");
    fs::write(&path, second(&run)).expect("a file");
    let own = look(&path).expect("a scene");
    assert_eq!(own.layers.len(), 1);
    assert_eq!(own.layers[0].passes.len(), 3);
}

#[test]
fn each_frame_of_a_sequence_is_its_own_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(sample("still.ass")).expect("a scene");
    for frame in [7, 8, 10] {
        let text = text.replace("frame 12", &format!("frame {frame}"));
        fs::write(folder.path().join(format!("s.{frame:04}.ass")), text).expect("a file");
    }
    let scene = look(&folder.path().join("s.0008.ass")).expect("a scene");
    // The host has them elsewhere.
    let open = render(&scene, "/cache/x/s.0008.ass", json!({}));
    let run = asked(open.clone(), Task::frame(0, 10, "/out/a.exr")).expect("a command");
    assert!(has(&run, &["-i", "/cache/x/s.0010.ass"]), "{run:?}");
    let (verdict, why) = asked(open, Task::frame(0, 9, "/out/a.exr")).expect_err("no such frame");
    assert_eq!(
        (verdict, why.as_str()),
        (Verdict::Unrenderable, "there is no s.0009.ass")
    );
}

#[test]
fn a_frame_that_the_file_does_not_hold_is_refused() {
    let scene = look(&sample("still.ass")).expect("a scene");
    let open = render(&scene, "/show/still.ass", json!({}));
    let (verdict, why) = asked(open, Task::frame(0, 3, "/out/a.exr")).expect_err("frame 3");
    assert_eq!(verdict, Verdict::Unrenderable);
    assert_eq!(why, "the scene file holds frame 12, not 3");
}

#[test]
fn groups_that_cannot_be_sent_elsewhere_are_refused() {
    let scene = look(&sample("nodes.ass")).expect("a scene");
    let open = render(&scene, "/show/nodes.ass", json!({}));
    let (verdict, why) = asked(open, Task::frame(0, -3, "/out/a.exr")).expect_err("two drivers");
    assert_eq!(verdict, Verdict::Unrenderable);
    assert!(why.contains("render_output"), "{why}");
    let scene = look(&sample("aovs.ass")).expect("a scene");
    let open = render(&scene, "/show/aovs.ass", json!({}));
    let mut task = Task::frame(0, 1001, "/out/a.exr");
    task.layer = "nope".to_owned();
    let (_, why) = asked(open, task).expect_err("no such group");
    assert!(why.contains("no AOV group `nope`"), "{why}");
}

#[test]
fn folders_that_a_host_has_elsewhere_are_mapped_one_by_one() {
    let scene = look(&sample("aovs.ass")).expect("a scene");
    let pair = |from: &str, to: &str| PathPair {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let open = Open {
        paths: vec![pair("/", "/cache/tree"), pair("/other", "/x")],
        ..render(&scene, "/cache/s/aovs.ass", json!({}))
    };
    let run = asked(open, Task::frame(0, 1001, "/out/a.exr")).expect("a command");
    let map = run
        .files
        .iter()
        .find(|file| file.path.ends_with("pathmap.json"));
    let map: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(&map.expect("a map").text).expect("JSON");
    let rules = &map["linux"];
    assert_eq!(rules.len(), 1);
    assert_eq!(rules["/show/ocio/"], "/cache/tree/show/ocio/");
    assert_eq!(run.env["ARNOLD_PATHMAP"], "/scratch/pathmap.json");
}

#[test]
fn a_bad_setting_is_refused_when_the_scene_is_looked_into() {
    let path = sample("still.ass");
    let path = path.to_str().expect("UTF-8");
    let why = inspected(opened(Activity::Inspect, path, json!({"set": "x"}))).expect_err("no name");
    assert!(why.contains("does not set a parameter"), "{why}");
}
