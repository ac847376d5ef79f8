//! Frames a second, as a fraction: 23.976 is 24000/1001, and a film at 23.976 would drift from
//! its sound.

use std::fmt;
use std::str::FromStr;

/// Frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    numerator: u32,
    denominator: u32,
}

/// No film has more.
const RATE_MAX: f64 = 1000.0;
/// Decimals that a scene's rate is taken for.
const DECIMAL: u32 = 1000;
/// What television divides by.
const NTSC: u32 = 1001;

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no frame rate: write 24, 23.976 or 24000/1001")]
pub struct RateError(String);

impl Rate {
    /// Film's.
    pub const DEFAULT: Self = Self {
        numerator: 24,
        denominator: 1,
    };

    /// The fraction that a scene's number stands for; `None` where it is no rate.
    #[must_use]
    pub fn from_f64(fps: f64) -> Option<Self> {
        if !(fps > 0.0 && fps <= RATE_MAX) {
            return None;
        }
        let whole = fps.round();
        if (fps - whole).abs() < 1e-6 {
            return Self::reduced(whole as u32, 1);
        }
        // 23.976, 29.97 and 59.94 are written with two decimals or more.
        let times = fps * f64::from(NTSC) / f64::from(DECIMAL);
        let ntsc = times.round();
        if ntsc >= 1.0 && (fps - ntsc * f64::from(DECIMAL) / f64::from(NTSC)).abs() < 5e-3 {
            return Self::reduced(ntsc as u32 * DECIMAL, NTSC);
        }
        Self::reduced((fps * f64::from(DECIMAL)).round() as u32, DECIMAL)
    }

    fn reduced(numerator: u32, denominator: u32) -> Option<Self> {
        let (mut a, mut b) = (numerator, denominator);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        (numerator > 0 && denominator > 0).then(|| Self {
            numerator: numerator / a,
            denominator: denominator / a,
        })
    }

    /// As a number.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            _ => write!(f, "{}/{}", self.numerator, self.denominator),
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(typed: &str) -> Result<Self, RateError> {
        let rate = match typed.split_once('/') {
            Some((numerator, denominator)) => {
                let parse = |text: &str| text.trim().parse::<u32>().ok();
                parse(numerator)
                    .zip(parse(denominator))
                    .and_then(|(numerator, denominator)| Self::reduced(numerator, denominator))
                    .filter(|rate| rate.as_f64() <= RATE_MAX)
            }
            None => typed.trim().parse().ok().and_then(Self::from_f64),
        };
        rate.ok_or_else(|| RateError(typed.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_fractions() {
        for (typed, rate) in [
            ("24", "24"),
            ("25.0", "25"),
            ("23.976", "24000/1001"),
            ("23.98", "24000/1001"),
            ("29.97", "30000/1001"),
            ("59.94", "60000/1001"),
            ("12.5", "25/2"),
            ("48/2", "24"),
            ("0.5", "1/2"),
        ] {
            assert_eq!(
                typed.parse::<Rate>().expect(typed).to_string(),
                rate,
                "{typed}"
            );
        }
        for typed in [
            "",
            "0",
            "-24",
            "24/0",
            "x",
            "NaN",
            "inf",
            "1e9",
            "4000000000/1",
        ] {
            let refused = typed.parse::<Rate>().expect_err(typed);
            assert!(refused.to_string().starts_with(&format!("`{typed}` is no")));
        }
        assert_eq!(Rate::from_f64(24000.0 / 1001.0), "24000/1001".parse().ok());
    }
}
