//! `simulate`, and the comparison that `plan --compare` adds.

use jiff::tz::TimeZone;

use super::history::costs_from;
use super::{keep_whole, sentence, table, text as table_text};
use crate::display::words::{count, time};
use crate::documents_simulate::{CompareHostsRow, CompareReport, SimulateReport, SimulateRow};
use crate::printable::printable;

/// One row a policy.
pub(crate) fn text(report: &SimulateReport, width: Option<u16>) -> String {
    let seeds = report.results.first().map_or(1, |row| row.seeds);
    let mut text = format!(
        "{} on {} of {}{}\n\n",
        count(u64::from(report.tasks), "task", "tasks"),
        count(u64::from(report.slots), "slot", "slots"),
        count(u64::from(report.hosts), "host", "hosts"),
        if seeds > 1 {
            format!(", means of {seeds} worlds")
        } else {
            String::new()
        },
    );
    text.push_str(&policies(&report.results, width));
    if let Some(history) = &report.history {
        let told = costs_from(&history.costs, &TimeZone::system());
        text.push('\n');
        text.push_str(&sentence(&told, width));
    }
    for warning in &report.warnings {
        let told = format!("warning: {}", printable(warning));
        text.push_str(&sentence(&told, width));
    }
    text
}

/// Both tables of a comparison.
pub(crate) fn comparison(report: &CompareReport, width: Option<u16>) -> String {
    format!(
        "\nthe same job under each policy\n\n{}\nand on fewer and more hosts, shared out by cost\n\n{}",
        policies(&report.policies, width),
        hosts(&report.hosts, width)
    )
}

/// A column of the policies' table. Its cells are never broken; its header is, between words.
struct Column {
    header: &'static str,
    cells: Vec<String>,
}

/// What a narrow terminal is not shown, the first of these first; the document has all of it.
const LEFT_OUT: [&str; 4] = ["bound", "busy slots", "worst", "segments"];

fn policies(rows: &[SimulateRow], width: Option<u16>) -> String {
    let several = rows.iter().any(|row| row.seeds > 1);
    let priced = rows.iter().any(|row| row.cost.is_some());
    let failed = rows.iter().any(|row| row.failed > 0.0);
    let mut columns: Vec<Column> = Vec::new();
    let mut column = |header, is_shown: bool, cell: &dyn Fn(&SimulateRow) -> String| {
        let cells = rows.iter().map(cell).collect();
        columns.extend(is_shown.then_some(Column { header, cells }));
    };
    column("policy", true, &|row| row.policy.clone());
    column("time", true, &|row| time(row.makespan_s));
    column("bound", true, &|row| time(row.lower_bound_s));
    column("ratio", true, &|row| format!("{:.3}", row.ratio));
    column("worst", several, &|row| format!("{:.3}", row.ratio_max));
    column("segments", true, &|row| whole(row.segments));
    column("loads", true, &|row| whole(row.loads));
    column("loading", true, &|row| {
        percent(row.load_s / 3600.0, row.busy_hours)
    });
    column("busy slots", true, &|row| {
        format!("{:.1}", row.slots_busy_mean)
    });
    column("busy hours", true, &|row| format!("{:.1}", row.busy_hours));
    column("cost", priced, &|row| money(row.cost));
    column("failed", failed, &|row| whole(row.failed));
    for left_out in LEFT_OUT {
        let needed: usize = columns.iter().map(|column| column.width() + 2).sum();
        if width.is_none_or(|width| needed <= usize::from(width) + 2) {
            break;
        }
        columns.retain(|column| column.header != left_out);
    }
    let headers: Vec<&str> = columns.iter().map(|column| column.header).collect();
    let mut table = table(&headers, width);
    for row in 0..rows.len() {
        table.add_row(columns.iter().map(|column| column.cells[row].as_str()));
    }
    for (index, column) in columns.iter().enumerate().filter(|_| width.is_some()) {
        keep_whole(&mut table, index, column.width());
    }
    let right: Vec<usize> = (1..columns.len()).collect();
    table_text(table, &right)
}

impl Column {
    /// The least that it needs.
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(String::as_str);
        let words = self.header.split(' ').chain(cells);
        words.map(|word| word.chars().count()).max().unwrap_or(0)
    }
}

fn hosts(rows: &[CompareHostsRow], width: Option<u16>) -> String {
    let priced = rows.iter().any(|row| row.row.cost.is_some());
    let mut header = vec!["slots", "hosts", "time", "ratio", "loading", "busy hours"];
    if priced {
        header.push("cost");
    }
    let mut table = table(&header, width);
    for CompareHostsRow {
        slots, hosts, row, ..
    } in rows
    {
        let mut cells = vec![
            slots.to_string(),
            hosts.to_string(),
            time(row.makespan_s),
            format!("{:.3}", row.ratio),
            percent(row.load_s / 3600.0, row.busy_hours),
            format!("{:.1}", row.busy_hours),
        ];
        if priced {
            cells.push(money(row.cost));
        }
        table.add_row(cells);
    }
    let right: Vec<usize> = (0..header.len()).collect();
    table_text(table, &right)
}

/// A mean of whole numbers.
fn whole(mean: f64) -> String {
    if mean.fract() == 0.0 {
        format!("{mean:.0}")
    } else {
        format!("{mean:.1}")
    }
}

fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.0}%", part / whole * 100.0)
    } else {
        "0%".to_owned()
    }
}

/// In whatever money the farm's file counts.
fn money(cost: Option<f64>) -> String {
    cost.map_or_else(|| "unknown".to_owned(), |cost| format!("{cost:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(policy: &str) -> SimulateRow {
        SimulateRow {
            policy: policy.into(),
            makespan_s: 464.0,
            lower_bound_s: 376.0,
            ratio: 1.234,
            loads: 12.0,
            load_s: 720.0,
            render_s: 3000.0,
            segments: 34.4,
            slots_busy_mean: 9.0,
            slots_used: 12.0,
            load_hours: 0.2,
            busy_hours: 1.2,
            busy_share: 0.75,
            cost: Some(0.43),
            ratio_max: 1.428,
            seeds: 20,
            failed: 0.0,
        }
    }

    #[test]
    fn a_narrow_terminal_is_shown_less_and_nothing_broken() {
        let rows = [row("auto"), row("royal-render:2..10")];
        insta::assert_snapshot!(policies(&rows, None), @r"
        POLICY               TIME  BOUND  RATIO  WORST  SEGMENTS  LOADS  LOADING  BUSY SLOTS  BUSY HOURS  COST
        auto                7m44s  6m16s  1.234  1.428      34.4     12      17%         9.0         1.2  0.43
        royal-render:2..10  7m44s  6m16s  1.234  1.428      34.4     12      17%         9.0         1.2  0.43
        ");
        insta::assert_snapshot!(policies(&rows, Some(80)), @r"
        POLICY               TIME  RATIO  WORST  SEGMENTS  LOADS  LOADING     BUSY  COST
                                                                             HOURS
        auto                7m44s  1.234  1.428      34.4     12      17%      1.2  0.43
        royal-render:2..10  7m44s  1.234  1.428      34.4     12      17%      1.2  0.43
        ");
        insta::assert_snapshot!(policies(&rows, Some(60)), @r"
        POLICY               TIME  RATIO  LOADS  LOADING   BUSY  COST
                                                          HOURS
        auto                7m44s  1.234     12      17%    1.2  0.43
        royal-render:2..10  7m44s  1.234     12      17%    1.2  0.43
        ");
    }
}
