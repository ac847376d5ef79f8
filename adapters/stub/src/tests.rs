use framewright_plugin_api::data::{Activity, Asset, Effect, Open, PathPair, Task, Verdict};
use framewright_plugin_api::replay::{self, End};

use super::*;

mod model;

#[test]
fn recorded_sessions_are_answered_as_recorded() {
    for (name, recording) in [
        ("probe", include_str!("../recordings/probe.jsonl")),
        ("inspect", include_str!("../recordings/inspect.jsonl")),
        (
            "inspect_refused",
            include_str!("../recordings/inspect_refused.jsonl"),
        ),
        ("sticky", include_str!("../recordings/sticky.jsonl")),
        ("cut", include_str!("../recordings/cut.jsonl")),
        ("one_shot", include_str!("../recordings/one_shot.jsonl")),
        ("falls_back", include_str!("../recordings/falls_back.jsonl")),
        (
            "dies_loading",
            include_str!("../recordings/dies_loading.jsonl"),
        ),
        ("refused", include_str!("../recordings/refused.jsonl")),
    ] {
        if let Err(error) = replay::session(&Stub, recording) {
            panic!("{name}: {error}");
        }
    }
}

fn open(activity: Activity) -> Open {
    Open {
        scene: Some("/p/x.stub.toml".to_owned()),
        scratch: "/s".to_owned(),
        ..Open::new(activity, "/opt/framewright")
    }
}

/// What a render of two frames says when the renderer prints this and ends so.
fn rendered(printed: &str, end: End) -> Vec<Effect> {
    let tasks = vec![Task::frame(1, 1, "/s/1.png"), Task::frame(2, 2, "/s/2.png")];
    replay::feed(&Stub, open(Activity::Render), tasks, printed, end).expect("no failure")
}

fn ends(effects: &[Effect]) -> Vec<(u32, Verdict, String)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::TaskDone {
                task, verdict, why, ..
            } => Some((*task, *verdict, why.clone())),
            _ => None,
        })
        .collect()
}

#[test]
fn each_way_to_die_fails_the_task_in_flight_only() {
    let begun = "@@FW loaded\n@@FW begun 1 1\n@@FW wrote 1 1\n@@FW begun 1 2\n";
    for (words, end, verdict, said) in [
        (
            "",
            End::Signalled(11),
            Verdict::MachineFault,
            "signal 11 (SIGSEGV)",
        ),
        (
            "Error: frame 2 cannot go on\n",
            End::Exited(3),
            Verdict::MachineFault,
            "exit code 3: frame 2 cannot go on",
        ),
        (
            "Error: no licence: every seat of the stub renderer is taken\n",
            End::Exited(4),
            Verdict::NoLicence,
            "every seat",
        ),
        (
            "Error: out of memory: cannot allocate 64 bytes for frame 2\n",
            End::Signalled(9),
            Verdict::OutOfMemory,
            "cannot allocate 64",
        ),
        (
            "",
            End::Exited(0),
            Verdict::MachineFault,
            "without an error",
        ),
    ] {
        let effects = rendered(&format!("{begun}{words}"), end);
        let ends = ends(&effects);
        assert_eq!(ends.len(), 2, "{effects:?}");
        assert_eq!((ends[0].0, ends[0].1), (1, Verdict::Succeeded));
        assert_eq!((ends[1].0, ends[1].1), (2, verdict), "{effects:?}");
        assert!(ends[1].2.contains(said), "{}", ends[1].2);
        assert_eq!(effects.last(), Some(&Effect::Cooled));
    }
}

#[test]
fn a_hanging_renderer_is_waited_for() {
    let effects = rendered("@@FW loaded\n@@FW begun 1 1\n", End::Runs);
    assert_eq!(ends(&effects), []);
}

#[test]
fn lines_that_are_no_protocol_are_passed_over() {
    let effects = rendered(
        "hello\n@@FW loaded\nSaved: 'x'\n@@FW wrote 1 1\n",
        End::Runs,
    );
    assert_eq!(ends(&effects).len(), 1);
}

#[test]
fn a_renderer_that_breaks_the_protocol_is_ended_and_everything_fails() {
    for line in [
        "@@FW tea is ready",
        "@@FW wrote 1 2",
        "@@FW begun 7 1",
        "@@FW wrote 1",
    ] {
        let effects = rendered(&format!("@@FW loaded\n{line}\n"), End::Runs);
        assert!(effects.contains(&Effect::Kill { run: 1 }), "{line}");
        assert!(
            matches!(effects.last(), Some(Effect::Failed { verdict: Verdict::AdapterFault, why, .. }) if why.contains(line)),
            "{effects:?}"
        );
    }
}

#[test]
fn a_program_that_is_no_stub_renderer_is_told() {
    for (activity, words) in [
        (Activity::Probe, "without telling its version"),
        (Activity::Inspect, "without telling what is in the scene"),
    ] {
        let effects = replay::feed(&Stub, open(activity), Vec::new(), "", End::Exited(127))
            .expect("no failure");
        assert!(
            matches!(effects.last(), Some(Effect::Failed { verdict: Verdict::MachineFault, why, .. }) if why.contains(words)),
            "{effects:?}"
        );
    }
    let strange = replay::feed(
        &Stub,
        open(Activity::Inspect),
        Vec::new(),
        "@@FW {\"first\":1}",
        End::Exited(0),
    );
    assert!(matches!(
        strange.expect("no failure").last(),
        Some(Effect::Failed {
            verdict: Verdict::AdapterFault,
            ..
        })
    ));
}

#[test]
fn assets_are_listed_as_the_renderer_tells_them() {
    let printed = r#"@@FW asset {"path":"/p/a","bytes":3,"missing":false,"absolute":false}
@@FW asset {"path":"/abs/b","bytes":0,"missing":true,"absolute":true}
@@FW {"first":1,"last":2,"step":1,"fps":24.0,"width":4,"height":4,"layers":[],"load_s":1.0,"call_s":0.0,"frame_s":1.0,"memory_bytes":0,"output":"","tiles":{"exact":true,"margin":0},"sticky":true,"warnings":[]}"#;
    let asked = open(Activity::Inspect);
    let effects = replay::feed(&Stub, asked, Vec::new(), printed, End::Exited(0));
    let effects = effects.expect("no failure");
    let Some(Effect::Scene(scene)) = effects.last() else {
        panic!("{effects:?}");
    };
    let asset = |path: &str, bytes, missing, absolute| Asset {
        path: path.to_owned(),
        bytes,
        missing,
        kind: "asset".to_owned(),
        absolute,
    };
    let wanted = [
        asset("/p/a", 3, false, false),
        asset("/abs/b", 0, true, true),
    ];
    assert_eq!(scene.assets, wanted);

    let effects = replay::feed(
        &Stub,
        open(Activity::Inspect),
        Vec::new(),
        "@@FW asset {\"path\":1}",
        End::Exited(0),
    );
    assert!(matches!(
        effects.expect("no failure").last(),
        Some(Effect::Failed {
            verdict: Verdict::AdapterFault,
            ..
        })
    ));
}

#[test]
fn the_renderer_is_told_where_absolute_assets_are() {
    for sticky in [true, false] {
        let mut opened = open(Activity::Render);
        opened.settings.insert("sticky".to_owned(), sticky.into());
        opened.paths = vec![PathPair {
            from: "/".to_owned(),
            to: "/tree dir".to_owned(),
        }];
        let tasks = vec![Task::frame(1, 1, "/s/1.png")];
        let effects = replay::feed(&Stub, opened, tasks, "", End::Runs).expect("no failure");
        let argv = effects.iter().find_map(|effect| match effect {
            Effect::Run(run) => Some(run.argv.join(" ")),
            _ => None,
        });
        let argv = argv.expect("a run");
        assert!(argv.contains(" --path / /tree dir "), "{argv}");
    }
}

#[test]
fn a_session_without_a_scene_is_refused() {
    let mut out = Effects::new();
    for activity in [Activity::Inspect, Activity::Render] {
        assert!(Stub.open(Open::new(activity, "x"), &mut out).is_err());
    }
}
