//! The bytes of a scene file, unzipped where they are zipped, and no more than were granted.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// Bytes at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// First bytes of a gzip file; names do not tell.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a byte out of a zipped file counts: unzipping takes longer than reading.
const ZIPPED: u64 = 2;

/// How much may still be read, over all files of one inspection. Zipped files count by what they hold,
/// and twice, so that a small file cannot take any memory or time.
#[derive(Clone, Debug)]
pub struct Budget {
    bytes: u64,
    files: u32,
}

impl Budget {
    /// So many bytes of text in so many files.
    pub fn new(bytes: u64, files: u32) -> Self {
        Budget { bytes, files }
    }

    /// Whether another file may be opened.
    pub fn has_more(&self) -> bool {
        self.bytes > 0 && self.files > 0
    }
}

/// A file being read.
pub struct Source<'a> {
    from: Box<dyn Read>,
    budget: &'a mut Budget,
    buffer: Box<[u8]>,
    /// What a byte counts.
    price: u64,
    /// Something was there that could not be had.
    pub cut: bool,
}

/// Opens a regular file; anything else could block for ever.
pub fn open<'a>(path: &Path, budget: &'a mut Budget) -> io::Result<Source<'a>> {
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ));
    }
    budget.files = budget.files.saturating_sub(1);
    let mut file = BufReader::with_capacity(CHUNK_BYTES, File::open(path)?);
    let is_gzip = file.fill_buf()?.starts_with(&GZIP);
    Ok(match is_gzip {
        true => Source {
            price: ZIPPED,
            ..Source::new(Box::new(MultiGzDecoder::new(file)), budget)
        },
        false => Source::new(Box::new(file), budget),
    })
}

impl<'a> Source<'a> {
    pub fn new(from: Box<dyn Read>, budget: &'a mut Budget) -> Self {
        Source {
            from,
            budget,
            buffer: vec![0; CHUNK_BYTES].into_boxed_slice(),
            price: 1,
            cut: false,
        }
    }

    /// The next bytes; none at the end.
    pub fn next(&mut self) -> io::Result<&[u8]> {
        let granted = usize::try_from(self.budget.bytes / self.price).unwrap_or(usize::MAX);
        let room = self.buffer.len().min(granted.max(1));
        let got = loop {
            match self.from.read(&mut self.buffer[..room]) {
                Ok(got) => break got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        if granted == 0 {
            // One byte more than was granted: only whether there is one matters.
            self.cut = got > 0;
            self.budget.bytes = 0;
            return Ok(&[]);
        }
        self.budget.bytes -= got as u64 * self.price;
        Ok(&self.buffer[..got])
    }
}
