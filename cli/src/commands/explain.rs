//! `explain`: why a task is where it is.

use jiff::tz::TimeZone;

use super::answer;
use crate::args::low::{ExplainArgs, Format};
use crate::engine;
use crate::exit::Exit;
use crate::problem::Presentable;
use crate::surroundings::Surroundings;
use crate::tables;

/// Asks the job's controller, or its journal, and prints what they say.
pub(crate) fn run(
    args: &ExplainArgs,
    format: Format,
    around: &Surroundings,
) -> Result<Exit, Presentable> {
    let told = engine::explain(around, &args.job, &args.task)?;
    answer(format, told, |told| {
        tables::explain::text(told, tables::stdout_width(), &TimeZone::system())
    })
}
