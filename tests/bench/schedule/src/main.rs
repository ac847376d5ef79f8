//! How far the farm's schedules are from their lower bound, in simulated worlds whose costs it does
//! not know or knows to 20 %, beside what other policies do: see `run`, beside this crate, and
//! `suite.toml`.
//!
//! It drives the kernel only. Every figure is a makespan in virtual time over a bound that knows
//! nothing of the policy.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its tables and how far it is"
)]

mod asked;
mod cell;
mod goals;
mod results;
mod scenario;
mod tables;
mod way;

use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use asked::{Asked, Names};
use cell::Cell;
use results::Results;
use scenario::{Pattern, Scenario, Suite};
use way::{BEST_FIXED, Way};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (suite, scenarios) = scenario::suite(folder).map_err(|error| error.to_string())?;
    let ways = way::all(&suite)?;
    let patterns = scenarios
        .iter()
        .map(|scenario| scenario.patterns(&suite))
        .collect::<Result<Vec<_>, _>>()?;
    let names = names(&suite, &scenarios, &patterns, &ways);
    let asked = match Asked::read(std::env::args().skip(1), &names) {
        Ok(asked) => asked,
        Err((help, true)) => {
            print!("{help}");
            return Ok(ExitCode::SUCCESS);
        }
        Err((why, false)) => return Err(why),
    };
    let cells = cells(&suite, &scenarios, &patterns, &asked, &names);
    let wanted = |way: &Way| {
        let fixed = way.name.starts_with("fixed:") && asked.wants_way(&names, BEST_FIXED);
        asked.wants_way(&names, &way.name) || fixed
    };
    let ways: Vec<Way> = ways.into_iter().filter(wanted).collect();
    if cells.is_empty() || ways.is_empty() {
        return Err("these words leave nothing to run".to_owned());
    }
    let seeds = asked.seeds.unwrap_or(suite.seeds);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let told = |done: usize, of: usize| {
        if done.is_multiple_of(of.div_ceil(20)) {
            eprintln!("{done} of {of}, {:.0} s", began.elapsed().as_secs_f64());
        }
    };
    let results = Results::run(cells, ways, seeds, asked.threads.unwrap_or(cores), told);
    Ok(report(&results, seeds, &asked))
}

fn names(
    suite: &Suite,
    scenarios: &[Scenario],
    patterns: &[Vec<(String, Pattern)>],
    ways: &[Way],
) -> Names {
    let mut shapes: Vec<String> = Vec::new();
    for (name, _) in patterns.iter().flatten() {
        if !shapes.contains(name) {
            shapes.push(name.clone());
        }
    }
    let ways = ways.iter().map(|way| way.name.clone());
    Names {
        scenarios: scenarios
            .iter()
            .map(|scenario| scenario.name.clone())
            .collect(),
        shapes,
        paces: suite.paces.iter().map(|pace| pace.name.clone()).collect(),
        ways: ways.chain([BEST_FIXED.to_owned()]).collect(),
    }
}

fn cells<'a>(
    suite: &'a Suite,
    scenarios: &'a [Scenario],
    patterns: &'a [Vec<(String, Pattern)>],
    asked: &Asked,
    names: &Names,
) -> Vec<Cell<'a>> {
    let mut cells = Vec::new();
    for kept in [false, true] {
        for pace in &suite.paces {
            if !asked.wants_state(kept) || !asked.wants_pace(names, &pace.name) {
                continue;
            }
            for (scenario, patterns) in scenarios.iter().zip(patterns) {
                if !asked.wants_scenario(names, &scenario.name) || !scenario.is_at(&pace.name) {
                    continue;
                }
                let wanted = patterns
                    .iter()
                    .filter(|(shape, _)| asked.wants_shape(names, shape));
                cells.extend(wanted.map(|(shape, pattern)| Cell {
                    suite,
                    scenario,
                    shape,
                    pattern,
                    pace,
                    kept,
                    lists: !asked.runs,
                }));
            }
        }
    }
    cells
}

fn report(results: &Results<'_>, seeds: u64, asked: &Asked) -> ExitCode {
    println!("Makespan ÷ lower bound, {seeds} seeds where there is chance.\n");
    println!("{}", tables::legend(results));
    println!("Means over the nine scenarios and all shapes of costs:\n");
    println!("{}", tables::means(results));
    println!("No history / history of 20 % error / best fixed size in hindsight (which):\n");
    println!("{}", tables::cells(results));
    let others = tables::others(results, asked.each);
    if !others.is_empty() {
        println!("Other scenarios, means over their shapes of costs:\n\n{others}");
    }
    println!("Goals, over the cells that were run:\n");
    let goals = goals::judge(results);
    println!("{}", tables::goals(&goals));
    if goals.iter().any(|goal| goal.is_met() == Some(false)) && !asked.report_only {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
