//! Headers: attributes as bytes, and what is understood of them.
//!
//! Invariant: an attribute that is not understood comes out as it went in.

use std::io::{self, Read};

use super::codec::Method;
use super::cursor::Cursor;
use crate::rect::Rect;

pub(crate) const MAGIC: [u8; 4] = [0x76, 0x2f, 0x31, 0x01];
pub(super) const FLAG_TILED: u32 = 0x200;
pub(super) const FLAG_LONG_NAMES: u32 = 0x400;
pub(super) const FLAG_DEEP: u32 = 0x800;
pub(super) const FLAG_MULTIPART: u32 = 0x1000;

/// Headers of real pictures are a few kilobytes; manifests of cryptomattes make some larger.
const HEADERS_BYTES_MAX: u64 = 64 << 20;
const SHORT_NAME_BYTES_MAX: usize = 31;
const PARTS_MAX: usize = 4096;
const CHANNELS_MAX: usize = 4096;
/// Longest side of a picture that is read or written.
pub(crate) const SIDE_MAX: u32 = 1 << 20;

/// What a file's headers say.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) parts: Vec<Part>,
    pub(crate) multipart: bool,
    /// Where the table of blocks begins.
    pub(super) table_at: u64,
}

/// One part: a picture with its channels.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// All of them, as they are in the file.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) name: Option<String>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) method: Method,
    pub(crate) data_window: Window,
    pub(crate) display_window: Window,
    /// Size of its tiles; `None` = blocks of lines.
    pub(crate) tiles: Option<(u32, u32)>,
    pub(super) chunks: Option<u32>,
}

/// A named value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Attribute {
    pub(crate) fn new(name: &str, kind: &str, value: Vec<u8>) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            kind: kind.as_bytes().to_vec(),
            value,
        }
    }
}

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sample {
    Uint,
    Half,
    Float,
}

impl Sample {
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Half => 2,
            Self::Uint | Self::Float => 4,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uint => "uint",
            Self::Half => "half",
            Self::Float => "float",
        }
    }
}

/// A channel; files hold them in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) sample: Sample,
    pub(crate) linear: bool,
}

/// Corners of a window, both within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) left: i32,
    pub(crate) top: i32,
    pub(crate) right: i32,
    pub(crate) bottom: i32,
}

impl Window {
    /// Its size where it has one.
    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        let side = |from: i32, to: i32| {
            u32::try_from(i64::from(to) - i64::from(from) + 1)
                .ok()
                .filter(|length| (1..=SIDE_MAX).contains(length))
        };
        side(self.left, self.right).zip(side(self.top, self.bottom))
    }

    /// A window of this size with its top left there; `None` beyond what numbers hold.
    pub(crate) fn at(left: i32, top: i32, (width, height): (u32, u32)) -> Option<Self> {
        let last = |from: i32, length: u32| i32::try_from(i64::from(from) + i64::from(length) - 1);
        Some(Self {
            left,
            top,
            right: last(left, width).ok()?,
            bottom: last(top, height).ok()?,
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.left, self.top, self.right, self.bottom]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect()
    }
}

/// Why an EXR cannot be used.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// Cut off, or not what the format says: a clause, such as "it ends within its headers".
    Broken(String),
    /// A kind of EXR that is not handled here: what follows the file's name, such as "holds deep
    /// samples".
    Unsupported(String),
    Io(io::Error),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Broken("it ends within its headers".into()),
            _ => Self::Io(error),
        }
    }
}

pub(super) fn broken(what: impl Into<String>) -> Flaw {
    Flaw::Broken(what.into())
}

fn unsupported(what: impl Into<String>) -> Flaw {
    Flaw::Unsupported(what.into())
}

impl Header {
    /// Reads from the beginning of a file.
    pub(crate) fn read(file: impl Read) -> Result<Self, Flaw> {
        let mut cursor = Cursor::new(file.take(HEADERS_BYTES_MAX));
        if cursor.array::<4>()? != MAGIC {
            return Err(broken("it is no EXR"));
        }
        let version = cursor.number()?;
        if version & 0xff != 2 {
            return Err(unsupported(format!(
                "is an EXR of version {}",
                version & 0xff
            )));
        }
        let multipart = version & FLAG_MULTIPART != 0;
        let mut parts = Vec::new();
        while let Some(attributes) = read_attributes(&mut cursor)? {
            let is_tiled = !multipart && version & FLAG_TILED != 0;
            parts.push(understand(attributes, is_tiled, version & FLAG_DEEP != 0)?);
            if !multipart {
                break;
            }
            if parts.len() > PARTS_MAX {
                return Err(broken(format!("it claims more than {PARTS_MAX} parts")));
            }
        }
        if parts.is_empty() {
            return Err(broken("it has no header"));
        }
        Ok(Self {
            parts,
            multipart,
            table_at: cursor.at(),
        })
    }

    /// The headers as a file begins with them, and whether names are long is found out here.
    pub(super) fn bytes(parts: &[(Vec<Attribute>, bool)], multipart: bool) -> Vec<u8> {
        let has_long_names = parts.iter().any(|(attributes, _)| {
            attributes.iter().any(|attribute| {
                let is_long = |name: &[u8]| name.len() > SHORT_NAME_BYTES_MAX;
                is_long(&attribute.name)
                    || is_long(&attribute.kind)
                    || (attribute.name == b"channels"
                        && read_channels(&attribute.value).is_ok_and(|channels| {
                            channels.iter().any(|one| is_long(one.name.as_bytes()))
                        }))
            })
        });
        let mut version = 2;
        if has_long_names {
            version |= FLAG_LONG_NAMES;
        }
        if multipart {
            version |= FLAG_MULTIPART;
        } else if parts.iter().any(|(_, is_tiled)| *is_tiled) {
            version |= FLAG_TILED;
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::to_le_bytes(version));
        for (attributes, _) in parts {
            for attribute in attributes {
                bytes.extend(&attribute.name);
                bytes.push(0);
                bytes.extend(&attribute.kind);
                bytes.push(0);
                bytes.extend((attribute.value.len() as u32).to_le_bytes());
                bytes.extend(&attribute.value);
            }
            bytes.push(0);
        }
        if multipart {
            bytes.push(0);
        }
        bytes
    }
}

impl Part {
    /// The attribute of this name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }

    /// Bytes of a pixel with all its channels.
    pub(crate) fn pixel_bytes(&self) -> usize {
        self.channels.iter().map(|one| one.sample.bytes()).sum()
    }

    /// The data window's size, known to be sound.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.data_window.size().unwrap_or((1, 1))
    }

    /// How its picture is cut into blocks.
    pub(crate) fn blocks(&self) -> super::Blocks {
        let (width, height) = self.size();
        let (block_width, block_height) = self.tiles.unwrap_or((width, self.method.lines()));
        super::Blocks {
            width,
            height,
            block_width,
            block_height,
        }
    }

    /// The largest block as bytes, if that can be counted at all.
    pub(crate) fn block_bytes_max(&self) -> Option<usize> {
        let blocks = self.blocks();
        let area = Rect::of_size(
            blocks.block_width.min(blocks.width),
            blocks.block_height.min(blocks.height),
        )
        .area();
        usize::try_from(area).ok()?.checked_mul(self.pixel_bytes())
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name == name.as_bytes())
}

/// The attributes up to an empty name; `None` when there are none.
fn read_attributes<R: Read>(cursor: &mut Cursor<R>) -> Result<Option<Vec<Attribute>>, Flaw> {
    let mut attributes = Vec::new();
    loop {
        let name = cursor.text()?;
        if name.is_empty() {
            return Ok((!attributes.is_empty()).then_some(attributes));
        }
        let kind = cursor.text()?;
        let bytes = cursor.number()?;
        let value = cursor.take(bytes.into())?;
        attributes.push(Attribute { name, kind, value });
    }
}

fn understand(attributes: Vec<Attribute>, is_tiled: bool, is_deep: bool) -> Result<Part, Flaw> {
    let need = |name: &str, kind: &str| {
        find(&attributes, name)
            .filter(|one| one.kind == kind.as_bytes())
            .map(|one| one.value.as_slice())
            .ok_or_else(|| broken(format!("it has no {name}")))
    };
    let text = |name: &str| {
        find(&attributes, name).map(|one| String::from_utf8_lossy(&one.value).into_owned())
    };
    let kind = text("type").unwrap_or_default();
    if kind.starts_with("deep") || is_deep {
        return Err(unsupported("holds deep samples"));
    }
    let window = |name: &str| {
        let value = need(name, "box2i")?;
        let window = read_window(value).ok_or_else(|| broken(format!("it has no {name}")))?;
        window
            .size()
            .map(|_| window)
            .ok_or_else(|| broken(format!("its {name} is upside down or absurdly large")))
    };
    let channels = read_channels(need("channels", "chlist")?)?;
    let method = match need("compression", "compression")? {
        [byte] => Method::from_byte(*byte)
            .ok_or_else(|| unsupported(format!("is compressed by method {byte}")))?,
        _ => return Err(broken("it has no compression")),
    };
    let tiles = if is_tiled || kind == "tiledimage" {
        Some(read_tiles(need("tiles", "tiledesc")?)?)
    } else {
        None
    };
    let chunks = match find(&attributes, "chunkCount").map(|one| one.value.as_slice()) {
        Some([a, b, c, d]) => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => None,
    };
    Ok(Part {
        name: text("name"),
        channels,
        method,
        data_window: window("dataWindow")?,
        display_window: window("displayWindow")?,
        tiles,
        chunks,
        attributes,
    })
}

fn read_window(value: &[u8]) -> Option<Window> {
    let (numbers, rest) = value.as_chunks::<4>();
    let [left, top, right, bottom] = *numbers else {
        return None;
    };
    rest.is_empty().then(|| Window {
        left: i32::from_le_bytes(left),
        top: i32::from_le_bytes(top),
        right: i32::from_le_bytes(right),
        bottom: i32::from_le_bytes(bottom),
    })
}

fn read_tiles(value: &[u8]) -> Result<(u32, u32), Flaw> {
    let [a, b, c, d, e, f, g, h, mode] = *value else {
        return Err(broken("it has no size of tiles"));
    };
    let (width, height) = (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    );
    if !(1..=SIDE_MAX).contains(&width) || !(1..=SIDE_MAX).contains(&height) || mode & 0xf > 2 {
        return Err(broken("its size of tiles is absurd"));
    }
    Ok((width, height))
}

fn read_channels(value: &[u8]) -> Result<Vec<Channel>, Flaw> {
    let mut cursor = Cursor::new(value);
    let mut channels = Vec::new();
    loop {
        let name = cursor.text()?;
        if name.is_empty() {
            break;
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        let sample = match cursor.number()? {
            0 => Sample::Uint,
            1 => Sample::Half,
            2 => Sample::Float,
            other => return Err(broken(format!("channel {name} is of unknown type {other}"))),
        };
        let [linear, ..] = cursor.array::<4>()?;
        if [cursor.number()?, cursor.number()?] != [1, 1] {
            return Err(unsupported(format!("has subsampled channels ({name})")));
        }
        channels.push(Channel {
            name,
            sample,
            linear: linear != 0,
        });
        if channels.len() > CHANNELS_MAX {
            return Err(broken(format!(
                "it claims more than {CHANNELS_MAX} channels"
            )));
        }
    }
    if channels.is_empty() {
        return Err(broken("it has no channels"));
    }
    Ok(channels)
}
