//! Adapters that misbehave, end to end: each ends in one clear sentence and the right exit code,
//! a render that can go on goes on, and no adapter process is left behind.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::{Desk, Ended, LONG, events, finish, poll, top};

const FAULT_HINT: &str =
    "hint: this is a fault of the adapter, not of your scene; tell whoever wrote it";

/// A desk with one adapter in `ad`.
fn with_manifest(id: &str, code: &str) -> Desk {
    let desk = Desk::new();
    desk.file(
        "ad/adapter.toml",
        format!("id = \"{id}\"\nversion = \"1.0.0\"\nabi = 1\n{code}\nextensions = [\"{id}\"]\n"),
    );
    desk.file(format!("s.{id}"), "");
    desk
}

fn samples() -> PathBuf {
    top().join("tests/adapters")
}

/// A sample in C, compiled now.
fn in_c(sample: &str, id: &str) -> Desk {
    let desk = with_manifest(id, &format!("library = \"lib{sample}.so\""));
    let output = Command::new("cc")
        .args(["-std=c11", "-fPIC", "-shared", "-fvisibility=hidden"])
        .args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-I"])
        .arg(top().join("plugin-api/include"))
        .arg("-o")
        .arg(desk.work().join(format!("ad/lib{sample}.so")))
        .arg(samples().join(format!("{sample}.c")))
        .output()
        .expect("a C compiler, which Rust needs too");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    desk
}

/// `garbage.py`, which breaks at this call.
fn garbage(call: &str) -> Desk {
    let desk = with_manifest(
        "garbage",
        &format!("command = [\"python3\", \"g.py\", \"{call}\"]"),
    );
    let script = fs::read(samples().join("garbage.py")).expect("our own sample");
    desk.file("ad/g.py", script);
    desk
}

fn run(desk: &Desk, what: &str, id: &str, more: &[&str]) -> Ended {
    let scene = format!("s.{id}");
    let ended = desk.run([what, &scene, "--adapter-path", "ad"].iter().chain(more));
    expect_no_adapter_left(desk);
    ended
}

/// Processes whose command names something of this desk.
#[track_caller]
fn expect_no_adapter_left(desk: &Desk) {
    let ours = desk.work().join("ad").display().to_string();
    let mut left = Vec::new();
    let gone = poll(Duration::from_secs(10), || {
        left = fs::read_dir("/proc")
            .expect("Linux")
            .flatten()
            .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
            .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
            .filter(|line| line.contains(&ours))
            .collect();
        left.is_empty().then_some(())
    });
    assert!(gone.is_some(), "left behind: {left:#?}");
}

/// The one sentence, and what to do.
#[track_caller]
fn expect_sentence(ended: &Ended, sentence: &str) {
    let lines: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.starts_with("looking into "))
        .collect();
    assert_eq!(
        lines,
        [format!("framewright: {sentence}").as_str(), FAULT_HINT]
    );
}

#[test]
fn an_adapter_that_cannot_be_loaded_is_one_sentence() {
    let cases = [
        (
            "wrong_abi",
            "adapter wrong-abi cannot be loaded: it speaks ABI 7.0, and this framewright speaks \
             ABI 1.0",
        ),
        (
            "short_table",
            "adapter short-table cannot be loaded: its table lacks describe, open, step or close",
        ),
        (
            "no_symbol",
            "adapter no-symbol cannot be loaded: it exports no framewright_adapter_entry",
        ),
    ];
    for (sample, sentence) in cases {
        let id = sample.replace('_', "-");
        let desk = in_c(sample, &id);
        for what in ["inspect", "render", "plan"] {
            expect_sentence(&run(&desk, what, &id, &[]).expect_code(4), sentence);
        }
        let document = run(&desk, "render", &id, &["--format", "json"])
            .expect_code(4)
            .json();
        assert_eq!(document["error"]["message"], sentence);
        assert_eq!(document["error"]["code"], 4);
    }
}

#[test]
fn a_library_without_a_manifest_is_told_apart_too() {
    let desk = in_c("wrong_abi", "wrong-abi");
    fs::remove_file(desk.work().join("ad/adapter.toml")).expect("just written");
    let typed = [
        "render",
        "s.wrong-abi",
        "--adapter-path",
        "ad/libwrong_abi.so",
    ];
    let ended = desk
        .run(typed.iter().chain(&["--adapter", "libwrong_abi"]))
        .expect_code(4);
    expect_sentence(
        &ended,
        "adapter libwrong_abi cannot be loaded: it speaks ABI 7.0, and this framewright speaks \
         ABI 1.0",
    );
    // It may be the one that renders this scene, which it could not say.
    let ended = desk.run(typed).expect_code(4);
    let says = "; adapter libwrong_abi cannot be loaded: it speaks ABI 7.0";
    assert!(ended.stderr.contains(says), "{ended:#?}");
    expect_no_adapter_left(&desk);
}

#[test]
fn garbage_before_the_render_is_one_sentence() {
    let excerpt = "expected value at line 1 column 1: \"%PDF-1.4 \\u{7} not what you asked for\"";
    let cases = [
        (
            "greeting",
            "(no greeting: \"Hello, I am your new adapter!\") while it was loaded".to_owned(),
        ),
        ("describe", format!("({excerpt}) while it described itself")),
        (
            "open",
            format!("({excerpt}) while it opened an inspection, twice"),
        ),
    ];
    for (call, rest) in cases {
        let desk = garbage(call);
        for what in ["inspect", "render"] {
            expect_sentence(
                &run(&desk, what, "garbage", &[]).expect_code(4),
                &format!("adapter garbage said something that is not understood {rest}"),
            );
        }
    }
}

/// Renders three tasks, all of which fail by the adapter; gives the reason of the first.
#[track_caller]
fn expect_failed_render(desk: &Desk, id: &str, options: &[&str], contains: &str) {
    let ended = run(desk, "render", id, options).expect_code(4);
    let failed: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.contains(" attempt 1 failed "))
        .collect();
    assert_eq!(failed.len(), 3, "{ended:#?}");
    assert!(failed[0].contains(contains), "{ended:#?}");
    let json: Vec<&str> = options
        .iter()
        .copied()
        .chain(["--format", "json"])
        .collect();
    let report = run(desk, "render", id, &json).expect_code(4).json();
    assert_eq!(report["state"], "failed");
    assert_eq!(report["tasks"]["failed"], 3);
    let why = report["failures"][0]["why"].as_str().expect("a sentence");
    assert!(why.contains(contains), "{report:#}");
}

#[test]
fn a_render_with_a_segfaulting_adapter_fails_soon_and_clearly() {
    let desk = in_c("segfault", "segfault");
    run(&desk, "inspect", "segfault", &[]).expect_code(0);
    // With all its retries: a broken adapter sends no host to rest.
    expect_failed_render(
        &desk,
        "segfault",
        &["--local", "1"],
        "adapter segfault crashed (signal 11, SIGSEGV) while it handled ",
    );
}

#[test]
fn a_render_with_a_hanging_adapter_fails_at_its_deadline() {
    let desk = in_c("hang", "hang");
    let ended = run(&desk, "render", "hang", &["--local", "1", "--retries", "0"]).expect_code(4);
    let says = "adapter hang did not answer within 10 s while it handled ";
    assert!(ended.stderr.contains(says), "{ended:#?}");
}

#[test]
fn a_render_with_an_adapter_that_speaks_garbage_fails_clearly() {
    for (call, contains) in [
        (
            "step",
            "adapter garbage said something that is not understood (expected value",
        ),
        (
            "effect",
            "adapter garbage said something that is not understood (unknown variant `reboot`",
        ),
        (
            "endless",
            "adapter garbage said something that is not understood (",
        ),
    ] {
        let desk = garbage(call);
        expect_failed_render(
            &desk,
            "garbage",
            &["--local", "1", "--retries", "0"],
            contains,
        );
    }
}

#[test]
fn an_adapter_that_prints_disturbs_nobody() {
    for (sample, id) in [("printing", "printing"), ("long_table", "long-table")] {
        let desk = in_c(sample, id);
        run(&desk, "inspect", id, &["--format", "json"])
            .expect_code(0)
            .json();
        let report = run(&desk, "render", id, &["--format", "json"])
            .expect_code(0)
            .json();
        assert_eq!(report["state"], "done");
        assert_eq!(report["tasks"]["done"], 3);
    }
}

// ---- the adapter in Python -----------------------------------------------------------------------

const SCENE: &str = "frames = \"1-6\"\nwidth = 64\nheight = 36\nframe = \"30ms\"\n\
                     layers = [{ name = \"beauty\" }, { name = \"fog\" }]\n";

/// The Python adapter in `ad`, with a line of its script replaced.
fn pystub(replaced: &str, by: &str) -> Desk {
    let desk = Desk::new();
    desk.file("a.stub.toml", SCENE);
    let read = |name: &str| fs::read_to_string(samples().join("pystub").join(name)).expect("ours");
    desk.file("ad/adapter.toml", read("adapter.toml"));
    let script = read("pystub.py");
    assert_eq!(script.matches(replaced).count(), 1, "{replaced}");
    desk.file("ad/pystub.py", script.replace(replaced, by));
    desk
}

fn render(desk: &Desk, options: &[&str], pattern: &str) -> Value {
    let typed = [
        "--format=json",
        "render",
        "a.stub.toml",
        "--local",
        "2",
        "-o",
        pattern,
    ];
    let command = desk.framewright(typed.iter().chain(options));
    let report = finish(command, LONG).expect_code(0).json();
    expect_no_adapter_left(desk);
    report
}

/// Width, height and every sample of a PNG.
fn pixels(path: &Path) -> (u32, u32, Vec<u8>) {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .expect("a PNG");
    let mut samples = vec![0; reader.output_buffer_size().expect("a small picture")];
    let info = reader.next_frame(&mut samples).expect("a whole PNG");
    samples.truncate(info.buffer_size());
    (info.width, info.height, samples)
}

/// Renders by the Rust adapter and compares each pixel.
#[track_caller]
fn expect_equal_to_the_stub(desk: &Desk) {
    render(desk, &[], "rust/f.####.png");
    let mut first = None;
    for frame in 1..=6 {
        let name = format!("f.{frame:04}.png");
        let rust = pixels(&desk.work().join("rust").join(&name));
        assert_eq!(
            pixels(&desk.work().join("python").join(&name)),
            rust,
            "frame {frame}"
        );
        // The comparison can fail: frames differ from each other.
        assert_ne!(first.get_or_insert_with(|| (0, 0, Vec::new())), &rust);
        first = Some(rust);
    }
}

const PYTHON: [&str; 4] = ["--adapter-path", "ad", "--adapter", "pystub"];

#[test]
fn an_adapter_in_python_renders_the_same_frames() {
    let desk = pystub("import json\n", "import json\n");
    let report = render(&desk, &PYTHON, "python/f.####.png");
    assert_eq!(report["tasks"]["done"], 6);
    assert_eq!(report["loads"], 2, "one a slot, not one a frame");
    expect_equal_to_the_stub(&desk);
}

#[test]
fn an_adapter_that_crashes_once_costs_a_respawn_and_no_frame() {
    // Dies in mid-render, when the first frame is written; each later life sees the mark.
    let desk = pystub(
        "    for line in sys.stdin:\n",
        "    import os, signal\n    mark = os.path.join(os.path.dirname(os.path.abspath(__file__)), \
         'died')\n    for line in sys.stdin:\n        if '@@FW wrote' in line and not \
         os.path.exists(mark):\n            open(mark, 'w').close()\n            \
         os.kill(os.getpid(), signal.SIGSEGV)\n",
    );
    let mut options = PYTHON.to_vec();
    options.extend(["--events", "events"]);
    let report = render(&desk, &options, "python/f.####.png");
    assert!(desk.work().join("ad/died").exists(), "it never crashed");
    assert_eq!(report["tasks"]["done"], 6);
    assert_eq!(report["loads"], 2, "no renderer was started again");
    let events = events(&desk.work().join("events"));
    let failed = events
        .iter()
        .filter(|event| event["event"] == "task-failed")
        .count();
    assert_eq!(failed, 0, "{report:#}");
    expect_equal_to_the_stub(&desk);
}
