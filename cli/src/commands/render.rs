//! `render`.

use std::io::Write;

use framewright_core::event::JobEnd;

use super::print_document;
use crate::args::low::{Common, Format, RenderArgs};
use crate::args::{job_file, settle};
use crate::display::{Display, Loudness, loudness, summary};
use crate::engine::{self, Outcome, Wanted};
use crate::exit::Exit;
use crate::problem::Presentable;
use crate::signals;
use crate::surroundings::Surroundings;

/// Renders, shows it, and says what came of it.
pub(crate) fn run(
    mut args: RenderArgs,
    mut common: Common,
    format: &mut Format,
) -> Result<Exit, Presentable> {
    job_file::fill_render(&mut args, &mut common)?;
    *format = common.format.unwrap_or_default();
    let around = Surroundings::look(common.state_dir.as_deref())?;
    let (wanted, warnings) = match args.resume {
        Some(job) => (Wanted::Resume(job), Vec::new()),
        None => {
            let settled = settle::settle(&args.job, &common.adapter_path, &around)?;
            (Wanted::New(Box::new(settled.request)), settled.warnings)
        }
    };
    let (listener, orders) = signals::listen()?;
    let (display, sink) = Display::start(
        &common,
        args.events.as_deref(),
        opening(&wanted),
        warnings,
        around.terminal_moves,
    )?;
    let outcome = engine::render(wanted, &around, &sink, orders);
    drop(sink);
    // The display is ended before anything else is printed, so that bars and errors do not mix.
    let tally = display.end()?;
    let outcome = outcome.map_err(|problem| match problem.exit {
        // An interruption before there was a job ends as the signal wants.
        Exit::Interrupted => Presentable {
            exit: listener.exit(),
            ..problem
        },
        _ => problem,
    })?;
    let report = summary::report(&tally, &outcome);
    match *format {
        Format::Json => print_document(report)?,
        Format::Human if loudness(&common) > Loudness::Quiet => {
            let text = summary::text(&report, tally.attempts_failed);
            // Nobody reads it any more: the frames are there all the same.
            let _ = anstream::stderr().write_all(text.as_bytes());
        }
        Format::Human => {}
    }
    Ok(exit(&outcome, &listener))
}

fn exit(outcome: &Outcome, listener: &signals::Listener) -> Exit {
    match outcome.state {
        JobEnd::Done => Exit::Done,
        JobEnd::Failed if !outcome.adapter_faults.is_empty() => Exit::Fault,
        JobEnd::Failed | JobEnd::Cancelled => Exit::Failed,
        JobEnd::Interrupted if outcome.disk_full => Exit::Failed,
        JobEnd::Interrupted => listener.exit(),
    }
}

/// What is done before there is a job.
fn opening(wanted: &Wanted) -> String {
    match wanted {
        Wanted::New(request) => {
            let name = request
                .scene
                .file_name()
                .unwrap_or(request.scene.as_os_str());
            format!("reading {}", name.to_string_lossy())
        }
        Wanted::Resume(job) => format!("looking at what job {job} has done"),
    }
}
