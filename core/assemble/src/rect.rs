//! Rectangles of a picture, in pixels from its top left.

use std::fmt;

/// A rectangle; `x` and `y` count from the top left. Shown as `WxH+X+Y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Rect {
    /// A picture of this size.
    pub const fn of_size(width: u32, height: u32) -> Self {
        Self {
            x: 0,
            y: 0,
            width,
            height,
        }
    }

    /// The first column to the right of it.
    pub const fn right(&self) -> u64 {
        self.x as u64 + self.width as u64
    }

    /// The first row below it.
    pub const fn bottom(&self) -> u64 {
        self.y as u64 + self.height as u64
    }

    /// How many pixels it has.
    pub const fn area(&self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Whether it has no pixel.
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Whether the other lies within.
    pub const fn contains(&self, other: &Self) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }

    /// What both have, if anything.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let right = self.right().min(other.right());
        let bottom = self.bottom().min(other.bottom());
        let width = u32::try_from(right.checked_sub(x.into())?).ok()?;
        let height = u32::try_from(bottom.checked_sub(y.into())?).ok()?;
        (width > 0 && height > 0).then_some(Self {
            x,
            y,
            width,
            height,
        })
    }

    /// What of a tile is kept where it was rendered `overlap` pixels larger on each side that is not
    /// an edge of a picture of this size; `None` where nothing is left.
    pub fn without_overlap(&self, overlap: u32, width: u32, height: u32) -> Option<Self> {
        let inner = |low: u32, length: u32, edge: u32| {
            let high = u64::from(low) + u64::from(length);
            let from = u64::from(low) + if low > 0 { u64::from(overlap) } else { 0 };
            let to = if high < u64::from(edge) {
                high.checked_sub(overlap.into())?
            } else {
                high
            };
            let length = u32::try_from(to.checked_sub(from)?).ok()?;
            (length > 0).then_some((u32::try_from(from).ok()?, length))
        };
        let (x, kept_width) = inner(self.x, self.width, width)?;
        let (y, kept_height) = inner(self.y, self.height, height)?;
        Some(Self {
            x,
            y,
            width: kept_width,
            height: kept_height,
        })
    }

    /// The same rectangle counted from another point, which must not lie right of it or below.
    pub(crate) const fn counted_from(&self, x: u32, y: u32) -> Self {
        Self {
            x: self.x - x,
            y: self.y - y,
            width: self.width,
            height: self.height,
        }
    }

    /// The same rectangle, so much further right and down.
    pub(crate) const fn moved(&self, x: u32, y: u32) -> Self {
        Self {
            x: self.x + x,
            y: self.y + y,
            width: self.width,
            height: self.height,
        }
    }
}

impl fmt::Display for Rect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}+{}+{}", self.width, self.height, self.x, self.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_goes_at_inner_sides_only() {
        let at = Rect {
            x: 84,
            y: 0,
            width: 132,
            height: 66,
        };
        let kept = at.without_overlap(16, 300, 100).unwrap();
        assert_eq!(kept.to_string(), "100x50+100+0");
        let last = Rect { x: 184, ..at };
        assert_eq!(
            last.without_overlap(16, 316, 66).unwrap().to_string(),
            "116x66+200+0"
        );
        assert_eq!(at.without_overlap(66, 300, 100), None);
    }

    #[test]
    fn rectangles_at_the_end_of_numbers_do_not_overflow() {
        let far = Rect {
            x: u32::MAX,
            y: u32::MAX,
            width: u32::MAX,
            height: u32::MAX,
        };
        assert!(far.contains(&far));
        assert_eq!(far.intersection(&Rect::of_size(5, 5)), None);
        assert_eq!(far.without_overlap(u32::MAX, 1, 1), None);
    }
}
