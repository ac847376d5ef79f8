//! The real Blender, end to end: a `.blend` goes in, verified frames come out, equal in every
//! decoded channel to what Blender alone writes; and what is wrong with a scene, a file or a
//! machine is said in a sentence, with its exit code.
//!
//! A machine without Blender says so aloud, and fails when `CI=true`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use support::blender::{Reference, has_blender, made_by, text, without_blender};
use support::pictures::Picture;
use support::{Desk, Ended, events, expect_nothing_left, top};
use tempfile::TempDir;

// -- what there is to render ------------------------------------------------------------------

/// Ten frames, a moving camera, two view layers, a driver and a texture outside.
fn shot() -> PathBuf {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    made_by("make_shot.py", &MADE).join("shot.blend")
}

/// One of the small scenes with something wrong.
fn case(name: &str) -> PathBuf {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    made_by("make_cases.py", &MADE).join(format!("{name}.blend"))
}

/// One of the scenes that nobody here made.
fn sample(name: &str) -> PathBuf {
    top()
        .join("tests/scenes/samples")
        .join(format!("{name}.blend"))
}

// -- what framewright makes of it -----------------------------------------------------------------

/// A finished render: its report, and its events.
struct Rendered {
    report: Value,
    events: Vec<Value>,
}

impl Rendered {
    /// Renders to the end; pictures go to `out/` on the desk.
    #[track_caller]
    fn of(desk: &Desk, scene: &Path, extension: &str, more: &[&str]) -> Self {
        let output = format!("out/f.####.{extension}");
        let mut arguments = vec!["render", text(scene), "--local", "2", "-o", &output];
        arguments.extend(["--format", "json", "--events", "events.jsonl"]);
        arguments.extend(more);
        let report = desk.run(arguments).expect_code(0).json();
        let job = report["job"].as_str().expect("a report names its job");
        expect_nothing_left(job);
        Self {
            report,
            events: events(&desk.work().join("events.jsonl")),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let outputs = self.report["outputs"]
            .as_array()
            .expect("outputs are a list");
        outputs
            .iter()
            .map(|path| PathBuf::from(path.as_str().expect("a path")))
            .collect()
    }

    fn told(&self, event: &str) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|one| one["event"] == event)
            .collect()
    }

    fn number(&self, key: &str) -> u64 {
        self.report[key].as_u64().expect("a number in the report")
    }
}

// -- the picture is what Blender alone writes ---------------------------------------------------

#[track_caller]
fn the_animation_is_blenders_own(extension: &'static str) {
    let desk = Desk::new();
    let reference = Reference::render(&shot(), extension, (1, 10), "");
    let rendered = Rendered::of(&desk, &shot(), extension, &[]);
    let files = rendered.files();
    reference.expect_equal(&files, 1..=10);

    // The comparison can fail: not for want of detail, and neither for another frame nor for a
    // picture that is a pixel off.
    let first = Picture::read(&files[0]);
    assert!(first.colours() > 1000, "{} colours", first.colours());
    assert!(first.difference(&reference.frame(2)).is_some());
    assert!(first.shifted().difference(&reference.frame(1)).is_some());
    let mut swapped = files.clone();
    swapped.swap(3, 7);
    let swapped = std::panic::catch_unwind(|| reference.expect_equal(&swapped, 1..=10));
    assert!(swapped.is_err());

    // The scene is loaded once a slot, not once a frame.
    assert_eq!(rendered.number("loads"), 2, "{:#}", rendered.report);
    assert_eq!(
        (
            rendered.told("loaded").len(),
            rendered.told("run-started").len()
        ),
        (2, 2)
    );
    assert_eq!(rendered.told("task-done").len(), 10);
    assert_eq!(rendered.report["tasks"]["done"], 10);
}

#[test]
fn an_animation_in_png_equals_blenders_own() {
    if has_blender() {
        the_animation_is_blenders_own("png");
    }
}

#[test]
fn an_animation_in_exr_equals_blenders_own() {
    if has_blender() {
        the_animation_is_blenders_own("exr");
    }
}

#[test]
fn an_animation_without_a_session_equals_blenders_own() {
    if !has_blender() {
        return;
    }
    let desk = Desk::new();
    let reference = Reference::render(&shot(), "png", (1, 10), "");
    let rendered = Rendered::of(&desk, &shot(), "png", &["--set", "sticky=false"]);
    reference.expect_equal(&rendered.files(), 1..=10);
    // Each segment is a Blender of its own.
    let loads = rendered.number("loads");
    assert_eq!(loads, rendered.number("segments"));
    assert_eq!(rendered.told("run-started").len() as u64, loads);
    assert!((2..10).contains(&loads), "{loads} loads");
}

#[test]
fn scenes_that_nobody_here_made_equal_blenders_own() {
    if !has_blender() {
        return;
    }
    let settings = [
        "engine=CYCLES",
        "percentage=15",
        "samples=2",
        "denoise=false",
    ];
    let python = "scene.render.engine = 'CYCLES'\nscene.render.resolution_percentage = 15\n\
                  scene.cycles.samples = 2\nscene.cycles.use_denoising = False";
    for (name, extension) in [
        ("base_scene", "png"),
        ("01_principled_material_280", "exr"),
        ("2_90", "png"),
    ] {
        let desk = Desk::new();
        let mut more = vec!["-f", "5-6"];
        more.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        if name.starts_with("01_") {
            // Its textures are not in its repository either.
            more.extend(["--set", "missing=warn"]);
        }
        let rendered = Rendered::of(&desk, &sample(name), extension, &more);
        let files = rendered.files();
        Reference::render(&sample(name), extension, (5, 6), python).expect_equal(&files, 5..=6);
        let picture = Picture::read(&files[0]);
        assert!(
            picture.colours() > 200,
            "{name}: {} colours",
            picture.colours()
        );
        assert!(picture.shifted().difference(&picture).is_some(), "{name}");
    }
}

#[test]
fn a_simulation_that_is_not_baked_goes_to_one_slot_in_order() {
    if !has_blender() {
        return;
    }
    let desk = Desk::new();
    let scene = case("simulated");
    let warned = desk.run(["inspect", text(&scene)]).expect_code(0);
    assert!((warned.stdout + &warned.stderr).contains("simulated and not baked"));
    let rendered = Rendered::of(&desk, &scene, "png", &[]);
    let reference = Reference::render(&scene, "png", (1, 6), "");
    reference.expect_equal(&rendered.files(), 1..=6);
    assert_eq!(
        (rendered.number("segments"), rendered.number("loads")),
        (1, 1)
    );
    // It does move, and what it has become is not what its first frame would be.
    let frame = |at| reference.frame(at);
    assert!(frame(6).difference(&frame(1)).is_some());
}

// -- what it cost is remembered -----------------------------------------------------------------

#[test]
fn the_second_plan_of_a_shot_stands_on_what_the_first_render_measured() {
    if !has_blender() {
        return;
    }
    let desk = Desk::new();
    let scene = shot();
    let plan = || {
        let words = ["plan", text(&scene), "--local", "2", "--format", "json"];
        desk.run(words).expect_code(0).json()
    };
    let first = plan();
    assert_eq!(first["scene"]["basis"]["frame_s"], "unknown", "{first:#}");
    assert_eq!(first["scene"]["history"], Value::Null);
    // A guess of ten seconds a frame.
    let seconds = |plan: &Value| plan["predicted"]["makespan_s"].as_f64().expect("a number");
    assert!(seconds(&first) > 50.0, "{first:#}");

    let rendered = Rendered::of(&desk, &scene, "png", &[]);
    let second = plan();
    let scene = &second["scene"];
    assert_eq!(scene["basis"]["frame_s"], "history");
    assert_eq!(scene["basis"]["load_s"], "history");
    assert_eq!(scene["history"]["frames_known"], 10);
    assert_eq!(scene["history"]["same_scene"], true);
    // Each frame costs what it took, except that the first two warmed their renderers up.
    let scene_path = shot();
    let words = ["history", "show", text(&scene_path), "--format", "json"];
    let shown = desk.run(words).expect_code(0).json();
    let costs = &shown["scenes"][0]["layers"][0]["costs"];
    let costs = costs.as_array().expect("a list");
    let is_first = |cost: &&Value| cost["first_after_load"] == true;
    assert_eq!(costs.iter().filter(is_first).count(), 2, "{shown:#}");
    let took: Vec<f64> = rendered
        .told("task-done")
        .iter()
        .map(|event| event["render_s"].as_f64().expect("a number"))
        .collect();
    let mean = |costs: &[f64]| costs.iter().sum::<f64>() / costs.len() as f64;
    let known = costs.iter().filter_map(|cost| cost["cost_s"].as_f64());
    let known: Vec<f64> = known.collect();
    let ratio = mean(&known) / mean(&took);
    assert!((ratio - 1.0).abs() < 0.01, "{known:?} {took:?}");
    let frame_s = scene["frame_s"].as_f64().expect("a number");
    let least = took.iter().copied().fold(f64::INFINITY, f64::min);
    let most = mean(&took) * 1.01;
    assert!((least..most).contains(&frame_s), "{frame_s} s of {took:?}");
    // What is foreseen now is what it took, as far as a small machine is steady.
    let makespan = rendered.report["makespan_s"].as_f64().expect("a number");
    let ratio = seconds(&second) / makespan;
    assert!((0.4..1.6).contains(&ratio), "{ratio}: {second:#}");
}

// -- what is wrong is said ----------------------------------------------------------------------

/// A render to `out/` on the desk that must end with this code and say this. Its first failure.
#[track_caller]
fn says(desk: &Desk, scene: &Path, set: &[&str], code: i32, sentences: &[&str]) -> Ended {
    let mut arguments = vec![
        "render",
        text(scene),
        "-f",
        "1-2",
        "--local",
        "1",
        "--overwrite",
    ];
    arguments.extend(["-o", "out/f.####.png", "--retries", "1"]);
    arguments.extend(set.iter().flat_map(|setting| ["--set", setting]));
    let ended = desk.run(arguments).expect_code(code);
    for sentence in sentences {
        assert!(
            ended.stderr.contains(sentence),
            "no {sentence:?} in {ended:#?}"
        );
    }
    ended
}

/// Nothing was begun: no job, no picture.
#[track_caller]
fn expect_nothing_begun(desk: &Desk) {
    let jobs = desk.run(["jobs", "--format", "json"]).expect_code(0).json();
    assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(0), "{jobs:#}");
    assert!(!desk.work().join("out").exists());
}

#[test]
fn what_a_scene_lacks_is_warned_of_and_not_rendered_unless_allowed() {
    if !has_blender() {
        return;
    }
    for (name, file) in [
        ("missing_texture", "gone.png"),
        ("missing_library", "part.blend"),
    ] {
        let desk = Desk::new();
        let scene = case(name);
        for word in ["inspect", "plan"] {
            let ended = desk.run([word, text(&scene)]).expect_code(0);
            let all = ended.stdout + &ended.stderr;
            assert_eq!(all.matches("is missing").count(), 1, "{word}: {all}");
            assert!(all.contains(file), "{word}: {all}");
        }
        let lacking = format!("{file} is missing");
        says(&desk, &scene, &[], 1, &[&lacking, "failed: 0 of 2 frames"]);
        says(&desk, &scene, &["missing=warn"], 0, &["warning: ", file]);
    }
}

#[test]
fn a_scene_that_cannot_be_rendered_fails_with_its_reason() {
    if !has_blender() {
        return;
    }
    let desk = Desk::new();
    says(
        &desk,
        &case("no_camera"),
        &[],
        1,
        &["warning: ", "no camera"],
    );
    says(
        &desk,
        &case("plain"),
        &["camera=Nope"],
        2,
        &["no camera named Nope"],
    );
    says(
        &desk,
        &case("handler_raises"),
        &["scripts=true"],
        1,
        &["boom"],
    );
    says(
        &desk,
        &case("script_raises"),
        &["scripts=true"],
        1,
        &["boom"],
    );
    says(&desk, &case("script_raises"), &[], 0, &["scripts=true"]);
}

#[test]
fn files_that_are_no_scene_of_this_blender_are_refused_before_anything_starts() {
    if !has_blender() {
        return;
    }
    let desk = Desk::new();
    let whole = fs::read(case("plain")).expect("a scene");
    let cut = desk.file("cut.blend", &whole[..whole.len() / 2]);
    let garbage = desk.file("garbage.blend", "this is no scene");
    let empty = desk.file("empty.blend", "");
    for file in [&cut, &garbage, &empty] {
        says(&desk, file, &[], 2, &["damaged"]);
    }
    // The first of these would crash Blender 3.4, with nothing said; a later one renders both.
    if blender_version() < (4, 0) {
        let newer = sample("36_viewport_material_export");
        says(
            &desk,
            &newer,
            &[],
            3,
            &["has Blender ", "the scene needs 4.0 or newer"],
        );
        says(
            &desk,
            &sample("34_animation_pointer_extras"),
            &[],
            3,
            &["the scene needs 5.0 or newer"],
        );
        // What is in it can be told all the same.
        let ended = desk.run(["inspect", text(&newer)]).expect_code(0);
        let all = ended.stdout + &ended.stderr;
        assert!(all.contains("saved by Blender 4.5"), "{all}");
    }
    expect_nothing_begun(&desk);
}

fn blender_version() -> (u32, u32) {
    let output = Command::new("blender")
        .arg("--version")
        .output()
        .expect("Blender starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok());
    (
        numbers.next().expect("a version"),
        numbers.next().expect("a version"),
    )
}

#[test]
fn a_machine_without_blender_says_so() {
    let desk = Desk::new();
    let scene = sample("2_90");
    let farm = "[[host]]\nname = 'here'\nlink = 'local'\nprograms = { blender = '/no/blender' }\n";
    let farm = desk.file("farm.toml", farm);
    let ended = desk
        .run(["render", text(&scene), "--hosts", text(&farm)])
        .expect_code(3);
    assert!(ended.stderr.contains("/no/blender"), "{ended:#?}");
    expect_nothing_begun(&desk);
    // Damaged is damaged, with and without it.
    let cut = desk.file("a.blend", "BLENDER-v304");
    let ended = desk
        .run(["render", text(&cut), "--hosts", text(&farm)])
        .expect_code(2);
    assert!(ended.stderr.contains("damaged"), "{ended:#?}");
    expect_nothing_begun(&desk);
}

#[test]
fn a_scene_is_looked_into_and_planned_without_blender() {
    if !has_blender() {
        return;
    }
    let desk = Desk::new();
    for (name, frames, engine) in [
        ("base_scene", "1-250", "CYCLES"),
        ("2_90", "1-360", "BLENDER_EEVEE"),
        ("36_viewport_material_export", "1-250", "BLENDER_EEVEE_NEXT"),
        ("34_animation_pointer_extras", "1-250", "BLENDER_EEVEE"),
    ] {
        let scene = sample(name);
        let inspect = ["inspect", text(&scene), "--format", "json"];
        let Some(ended) = without_blender(&desk, inspect) else {
            return;
        };
        let told = ended.expect_code(0).json();
        assert_eq!(told["scene"]["frames"], frames, "{name}: {told}");
        assert_eq!(told["scene"]["engine"], engine, "{name}: {told}");
        let plan = ["plan", text(&scene), "--local", "2", "--format", "json"];
        let planned = without_blender(&desk, plan)
            .expect("as before")
            .expect_code(0)
            .json();
        assert!(planned["tasks"].as_u64() > Some(200), "{name}: {planned}");
        let render = ["render", text(&scene), "-f", "1", "--local", "1"];
        let ended = without_blender(&desk, render)
            .expect("as before")
            .expect_code(3);
        assert!(ended.stderr.contains("has no Blender"), "{ended:#?}");
    }
    expect_nothing_begun(&desk);
}

#[test]
fn a_host_whose_blender_is_too_old_is_left_out_before_it_gets_anything() {
    if !has_blender() {
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    // Whoever starts it for anything but its version leaves a trace.
    let trace = desk.work().join("started");
    let old = desk.file(
        "old-blender",
        format!(
            "#!/bin/sh\ncase \"$*\" in *--version*) echo 'Blender 2.93.18';; *) touch '{}';; esac\n",
            trace.display()
        ),
    );
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).expect("executable");
    let hosts = |names: &[&str]| {
        let program = |name: &&str| match *name {
            "old" => format!("programs = {{ blender = '{}' }}\n", old.display()),
            _ => String::new(),
        };
        let host = |name: &&str| {
            format!(
                "[[host]]\nname = '{name}'\nlink = 'local'\n{}",
                program(name)
            )
        };
        names.iter().map(host).collect::<Vec<_>>().concat()
    };
    let farm = desk.file("farm.toml", hosts(&["new", "old"]));
    let scene = case("plain");
    let words = ["render", text(&scene), "-f", "1-3", "-o", "out/f.####.png"];
    let ended = desk
        .run(words.into_iter().chain(["--hosts", text(&farm)]))
        .expect_code(0);
    let why = "has Blender 2.93.18, and the scene needs 3.0 or newer";
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    assert!(!trace.exists(), "it was started");
}
