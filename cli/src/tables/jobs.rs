//! Jobs, for people: the list, and one of them.

use framewright_core::store::Status;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{cell, known_time, table, text as table_text};
use crate::display::words::{count, time};
use crate::documents::{AssembledCounts, JobsReport, StatusHost, StatusReport, TaskCounts};
use crate::printable::{for_shell, printable};

/// The list, times in this zone.
pub(crate) fn list(report: &JobsReport, width: Option<u16>, zone: &TimeZone) -> String {
    if report.jobs.is_empty() {
        return "there are no jobs\n".to_owned();
    }
    let mut rows = table(
        &["job", "state", "done", "failed", "started", "scene"],
        width,
    );
    for job in &report.jobs {
        rows.add_row([
            cell(&job.job),
            job.state.as_str().to_owned(),
            done(job.tasks),
            job.tasks.failed.to_string(),
            started(job.started, zone),
            cell(&job.scene),
        ]);
    }
    table_text(rows, &[2, 3])
}

/// One job.
pub(crate) fn one(report: &StatusReport, width: Option<u16>, zone: &TimeZone) -> String {
    let job = &report.job;
    let mut text = format!(
        "{:<9}{}, started {}\n",
        "job",
        printable(&job.job),
        started(job.started, zone)
    );
    text.push_str(&format!("{:<9}{}\n", "scene", printable(&job.scene)));
    let mut state = format!("{}, {} tasks done", job.state.as_str(), done(job.tasks));
    if job.tasks.failed > 0 {
        state.push_str(&format!(", {} failed", job.tasks.failed));
    }
    if job.assembled.total > 0 {
        let AssembledCounts { total, done, .. } = job.assembled;
        state.push_str(&format!(", {done}/{total} frames assembled"));
    }
    if let Some(eta_s) = report.eta_s {
        state.push_str(&format!(", {} left", time(eta_s)));
    }
    text.push_str(&format!("{:<9}{state}\n", "state"));
    if !report.hosts.is_empty() {
        let has_states = report.hosts.iter().any(|host| host.state.is_some());
        let mut header = vec!["host", "tasks", "busy", "predicted", "loading", "speed"];
        header.extend(has_states.then_some("state"));
        let mut rows = table(&header, width);
        for StatusHost {
            host, state, why, ..
        } in &report.hosts
        {
            let mut row = vec![
                cell(&host.name),
                host.tasks.to_string(),
                time(host.busy_s),
                known_time(host.predicted_s),
                time(host.load_s),
                format!("{:.2}", host.speed),
            ];
            if has_states {
                let why = why.as_ref().map(|why| format!(": {}", cell(why)));
                row.push(format!(
                    "{}{}",
                    state.unwrap_or(""),
                    why.unwrap_or_default()
                ));
            }
            rows.add_row(row);
        }
        text.push('\n');
        text.push_str(&table_text(rows, &[1, 2, 3, 4, 5]));
    }
    if !report.failures.is_empty() {
        let mut rows = table(&["failed", "attempts", "why"], width);
        for failure in &report.failures {
            rows.add_row([
                cell(&failure.task),
                failure.attempts.to_string(),
                cell(&failure.why),
            ]);
        }
        text.push('\n');
        text.push_str(&table_text(rows, &[1]));
    }
    if matches!(job.state, Status::Interrupted | Status::Paused) {
        let left = job.tasks.total.saturating_sub(job.tasks.done);
        let left = count(u64::from(left), "task is left", "tasks are left");
        text.push_str(&format!(
            "\n{left}; go on with: framewright render --resume {}\n",
            for_shell(&job.job)
        ));
    }
    text
}

fn done(tasks: TaskCounts) -> String {
    format!("{}/{}", tasks.done, tasks.total)
}

fn started(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{Failure, HostReport, JobReport};

    fn job(state: Status) -> JobReport {
        JobReport {
            job: "0198c0de".into(),
            state,
            scene: "/shots/a b.blend".into(),
            tasks: TaskCounts {
                total: 300,
                done: 120,
                failed: 1,
                skipped: 0,
            },
            started: Timestamp::UNIX_EPOCH,
            assembled: Default::default(),
        }
    }

    #[test]
    fn a_list_is_one_line_a_job_when_piped() {
        let mut second = job(Status::Done);
        second.scene = format!("/shots/{}\n.blend", "x".repeat(200));
        let text = list(
            &JobsReport {
                jobs: vec![job(Status::Running), second],
            },
            None,
            &TimeZone::UTC,
        );
        assert_eq!(text.lines().count(), 3, "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "JOB       STATE       DONE  FAILED  STARTED           SCENE"
        );
        assert_eq!(
            lines[1],
            "0198c0de  running  120/300       1  1970-01-01 00:00  /shots/a b.blend"
        );
    }

    #[test]
    fn a_list_keeps_to_a_narrow_terminal() {
        let mut long = job(Status::Done);
        long.scene = format!("/shots/{}.blend", "x".repeat(200));
        let text = list(&JobsReport { jobs: vec![long] }, Some(60), &TimeZone::UTC);
        assert!(
            text.lines().all(|line| line.chars().count() <= 60),
            "{text}"
        );
    }

    fn host(state: Option<&'static str>, why: Option<&str>) -> StatusHost {
        StatusHost {
            host: HostReport {
                name: "n1".into(),
                tasks: 120,
                busy_s: 252.0,
                load_s: 8.0,
                speed: 1.0,
                speed_declared: 1.0,
                predicted_s: Some(70.0),
                predicted_load_s: Some(2.0),
            },
            state,
            why: why.map(str::to_owned),
            staged_bytes: 0,
            staged_s: 0.0,
        }
    }

    #[test]
    fn hosts_of_a_job_that_runs_show_how_they_stand() {
        let report = StatusReport {
            job: job(Status::Running),
            hosts: vec![
                host(Some("up"), None),
                host(Some("closed"), Some("its disk is full")),
            ],
            failures: vec![],
            eta_s: None,
        };
        let text = one(&report, None, &TimeZone::UTC);
        let lines: Vec<&str> = text.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "HOST  TASKS   BUSY  PREDICTED  LOADING  SPEED  STATE",
                "n1      120  4m12s      1m10s     8.0s   1.00  up",
                "n1      120  4m12s      1m10s     8.0s   1.00  closed: its disk is full",
            ]
        );
    }

    #[test]
    fn one_job_shows_hosts_failures_and_how_to_go_on() {
        let report = StatusReport {
            job: job(Status::Interrupted),
            hosts: vec![host(None, None)],
            failures: vec![Failure {
                task: "a:17".into(),
                attempts: 3,
                why: "no picture".into(),
            }],
            eta_s: None,
        };
        let text = one(&report, None, &TimeZone::UTC);
        assert_eq!(
            text,
            "job      0198c0de, started 1970-01-01 00:00\n\
             scene    /shots/a b.blend\n\
             state    interrupted, 120/300 tasks done, 1 failed\n\
             \n\
             HOST  TASKS   BUSY  PREDICTED  LOADING  SPEED\n\
             n1      120  4m12s      1m10s     8.0s   1.00\n\
             \n\
             FAILED  ATTEMPTS  WHY\n\
             a:17           3  no picture\n\
             \n\
             180 tasks are left; go on with: framewright render --resume 0198c0de\n"
        );
    }

    #[test]
    fn the_documents_have_the_keys_that_are_promised() {
        let report = StatusReport {
            job: job(Status::Running),
            hosts: vec![],
            failures: vec![],
            eta_s: Some(2.5),
        };
        let json = serde_json::to_string(&crate::documents::Document::new(report)).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"format":1,"job":"0198c0de","state":"running","scene":"/shots/a b.blend","#,
                r#""tasks":{"total":300,"done":120,"failed":1,"skipped":0},"started":"1970-01-01T00:00:00Z","assembled":{"total":0,"done":0,"failed":0},"#,
                r#""hosts":[],"failures":[],"eta_s":2.5}"#
            )
        );
    }
}
