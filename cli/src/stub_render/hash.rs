//! The stub renderer's only source of chance: a mixing function.
//!
//! Not for keys of anything that matters; chosen because it is ten lines, the same on every
//! machine, and good enough that neighbouring pixels and frames share nothing.

/// SplitMix64's finaliser: every input bit reaches every output bit.
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a over bytes that come in pieces.
#[derive(Clone, Copy, Debug)]
pub struct Folded(u64);

impl Default for Folded {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Folded {
    /// The next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    }

    /// Of everything so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

/// FNV-1a over a name's bytes, then mixed.
pub fn name(text: &str) -> u64 {
    let mut folded = Folded::default();
    folded.add(text.as_bytes());
    mix(folded.value())
}

/// A number in [0, 1), from the upper 53 bits.
pub fn unit(value: u64) -> f64 {
    (value >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_hold_on_every_machine() {
        // First output of the published SplitMix64 for seed 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(name(""), mix(0xcbf2_9ce4_8422_2325));
        assert_ne!(name("beauty"), name("shadow"));
    }

    #[test]
    fn unit_numbers_stay_below_one() {
        assert_eq!(unit(0), 0.0);
        assert!(unit(u64::MAX) < 1.0);
    }
}
