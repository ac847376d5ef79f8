//! What the schedules shall reach, and whether they do.

use crate::cell::Cell;
use crate::results::{Results, mean};

/// A goal, judged; `figure` is missing where its cells were not run.
#[derive(Clone, Debug)]
pub struct Goal {
    pub text: String,
    pub limit: f64,
    pub figure: Option<f64>,
    /// Where the figure comes from, or what else to know of it.
    pub note: String,
}

impl Goal {
    /// `None` where it cannot be judged.
    pub fn is_met(&self) -> Option<bool> {
        self.figure.map(|figure| figure <= self.limit)
    }
}

/// Rows that are judged: the farm's own policy, without and with history.
const JUDGED: [(&str, &str); 2] = [("unknown", "no history"), ("history", "history")];

/// Every goal.
pub fn judge(results: &Results<'_>) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (way, words, reloaded, kept) in [
        ("history", "with history of 20 % error", 1.06, 1.03),
        ("unknown", "with no history", 1.20, 1.13),
    ] {
        goals.push(means(results, way, words, false, reloaded));
        goals.push(means(results, way, words, true, kept));
    }
    for (way, words) in JUDGED {
        goals.extend(constant(results, way, words));
    }
    for (way, words) in JUDGED {
        goals.push(beside_fixed(results, way, words));
    }
    for (way, words) in JUDGED {
        goals.extend(loads(results, way, words));
    }
    for (way, words) in JUDGED {
        goals.push(saturated(results, way, words));
    }
    for (way, words) in JUDGED {
        goals.push(given_up(results, way, words));
    }
    goals
}

fn place(cell: &Cell<'_>) -> String {
    let state = if cell.kept { "kept" } else { "reloaded" };
    let Cell {
        scenario,
        shape,
        pace,
        ..
    } = cell;
    format!("{} {shape}, {state}, {}", scenario.name, pace.name)
}

/// The greatest of these cells, and where it is.
fn worst(
    results: &Results<'_>,
    cells: &[usize],
    figure: impl Fn(usize) -> Option<f64>,
) -> (Option<f64>, String) {
    let figures = cells
        .iter()
        .filter_map(|cell| Some((*cell, figure(*cell)?)));
    match figures.max_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((cell, figure)) => (Some(figure), place(&results.cells[cell])),
        None => (None, String::new()),
    }
}

fn means(results: &Results<'_>, way: &str, words: &str, kept: bool, limit: f64) -> Goal {
    let state = if kept { "kept" } else { "reloaded" };
    let cells = results.cells_where(|cell| cell.scenario.nine && cell.kept == kept);
    let paces: Vec<String> = ["slow", "fast"]
        .iter()
        .filter_map(|pace| {
            let at = cells
                .iter()
                .filter(|cell| results.cells[**cell].pace.name == *pace);
            let mean = mean(at.filter_map(|cell| results.ratio(*cell, way)))?;
            Some(format!("{pace} {mean:.3}"))
        })
        .collect();
    Goal {
        text: format!("mean {words}, {state}"),
        limit,
        figure: mean(cells.iter().filter_map(|cell| results.ratio(*cell, way))),
        note: paces.join(", "),
    }
}

fn constant(results: &Results<'_>, way: &str, words: &str) -> [Goal; 2] {
    let cells = results.cells_where(|cell| {
        let scenario = cell.scenario;
        scenario.nine && scenario.losses_per_hour <= 0.0 && cell.shape == "const"
    });
    let (greatest, note) = worst(results, &cells, |cell| results.ratio(cell, way));
    [
        Goal {
            text: format!("constant costs, {words}, no host lost: mean"),
            limit: 1.01,
            figure: mean(cells.iter().filter_map(|cell| results.ratio(*cell, way))),
            note: String::new(),
        },
        Goal {
            text: format!("constant costs, {words}, no host lost: worst cell"),
            limit: 1.01,
            figure: greatest,
            note,
        },
    ]
}

fn beside_fixed(results: &Results<'_>, way: &str, words: &str) -> Goal {
    let cells = results.cells_where(|cell| cell.scenario.nine);
    let limit = 1.02;
    let beside = |cell| Some(results.ratio(cell, way)? / results.best_fixed(cell)?.1);
    let (figure, place) = worst(results, &cells, beside);
    let above = cells
        .iter()
        .filter_map(|cell| beside(*cell))
        .filter(|beside| *beside > limit);
    Goal {
        text: format!("÷ best fixed size in hindsight, {words}: worst cell"),
        limit,
        figure,
        note: format!("{place}; {} of {} cells above", above.count(), cells.len()),
    }
}

fn loads(results: &Results<'_>, way: &str, words: &str) -> [Goal; 2] {
    let nine = results.cells_where(|cell| cell.scenario.nine);
    let share = |cells: &[usize]| {
        let figures: Vec<_> = cells
            .iter()
            .filter_map(|cell| results.of(*cell, way))
            .collect();
        let used: f64 = figures.iter().map(|figures| figures.used).sum();
        let loads: f64 = figures.iter().map(|figures| figures.loads).sum();
        (used > 0.0).then(|| loads / used)
    };
    let mut names: Vec<(&str, bool, &str)> = nine
        .iter()
        .map(|cell| {
            let cell = &results.cells[*cell];
            let (kept, pace) = cell.mode();
            (cell.scenario.name.as_str(), kept, pace)
        })
        .collect();
    names.dedup();
    let each = names.into_iter().filter_map(|(name, kept, pace)| {
        let cells = results.cells_where(|cell| {
            cell.scenario.nine && cell.scenario.name == name && cell.mode() == (kept, pace)
        });
        let state = if kept { "kept" } else { "reloaded" };
        Some((share(&cells)?, format!("{name}, {state}, {pace}")))
    });
    let greatest = each.max_by(|a, b| a.0.total_cmp(&b.0));
    let limit = 1.3;
    [
        Goal {
            text: format!("loads ÷ used slots, {words}: all"),
            limit,
            figure: share(&nine),
            note: String::new(),
        },
        Goal {
            text: format!("loads ÷ used slots, {words}: worst scenario"),
            limit,
            figure: greatest.as_ref().map(|(share, _)| *share),
            note: greatest.map_or(String::new(), |(_, place)| place),
        },
    ]
}

fn saturated(results: &Results<'_>, way: &str, words: &str) -> Goal {
    let cells = results.cells_where(|cell| cell.scenario.name == "4k" && cell.shape == "const");
    let (figure, note) = worst(results, &cells, |cell| results.ratio(cell, way));
    Goal {
        text: format!("4,000 frames on 200 slots, a send each 5 s, {words}"),
        limit: 1.02,
        figure,
        note,
    }
}

fn given_up(results: &Results<'_>, way: &str, words: &str) -> Goal {
    let cells = results.cells_where(|_| true);
    let failed = |cell: usize| {
        results
            .of(cell, way)
            .map(|figures| f64::from(figures.failed))
    };
    let figures: Vec<f64> = cells.iter().filter_map(|cell| failed(*cell)).collect();
    let (_, place) = worst(results, &cells, failed);
    let all = figures.iter().sum::<f64>();
    Goal {
        text: format!("worlds in which frames were given up, {words}, all scenarios"),
        limit: 0.0,
        figure: (!figures.is_empty()).then_some(all),
        note: if all > 0.0 { place } else { String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_at_its_limit_and_missed_above_and_unjudged_without_figures() {
        let goal = |figure| Goal {
            text: String::new(),
            limit: 1.02,
            figure,
            note: String::new(),
        };
        assert_eq!(goal(Some(1.02)).is_met(), Some(true));
        assert_eq!(goal(Some(1.021)).is_met(), Some(false));
        assert_eq!(goal(None).is_met(), None);
    }
}
