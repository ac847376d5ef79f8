//! The commands: each takes what is meant, asks the engine, and prints.

mod assemble;
mod explain;
mod history;
mod hosts;
mod logs;
mod manual;
mod render;
mod simulate;

use std::io::{self, Write};

use clap_complete::Shell;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::args::low::{AdaptersCommand, Command, Common, Format, Low, PlanArgs};
use crate::args::{self, job_file, settle};
use crate::display::{Loudness, loudness};
use crate::documents::Document;
use crate::engine;
use crate::exit::Exit;
use crate::printable::printable;
use crate::problem::Presentable;
use crate::surroundings::Surroundings;
use crate::tables;

/// Carries a command out. `format` is updated as soon as it is known, because errors are told in it.
pub(crate) fn run(low: Low, format: &mut Format) -> Result<Exit, Presentable> {
    let Low { common, command } = low;
    let around = || Surroundings::look(common.state_dir.as_deref());
    match command {
        Command::Render(args) => render::run(*args, common, format),
        Command::Plan(args) => plan(*args, common, format),
        Command::Simulate(args) => simulate::run(&args, &common, *format),
        Command::Inspect(args) => {
            let around = around()?;
            let request = settle::settle_inspect(&args, &common.adapter_path, &around)?;
            let report = engine::inspect(&request, &around)?;
            answer(*format, report, |report| {
                tables::inspect::text(report, tables::stdout_width())
            })
        }
        Command::Jobs => {
            let (report, warnings) = engine::jobs(&around()?)?;
            warn(&warnings);
            answer(*format, report, |report| {
                tables::jobs::list(report, tables::stdout_width(), &TimeZone::system())
            })
        }
        Command::Status(args) => {
            let report = engine::status(&around()?, &args.job)?;
            answer(*format, report, |report| {
                tables::jobs::one(report, tables::stdout_width(), &TimeZone::system())
            })
        }
        Command::Explain(args) => explain::run(&args, *format, &around()?),
        Command::Logs(args) => logs::run(&args, common.verbose, *format, &around()?),
        Command::Assemble { what } => assemble::run(what, &common, *format),
        Command::History { what } => history::run(what, *format, &around()?),
        Command::Hosts { what } => hosts::run(what, &common, *format, &around()?),
        Command::Adapters {
            what: AdaptersCommand::List,
        } => {
            let report = engine::adapters(&common.adapter_path, &around()?)?;
            answer(*format, report, |report| {
                tables::adapters::list(report, tables::stdout_width())
            })
        }
        Command::Completions { shell } => completions(shell),
        Command::Man { dir } => manual::run(dir.as_deref()),
    }
}

fn plan(mut args: PlanArgs, mut common: Common, format: &mut Format) -> Result<Exit, Presentable> {
    job_file::fill_plan(&mut args.job, &mut common)?;
    *format = common.format.unwrap_or_default();
    let around = Surroundings::look(common.state_dir.as_deref())?;
    let settled = settle::settle(&args.job, &common.adapter_path, &around)?;
    let mut report = engine::plan(&settled.request, &around, args.compare)?;
    report.warnings.splice(0..0, settled.warnings);
    let all = loudness(&common) == Loudness::Verbose;
    answer(*format, report, |report| {
        tables::plan::text(report, tables::stdout_width(), all)
    })
}

fn completions(shell: Shell) -> Result<Exit, Presentable> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "framewright", &mut script);
    print(&script)?;
    Ok(Exit::Done)
}

/// Tells people what is worth knowing beside a result.
fn warn(warnings: &[String]) {
    for warning in warnings {
        let _ = writeln!(anstream::stderr(), "warning: {}", printable(warning));
    }
}

/// Prints a result in the format asked for.
fn answer<T: Serialize>(
    format: Format,
    report: T,
    for_people: impl FnOnce(&T) -> String,
) -> Result<Exit, Presentable> {
    match format {
        Format::Human => print(for_people(&report).as_bytes())?,
        Format::Json => print_document(report)?,
    }
    Ok(Exit::Done)
}

/// Prints one document on stdout.
fn print_document<T: Serialize>(report: T) -> Result<(), Presentable> {
    let mut line = serde_json::to_vec(&Document::new(report))
        .map_err(|error| Presentable::fault(format!("cannot write the result as JSON: {error}")))?;
    line.push(b'\n');
    print(&line)
}

/// Prints on stdout. A reader that went away (`| head`) is no error.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Presentable> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Presentable::fault(
            format!("cannot write to stdout: {error}"),
        )),
        Ok(()) | Err(_) => Ok(()),
    }
}
