//! Sessions against the real Blender: each way in which it exits 0 without the picture, and the
//! other ways to fail, end as the right verdict.
//!
//! A machine without Blender says so aloud, and fails when `CI=true`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use framewright_plugin_api::data::{Activity, Basis, Effect, Input, Scene, Task, Tile, Verdict};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::bench::{Bench, nothing};

/// The scenes, made once by Blender itself; None without Blender.
pub(super) fn cases() -> Option<&'static Path> {
    static CASES: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let made = CASES.get_or_init(|| {
        if Command::new("blender").arg("--version").output().is_err() {
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary folder");
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/scenes/make_cases.py"
        );
        let made = Command::new("blender")
            .args([
                "-b",
                "--factory-startup",
                "--python-exit-code",
                "3",
                "-P",
                script,
                "--",
            ])
            .arg(dir.path())
            .output()
            .expect("Blender starts");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stdout)
        );
        Some(dir)
    });
    if made.is_none() {
        must_not_skip("there is no Blender here");
    }
    made.as_ref().map(tempfile::TempDir::path)
}

#[expect(
    clippy::print_stderr,
    reason = "a test that could not run must be seen"
)]
pub(super) fn must_not_skip(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    eprintln!("SKIPPED, so nothing was tried with the real Blender: {why}");
}

fn scene(name: &str) -> Option<PathBuf> {
    cases().map(|dir| dir.join(format!("{name}.blend")))
}

pub(super) fn pixels(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).expect("the picture is there");
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("its size is known")];
    reader.next_frame(&mut bytes).expect("all of it");
    bytes
}

/// What Blender alone writes: `-a` over the frames.
pub(super) fn reference(scene: &Path, into: &Path, options: &[&str]) {
    let done = Command::new("blender")
        .args(["-b", "--factory-startup", "--disable-autoexec"])
        .arg(scene)
        .args(options)
        .arg("-o")
        .arg(into.join("r_####"))
        .args(["-F", "PNG", "-x", "1", "-a"])
        .output()
        .expect("Blender starts");
    assert!(done.status.success());
}

/// A program that stands in front of Blender.
pub(super) fn wrapper(dir: &Path, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("blender.sh");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    path.display().to_string()
}

fn renders(case: &str, set: Value, verdict: Verdict, part: &str) {
    let Some(scene) = scene(case) else { return };
    Bench::render(&scene, set, &[1, 2])
        .settle()
        .all(verdict, part);
}

pub(super) fn inspected(scene: &Path, set: Value, output: &str) -> Scene {
    inspected_by("blender", scene, set, output)
}

/// The same with another program; without any, the file is read.
pub(super) fn inspected_by(program: &str, scene: &Path, set: Value, output: &str) -> Scene {
    let mut bench = Bench::open(Activity::Inspect, program, scene, set, output);
    bench.settle();
    let found = std::mem::take(&mut bench.effects)
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Scene(scene) => Some(scene),
            _ => None,
        });
    found.expect("the scene was inspected")
}

// -- the picture is what Blender alone writes -------------------------------------------------

#[test]
fn frames_of_a_session_equal_blenders_own() {
    let Some(scene) = scene("plain") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    reference(&scene, dir.path(), &[]);
    let mut bench = Bench::render(&scene, nothing(), &[6, 1, 3, 4, 5, 2]);
    let ended = bench.settle();
    ended.all(Verdict::Succeeded, "");
    assert_eq!((ended.loads, ended.cooled, bench.started), (1, 0, 1));
    for (task, frame) in [(1, 6), (2, 1), (3, 3), (4, 4), (5, 5), (6, 2)] {
        let alone = dir.path().join(format!("r_{frame:04}.png"));
        assert!(
            pixels(&ended.wrote[&task]) == pixels(&alone),
            "frame {frame} differs"
        );
    }
}

#[test]
fn frames_of_one_process_in_any_order_equal_blenders_own() {
    let Some(scene) = scene("plain") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    reference(&scene, dir.path(), &[]);
    let mut bench = Bench::render(&scene, json!({"sticky": false}), &[6, 2, 3, 1, -3]);
    let ended = bench.settle();
    ended.all(Verdict::Succeeded, "");
    // One load for all that the command line can say, one for the frame below 0.
    assert_eq!((ended.loads, bench.started), (2, 2));
    for (task, frame) in [(1, 6), (2, 2), (3, 3), (4, 1)] {
        let alone = dir.path().join(format!("r_{frame:04}.png"));
        assert!(
            pixels(&ended.wrote[&task]) == pixels(&alone),
            "frame {frame} differs"
        );
    }
}

#[test]
fn another_scene_of_the_file_is_rendered_at_the_frame_asked_for() {
    let Some(scene) = scene("plain") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    reference(&scene, dir.path(), &["-S", "Other"]);
    let mut bench = Bench::render(&scene, json!({"scene": "Other"}), &[3, 4]);
    let ended = bench.settle();
    ended.all(Verdict::Succeeded, "");
    for (task, frame) in [(1, 3), (2, 4)] {
        let alone = dir.path().join(format!("r_{frame:04}.png"));
        assert!(
            pixels(&ended.wrote[&task]) == pixels(&alone),
            "frame {frame} differs"
        );
    }
}

#[test]
fn tiles_are_cut_out_of_the_frame_and_layers_are_not_black() {
    let Some(scene) = scene("plain") else { return };
    let set = json!({"color_mode": "RGB"});
    let mut bench = Bench::open(Activity::Render, "blender", &scene, set, "exr");
    let tile = Tile {
        x: 7,
        y: 5,
        width: 20,
        height: 14,
    };
    let name = |n| bench.output(n, "exr");
    let tasks = vec![
        Task::frame(1, 2, &name(1)),
        Task {
            tile: Some(tile),
            ..Task::frame(2, 2, &name(2))
        },
        Task {
            layer: "second".to_owned(),
            ..Task::frame(3, 2, &name(3))
        },
        Task {
            layer: "nowhere".to_owned(),
            ..Task::frame(4, 2, &name(4))
        },
        Task {
            tile: Some(Tile { x: 60, ..tile }),
            ..Task::frame(5, 2, &name(5))
        },
        Task::frame(6, 2, &name(6)),
    ];
    bench.give(1, tasks);
    let ended = bench.settle();
    use Verdict::{Succeeded, Unrenderable};
    let wanted = [
        Succeeded,
        Succeeded,
        Succeeded,
        Unrenderable,
        Unrenderable,
        Succeeded,
    ];
    assert_eq!(ended.verdicts(), wanted, "{:?}", ended.tasks);
    let size = |task: u32| fs::metadata(&ended.wrote[&task]).expect("written").len();
    assert!(size(2) < size(1), "a tile is smaller than its frame");
    assert_eq!(size(6), size(1), "what came in between left a trace");
}

// -- exit code 0 without the picture ------------------------------------------------------------

#[test]
fn an_unknown_scene_is_not_replaced_by_the_active_one() {
    renders(
        "plain",
        json!({"scene": "Nope"}),
        Verdict::Unrenderable,
        "no scene named Nope",
    );
}

#[test]
fn an_unknown_format_is_not_replaced_by_the_scenes_own() {
    let Some(scene) = scene("plain") else { return };
    let mut bench = Bench::open(Activity::Render, "blender", &scene, nothing(), "tga");
    let output = bench.output(1, "tga");
    bench.give(1, vec![Task::frame(1, 1, &output)]);
    bench.settle().all(Verdict::Unrenderable, "not as tga");
}

#[test]
fn an_engine_that_is_not_there_is_not_replaced() {
    renders(
        "engine_missing",
        nothing(),
        Verdict::Unrenderable,
        "GONE_ENGINE",
    );
    renders(
        "engine_missing",
        json!({"engine": "BLENDER_WORKBENCH"}),
        Verdict::Succeeded,
        "",
    );
    renders(
        "plain",
        json!({"engine": "NOPE"}),
        Verdict::Unrenderable,
        "NOPE",
    );
}

#[test]
fn a_missing_library_is_told() {
    renders(
        "missing_library",
        nothing(),
        Verdict::Unrenderable,
        "part.blend is missing",
    );
    renders(
        "missing_library",
        json!({"missing": "warn"}),
        Verdict::Succeeded,
        "",
    );
}

#[test]
fn a_missing_texture_is_told() {
    renders(
        "missing_texture",
        nothing(),
        Verdict::Unrenderable,
        "gone.png is missing",
    );
    renders(
        "missing_texture",
        json!({"missing": "warn"}),
        Verdict::Succeeded,
        "",
    );
}

#[test]
fn a_driver_that_may_not_run_is_told_on_every_frame() {
    let Some(scene) = scene("refused_driver") else {
        return;
    };
    let ended = Bench::render(&scene, nothing(), &[1, 2, 3]).settle();
    ended.all(Verdict::Unrenderable, "driver");
    renders(
        "refused_driver",
        json!({"scripts": true}),
        Verdict::Succeeded,
        "",
    );
}

#[test]
fn a_registered_script_that_raises_is_told() {
    renders(
        "script_raises",
        json!({"scripts": true}),
        Verdict::Unrenderable,
        "boom",
    );
    renders("script_raises", nothing(), Verdict::Succeeded, "");
}

#[test]
fn a_handler_that_raises_is_told() {
    renders(
        "handler_raises",
        json!({"scripts": true}),
        Verdict::Unrenderable,
        "boom",
    );
}

#[test]
fn a_denoiser_that_is_not_there_is_told() {
    let Some(scene) = scene("denoise") else {
        return;
    };
    let found = inspected(&scene, nothing(), "png");
    if found.warnings.iter().any(|text| text.contains("denoising")) {
        renders("denoise", nothing(), Verdict::MachineFault, "denoising");
        renders(
            "denoise_node",
            nothing(),
            Verdict::MachineFault,
            "denoising",
        );
    }
    renders("denoise", json!({"denoise": false}), Verdict::Succeeded, "");
}

#[test]
fn pictures_are_written_where_the_scene_writes_a_movie() {
    renders("movie", nothing(), Verdict::Succeeded, "");
}

#[test]
fn a_picture_that_exists_is_rendered_all_the_same() {
    let Some(scene) = scene("no_overwrite") else {
        return;
    };
    let mut bench = Bench::open(Activity::Render, "blender", &scene, nothing(), "png");
    let output = bench.output(1, "png");
    fs::write(&output, b"old").expect("an old file");
    bench.give(1, vec![Task::frame(1, 1, &output)]);
    let ended = bench.settle();
    ended.all(Verdict::Succeeded, "");
    assert!(!pixels(&ended.wrote[&1]).is_empty());
}

#[test]
fn side_outputs_are_muted_unless_kept() {
    let Some(scene) = scene("file_output") else {
        return;
    };
    let passes = scene.with_file_name("passes");
    renders("file_output", nothing(), Verdict::Succeeded, "");
    assert!(!passes.exists());
    renders(
        "file_output",
        json!({"file_outputs": "keep"}),
        Verdict::Succeeded,
        "",
    );
    assert!(passes.exists());
}

#[test]
fn names_that_mean_something_to_blender_are_names() {
    let Some(scene) = scene("plain") else { return };
    let mut bench = Bench::open(Activity::Render, "blender", &scene, nothing(), "png");
    let folder = bench.dir.path().join("out/a ## {b} '$(c)'\n-");
    fs::create_dir_all(&folder).expect("a folder with an odd name");
    let output = folder.join("x.####.png").display().to_string();
    bench.give(
        1,
        vec![Task::frame(1, 1, &output), Task::frame(2, -7, &output)],
    );
    bench.settle().all(Verdict::Succeeded, "");
}

#[test]
fn a_full_disk_is_told_for_exr_too() {
    let Some(scene) = scene("plain") else { return };
    for ext in ["exr", "png"] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mounted = dir.path().join("full");
        fs::create_dir(&mounted).expect("a mount point");
        let mount = format!(
            "mount -t tmpfs -o size=16k none '{0}' && dd if=/dev/zero of='{0}/ballast' bs=4k count=3 2>/dev/null",
            mounted.display()
        );
        let can = ["-m", "-Urm"].into_iter().find(|flags| {
            let tried = Command::new("unshare")
                .args([flags, "sh", "-c", &mount])
                .output();
            tried.is_ok_and(|done| done.status.success())
        });
        let Some(flags) = can else {
            must_not_skip("there is no way to make a small file system here");
            return;
        };
        let program = wrapper(
            dir.path(),
            &format!(
                "exec unshare {flags} sh -c '{}; exec blender \"$@\"' sh \"$@\"",
                mount.replace('\'', "\"")
            ),
        );
        let set = json!({"resolution_x": 320, "resolution_y": 180});
        let mut bench = Bench::open(Activity::Render, &program, &scene, set, ext);
        let output = mounted.join(format!("p.{ext}")).display().to_string();
        bench.give(1, vec![Task::frame(1, 1, &output)]);
        bench
            .settle()
            .all(Verdict::MachineFault, "the disk is full");
    }
}

// -- the rest ---------------------------------------------------------------------------------

#[test]
fn no_camera_is_the_scenes_fault() {
    renders("no_camera", nothing(), Verdict::Unrenderable, "no camera");
    renders(
        "plain",
        json!({"camera": "Nope"}),
        Verdict::Unrenderable,
        "no camera named Nope",
    );
}

#[test]
fn views_with_files_of_their_own_are_refused() {
    renders("stereo", nothing(), Verdict::Unrenderable, "2 views");
}

#[test]
fn an_output_that_cannot_be_written_is_the_hosts_fault_and_the_next_task_goes_on() {
    let Some(scene) = scene("plain") else { return };
    let mut bench = Bench::open(Activity::Render, "blender", &scene, nothing(), "png");
    let blocked = bench.dir.path().join("out/file");
    fs::write(&blocked, b"").expect("a file where a folder should be");
    let output = blocked.join("x.png").display().to_string();
    let good = bench.output(2, "png");
    bench.give(
        1,
        vec![Task::frame(1, 1, &output), Task::frame(2, 1, &good)],
    );
    let ended = bench.settle();
    assert_eq!(
        ended.verdicts(),
        [Verdict::MachineFault, Verdict::Succeeded],
        "{:?}",
        ended.tasks
    );
}

#[test]
fn files_that_are_no_scene_are_told_apart() {
    let Some(whole) = scene("plain") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let bytes = fs::read(whole).expect("a scene");
    let mut newer = bytes.clone();
    newer[9..12].copy_from_slice(b"999");
    let files: [(&str, &[u8], &str); 4] = [
        ("cut.blend", &bytes[..bytes.len() / 2], "damaged"),
        ("garbage.blend", b"this is no scene", "damaged"),
        ("empty.blend", b"", "damaged"),
        ("newer.blend", &newer, "saved by Blender 9.99"),
    ];
    for (name, content, part) in files {
        let path = dir.path().join(name);
        fs::write(&path, content).expect("a file");
        Bench::render(&path, nothing(), &[1, 2])
            .settle()
            .all(Verdict::Unrenderable, part);
        // One that is only too new is read without loading it.
        if name == "newer.blend" {
            let found = inspected(&path, nothing(), "png");
            assert_eq!(found.version_min, "9.0");
            assert_eq!((found.width, found.height), (64, 36));
            assert!(found.warnings.iter().any(|text| text.contains(part)));
            continue;
        }
        for program in ["blender", ""] {
            let mut bench = Bench::open(Activity::Inspect, program, &path, nothing(), "");
            let (verdict, why) = bench.settle().failed.expect("it cannot be inspected");
            let is_told = why.contains(part) || why.contains("no Blender file");
            assert_eq!((verdict, is_told), (Verdict::Unrenderable, true), "{why}");
        }
    }
    for path in [dir.path().join("nowhere.blend"), dir.path().to_owned()] {
        Bench::render(&path, nothing(), &[1])
            .settle()
            .all(Verdict::MachineFault, "cannot be read");
    }
}

#[test]
fn a_crash_costs_one_frame_and_one_load() {
    let Some(scene) = scene("plain") else { return };
    for (signal, verdict) in [
        (Signal::SEGV, Verdict::MachineFault),
        (Signal::KILL, Verdict::OutOfMemory),
    ] {
        let mut bench = Bench::render(&scene, json!({"samples": 400}), &[1, 2, 3]);
        bench.until(|effect| matches!(effect, Effect::Progress { task: 2, .. }));
        bench.signal(signal);
        let ended = bench.settle();
        assert_eq!(
            ended.verdicts(),
            [Verdict::Succeeded, verdict, Verdict::Succeeded],
            "{:?}",
            ended.tasks
        );
        assert_eq!((ended.loads, ended.cooled, bench.started), (2, 1, 2));
    }
}

#[test]
fn too_little_memory_is_told_as_such() {
    let Some(scene) = scene("plain") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let program = wrapper(dir.path(), "ulimit -v 900000; exec blender \"$@\"");
    let set = json!({"resolution_x": 16000, "resolution_y": 16000});
    let ended = Bench::render_with(&program, &scene, set, "png", &[1]).settle();
    ended.all(Verdict::OutOfMemory, "memory");
}

#[test]
fn a_cut_segment_ends_where_it_was_cut() {
    let Some(scene) = scene("plain") else { return };
    for sticky in [true, false] {
        let set = json!({"samples": 300, "sticky": sticky});
        let mut bench = Bench::render(&scene, set, &[1, 2, 3, 4, 5, 6]);
        bench.until(|effect| matches!(effect, Effect::Progress { task: 1, .. }));
        bench.input(Input::Cut {
            segment: 1,
            keep: 2,
        });
        let ended = bench.settle();
        let last = bench.effects.iter().rev().find_map(|one| match one {
            Effect::Kept { keep, .. } => Some(*keep),
            _ => None,
        });
        assert_eq!(last, Some(2));
        assert_eq!(ended.verdicts(), [Verdict::Succeeded; 2]);
    }
}

#[test]
fn a_blender_in_which_scripts_fail_renders_without_them() {
    let Some(scene) = scene("plain") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let program = wrapper(
        dir.path(),
        "case \"$*\" in *fw_driver.py*) exec blender -b --python-exit-code 90 --python-expr 'raise ValueError';; esac\nexec blender \"$@\"",
    );
    let ended = Bench::render_with(&program, &scene, nothing(), "png", &[2, 3, -1]).settle();
    use Verdict::{AdapterFault, Succeeded};
    assert_eq!(
        ended.verdicts(),
        [Succeeded, Succeeded, AdapterFault],
        "{:?}",
        ended.tasks
    );
    let set = json!({"percentage": 50});
    let ended = Bench::render_with(&program, &scene, set, "png", &[2, 3]).settle();
    ended.all(AdapterFault, "script");
}

#[test]
fn an_inspection_tells_what_is_there() {
    let Some(path) = scene("plain") else { return };
    let found = inspected(&path, json!({"percentage": 50}), "exr");
    assert_eq!((found.first, found.last, found.step), (1, 6, 1));
    assert_eq!((found.width, found.height), (32, 18));
    assert_eq!(found.scenes, ["Main", "Other"]);
    assert_eq!(found.cameras, ["Camera", "Other"]);
    assert_eq!(
        (found.camera.as_deref(), found.engine.as_deref()),
        (Some("Camera"), Some("CYCLES"))
    );
    let layers: Vec<_> = found
        .layers
        .iter()
        .map(|one| (one.name.as_str(), one.used))
        .collect();
    assert_eq!(layers, [("first", true), ("second", true)]);
    assert!(found.tiles.exact && !found.layer_split.exact, "{found:?}");
    assert_eq!(found.costs.load_s.basis, Basis::Measured);
    assert!(found.costs.load_s.seconds > 0.05 && found.costs.load_s.seconds < 80.0);
    assert!(found.memory_bytes > 50 << 20);
    assert_eq!(found.warnings, [""; 0]);
}

#[test]
fn an_inspection_warns_of_what_is_wrong() {
    for (case, part) in [
        ("no_camera", "no camera"),
        ("missing_texture", "gone.png is missing"),
        ("missing_library", "part.blend is missing"),
        ("script_raises", "scripts=true"),
        ("engine_missing", "GONE_ENGINE"),
        ("movie", "movie"),
        ("file_output", "are muted"),
        ("stereo", "2 views"),
    ] {
        let Some(path) = scene(case) else { return };
        let found = inspected(&path, nothing(), "png");
        assert!(
            found.warnings.iter().any(|text| text.contains(part)),
            "{case}: {:?}",
            found.warnings
        );
    }
}

#[test]
fn a_probe_finds_the_version() {
    let Some(path) = scene("plain") else { return };
    let mut bench = Bench::open(Activity::Probe, "blender", &path, nothing(), "");
    bench.settle();
    assert!(
        bench
            .effects
            .iter()
            .any(|one| matches!(one, Effect::Found(found) if found.version.contains('.')))
    );
    let mut bench = Bench::open(Activity::Probe, "true", &path, nothing(), "");
    assert_eq!(
        bench.settle().failed.map(|(verdict, _)| verdict),
        Some(Verdict::MachineFault)
    );
}
