//! A job's logs, for people.

use framewright_core::quantity::Bytes;

use super::{cell, table, text as table_text};
use crate::documents::LogsReport;

/// The list.
pub(crate) fn list(report: &LogsReport, width: Option<u16>) -> String {
    if report.logs.is_empty() {
        return "there are no logs\n".to_owned();
    }
    let mut rows = table(&["segment", "host", "tasks", "size", "file"], width);
    for log in &report.logs {
        let tasks = match log.tasks.as_slice() {
            [] => String::new(),
            [only] => cell(only),
            [first, .., last] => format!("{} to {}", cell(first), cell(last)),
        };
        rows.add_row([
            log.segment.to_string(),
            cell(&log.host),
            tasks,
            Bytes(log.bytes).to_string(),
            cell(&log.path),
        ]);
    }
    table_text(rows, &[0, 3])
}
