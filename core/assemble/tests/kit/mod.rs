//! Pictures whose every sample is known, cut into tiles, written and read by crates `exr` and `png`:
//! nothing here shares code with what is tested.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part of the kit; one that cannot go on has failed"
)]

pub mod pngs;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use exr::prelude::{
    AnyChannel, AnyChannels, AttributeValue, Blocks, Compression, Encoding, FlatSamples, Image,
    ImageAttributes, IntegerBounds, Layer, LayerAttributes, LineOrder, ReadChannels as _,
    ReadLayers as _, Text, Vec2, WritableImage as _, f16, read,
};
use framewright_assemble::stitch::{Plan, StitchError, Stitched, Tile, stitch};
use framewright_assemble::{Output, Rect};

/// What samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Half,
    Float,
    Uint,
}

/// A channel's name and all its samples as bits, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub name: String,
    pub kind: Kind,
    pub bits: Vec<u32>,
}

/// A part's name and channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: Option<String>,
    pub channels: Vec<Channel>,
}

/// A picture of any channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub parts: Vec<Part>,
}

/// Bits that look like chance, the same each time.
pub fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Channels of a part: names and kinds.
pub type Names<'a> = &'a [(&'a str, Kind)];

pub const RGBA: Names<'static> = &[
    ("A", Kind::Half),
    ("B", Kind::Half),
    ("G", Kind::Half),
    ("R", Kind::Half),
];

impl Picture {
    /// Smooth with noise on top, as renders are; every channel differs.
    pub fn new(seed: u64, width: u32, height: u32, parts: &[(Option<&str>, Names<'_>)]) -> Self {
        let sample = |kind: Kind, channel: u64, x: u32, y: u32| {
            let place = u64::from(y) << 32 | u64::from(x);
            let noise = mixed(seed ^ channel.wrapping_mul(0x1234_5678_9abc) ^ mixed(place));
            let smooth = f64::from(x) * 0.01 + f64::from(y) * 0.02 + channel as f64;
            let value = smooth + (noise % 1000) as f64 * 1e-3;
            match kind {
                Kind::Half => f16::from_f64(value).to_bits().into(),
                Kind::Float => (value as f32).to_bits(),
                Kind::Uint => noise as u32,
            }
        };
        let mut number = 0;
        let parts = parts.iter().map(|(name, channels)| {
            let channels = channels.iter().map(|(name, kind)| {
                number += 1;
                let all = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
                Channel {
                    name: (*name).to_owned(),
                    kind: *kind,
                    bits: all.map(|(x, y)| sample(*kind, number, x, y)).collect(),
                }
            });
            Part {
                name: name.map(str::to_owned),
                channels: channels.collect(),
            }
        });
        let parts = parts.collect();
        Self {
            width,
            height,
            parts,
        }
    }

    /// A rectangle of it.
    pub fn cut(&self, rect: Rect) -> Self {
        let mut cut = self.clone();
        (cut.width, cut.height) = (rect.width, rect.height);
        for (to, from) in cut.channels_mut().zip(self.channels()) {
            let rows = (rect.y..rect.y + rect.height).map(|y| (y * self.width + rect.x) as usize);
            to.bits = rows
                .flat_map(|start| &from.bits[start..start + rect.width as usize])
                .copied()
                .collect();
        }
        cut
    }

    /// Puts a rectangle of another picture, which begins there, into this one.
    pub fn paste(&mut self, from: &Self, at: Rect, keep: Rect) {
        let width = self.width;
        for (to, from) in self.channels_mut().zip(from.channels()) {
            for y in keep.y..keep.y + keep.height {
                let source = ((y - at.y) * at.width + keep.x - at.x) as usize;
                let target = (y * width + keep.x) as usize;
                let length = keep.width as usize;
                to.bits[target..target + length]
                    .copy_from_slice(&from.bits[source..source + length]);
            }
        }
    }

    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.parts.iter().flat_map(|part| &part.channels)
    }

    pub fn channels_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.parts.iter_mut().flat_map(|part| &mut part.channels)
    }

    /// How many different pixels it has.
    pub fn colours(&self) -> usize {
        let pixels = self.width as usize * self.height as usize;
        let pixel =
            |index: usize| -> Vec<u32> { self.channels().map(|one| one.bits[index]).collect() };
        let all: std::collections::BTreeSet<Vec<u32>> = (0..pixels).map(pixel).collect();
        all.len()
    }
}

/// How tiles are written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub compression: Compression,
    /// As EXR tiles of this size.
    pub tiles: Option<(usize, usize)>,
    /// The data window's top left.
    pub position: (i32, i32),
    /// Otherwise as the data window.
    pub display: Option<(i32, i32, u32, u32)>,
    pub frame: Option<i32>,
}

impl Style {
    pub const fn new(compression: Compression) -> Self {
        Self {
            compression,
            tiles: None,
            position: (0, 0),
            display: None,
            frame: None,
        }
    }
}

/// Writes a picture by crate `exr`.
pub fn write_exr(path: &Path, picture: &Picture, style: Style) {
    let size = (picture.width as usize, picture.height as usize);
    let (left, top) = style.position;
    let (x, y, width, height) = style
        .display
        .unwrap_or((left, top, picture.width, picture.height));
    let mut image = ImageAttributes::new(IntegerBounds::new(
        (x, y),
        (width as usize, height as usize),
    ));
    image.pixel_aspect = 1.25;
    let layers: Vec<Layer<AnyChannels<FlatSamples>>> = picture
        .parts
        .iter()
        .map(|part| {
            let channels = part.channels.iter().map(|channel| {
                let bits = channel.bits.iter();
                let samples = match channel.kind {
                    Kind::Half => {
                        FlatSamples::F16(bits.map(|b| f16::from_bits(*b as u16)).collect())
                    }
                    Kind::Float => FlatSamples::F32(bits.map(|b| f32::from_bits(*b)).collect()),
                    Kind::Uint => FlatSamples::U32(bits.copied().collect()),
                };
                AnyChannel::new(channel.name.as_str(), samples)
            });
            let mut attributes = LayerAttributes {
                layer_name: part.name.as_deref().map(Text::from),
                layer_position: Vec2(left, top),
                software_name: Some("the kit".into()),
                ..LayerAttributes::default()
            };
            let mut add = |name: &str, value: &str| {
                let value = AttributeValue::Text(value.into());
                attributes.other.insert(name.into(), value);
            };
            add("RenderTime", "00:01.00");
            add("cycles.View Layer.total_time", "00:01.00");
            add("Camera", "CAM_a");
            if let Some(frame) = style.frame {
                add("Frame", &format!("{frame:04}"));
            }
            let encoding = Encoding {
                compression: style.compression,
                blocks: style.tiles.map_or(Blocks::ScanLines, |(width, height)| {
                    Blocks::Tiles(Vec2(width, height))
                }),
                line_order: LineOrder::Increasing,
            };
            Layer::new(
                size,
                attributes,
                encoding,
                AnyChannels::sort(channels.collect()),
            )
        })
        .collect();
    Image::from_layers(image, layers)
        .write()
        .to_file(path)
        .unwrap();
}

/// What crate `exr` reads back.
pub fn read_exr(path: &Path) -> (Picture, Image<Layers>) {
    let image = read()
        .no_deep_data()
        .largest_resolution_level()
        .all_channels()
        .all_layers()
        .all_attributes()
        .from_file(path)
        .unwrap();
    let size = image.layer_data[0].size;
    let parts = image.layer_data.iter().map(|layer| {
        let channels = layer.channel_data.list.iter().map(|channel| {
            let (kind, bits) = match &channel.sample_data {
                FlatSamples::F16(all) => {
                    (Kind::Half, all.iter().map(|v| v.to_bits().into()).collect())
                }
                FlatSamples::F32(all) => (Kind::Float, all.iter().map(|v| v.to_bits()).collect()),
                FlatSamples::U32(all) => (Kind::Uint, all.clone()),
            };
            let name = channel.name.to_string();
            Channel { name, kind, bits }
        });
        Part {
            name: layer.attributes.layer_name.as_ref().map(Text::to_string),
            channels: channels.collect(),
        }
    });
    let picture = Picture {
        width: size.width() as u32,
        height: size.height() as u32,
        parts: parts.collect(),
    };
    (picture, image)
}

type Layers = exr::image::Layers<AnyChannels<FlatSamples>>;

/// A grid by its inner edges, each tile larger by the overlap where it has a neighbour.
pub fn grid(width: u32, height: u32, columns: &[u32], rows: &[u32], overlap: u32) -> Vec<Tile> {
    let spans = |length: u32, inner: &[u32]| {
        let from = std::iter::once(0).chain(inner.iter().copied());
        let to = inner.iter().copied().chain(std::iter::once(length));
        from.zip(to).collect::<Vec<_>>()
    };
    let larger = |(from, to): (u32, u32), length: u32| {
        (from.saturating_sub(overlap), (to + overlap).min(length))
    };
    let rect = |(left, right): (u32, u32), (top, bottom): (u32, u32)| Rect {
        x: left,
        y: top,
        width: right - left,
        height: bottom - top,
    };
    let columns = spans(width, columns);
    let mut tiles = Vec::new();
    for (row, down) in spans(height, rows).into_iter().enumerate() {
        for (column, across) in columns.iter().enumerate() {
            tiles.push(Tile {
                name: format!("beauty:17:{column},{row}"),
                path: PathBuf::from(format!("{column},{row}")),
                at: rect(larger(*across, width), larger(down, height)),
                keep: rect(*across, down),
            });
        }
    }
    tiles
}

/// Equal tiles.
pub fn even(width: u32, height: u32, columns: u32, rows: u32, overlap: u32) -> Vec<Tile> {
    let edges = |length: u32, count: u32| -> Vec<u32> {
        (1..count).map(|index| length * index / count).collect()
    };
    grid(
        width,
        height,
        &edges(width, columns),
        &edges(height, rows),
        overlap,
    )
}

/// Writes each tile of a picture into a folder; the tiles then know their files.
pub fn write_tiles(folder: &Path, picture: &Picture, tiles: &mut [Tile], style: Style) {
    for tile in tiles {
        tile.path = folder.join(format!("{}.exr", tile.path.display()));
        write_exr(&tile.path, &picture.cut(tile.at), style);
    }
}

/// Stitches into a file of the folder.
pub fn run(plan: &Plan, output: &Path) -> Result<Stitched, StitchError> {
    stitch(plan, &Output::new(output), &AtomicBool::new(false))
}

/// One error's sentence with its causes.
pub fn sentence(error: &StitchError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
