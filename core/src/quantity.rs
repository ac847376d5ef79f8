//! Quantities as people write them: `600ms`, `2h30m`, `40GiB`, `10..40`.
//!
//! A quantity without its unit is refused, because `--task-limit 30` means minutes to one person
//! and seconds to the next. Printing gives a form that parses to the same value again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::request::SegmentSize;

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a duration.
    #[error("`{text}` is no duration: write a number and its unit, like 600ms, 90s, 10m or 2h30m")]
    Duration {
        /// What was written.
        text: String,
    },
    /// Not a size.
    #[error("`{text}` is no size: write a number and its unit, like 512MiB or 40GiB")]
    Size {
        /// What was written.
        text: String,
    },
    /// More than can be counted.
    #[error("`{text}` is too large")]
    TooLarge {
        /// What was written.
        text: String,
    },
    /// Not a segment size.
    #[error(
        "`{text}` is no segment size: write MIN..MAX in frames, like 10..40, or 0 for undivided"
    )]
    Range {
        /// What was written.
        text: String,
    },
    /// Not a part of a whole.
    #[error("`{text}` is no part of a whole: write one like 30% or 0.3")]
    Share {
        /// What was written.
        text: String,
    },
    /// Upside down.
    #[error("the segment size {text} is reversed: the smaller number comes first")]
    Reversed {
        /// What was written.
        text: String,
    },
}

/// Longest duration that is taken: a hundred years, in seconds.
const DURATION_S_MAX: f64 = 100.0 * 365.25 * 86_400.0;

/// Parses `600ms`, `1.5s`, `10m`, `2h30m`, `1d`. A lone `0` needs no unit.
///
/// # Errors
/// [`QuantityError::Duration`] or [`QuantityError::TooLarge`].
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let wrong = || QuantityError::Duration {
        text: text.to_owned(),
    };
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    // Units must fall, so that `10m2h`, which is most likely a slip, is not taken.
    let mut unit_before = f64::INFINITY;
    while !rest.is_empty() {
        let (number, unit, tail) = number_and_unit(rest).ok_or_else(wrong)?;
        let unit_s = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        if unit_s >= unit_before {
            return Err(wrong());
        }
        unit_before = unit_s;
        seconds += number * unit_s;
        rest = tail;
    }
    if seconds > DURATION_S_MAX {
        return Err(QuantityError::TooLarge {
            text: text.to_owned(),
        });
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Splits `1.5s30ms` into `1.5`, `s` and `30ms`.
fn number_and_unit(text: &str) -> Option<(f64, &str, &str)> {
    let number_ends = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(number_ends);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('.') {
        return None;
    }
    let unit_ends = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let (unit, tail) = rest.split_at(unit_ends);
    Some((digits.parse().ok()?, unit, tail))
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Binary units, largest first, for printing.
const UNITS: [(u64, &str); 4] = [
    (1 << 40, "TiB"),
    (1 << 30, "GiB"),
    (1 << 20, "MiB"),
    (1 << 10, "KiB"),
];

impl FromStr for Bytes {
    type Err = QuantityError;

    /// `KiB MiB GiB TiB` and the bare letters `K M G T` are powers of 1024, `KB MB GB TB` powers
    /// of 1000, `B` is a byte.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::Size {
            text: text.to_owned(),
        };
        let (number, unit, tail) = number_and_unit(text.trim()).ok_or_else(wrong)?;
        let unit_bytes: f64 = match unit.to_ascii_lowercase().as_str() {
            "b" => 1.0,
            "k" | "kib" => 1024.0,
            "m" | "mib" => 1_048_576.0,
            "g" | "gib" => 1_073_741_824.0,
            "t" | "tib" => 1_099_511_627_776.0,
            "kb" => 1e3,
            "mb" => 1e6,
            "gb" => 1e9,
            "tb" => 1e12,
            _ => return Err(wrong()),
        };
        if !tail.is_empty() {
            return Err(wrong());
        }
        let bytes = number * unit_bytes;
        // 2^53: up to here every whole number is itself as a float.
        if bytes > 9_007_199_254_740_992.0 {
            return Err(QuantityError::TooLarge {
                text: text.to_owned(),
            });
        }
        Ok(Self(bytes.round() as u64))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (size, unit) in UNITS {
            if self.0 >= size {
                let tenths = (self.0 as f64 / size as f64 * 10.0).round() / 10.0;
                return write!(f, "{tenths}{unit}");
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// Parses `10..40` (also `10-40`), `25` (exactly 25) and `0` (undivided).
///
/// # Errors
/// [`QuantityError::Range`], [`QuantityError::Reversed`] or [`QuantityError::TooLarge`].
pub fn parse_segment_size(text: &str) -> Result<SegmentSize, QuantityError> {
    let wrong = || QuantityError::Range {
        text: text.to_owned(),
    };
    let number = |part: &str| {
        let part = part.trim();
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        part.parse::<u32>().map_err(|_| QuantityError::TooLarge {
            text: text.to_owned(),
        })
    };
    let (min, max) = match text.split_once("..").or_else(|| text.split_once('-')) {
        Some((min, max)) => (number(min)?, number(max)?),
        None => {
            let only = number(text)?;
            (only, only)
        }
    };
    if min > max {
        return Err(QuantityError::Reversed {
            text: text.to_owned(),
        });
    }
    if min == 0 && max > 0 {
        return Err(wrong());
    }
    Ok(SegmentSize { min, max })
}

/// `4.2s`, `4m12s`, `3h05m`, `2d04h`: two units are enough to plan by.
#[must_use]
pub fn short_time(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    if seconds < 9.95 {
        return format!("{:.1}s", seconds.max(0.0));
    }
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3600..86_400 => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// Parses `30%` and `0.3`, from nothing to all.
///
/// # Errors
/// [`QuantityError::Share`].
pub fn parse_share(text: &str) -> Result<f64, QuantityError> {
    let wrong = || QuantityError::Share {
        text: text.to_owned(),
    };
    let (digits, whole) = match text.trim().strip_suffix('%') {
        Some(digits) => (digits.trim_end(), 100.0),
        None => (text.trim(), 1.0),
    };
    let share = parse_number(digits).ok_or_else(wrong)? / whole;
    (0.0..=1.0)
        .contains(&share)
        .then_some(share)
        .ok_or_else(wrong)
}

/// Parses digits with a point or without: not `1e9`, `inf` or `NaN`, which are numbers to Rust.
#[must_use]
pub fn parse_number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    text.parse().ok().filter(|_| text.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_with_their_units() {
        let ms = |text| parse_duration(text).unwrap().as_millis();
        assert_eq!(ms("600ms"), 600);
        assert_eq!(ms("0s"), 0);
        assert_eq!(ms("0"), 0);
        assert_eq!(ms("1.5s"), 1500);
        assert_eq!(ms("10m"), 600_000);
        assert_eq!(ms("2h30m"), 9_000_000);
        assert_eq!(ms("1d"), 86_400_000);
    }

    #[test]
    fn a_duration_without_unit_or_with_rubbish_is_refused() {
        for text in [
            "", "30", "s", "1.s", "-1s", "1e3s", "10m2h", "5s5s", "5 s x", "1y", "nan", "inf",
            "NaNs",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?} was taken");
        }
        assert!(matches!(
            parse_duration("999999999999d"),
            Err(QuantityError::TooLarge { .. })
        ));
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        let bytes = |text: &str| text.parse::<Bytes>().unwrap().0;
        assert_eq!(bytes("40GiB"), 40 << 30);
        assert_eq!(bytes("64MiB"), 64 << 20);
        assert_eq!(bytes("1.5GiB"), 3 << 29);
        assert_eq!(bytes("2g"), 2 << 30);
        assert_eq!(bytes("1GB"), 1_000_000_000);
        assert_eq!(bytes("0B"), 0);
        for text in [
            "",
            "40",
            "GiB",
            "40 GiB",
            "-1GiB",
            "1GiB1",
            "99999999TiB",
            "1.2.3GiB",
        ] {
            assert!(text.parse::<Bytes>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn segment_sizes_are_a_range_one_number_or_nought() {
        let size = |text| parse_segment_size(text).map(|s| (s.min, s.max));
        assert_eq!(size("10..40"), Ok((10, 40)));
        assert_eq!(size("10-40"), Ok((10, 40)));
        assert_eq!(size("25"), Ok((25, 25)));
        assert_eq!(size("0"), Ok((0, 0)));
        assert!(matches!(
            size("40..10"),
            Err(QuantityError::Reversed { .. })
        ));
        for text in [
            "",
            "..",
            "10..",
            "..40",
            "0..40",
            "a..b",
            "1..2..3",
            "-5",
            "+5",
            "99999999999",
        ] {
            assert!(size(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn shares_are_percentages_or_parts_of_one() {
        for (text, share) in [
            ("30%", 0.3),
            ("0.3", 0.3),
            ("100 %", 1.0),
            ("0", 0.0),
            ("1", 1.0),
        ] {
            assert_eq!(parse_share(text), Ok(share), "{text}");
        }
        for text in [
            "", "%", "30", "130%", "-1%", "1.01", "inf", "NaN", "1e-1", "0.3%%",
        ] {
            assert!(parse_share(text).is_err(), "{text:?} was taken");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_size_printed_is_read_back_to_within_its_printed_digit(bytes in 0u64..(1 << 50)) {
            let again = Bytes(bytes).to_string().parse::<Bytes>().unwrap().0;
            prop_assert!(again.abs_diff(bytes) as f64 <= bytes as f64 * 0.051);
        }

        #[test]
        fn no_text_makes_a_quantity_panic(text in "\\PC{0,12}") {
            let _ = parse_duration(&text);
            let _ = text.parse::<Bytes>();
            let _ = parse_segment_size(&text);
        }
    }
}
