//! A stub picture as the bytes of a PNG or EXR file.
//!
//! Encoded in memory, so that the faults can cut it short, and the same bytes come out each time:
//! no dates, no host names.

use std::ffi::OsStr;
use std::io::Cursor;
use std::path::Path;

use exr::prelude::WritableImage as _;
use exr::prelude::{
    AnyChannel, AnyChannels, Encoding, FlatSamples, Image, Layer as ExrLayer, LayerAttributes, f16,
};

use super::picture::{Painter, Rgba};
use super::task::Rectangle;

/// What a picture file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// 8 bits a channel, RGBA.
    Png,
    /// R, G, B, A; each value is the 8-bit one divided by 255.
    Exr,
}

impl FileFormat {
    /// What a file's name asks for.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension().and_then(OsStr::to_str)?;
        match extension.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "exr" => Some(Self::Exr),
            _ => None,
        }
    }
}

/// How EXR files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExrStyle {
    /// 32-bit floats instead of 16-bit ones.
    pub float: bool,
    /// Channels carry the layer's name, `beauty.R`; the scene as it is then holds those of every
    /// layer, which is what merging the layers' files must give.
    pub layer_names: bool,
}

/// What is drawn into one file.
pub struct Subject<'a> {
    /// The whole frame's size.
    pub width: u32,
    /// The whole frame's size.
    pub height: u32,
    /// The part that is drawn.
    pub part: Rectangle,
    /// So near to an edge of the part that is none of the frame's, pixels are others.
    pub margin: u32,
    /// Frame number.
    pub frame: i32,
    /// The layer's name, empty for the scene as it is.
    pub layer: &'a str,
    /// The names of all layers, for files that hold all of them.
    pub all_layers: &'a [&'a str],
    /// What belongs to the content of the scene's assets; 0 where it has none.
    pub assets: u64,
}

/// Draws and encodes.
pub fn encode(
    subject: &Subject<'_>,
    format: FileFormat,
    style: ExrStyle,
) -> Result<Vec<u8>, String> {
    match format {
        FileFormat::Png => png(subject).map_err(|e| format!("cannot encode PNG: {e}")),
        FileFormat::Exr => exr(subject, style).map_err(|e| format!("cannot encode EXR: {e}")),
    }
}

fn draw(subject: &Subject<'_>, layer: &str) -> Vec<Rgba> {
    let painter = Painter::new(layer, subject.frame, subject.width, subject.height)
        .with_assets(subject.assets);
    let part = subject.part;
    let mut pixels = Vec::with_capacity(part.width as usize * part.height as usize);
    for y in part.y..part.y + part.height {
        pixels.extend((part.x..part.x + part.width).map(|x| {
            let [red, green, blue, alpha] = painter.pixel(x, y);
            match is_near_edge(subject, x, y) {
                true => [red ^ 0x40, green, blue, alpha],
                false => [red, green, blue, alpha],
            }
        }));
    }
    pixels
}

/// Whether a renderer whose pixels look at their neighbours would have missed some of them here.
fn is_near_edge(subject: &Subject<'_>, x: u32, y: u32) -> bool {
    let near = |at: u32, first: u32, length: u32, all: u32| {
        let (before, after) = (at - first, first + length - 1 - at);
        (first > 0 && before < subject.margin) || (first + length < all && after < subject.margin)
    };
    let part = subject.part;
    near(x, part.x, part.width, subject.width) || near(y, part.y, part.height, subject.height)
}

fn png(subject: &Subject<'_>) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, subject.part.width, subject.part.height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(draw(subject, subject.layer).as_flattened())?;
    writer.finish()?;
    Ok(bytes)
}

fn exr(subject: &Subject<'_>, style: ExrStyle) -> Result<Vec<u8>, exr::error::Error> {
    let mut channels = Vec::new();
    match (style.layer_names, subject.layer) {
        (false, layer) => push_channels(&mut channels, subject, layer, "", style),
        (true, "") => {
            for layer in subject.all_layers {
                push_channels(&mut channels, subject, layer, layer, style);
            }
        }
        (true, layer) => push_channels(&mut channels, subject, layer, layer, style),
    }
    let size = (subject.part.width as usize, subject.part.height as usize);
    let layer = ExrLayer::new(
        size,
        LayerAttributes::default(),
        Encoding::FAST_LOSSLESS,
        AnyChannels::sort(channels.into_iter().collect()),
    );
    let mut bytes = Cursor::new(Vec::new());
    // One thread: a stub renderer stands for a load that is declared, and takes no more.
    Image::from_layer(layer)
        .write()
        .non_parallel()
        .to_buffered(&mut bytes)?;
    Ok(bytes.into_inner())
}

fn push_channels(
    channels: &mut Vec<AnyChannel<FlatSamples>>,
    subject: &Subject<'_>,
    layer: &str,
    prefix: &str,
    style: ExrStyle,
) {
    let pixels = draw(subject, layer);
    for (index, letter) in ["R", "G", "B", "A"].into_iter().enumerate() {
        let name = if prefix.is_empty() {
            letter.to_owned()
        } else {
            format!("{prefix}.{letter}")
        };
        let values = pixels.iter().map(|pixel| f32::from(pixel[index]) / 255.0);
        let samples = if style.float {
            FlatSamples::F32(values.collect())
        } else {
            FlatSamples::F16(values.map(f16::from_f32).collect())
        };
        channels.push(AnyChannel::new(name.as_str(), samples));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(layer: &'static str, part: Rectangle) -> Subject<'static> {
        Subject {
            width: 64,
            height: 36,
            part,
            margin: 0,
            frame: 7,
            layer,
            all_layers: &["beauty", "shadow"],
            assets: 0,
        }
    }

    const WHOLE: Rectangle = Rectangle {
        x: 0,
        y: 0,
        width: 64,
        height: 36,
    };

    fn decode_png(bytes: &[u8]) -> Vec<u8> {
        let mut reader = png::Decoder::new(Cursor::new(bytes))
            .read_info()
            .expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut pixels).expect("whole");
        pixels
    }

    #[test]
    fn a_png_holds_the_painters_pixels() {
        let bytes = encode(
            &subject("beauty", WHOLE),
            FileFormat::Png,
            ExrStyle::default(),
        )
        .expect("bytes");
        assert_eq!(
            decode_png(&bytes),
            draw(&subject("beauty", WHOLE), "beauty").as_flattened()
        );
    }

    #[test]
    fn pixels_near_a_tiles_edge_miss_their_neighbours() {
        let part = Rectangle {
            x: 0,
            y: 8,
            width: 32,
            height: 28,
        };
        let near = Subject {
            margin: 4,
            ..subject("beauty", part)
        };
        let (near, far) = (
            draw(&near, "beauty"),
            draw(&subject("beauty", part), "beauty"),
        );
        let differs = |x: usize, y: usize| near[y * 32 + x] != far[y * 32 + x];
        // Left and bottom are the frame's own edges.
        assert!(differs(31, 20) && differs(28, 20) && differs(5, 0) && differs(5, 3));
        assert!(!differs(27, 20) && !differs(5, 4) && !differs(0, 20) && !differs(5, 27));
    }

    #[test]
    fn a_tile_is_cut_out_of_the_whole() {
        let part = Rectangle {
            x: 13,
            y: 5,
            width: 20,
            height: 9,
        };
        let tile = draw(&subject("beauty", part), "beauty");
        let whole = draw(&subject("beauty", WHOLE), "beauty");
        for (row, pixels) in tile.chunks(20).enumerate() {
            let start = (5 + row) * 64 + 13;
            assert_eq!(pixels, &whole[start..start + 20]);
        }
    }

    fn decode_exr(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        use exr::prelude::ReadChannels as _;
        use exr::prelude::ReadLayers as _;
        let image = exr::prelude::read()
            .no_deep_data()
            .largest_resolution_level()
            .all_channels()
            .first_valid_layer()
            .all_attributes()
            .from_buffered(Cursor::new(bytes))
            .expect("an EXR");
        image
            .layer_data
            .channel_data
            .list
            .iter()
            .map(|channel| {
                let values = channel.sample_data.values_as_f32();
                (
                    channel.name.to_string(),
                    values.map(|v| (v * 255.0).round() as u8).collect(),
                )
            })
            .collect()
    }

    #[test]
    fn an_exr_holds_the_same_pixels_as_the_png() {
        let pixels = draw(&subject("beauty", WHOLE), "beauty");
        for float in [false, true] {
            let style = ExrStyle {
                float,
                layer_names: false,
            };
            let bytes = encode(&subject("beauty", WHOLE), FileFormat::Exr, style).expect("bytes");
            let channels = decode_exr(&bytes);
            assert_eq!(channels.len(), 4);
            for (name, values) in channels {
                let index = ["R", "G", "B", "A"]
                    .iter()
                    .position(|n| *n == name)
                    .expect("a name");
                let expected: Vec<u8> = pixels.iter().map(|p| p[index]).collect();
                assert_eq!(values, expected, "{name}");
            }
        }
    }

    #[test]
    fn the_scene_as_it_is_holds_every_layers_channels_when_asked() {
        let style = ExrStyle {
            float: false,
            layer_names: true,
        };
        let all = decode_exr(&encode(&subject("", WHOLE), FileFormat::Exr, style).expect("bytes"));
        let one =
            decode_exr(&encode(&subject("shadow", WHOLE), FileFormat::Exr, style).expect("bytes"));
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "beauty.A", "beauty.B", "beauty.G", "beauty.R", "shadow.A", "shadow.B", "shadow.G",
                "shadow.R"
            ]
        );
        assert_eq!(&all[4..], &one[..]);
    }
}
