//! Time as the kernel knows it: whole microseconds since the controller began, given by the caller.
//!
//! Whole numbers, so that the same events give the same decisions on every machine and in every
//! replay. Nothing here wraps: sums stop at the ends of the range.

use std::fmt;
use std::ops::{Add, AddAssign};

/// Microseconds in a second.
const MICROS: f64 = 1e6;

/// A moment, as microseconds since the controller began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A length of time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Time {
    /// When the controller began.
    pub const ZERO: Time = Time(0);

    /// From microseconds since the controller began.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Time {
        Time(micros)
    }

    /// From seconds since the controller began; what is below zero or no number is zero.
    #[must_use]
    pub fn from_secs_f64(seconds: f64) -> Time {
        Time(micros(seconds))
    }

    /// Microseconds since the controller began.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Seconds since the controller began.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / MICROS
    }

    /// How long after `earlier` this is; zero when it is before.
    #[must_use]
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// Longer than anything.
    pub const MAX: Span = Span(u64::MAX);

    /// From microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Span {
        Span(micros)
    }

    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Span {
        Span(seconds.saturating_mul(1_000_000))
    }

    /// From seconds; what is below zero or no number is zero.
    #[must_use]
    pub fn from_secs_f64(seconds: f64) -> Span {
        Span(micros(seconds))
    }

    /// In microseconds.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// In seconds.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / MICROS
    }

    /// This many times as long.
    #[must_use]
    pub const fn times(self, factor: u64) -> Span {
        Span(self.0.saturating_mul(factor))
    }
}

/// Rounds to whole microseconds; the cast sends what does not fit to the nearest end.
fn micros(seconds: f64) -> u64 {
    (seconds * MICROS).round() as u64
}

impl Add<Span> for Time {
    type Output = Time;

    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Add for Span {
    type Output = Span;

    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", self.as_secs_f64())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", self.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_zero_and_what_is_too_long_stays_at_the_end() {
        assert_eq!(Span::from_secs_f64(f64::NAN), Span::ZERO);
        assert_eq!(Span::from_secs_f64(-3.0), Span::ZERO);
        assert_eq!(Span::from_secs_f64(f64::INFINITY), Span::MAX);
        assert_eq!(Time::ZERO + Span::MAX + Span::MAX, Time(u64::MAX));
        assert_eq!(
            Time::from_secs_f64(1.0).since(Time::from_secs_f64(2.0)),
            Span::ZERO
        );
    }

    #[test]
    fn seconds_come_back_to_the_microsecond() {
        assert_eq!(Span::from_secs_f64(0.6).as_micros(), 600_000);
        assert_eq!(
            Span::from_secs_f64(1_234.567_891).as_secs_f64(),
            1_234.567_891
        );
    }
}
