//! The history of costs, for people.

use framewright_core::event::CostsFrom;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{cell, table, text as table_text};
use crate::display::words::{count, time};
use crate::history::{ForgottenReport, HistoryReport, LayerCosts, SceneReport};
use crate::printable::printable;

/// All scenes, times in this zone.
pub(crate) fn list(report: &HistoryReport, width: Option<u16>, zone: &TimeZone) -> String {
    if report.scenes.is_empty() {
        return "no scene's costs are known\n".to_owned();
    }
    let header = [
        "rendered", "renders", "frames", "mean", "spread", "adapter", "scene",
    ];
    let mut rows = table(&header, width);
    for scene in &report.scenes {
        rows.add_row([
            minute(scene.measured, zone),
            scene.renders.to_string(),
            scene.frames_known.to_string(),
            scene.mean_s.map_or_else(|| "unknown".to_owned(), cost),
            scene.spread.map(percent).unwrap_or_default(),
            cell(&scene.adapter),
            cell(&scene.scene),
        ]);
    }
    table_text(rows, &[1, 2, 3, 4])
}

/// One scene, with every renderer that rendered it.
pub(crate) fn one(report: &HistoryReport, width: Option<u16>, zone: &TimeZone) -> String {
    let scenes: Vec<String> = report
        .scenes
        .iter()
        .map(|scene| scene_text(scene, width, zone))
        .collect();
    scenes.join("\n")
}

fn scene_text(scene: &SceneReport, width: Option<u16>, zone: &TimeZone) -> String {
    let mut text = format!(
        "{}: {} by {}, the last on {}\n",
        printable(&scene.scene),
        count(u64::from(scene.renders), "render", "renders"),
        printable(&scene.adapter),
        minute(scene.measured, zone),
    );
    let layers = scene.layers.as_deref().unwrap_or_default();
    if !layers.is_empty() {
        text.push('\n');
        text.push_str(&layers_text(layers, width));
    }
    let hosts = scene.hosts.as_deref().unwrap_or_default();
    if !hosts.is_empty() {
        let mut rows = table(&["host", "slots", "speed", "tasks", "load", "loads"], width);
        for host in hosts {
            rows.add_row([
                cell(&host.host),
                host.slots.to_string(),
                format!("{:.2}", host.speed),
                host.tasks.to_string(),
                host.load_s.map_or_else(|| "unknown".to_owned(), cost),
                host.loads.to_string(),
            ]);
        }
        text.push('\n');
        text.push_str(&table_text(rows, &[1, 2, 3, 4, 5]));
    }
    text
}

fn layers_text(layers: &[LayerCosts], width: Option<u16>) -> String {
    let header = [
        "layer", "frames", "mean", "spread", "least", "at", "most", "at",
    ];
    let mut rows = table(&header, width);
    for layer in layers {
        let name = if layer.layer.is_empty() {
            "all"
        } else {
            &layer.layer
        };
        rows.add_row([
            cell(name),
            layer.frames_known.to_string(),
            cost(layer.mean_s),
            percent(layer.spread),
            cost(layer.min_s),
            layer.min_frame.to_string(),
            cost(layer.max_s),
            layer.max_frame.to_string(),
        ]);
    }
    table_text(rows, &[1, 2, 3, 4, 5, 6, 7])
}

/// What was forgotten.
pub(crate) fn forgotten(report: &ForgottenReport) -> String {
    if report.forgotten.is_empty() {
        return "there was nothing to forget\n".to_owned();
    }
    let line = |one: &crate::history::ForgottenScene| {
        format!(
            "forgot {} of {} ({})\n",
            count(u64::from(one.costs), "cost", "costs"),
            printable(&one.scene),
            printable(&one.adapter)
        )
    };
    report.forgotten.iter().map(line).collect()
}

/// What the costs of a plan, or of a render at its start, stand on: a sentence.
pub(crate) fn costs_from(from: &CostsFrom, zone: &TimeZone) -> String {
    let frames = match from.frames_known {
        0 => "other frames".to_owned(),
        known => count(u64::from(known), "frame", "frames"),
    };
    let changed = match (from.same_scene, from.same_settings) {
        (true, true) => "",
        (false, true) => " (the scene has changed since)",
        (true, false) => " (with other settings)",
        (false, false) => " (with other settings, and the scene has changed since)",
    };
    format!(
        "costs from {frames} rendered on {}{changed}",
        minute(from.measured, zone)
    )
}

fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

/// Costs of small scenes are worth a look too.
fn cost(seconds: f64) -> String {
    if seconds < 0.95 {
        format!("{:.0}ms", seconds * 1000.0)
    } else {
        time(seconds)
    }
}

fn percent(part: f64) -> String {
    format!("{:.0}%", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{CostReport, HostCosts};

    fn scene() -> SceneReport {
        let cost = |frame, cost_s| CostReport {
            frame,
            tile: None,
            cost_s,
            host: "n1".into(),
            measured: Timestamp::UNIX_EPOCH,
            first_after_load: false,
            newest: true,
        };
        SceneReport {
            scene: "/shots/a b.blend".into(),
            adapter: "blender".into(),
            renders: 2,
            measured: Timestamp::UNIX_EPOCH,
            frames_known: 2,
            mean_s: Some(6.0),
            spread: Some(0.5),
            layers: Some(vec![LayerCosts {
                layer: String::new(),
                frames_known: 2,
                mean_s: 6.0,
                spread: 0.5,
                min_s: 3.0,
                min_frame: 1,
                max_s: 9.0,
                max_frame: 17,
                costs: vec![cost(1, 3.0), cost(17, 9.0)],
            }]),
            hosts: Some(vec![HostCosts {
                host: "n1".into(),
                slots: 2,
                speed: 1.25,
                tasks: 2,
                load_s: None,
                loads: 0,
            }]),
        }
    }

    #[test]
    fn people_see_the_dearest_frame_and_what_hosts_are() {
        let report = HistoryReport {
            scenes: vec![scene()],
        };
        insta::assert_snapshot!(list(&report, None, &TimeZone::UTC), @"
        RENDERED          RENDERS  FRAMES  MEAN  SPREAD  ADAPTER  SCENE
        1970-01-01 00:00        2       2  6.0s     50%  blender  /shots/a b.blend
        ");
        insta::assert_snapshot!(one(&report, None, &TimeZone::UTC), @"
        /shots/a b.blend: 2 renders by blender, the last on 1970-01-01 00:00

        LAYER  FRAMES  MEAN  SPREAD  LEAST  AT  MOST  AT
        all         2  6.0s     50%   3.0s   1  9.0s  17

        HOST  SLOTS  SPEED  TASKS     LOAD  LOADS
        n1        2   1.25      2  unknown      0
        ");
        let none = HistoryReport { scenes: vec![] };
        assert_eq!(
            list(&none, None, &TimeZone::UTC),
            "no scene's costs are known\n"
        );
    }

    #[test]
    fn a_plan_says_what_its_costs_stand_on() {
        let mut from = CostsFrom {
            measured: Timestamp::UNIX_EPOCH,
            frames_known: 24,
            same_scene: false,
            same_settings: true,
        };
        assert_eq!(
            costs_from(&from, &TimeZone::UTC),
            "costs from 24 frames rendered on 1970-01-01 00:00 (the scene has changed since)"
        );
        from.frames_known = 0;
        from.same_scene = true;
        assert_eq!(
            costs_from(&from, &TimeZone::UTC),
            "costs from other frames rendered on 1970-01-01 00:00"
        );
    }

    #[test]
    fn the_documents_have_the_keys_that_are_promised() {
        let json =
            |report| serde_json::to_string(&crate::documents::Document::new(report)).unwrap();
        let mut short = scene();
        (short.layers, short.hosts) = (None, None);
        assert_eq!(
            json(HistoryReport {
                scenes: vec![short]
            }),
            concat!(
                r#"{"format":1,"scenes":[{"scene":"/shots/a b.blend","adapter":"blender","renders":2,"#,
                r#""measured":"1970-01-01T00:00:00Z","frames_known":2,"mean_s":6.0,"spread":0.5}]}"#
            )
        );
        let long = json(HistoryReport {
            scenes: vec![scene()],
        });
        assert!(
            long.contains(concat!(
                r#""layers":[{"layer":"","frames_known":2,"mean_s":6.0,"spread":0.5,"min_s":3.0,"min_frame":1,"#,
                r#""max_s":9.0,"max_frame":17,"costs":[{"frame":1,"tile":null,"cost_s":3.0,"host":"n1","#,
                r#""measured":"1970-01-01T00:00:00Z","first_after_load":false,"newest":true}"#
            )),
            "{long}"
        );
        assert!(
            long.contains(
                r#""hosts":[{"host":"n1","slots":2,"speed":1.25,"tasks":2,"load_s":null,"loads":0}]"#
            ),
            "{long}"
        );
    }
}
