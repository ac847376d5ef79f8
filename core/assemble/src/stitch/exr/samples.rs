//! Restored blocks: copying their samples to where they belong, and comparing them.
//!
//! Everything counts in pixels of the picture.

use half::f16;

use crate::openexr::{Channel, Sample};
use crate::rect::Rect;
use crate::stitch::seams::{Worst, difference};

/// Samples of a rectangle, line by line, within a line channel by channel.
pub(super) struct Samples {
    pub(super) rect: Rect,
    pub(super) bytes: Vec<u8>,
}

/// Where a channel's samples are in a line.
#[derive(Clone, Copy)]
struct Span {
    sample: Sample,
    /// Bytes of a pixel's channels before it.
    before: usize,
}

/// The channels of a part, by where their samples are.
pub(super) struct Spans {
    spans: Vec<Span>,
    pixel_bytes: usize,
}

impl Spans {
    pub(super) fn of(channels: &[Channel]) -> Self {
        let mut pixel_bytes = 0;
        let spans = channels.iter().map(|channel| {
            let before = pixel_bytes;
            pixel_bytes += channel.sample.bytes();
            Span {
                sample: channel.sample,
                before,
            }
        });
        Self {
            spans: spans.collect(),
            pixel_bytes,
        }
    }

    pub(super) const fn pixel_bytes(&self) -> usize {
        self.pixel_bytes
    }

    /// Where a row of a channel is within a block.
    fn place(&self, span: Span, block: &Rect, shared: &Rect, y: u32) -> std::ops::Range<usize> {
        let line = (y - block.y) as usize * block.width as usize * self.pixel_bytes;
        let channel = span.before * block.width as usize;
        let size = span.sample.bytes();
        let from = line + channel + (shared.x - block.x) as usize * size;
        from..from + shared.width as usize * size
    }

    /// Copies what both blocks have of `shared`, which lies within both.
    pub(super) fn copy(&self, from: &Samples, shared: &Rect, to: (&Rect, &mut [u8])) {
        let (to, bytes) = to;
        for y in shared.y..shared.bottom() as u32 {
            for span in &self.spans {
                let source = &from.bytes[self.place(*span, &from.rect, shared, y)];
                bytes[self.place(*span, to, shared, y)].copy_from_slice(source);
            }
        }
    }

    /// A part of a block by itself.
    pub(super) fn cut(&self, from: Samples, rect: &Rect) -> Samples {
        if from.rect == *rect {
            return from;
        }
        let mut bytes = vec![0; rect.area() as usize * self.pixel_bytes];
        self.copy(&from, rect, (rect, &mut bytes));
        Samples { rect: *rect, bytes }
    }

    /// Compares what both blocks have of `shared`, which lies within both.
    pub(super) fn compare(
        &self,
        one: &Samples,
        other: &Samples,
        shared: &Rect,
        channels_before: usize,
        worst: &mut Option<Worst>,
    ) {
        for y in shared.y..shared.bottom() as u32 {
            for (number, span) in self.spans.iter().enumerate() {
                let ours = &one.bytes[self.place(*span, &one.rect, shared, y)];
                let theirs = &other.bytes[self.place(*span, &other.rect, shared, y)];
                if ours == theirs {
                    continue;
                }
                let size = span.sample.bytes();
                let pixels = ours.chunks_exact(size).zip(theirs.chunks_exact(size));
                for (x, (ours, theirs)) in (shared.x..).zip(pixels) {
                    if ours == theirs {
                        continue;
                    }
                    let difference =
                        difference(value(span.sample, ours), value(span.sample, theirs));
                    if difference > 0.0 {
                        let channel = channels_before + number;
                        let found = Worst {
                            difference,
                            y,
                            x,
                            channel,
                        };
                        Worst::take(worst, found);
                    }
                }
            }
        }
    }
}

fn value(sample: Sample, bytes: &[u8]) -> f64 {
    match (sample, bytes) {
        (Sample::Half, &[a, b]) => f16::from_le_bytes([a, b]).to_f64(),
        (Sample::Float, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]).into(),
        (Sample::Uint, &[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]).into(),
        _ => f64::NAN,
    }
}
