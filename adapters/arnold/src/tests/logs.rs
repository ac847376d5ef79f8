//! What our own logs come to.

use framewright_plugin_api::data::{Activity, Effect, Open, Task, Verdict};
use framewright_plugin_api::replay::{self, End};
use serde_json::{Value, json};

use super::{ADAPTER, opened};

const OUTPUT: &str = "/scratch/0012.exr";

fn log(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/logs");
    std::fs::read_to_string(format!("{folder}/{name}.log")).expect("a log")
}

fn fed(printed: &str, end: End, settings: Value) -> Vec<Effect> {
    let open = opened(Activity::Render, "/show/still.ass", settings);
    replay::feed(
        &ADAPTER,
        open,
        vec![Task::frame(0, 12, OUTPUT)],
        printed,
        end,
    )
    .expect("a run")
}

/// The verdict of the one task, and the file that was written.
fn ended(effects: &[Effect]) -> (Verdict, String, Option<String>) {
    let wrote = effects.iter().find_map(|effect| match effect {
        Effect::Wrote { path, .. } => Some(path.clone()),
        _ => None,
    });
    let done: Vec<(Verdict, String)> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::TaskDone { verdict, why, .. } => Some((*verdict, why.clone())),
            _ => None,
        })
        .collect();
    let [(verdict, why)] = done.as_slice() else {
        panic!("not one end: {effects:?}")
    };
    (*verdict, why.clone(), wrote)
}

fn progress(effects: &[Effect]) -> Vec<f32> {
    let fraction = |effect: &Effect| match effect {
        Effect::Progress { fraction, .. } => Some(*fraction),
        _ => None,
    };
    effects.iter().filter_map(fraction).collect()
}

#[test]
fn a_good_log_is_a_picture() {
    let effects = fed(&log("ok"), End::Exited(0), json!({}));
    assert_eq!(
        ended(&effects),
        (Verdict::Succeeded, String::new(), Some(OUTPUT.to_owned()))
    );
    assert_eq!(progress(&effects), [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 1.0]);
    let loaded = effects.iter().position(|effect| *effect == Effect::Loaded);
    let first = effects
        .iter()
        .position(|effect| matches!(effect, Effect::Progress { fraction, .. } if *fraction > 0.0));
    assert!(loaded.expect("it loads") < first.expect("it works"));
}

#[test]
fn each_log_has_its_verdict() {
    for (name, end, verdict, words) in [
        (
            "watermark",
            End::Exited(0),
            Verdict::NoLicence,
            "watermarks",
        ),
        (
            "no-licence",
            End::Exited(1),
            Verdict::NoLicence,
            "abort_on_license_fail",
        ),
        (
            "no-licence",
            End::Exited(0),
            Verdict::NoLicence,
            "abort_on_license_fail",
        ),
        (
            "missing-include",
            End::Exited(0),
            Verdict::Unrenderable,
            "lights.ass",
        ),
        (
            "crash",
            End::Signalled(11),
            Verdict::MachineFault,
            "SIGSEGV",
        ),
        (
            "disk-full",
            End::Exited(0),
            Verdict::MachineFault,
            "No space left",
        ),
        ("ok", End::Exited(3), Verdict::MachineFault, "code 3"),
        ("ok", End::Signalled(9), Verdict::OutOfMemory, "memory"),
    ] {
        let (found, why, wrote) = ended(&fed(&log(name), end, json!({})));
        assert_eq!(found, verdict, "{name}: {why}");
        assert!(why.contains(words), "{name}: {why}");
        assert_eq!(wrote, None, "{name}");
    }
}

#[test]
fn what_is_missing_may_be_let_pass_and_a_watermark_may_not() {
    let settings = json!({"missing": "warn", "license_check": false});
    let (verdict, ..) = ended(&fed(
        &log("missing-include"),
        End::Exited(0),
        settings.clone(),
    ));
    assert_eq!(verdict, Verdict::Succeeded);
    let (verdict, ..) = ended(&fed(&log("watermark"), End::Exited(0), settings));
    assert_eq!(verdict, Verdict::NoLicence);
}

#[test]
fn a_log_that_breaks_off_anywhere_ends_the_task_once() {
    for name in ["ok", "watermark", "missing-include", "crash"] {
        let text = log(name);
        let lines: Vec<&str> = text.lines().collect();
        for count in 0..=lines.len() {
            let effects = fed(&lines[..count].join("\n"), End::Signalled(11), json!({}));
            let (verdict, why, wrote) = ended(&effects);
            assert_ne!(verdict, Verdict::Succeeded, "{name} {count}");
            assert!(!why.is_empty() && wrote.is_none(), "{name} {count}");
        }
    }
}

#[test]
fn two_cameras_are_two_halves_of_a_frame() {
    let begins = "00:00:00   191MB         | rendering image at 320 x 180, 4 AA samples";
    let done =
        |percent: u32| format!("00:00:01   254MB         |  {percent:>3}% done - 9 rays/pixel");
    let printed = [begins, &done(50), &done(100), begins, &done(1), &done(100)].join("\n");
    let open = Open {
        carry: json!({"frame": 12, "cameras": 2}),
        ..opened(Activity::Render, "/show/still.ass", json!({}))
    };
    let task = vec![Task::frame(0, 12, OUTPUT)];
    let effects = replay::feed(&ADAPTER, open, task, &printed, End::Exited(0)).expect("a run");
    assert_eq!(progress(&effects), [0.0, 0.25, 0.5, 0.505, 1.0]);
}

#[test]
fn a_probe_finds_the_version_or_says_what_it_found() {
    let probe = |printed: &str, end| {
        let open = Open::new(Activity::Probe, "/opt/kick");
        replay::feed(&ADAPTER, open, Vec::new(), printed, end).expect("a run")
    };
    let banner =
        "Arnold 7.2.2.0 [2a538adb] linux x86_64 clang-20.1.8 oiio-2.6.3\n\nUsage:\n  kick ...";
    let effects = probe(banner, End::Exited(0));
    assert!(
        matches!(effects.last(), Some(Effect::Found(found)) if found.version == "7.2.2.0"),
        "{effects:?}"
    );
    for (printed, words) in [
        ("kick: football scores 1.0", "football scores"),
        ("", "does not say an Arnold version"),
        ("Arnold 4.2.16.0 [0] linux", "too old"),
    ] {
        let effects = probe(printed, End::Exited(0));
        let failed = effects.iter().any(|effect| {
            matches!(effect, Effect::Failed { verdict: Verdict::MachineFault, why, .. } if why.contains(words))
        });
        assert!(failed, "{printed}: {effects:?}");
    }
}
