//! What a render came to: the JSON document, and the same for people.

use std::collections::BTreeMap;
use std::path::Path;

use framewright_core::event::{JobEnd, ReelKind};
use framewright_core::store::Status;

use super::predicted;
use super::tally::Tally;
use super::words::{count, time};
use crate::documents::{HostReport, RenderReport, TaskCounts};
use crate::engine::Outcome;
use crate::printable::{for_shell, printable};

/// Failed tasks listed for people; all are in the document and in `status`.
const FAILURES_SHOWN_MAX: usize = 20;

/// The document, from the events and what they do not say.
pub(crate) fn report(tally: &Tally, outcome: &Outcome) -> RenderReport {
    let lower_bound_s = tally.end.and_then(|end| end.lower_bound_s);
    let makespan_s = tally.end.map_or(0.0, |end| end.makespan_s);
    let mut outputs = outcome.outputs.clone();
    outputs.sort();
    let reels = |wanted: ReelKind| {
        let of_kind = outcome.reels.iter().filter(|(kind, _)| *kind == wanted);
        of_kind.map(|(_, path)| path.clone()).collect()
    };
    RenderReport {
        job: outcome.job.clone(),
        state: match outcome.state {
            JobEnd::Done => Status::Done,
            JobEnd::Failed => Status::Failed,
            JobEnd::Interrupted => Status::Interrupted,
            JobEnd::Cancelled => Status::Cancelled,
        },
        tasks: TaskCounts {
            total: tally.total,
            done: tally.committed(),
            failed: u32::try_from(tally.failures.len()).unwrap_or(u32::MAX),
            skipped: tally.skipped,
        },
        segments: tally.segments,
        loads: tally.loads,
        makespan_s,
        lower_bound_s,
        ratio: lower_bound_s
            .filter(|bound| *bound > 0.0)
            .map(|bound| makespan_s / bound),
        predicted_makespan_s: tally.predicted_makespan_s,
        load_s: tally.load_s,
        render_s: tally.render_s,
        outputs,
        assembled: tally.assembly.counts,
        films: reels(ReelKind::Film),
        contact_sheets: reels(ReelKind::ContactSheet),
        hosts: tally
            .hosts
            .iter()
            .map(|(name, host)| HostReport {
                name: name.clone(),
                tasks: host.tasks,
                busy_s: host.busy_s,
                load_s: host.load_s,
                speed: outcome.speeds.get(name).copied().unwrap_or(1.0),
                speed_declared: outcome.speeds_declared.get(name).copied().unwrap_or(1.0),
                predicted_s: host.predicted_s.map(|tasks| tasks + host.predicted_load_s),
                predicted_load_s: host.predicted_s.map(|_| host.predicted_load_s),
            })
            .collect(),
        failures: [&tally.failures[..], &tally.assembly.failures].concat(),
    }
}

/// The same for people, a few lines.
pub(crate) fn text(report: &RenderReport, retries: u64) -> String {
    let mut lines = vec![headline(report)];
    lines.extend(where_files_are(&report.outputs));
    let films = report.films.iter().map(|path| ("film", path));
    let sheets = report
        .contact_sheets
        .iter()
        .map(|path| ("contact sheet", path));
    let reels = films.chain(sheets);
    lines.extend(reels.map(|(what, path)| format!("{what}: {}", printable(path))));
    lines.extend(schedule(report, retries));
    lines.extend(predicted::lines(report));
    if !report.failures.is_empty() {
        lines.push("failed:".to_owned());
        for failure in report.failures.iter().take(FAILURES_SHOWN_MAX) {
            let tries = count(u64::from(failure.attempts), "attempt", "attempts");
            lines.push(format!(
                "  {}  {tries}  {}",
                printable(&failure.task),
                printable(&failure.why)
            ));
        }
        if let Some(more) = report
            .failures
            .len()
            .checked_sub(FAILURES_SHOWN_MAX)
            .filter(|more| *more > 0)
        {
            lines.push(format!(
                "  and {more} more: framewright status {}",
                for_shell(&report.job)
            ));
        }
    }
    match report.state {
        Status::Interrupted => {
            lines.push(format!(
                "go on with: framewright render --resume {}",
                for_shell(&report.job)
            ));
        }
        Status::Failed => {
            lines.push(format!(
                "see the logs:   framewright logs {}",
                for_shell(&report.job)
            ));
            lines.push(format!(
                "try them again: framewright render --resume {}",
                for_shell(&report.job)
            ));
        }
        Status::Running | Status::Paused | Status::Done | Status::Cancelled => {}
    }
    lines.push(String::new());
    lines.join("\n")
}

fn headline(report: &RenderReport) -> String {
    let tasks = report.tasks;
    let pictures = report.assembled;
    let all = match pictures.total {
        0 => count(u64::from(tasks.total), "frame", "frames"),
        _ => count(u64::from(tasks.total), "task", "tasks"),
    };
    let mut parts = vec![match report.state {
        Status::Done => format!("done: {all} in {}", time(report.makespan_s)),
        state => format!(
            "{}: {} of {all} in {}",
            state.as_str(),
            tasks.done,
            time(report.makespan_s)
        ),
    }];
    if tasks.skipped > 0 {
        parts.push(format!("{} of them were there already", tasks.skipped));
    }
    if tasks.failed > 0 {
        parts.push(format!("{} failed", tasks.failed));
    }
    if pictures.total > 0 {
        let of = count(u64::from(pictures.total), "frame", "frames");
        parts.push(match pictures.done == pictures.total {
            true => format!("{of} assembled"),
            false => format!("{} of {of} assembled", pictures.done),
        });
    }
    parts.join(", ")
}

/// One line a folder: the files in it, first to last.
fn where_files_are(outputs: &[String]) -> Vec<String> {
    let mut folders: BTreeMap<&Path, Vec<&str>> = BTreeMap::new();
    for output in outputs {
        let path = Path::new(output);
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or(output);
        folders
            .entry(path.parent().unwrap_or(Path::new("/")))
            .or_default()
            .push(name);
    }
    let lines = folders.iter().map(|(folder, names)| {
        let folder = printable(&folder.to_string_lossy()).into_owned();
        match names.as_slice() {
            [] => folder,
            [only] => format!("frames: {folder}/{}", printable(only)),
            [first, .., last] => format!(
                "frames: {folder}/{} to {}",
                printable(first),
                printable(last)
            ),
        }
    });
    lines.collect()
}

/// Shortest bound that people are told.
const BOUND_SHOWN_S: f64 = 0.5;

fn schedule(report: &RenderReport, retries: u64) -> Vec<String> {
    if report.segments == 0 {
        return Vec::new();
    }
    let mut parts = vec![
        count(report.loads, "load", "loads"),
        count(report.segments, "segment", "segments"),
    ];
    if retries > 0 {
        parts.push(count(retries, "failed attempt", "failed attempts"));
    }
    let mut line = parts.join(", ");
    // Against a bound of a few milliseconds everything is starting up, and the ratio says nothing.
    if let (Some(bound), Some(ratio)) = (report.lower_bound_s, report.ratio)
        && bound >= BOUND_SHOWN_S
    {
        line.push_str(&format!(
            "; no schedule takes less than {}: this one took {ratio:.2} times that",
            time(bound)
        ));
    }
    vec![line]
}

#[cfg(test)]
mod tests {
    use super::super::script::*;
    use super::*;
    use crate::documents::{AssembledCounts, Failure};
    use framewright_core::event::Stamped;

    fn outcome(state: JobEnd) -> Outcome {
        let done = if state == JobEnd::Done { 3 } else { 2 };
        Outcome {
            job: "0198c0de".into(),
            state,
            outputs: (1..=done)
                .map(|frame| format!("/out/shot/shot.{frame:04}.png"))
                .collect(),
            speeds: BTreeMap::new(),
            speeds_declared: BTreeMap::new(),
            reels: Vec::new(),
            disk_full: false,
            adapter_faults: Vec::new(),
        }
    }

    fn tally(events: &[Stamped]) -> Tally {
        let mut tally = Tally::default();
        events.iter().for_each(|event| tally.apply(event));
        tally
    }

    fn job(end: JobEnd) -> Tally {
        let mut events = vec![
            at(0, started(3)),
            at(0, up("n1", 1)),
            at(0, sent(1, "n1", 0, &["a:1", "a:2", "a:3"])),
            at(2, loaded(1, "n1", 0, 2.0)),
            at(5, done(1, "a:1", "n1", 0, 3.0)),
            at(8, done(1, "a:2", "n1", 0, 3.0)),
        ];
        if end == JobEnd::Failed {
            events.extend([
                at(9, failed(1, "a:3", 1, "n1", 0)),
                at(10, failed(2, "a:3", 2, "n1", 0)),
                at(10, given_up("a:3")),
            ]);
        } else if end == JobEnd::Done {
            events.push(at(11, done(1, "a:3", "n1", 0, 3.0)));
        }
        events.push(at(11, ended(1, "n1", 0)));
        events.push(at(11, job_ended(end, 11.0, Some(10.0))));
        tally(&events)
    }

    #[test]
    fn a_job_that_is_done_says_where_its_frames_are() {
        let report = report(&job(JobEnd::Done), &outcome(JobEnd::Done));
        insta::assert_snapshot!(text(&report, 0), @r#"
        done: 3 frames in 11s
        frames: /out/shot/shot.0001.png to shot.0003.png
        1 load, 1 segment; no schedule takes less than 10s: this one took 1.10 times that
        "#);
    }

    #[test]
    fn a_job_that_failed_lists_what_failed() {
        let tally = job(JobEnd::Failed);
        let report = report(&tally, &outcome(JobEnd::Failed));
        insta::assert_snapshot!(text(&report, tally.attempts_failed), @r#"
        failed: 2 of 3 frames in 11s, 1 failed
        frames: /out/shot/shot.0001.png to shot.0002.png
        1 load, 1 segment, 2 failed attempts; no schedule takes less than 10s: this one took 1.10 times that
        failed:
          a:3  2 attempts  no picture
        see the logs:   framewright logs 0198c0de
        try them again: framewright render --resume 0198c0de
        "#);
    }

    #[test]
    fn a_job_of_tiles_says_what_was_assembled_and_what_was_not() {
        let mut outcome = outcome(JobEnd::Failed);
        outcome.reels = vec![(ReelKind::ContactSheet, "/out/shot.png".into())];
        let mut report = report(&job(JobEnd::Done), &outcome);
        report.assembled = AssembledCounts {
            total: 3,
            done: 2,
            failed: 1,
        };
        report.failures = vec![Failure {
            task: "all:3".into(),
            attempts: 2,
            why: "tile all:3:0,0 is broken: it ends within a block".into(),
        }];
        insta::assert_snapshot!(text(&report, 0), @r#"
        failed: 3 of 3 tasks in 11s, 2 of 3 frames assembled
        frames: /out/shot/shot.0001.png to shot.0002.png
        contact sheet: /out/shot.png
        1 load, 1 segment; no schedule takes less than 10s: this one took 1.10 times that
        failed:
          all:3  2 attempts  tile all:3:0,0 is broken: it ends within a block
        see the logs:   framewright logs 0198c0de
        try them again: framewright render --resume 0198c0de
        "#);
    }

    #[test]
    fn an_interrupted_job_says_how_to_go_on() {
        let report = report(&job(JobEnd::Interrupted), &outcome(JobEnd::Interrupted));
        assert!(text(&report, 0).ends_with("go on with: framewright render --resume 0198c0de\n"));
    }

    #[test]
    fn the_document_has_every_key_that_is_promised() {
        let report = report(&job(JobEnd::Done), &outcome(JobEnd::Done));
        let json = serde_json::to_string(&crate::documents::Document::new(report)).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"format":1,"job":"0198c0de","state":"done","tasks":{"total":3,"done":3,"failed":0,"skipped":0},"#,
                r#""segments":1,"loads":1,"makespan_s":11.0,"lower_bound_s":10.0,"ratio":1.1,"predicted_makespan_s":null,"load_s":2.0,"render_s":9.0,"#,
                r#""outputs":["/out/shot/shot.0001.png","/out/shot/shot.0002.png","/out/shot/shot.0003.png"],"#,
                r#""hosts":[{"name":"n1","tasks":3,"busy_s":11.0,"load_s":2.0,"speed":1.0,"speed_declared":1.0,"predicted_s":null,"predicted_load_s":null}],"failures":[],"#,
                r#""assembled":{"total":0,"done":0,"failed":0},"films":[],"contact_sheets":[]}"#
            )
        );
    }
}
