//! `simulate`, and the comparison that `plan --compare` adds.

use super::{table, text as table_text};
use crate::display::words::{count, time};
use crate::documents_simulate::{CompareHostsRow, CompareReport, SimulateReport, SimulateRow};

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

fn policies(rows: &[SimulateRow], width: Option<u16>) -> String {
    let several = rows.iter().any(|row| row.seeds > 1);
    let priced = rows.iter().any(|row| row.cost.is_some());
    let failed = rows.iter().any(|row| row.failed > 0.0);
    let mut header = vec!["policy", "time", "bound", "ratio"];
    if several {
        header.push("worst");
    }
    header.extend(["segments", "loads", "loading", "busy slots", "busy hours"]);
    if priced {
        header.push("cost");
    }
    if failed {
        header.push("failed");
    }
    let mut table = table(&header, width);
    for row in rows {
        let mut cells = vec![
            row.policy.clone(),
            time(row.makespan_s),
            time(row.lower_bound_s),
            format!("{:.3}", row.ratio),
        ];
        if several {
            cells.push(format!("{:.3}", row.ratio_max));
        }
        cells.extend([
            whole(row.segments),
            whole(row.loads),
            percent(row.load_s / 3600.0, row.busy_hours),
            format!("{:.1}", row.slots_busy_mean),
            format!("{:.1}", row.busy_hours),
        ]);
        if priced {
            cells.push(money(row.cost));
        }
        if failed {
            cells.push(whole(row.failed));
        }
        table.add_row(cells);
    }
    let right: Vec<usize> = (1..header.len()).collect();
    table_text(table, &right)
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
