//! PNG: every row of the picture, every checksum, up to the end mark.

use std::io::{BufRead, Seek};

use png::{BitDepth, ColorType, DecodeOptions, Decoder, DecodingError, Transformations};

use super::{Flaw, Found, check_claim};

pub(super) fn decode<R: BufRead + Seek>(file: R, _file_bytes: u64) -> Result<Found, Flaw> {
    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(false);
    options.set_skip_ancillary_crc_failures(false);
    let mut decoder = Decoder::new_with_options(file, options);
    decoder.set_transformations(Transformations::IDENTITY);
    let info = decoder.read_header_info().map_err(explain)?;
    let (width, height) = (info.width, info.height);
    let channels = channels(info.color_type, info.bit_depth);
    let row_bytes = u64::from(width) * info.bytes_per_pixel() as u64;
    check_claim(width.into(), height.into(), row_bytes)?;
    let mut reader = decoder.read_info().map_err(explain)?;
    while reader.next_interlaced_row().map_err(explain)?.is_some() {}
    reader.finish().map_err(explain)?;
    Ok(Found {
        sizes: vec![(width, height)],
        channels,
    })
}

fn channels(color: ColorType, depth: BitDepth) -> Vec<String> {
    let names: &[&str] = match color {
        ColorType::Grayscale => &["Y"],
        ColorType::GrayscaleAlpha => &["Y", "A"],
        // What a palette holds is colour.
        ColorType::Rgb | ColorType::Indexed => &["R", "G", "B"],
        ColorType::Rgba => &["R", "G", "B", "A"],
    };
    let kind = match (color, depth) {
        (ColorType::Indexed, _) | (_, BitDepth::Eight) => "u8",
        (_, BitDepth::One) => "u1",
        (_, BitDepth::Two) => "u2",
        (_, BitDepth::Four) => "u4",
        (_, BitDepth::Sixteen) => "u16",
    };
    names.iter().map(|name| format!("{name}:{kind}")).collect()
}

fn explain(error: DecodingError) -> Flaw {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Flaw::truncated("ends before its picture does, expected a whole PNG")
        }
        DecodingError::IoError(error) => super::unreadable(error),
        DecodingError::LimitsExceeded => Flaw::new("claims more than a PNG can hold"),
        other => Flaw::new(format!("is not a whole PNG: {other}")),
    }
}
