//! What a render would do, for people.

use jiff::tz::TimeZone;

use super::history::costs_from;
use super::{cell, known_time, number_list, sentence, table, text as table_text};
use crate::display::words::{count, time};
use crate::documents::{PlanReport, SaturationReport};
use crate::printable::printable;

/// Segments listed for people, unless more is asked for; the document has all of them.
const SEGMENTS_SHOWN_MAX: usize = 40;

/// For people.
pub(crate) fn text(report: &PlanReport, width: Option<u16>, all: bool) -> String {
    let scene = &report.scene;
    let scene_told = format!(
        "{}: frames {}, {} x {} pixels, load {}, frame {}",
        report.adapter,
        scene.frames,
        scene.width,
        scene.height,
        known_time(scene.load_s),
        known_time(scene.frame_s),
    );
    let mut text = sentence(&scene_told, width);
    if !report.why.is_empty() {
        text.push_str(&sentence(
            &format!("split: {}", printable(&report.why)),
            width,
        ));
    }
    text.push_str(&format!(
        "{} in {}\n\n",
        count(u64::from(report.tasks), "task", "tasks"),
        count(report.segments.len() as u64, "segment", "segments"),
    ));
    text.push_str(&segments(report, width, all));
    if let Some(history) = &scene.history {
        let told = costs_from(&history.costs, &TimeZone::system());
        text.push('\n');
        text.push_str(&sentence(&told, width));
    }
    let predicted = &report.predicted;
    let told = format!(
        "predicted: {} with {} ({} of loading) on {} at most; no schedule takes less than {}: {:.2} times that",
        time(predicted.makespan_s),
        count(predicted.loads, "load", "loads"),
        time(predicted.load_s),
        count(
            u64::from(predicted.hosts_busy_max),
            "busy slot",
            "busy slots"
        ),
        time(predicted.lower_bound_s),
        predicted.ratio,
    );
    text.push('\n');
    text.push_str(&sentence(&told, width));
    if let Some(fed) = &predicted.saturation {
        text.push_str(&sentence(&saturation(fed), width));
    }
    if let Some(compare) = &report.compare {
        text.push_str(&super::simulate::comparison(compare, width));
    }
    for warning in &report.warnings {
        let told = format!("warning: {}", printable(warning));
        text.push_str(&sentence(&told, width));
    }
    text
}

/// What the farm's limits allow.
fn saturation(fed: &SaturationReport) -> String {
    let mut limits = Vec::new();
    if fed.interval_s > 0.0 {
        limits.push(format!("one send in {}", time(fed.interval_s)));
    }
    if let Some(most) = fed.loads_max {
        limits.push(format!(
            "{} at once",
            count(u64::from(most), "load", "loads")
        ));
    }
    format!(
        "{} can feed {:.1} slots with segments of {} ({}); there are {}",
        limits.join(" and "),
        fed.slots_fed,
        count(u64::from(fed.segment_tasks), "task", "tasks"),
        time(fed.segment_s),
        fed.slots,
    )
}

fn segments(report: &PlanReport, width: Option<u16>, all: bool) -> String {
    let layered = report
        .segments
        .iter()
        .any(|segment| !segment.layer.is_empty());
    let tiled = report
        .segments
        .iter()
        .any(|segment| !segment.tasks.is_empty());
    let mut header = vec!["segment", "host", "frames", "start", "end"];
    if layered {
        header.push("layer");
    }
    if tiled {
        header.push("tile");
    }
    let mut rows = table(&header, width);
    let shown_max = if all { usize::MAX } else { SEGMENTS_SHOWN_MAX };
    for segment in report.segments.iter().take(shown_max) {
        let mut row = vec![
            segment.id.to_string(),
            cell(&segment.host),
            number_list(&segment.frames, width),
            time(segment.start_s),
            time(segment.end_s),
        ];
        if layered {
            row.push(cell(&segment.layer));
        }
        if tiled {
            row.push(match (&segment.tile, segment.tasks.len()) {
                (Some(tile), _) => tile.clone(),
                (None, 0) => String::new(),
                (None, many) => format!("{many} tiles"),
            });
        }
        rows.add_row(row);
    }
    let mut text = table_text(rows, &[0, 3, 4]);
    if let Some(more) = report
        .segments
        .len()
        .checked_sub(shown_max)
        .filter(|more| *more > 0)
    {
        text.push_str(&format!("and {more} more; -v shows all\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{Document, PlanBasis, PlanScene, PlanSegment, Predicted};
    use framewright_core::request::Split;

    fn report(segments: u64) -> PlanReport {
        let segment = |id: u64| PlanSegment {
            id,
            host: "n1".into(),
            layer: String::new(),
            frames: format!("{id}"),
            tile: None,
            tasks: Vec::new(),
            start_s: 0.0,
            end_s: 72.0,
        };
        PlanReport {
            adapter: "stub".into(),
            scene: PlanScene {
                frames: "1-60".into(),
                fps: 24.0,
                width: 320,
                height: 180,
                layers: vec![],
                load_s: Some(8.0),
                frame_s: None,
                memory_bytes: None,
                assets: vec![],
                basis: PlanBasis {
                    load_s: "declared",
                    frame_s: "unknown",
                },
                history: None,
            },
            split: Split::Frames,
            tiles: None,
            why: String::new(),
            tasks: 60,
            segments: (1..=segments).map(segment).collect(),
            predicted: Predicted {
                makespan_s: 72.0,
                lower_bound_s: 60.0,
                ratio: 1.2,
                load_s: 8.0,
                loads: 1,
                hosts_busy_max: 1,
                saturation: None,
            },
            warnings: vec!["be careful".into()],
            compare: None,
        }
    }

    #[test]
    fn a_plan_ends_with_what_it_predicts() {
        let text = text(&report(2), None, false);
        assert_eq!(
            text,
            "stub: frames 1-60, 320 x 180 pixels, load 8.0s, frame unknown\n\
             60 tasks in 2 segments\n\
             \n\
             SEGMENT  HOST  FRAMES  START    END\n\
             \u{20}     1  n1    1        0.0s  1m12s\n\
             \u{20}     2  n1    2        0.0s  1m12s\n\
             \n\
             predicted: 1m12s with 1 load (8.0s of loading) on 1 busy slot at most; \
             no schedule takes less than 1m00s: 1.20 times that\n\
             warning: be careful\n"
        );
    }

    #[test]
    fn a_plan_says_how_many_slots_can_be_fed() {
        let mut report = report(1);
        report.predicted.saturation = Some(SaturationReport {
            interval_s: 5.0,
            loads_max: Some(1),
            segment_tasks: 2,
            segment_s: 76.0,
            load_share: 0.4,
            slots_fed: 15.2,
            slots: 40,
            advice: None,
        });
        let text = text(&report, None, false);
        let line = "one send in 5.0s and 1 load at once can feed 15.2 slots with segments of 2 tasks (1m16s); there are 40\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_long_plan_is_cut_unless_all_is_asked_for() {
        assert!(text(&report(60), None, false).contains("and 20 more; -v shows all\n"));
        assert!(!text(&report(60), None, true).contains("more; -v"));
    }

    #[test]
    fn the_document_has_every_key_that_is_promised() {
        let json = serde_json::to_string(&Document::new(report(1))).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"format":1,"adapter":"stub","scene":{"frames":"1-60","fps":24.0,"width":320,"height":180,"layers":[],"#,
                r#""load_s":8.0,"frame_s":null,"memory_bytes":null,"assets":[],"#,
                r#""basis":{"load_s":"declared","frame_s":"unknown"},"history":null},"split":"frames","tasks":60,"#,
                r#""segments":[{"id":1,"host":"n1","layer":"","frames":"1","tile":null,"start_s":0.0,"end_s":72.0}],"#,
                r#""predicted":{"makespan_s":72.0,"lower_bound_s":60.0,"ratio":1.2,"load_s":8.0,"loads":1,"hosts_busy_max":1,"saturation":null},"#,
                r#""warnings":["be careful"]}"#
            )
        );
    }
}
