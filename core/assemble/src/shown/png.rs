//! PNG: any depth and colour, as sixteen bits.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, DecodingError, Transformations};

use super::{Flaw, Outline, Shown, check_claim};

impl From<DecodingError> for Flaw {
    fn from(error: DecodingError) -> Self {
        match error {
            DecodingError::IoError(error) => error.into(),
            DecodingError::LimitsExceeded => Self::broken("claims more than a PNG can hold"),
            other => Self::broken(format!("is not a whole PNG: {other}")),
        }
    }
}

pub(super) fn outline(path: &Path) -> Result<Outline, Flaw> {
    let mut decoder = Decoder::new(BufReader::new(File::open(path)?));
    let info = decoder.read_header_info()?;
    let (width, height) = (info.width as usize, info.height as usize);
    check_claim(width, height)?;
    let names: &[&str] = match info.color_type {
        ColorType::Grayscale => &["Y"],
        ColorType::GrayscaleAlpha => &["Y", "A"],
        ColorType::Rgb | ColorType::Indexed => &["R", "G", "B"],
        ColorType::Rgba => &["R", "G", "B", "A"],
    };
    let bits = match (info.color_type, info.bit_depth) {
        (ColorType::Indexed, _) => 8,
        (_, depth) => depth as u8,
    };
    Ok(Outline {
        width,
        height,
        channels: names.iter().map(|name| format!("{name}:u{bits}")).collect(),
        is_light: false,
    })
}

pub(super) fn read(path: &Path, alpha: bool) -> Result<Shown, Flaw> {
    const BUFFER_BYTES: usize = 256 << 10;
    let file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let mut decoder = Decoder::new(file);
    // Palettes and few bits become eight.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info()?;
    let (width, height) = {
        let info = reader.info();
        (info.width as usize, info.height as usize)
    };
    check_claim(width, height)?;
    let (color, depth) = reader.output_color_type();
    let mut pixels = vec![[0; 4]; width * height];
    if reader.info().interlaced {
        let bytes = reader
            .output_buffer_size()
            .ok_or_else(|| Flaw::broken("claims more than a PNG can hold"))?;
        let mut buffer = vec![0; bytes];
        reader.next_frame(&mut buffer)?;
        let row_bytes = bytes / height;
        for (row, into) in buffer
            .chunks_exact(row_bytes)
            .zip(pixels.chunks_exact_mut(width))
        {
            convert(row, color, depth, alpha, into);
        }
    } else {
        for into in pixels.chunks_exact_mut(width) {
            let row = reader
                .next_row()?
                .ok_or_else(|| Flaw::broken("ends before its picture does"))?;
            convert(row.data(), color, depth, alpha, into);
        }
    }
    reader.finish()?;
    Ok(Shown {
        width,
        height,
        pixels,
    })
}

fn convert(row: &[u8], color: ColorType, depth: BitDepth, alpha: bool, into: &mut [[u16; 4]]) {
    let samples = color.samples();
    let sample = |at: usize| match depth {
        BitDepth::Sixteen => u16::from_be_bytes([row[at * 2], row[at * 2 + 1]]),
        _ => u16::from(row[at]) * 257,
    };
    for (at, pixel) in into.iter_mut().enumerate() {
        let first = at * samples;
        let [red, green, blue, opacity] = match samples {
            1 => [sample(first), sample(first), sample(first), u16::MAX],
            2 => [
                sample(first),
                sample(first),
                sample(first),
                sample(first + 1),
            ],
            3 => [
                sample(first),
                sample(first + 1),
                sample(first + 2),
                u16::MAX,
            ],
            _ => [
                sample(first),
                sample(first + 1),
                sample(first + 2),
                sample(first + 3),
            ],
        };
        *pixel = if alpha || opacity == u16::MAX {
            [red, green, blue, opacity]
        } else {
            // What a viewer shows on black.
            let on_black = |value: u16| {
                let product = u32::from(value) * u32::from(opacity);
                ((product + 32767) / 65535) as u16
            };
            [on_black(red), on_black(green), on_black(blue), u16::MAX]
        };
    }
}
