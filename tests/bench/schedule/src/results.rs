//! Runs all cells under all ways, on all cores, and keeps what came of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::cell::{Cell, Figures};
use crate::way::{Knows, Way};
use framewright_kernel::policy::Policy;

/// Every cell with its figures under every way.
#[derive(Debug)]
pub struct Results<'a> {
    pub cells: Vec<Cell<'a>>,
    pub ways: Vec<Way>,
    /// Way after way for each cell.
    figures: Vec<Figures>,
}

impl<'a> Results<'a> {
    /// `told` hears how many of how many are done.
    pub fn run(
        cells: Vec<Cell<'a>>,
        ways: Vec<Way>,
        seeds: u64,
        threads: usize,
        told: impl Fn(usize, usize) + Sync,
    ) -> Results<'a> {
        let places = cells.len() * ways.len();
        let mut order: Vec<usize> = (0..places).collect();
        // The long ones first, so that no core is left alone with one at the end.
        order.sort_by_key(|place| {
            let scenario = cells[place / ways.len()].scenario;
            std::cmp::Reverse(u64::from(scenario.frames) * u64::from(scenario.hosts))
        });
        let figures = Mutex::new(vec![Figures::default(); places]);
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(&place) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (cell, way) = (&cells[place / ways.len()], &ways[place % ways.len()]);
                let found = cell.run(way, seeds);
                let mut figures = figures.lock().expect("a thread that panics ends the run");
                figures[place] = found;
                drop(figures);
                told(next.load(Ordering::Relaxed).min(places), places);
            }
        };
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        let figures = figures
            .into_inner()
            .expect("a thread that panics ends the run");
        Results {
            cells,
            ways,
            figures,
        }
    }

    /// What came of a cell under a way, if that was run.
    pub fn of(&self, cell: usize, way: &str) -> Option<Figures> {
        let way = self.ways.iter().position(|other| other.name == way)?;
        Some(self.figures[cell * self.ways.len() + way])
    }

    /// Its makespan ÷ bound, if any of its worlds came to its end.
    pub fn ratio(&self, cell: usize, way: &str) -> Option<f64> {
        let ratio = self.of(cell, way)?.ratio;
        ratio.is_finite().then_some(ratio)
    }

    /// The best fixed size of a cell, chosen in hindsight, and its ratio.
    pub fn best_fixed(&self, cell: usize) -> Option<(u32, f64)> {
        let sizes = self
            .ways
            .iter()
            .filter_map(|way| match (way.policy, way.knows) {
                (Policy::Fixed(size), Knows::Mean) => Some((size, self.ratio(cell, &way.name)?)),
                _ => None,
            });
        sizes.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Numbers of the cells for which this is true.
    pub fn cells_where(&self, wanted: impl Fn(&Cell<'_>) -> bool) -> Vec<usize> {
        let cells = self.cells.iter().enumerate();
        cells
            .filter(|(_, cell)| wanted(cell))
            .map(|(number, _)| number)
            .collect()
    }
}

/// The mean, if there is anything to take it of.
pub fn mean(of: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for number in of {
        sum += number;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}
