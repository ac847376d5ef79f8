//! The first bytes of a file: who wrote it, and how its numbers are written.

use super::Trouble;

/// How a file's numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub big_endian: bool,
    pub short_pointers: bool,
    /// Blocks begin with 32 bytes, as of 5.0.
    pub large_heads: bool,
}

/// The Blender that wrote a file; 2.93 is (2, 93).
pub(super) type Version = (u32, u32);

/// The first bytes of any file, and how many more belong to a new one's header.
pub(super) const HEADER: usize = 12;
pub(super) const HEADER_MORE: usize = 5;

/// The header, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub order: Order,
    pub version: Version,
}

impl Header {
    /// How many bytes there are after the first [`HEADER`].
    pub(super) fn more(first: &[u8; HEADER]) -> Result<usize, Trouble> {
        match (first.starts_with(b"BLENDER"), first[7]) {
            (true, b'-' | b'_') => Ok(0),
            (true, b'0'..=b'9') => Ok(HEADER_MORE),
            _ => Err(Trouble::NoScene),
        }
    }

    /// `BLENDER-v304`, or `BLENDER17-01v0502`.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Trouble> {
        let large_heads = matches!(bytes.get(7), Some(b'0'..=b'9'));
        let (size, order_at) = match large_heads {
            false => (bytes.get(7).copied(), 8),
            true => {
                let said = bytes.get(7..9).zip(bytes.get(10..12));
                if said != Some((b"17", b"01")) {
                    return Err(Trouble::Layout);
                }
                (bytes.get(9).copied(), 12)
            }
        };
        let short_pointers = match size {
            Some(b'-') => false,
            Some(b'_') if !large_heads => true,
            _ => return Err(Trouble::Layout),
        };
        let big_endian = match bytes.get(order_at) {
            Some(b'v') => false,
            Some(b'V') => true,
            _ => return Err(Trouble::Layout),
        };
        let digits = bytes.get(order_at + 1..).unwrap_or_default();
        let version = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u32>().ok())
            .ok_or(Trouble::Layout)?;
        Ok(Header {
            order: Order {
                big_endian,
                short_pointers,
                large_heads,
            },
            version: (version / 100, version % 100),
        })
    }
}

impl Order {
    pub(super) fn pointer_bytes(self) -> usize {
        if self.short_pointers { 4 } else { 8 }
    }

    /// Up to eight bytes as a number without sign.
    pub(super) fn unsigned(self, bytes: &[u8]) -> u64 {
        let push = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self.big_endian {
            true => bytes.iter().take(8).fold(0, push),
            false => bytes.iter().take(8).rev().fold(0, push),
        }
    }

    /// Up to eight bytes as a number with sign.
    pub(super) fn signed(self, bytes: &[u8]) -> i64 {
        let shift = 64 - 8 * u32::try_from(bytes.len().clamp(1, 8)).unwrap_or(8);
        (self.unsigned(bytes) << shift).cast_signed() >> shift
    }

    /// A `float` or `double`.
    pub(super) fn real(self, bytes: &[u8]) -> f64 {
        let bits = self.unsigned(bytes);
        match u32::try_from(bits) {
            Ok(bits) if bytes.len() == 4 => f64::from(f32::from_bits(bits)),
            _ => f64::from_bits(bits),
        }
    }
}
