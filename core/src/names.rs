//! Names of tasks, as people type and read them: `LAYER:FRAME[:COLUMN,ROW]`, e.g. `beauty:17:2,3`.
//!
//! A scene that is rendered as it is, all layers together, has the layer name [`WHOLE`]. A layer's
//! name may hold anything, a colon too: a name is read from its right end, where only numbers stand.
//!
//! Invariant: what is printed parses back to the same name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The layer part where a scene is rendered as one.
pub const WHOLE: &str = "all";

/// A task's name. Ordered by layer, then frame, then row by row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskName {
    layer: String,
    frame: i32,
    tile: Option<TilePlace>,
}

/// Which tile of a frame, counted from 0 at the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TilePlace {
    /// From the left.
    pub column: u32,
    /// From the top.
    pub row: u32,
}

impl fmt::Display for TilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.column, self.row)
    }
}

impl Ord for TilePlace {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.row, self.column).cmp(&(other.row, other.column))
    }
}

impl PartialOrd for TilePlace {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a text is no task's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{typed}` is no task name: {why} (a task is LAYER:FRAME or LAYER:FRAME:COLUMN,ROW)")]
pub struct TaskNameError {
    typed: String,
    why: &'static str,
}

impl TaskName {
    /// The task of `layer` and `frame`; an empty layer is the scene as a whole.
    #[must_use]
    pub fn new(layer: &str, frame: i32, tile: Option<TilePlace>) -> Self {
        let layer = if layer.is_empty() { WHOLE } else { layer };
        Self {
            layer: layer.to_owned(),
            frame,
            tile,
        }
    }

    /// The layer part, [`WHOLE`] where the scene is rendered as one.
    #[must_use]
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The frame's number.
    #[must_use]
    pub fn frame(&self) -> i32 {
        self.frame
    }

    /// The tile, where the frame is split.
    #[must_use]
    pub fn tile(&self) -> Option<TilePlace> {
        self.tile
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.layer, self.frame)?;
        if let Some(tile) = self.tile {
            write!(f, ":{tile}")?;
        }
        Ok(())
    }
}

impl FromStr for TaskName {
    type Err = TaskNameError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let error = |why| TaskNameError {
            typed: typed.to_owned(),
            why,
        };
        let (rest, last) = typed.rsplit_once(':').ok_or(error("no colon"))?;
        let (layer, frame, tile) = match last.split_once(',') {
            None => (rest, last, None),
            Some((column, row)) => {
                let (layer, frame) = rest
                    .rsplit_once(':')
                    .ok_or(error("no frame before the tile"))?;
                let tile = TilePlace {
                    column: whole_number(column).ok_or(error("the column is no number"))?,
                    row: whole_number(row).ok_or(error("the row is no number"))?,
                };
                (layer, frame, Some(tile))
            }
        };
        let frame = frame_number(frame).ok_or(error("the frame is no number"))?;
        if layer.is_empty() {
            return Err(error("the layer is empty"));
        }
        Ok(Self::new(layer, frame, tile))
    }
}

/// A `u32` without the sign that [`u32::from_str`] lets pass.
fn whole_number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    text.parse().ok()
}

fn frame_number(text: &str) -> Option<i32> {
    (!text.starts_with('+')).then_some(())?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tile(column: u32, row: u32) -> Option<TilePlace> {
        Some(TilePlace { column, row })
    }

    #[test]
    fn names_are_read() {
        for (typed, wanted) in [
            ("beauty:17:2,3", TaskName::new("beauty", 17, tile(2, 3))),
            ("beauty:-4", TaskName::new("beauty", -4, None)),
            ("all:1", TaskName::new("", 1, None)),
            ("a:5:6", TaskName::new("a:5", 6, None)),
            ("a:1,2:3:4,5", TaskName::new("a:1,2", 3, tile(4, 5))),
        ] {
            assert_eq!(typed.parse::<TaskName>().unwrap(), wanted, "{typed}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for typed in [
            "",
            "17",
            "beauty",
            "beauty:",
            ":17",
            "beauty:x",
            "beauty:17:",
            "beauty:1,2",
            "beauty:17:1,",
            "beauty:17:-1,2",
            "beauty:+1",
            "beauty:17:1,2,3",
            "b:99999999999",
        ] {
            let error = typed.parse::<TaskName>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{typed}` is no task name")),
                "{error}"
            );
        }
    }

    #[test]
    fn tasks_are_ordered_as_a_person_reads_them() {
        let mut names = [
            TaskName::new("b", 1, None),
            TaskName::new("a", 10, None),
            TaskName::new("a", 9, tile(0, 1)),
            TaskName::new("a", 9, tile(1, 0)),
            TaskName::new("a", -1, None),
        ];
        names.sort();
        let printed: Vec<_> = names.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["a:-1", "a:9:1,0", "a:9:0,1", "a:10", "b:1"]);
    }

    proptest! {
        #[test]
        fn printed_names_parse_back(
            layer in "(.|[:,0-9\n-]){1,12}",
            frame: i32,
            place in proptest::option::of((any::<u32>(), any::<u32>())),
        ) {
            let name = TaskName::new(&layer, frame, place.map(|(column, row)| TilePlace { column, row }));
            prop_assert_eq!(name.to_string().parse::<TaskName>().unwrap(), name);
        }

        #[test]
        fn parsed_text_prints_back(text in "[a:,0-9-]{0,10}") {
            if let Ok(name) = text.parse::<TaskName>() {
                prop_assert_eq!(name.to_string().parse::<TaskName>().unwrap(), name);
            }
        }
    }
}
