//! Are the pictures of a shot alike? Most of them say how a picture has to be; those that are not
//! so are named. Reads headers only.

use std::collections::BTreeMap;

use super::{Cell, SequenceError};
use crate::shown::{Outline, outline};

/// What all pictures of a shot have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alike {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// `name:type`.
    pub channels: Vec<String>,
    /// Whether they hold light, which is shown through a view, and not a screen's values.
    pub is_light: bool,
}

/// Compares the pictures; holes are passed over. `None` when all are holes.
pub fn check_alike(cells: &[Cell]) -> Result<Option<Alike>, SequenceError> {
    // Positions in `cells`, by how the picture is.
    let mut kinds: BTreeMap<(usize, usize, Vec<String>, bool), Vec<usize>> = BTreeMap::new();
    for (at, cell) in cells.iter().enumerate() {
        if let Some(path) = &cell.path {
            let Outline {
                width,
                height,
                channels,
                is_light,
            } = outline(path)?;
            let kind = (width, height, channels, is_light);
            kinds.entry(kind).or_default().push(at);
        }
    }
    let most = kinds
        .iter()
        // Of equal numbers, the kind of the earlier frame.
        .max_by_key(|(_, places)| (places.len(), std::cmp::Reverse(places[0])));
    let Some((norm, _)) = most else {
        return Ok(None);
    };
    let other = kinds
        .iter()
        .filter(|(kind, _)| *kind != norm)
        .min_by_key(|(_, places)| places[0]);
    if let Some((kind, places)) = other {
        let frames = places.iter().map(|at| cells[*at].frame).collect();
        let example = cells[places[0]].path.clone().unwrap_or_default();
        return Err(if (kind.0, kind.1) == (norm.0, norm.1) {
            SequenceError::OtherChannels {
                frames,
                channels: in_words(&kind.2),
                others: in_words(&norm.2),
                example,
            }
        } else {
            SequenceError::OtherSize {
                frames,
                size: (kind.0, kind.1),
                others: (norm.0, norm.1),
                example,
            }
        });
    }
    let (width, height, channels, is_light) = norm.clone();
    Ok(Some(Alike {
        width,
        height,
        channels,
        is_light,
    }))
}

fn in_words(channels: &[String]) -> String {
    const SHOWN_MAX: usize = 8;
    let mut text = channels
        .iter()
        .take(SHOWN_MAX)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    if channels.len() > SHOWN_MAX {
        text.push_str(&format!(" … ({})", channels.len()));
    }
    text
}
