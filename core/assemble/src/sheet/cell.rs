//! Painting a row of cells.

use std::ops::Range;

use super::digits;
use super::grid::Grid;
use crate::shown::Shown;
use crate::view::{linear_of_srgb_codes, srgb_byte};

/// Around the cells.
pub(super) const GROUND: [u8; 3] = [24, 24, 24];
/// Of a picture's number.
const NUMBER: [u8; 3] = [200, 200, 200];
/// Of a hole's frame and number.
const HOLE: [u8; 3] = [224, 96, 64];

/// Paints a row of cells at a time.
pub(super) struct Painter<'a> {
    grid: &'a Grid,
    /// Eight-bit colours, the sheet's width.
    pixels: Vec<u8>,
    light: Vec<f32>,
}

impl<'a> Painter<'a> {
    pub(super) fn new(grid: &'a Grid) -> Self {
        Self {
            grid,
            pixels: Vec::new(),
            light: linear_of_srgb_codes(),
        }
    }

    /// Wipes the row.
    pub(super) fn begin_row(&mut self) {
        self.pixels = GROUND.repeat(self.grid.size().0 * self.grid.pitch().1);
    }

    /// What was painted since.
    pub(super) fn row(&self) -> &[u8] {
        &self.pixels
    }

    fn put(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        let at = (y * self.grid.size().0 + x) * 3;
        self.pixels[at..at + 3].copy_from_slice(&colour);
    }

    fn left(&self, column: usize) -> usize {
        self.grid.gap + column * self.grid.pitch().0
    }

    /// A picture, as large as the thumbnail lets it, in its middle.
    pub(super) fn picture(&mut self, column: usize, shown: &Shown) {
        let (most_width, most_height) = (self.grid.thumb_width, self.grid.thumb_height);
        let (mut width, mut height) = (
            most_width,
            (most_width * shown.height).div_ceil(shown.width).max(1),
        );
        if height > most_height {
            (width, height) = (
                (most_height * shown.width / shown.height).clamp(1, most_width),
                most_height,
            );
        }
        let left = self.left(column) + (most_width - width) / 2;
        let top = (most_height - height) / 2;
        let across: Vec<Span> = (0..width)
            .map(|x| Span::of(x, width, shown.width))
            .collect();
        let mut sums = vec![[0.0_f32; 3]; width];
        for y in 0..height {
            let down = Span::of(y, height, shown.height);
            sums.fill([0.0; 3]);
            for row in down.pixels.clone() {
                let weight_down = down.weight(row);
                let line = &shown.pixels[row * shown.width..][..shown.width];
                for (sum, span) in sums.iter_mut().zip(&across) {
                    for at in span.pixels.clone() {
                        let weight = weight_down * span.weight(at);
                        for (sum, code) in sum.iter_mut().zip(&line[at][..3]) {
                            *sum += weight * self.light[usize::from(*code)];
                        }
                    }
                }
            }
            for (x, sum) in sums.iter().enumerate() {
                self.put(left + x, top + y, sum.map(srgb_byte));
            }
        }
    }

    /// An empty cell in a frame.
    pub(super) fn hole(&mut self, column: usize) {
        let (width, height) = (self.grid.thumb_width, self.grid.thumb_height);
        let (left, line) = (self.left(column), self.grid.dot);
        for y in 0..height {
            for x in 0..width {
                let edge = x.min(width - 1 - x).min(y).min(height - 1 - y);
                if edge < line {
                    self.put(left + x, y, HOLE);
                }
            }
        }
    }

    /// The frame's number below its cell.
    pub(super) fn number(&mut self, column: usize, frame: i32, is_there: bool) {
        let dot = self.grid.dot;
        let text = frame.to_string();
        let pitch = (digits::WIDTH + 1) * dot;
        let width = text.len() * pitch - dot;
        let thumb_width = self.grid.thumb_width;
        let left = self.left(column) + thumb_width.saturating_sub(width) / 2;
        let top = self.grid.thumb_height + 2 * dot;
        let right = self.left(column) + thumb_width;
        let colour = if is_there { NUMBER } else { HOLE };
        for (place, digit) in text.chars().enumerate() {
            for (row, bits) in digits::rows(digit).into_iter().enumerate() {
                for bit in
                    (0..digits::WIDTH).filter(|bit| bits >> (digits::WIDTH - 1 - bit) & 1 == 1)
                {
                    let x = left + place * pitch + bit * dot;
                    for at in 0..dot * dot {
                        let (x, y) = (x + at % dot, top + row * dot + at / dot);
                        if x < right {
                            self.put(x, y, colour);
                        }
                    }
                }
            }
        }
    }
}

/// The pixels of a picture that a thumbnail's pixel covers, along one axis.
struct Span {
    pixels: Range<usize>,
    from: f64,
    to: f64,
}

impl Span {
    fn of(at: usize, small: usize, large: usize) -> Self {
        // In small/large of a pixel exactly; floats come last.
        let (begin, end) = (at * large, (at + 1) * large);
        Self {
            pixels: begin / small..end.div_ceil(small),
            from: begin as f64 / small as f64,
            to: end as f64 / small as f64,
        }
    }

    /// How much of the span a pixel is.
    fn weight(&self, pixel: usize) -> f32 {
        let from = self.from.max(pixel as f64);
        let to = self.to.min(pixel as f64 + 1.0);
        ((to - from).max(0.0) / (self.to - self.from)) as f32
    }
}
