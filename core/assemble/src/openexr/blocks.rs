//! How a picture is cut into blocks: rows of rectangles of one size, cut off at the right and at the
//! bottom. A block of lines is one as wide as the picture.

use crate::rect::Rect;

/// A picture's blocks, in pixels from the top left of its data window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) block_width: u32,
    pub(crate) block_height: u32,
}

impl Blocks {
    pub(crate) fn columns(&self) -> u32 {
        self.width.div_ceil(self.block_width)
    }

    pub(crate) fn rows(&self) -> u32 {
        self.height.div_ceil(self.block_height)
    }

    /// Which pixels a block has; it must be one of the picture's.
    pub(crate) fn rect(&self, column: u32, row: u32) -> Rect {
        let (x, y) = (column * self.block_width, row * self.block_height);
        Rect {
            x,
            y,
            width: self.block_width.min(self.width - x),
            height: self.block_height.min(self.height - y),
        }
    }

    /// The blocks that have pixels of a rectangle within the picture, row by row.
    pub(crate) fn touching(&self, rect: &Rect) -> impl Iterator<Item = (u32, u32)> + use<> {
        let columns = rect.x / self.block_width
            ..((rect.right() as u32).div_ceil(self.block_width)).min(self.columns());
        let rows = rect.y / self.block_height
            ..((rect.bottom() as u32).div_ceil(self.block_height)).min(self.rows());
        rows.flat_map(move |row| columns.clone().map(move |column| (column, row)))
    }

    /// The block that has exactly these pixels, if there is one.
    pub(crate) fn equal_to(&self, rect: &Rect) -> Option<(u32, u32)> {
        let place = (rect.x / self.block_width, rect.y / self.block_height);
        (place.0 < self.columns() && place.1 < self.rows() && self.rect(place.0, place.1) == *rect)
            .then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_cut_off_at_the_edges() {
        let blocks = Blocks {
            width: 100,
            height: 40,
            block_width: 64,
            block_height: 16,
        };
        assert_eq!((blocks.columns(), blocks.rows()), (2, 3));
        assert_eq!(blocks.rect(1, 2).to_string(), "36x8+64+32");
        assert_eq!(blocks.equal_to(&blocks.rect(1, 2)), Some((1, 2)));
        assert_eq!(blocks.equal_to(&Rect::of_size(64, 15)), None);
        let touching: Vec<_> = blocks
            .touching(&Rect {
                x: 63,
                y: 16,
                width: 2,
                height: 17,
            })
            .collect();
        assert_eq!(touching, [(0, 1), (1, 1), (0, 2), (1, 2)]);
    }
}
