//! What a render would do, for people.

use super::{cell, known_time, table, text as table_text};
use crate::display::words::{count, time};
use crate::documents::PlanReport;
use crate::printable::printable;

/// Segments listed for people, unless more is asked for; the document has all of them.
const SEGMENTS_SHOWN_MAX: usize = 40;

/// For people.
pub(crate) fn text(report: &PlanReport, width: Option<u16>, all: bool) -> String {
    let scene = &report.scene;
    let mut text = format!(
        "{}: frames {}, {} x {} pixels, load {}, frame {}\n{} in {}\n\n",
        report.adapter,
        scene.frames,
        scene.width,
        scene.height,
        known_time(scene.load_s),
        known_time(scene.frame_s),
        count(u64::from(report.tasks), "task", "tasks"),
        count(report.segments.len() as u64, "segment", "segments"),
    );
    text.push_str(&segments(report, width, all));
    let predicted = &report.predicted;
    text.push_str(&format!(
        "\npredicted: {} with {} ({} of loading) on {} at most; no schedule takes less than {}: {:.2} times that\n",
        time(predicted.makespan_s),
        count(predicted.loads, "load", "loads"),
        time(predicted.load_s),
        count(u64::from(predicted.hosts_busy_max), "busy host", "busy hosts"),
        time(predicted.lower_bound_s),
        predicted.ratio,
    ));
    for warning in &report.warnings {
        text.push_str(&format!("warning: {}\n", printable(warning)));
    }
    text
}

fn segments(report: &PlanReport, width: Option<u16>, all: bool) -> String {
    let layered = report
        .segments
        .iter()
        .any(|segment| !segment.layer.is_empty());
    let tiled = report.segments.iter().any(|segment| segment.tile.is_some());
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
            segment.frames.clone(),
            time(segment.start_s),
            time(segment.end_s),
        ];
        if layered {
            row.push(cell(&segment.layer));
        }
        if tiled {
            row.push(segment.tile.clone().unwrap_or_default());
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
