//! PNG: looking at tiles, then rows from top to bottom: decoded of all tiles at once, put together, and
//! encoded on a thread of its own.
//!
//! Palettes and few bits are expanded as they are read. Interlaced and animated files are refused.

mod chunks;
mod rows;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use png::chunk::ChunkType;
use png::{BitDepth, ColorType};

use super::look::{Content, FRAME_KEYS, Form, Identity, LAYER_KEYS, Look, frame_number};
use super::seams::{self, Worst};
use super::{Canvas, Plan, PngLevel, StitchError, Stitched, Tile};
use crate::whole::{Output, Unfinished};
use chunks::{Chunk, Outline};
use rows::Rows;

pub(in crate::stitch) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Rows are passed on in batches of about so many bytes.
const BATCH_BYTES: usize = 2 << 20;
/// Batches on their way to be encoded.
const BATCHES_WAITING: usize = 1;
/// Size of the picture's chunks.
const CHUNK_BYTES: usize = 1 << 16;

/// A tile's PNG as its headers tell.
pub(in crate::stitch) struct PngLook {
    layout: Pixels,
    /// Of the first tile only.
    kept: Vec<Chunk>,
}

/// What a pixel is, once it is expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pixels {
    color: ColorType,
    bits: u8,
}

impl Pixels {
    const fn channels(self) -> &'static [&'static str] {
        match self.color {
            ColorType::Grayscale => &["Y"],
            ColorType::GrayscaleAlpha => &["Y", "A"],
            ColorType::Rgb | ColorType::Indexed => &["R", "G", "B"],
            ColorType::Rgba => &["R", "G", "B", "A"],
        }
    }

    const fn colours(self) -> &'static str {
        match self.color {
            ColorType::Grayscale => "grey",
            ColorType::GrayscaleAlpha => "grey with alpha",
            ColorType::Rgb | ColorType::Indexed => "RGB",
            ColorType::Rgba => "RGBA",
        }
    }

    const fn sample_bytes(self) -> usize {
        (self.bits / 8) as usize
    }

    const fn bytes(self) -> usize {
        self.channels().len() * self.sample_bytes()
    }

    const fn depth(self) -> BitDepth {
        if self.bits == 16 {
            BitDepth::Sixteen
        } else {
            BitDepth::Eight
        }
    }
}

impl PngLook {
    /// Reads all chunks but the samples.
    pub(in crate::stitch) fn take(
        plan: &Plan,
        tile: &Tile,
        file: &File,
        is_first: bool,
        identity: Identity,
    ) -> Result<Look, StitchError> {
        let outline = Outline::read(tile, file)?;
        let expected = match plan.canvas {
            Canvas::Crop => (tile.at.width, tile.at.height),
            Canvas::Full => (plan.width, plan.height),
        };
        if outline.size != expected {
            return Err(StitchError::Size {
                name: tile.name.clone(),
                found: outline.size,
                expected,
            });
        }
        let layout = outline.pixels;
        let told = |keys: &[&str]| outline.text_of(keys);
        Ok(Look {
            form: Form::Png(layout.colours(), layout.bits),
            frame: told(&FRAME_KEYS).map(|text| frame_number(&text)),
            layer: told(&LAYER_KEYS),
            identity,
            content: Content::Png(PngLook {
                layout,
                kept: if is_first { outline.kept() } else { Vec::new() },
            }),
        })
    }
}

/// The size of a tile's picture.
pub(in crate::stitch) fn size(tile: &Tile, file: &File) -> Result<(u32, u32), StitchError> {
    Ok(Outline::read(tile, file)?.size)
}

/// Stitches tiles that are of one picture.
pub(in crate::stitch) fn stitch(
    plan: &Plan,
    looks: Vec<Look>,
    output: &Output,
    cancelled: &AtomicBool,
) -> Result<Stitched, StitchError> {
    let identities: Vec<Identity> = looks.iter().map(|look| look.identity).collect();
    let first = looks.into_iter().find_map(|look| match look.content {
        Content::Png(look) => Some(look),
        Content::Exr(_) => None,
    });
    let Some(PngLook { layout, kept }) = first else {
        return Err(super::PlanError::NoTiles.into());
    };
    let pairs = seams::pairs(plan)?;
    let file = Unfinished::begin(output)?;
    let mut worst: Vec<Option<Worst>> = vec![None; pairs.len()];
    let (send, receive) = sync_channel::<Vec<u8>>(BATCHES_WAITING);
    let rows = Rows::new(plan, &identities, layout, &pairs);
    let made = thread::scope(|scope| {
        let file = file.file();
        let encoder = scope.spawn(move || encode(plan, layout, &kept, file, &receive));
        let made = decode(rows, &send, &mut worst, cancelled);
        drop(send);
        let encoded = encoder
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the encoder failed")));
        // What stopped the rows comes first: without them the encoder fails too.
        made.map(|()| encoded)
    })?;
    made.map_err(|error| file.failed(error))?;
    let channels = layout.channels();
    let name = |channel: usize| (*channels.get(channel).unwrap_or(&"")).to_owned();
    Ok(Stitched {
        copied_blocks: 0,
        encoded_blocks: 0,
        seams: seams::beyond(plan, &pairs, &worst, name),
        bytes: file.finish()?,
    })
}

/// Sends all rows on. An encoder that is gone says itself why.
fn decode(
    mut rows: Rows<'_>,
    send: &SyncSender<Vec<u8>>,
    worst: &mut [Option<Worst>],
    cancelled: &AtomicBool,
) -> Result<(), StitchError> {
    while let Some(batch) = rows.next_batch(BATCH_BYTES, worst, cancelled)? {
        if send.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}

fn encode(
    plan: &Plan,
    layout: Pixels,
    kept: &[Chunk],
    file: &File,
    batches: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    let mut file = Remembering {
        file: BufWriter::with_capacity(1 << 18, file),
        failed: None,
    };
    let mut encoder = png::Encoder::new(&mut file, plan.width, plan.height);
    encoder.set_color(layout.color);
    encoder.set_depth(layout.depth());
    encoder.set_compression(match plan.png_level {
        PngLevel::Fast => png::Compression::Fast,
        PngLevel::Balanced => png::Compression::Balanced,
    });
    let mut writer = encoder.write_header()?;
    for chunk in kept {
        writer.write_chunk(ChunkType(chunk.kind), &chunk.data)?;
    }
    let mut stream = writer.stream_writer_with_size(CHUNK_BYTES)?;
    for batch in batches {
        stream.write_all(&batch)?;
    }
    stream.finish()?;
    writer.finish()?;
    file.finish()
}

/// Keeps the first error: the encoder's destructors have nobody to tell theirs to.
struct Remembering<W> {
    file: W,
    failed: Option<io::Error>,
}

impl<W: Write> Remembering<W> {
    fn kept<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            let again = error.raw_os_error().map_or_else(
                || io::Error::from(error.kind()),
                io::Error::from_raw_os_error,
            );
            self.failed.get_or_insert(error);
            again
        })
    }

    fn finish(mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(failed) => Err(failed),
            None => self.file.flush(),
        }
    }
}

impl<W: Write> Write for Remembering<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.file.write(bytes);
        self.kept(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.file.flush();
        self.kept(done)
    }
}
