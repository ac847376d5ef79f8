//! What the documents promise: they survive a round trip, unknown fields are ignored, unknown
//! orders are errors.

use framewright_plugin_api::data::{
    Abilities, Activity, Answer, Asset, Description, Effect, Input, Open, PathPair, Run, Scene,
    Setting, SettingKind, Step, Stream, Task, Tile, TileAbility, Verdict,
};
use proptest::prelude::*;
use serde_json::json;

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}|[\"\\\\\n\r\t\u{0}\u{1f}é漢]{0,6}"
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Succeeded),
        Just(Verdict::Unrenderable),
        Just(Verdict::MachineFault),
        Just(Verdict::OutOfMemory),
        Just(Verdict::NoLicence),
        Just(Verdict::AdapterFault),
    ]
}

fn task() -> impl Strategy<Value = Task> {
    (any::<u32>(), text(), any::<i32>(), any::<bool>(), text()).prop_map(
        |(number, layer, frame, tiled, output)| Task {
            layer,
            tile: tiled.then_some(Tile {
                x: 1,
                y: 2,
                width: 3,
                height: 4,
            }),
            ..Task::frame(number, frame, &output)
        },
    )
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        (any::<u64>(), prop::collection::vec(task(), 0..4))
            .prop_map(|(segment, tasks)| Input::Segment { segment, tasks }),
        (any::<u64>(), any::<u32>()).prop_map(|(segment, keep)| Input::Cut { segment, keep }),
        (any::<u32>(), any::<u32>()).prop_map(|(run, pid)| Input::Started { run, pid }),
        (any::<u32>(), text()).prop_map(|(run, why)| Input::NotStarted { run, why }),
        (any::<u32>(), text()).prop_map(|(run, text)| Input::Line {
            run,
            stream: Stream::Stderr,
            text
        }),
        (
            any::<u32>(),
            any::<Option<i32>>(),
            any::<Option<i32>>(),
            any::<bool>()
        )
            .prop_map(|(run, code, signal, killed)| Input::Exited {
                run,
                code,
                signal,
                killed
            }),
        Just(Input::Cancel),
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        (any::<u32>(), prop::collection::vec(text(), 0..4), text()).prop_map(|(run, argv, cwd)| {
            Effect::Run(Run {
                cwd,
                stdin: true,
                ..Run::new(run, argv)
            })
        }),
        (any::<u32>(), text()).prop_map(|(run, text)| Effect::Write { run, text }),
        any::<u32>().prop_map(|run| Effect::Kill { run }),
        any::<u32>().prop_map(|run| Effect::Close { run }),
        Just(Effect::Loaded),
        Just(Effect::Cooled),
        (any::<u64>(), any::<u32>(), 0_f32..1.0).prop_map(|(segment, task, fraction)| {
            Effect::Progress {
                segment,
                task,
                fraction,
            }
        }),
        (any::<u64>(), any::<u32>(), text()).prop_map(|(segment, task, path)| Effect::Wrote {
            segment,
            task,
            path
        }),
        (any::<u64>(), any::<u32>(), verdict(), text()).prop_map(
            |(segment, task, verdict, why)| Effect::TaskDone {
                segment,
                task,
                verdict,
                why
            }
        ),
        (verdict(), text(), text()).prop_map(|(verdict, why, hint)| Effect::Failed {
            verdict,
            why,
            hint
        }),
        Just(Effect::Scene(Scene {
            first: -3,
            last: 9,
            ..Scene::default()
        })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_step_survives_the_way_as_one_line(
        inputs in prop::collection::vec(input(), 1..5),
        at_s in 0.0_f64..1e6,
    ) {
        let step = Step { at_s, inputs };
        let line = serde_json::to_string(&step).unwrap();
        prop_assert!(!line.contains(['\n', '\r']));
        prop_assert_eq!(serde_json::from_str::<Step>(&line).unwrap(), step);
    }

    #[test]
    fn an_answer_survives_the_way_as_one_line(effects in prop::collection::vec(effect(), 0..5)) {
        let answer = Answer { effects };
        let line = serde_json::to_string(&answer).unwrap();
        prop_assert!(!line.contains(['\n', '\r']));
        prop_assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), answer);
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let answer: Answer = serde_json::from_value(json!({
        "effects": [{"effect": "kill", "run": 3, "gently": true}],
        "weather": "fine",
    }))
    .unwrap();
    assert_eq!(answer.effects, [Effect::Kill { run: 3 }]);

    let open: Open = serde_json::from_value(json!({
        "format": 1, "activity": "probe", "program": "/bin/x", "scratch": "/s", "host": "h",
        "slot": 0, "threads": 0, "moon": {"phase": "full"},
    }))
    .unwrap();
    assert_eq!(open.activity, Activity::Probe);
}

#[test]
fn unknown_orders_are_errors() {
    let effect = serde_json::from_value::<Answer>(json!({
        "effects": [{"effect": "reboot", "host": "all"}],
    }));
    assert!(effect.unwrap_err().to_string().contains("reboot"));

    let input = serde_json::from_value::<Step>(json!({
        "at_s": 0.0, "inputs": [{"input": "sing"}],
    }));
    assert!(input.unwrap_err().to_string().contains("sing"));

    let activity = serde_json::from_value::<Activity>(json!("dance"));
    assert!(activity.is_err());
}

#[test]
fn a_description_reads_as_the_manual_writes_it() {
    let description: Description = serde_json::from_value(json!({
        "format": 1, "id": "toy", "version": "1.0.0", "renderer": "Toy",
        "extensions": ["toy"], "programs": ["toy"],
        "can": {"sticky": true, "tiles": "full-canvas", "frame-lists": true},
        "outputs": [{"id": "png", "extension": "png"}],
        "settings": [
            {"key": "samples", "kind": "integer", "min": 1, "help": "Samples a pixel.", "default": 64},
            {"key": "mode", "kind": "choice", "choices": ["fast", "fine"], "help": "How."},
        ],
    }))
    .unwrap();
    assert_eq!(
        description.can,
        Abilities {
            sticky: true,
            tiles: TileAbility::FullCanvas,
            frame_lists: true,
            ..Abilities::default()
        }
    );
    assert_eq!(
        description.settings[0],
        Setting {
            key: "samples".to_owned(),
            kind: SettingKind::Integer {
                min: Some(1),
                max: None
            },
            help: "Samples a pixel.".to_owned(),
            default: Some(json!(64)),
        }
    );
    let again = serde_json::to_value(&description).unwrap();
    assert_eq!(
        serde_json::from_value::<Description>(again).unwrap(),
        description
    );
}

#[test]
fn paths_and_absolute_names_are_told_only_where_there_are_any() {
    let mut open = Open::new(Activity::Render, "/bin/x");
    let before = serde_json::to_value(&open).unwrap();
    assert_eq!(before.get("paths"), None);
    assert_eq!(serde_json::from_value::<Open>(before).unwrap(), open);
    open.paths = vec![PathPair {
        from: "/".to_owned(),
        to: "/tree".to_owned(),
    }];
    let after = serde_json::to_value(&open).unwrap();
    assert_eq!(after["paths"], json!([{"from": "/", "to": "/tree"}]));
    assert_eq!(serde_json::from_value::<Open>(after).unwrap(), open);

    let mut asset: Asset = serde_json::from_value(json!({"path": "/a", "bytes": 3})).unwrap();
    assert!(!asset.absolute);
    assert_eq!(serde_json::to_value(&asset).unwrap().get("absolute"), None);
    asset.absolute = true;
    assert_eq!(
        serde_json::to_value(&asset).unwrap()["absolute"],
        json!(true)
    );
}
