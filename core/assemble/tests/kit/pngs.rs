//! The same for PNG.

use std::path::Path;

use framewright_assemble::Rect;
use png::{BitDepth, ColorType};

/// Rows of bytes as PNG has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Png {
    pub width: u32,
    pub height: u32,
    pub color: ColorType,
    pub depth: BitDepth,
    pub bytes: Vec<u8>,
}

impl Png {
    pub fn new(seed: u64, width: u32, height: u32, color: ColorType, depth: BitDepth) -> Self {
        let samples = width as usize * height as usize * color.samples();
        let per_row = width as usize * color.samples();
        let bytes = (0..samples).flat_map(|index| {
            let noise = super::mixed(seed ^ super::mixed(index as u64));
            let smooth = (index / per_row + index % per_row) as u16;
            let value = smooth.wrapping_mul(300).wrapping_add((noise % 512) as u16);
            match depth {
                BitDepth::Sixteen => value.to_be_bytes().to_vec(),
                _ => vec![(value >> 8) as u8],
            }
        });
        Self {
            width,
            height,
            color,
            depth,
            bytes: bytes.collect(),
        }
    }

    pub fn pixel_bytes(&self) -> usize {
        let sample = if self.depth == BitDepth::Sixteen {
            2
        } else {
            1
        };
        self.color.samples() * sample
    }

    pub fn cut(&self, rect: Rect) -> Self {
        let pixel = self.pixel_bytes();
        let rows = (rect.y..rect.y + rect.height)
            .map(|y| (y as usize * self.width as usize + rect.x as usize) * pixel);
        let length = rect.width as usize * pixel;
        Self {
            width: rect.width,
            height: rect.height,
            bytes: rows
                .flat_map(|from| &self.bytes[from..from + length])
                .copied()
                .collect(),
            ..self.clone()
        }
    }

    /// Black wherever the rectangle is not.
    pub fn only(&self, rect: Rect) -> Self {
        let pixel = self.pixel_bytes();
        let mut only = self.clone();
        only.bytes.fill(0);
        for y in rect.y..rect.y + rect.height {
            let from = (y as usize * self.width as usize + rect.x as usize) * pixel;
            let range = from..from + rect.width as usize * pixel;
            only.bytes[range.clone()].copy_from_slice(&self.bytes[range]);
        }
        only
    }

    pub fn write(&self, path: &Path) {
        self.write_with(path, |_| {});
    }

    pub fn write_with(&self, path: &Path, more: impl FnOnce(&mut png::Encoder<'_, std::fs::File>)) {
        let file = std::fs::File::create(path).unwrap();
        let mut encoder = png::Encoder::new(file, self.width, self.height);
        encoder.set_color(self.color);
        encoder.set_depth(self.depth);
        encoder.set_compression(png::Compression::Fast);
        more(&mut encoder);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&self.bytes).unwrap();
        writer.finish().unwrap();
    }

    pub fn read(path: &Path) -> (Self, png::Info<'static>) {
        let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        reader.finish().unwrap();
        let picture = Self {
            width: info.width,
            height: info.height,
            color: info.color_type,
            depth: info.bit_depth,
            bytes,
        };
        (picture, reader.info().clone())
    }
}
