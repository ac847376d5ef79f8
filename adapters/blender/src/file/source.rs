//! The bytes of a scene file, as if it had never been packed: forwards, with cheap skips.
//!
//! Blender saves raw, as one gzip stream (before 3.0), or as zstd frames with a table of their sizes
//! at the end. In the first and the last of these what is skipped is not even read.
//!
//! Refuses to hold a file: what is in memory is a window, or one frame. Invariant: never more than
//! [`UNPACKED_MAX`] bytes are unpacked, however much a small file claims to hold.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::{ReadError, Trouble};

/// Most bytes that are unpacked of a file.
const UNPACKED_MAX: u64 = 1 << 30;
/// Most bytes of a zstd frame, packed or not; Blender's have one or two million.
const FRAME_MAX: u32 = 1 << 26;
/// Most zstd frames: a terabyte of Blender's.
const FRAMES_MAX: u32 = 1 << 20;
/// What is read of a raw file at a time.
const WINDOW: usize = 1 << 16;
/// The largest window of a zstd stream that is followed, as a power of two.
const STREAM_WINDOW_LOG_MAX: u32 = 25;

const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP: [u8; 2] = [0x1f, 0x8b];
const TABLE_FRAME: u32 = 0x184d_2a5e;
const TABLE_MARK: u32 = 0x8f92_eab1;
/// Frames, flags and the mark.
const TABLE_FOOT: u64 = 9;

/// Where the bytes come from.
pub(super) struct Source {
    bytes: Bytes,
    /// How many were read or skipped.
    at: u64,
    unpacked: u64,
}

enum Bytes {
    Raw(Window),
    Frames(Frames),
    Stream(Box<dyn Read>),
}

/// A part of a raw file.
struct Window {
    file: File,
    start: u64,
    held: Vec<u8>,
}

/// A seekable zstd file, and its frame that was unpacked last.
struct Frames {
    file: File,
    frames: Vec<Frame>,
    unpacker: zstd::bulk::Decompressor<'static>,
    current: Option<usize>,
    held: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Frame {
    /// Where it is in the file.
    at: u64,
    packed: u32,
    /// Where what it holds is.
    start: u64,
    unpacked: u32,
}

impl Source {
    /// Looks at how a file is packed.
    pub(super) fn open(path: &str) -> Result<Self, ReadError> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(Trouble::NoScene.into());
        }
        let mut head = [0; 4];
        let held = file.read_at(&mut head, 0)?;
        let bytes = if head == ZSTD {
            match seek_table(&file, about.len())? {
                Some(frames) => Bytes::Frames(Frames {
                    file,
                    frames,
                    unpacker: zstd::bulk::Decompressor::new()?,
                    current: None,
                    held: Vec::new(),
                }),
                None => {
                    let mut stream = zstd::stream::read::Decoder::new(file)?;
                    stream.window_log_max(STREAM_WINDOW_LOG_MAX)?;
                    Bytes::Stream(Box::new(stream))
                }
            }
        } else if head[..2] == GZIP && held >= 2 {
            let packed = BufReader::with_capacity(WINDOW, file);
            Bytes::Stream(Box::new(flate2::bufread::MultiGzDecoder::new(packed)))
        } else {
            Bytes::Raw(Window {
                file,
                start: 0,
                held: Vec::new(),
            })
        };
        Ok(Source {
            bytes,
            at: 0,
            unpacked: 0,
        })
    }

    /// Fills `into`; a file that ends before is cut.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<(), ReadError> {
        let mut filled = 0;
        while filled < into.len() {
            let rest = &mut into[filled..];
            let more = match &mut self.bytes {
                Bytes::Raw(window) => window.read(self.at, rest)?,
                Bytes::Frames(frames) => frames.read(self.at, rest, &mut self.unpacked)?,
                Bytes::Stream(stream) => {
                    let more = stream.read(rest).map_err(damaged)?;
                    self.unpacked += more as u64;
                    more
                }
            };
            if more == 0 {
                return Err(Trouble::Cut.into());
            }
            if self.unpacked > UNPACKED_MAX {
                return Err(Trouble::TooMuch("packed data").into());
            }
            filled += more;
            self.at += more as u64;
        }
        Ok(())
    }

    /// Goes on `count` bytes later. Whether the file is that long shows at the next read.
    pub(super) fn skip(&mut self, count: u64) -> Result<(), ReadError> {
        if !matches!(self.bytes, Bytes::Stream(_)) {
            self.at = self.at.checked_add(count).ok_or(Trouble::Cut)?;
            return Ok(());
        }
        let mut left = count;
        let mut waste = [0; 1 << 13];
        while left > 0 {
            let part = usize::try_from(left).map_or(waste.len(), |left| left.min(waste.len()));
            self.read(&mut waste[..part])?;
            left -= part as u64;
        }
        Ok(())
    }
}

/// What cannot be unpacked is damaged, whatever the unpacker calls it.
fn damaged(error: io::Error) -> ReadError {
    match error.raw_os_error() {
        Some(_) => error.into(),
        None => Trouble::Packing.into(),
    }
}

impl Window {
    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        if into.len() >= WINDOW {
            return self.file.read_at(into, at);
        }
        let inside = at
            .checked_sub(self.start)
            .and_then(|offset| usize::try_from(offset).ok())
            .filter(|offset| *offset < self.held.len());
        let offset = match inside {
            Some(offset) => offset,
            None => {
                self.held.resize(WINDOW, 0);
                let held = self.file.read_at(&mut self.held, at)?;
                self.held.truncate(held);
                self.start = at;
                0
            }
        };
        Ok(copy(&self.held[offset..], into))
    }
}

impl Frames {
    fn read(&mut self, at: u64, into: &mut [u8], unpacked: &mut u64) -> Result<usize, ReadError> {
        let number = self.frames.partition_point(|frame| frame.start <= at);
        let Some(number) = number.checked_sub(1) else {
            return Ok(0);
        };
        let frame = self.frames[number];
        let offset = at - frame.start;
        if offset >= u64::from(frame.unpacked) {
            return Ok(0);
        }
        if self.current != Some(number) {
            self.current = None;
            let mut packed = vec![0; frame.packed as usize];
            self.file.read_exact_at(&mut packed, frame.at)?;
            let size = frame.unpacked as usize;
            self.held.resize(size, 0);
            let got = self
                .unpacker
                .decompress_to_buffer(&packed, &mut self.held[..]);
            if got.map_err(|_| Trouble::Packing)? != size {
                return Err(Trouble::Packing.into());
            }
            self.current = Some(number);
            *unpacked += u64::from(frame.unpacked);
        }
        let offset = usize::try_from(offset).map_err(|_| Trouble::Packing)?;
        Ok(copy(&self.held[offset..], into))
    }
}

fn copy(from: &[u8], into: &mut [u8]) -> usize {
    let count = from.len().min(into.len());
    into[..count].copy_from_slice(&from[..count]);
    count
}

/// The frames of a zstd file that has a table of them; none where it has no table.
fn seek_table(file: &File, length: u64) -> Result<Option<Vec<Frame>>, ReadError> {
    let Some(foot_at) = length.checked_sub(TABLE_FOOT) else {
        return Ok(None);
    };
    let mut foot = [0; TABLE_FOOT as usize];
    file.read_exact_at(&mut foot, foot_at)?;
    if u32_at(&foot, 5) != Some(TABLE_MARK) {
        return Ok(None);
    }
    let count = u32_at(&foot, 0).unwrap_or(0);
    let entry = if foot[4] & 0x80 == 0 { 8 } else { 12 };
    if count > FRAMES_MAX {
        return Err(Trouble::TooMuch("zstd frames").into());
    }
    let table_at = foot_at.checked_sub(u64::from(count) * entry);
    let Some((table_at, head_at)) = table_at.and_then(|at| Some((at, at.checked_sub(8)?))) else {
        return Err(Trouble::Packing.into());
    };
    let mut head = [0; 8];
    file.read_exact_at(&mut head, head_at)?;
    if u32_at(&head, 0) != Some(TABLE_FRAME) {
        return Err(Trouble::Packing.into());
    }
    let mut table = vec![0; count as usize * entry as usize];
    file.read_exact_at(&mut table, table_at)?;
    let mut frames = Vec::with_capacity(count as usize);
    let (mut at, mut start) = (0_u64, 0_u64);
    for sizes in table.chunks_exact(entry as usize) {
        let (packed, unpacked) = (u32_at(sizes, 0), u32_at(sizes, 4));
        let (Some(packed), Some(unpacked)) = (packed, unpacked) else {
            return Err(Trouble::Packing.into());
        };
        if packed > FRAME_MAX || unpacked > FRAME_MAX {
            return Err(Trouble::TooMuch("a zstd frame").into());
        }
        if unpacked > 0 {
            frames.push(Frame {
                at,
                packed,
                start,
                unpacked,
            });
        }
        at += u64::from(packed);
        start += u64::from(unpacked);
    }
    if at > head_at {
        return Err(Trouble::Packing.into());
    }
    Ok(Some(frames))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(u32::from_le_bytes)
}
