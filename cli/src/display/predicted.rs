//! Predicted against actual: what each host was expected to take for what it did, and what it took.
//!
//! A prediction is made when a task is begun and when a segment is sent, by what is known then; so
//! it shows how far the schedule could trust its numbers, not how good the scene's first guesses
//! were. The time beyond it went into failed attempts, into pictures that others had sooner, and
//! into waiting for the next segment.

use framewright_core::store::Status;

use super::words::{count, time};
use crate::documents::{HostReport, RenderReport};
use crate::printable::for_shell;
use crate::tables::{cell, known_time, table, text as table_text};

/// Hosts shown to people; all are in the document and in `status`.
const HOSTS_SHOWN_MAX: usize = 20;
/// A host that was busy for less than this shows only what starting up takes.
const BUSY_SHOWN_S: f64 = 0.5;

/// A table of the hosts, and the plan's word on the whole; nothing where nothing was predicted.
pub(crate) fn lines(report: &RenderReport) -> Vec<String> {
    let compared: Vec<&HostReport> = report
        .hosts
        .iter()
        .filter(|host| host.predicted_s.is_some())
        .collect();
    if !compared.iter().any(|host| host.busy_s >= BUSY_SHOWN_S) {
        return Vec::new();
    }
    let mut lines: Vec<String> = plan(report).into_iter().collect();
    let mut rows = table(
        &[
            "host",
            "tasks",
            "predicted",
            "actual",
            "ratio",
            "loads predicted",
            "loads",
            "speed",
        ],
        None,
    );
    for host in compared.iter().take(HOSTS_SHOWN_MAX) {
        rows.add_row([
            cell(&host.name),
            host.tasks.to_string(),
            known_time(host.predicted_s),
            time(host.busy_s),
            ratio(host.busy_s, host.predicted_s),
            known_time(host.predicted_load_s),
            time(host.load_s),
            format!("{:.2} -> {:.2}", host.speed_declared, host.speed),
        ]);
    }
    let table = table_text(rows, &[1, 2, 3, 4, 5, 6]);
    lines.extend(table.lines().map(str::to_owned));
    let more = compared.len().saturating_sub(HOSTS_SHOWN_MAX);
    if more > 0 {
        lines.push(format!(
            "and {}: framewright status {}",
            count(more as u64, "host more", "hosts more"),
            for_shell(&report.job)
        ));
    }
    lines
}

fn plan(report: &RenderReport) -> Option<String> {
    // What was left undone was planned too.
    let predicted = report
        .predicted_makespan_s
        .filter(|_| report.state == Status::Done)?;
    Some(format!(
        "planned before the start: {}; it took {}, {} times that",
        time(predicted),
        time(report.makespan_s),
        ratio(report.makespan_s, Some(predicted))
    ))
}

fn ratio(actual: f64, predicted: Option<f64>) -> String {
    match predicted {
        Some(predicted) if predicted > 0.0 => format!("{:.2}", actual / predicted),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::TaskCounts;

    fn host(name: &str, busy_s: f64, predicted_s: Option<f64>) -> HostReport {
        HostReport {
            name: name.into(),
            tasks: 12,
            busy_s,
            load_s: 2.5,
            speed: 0.5,
            speed_declared: 1.0,
            predicted_s,
            predicted_load_s: predicted_s.map(|_| 2.0),
        }
    }

    fn report(hosts: Vec<HostReport>) -> RenderReport {
        RenderReport {
            job: "shot 1".into(),
            state: Status::Done,
            tasks: TaskCounts::default(),
            segments: 1,
            loads: 1,
            makespan_s: 33.0,
            lower_bound_s: None,
            ratio: None,
            predicted_makespan_s: Some(30.0),
            load_s: 2.5,
            render_s: 20.0,
            outputs: Vec::new(),
            hosts,
            failures: Vec::new(),
            assembled: Default::default(),
            films: Vec::new(),
            contact_sheets: Vec::new(),
        }
    }

    #[test]
    fn what_was_expected_stands_beside_what_was() {
        let report = report(vec![
            host("n1", 24.0, Some(20.0)),
            host("n2", 3.0, None),
            host("n3", 0.2, Some(0.0)),
        ]);
        insta::assert_snapshot!(lines(&report).join("\n"), @r"
        planned before the start: 30s; it took 33s, 1.10 times that
        HOST  TASKS  PREDICTED  ACTUAL  RATIO  LOADS PREDICTED  LOADS  SPEED
        n1       12        20s     24s   1.20             2.0s   2.5s  1.00 -> 0.50
        n3       12       0.0s    0.2s      -             2.0s   2.5s  1.00 -> 0.50
        ");
    }

    #[test]
    fn a_job_of_a_moment_says_nothing_of_it() {
        assert!(lines(&report(vec![host("n1", 0.3, Some(0.2))])).is_empty());
        assert!(lines(&report(vec![host("n1", 9.0, None)])).is_empty());
    }

    #[test]
    fn a_large_farm_is_cut_short() {
        let hosts = (0..25).map(|n| host(&format!("n{n}"), 1.0, Some(1.0)));
        let lines = lines(&report(hosts.collect()));
        assert_eq!(lines.len(), 1 + 1 + HOSTS_SHOWN_MAX + 1);
        assert_eq!(
            lines.last().unwrap(),
            "and 5 hosts more: framewright status 'shot 1'"
        );
    }
}
