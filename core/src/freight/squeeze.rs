//! Whether to compress a blob before it is sent.
//!
//! Sent as it is, a byte takes 1/v seconds on a way that carries v bytes a second. Compressed to
//! the part r of its size by a thread that does c bytes a second beside the sending, it takes the
//! longer of 1/c and r/v. So a blob is compressed where `max(1/c, r/v) < 0.9/v`: the way is slower
//! than the compressor, and something comes of it. r and c are measured on a sample from the
//! beginning, the middle and the end of the blob (pictures and caches that are compressed already
//! give r near 1); v is measured while the way is full, and until it is, nothing is compressed.
//! zstd's level is 1: on the links where it helps, the way waits for the compressor at any other.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

/// Bytes of one part of the sample.
const SAMPLE_BYTES: usize = 32 << 10;
/// Compressing must gain at least this part of the time.
const GAIN_MIN: f64 = 0.1;
const LEVEL: i32 = 1;

pub(super) struct Squeezer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    buffer: Vec<u8>,
}

/// What a sample says: the rule, as numbers.
pub(super) fn pays(link_rate: f64, compress_rate: f64, ratio: f64) -> bool {
    let plain = 1.0 / link_rate;
    let squeezed = (1.0 / compress_rate).max(ratio / link_rate);
    squeezed < plain * (1.0 - GAIN_MIN)
}

impl Squeezer {
    pub(super) fn new() -> Self {
        Self {
            // Without memory for it, everything is sent as it is.
            compressor: zstd::bulk::Compressor::new(LEVEL).ok(),
            buffer: Vec::new(),
        }
    }

    /// Whether compressing this file pays on a way of this rate.
    pub(super) fn pays_for(
        &mut self,
        file: &File,
        bytes: u64,
        link_rate: Option<f64>,
    ) -> io::Result<bool> {
        let Some(link_rate) = link_rate else {
            return Ok(false);
        };
        let part = (SAMPLE_BYTES as u64).min(bytes);
        let last = bytes - part;
        let mut places = vec![0, last / 2, last];
        places.dedup();
        let mut sample = vec![0; SAMPLE_BYTES];
        let (mut plain, mut squeezed, mut seconds) = (0, 0, 0.0);
        for place in places {
            let count = file.read_at(&mut sample, place)?;
            let begun = Instant::now();
            let Some(packed) = self.squeeze(&sample[..count]) else {
                return Ok(false);
            };
            squeezed += packed.len();
            plain += count;
            seconds += begun.elapsed().as_secs_f64();
        }
        if plain == 0 || seconds <= 0.0 {
            return Ok(false);
        }
        let ratio = squeezed as f64 / plain as f64;
        Ok(pays(link_rate, plain as f64 / seconds, ratio))
    }

    /// A piece compressed on its own.
    pub(super) fn squeeze(&mut self, piece: &[u8]) -> Option<&[u8]> {
        let compressor = self.compressor.as_mut()?;
        self.buffer.clear();
        self.buffer
            .reserve(zstd::zstd_safe::compress_bound(piece.len()));
        compressor
            .compress_to_buffer(piece, &mut self.buffer)
            .ok()?;
        Some(&self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_weighs_way_against_compressor() {
        // A slow way, something to gain.
        assert!(pays(10e6, 400e6, 0.5));
        // Nothing to gain.
        assert!(!pays(10e6, 400e6, 0.98));
        // The compressor is slower than the way.
        assert!(!pays(400e6, 300e6, 0.2));
        // Only just faster.
        assert!(!pays(290e6, 300e6, 0.2));
    }

    #[test]
    fn sample_tells_noise_from_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            File::open(path).unwrap()
        };
        let text = file("text", &b"v 0.123 0.456 0.789\n".repeat(20_000));
        let mut noise = vec![0; 400_000];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        let noise = file("noise", &noise);
        let mut squeezer = Squeezer::new();
        let slow = Some(1e6);
        assert!(squeezer.pays_for(&text, 400_000, slow).unwrap());
        assert!(!squeezer.pays_for(&noise, 400_000, slow).unwrap());
        assert!(!squeezer.pays_for(&text, 400_000, None).unwrap());
        assert!(!squeezer.pays_for(&text, 400_000, Some(1e12)).unwrap());
        assert!(!squeezer.pays_for(&file("empty", b""), 0, slow).unwrap());
    }
}
