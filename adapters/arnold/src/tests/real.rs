//! Scenes and logs that real exporters and real Arnolds wrote, where they are at hand.

use std::fs;
use std::path::PathBuf;

use framewright_plugin_api::data::{Activity, Effect, Task, Verdict};
use framewright_plugin_api::replay::{self, End};
use serde_json::{Value, json};

use super::{ADAPTER, look, opened, real_samples};
use crate::ass::Budget;
use crate::log::{self, Line};
use crate::scene::Facts;

/// What differs between a scene and the values that somebody else read off it.
fn differences(facts: &Facts, value: &Value) -> Vec<&'static str> {
    let options = &facts.options;
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let number = |size: Option<u32>| size.map(|size| size.to_string());
    let outputs = value["outputs"].as_array().map(|list| {
        let texts = list.iter().filter_map(Value::as_str);
        texts.map(str::to_owned).collect::<Vec<String>>()
    });
    let drivers = value["drivers"].as_object().expect("a map");
    let same_driver = |(name, driver): (&String, &Value)| {
        let found = facts.drivers.get(name);
        found.is_some_and(|found| *driver == json!([found.kind, found.filename]))
    };
    let mut different = Vec::new();
    for (what, same) in [
        ("xres", number(options.width) == text("xres")),
        ("yres", number(options.height) == text("yres")),
        ("camera", options.camera == text("camera")),
        (
            "frame",
            options.frame.map(|frame| frame.to_string()) == text("frame"),
        ),
        ("outputs", options.outputs == outputs),
        (
            "drivers",
            facts.drivers.len() == drivers.len() && drivers.iter().all(same_driver),
        ),
    ] {
        if !same {
            different.push(what);
        }
    }
    different
}

#[expect(
    clippy::print_stderr,
    reason = "a test that could not run must be seen"
)]
fn say_skip() {
    eprintln!("SKIPPED: no real scenes of Arnold here, so none was read; set FRAMEWRIGHT_SAMPLES");
}

#[test]
fn real_scenes_are_read_to_their_listed_values() {
    let Some(folder) = real_samples() else {
        say_skip();
        return;
    };
    let values = fs::read(folder.join("values.json")).expect("values.json");
    let values: Vec<Value> = serde_json::from_slice(&values).expect("JSON");
    assert!(values.len() >= 40, "only {} scenes", values.len());
    let read = |value: &Value| {
        let path = folder.join(value["file"].as_str().expect("a file"));
        Facts::read(&path, &mut Budget::new(1 << 30, 1000)).expect("a scene")
    };
    let all: Vec<Facts> = values.iter().map(read).collect();
    for (facts, value) in all.iter().zip(&values) {
        let name = &value["file"];
        assert_eq!(differences(facts, value), Vec::<&str>::new(), "{name}");
        assert!(
            !facts.cut && facts.warnings.is_empty(),
            "{name}: {:?}",
            facts.warnings
        );
        for key in ["xres", "yres", "camera", "frame", "outputs", "drivers"] {
            let mut wrong = value.clone();
            wrong[key] = match key {
                "drivers" => json!({"other": ["driver_exr", "x"]}),
                "outputs" => json!(["RGBA RGBA f other"]),
                _ => json!("7777"),
            };
            assert_eq!(differences(facts, &wrong), [key], "{name}");
        }
    }
    // One scene's values are not another's.
    let others = all.iter().zip(values.iter().cycle().skip(1));
    let differ = others.filter(|(facts, value)| !differences(facts, value).is_empty());
    assert!(differ.count() >= 20);
}

#[test]
fn real_scenes_are_looked_into_without_arnold() {
    let Some(folder) = real_samples() else { return };
    let scenes = fs::read_dir(folder.join("ass")).expect("scenes");
    let mut count = 0;
    for scene in scenes {
        let path = scene.expect("a scene").path();
        let scene = look(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        assert!(
            scene.width > 0 && scene.first == scene.last,
            "{}",
            path.display()
        );
        assert!(scene.costs.load_s.seconds >= 1.0);
        count += 1;
    }
    assert!(count >= 40);
}

/// What a log says, found by looking for a few words and nothing else.
#[derive(Debug, PartialEq)]
struct Said {
    percents: Vec<f32>,
    files: Vec<String>,
    watermark: bool,
}

fn said(text: &str) -> Said {
    let percent = |line: &str| {
        let (before, _) = line.split_once("% done")?;
        before.rsplit(' ').next()?.parse::<f32>().ok()
    };
    let file = |line: &str| {
        let (_, path) = line.split_once("writing file `")?;
        Some(path.trim_end_matches(['\r', '\'']).to_owned())
    };
    Said {
        percents: text.lines().filter_map(percent).collect(),
        files: text.lines().filter_map(file).collect(),
        watermark: text.contains("WARNING | rendering with watermarks because"),
    }
}

/// What the adapter makes of it: progress, files, verdict, picture.
fn made(text: &str) -> (Vec<f32>, Vec<String>, Verdict, Option<String>) {
    let open = opened(Activity::Render, "/s/test.ass", json!({"missing": "warn"}));
    let task = vec![Task::frame(0, 1, "/out/x.exr")];
    let effects = replay::feed(&ADAPTER, open, task, text, End::Exited(0)).expect("a run");
    let mut progress = Vec::new();
    let (mut verdict, mut picture) = (None, None);
    for effect in effects {
        match effect {
            Effect::Progress { fraction, .. } if fraction > 0.0 => progress.push(fraction),
            Effect::Wrote { path, .. } => picture = Some(path),
            Effect::TaskDone { verdict: found, .. } => {
                assert_eq!(verdict.replace(found), None, "ended twice");
            }
            _ => {}
        }
    }
    let written = |line: &str| match log::read(line) {
        Line::Writes(path) => Some(path.to_owned()),
        _ => None,
    };
    let files = text.lines().filter_map(written).collect();
    (progress, files, verdict.expect("one end"), picture)
}

#[test]
fn real_logs_are_read_to_progress_files_and_verdict() {
    let Some(folder) = real_samples() else { return };
    let logs: Vec<PathBuf> = fs::read_dir(folder.join("logs"))
        .expect("logs")
        .map(|log| log.expect("a log").path())
        .collect();
    assert!(logs.len() >= 35, "only {} logs", logs.len());
    let mut rows = Vec::new();
    for path in &logs {
        let name = path.display();
        let text = String::from_utf8_lossy(&fs::read(path).expect("a log")).into_owned();
        let expected = said(&text);
        assert!(
            !expected.percents.is_empty() && !expected.files.is_empty(),
            "{name}"
        );
        let (progress, files, verdict, picture) = made(&text);
        assert_eq!(files, expected.files, "{name}");
        let mut rising: Vec<f32> = Vec::new();
        for percent in &expected.percents {
            if percent / 100.0 > rising.last().copied().unwrap_or(0.0) {
                rising.push(percent / 100.0);
            }
        }
        assert_eq!(progress, rising, "{name}");
        assert!(expected.watermark, "{name}");
        assert_eq!((verdict, picture), (Verdict::NoLicence, None), "{name}");
        // The same log with a licence is a picture: it is the watermark that is refused.
        let licensed = text.replace("WARNING | rendering with watermarks because", "        | ");
        let (again, _, verdict, picture) = made(&licensed);
        assert_eq!(again, rising, "{name}");
        assert_eq!(verdict, Verdict::Succeeded, "{name}");
        assert_eq!(picture.as_deref(), Some("/out/x.exr"), "{name}");
        // Broken off before its files it is none.
        let cut = licensed.find("writing file `").map(|at| &licensed[..at]);
        let open = opened(Activity::Render, "/s/test.ass", json!({}));
        let task = vec![Task::frame(0, 1, "/out/x.exr")];
        let ends = replay::feed(
            &ADAPTER,
            open,
            task,
            cut.expect("it writes"),
            End::Signalled(11),
        );
        let done = |effect: &Effect| {
            matches!(
                effect,
                Effect::TaskDone {
                    verdict: Verdict::MachineFault | Verdict::Unrenderable,
                    ..
                }
            )
        };
        assert!(ends.expect("a run").iter().any(done), "{name}");
        rows.push((rising, expected.files));
    }
    // The table tells logs apart: one log's row is not the next one's everywhere.
    assert!(rows.windows(2).any(|two| two[0] != two[1]));
}
