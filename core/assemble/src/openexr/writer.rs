//! Writes headers and blocks, in the order in which they are in the table, and the table last.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};

use super::Blocks;
use super::header::{Attribute, Header, Window};
use super::reader::place;

/// One part of a file that is to be written.
pub(crate) struct NewPart {
    /// All of them, those that tell of the blocks too.
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) blocks: Blocks,
    pub(crate) is_tiled: bool,
    pub(crate) data_window: Window,
}

/// Writes a file block by block.
pub(crate) struct ChunkWriter<'a> {
    file: BufWriter<&'a File>,
    parts: Vec<NewPart>,
    multipart: bool,
    table_at: u64,
    at: u64,
    offsets: Vec<u64>,
}

impl<'a> ChunkWriter<'a> {
    /// Writes the headers, and room for the table.
    pub(crate) fn begin(file: &'a File, parts: Vec<NewPart>, multipart: bool) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 18, file);
        let mut attributes: Vec<(Vec<Attribute>, bool)> = Vec::with_capacity(parts.len());
        for part in &parts {
            attributes.push((part.attributes.clone(), part.is_tiled));
        }
        let header = Header::bytes(&attributes, multipart);
        let entries: u64 = parts
            .iter()
            .map(|part| u64::from(part.blocks.columns()) * u64::from(part.blocks.rows()))
            .sum();
        file.write_all(&header)?;
        io::copy(&mut io::Read::take(io::repeat(0), entries * 8), &mut file)?;
        let table_at = header.len() as u64;
        Ok(Self {
            file,
            parts,
            multipart,
            table_at,
            at: table_at + entries * 8,
            offsets: Vec::with_capacity(usize::try_from(entries).unwrap_or_default()),
        })
    }

    /// Writes the next block: of the parts in their order, row by row.
    pub(crate) fn write(
        &mut self,
        part: usize,
        (column, row): (u32, u32),
        packed: &[u8],
    ) -> io::Result<()> {
        let of = &self.parts[part];
        let line = of
            .data_window
            .top
            .wrapping_add((row * of.blocks.block_height) as i32);
        let number = self.multipart.then_some(part as u32);
        let head = place(number, of.is_tiled, (column, row), line);
        self.offsets.push(self.at);
        self.file.write_all(&head)?;
        self.file.write_all(&(packed.len() as u32).to_le_bytes())?;
        self.file.write_all(packed)?;
        self.at += head.len() as u64 + 4 + packed.len() as u64;
        Ok(())
    }

    /// Writes the table, once all blocks are written.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.table_at))?;
        for offset in &self.offsets {
            self.file.write_all(&offset.to_le_bytes())?;
        }
        self.file.flush()
    }
}
