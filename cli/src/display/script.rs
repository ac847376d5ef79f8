//! Events for tests, short to write.

use framewright_core::event::{CommittedFile, Event, JobEnd, PictureName, Seam, Stamped};
use jiff::{SignedDuration, Timestamp};

pub(crate) fn time(s: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(s)
}

pub(crate) fn at(s: i64, event: Event) -> Stamped {
    Stamped {
        time: time(s),
        event,
    }
}

pub(crate) fn started(tasks: u32) -> Event {
    Event::JobStarted {
        job: "0198c0de".into(),
        tasks,
        skipped: 0,
        slots: 2,
        pid: 1,
        predicted_makespan_s: None,
        history: None,
        pictures: 0,
        pictures_skipped: 0,
    }
}

pub(crate) fn whole(frame: i32) -> PictureName {
    PictureName { frame, layer: None }
}

pub(crate) fn assembling(frame: i32, pieces: u32) -> Event {
    Event::Assembling {
        picture: whole(frame),
        pieces,
    }
}

pub(crate) fn assembled(frame: i32, seams: Vec<Seam>) -> Event {
    Event::Assembled {
        picture: whole(frame),
        pieces: 2,
        seconds: 1.5,
        file: CommittedFile {
            path: format!("/out/shot.{frame:04}.png"),
            from: "/scratch".into(),
            bytes: 1,
            hash: String::new(),
        },
        seams,
    }
}

pub(crate) fn seam(frame: i32) -> Seam {
    Seam {
        tiles: [format!("all:{frame}:0,0"), format!("all:{frame}:1,0")],
        x: 12,
        y: 40,
        channel: "R".into(),
        difference: 0.5,
        tolerance: 0.0,
    }
}

pub(crate) fn up(host: &str, slots: u32) -> Event {
    Event::HostUp {
        host: host.into(),
        slots,
    }
}

pub(crate) fn silent(host: &str) -> Event {
    Event::HostSilent {
        host: host.into(),
        why: "the connection was reset".into(),
    }
}

pub(crate) fn heard(host: &str, silent_s: f64) -> Event {
    Event::HostHeard {
        host: host.into(),
        silent_s,
    }
}

pub(crate) fn closed(host: &str, why: &str) -> Event {
    Event::HostClosed {
        host: host.into(),
        why: why.into(),
    }
}

pub(crate) fn slot_waiting(host: &str, slot: u32, holders: &[&str]) -> Event {
    Event::SlotWaiting {
        host: host.into(),
        slot,
        holders: holders.iter().map(|name| (*name).to_owned()).collect(),
    }
}

pub(crate) fn leased(host: &str, slot: u32) -> Event {
    Event::SlotLeased {
        host: host.into(),
        slot,
    }
}

pub(crate) fn staged(host: &str, bytes_sent: u64, seconds: f64) -> Event {
    Event::Staged {
        host: host.into(),
        files: 12,
        bytes: 1_288_490_189,
        bytes_sent,
        seconds,
    }
}

pub(crate) fn sent(segment: u64, host: &str, slot: u32, tasks: &[&str]) -> Event {
    let tasks = tasks.iter().map(|task| (*task).to_owned()).collect();
    Event::SegmentSent {
        segment,
        host: host.into(),
        slot,
        tasks,
        why: None,
        load_s: None,
        end_s: None,
    }
}

pub(crate) fn loaded(segment: u64, host: &str, slot: u32, load_s: f64) -> Event {
    Event::Loaded {
        segment,
        host: host.into(),
        slot,
        load_s,
    }
}

pub(crate) fn begun(segment: u64, task: &str, host: &str, slot: u32) -> Event {
    Event::TaskStarted {
        segment,
        task: task.into(),
        attempt: 1,
        host: host.into(),
        slot,
    }
}

pub(crate) fn progress(segment: u64, task: &str, host: &str, slot: u32, fraction: f32) -> Event {
    Event::Progress {
        segment,
        task: task.into(),
        host: host.into(),
        slot,
        fraction,
    }
}

pub(crate) fn verifying(segment: u64, task: &str, host: &str, slot: u32) -> Event {
    Event::TaskVerifying {
        segment,
        task: task.into(),
        host: host.into(),
        slot,
    }
}

pub(crate) fn done(segment: u64, task: &str, host: &str, slot: u32, render_s: f64) -> Event {
    let frame = task.rsplit(':').next().unwrap_or_default();
    let file = CommittedFile {
        path: format!("/out/shot/shot.{frame:0>4}.png"),
        from: String::new(),
        bytes: 1,
        hash: String::new(),
    };
    Event::TaskDone {
        segment,
        task: task.into(),
        attempt: 1,
        host: host.into(),
        slot,
        render_s,
        predicted_s: None,
        file: Some(file),
    }
}

pub(crate) fn failed(segment: u64, task: &str, attempt: u32, host: &str, slot: u32) -> Event {
    Event::TaskFailed {
        segment,
        task: task.into(),
        attempt,
        host: host.into(),
        slot,
        verdict: "machine-fault".into(),
        why: "the renderer was ended by signal 11".into(),
    }
}

pub(crate) fn given_up(task: &str) -> Event {
    Event::TaskGivenUp {
        task: task.into(),
        why: "no picture".into(),
    }
}

pub(crate) fn ended(segment: u64, host: &str, slot: u32) -> Event {
    Event::SegmentEnded {
        segment,
        host: host.into(),
        slot,
    }
}

pub(crate) fn job_ended(state: JobEnd, makespan_s: f64, lower_bound_s: Option<f64>) -> Event {
    Event::JobEnded {
        state,
        done: 0,
        failed: 0,
        makespan_s,
        lower_bound_s,
    }
}
