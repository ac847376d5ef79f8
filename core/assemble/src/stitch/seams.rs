//! What overlapping tiles both hold, compared.
//!
//! Every pair of tiles that share pixels is compared in all of them that are not too near to an edge of
//! one of the two, in every channel. Equal bytes are
//! equal; two values that are no numbers are equal as well; a number and none differ infinitely.

use super::{Plan, PlanError, Seam};
use crate::rect::Rect;

/// Most pairs that are compared: eight neighbours of each tile and more.
const PAIRS_MAX: usize = 1 << 20;

/// Two tiles that share pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) one: usize,
    pub(super) other: usize,
    pub(super) shared: Rect,
}

/// All pairs, in the tiles' order.
pub(super) fn pairs(plan: &Plan) -> Result<Vec<Pair>, PlanError> {
    let tiles = &plan.tiles;
    let mut by_top: Vec<usize> = (0..tiles.len()).collect();
    by_top.sort_by_key(|index| tiles[*index].at.y);
    let mut here: Vec<usize> = Vec::new();
    let mut pairs = Vec::new();
    for index in by_top {
        let at = tiles[index].at;
        let sure = sure(plan, at);
        here.retain(|other| tiles[*other].at.bottom() > at.y.into());
        for other in &here {
            let other_sure = self::sure(plan, tiles[*other].at);
            if let Some(shared) = sure.intersection(&other_sure) {
                pairs.push(Pair {
                    one: index.min(*other),
                    other: index.max(*other),
                    shared,
                });
            }
        }
        if pairs.len() > PAIRS_MAX {
            return Err(PlanError::TooManyOverlaps);
        }
        here.push(index);
    }
    pairs.sort_by_key(|pair| (pair.one, pair.other));
    Ok(pairs)
}

/// What of a tile is as it is in the whole picture.
fn sure(plan: &Plan, at: Rect) -> Rect {
    let margin = plan.margin;
    let left = if at.x > 0 { margin } else { 0 };
    let top = if at.y > 0 { margin } else { 0 };
    let right = if at.right() < u64::from(plan.width) {
        margin
    } else {
        0
    };
    let bottom = if at.bottom() < u64::from(plan.height) {
        margin
    } else {
        0
    };
    Rect {
        x: at.x.saturating_add(left),
        y: at.y.saturating_add(top),
        width: at.width.saturating_sub(left).saturating_sub(right),
        height: at.height.saturating_sub(top).saturating_sub(bottom),
    }
}

/// Where two tiles differ most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Worst {
    pub(super) difference: f64,
    pub(super) y: u32,
    pub(super) x: u32,
    /// Counted over all parts.
    pub(super) channel: usize,
}

impl Worst {
    /// Takes what is worse, or equally bad and further up and left.
    pub(super) fn take(worst: &mut Option<Self>, found: Self) {
        let place = |one: &Self| (one.y, one.x, one.channel);
        let is_worse = match worst {
            None => true,
            Some(known) => {
                found.difference > known.difference
                    || (found.difference == known.difference && place(&found) < place(known))
            }
        };
        if is_worse {
            *worst = Some(found);
        }
    }
}

/// By how much two values differ that are not the same bytes.
pub(super) fn difference(one: f64, other: f64) -> f64 {
    match (one.is_nan(), other.is_nan()) {
        (true, true) => 0.0,
        (false, false) if one == other => 0.0,
        (false, false) => (one - other).abs(),
        _ => f64::INFINITY,
    }
}

/// The pairs that differ beyond the tolerance.
pub(super) fn beyond(
    plan: &Plan,
    pairs: &[Pair],
    worst: &[Option<Worst>],
    channel: impl Fn(usize) -> String,
) -> Vec<Seam> {
    let found = pairs.iter().zip(worst);
    let found = found.filter_map(|(pair, worst)| worst.map(|worst| (pair, worst)));
    found
        .filter(|(_, worst)| worst.difference > plan.tolerance)
        .map(|(pair, worst)| Seam {
            between: (
                plan.tiles[pair.one].name.clone(),
                plan.tiles[pair.other].name.clone(),
            ),
            place: (worst.x, worst.y),
            difference: worst.difference,
            channel: channel(worst.channel),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Tile;
    use super::*;

    fn plan(tiles: usize, height: impl Fn(usize) -> u32) -> Plan {
        let tiles = (0..tiles).map(|index| Tile {
            name: index.to_string(),
            path: "none".into(),
            at: Rect {
                y: index as u32,
                ..Rect::of_size(1, height(index))
            },
            keep: Rect {
                y: index as u32,
                ..Rect::of_size(1, 1)
            },
        });
        Plan::new(1, tiles.len() as u32, tiles.collect())
    }

    #[test]
    fn only_neighbours_are_pairs() {
        let found = pairs(&plan(5, |index| 2.min(5 - index as u32))).unwrap();
        let found: Vec<_> = found.iter().map(|pair| (pair.one, pair.other)).collect();
        assert_eq!(found, [(0, 1), (1, 2), (2, 3), (3, 4)]);
        let absurd = pairs(&plan(2000, |index| 2000 - index as u32));
        assert_eq!(absurd, Err(PlanError::TooManyOverlaps));
    }
}
