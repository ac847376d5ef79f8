//! Tables on stdout: as wide as the terminal, plain text when piped.

pub(crate) mod adapters;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod inspect;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod plan;
pub(crate) mod simulate;

use std::io::{self, IsTerminal};

use comfy_table::{CellAlignment, ContentArrangement, Table};

use crate::printable::printable;

/// A table of these columns, without lines around it.
pub(crate) fn table(header: &[&str], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    match width {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
        // A pipe has no width: every row is one line, for grep and cut.
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

/// The table as text, without blanks at line ends.
pub(crate) fn text(mut table: Table, right_aligned: &[usize]) -> String {
    let columns = table.column_count();
    for index in 0..columns {
        let Some(column) = table.column_mut(index) else {
            continue;
        };
        let first = if index == 0 { 0 } else { 1 };
        let last = if index + 1 == columns { 0 } else { 1 };
        column.set_padding((first, last));
        if right_aligned.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Width of the terminal that stdout is, or nothing.
pub(crate) fn stdout_width() -> Option<u16> {
    if !io::stdout().is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| size.ws_col)
        .filter(|columns| *columns > 0)
}

/// Text from outside, in a cell.
pub(crate) fn cell(text: &str) -> String {
    printable(text).into_owned()
}

/// Seconds in a sentence, or that they are not known.
pub(crate) fn known_time(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "unknown".to_owned(), crate::display::words::time)
}
