//! `simulate`.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::answer;
use crate::args::low::{Common, Format};
use crate::args::simulate::{SimulateArgs, settle};
use crate::display::{Loudness, loudness};
use crate::engine;
use crate::exit::Exit;
use crate::problem::Presentable;
use crate::surroundings::Surroundings;
use crate::tables;

/// Simulates and says what came of it.
pub(crate) fn run(
    args: &SimulateArgs,
    common: &Common,
    format: Format,
) -> Result<Exit, Presentable> {
    let around = Surroundings::look(common.state_dir.as_deref())?;
    let settled = settle(args, &common.adapter_path, &around)?;
    let shown =
        io::stderr().is_terminal() && around.terminal_moves && loudness(common) > Loudness::Quiet;
    let bar = bar(shown);
    let report = engine::simulate(&settled, &around, &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    answer(format, report?, |report| {
        tables::simulate::text(report, tables::stdout_width())
    })
}

/// A bar for runs, on a terminal only.
fn bar(shown: bool) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} runs")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}
