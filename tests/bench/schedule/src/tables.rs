//! The tables, in Markdown.

use std::fmt::{self, Display, Write};

use crate::cell::Cell;
use crate::goals::Goal;
use crate::results::{Results, mean};
use crate::way::{BEST_FIXED, Knows};

/// A figure, or nothing where it was not run.
struct Shown(Option<f64>);

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(figure) => write!(f, "{figure:.3}"),
            None => write!(f, "–"),
        }
    }
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

fn head(names: &[String]) -> String {
    let rule = std::iter::once("---".to_owned()).chain(vec!["---:".to_owned(); names.len() - 1]);
    row(names.iter().cloned()) + &row(rule)
}

/// Renderer and pace, as they are first met.
fn modes<'a>(results: &'a Results<'_>) -> Vec<(bool, &'a str)> {
    let mut modes = Vec::new();
    for cell in &results.cells {
        if !modes.contains(&cell.mode()) {
            modes.push(cell.mode());
        }
    }
    modes
}

fn mode_words(results: &Results<'_>, (kept, pace): (bool, &str)) -> String {
    let interval = results.cells.iter().find(|cell| cell.pace.name == pace);
    let interval = interval.map_or(0.0, |cell| cell.pace.interval_s);
    let state = if kept { "kept" } else { "reloaded" };
    format!("{state}, a send each {interval} s")
}

fn ratio(results: &Results<'_>, cell: usize, way: &str) -> Option<f64> {
    if way == BEST_FIXED {
        results.best_fixed(cell).map(|(_, ratio)| ratio)
    } else {
        results.ratio(cell, way)
    }
}

/// What a row is called.
fn words(way: &str, knows: Option<Knows>) -> String {
    match (knows, way) {
        (Some(Knows::Mean), "unknown") => "**auto**, speeds and mean cost known".to_owned(),
        (Some(Knows::Wrong), _) => "**auto**, speeds unknown, mean cost 3x wrong".to_owned(),
        (Some(Knows::History), _) => "**auto**, costs known to 20 %".to_owned(),
        (Some(Knows::All), _) => "**auto**, all costs known".to_owned(),
        (_, BEST_FIXED) => "best fixed size of each cell, in hindsight".to_owned(),
        _ => way.to_owned(),
    }
}

/// Names of rows: the suite's, with the best fixed size behind the fixed ones.
fn rows(results: &Results<'_>) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = results
        .ways
        .iter()
        .map(|way| (way.name.clone(), words(&way.name, Some(way.knows))))
        .collect();
    let fixed = |name: &str| name.starts_with("fixed:");
    if let Some(first) = rows.iter().position(|(name, _)| fixed(name)) {
        rows.insert(first, (BEST_FIXED.to_owned(), words(BEST_FIXED, None)));
    }
    rows
}

/// Means over the nine scenarios, one row a way, one column a mode.
pub fn means(results: &Results<'_>) -> String {
    let nine = results.cells_where(|cell| cell.scenario.nine);
    if nine.is_empty() {
        return String::new();
    }
    let modes = modes(results);
    let names = modes.iter().map(|mode| mode_words(results, *mode));
    let mut text = head(
        &std::iter::once(String::new())
            .chain(names)
            .collect::<Vec<_>>(),
    );
    for (way, words) in rows(results) {
        let of = |mode: &(bool, &str)| {
            let cells = nine
                .iter()
                .filter(|cell| results.cells[**cell].mode() == *mode);
            Shown(mean(cells.filter_map(|cell| ratio(results, *cell, &way)))).to_string()
        };
        text += &row(std::iter::once(words).chain(modes.iter().map(of)));
    }
    text
}

/// One table a mode: scenarios with their shapes as "no history / history / best fixed size".
pub fn cells(results: &Results<'_>) -> String {
    let mut text = String::new();
    for mode in modes(results) {
        let cells = results.cells_where(|cell| cell.scenario.nine && cell.mode() == mode);
        let Some(first) = cells.first() else { continue };
        let first = results.cells[*first].scenario.name.as_str();
        let of_first = cells
            .iter()
            .filter(|cell| results.cells[**cell].scenario.name == first);
        let shapes = of_first.map(|cell| results.cells[*cell].shape.to_owned());
        let mut names = vec![format!("{}", mode_words(results, mode))];
        names.extend(shapes);
        names.extend(["mean", "loads ÷ used"].map(str::to_owned));
        text += &head(&names);
        for scenario in names_of(results, &cells) {
            text += &line(results, &cells, scenario);
        }
        text.push('\n');
    }
    text
}

fn names_of<'a>(results: &'a Results<'_>, cells: &[usize]) -> Vec<&'a str> {
    let names = cells
        .iter()
        .map(|cell| results.cells[*cell].scenario.name.as_str());
    let mut names: Vec<&str> = names.collect();
    names.dedup();
    names
}

/// The three figures that are set beside each other, and which size was best.
fn three(results: &Results<'_>, cell: usize) -> String {
    let auto = ["unknown", "history"].map(|way| Shown(ratio(results, cell, way)).to_string());
    let fixed = results.best_fixed(cell);
    let fixed = fixed.map_or("–".to_owned(), |(size, ratio)| {
        format!("{ratio:.3} ({size})")
    });
    format!("{} / {} / {fixed}", auto[0], auto[1])
}

fn line(results: &Results<'_>, cells: &[usize], scenario: &str) -> String {
    let own: Vec<usize> = cells
        .iter()
        .copied()
        .filter(|cell| results.cells[*cell].scenario.name == scenario)
        .collect();
    let means = ["unknown", "history", BEST_FIXED].map(|way| {
        Shown(mean(
            own.iter().filter_map(|cell| ratio(results, *cell, way)),
        ))
        .to_string()
    });
    let loads = ["unknown", "history"].map(|way| {
        let figures: Vec<_> = own
            .iter()
            .filter_map(|cell| results.of(*cell, way))
            .collect();
        let used: f64 = figures.iter().map(|figures| figures.used).sum();
        let loads: f64 = figures.iter().map(|figures| figures.loads).sum();
        let share = (used > 0.0).then(|| format!("{:.2}", loads / used));
        share.unwrap_or("–".to_owned())
    });
    let mut cells = vec![scenario.to_owned()];
    cells.extend(own.iter().map(|cell| three(results, *cell)));
    cells.extend([means.join(" / "), loads.join(" / ")]);
    row(cells)
}

/// Scenarios that no goal of the nine is about: one row a scenario and mode, or one a cell; every way
/// a column.
pub fn others(results: &Results<'_>, each: bool) -> String {
    let cells = results.cells_where(|cell| !cell.scenario.nine);
    if cells.is_empty() {
        return String::new();
    }
    let rows = rows(results);
    let fixed = |way: &str| way.starts_with("fixed:");
    let ways: Vec<&str> = rows
        .iter()
        .map(|(way, _)| way.as_str())
        .filter(|way| !fixed(way))
        .collect();
    let names = ["scenario", "costs"]
        .into_iter()
        .chain(ways.iter().copied());
    let mut text = head(&names.map(str::to_owned).collect::<Vec<_>>());
    // Recorded costs are no shape among others.
    let alone = |cell: &Cell<'_>| each || !cell.scenario.recorded().is_empty();
    let together = |a: &usize, b: &usize| {
        let (a, b) = (&results.cells[*a], &results.cells[*b]);
        a.scenario.name == b.scenario.name && a.mode() == b.mode() && !alone(a)
    };
    for cells in cells.chunk_by(together) {
        let first = &results.cells[cells[0]];
        let shape = match cells {
            [_] => first.shape,
            _ => "all shapes",
        };
        let first = [
            format!(
                "{}, {}",
                first.scenario.name,
                mode_words(results, first.mode())
            ),
            shape.to_owned(),
        ];
        let figure = |way: &&str| {
            Shown(mean(
                cells.iter().filter_map(|cell| ratio(results, *cell, way)),
            ))
            .to_string()
        };
        text += &row(first.into_iter().chain(ways.iter().map(figure)));
    }
    text
}

/// What each scenario is.
pub fn legend(results: &Results<'_>) -> String {
    let mut text = String::new();
    let mut told: Vec<&str> = Vec::new();
    for Cell { scenario, .. } in &results.cells {
        if told.contains(&scenario.name.as_str()) {
            continue;
        }
        told.push(&scenario.name);
        let _ = writeln!(
            text,
            "* {}: {}; {} frames of {:.0} s, load {} s, {} slots",
            scenario.name,
            scenario.about,
            scenario.frames,
            scenario.mean_s(),
            scenario.load_s,
            scenario.hosts,
        );
    }
    text
}

/// The goals, each with its figure and whether it is met.
pub fn goals(goals: &[Goal]) -> String {
    let names = ["goal", "at most", "is", "", "where"].map(str::to_owned);
    let mut text = head(&names);
    for goal in goals {
        let met = match goal.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not run",
        };
        let limit = format!("{:.2}", goal.limit);
        let figure = Shown(goal.figure).to_string();
        text += &row([
            goal.text.clone(),
            limit,
            figure,
            met.to_owned(),
            goal.note.clone(),
        ]);
    }
    text
}
