//! The adapters that were found, for people.

use super::{cell, table, text as table_text};
use crate::documents::AdaptersReport;

/// The list.
pub(crate) fn list(report: &AdaptersReport, width: Option<u16>) -> String {
    if report.adapters.is_empty() {
        return "no adapters were found\n".to_owned();
    }
    let mut rows = table(
        &["adapter", "version", "scenes", "found in", "state"],
        width,
    );
    for adapter in &report.adapters {
        let state = match (&adapter.why, adapter.usable) {
            (_, true) => "usable".to_owned(),
            (Some(why), false) => format!("not usable: {}", cell(why)),
            (None, false) => "not usable".to_owned(),
        };
        let extensions: Vec<String> = adapter
            .extensions
            .iter()
            .map(|extension| format!(".{}", cell(extension)))
            .collect();
        rows.add_row([
            cell(&adapter.id),
            cell(&adapter.version),
            extensions.join(" "),
            cell(&adapter.path),
            state,
        ]);
    }
    table_text(rows, &[])
}
