//! Tables on stdout: as wide as the terminal, plain text when piped.

pub(crate) mod adapters;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod hosts;
pub(crate) mod inspect;
pub(crate) mod jobs;
pub(crate) mod logs;
pub(crate) mod plan;
pub(crate) mod simulate;

use std::io::{self, IsTerminal};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

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

/// Gives a column at least so many characters: what has no blanks would be broken within a word.
pub(crate) fn keep_whole(table: &mut Table, column: usize, width: usize) {
    let is_outer = column == 0 || column + 1 == table.column_count();
    let padding = if is_outer { 1 } else { 2 };
    let width = u16::try_from(width + padding).unwrap_or(u16::MAX);
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
    }
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

/// A sentence on a line of its own, or on several where it is wider than the terminal: a terminal
/// itself would break it within a word.
pub(crate) fn sentence(text: &str, width: Option<u16>) -> String {
    let width = width.map_or(usize::MAX, usize::from);
    let mut lines = String::new();
    let mut used = 0;
    for (index, word) in text.split(' ').enumerate() {
        let long = word.chars().count();
        if index > 0 && used + 1 + long > width {
            lines.push('\n');
            used = 0;
        } else if index > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += long;
    }
    lines.push('\n');
    lines
}

/// A list of numbers for a cell: one that does not fit is broken between numbers, not within one.
/// A pipe gets it as it is typed.
pub(crate) fn number_list(list: &str, width: Option<u16>) -> String {
    match width {
        Some(_) => list.replace(',', ", "),
        None => list.to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_broken_between_words() {
        assert_eq!(sentence("one two three", None), "one two three\n");
        assert_eq!(sentence("one two three", Some(13)), "one two three\n");
        assert_eq!(sentence("one two three", Some(12)), "one two\nthree\n");
        assert_eq!(sentence("one two three", Some(4)), "one\ntwo\nthree\n");
        assert_eq!(sentence("", Some(4)), "\n");
    }
}
