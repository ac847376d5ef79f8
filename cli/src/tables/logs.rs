//! A job's logs, for people.

use super::{cell, table, text as table_text};
use crate::documents::{LogReport, LogsReport};
use crate::printable::printable;

/// The list.
pub(crate) fn list(report: &LogsReport, width: Option<u16>) -> String {
    if report.logs.is_empty() {
        return "there are no logs\n".to_owned();
    }
    let mut rows = table(&["segment", "slot", "lines", "tasks"], width);
    for log in &report.logs {
        let tasks = match log.tasks.as_slice() {
            [] => String::new(),
            [only] => cell(only),
            [first, .., last] => format!("{} to {}", cell(first), cell(last)),
        };
        rows.add_row([
            log.segment.to_string(),
            slot(log),
            log.lines_count.to_string(),
            tasks,
        ]);
    }
    table_text(rows, &[0, 2])
}

/// The lines of one task, segment by segment: seconds, who says it, what.
pub(crate) fn lines(report: &LogsReport) -> String {
    let mut text = String::new();
    for log in &report.logs {
        let note = log
            .note
            .as_deref()
            .map(|note| format!(" ({})", printable(note)))
            .unwrap_or_default();
        text.push_str(&format!(
            "-- segment {} on {}{note}\n",
            log.segment,
            slot(log)
        ));
        for line in log.lines.iter().flatten() {
            text.push_str(&format!(
                "{:>9.3} {:<4} {}\n",
                line.at_s,
                line.kind,
                printable(&line.text)
            ));
        }
    }
    text
}

fn slot(log: &LogReport) -> String {
    match (&log.host, log.slot) {
        (Some(host), Some(slot)) => format!("{}/{slot}", cell(host)),
        _ => "an unknown slot".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::LineReport;

    fn report(lines: Option<Vec<LineReport>>) -> LogsReport {
        LogsReport {
            job: "shot-abc".into(),
            logs: vec![LogReport {
                segment: 7,
                host: Some("n1".into()),
                slot: Some(0),
                tasks: vec!["a:1".into(), "a:2".into()],
                note: Some("for dailies".into()),
                lines_count: 2,
                lines,
            }],
        }
    }

    #[test]
    fn the_list_says_what_each_segment_held() {
        assert_eq!(
            list(&report(None), None),
            "SEGMENT  SLOT  LINES  TASKS\n      7  n1/0      2  a:1 to a:2\n"
        );
    }

    #[test]
    fn lines_cannot_take_the_terminal_over() {
        let line = LineReport {
            kind: "err",
            at_s: 2.5,
            text: "x\u{1b}[2J".into(),
        };
        assert_eq!(
            lines(&report(Some(vec![line]))),
            "-- segment 7 on n1/0 (for dailies)\n    2.500 err  x\\u{1b}[2J\n"
        );
    }
}
