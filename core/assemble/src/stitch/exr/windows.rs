//! Where a tile's samples are, and which windows the picture has.
//!
//! Two habits are known of renderers that write files of the tile's size. Some give the tile a picture
//! of its own, whose windows begin where those of any picture do (Blender); the picture's windows then
//! are its size. Others write the picture's display window, and the tile as its data window (Arnold,
//! oiiotool); both are kept then, overscan as well.

use super::PartLook;
use crate::openexr::{Part, Window};
use crate::rect::Rect;
use crate::stitch::look::odd_one;
use crate::stitch::{Canvas, Plan, StitchError, Tile};

/// Where a tile's data window begins in the picture.
pub(super) fn origin(plan: &Plan, tile: &Tile, part: &Part) -> Result<(i64, i64), StitchError> {
    let found = part.size();
    let picture = (plan.width, plan.height);
    let wrong = |found, expected| {
        Err(StitchError::Size {
            name: tile.name.clone(),
            found,
            expected,
        })
    };
    match plan.canvas {
        Canvas::Crop if found == (tile.at.width, tile.at.height) => {
            Ok((tile.at.x.into(), tile.at.y.into()))
        }
        Canvas::Crop => wrong(found, (tile.at.width, tile.at.height)),
        Canvas::Full if found == picture => Ok((0, 0)),
        Canvas::Full if part.display_window.size() == Some(picture) => {
            let (data, display) = (part.data_window, part.display_window);
            let x = i64::from(data.left) - i64::from(display.left);
            let y = i64::from(data.top) - i64::from(display.top);
            holds(&tile.at, (x, y), found)
                .then_some((x, y))
                .ok_or_else(|| StitchError::Elsewhere {
                    name: tile.name.clone(),
                    why: format!(
                        "its data window {}x{}+{x}+{y} does not hold {}",
                        found.0, found.1, tile.at
                    ),
                })
        }
        Canvas::Full => wrong(part.display_window.size().unwrap_or(found), picture),
    }
}

fn holds(rect: &Rect, (x, y): (i64, i64), (width, height): (u32, u32)) -> bool {
    x <= rect.x.into()
        && y <= rect.y.into()
        && rect.right() as i64 <= x + i64::from(width)
        && rect.bottom() as i64 <= y + i64::from(height)
}

/// Data and display window of the picture.
pub(super) fn of_picture(
    plan: &Plan,
    tiles: &[&PartLook],
) -> Result<(Window, Window), StitchError> {
    let displays_agree = tiles
        .iter()
        .all(|tile| tile.display_window == tiles[0].display_window);
    let own: Vec<(i64, i64)> = tiles.iter().map(|tile| begin(&tile.data_window)).collect();
    // Where the picture's own top left is, by each tile.
    let placed: Vec<(i64, i64)> = own
        .iter()
        .zip(tiles)
        .map(|((left, top), tile)| (left - tile.origin.0, top - tile.origin.1))
        .collect();
    let display = tiles[0].display_window;
    if agree(&placed) {
        let data = window(plan, placed[0])?;
        return Ok((data, if displays_agree { display } else { data }));
    }
    if plan.canvas == Canvas::Crop && agree(&own) {
        let data = window(plan, own[0])?;
        return Ok((data, data));
    }
    // Whichever habit more of them have is theirs.
    let is_placed = plan.canvas == Canvas::Full || usual(&placed) > usual(&own);
    let begins = if is_placed { &placed } else { &own };
    let begins: Vec<Option<&(i64, i64)>> = begins.iter().map(Some).collect();
    let (odd, found, expected) = odd_one(&begins).unwrap_or((0, &(0, 0), &(0, 0)));
    let (x, y) = (own[odd].0 - found.0, own[odd].1 - found.1);
    Err(StitchError::Elsewhere {
        name: plan.tiles[odd].name.clone(),
        why: format!(
            "its data window begins at {},{}, expected {},{}",
            own[odd].0,
            own[odd].1,
            expected.0 + x,
            expected.1 + y
        ),
    })
}

fn begin(window: &Window) -> (i64, i64) {
    (window.left.into(), window.top.into())
}

fn agree(all: &[(i64, i64)]) -> bool {
    all.iter().all(|one| *one == all[0])
}

/// How many have what most have.
fn usual(all: &[(i64, i64)]) -> usize {
    let count = |one: &(i64, i64)| all.iter().filter(|other| *other == one).count();
    let told: Vec<Option<&(i64, i64)>> = all.iter().map(Some).collect();
    odd_one(&told).map_or(all.len(), |(_, _, usual)| count(usual))
}

fn window(plan: &Plan, (left, top): (i64, i64)) -> Result<Window, StitchError> {
    let corner = i32::try_from(left).ok().zip(i32::try_from(top).ok());
    corner
        .and_then(|(left, top)| Window::at(left, top, (plan.width, plan.height)))
        .ok_or_else(|| StitchError::Elsewhere {
            name: plan.tiles[0].name.clone(),
            why: format!("the picture would begin at {left},{top}"),
        })
}
