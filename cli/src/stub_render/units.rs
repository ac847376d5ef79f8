//! Durations and sizes as people write them in a stub scene: `600ms`, `1.5s`, `64MiB`.
//!
//! Parsed at the edge into types that cannot be wrong; the messages are complete sentences
//! without a subject, because the reader of the scene adds the line.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// The longest duration a scene may declare: thirty days.
const DURATION_S_MAX: f64 = 30.0 * 24.0 * 3600.0;

/// A duration in a scene file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A size in a scene file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// Reads `600ms`, `1.5s`, `2m`, `1h` or `250us`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let seconds_per_unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(format!(
                "`{text}` is not a duration, expected a number with us, ms, s, m or h such as `600ms`"
            ));
        }
    };
    let seconds = number
        .parse::<f64>()
        .map_err(|_| format!("`{text}` is not a duration, expected one such as `600ms`"))?
        * seconds_per_unit;
    if !(0.0..=DURATION_S_MAX).contains(&seconds) {
        return Err(format!(
            "`{text}` is out of range, expected a duration from `0s` to `720h`"
        ));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Reads `64MiB`, `1.5GiB`, `2GB` or `4096B`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let bytes_per_unit = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => {
            return Err(format!(
                "`{text}` is not a size, expected a number with B, KiB, MiB, GiB or TiB such as `64MiB`"
            ));
        }
    };
    let bytes = number
        .parse::<f64>()
        .map_err(|_| format!("`{text}` is not a size, expected one such as `64MiB`"))?
        * bytes_per_unit;
    // Up to 2^53 every whole number is exact in f64.
    if !(0.0..=9_007_199_254_740_992.0).contains(&bytes) {
        return Err(format!(
            "`{text}` is out of range, expected a size up to `8192TiB`"
        ));
    }
    Ok(bytes.round() as u64)
}

/// Splits `1.5s` into `1.5` and `s`; blanks between them are allowed.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    (number.trim_end(), unit)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_str(Text("a duration such as \"600ms\"", parse_duration))
            .map(Span)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_str(Text("a size such as \"64MiB\"", parse_bytes))
            .map(Bytes)
    }
}

/// Visits a text and parses it, so that the TOML reader can say on which line it stands.
pub struct Text<T>(pub &'static str, pub fn(&str) -> Result<T, String>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, micros) in [
            ("250us", 250),
            ("600ms", 600_000),
            ("1.5s", 1_500_000),
            ("2m", 120_000_000),
            ("1h", 3_600_000_000),
            ("0s", 0),
            ("3 s", 3_000_000),
        ] {
            assert_eq!(
                parse_duration(text).map(|d| d.as_micros()),
                Ok(micros),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_by_name() {
        for text in [
            "", "600", "ms", "1.2.3s", "-1s", "1d", "NaNs", "infs", "1e99h", "721h",
        ] {
            let why = parse_duration(text).expect_err(text);
            assert!(why.contains(&format!("`{text}`")), "{why}");
        }
    }

    #[test]
    fn sizes_are_read_in_every_unit() {
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse_bytes("2GB"), Ok(2_000_000_000));
        assert_eq!(parse_bytes("7B"), Ok(7));
        for text in ["", "64", "MiB", "-1B", "9e9TiB", "1mib"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
