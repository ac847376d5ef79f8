//! Whether a plan can be meant: every pixel of the picture is given by one tile.

use std::collections::BTreeMap;

use super::{Plan, PlanError, TILES_MAX};
use crate::openexr::SIDE_MAX;
use crate::rect::Rect;

/// Checks everything that can be told without looking at a file.
pub(super) fn check(plan: &Plan) -> Result<(), PlanError> {
    let (width, height) = (plan.width, plan.height);
    if plan.tiles.is_empty() {
        return Err(PlanError::NoTiles);
    }
    if plan.tiles.len() > TILES_MAX {
        return Err(PlanError::TooManyTiles {
            tiles: plan.tiles.len(),
        });
    }
    if !(1..=SIDE_MAX).contains(&width) || !(1..=SIDE_MAX).contains(&height) {
        return Err(PlanError::Size { width, height });
    }
    if !plan.tolerance.is_finite() || plan.tolerance < 0.0 {
        return Err(PlanError::Setting {
            what: "a tolerance",
            value: plan.tolerance.to_string(),
        });
    }
    if !(1..=12).contains(&plan.zip_level) {
        return Err(PlanError::Setting {
            what: "the level of ZIP",
            value: plan.zip_level.to_string(),
        });
    }
    let picture = Rect::of_size(width, height);
    for tile in &plan.tiles {
        if tile.keep.is_empty() || !tile.at.contains(&tile.keep) || !picture.contains(&tile.at) {
            return Err(PlanError::Outside {
                name: tile.name.clone(),
                at: tile.at,
                keep: tile.keep,
            });
        }
    }
    check_cover(plan)
}

/// Goes down the picture; between two edges the same tiles lie side by side.
fn check_cover(plan: &Plan) -> Result<(), PlanError> {
    let tiles = &plan.tiles;
    let mut edges: Vec<u32> = vec![0, plan.height];
    let mut by_top: Vec<usize> = (0..tiles.len()).collect();
    by_top.sort_by_key(|index| tiles[*index].keep.y);
    edges.extend(
        tiles
            .iter()
            .flat_map(|tile| [tile.keep.y, tile.keep.bottom() as u32]),
    );
    edges.sort_unstable();
    edges.dedup();
    let mut coming = by_top.into_iter().peekable();
    // By their left edges.
    let mut here: BTreeMap<u32, usize> = BTreeMap::new();
    for edge in edges.windows(2) {
        let (top, height) = (edge[0], edge[1] - edge[0]);
        here.retain(|_, index| tiles[*index].keep.bottom() > top.into());
        while let Some(index) = coming.next_if(|index| tiles[*index].keep.y == top) {
            if let Some(other) = here.insert(tiles[index].keep.x, index) {
                return Err(twice(plan, other, index));
            }
        }
        let mut x = 0;
        let hole = |x: u32, to: u32| PlanError::Hole {
            hole: Rect {
                x,
                y: top,
                width: to - x,
                height,
            },
        };
        let mut before = None;
        for (left, index) in &here {
            if let Some(other) = before.filter(|_| *left < x) {
                return Err(twice(plan, other, *index));
            }
            if *left > x {
                return Err(hole(x, *left));
            }
            x = tiles[*index].keep.right() as u32;
            before = Some(*index);
        }
        if x < plan.width {
            return Err(hole(x, plan.width));
        }
    }
    Ok(())
}

fn twice(plan: &Plan, one: usize, other: usize) -> PlanError {
    let (a, b) = (&plan.tiles[one.min(other)], &plan.tiles[one.max(other)]);
    PlanError::Twice {
        between: (a.name.clone(), b.name.clone()),
        shared: a.keep.intersection(&b.keep).unwrap_or(b.keep),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tile;
    use super::*;

    fn plan(width: u32, height: u32, tiles: &[(u32, u32, u32, u32)]) -> Plan {
        let tiles = tiles.iter().enumerate().map(|(index, tile)| {
            let at = Rect {
                x: tile.0,
                y: tile.1,
                width: tile.2,
                height: tile.3,
            };
            Tile {
                name: index.to_string(),
                path: "none".into(),
                at,
                keep: at,
            }
        });
        Plan::new(width, height, tiles.collect())
    }

    fn said(plan: &Plan) -> String {
        check(plan).unwrap_err().to_string()
    }

    #[test]
    fn unequal_tiles_may_cover_a_picture() {
        // A pinwheel, which is no grid.
        let wheel = [
            (0, 0, 20, 10),
            (20, 0, 10, 20),
            (10, 20, 20, 10),
            (0, 10, 10, 20),
            (10, 10, 10, 10),
        ];
        assert_eq!(check(&plan(30, 30, &wheel)), Ok(()));
        assert_eq!(
            said(&plan(30, 30, &wheel[..4])),
            "no tile gives the pixels 10x10+10+10"
        );
        assert_eq!(
            said(&plan(30, 31, &wheel)),
            "no tile gives the pixels 30x1+0+30"
        );
    }

    #[test]
    fn pixels_given_twice_name_both() {
        let twice = [(0, 0, 10, 10), (9, 0, 10, 10)];
        assert_eq!(
            said(&plan(19, 10, &twice)),
            "tiles 0 and 1 both give the pixels 1x10+9+0"
        );
        let within = [(0, 0, 10, 10), (0, 5, 10, 5)];
        assert_eq!(
            said(&plan(10, 10, &within)),
            "tiles 0 and 1 both give the pixels 10x5+0+5"
        );
    }

    #[test]
    fn absurd_plans_are_refused() {
        assert_eq!(said(&plan(1, 1, &[])), "there are no tiles to stitch");
        assert_eq!(
            said(&plan(u32::MAX, 1, &[(0, 0, 1, 1)])),
            "a picture of 4294967295x1 pixels cannot be stitched"
        );
        let outside = [(u32::MAX, 0, u32::MAX, 1)];
        assert!(said(&plan(5, 1, &outside)).starts_with("tile 0 covers"));
        let many = vec![(0, 0, 1, 1); TILES_MAX + 1];
        assert_eq!(
            said(&plan(1, 1, &many)),
            "65537 tiles are too many to stitch, the most is 65536"
        );
        let mut level = plan(1, 1, &[(0, 0, 1, 1)]);
        level.zip_level = 13;
        assert_eq!(said(&level), "the level of ZIP cannot be 13");
        let mut nan = plan(1, 1, &[(0, 0, 1, 1)]);
        nan.tolerance = f64::NAN;
        assert_eq!(said(&nan), "a tolerance cannot be NaN");
    }
}
