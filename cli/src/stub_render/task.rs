//! What the stub renderer is asked to render, as its own JSON lines.
//!
//! One line a document:
//! ```text
//! {"task":{"segment":1,"task":5,"layer":"beauty","frame":17,"attempt":1,"output":"/…/17.png"}}
//! {"cut":{"segment":1,"keep":3}}
//! ```

use std::path::PathBuf;

use serde::Deserialize;

/// Longest line that is read; longer ones are an error.
pub const LINE_BYTES_MAX: u64 = 1 << 20;

/// A line of a session's standard input.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Render this, after all that came before.
    Task(Task),
    /// Of that segment's tasks, only the first `keep` are still wanted.
    Cut(Cut),
}

/// One picture.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Repeated in every line about it.
    pub segment: u64,
    /// Repeated in every line about it.
    pub task: u32,
    /// A layer's name; empty = the scene as it is.
    #[serde(default)]
    pub layer: String,
    /// Frame number.
    pub frame: i32,
    /// Which part of the frame; absent = all of it.
    pub tile: Option<Rectangle>,
    /// The picture is wanted at one in so many of its width and height; 0 and 1 = as it is.
    #[serde(default)]
    pub reduced: u32,
    /// Which try this is, from 1; decides whether a fault still happens.
    #[serde(default = "first")]
    pub attempt: u32,
    /// Where the picture goes; empty = nowhere.
    #[serde(default)]
    pub output: PathBuf,
    /// Pictures of other layers that it stands on.
    #[serde(default)]
    pub needs: Vec<PathBuf>,
}

fn first() -> u32 {
    1
}

/// Of a segment's tasks sent to this process, how many are still wanted, from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Which segment.
    pub segment: u64,
    /// How many.
    pub keep: u32,
}

/// A part of a frame; x and y from the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rectangle {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Rectangle {
    /// Whether it is not empty and lies inside a frame of that size.
    pub fn fits(&self, width: u32, height: u32) -> bool {
        let inside = |start: u32, length: u32, limit: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= limit)
        };
        inside(self.x, self.width, width) && inside(self.y, self.height, height)
    }

    /// What of it lies in the other, in pixels.
    pub fn shared(&self, other: &Rectangle) -> u64 {
        let length = |a: u32, a_long: u32, b: u32, b_long: u32| {
            let end = (u64::from(a) + u64::from(a_long)).min(u64::from(b) + u64::from(b_long));
            end.saturating_sub(u64::from(a.max(b)))
        };
        length(self.x, self.width, other.x, other.width)
            * length(self.y, self.height, other.y, other.height)
    }
}

/// Reads one line.
pub fn parse(line: &str) -> Result<Order, String> {
    serde_json::from_str(line).map_err(|e| format!("cannot read the order {line:?}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_the_manual_shows_them() {
        let order = parse(
            r#"{"task":{"segment":1,"task":5,"layer":"beauty","frame":17,"attempt":1,"output":"/t/17.png"}}"#,
        );
        let Ok(Order::Task(task)) = order else {
            panic!("{order:?}");
        };
        assert_eq!((task.segment, task.task, task.frame), (1, 5, 17));
        assert_eq!(
            parse(r#"{"cut":{"segment":1,"keep":3}}"#),
            Ok(Order::Cut(Cut {
                segment: 1,
                keep: 3
            }))
        );
        assert!(parse("{}").is_err());
        assert!(parse(r#"{"task":{"segment":1}}"#).is_err());
    }

    #[test]
    fn a_rectangle_beyond_the_frame_does_not_fit() {
        let tile = |x, y, width, height| Rectangle {
            x,
            y,
            width,
            height,
        };
        assert!(tile(0, 0, 4, 4).fits(4, 4));
        assert!(!tile(1, 0, 4, 4).fits(4, 4));
        assert!(!tile(0, 0, 0, 4).fits(4, 4));
        assert!(!tile(u32::MAX, 0, 2, 4).fits(4, 4));
        assert_eq!(tile(0, 0, 2, 2).shared(&tile(1, 0, 4, 1)), 1);
        assert_eq!(tile(0, 0, 2, 2).shared(&tile(2, 0, 4, 4)), 0);
    }
}
