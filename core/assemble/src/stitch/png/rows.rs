//! Rows of the picture, batch by batch: what each tile has of a batch is decoded, all tiles at once,
//! compared where they overlap, and put side by side.

use std::fs::File;
use std::io::{self, BufReader};
use std::sync::atomic::AtomicBool;

use rayon::iter::{IntoParallelRefMutIterator as _, ParallelIterator as _};

use super::Pixels;
use crate::rect::Rect;
use crate::stitch::look::{Identity, broken, open, unreadable, unsupported};
use crate::stitch::seams::{Pair, Worst, difference};
use crate::stitch::{Canvas, Plan, StitchError, Tile, go_on};

/// Memory that decoding one tile may take besides its rows.
const DECODER_BYTES_MAX: usize = 64 << 20;
const READ_BYTES: usize = 1 << 15;

/// All rows, from the top.
pub(super) struct Rows<'a> {
    plan: &'a Plan,
    identities: &'a [Identity],
    layout: Pixels,
    pairs: &'a [Pair],
    /// Tiles that have something of the batch, in order.
    open: Vec<Source<'a>>,
    row: u32,
}

/// A tile that is being decoded.
struct Source<'a> {
    index: usize,
    tile: &'a Tile,
    canvas: Canvas,
    reader: png::Reader<BufReader<File>>,
    /// The next row of the file.
    row: u32,
    /// What it has of the batch: these pixels of the picture.
    here: Rect,
    bytes: Vec<u8>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        identities: &'a [Identity],
        layout: Pixels,
        pairs: &'a [Pair],
    ) -> Self {
        Self {
            plan,
            identities,
            layout,
            pairs,
            open: Vec::new(),
            row: 0,
        }
    }

    /// The next rows, about so many bytes; `None` at the end.
    pub(super) fn next_batch(
        &mut self,
        bytes: usize,
        worst: &mut [Option<Worst>],
        cancelled: &AtomicBool,
    ) -> Result<Option<Vec<u8>>, StitchError> {
        go_on(cancelled)?;
        let left = self.plan.height - self.row;
        if left == 0 {
            return Ok(None);
        }
        let row_bytes = self.plan.width as usize * self.layout.bytes();
        let rows = u32::try_from(bytes / row_bytes).unwrap_or(u32::MAX);
        let band = Rect {
            x: 0,
            y: self.row,
            width: self.plan.width,
            height: rows.clamp(1, left),
        };
        self.row += band.height;
        self.open_files(&band)?;
        let layout = self.layout;
        let decoded: Vec<Result<(), StitchError>> = self
            .open
            .par_iter_mut()
            .map(|source| source.decode(&band, layout))
            .collect();
        decoded.into_iter().collect::<Result<(), StitchError>>()?;
        self.compare(&band, worst);
        Ok(Some(self.side_by_side(&band)))
    }

    fn open_files(&mut self, band: &Rect) -> Result<(), StitchError> {
        self.open
            .retain(|source| source.tile.at.intersection(band).is_some());
        for (index, tile) in self.plan.tiles.iter().enumerate() {
            let place = self
                .open
                .binary_search_by_key(&index, |source| source.index);
            if let (Err(place), Some(_)) = (place, tile.at.intersection(band)) {
                let (file, _) = open(tile, Some(self.identities[index]))?;
                let source = Source::open(index, tile, self.plan.canvas, file, self.layout)?;
                self.open.insert(place, source);
            }
        }
        Ok(())
    }

    fn side_by_side(&self, band: &Rect) -> Vec<u8> {
        let pixel = self.layout.bytes();
        let row_bytes = self.plan.width as usize * pixel;
        let mut batch = vec![0; row_bytes * band.height as usize];
        for source in &self.open {
            let Some(kept) = source.tile.keep.intersection(band) else {
                continue;
            };
            for y in kept.y..kept.bottom() as u32 {
                let from = source.pixels(y, kept.x, kept.width, pixel);
                let to = (y - band.y) as usize * row_bytes + kept.x as usize * pixel;
                batch[to..to + from.len()].copy_from_slice(from);
            }
        }
        batch
    }

    fn compare(&self, band: &Rect, worst: &mut [Option<Worst>]) {
        for (pair, worst) in self.pairs.iter().zip(worst) {
            let Some(shared) = pair.shared.intersection(band) else {
                continue;
            };
            let find = |index: usize| {
                let place = self
                    .open
                    .binary_search_by_key(&index, |source| source.index);
                place.ok().map(|place| &self.open[place])
            };
            if let (Some(one), Some(other)) = (find(pair.one), find(pair.other)) {
                compare(one, other, &shared, self.layout, worst);
            }
        }
    }
}

fn compare(
    one: &Source<'_>,
    other: &Source<'_>,
    shared: &Rect,
    layout: Pixels,
    worst: &mut Option<Worst>,
) {
    let pixel = layout.bytes();
    let sample = layout.sample_bytes();
    for y in shared.y..shared.bottom() as u32 {
        let ours = one.pixels(y, shared.x, shared.width, pixel);
        let theirs = other.pixels(y, shared.x, shared.width, pixel);
        if ours == theirs {
            continue;
        }
        let samples = ours.chunks_exact(sample).zip(theirs.chunks_exact(sample));
        for (index, (ours, theirs)) in samples.enumerate() {
            if ours == theirs {
                continue;
            }
            let channels = layout.channels().len();
            let found = Worst {
                difference: difference(value(ours), value(theirs)),
                y,
                x: shared.x + (index / channels) as u32,
                channel: index % channels,
            };
            Worst::take(worst, found);
        }
    }
}

fn value(sample: &[u8]) -> f64 {
    match *sample {
        [byte] => byte.into(),
        [high, low] => u16::from_be_bytes([high, low]).into(),
        _ => f64::NAN,
    }
}

impl<'a> Source<'a> {
    fn open(
        index: usize,
        tile: &'a Tile,
        canvas: Canvas,
        file: File,
        layout: Pixels,
    ) -> Result<Self, StitchError> {
        let limits = png::Limits {
            bytes: DECODER_BYTES_MAX,
        };
        let file = BufReader::with_capacity(READ_BYTES, file);
        let mut decoder = png::Decoder::new_with_limits(file, limits);
        decoder.set_transformations(png::Transformations::EXPAND);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let reader = decoder
            .read_info()
            .map_err(|error| undecodable(tile, error))?;
        if reader.output_color_type() != (layout.color, layout.depth()) {
            return Err(broken(tile, "its chunks contradict each other"));
        }
        Ok(Self {
            index,
            tile,
            canvas,
            reader,
            row: 0,
            here: Rect::of_size(0, 0),
            bytes: Vec::new(),
        })
    }

    /// Decodes what it has of a band, which begins where the last one ended or before the tile.
    fn decode(&mut self, band: &Rect, layout: Pixels) -> Result<(), StitchError> {
        let Some(here) = self.tile.at.intersection(band) else {
            return Ok(());
        };
        self.here = here;
        self.bytes.clear();
        let (left, top) = match self.canvas {
            Canvas::Crop => (0, self.tile.at.y),
            Canvas::Full => (here.x, 0),
        };
        let pixel = layout.bytes();
        let columns = left as usize * pixel..(left + here.width) as usize * pixel;
        let wanted = here.y - top..here.bottom() as u32 - top;
        while self.row < wanted.end {
            let row = match self.reader.next_row() {
                Ok(Some(row)) => row,
                Ok(None) => return Err(broken(self.tile, "it has too few rows")),
                Err(error) => return Err(undecodable(self.tile, error)),
            };
            if self.row >= wanted.start {
                let row = row.data().get(columns.clone());
                let row = row.ok_or_else(|| broken(self.tile, "its rows are too short"))?;
                self.bytes.extend(row);
            }
            self.row += 1;
        }
        // A tile that is read to its last row is read to its end, sums and all.
        if self.row == self.reader.info().height && here.bottom() == self.tile.at.bottom() {
            self.reader
                .finish()
                .map_err(|error| undecodable(self.tile, error))?;
        }
        Ok(())
    }

    /// Some pixels of a row that it has of the batch.
    fn pixels(&self, y: u32, x: u32, width: u32, pixel: usize) -> &[u8] {
        let row = (y - self.here.y) as usize * self.here.width as usize;
        let from = (row + (x - self.here.x) as usize) * pixel;
        &self.bytes[from..from + width as usize * pixel]
    }
}

fn undecodable(tile: &Tile, error: png::DecodingError) -> StitchError {
    match error {
        png::DecodingError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            broken(tile, "it ends within its picture")
        }
        png::DecodingError::IoError(error) => unreadable(tile, error),
        png::DecodingError::LimitsExceeded => unsupported(tile, "takes absurdly much memory"),
        error @ (png::DecodingError::Format(_) | png::DecodingError::Parameter(_)) => {
            broken(tile, format!("it cannot be decoded ({error})"))
        }
    }
}
