//! Sending files home, one after the other, on a thread of its own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::Receiver;

use serde_bytes::ByteBuf;

use super::message::{Fault, FaultKind, FromDepot, PIECE_BYTES_MAX, ReadId};
use super::post::Post;

/// What to send.
#[derive(Debug)]
pub(super) enum Wanted {
    File {
        read: ReadId,
        path: String,
        from: u64,
        bytes: u64,
    },
    /// Bytes that mean nothing, for measuring.
    Nothing { read: ReadId, bytes: u64 },
}

/// Serves what is wanted until nobody can want anything more.
pub(super) fn serve(wanted: &Receiver<Wanted>, post: &Post) {
    while let Ok(wanted) = wanted.recv() {
        let (read, outcome) = match wanted {
            Wanted::File {
                read,
                path,
                from,
                bytes,
            } => (read, send(post, read, Path::new(&path), from, bytes)),
            Wanted::Nothing { read, bytes } => (read, send_nothing(post, read, bytes)),
        };
        post.over(read);
        match outcome {
            Ok(true) => post.say(&FromDepot::End { read }),
            Ok(false) if post.is_lost() => return,
            // Nobody wants it any more.
            Ok(false) => {}
            Err(fault) => post.say(&FromDepot::NotRead { read, fault }),
        }
    }
}

/// False when nobody wants it any more.
fn send(post: &Post, read: ReadId, path: &Path, from: u64, bytes: u64) -> Result<bool, Fault> {
    let cannot = |error: &io::Error| Fault::io("read", path, error);
    if !path.is_absolute() {
        let why = format!("cannot read {}: it is not absolute", path.display());
        return Err(Fault::new(FaultKind::BadName, why));
    }
    let differs = || {
        let why = format!("{} is not the file that it was", path.display());
        Fault::new(FaultKind::Differs, why)
    };
    // Opening a pipe must not wait for its writer.
    let mut file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| cannot(&error))?;
    let about = file.metadata().map_err(|error| cannot(&error))?;
    if !about.is_file() {
        let why = format!("cannot read {}: it is no file", path.display());
        return Err(Fault::new(FaultKind::BadName, why));
    }
    if about.len() != bytes || from > bytes {
        return Err(differs());
    }
    file.seek(SeekFrom::Start(from))
        .map_err(|error| cannot(&error))?;
    let mut left = bytes - from;
    let mut piece = Vec::new();
    while left > 0 {
        piece.clear();
        let count = left.min(PIECE_BYTES_MAX as u64);
        (&mut file)
            .take(count)
            .read_to_end(&mut piece)
            .map_err(|error| cannot(&error))?;
        if piece.len() as u64 != count {
            return Err(differs());
        }
        left -= count;
        if !push(post, read, &mut piece) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn send_nothing(post: &Post, read: ReadId, bytes: u64) -> Result<bool, Fault> {
    // Not zeros: something on the way might compress.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut piece: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(PIECE_BYTES_MAX / 8)
    .flatten()
    .collect();
    let mut left = bytes;
    while left > 0 {
        let count = left.min(PIECE_BYTES_MAX as u64);
        piece.truncate(usize::try_from(count).unwrap_or(PIECE_BYTES_MAX));
        left -= count;
        if !push(post, read, &mut piece) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sends a piece without copying it more than into the connection's buffer.
fn push(post: &Post, read: ReadId, piece: &mut Vec<u8>) -> bool {
    let bytes = piece.len();
    let message = FromDepot::Data {
        read,
        data: ByteBuf::from(std::mem::take(piece)),
    };
    let wanted = post.data(read, &message, bytes);
    if let FromDepot::Data { data, .. } = message {
        *piece = data.into_vec();
    }
    wanted
}
