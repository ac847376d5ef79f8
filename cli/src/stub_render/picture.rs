//! What a stub picture shows: each pixel a pure function of (layer, frame, x, y).
//!
//! For people it is a sunrise over coloured ground with the frame's number and the layer's name
//! across it; played as a sequence, the sun travels. For tests it is an identity card: any
//! stitching, merging or mixing-up mistake changes pixels, because every block of 16 pixels has a
//! tint, and every pixel low bits, that belong to one layer, frame and place only. Tiles are cut
//! out of the same function, so a stitched frame equals the whole one to the last bit.
//!
//! All arithmetic is in whole numbers, so pictures are equal on every machine. In order:
//!
//! 1. *Ground*: the layer's name gives two colours; a diagonal gradient runs between them,
//!    `t = (x·256/width + y·256/height)/2`.
//! 2. *Sun*: a disc with a soft rim that goes across in 96 frames and up and down again in 48,
//!    brightens towards its middle.
//! 3. *Blocks*: `mix(layer, frame, x/16, y/16)` shifts each channel by −12 … 12.
//! 4. *Text*: the frame number, and under it the layer's name (`ALL LAYERS` for the scene as it
//!    is), brightened by 96 over a darkened shadow.
//! 5. *Low bits*: the two lowest bits of each of R, G, B and A are replaced by bits of
//!    `mix(layer, frame, x, y)`. Alpha is else 255, so it lies in 252 … 255.
//!
//! In a scene with assets, their content goes into blocks and low bits as the frame does, so a picture
//! that was made from another file is another picture.

use super::glyphs;
use super::hash;

/// One pixel: red, green, blue, alpha.
pub type Rgba = [u8; 4];

/// The picture of one layer and frame; ask it for pixels.
pub struct Painter {
    width: u32,
    height: u32,
    /// Belongs to (layer, frame).
    key: u64,
    colours: [[i32; 3]; 2],
    sun: (i64, i64),
    sun_radius: i64,
    lines: [Line; 2],
}

/// A line of text with its place.
struct Line {
    characters: Vec<char>,
    left: i64,
    top: i64,
    dot: u32,
}

impl Painter {
    /// `layer` is a layer's name, empty for the scene as it is. Width and height are those of
    /// the whole frame, not of a tile, and at least 1.
    pub fn new(layer: &str, frame: i32, width: u32, height: u32) -> Self {
        let layer_key = hash::name(layer);
        let key = hash::mix(layer_key ^ hash::mix(i64::from(frame) as u64));
        let colour = |shift: u32, least: i32, range: u64| {
            [0, 16, 32].map(|channel: u32| {
                let value = hash::mix(layer_key.rotate_left(shift)) >> channel & 0xffff;
                least + (value % range) as i32
            })
        };
        let title = if layer.is_empty() {
            "all layers"
        } else {
            layer
        };
        let (wide, high) = (i64::from(width), i64::from(height));
        Self {
            width,
            height,
            key,
            colours: [colour(1, 90, 110), colour(7, 20, 90)],
            sun: (
                wide * i64::from(frame.rem_euclid(96)) / 95,
                high / 6 + high / 2 * triangle(frame, 48) / 24,
            ),
            sun_radius: (wide.min(high) / 4).max(1),
            lines: [
                Line::new(&frame.to_string(), width, height, 0),
                Line::new(title, width, height, 1),
            ],
        }
    }

    /// The same of a scene with assets; 0 = it has none.
    pub fn with_assets(mut self, assets: u64) -> Self {
        self.key ^= assets;
        self
    }

    /// The pixel at (x, y), counted from the top left of the whole frame.
    pub fn pixel(&self, x: u32, y: u32) -> Rgba {
        let mut rgb = self.ground(x, y);
        let light = self.sunlight(x, y);
        let tint = hash::mix(self.key ^ place(x / 16, y / 16) ^ 0xb10c);
        let text = self.text(x, y);
        for (index, channel) in rgb.iter_mut().enumerate() {
            // The sun is warm: least in blue.
            *channel += light * [100, 80, 30][index] / 100;
            *channel += (tint >> (16 * index) & 0xffff) as i32 % 25 - 12;
            *channel += text;
        }
        let bits = hash::mix(self.key ^ place(x, y));
        let [r, g, b] = rgb.map(|channel| channel.clamp(0, 255) as u8);
        [
            low(r, bits),
            low(g, bits >> 2),
            low(b, bits >> 4),
            low(255, bits >> 6),
        ]
    }

    fn ground(&self, x: u32, y: u32) -> [i32; 3] {
        let across = u64::from(x) * 256 / u64::from(self.width);
        let down = u64::from(y) * 256 / u64::from(self.height);
        let t = ((across + down) / 2) as i32;
        [0, 1, 2].map(|c| (self.colours[0][c] * (256 - t) + self.colours[1][c] * t) / 256)
    }

    /// 0 outside the sun's glow, 130 in its middle.
    fn sunlight(&self, x: u32, y: u32) -> i32 {
        let (dx, dy) = (i64::from(x) - self.sun.0, i64::from(y) - self.sun.1);
        let (distance2, radius2) = (dx * dx + dy * dy, self.sun_radius * self.sun_radius);
        if distance2 >= radius2 {
            return 0;
        }
        let inside = (radius2 - distance2) * 130 / radius2;
        // A crisp disc in the inner half, glow around it.
        if distance2 * 4 < radius2 {
            130
        } else {
            inside as i32
        }
    }

    /// What text adds to a pixel: light for the letters, dark for their shadow.
    fn text(&self, x: u32, y: u32) -> i32 {
        for line in &self.lines {
            if line.covers(i64::from(x), i64::from(y)) {
                return 96;
            }
            let shadow = i64::from((line.dot / 3).max(1));
            if line.covers(i64::from(x) - shadow, i64::from(y) - shadow) {
                return -60;
            }
        }
        0
    }
}

impl Line {
    /// The number takes about half of the frame's height, the name (row 1) stands under it; both
    /// shrink until they fit the width.
    fn new(text: &str, width: u32, height: u32, row: u32) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let count = u32::try_from(characters.len()).unwrap_or(u32::MAX).max(1);
        let wanted = if row == 0 { height / 16 } else { height / 56 };
        let fits = (width * 9 / 10) / count.saturating_mul(glyphs::ADVANCE);
        let dot = wanted.min(fits).max(1);
        let wide = i64::from(dot) * (i64::from(count) * i64::from(glyphs::ADVANCE) - 1);
        let baseline = i64::from(height) * [72, 88][row as usize] / 100;
        Self {
            characters,
            left: (i64::from(width) - wide) / 2,
            top: baseline - i64::from(dot * glyphs::HEIGHT),
            dot,
        }
    }

    fn covers(&self, x: i64, y: i64) -> bool {
        if x < self.left || y < self.top {
            return false;
        }
        let dot = i64::from(self.dot);
        let (column, row) = ((x - self.left) / dot, (y - self.top) / dot);
        let advance = i64::from(glyphs::ADVANCE);
        let character = usize::try_from(column / advance)
            .ok()
            .and_then(|index| self.characters.get(index));
        match (character, u32::try_from(row)) {
            (Some(&character), Ok(row)) => glyphs::dot(character, (column % advance) as u32, row),
            _ => false,
        }
    }
}

/// Goes up from 0 to period/2 and down again.
fn triangle(frame: i32, period: i32) -> i64 {
    let phase = frame.rem_euclid(period);
    i64::from(phase.min(period - phase))
}

fn place(x: u32, y: u32) -> u64 {
    u64::from(x) << 32 | u64::from(y)
}

fn low(channel: u8, bits: u64) -> u8 {
    channel & !3 | (bits & 3) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn picture(layer: &str, frame: i32) -> Vec<Rgba> {
        let painter = Painter::new(layer, frame, 320, 180);
        (0..180)
            .flat_map(|y| (0..320).map(move |x| (x, y)))
            .map(|(x, y)| painter.pixel(x, y))
            .collect()
    }

    fn differing(a: &[Rgba], b: &[Rgba]) -> usize {
        a.iter().zip(b).filter(|(a, b)| a != b).count()
    }

    #[test]
    fn another_frame_or_layer_differs_nearly_everywhere() {
        let one = picture("beauty", 17);
        for other in [
            picture("beauty", 18),
            picture("shadow", 17),
            picture("", 17),
        ] {
            assert!(differing(&one, &other) > one.len() * 95 / 100);
        }
    }

    #[test]
    fn other_assets_differ_nearly_everywhere() {
        let pixels = |assets| -> Vec<Rgba> {
            let painter = Painter::new("beauty", 17, 320, 180).with_assets(assets);
            (0..320).map(|x| painter.pixel(x, 90)).collect()
        };
        assert!(differing(&pixels(0), &pixels(1)) > 300);
        assert!(differing(&pixels(2), &pixels(1)) > 300);
    }

    #[test]
    fn a_shift_by_one_pixel_shows() {
        let one = picture("beauty", 17);
        assert!(differing(&one[1..], &one) > one.len() * 95 / 100);
        assert!(differing(&one[320..], &one) > one.len() * 95 / 100);
    }

    #[test]
    fn pictures_are_rich_in_colour() {
        let colours: BTreeSet<Rgba> = picture("beauty", 1).into_iter().collect();
        assert!(colours.len() > 1_000, "{}", colours.len());
    }

    #[test]
    fn the_smallest_and_longest_inputs_are_drawn() {
        let _ = Painter::new(&"x".repeat(64), i32::MIN, 1, 1).pixel(0, 0);
        let _ = Painter::new("", i32::MAX, 16_384, 1).pixel(16_383, 0);
    }

    #[test]
    fn known_pixels_stay_as_they_are() {
        // Committed frames are compared across versions; a change here is a change of format.
        let painter = Painter::new("beauty", 17, 320, 180);
        let known = [(0, 0), (160, 90), (319, 179), (100, 40)].map(|(x, y)| painter.pixel(x, y));
        assert_eq!(
            known,
            [
                [204, 203, 164, 254],
                [147, 129, 89, 253],
                [81, 88, 21, 253],
                [177, 174, 144, 253]
            ]
        );
    }
}
