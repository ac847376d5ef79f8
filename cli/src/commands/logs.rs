//! `logs`: the list, or what the renderer printed for one task.

use super::answer;
use crate::args::low::{Format, LogsArgs};
use crate::engine;
use crate::exit::Exit;
use crate::problem::Presentable;
use crate::stored::LogsWanted;
use crate::surroundings::Surroundings;
use crate::tables;

/// Lists the logs, or prints those of a task, oldest first; with `-v` of every try of it.
pub(crate) fn run(
    args: &LogsArgs,
    verbose: bool,
    format: Format,
    around: &Surroundings,
) -> Result<Exit, Presentable> {
    let wanted = LogsWanted {
        job: &args.job,
        task: args.task.as_deref(),
        all_tries: verbose,
    };
    let report = engine::logs(around, &wanted)?;
    answer(format, report, |report| match args.task {
        Some(_) => tables::logs::lines(report),
        None => tables::logs::list(report, tables::stdout_width()),
    })
}
