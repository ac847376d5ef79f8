//! Where a file's blocks are, and reading one of them.
//!
//! Invariant: what is allocated is bounded by what the headers say of one block, and by the file's
//! own size, whatever its tables say.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::Blocks;
use super::header::{Flaw, Header, Part};
use crate::rect::Rect;

/// Where the blocks of one part are that have pixels of a rectangle.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) blocks: Blocks,
    /// The first row of blocks that is known.
    first_row: u32,
    /// Row by row, all columns.
    offsets: Vec<u64>,
    /// The part's number where a file may have several.
    part: Option<u32>,
    is_tiled: bool,
    top: i32,
    /// What no block of this part exceeds.
    packed_bytes_max: u64,
}

/// Reads the tables of all parts; `wanted` are the pixels of each that matter.
pub(crate) fn read_tables(
    file: &File,
    header: &Header,
    wanted: &[Rect],
) -> Result<Vec<Table>, Flaw> {
    let file_bytes = file.metadata()?.len();
    let mut at = header.table_at;
    let mut tables = Vec::with_capacity(header.parts.len());
    let entries: u64 = header
        .parts
        .iter()
        .map(|part| entries_of(part, header.multipart))
        .sum::<Result<u64, Flaw>>()?;
    let end = at.saturating_add(entries.saturating_mul(8));
    if end > file_bytes {
        return Err(Flaw::Broken("it ends within its table of blocks".into()));
    }
    for (number, (part, wanted)) in header.parts.iter().zip(wanted).enumerate() {
        let blocks = part.blocks();
        let rows = wanted.y / blocks.block_height
            ..(wanted.bottom() as u32)
                .div_ceil(blocks.block_height)
                .min(blocks.rows());
        let columns = u64::from(blocks.columns());
        let first = at + u64::from(rows.start) * columns * 8;
        let count = rows.len() as u64 * columns;
        let mut bytes = vec![0; usize::try_from(count * 8).unwrap_or(usize::MAX)];
        read_at(file, &mut bytes, first)?;
        let (offsets, _) = bytes.as_chunks::<8>();
        let offsets: Vec<u64> = offsets.iter().map(|n| u64::from_le_bytes(*n)).collect();
        if offsets
            .iter()
            .any(|offset| *offset < end || *offset >= file_bytes)
        {
            return Err(Flaw::Broken("it lacks blocks of its picture".into()));
        }
        let raw = part
            .block_bytes_max()
            .ok_or_else(|| Flaw::Unsupported("is absurdly large".into()))? as u64;
        tables.push(Table {
            blocks,
            first_row: rows.start,
            offsets,
            part: header.multipart.then_some(number as u32),
            is_tiled: part.tiles.is_some(),
            top: part.data_window.top,
            packed_bytes_max: file_bytes.min(raw.saturating_mul(2).saturating_add(65_536)),
        });
        at += entries_of(part, header.multipart)? * 8;
    }
    Ok(tables)
}

/// How many entries a part has in the table.
fn entries_of(part: &Part, multipart: bool) -> Result<u64, Flaw> {
    let blocks = part.blocks();
    let finest = u64::from(blocks.columns()) * u64::from(blocks.rows());
    match part.chunks {
        Some(chunks) if multipart || part.tiles.is_some() => {
            let chunks = u64::from(chunks);
            let fits = chunks == finest || (part.tiles.is_some() && chunks > finest);
            fits.then_some(chunks).ok_or_else(|| {
                Flaw::Broken(format!(
                    "it claims {chunks} blocks, its size makes {finest}"
                ))
            })
        }
        None if multipart => Err(Flaw::Broken("a part has no chunkCount".into())),
        // The coarser levels of a single part come after the finest.
        Some(_) | None => Ok(finest),
    }
}

impl Table {
    /// A block's compressed bytes.
    pub(crate) fn read(&self, file: &File, column: u32, row: u32) -> Result<Vec<u8>, Flaw> {
        let columns = self.blocks.columns();
        let index = (row - self.first_row) as usize * columns as usize + column as usize;
        let offset = self.offsets[index];
        let expected = self.place(column, row);
        let mut head = vec![0; expected.len() + 4];
        read_at(file, &mut head, offset)?;
        let (place, bytes) = head.split_at(expected.len());
        if place != expected {
            return Err(Flaw::Broken(
                "its table of blocks leads to other blocks".into(),
            ));
        }
        let mut size = [0; 4];
        size.copy_from_slice(bytes);
        let bytes = u64::from(u32::from_le_bytes(size));
        if bytes > self.packed_bytes_max {
            return Err(Flaw::Broken(
                "a block claims more bytes than it can have".into(),
            ));
        }
        let mut packed = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        read_at(file, &mut packed, offset + head.len() as u64)?;
        Ok(packed)
    }

    /// What stands before a block, up to its size.
    fn place(&self, column: u32, row: u32) -> Vec<u8> {
        place(self.part, self.is_tiled, (column, row), {
            self.top
                .wrapping_add((row * self.blocks.block_height) as i32)
        })
    }
}

/// The beginning of a block: its part, and its place by column and row or by its first line.
pub(super) fn place(
    part: Option<u32>,
    is_tiled: bool,
    (column, row): (u32, u32),
    line: i32,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24);
    if let Some(part) = part {
        bytes.extend(part.to_le_bytes());
    }
    if is_tiled {
        // The finest level, in both directions.
        for number in [column, row, 0, 0] {
            bytes.extend(number.to_le_bytes());
        }
    } else {
        bytes.extend(line.to_le_bytes());
    }
    bytes
}

fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> Result<(), Flaw> {
    file.read_exact_at(bytes, offset)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Flaw::Broken("it ends within a block".into()),
            _ => Flaw::Io(error),
        })
}
