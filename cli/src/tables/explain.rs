//! Why a task is where it is, for people: a few sentences, then the hosts, then what was.

use framewright_core::event::SentWhy;
use framewright_core::explain::{
    CostBasis, CostReport, Explained, Hold, HostReason, LeaseReport, Reached, Standing, TaskReport,
    Try, TryEnd,
};
use framewright_core::store::Status;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{cell, sentence, table, text as table_text};
use crate::display::words::{count, time};
use crate::printable::{for_shell, printable};

/// All of it, times in this zone.
pub(crate) fn text(told: &Explained, width: Option<u16>, zone: &TimeZone) -> String {
    let mut text = String::new();
    for task in &told.tasks {
        if !text.is_empty() {
            text.push('\n');
        }
        for said in sentences(task, told) {
            text.push_str(&sentence(&said, width));
        }
        if !task.hosts.is_empty() {
            text.push('\n');
            text.push_str(&hosts(task, width));
        }
        if !task.tries.is_empty() {
            text.push('\n');
            text.push_str(&tries(&task.tries, width, zone));
        }
    }
    if let Some(note) = of_the_job(told) {
        text.push('\n');
        text.push_str(&sentence(&note, width));
    }
    text
}

fn sentences(task: &TaskReport, told: &Explained) -> Vec<String> {
    let name = printable(&task.task);
    let mut said = match &task.standing {
        Standing::Blocked {
            needs,
            needs_count,
            layers,
        } => vec![format!(
            "{name} waits for {}.",
            needed(needs, *needs_count, layers)
        )],
        Standing::Waiting {
            hold,
            waiting,
            all_done_in_s,
        } => {
            let mut said = waits(&name, *hold, *waiting);
            said.extend(
                all_done_in_s
                    .map(|in_s| format!("Everything is expected to be done in {}.", time(in_s))),
            );
            said
        }
        Standing::Given { lease } => given(&name, lease),
        Standing::Rendering { lease } => rendering(&name, lease),
        Standing::Committing { segment } => vec![format!(
            "{name} is rendered; its picture, of segment {segment}, is being put in its place."
        )],
        Standing::Done => vec![done(&name, &task.tries)],
        Standing::GivenUp { why } => vec![format!("{name} is given up: {}.", printable(why))],
        Standing::Left => vec![format!("{name} is not done, and {}.", not_running(told))],
    };
    said.extend(task.beside.iter().flat_map(beside));
    if task.failures > 0 && !matches!(task.standing, Standing::Done) {
        let failed = count(
            u64::from(task.failures),
            "attempt at it failed",
            "attempts at it failed",
        );
        said.push(format!("{failed} so far."));
    }
    if let Some(cost) = task.cost.filter(|_| is_ahead(&task.standing)) {
        said.push(costs(&cost));
    }
    said
}

/// Whether it is still to be rendered.
fn is_ahead(standing: &Standing) -> bool {
    match standing {
        Standing::Blocked { .. }
        | Standing::Waiting { .. }
        | Standing::Given { .. }
        | Standing::Rendering { .. } => true,
        Standing::Committing { .. }
        | Standing::Done
        | Standing::GivenUp { .. }
        | Standing::Left => false,
    }
}

fn needed(
    needs: &[String],
    needs_count: u32,
    layers: &[framewright_core::explain::LayerLeft],
) -> String {
    let mut parts: Vec<String> = needs.iter().map(|need| cell(need)).collect();
    let more = needs_count.saturating_sub(needs.len() as u32);
    if more > 0 {
        parts.push(count(u64::from(more), "task more", "tasks more"));
    }
    for layer in layers {
        let left = count(u64::from(layer.left), "task is left", "tasks are left");
        parts.push(format!("all of {}, of which {left}", cell(&layer.layer)));
    }
    parts.join(", ")
}

fn waits(name: &str, hold: Option<Hold>, waiting: u32) -> Vec<String> {
    let others = count(
        u64::from(waiting.saturating_sub(1)),
        "other task of its layer",
        "other tasks of its layer",
    );
    let mut said = vec![format!("{name} waits for a slot, as do {others}.")];
    said.extend(hold.map(held));
    said
}

fn held(hold: Hold) -> String {
    match hold {
        Hold::Stopping => "The job is being stopped: what runs is finished, nothing is begun.".to_owned(),
        Hold::Cancelling => "The job is being stopped at once.".to_owned(),
        Hold::FailFast => {
            "A task was given up and the job runs with --fail-fast: what runs is finished, nothing is begun."
                .to_owned()
        }
        Hold::DiskFull => "The output disk is full: nothing is begun.".to_owned(),
        Hold::Over => "The job is over.".to_owned(),
        Hold::Licence { for_s } => {
            format!("There was no licence: nothing is sent for another {}.", time(for_s))
        }
        Hold::Interval { for_s } => format!(
            "A segment was sent a moment ago: the dispatch interval lasts another {}.",
            time(for_s)
        ),
        Hold::Loads { loading } => format!(
            "{} being loaded, and no more may be at once (loads_max).",
            count(u64::from(loading), "scene is", "scenes are")
        ),
        Hold::Undivided { blocked } => format!(
            "Its layer goes to one slot as a whole, and {} of it for others.",
            count(u64::from(blocked), "task waits", "tasks wait")
        ),
        Hold::UndividedRuns => {
            "Its layer goes to one slot as a whole, and what was sent of it is not over.".to_owned()
        }
        Hold::Closed => "All slots that may take it take nothing at present.".to_owned(),
        Hold::Silent => {
            "The connection to every host that may take it is lost for now, or its slots take nothing at present."
                .to_owned()
        }
    }
}

fn slot(lease: &LeaseReport) -> String {
    format!("{}/{}", cell(&lease.host), lease.slot)
}

fn given(name: &str, lease: &LeaseReport) -> Vec<String> {
    let when = match (lease.begins_in_s, lease.ends_in_s) {
        (Some(begins), Some(ends)) => format!(
            ": it is expected to begin in {} and to be rendered in {}",
            time(begins),
            time(ends)
        ),
        _ => String::new(),
    };
    let mut said = vec![format!("{name} is given to {}{when}.", slot(lease))];
    said.extend(of_segment(lease));
    said
}

fn rendering(name: &str, lease: &LeaseReport) -> Vec<String> {
    let first = match (lease.begins_in_s, lease.ends_in_s) {
        (Some(begun), Some(ends)) => format!(
            "{name} has been rendering on {} for {}, and is expected to be done in {}.",
            slot(lease),
            time(-begun),
            time(ends)
        ),
        _ => format!(
            "{name} was rendered on {}; its picture is being read.",
            slot(lease)
        ),
    };
    let mut said = vec![first];
    said.extend(of_segment(lease));
    said
}

/// The other slot of a task that two have.
fn beside(lease: &LeaseReport) -> Vec<String> {
    let slot = slot(lease);
    let first = match (lease.begun, lease.begins_in_s, lease.ends_in_s) {
        (true, Some(begun), Some(ends)) => format!(
            "Beside that, {slot} has been rendering it for {}, and is expected to be done in {}",
            time(-begun),
            time(ends)
        ),
        (false, Some(begins), Some(ends)) => format!(
            "Beside that, it is given to {slot}: it is expected to begin in {} and to be rendered in {}",
            time(begins),
            time(ends)
        ),
        _ => format!("Beside that, it was rendered on {slot}, and that picture is being read"),
    };
    let mut said = vec![format!("{first}. The first picture wins.")];
    said.extend(of_segment(lease));
    said
}

fn of_segment(lease: &LeaseReport) -> Vec<String> {
    let mut said = vec![
        format!(
            "It is task {} of {} of segment {}, which is expected to be over in {}; it was sent there {} ago: {}.",
            lease.place,
            lease.of,
            lease.segment,
            time(lease.segment_ends_in_s),
            time(-lease.sent_in_s),
            sent_why(Some(lease.why))
        ),
        format!(
            "It is expected to take {} there, at a speed of {:.2}.",
            time(lease.takes_s),
            lease.speed
        ),
    ];
    if let Some(thief) = &lease.cut_for {
        said.push(format!(
            "The segment's end is being cut off for {}, which is idle.",
            cell(thief)
        ));
    }
    if lease.stopping {
        said.push("The segment is being stopped.".to_owned());
    }
    said
}

fn sent_why(why: Option<SentWhy>) -> String {
    match why {
        Some(SentWhy::Share) => "the slot's share of what waited".to_owned(),
        Some(SentWhy::Undivided) => "all of an undivided layer".to_owned(),
        Some(SentWhy::Tail { of }) => format!("the end of segment {of}, for an idle slot"),
        Some(SentWhy::Copy { of }) => format!("a second try beside segment {of}"),
        Some(SentWhy::Other) | None => "not recorded".to_owned(),
    }
}

fn done(name: &str, tries: &[Try]) -> String {
    let last = tries.iter().rev().find_map(|one| match one.end {
        TryEnd::Done {
            render_s,
            predicted_s,
        } => Some((one, render_s, predicted_s)),
        _ => None,
    });
    let Some((one, render_s, predicted_s)) = last else {
        return format!("{name} is done.");
    };
    let predicted = predicted_s.map_or_else(String::new, |predicted| {
        format!(", where {} were predicted", time(predicted))
    });
    format!(
        "{name} is done: rendered on {}/{} in {}{predicted}.",
        cell(&one.host),
        one.slot,
        time(render_s)
    )
}

fn costs(cost: &CostReport) -> String {
    let ended = u64::from(cost.ended);
    // Corrected by this job's own tasks, it still stands on what it was corrected from.
    let from = match cost.estimate_basis {
        Some(CostBasis::History) => "by earlier renders and ",
        Some(_) | None => "by ",
    };
    let basis = match cost.basis {
        CostBasis::Guess => "a guess, as nothing is known of it".to_owned(),
        CostBasis::Estimated => "reckoned from what the scene holds".to_owned(),
        CostBasis::Declared => "as the scene says".to_owned(),
        CostBasis::Measured => "as timed before the start".to_owned(),
        CostBasis::History => "as in earlier renders".to_owned(),
        CostBasis::Layer => format!(
            "{from}what {} of its layer took",
            count(ended, "task", "tasks")
        ),
        CostBasis::Job => format!(
            "{from}what {} of other layers took",
            count(ended, "task", "tasks")
        ),
        CostBasis::Other => "by other means".to_owned(),
    };
    let spread = cost.spread.map_or_else(String::new, |spread| {
        format!(", give or take {:.0}%", spread * 100.0)
    });
    format!(
        "On a host of speed 1 it costs {}{spread}, {basis}.",
        time(cost.seconds_s)
    )
}

fn hosts(task: &TaskReport, width: Option<u16>) -> String {
    let mut rows = table(&["host", "speed", "would take", "why not there"], width);
    for host in &task.hosts {
        rows.add_row([
            cell(&host.host),
            format!("{:.2}", host.speed),
            time(host.takes_s),
            why_not(&host.reason),
        ]);
    }
    let mut text = table_text(rows, &[1, 2]);
    if task.hosts_left_out > 0 {
        let more = count(u64::from(task.hosts_left_out), "host more", "hosts more");
        text.push_str(&format!("and {more}\n"));
    }
    text
}

fn why_not(reason: &HostReason) -> String {
    match reason {
        HostReason::NoSlots => "it has no slots".to_owned(),
        HostReason::LacksMemory {
            needs_bytes,
            has_bytes,
        } => format!(
            "it has {} of memory, of {} that are needed",
            bytes(*has_bytes),
            bytes(*needs_bytes)
        ),
        HostReason::LacksTags { tags } => {
            let tags: Vec<String> = tags.iter().map(|tag| cell(tag)).collect();
            format!("it lacks the tags {}", tags.join(", "))
        }
        HostReason::NotUp => "it has not answered yet".to_owned(),
        HostReason::Silent => {
            "the connection is lost for now, it goes on with what it has".to_owned()
        }
        HostReason::Closed { why } if why.is_empty() => {
            "its slots take nothing at present".to_owned()
        }
        HostReason::Closed { why } => {
            format!("its slots take nothing at present: {}", printable(why))
        }
        HostReason::Lost => "it was lost, and may come back".to_owned(),
        HostReason::Gone => "it is lost".to_owned(),
        HostReason::Rests { for_s } => {
            format!(
                "too much failed there: it rests for another {}",
                time(*for_s)
            )
        }
        HostReason::FailedThere => "it failed there, and other hosts can take it".to_owned(),
        HostReason::MoreMemoryElsewhere => {
            "memory was short, and there are hosts with more".to_owned()
        }
        HostReason::HasIt => "it is there".to_owned(),
        HostReason::Busy { free_in_s } => format!("busy, free in {}", time(*free_in_s)),
        HostReason::Promised { segment } => {
            format!("idle, but waits for the end of segment {segment}")
        }
        HostReason::LoadsFull { loading } => format!(
            "idle, but would have to load while {} loaded already",
            count(u64::from(*loading), "scene is", "scenes are")
        ),
        HostReason::NotWorthIt {
            ready_in_s,
            over_in_s,
        } => format!(
            "idle, but ready in {} when all is over in {}",
            time(*ready_in_s),
            time(*over_in_s)
        ),
        HostReason::Idle { ready_in_s } => {
            format!("idle, could begin in {}", time(*ready_in_s))
        }
    }
}

/// `32.0 GiB`
fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{:.1} GiB", mib / 1024.0)
    }
}

fn tries(tries: &[Try], width: Option<u16>, zone: &TimeZone) -> String {
    let mut rows = table(
        &["segment", "slot", "sent", "why there", "attempt", "end"],
        width,
    );
    for one in tries {
        rows.add_row([
            one.segment.to_string(),
            format!("{}/{}", cell(&one.host), one.slot),
            clock(one.sent, zone),
            sent_why(one.why),
            one.attempt
                .map_or_else(|| "-".to_owned(), |number| number.to_string()),
            ended(one),
        ]);
    }
    table_text(rows, &[0, 4])
}

fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

fn ended(one: &Try) -> String {
    match &one.end {
        TryEnd::Open => match one.begun {
            Some(_) => "under way".to_owned(),
            None => "not begun".to_owned(),
        },
        TryEnd::Done {
            render_s,
            predicted_s,
        } => match predicted_s {
            Some(predicted) => format!(
                "done in {}, {} predicted",
                time(*render_s),
                time(*predicted)
            ),
            None => format!("done in {}", time(*render_s)),
        },
        TryEnd::Failed { verdict, why } => format!("{}: {}", cell(verdict), cell(why)),
        TryEnd::CutAway { to } => format!("cut away, into segment {to}"),
        TryEnd::Returned => "given back: the segment ended before it was done".to_owned(),
        TryEnd::HostLost => "given back: the host was lost before it was begun".to_owned(),
        TryEnd::Beaten => "another try was done first".to_owned(),
        TryEnd::Interrupted => "interrupted: the controller ended".to_owned(),
    }
}

fn not_running(told: &Explained) -> String {
    match &told.controller {
        Reached::Answered | Reached::None => "its job does not run".to_owned(),
        Reached::Silent { .. } => "where it waits only the controller knows".to_owned(),
    }
}

/// What else is to be said.
fn of_the_job(told: &Explained) -> Option<String> {
    let job = for_shell(&told.job);
    match &told.controller {
        Reached::Answered => None,
        Reached::Silent { why } => Some(format!(
            "Job {job} runs, but this is only what its journal tells: {}.",
            printable(why)
        )),
        Reached::None if told.status == Status::Done => None,
        Reached::None => Some(format!(
            "Job {job} does not run, its state is {}; go on with: framewright render --resume {job}",
            told.status.as_str()
        )),
    }
}

#[cfg(test)]
mod tests;
