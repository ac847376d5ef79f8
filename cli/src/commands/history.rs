//! `history`: show what scenes cost, or forget it.

use framewright_core::history::History;
use jiff::tz::TimeZone;

use super::answer;
use crate::args::history::HistoryCommand;
use crate::args::low::Format;
use crate::exit::Exit;
use crate::history;
use crate::problem::Presentable;
use crate::surroundings::Surroundings;
use crate::tables;

/// Carries it out.
pub(crate) fn run(
    what: HistoryCommand,
    format: Format,
    around: &Surroundings,
) -> Result<Exit, Presentable> {
    let store = History::at(&around.state_dir);
    let (width, zone) = (tables::stdout_width(), TimeZone::system());
    let here = &around.working_folder;
    match what {
        HistoryCommand::Show(args) => match args.scene {
            None => answer(format, history::all(&store)?, |report| {
                tables::history::list(report, width, &zone)
            }),
            Some(scene) => answer(format, history::one(&store, &scene, here)?, |report| {
                tables::history::one(report, width, &zone)
            }),
        },
        HistoryCommand::Forget(args) => {
            let report = match args.scene {
                Some(scene) => history::forget(&store, &scene, here)?,
                None => history::forget_all(&store)?,
            };
            answer(format, report, tables::history::forgotten)
        }
    }
}
