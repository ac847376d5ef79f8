//! Hours of the day in which a host takes new segments: `19:00-08:00`.
//!
//! The times are those of the host's own clock, in minutes since its midnight. The first minute
//! is within, the last is not; hours whose end comes before their start go over midnight.

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Daily hours, start and end apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

impl Hours {
    /// Reads `HH:MM-HH:MM`; none where it is something else, or where both times are the same,
    /// which may mean always and may mean never.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let hours = Self {
            from: minute(from)?,
            to: minute(to)?,
        };
        (hours.from != hours.to).then_some(hours)
    }

    /// Whether a minute of the day is within.
    #[must_use]
    pub fn contains(self, minute: u16) -> bool {
        let minute = minute % DAY;
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }

    /// Minutes until the hours begin; 0 within them.
    #[must_use]
    pub fn opens_in(self, minute: u16) -> u16 {
        if self.contains(minute) {
            return 0;
        }
        (self.from + DAY - minute % DAY) % DAY
    }
}

fn minute(text: &str) -> Option<u16> {
    let two_digits = |n: &str| {
        let digits = n.len() == 2 && n.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| n.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u16 {
        minute(text).unwrap()
    }

    #[test]
    fn hours_of_one_day_are_within_from_their_first_minute_to_before_their_last() {
        let hours = Hours::parse("09:30-17:00").unwrap();
        let within = |text| hours.contains(at(text));
        assert!(within("09:30") && within("12:00") && within("16:59"));
        assert!(!within("09:29") && !within("17:00") && !within("00:00"));
    }

    #[test]
    fn a_night_goes_over_midnight() {
        let hours = Hours::parse("19:00-08:00").unwrap();
        let within = |text| hours.contains(at(text));
        assert!(within("19:00") && within("23:59") && within("00:00") && within("07:59"));
        assert!(!within("08:00") && !within("12:00") && !within("18:59"));
    }

    #[test]
    fn each_minute_is_in_either_the_hours_or_the_rest_of_the_day() {
        for (hours, rest) in [
            ("19:00-08:00", "08:00-19:00"),
            ("00:00-00:01", "00:01-00:00"),
        ] {
            let (hours, rest) = (Hours::parse(hours).unwrap(), Hours::parse(rest).unwrap());
            for minute in 0..DAY {
                assert_ne!(hours.contains(minute), rest.contains(minute), "{minute}");
                let opens = hours.opens_in(minute);
                assert!(hours.contains(minute + opens));
                assert!(opens == 0 || !hours.contains(minute + opens - 1));
            }
        }
    }

    #[test]
    fn what_are_no_hours_is_not_taken() {
        for text in [
            "",
            "-",
            "9-17",
            "9:00-17:00",
            "09:00",
            "24:00-08:00",
            "09:60-10:00",
            "09:00-09:00",
            "+9:00-10:00",
            "09:00-10:00-11:00",
            " 09:00-10:00",
        ] {
            assert_eq!(Hours::parse(text), None, "{text:?}");
        }
    }
}
