//! One line of a journal: eight hex digits of CRC-32, a blank, the record as JSON, a line feed.
//!
//! JSON never holds a raw line feed, so a line is a record and a damaged record costs itself only.

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::event::{Event, Stamped};

/// Longest line, far above a segment of a hundred thousand tasks.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;
/// Checksum and blank.
const PREFIX: usize = 9;

/// A journal's first record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Version of the journal.
    pub format: u32,
    /// The framewright that began it, for people.
    pub framewright: String,
}

/// A line's checksum does not fit: it was not written whole, or was damaged since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Append a record to a buffer as a line.
pub(super) fn encode<T: Serialize>(record: &T, into: &mut Vec<u8>) -> serde_json::Result<()> {
    let start = into.len();
    into.extend_from_slice(b"00000000 ");
    if let Err(error) = serde_json::to_writer(&mut *into, record) {
        into.truncate(start);
        return Err(error);
    }
    let sum = crc32fast::hash(&into[start + PREFIX..]);
    let mut digits = &mut into[start..start + PREFIX - 1];
    // Eight digits fit into eight bytes.
    let _ = write!(digits, "{sum:08x}");
    into.push(b'\n');
    Ok(())
}

/// The JSON of a line (given without its line feed), its checksum proved.
pub(super) fn checked(line: &[u8]) -> Result<&[u8], Damaged> {
    let (prefix, json) = line.split_at_checked(PREFIX).ok_or(Damaged)?;
    let sum = std::str::from_utf8(prefix)
        .ok()
        .and_then(|prefix| prefix.strip_suffix(' '))
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .ok_or(Damaged)?;
    (sum == crc32fast::hash(json))
        .then_some(json)
        .ok_or(Damaged)
}

/// JSON knows no infinity and no NaN: such a number would be written as `null` and make the
/// record unreadable. A record that can be read matters more than a duration gone wrong.
pub(super) fn make_finite(stamped: &mut Stamped) {
    let clean = |number: &mut f64| {
        if !number.is_finite() {
            *number = 0.0;
        }
    };
    match &mut stamped.event {
        Event::Loaded { load_s, .. } => clean(load_s),
        Event::TaskDone {
            render_s,
            predicted_s,
            ..
        } => {
            clean(render_s);
            *predicted_s = predicted_s.filter(|number| number.is_finite());
        }
        Event::SegmentSent { load_s, end_s, .. } => {
            *load_s = load_s.filter(|number| number.is_finite());
            *end_s = end_s.filter(|number| number.is_finite());
        }
        Event::JobStarted {
            predicted_makespan_s,
            ..
        } => *predicted_makespan_s = predicted_makespan_s.filter(|number| number.is_finite()),
        Event::JobEnded {
            makespan_s,
            lower_bound_s,
            ..
        } => {
            clean(makespan_s);
            *lower_bound_s = lower_bound_s.filter(|bound| bound.is_finite());
        }
        Event::Assembled { seconds, seams, .. } => {
            clean(seconds);
            seams.iter_mut().for_each(|seam| {
                clean(&mut seam.difference);
                clean(&mut seam.tolerance);
            });
        }
        Event::Seam { seam, .. } => {
            clean(&mut seam.difference);
            clean(&mut seam.tolerance);
        }
        Event::Reel { seconds, fps, .. } => {
            clean(seconds);
            *fps = fps.filter(|fps| fps.is_finite());
        }
        _ => {}
    }
}
