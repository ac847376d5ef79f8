//! How times, rates and counts are written on a screen.

pub(crate) use framewright_core::quantity::short_time as time;

/// `0:12`, `1:02:03`: of one width while it runs.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole % 3600 / 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// `41.2 a minute`, `3.1 an hour`, `120 a second`: the unit that keeps the number readable.
pub(crate) fn rate(per_minute: f64) -> String {
    if per_minute >= 6000.0 {
        format!("{:.0} a second", per_minute / 60.0)
    } else if per_minute >= 100.0 {
        format!("{per_minute:.0} a minute")
    } else if per_minute >= 1.0 {
        format!("{per_minute:.1} a minute")
    } else {
        format!("{:.1} an hour", per_minute * 60.0)
    }
}

/// `1 frame`, `2 frames`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `1.2 GiB`, `310 MiB`, `12 B`: two or three digits are enough to compare.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut amount = bytes as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        // 1023.5 would be written as 1024 of the smaller unit.
        if amount < 1023.5 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    if unit == "B" || amount >= 99.95 {
        format!("{amount:.0} {unit}")
    } else {
        format!("{amount:.1} {unit}")
    }
}

/// The text cut to this many characters, with a mark where it was cut.
pub(crate) fn cut(text: &str, letters_max: usize) -> String {
    if text.chars().count() <= letters_max {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(letters_max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        let cases = [
            (0.0, "0.0s"),
            (4.24, "4.2s"),
            (9.96, "10s"),
            (59.4, "59s"),
            (252.0, "4m12s"),
            (11_100.0, "3h05m"),
            (187_200.0, "2d04h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(time(seconds), text);
        }
        assert_eq!(clock(3723.9), "1:02:03");
        assert_eq!(clock(12.0), "0:12");
    }

    #[test]
    fn sizes_choose_their_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (325_058_560, "310 MiB"),
            (1_288_490_189, "1.2 GiB"),
            (3 << 40, "3.0 TiB"),
        ];
        for (size, text) in cases {
            assert_eq!(bytes(size), text);
        }
    }

    #[test]
    fn rates_choose_their_unit() {
        assert_eq!(rate(41.23), "41.2 a minute");
        assert_eq!(rate(0.05), "3.0 an hour");
        assert_eq!(rate(1_200_000.0), "20000 a second");
    }

    #[test]
    fn long_texts_are_cut_where_it_shows() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
