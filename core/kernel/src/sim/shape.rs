//! How the costs of a job's frames differ from each other: what a world is made with, and what the
//! farm is not told.
//!
//! A shape gives each frame a factor of the mean cost. The factors have mean 1: exactly where the
//! shape knows no chance, in expectation where it does; so jobs of one mean cost and different
//! shapes hold the same work, and their schedules can be compared.
//!
//! | written | what it is like |
//! |---|---|
//! | `const` | every frame costs the same |
//! | `ramp:10` | costs rise evenly, from the first frame to ten times as much at the last |
//! | `smooth`, `smooth:0.6` | an animation: each frame costs about what its neighbours cost |
//! | `lognormal:0.6` | each frame by itself, 0.6 the deviation of the logarithm |
//! | `spiky:0.05x8` | one frame in twenty, anywhere, costs eight times what the others cost |

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::Rng;

/// Deviation of the logarithm where a shape is written without it: about what frames of one shot
/// show in farms' accounts.
const DEVIATION: f64 = 0.6;
/// How much a smooth shape keeps of the frame before: it has changed by half after 23 frames, a
/// second of film.
const KEEP: f64 = 0.97;
/// Largest factor between two frames that can be asked for.
const FACTOR_MAX: f64 = 1000.0;
/// Largest deviation of a logarithm that can be asked for: a frame in six is twenty times as dear
/// as half of them.
const DEVIATION_MAX: f64 = 3.0;

/// How costs differ from frame to frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Shape {
    /// Not at all.
    #[default]
    Const,
    /// They rise evenly.
    Ramp {
        /// The last frame's cost as a multiple of the first one's.
        factor: f64,
    },
    /// Their logarithm wanders: an autoregressive process of the first order.
    Smooth {
        /// Deviation of the logarithm.
        deviation: f64,
    },
    /// Each by itself, lognormal.
    Lognormal {
        /// Deviation of the logarithm.
        deviation: f64,
    },
    /// A few are much dearer.
    Spiky {
        /// How likely a frame is one of them.
        chance: f64,
        /// Their cost as a multiple of the others'.
        factor: f64,
    },
}

/// Why a text is no shape.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShapeError {
    /// Nothing like it.
    #[error(
        "`{text}` is no shape of costs: write const, ramp:10, smooth, lognormal:0.6 or spiky:0.05x8"
    )]
    Unknown {
        /// What was written.
        text: String,
    },
    /// A factor that cannot be meant.
    #[error("`{text}` has a factor that is not from 1 to {FACTOR_MAX}: write one like {like}")]
    Factor {
        /// What was written.
        text: String,
        /// One that is right.
        like: &'static str,
    },
    /// A deviation that cannot be meant.
    #[error(
        "`{text}` has a deviation that is not from 0 to {DEVIATION_MAX}: write one like lognormal:0.6"
    )]
    Deviation {
        /// What was written.
        text: String,
    },
    /// A probability that is none.
    #[error("`{text}` has a probability that is not from 0 to 1: write one like spiky:0.05x8")]
    Chance {
        /// What was written.
        text: String,
    },
}

impl Shape {
    /// Whether two seeds give different factors.
    #[must_use]
    pub fn knows_chance(self) -> bool {
        match self {
            Shape::Const | Shape::Ramp { .. } => false,
            Shape::Smooth { .. } | Shape::Lognormal { .. } | Shape::Spiky { .. } => true,
        }
    }

    /// The factors of so many frames, in their order. What `rng` gives is used by shapes that know
    /// chance only.
    pub fn factors(self, count: u32, rng: &mut Rng) -> impl Iterator<Item = f64> {
        let mut wandering = match self {
            // Begun as it goes on, so that the first frames are no more ordinary than others.
            Shape::Smooth { deviation } => deviation * rng.normal(),
            Shape::Const | Shape::Ramp { .. } | Shape::Lognormal { .. } | Shape::Spiky { .. } => {
                0.0
            }
        };
        let step = (1.0 - KEEP * KEEP).sqrt();
        let steps = f64::from(count.saturating_sub(1).max(1));
        (0..count).map(move |frame| match self {
            Shape::Const => 1.0,
            Shape::Ramp { .. } if count == 1 => 1.0,
            Shape::Ramp { factor } => {
                let place = f64::from(frame) / steps;
                (1.0 + (factor - 1.0) * place) * 2.0 / (1.0 + factor)
            }
            Shape::Smooth { deviation } => {
                wandering = KEEP * wandering + deviation * step * rng.normal();
                (wandering - deviation * deviation / 2.0).exp()
            }
            Shape::Lognormal { deviation } => {
                (deviation * rng.normal() - deviation * deviation / 2.0).exp()
            }
            Shape::Spiky { chance, factor } => {
                let height = if rng.chance(chance) { factor } else { 1.0 };
                height / (1.0 + chance * (factor - 1.0))
            }
        })
    }
}

/// What history tells of a cost, as a factor of the true one: `error` is the deviation of its
/// logarithm, so half of all frames are off by less than two thirds of it.
pub fn misjudged(error: f64, rng: &mut Rng) -> f64 {
    (error * rng.normal()).exp()
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Const => write!(f, "const"),
            Shape::Ramp { factor } => write!(f, "ramp:{factor}"),
            Shape::Smooth { deviation } => write!(f, "smooth:{deviation}"),
            Shape::Lognormal { deviation } => write!(f, "lognormal:{deviation}"),
            Shape::Spiky { chance, factor } => write!(f, "spiky:{chance}x{factor}"),
        }
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    /// As the table above; a number that a shape lacks is the table's.
    fn from_str(text: &str) -> Result<Shape, ShapeError> {
        let own = || text.to_owned();
        let unknown = || ShapeError::Unknown { text: own() };
        // Digits and a point only: `inf`, `NaN` and `1e9` are numbers to Rust.
        let number = |part: &str| {
            let plain = |c: char| c.is_ascii_digit() || c == '.';
            part.parse::<f64>()
                .ok()
                .filter(|_| part.chars().all(plain))
                .ok_or_else(unknown)
        };
        let factor = |part: Option<&str>, like| {
            let factor = part.map_or(Ok(10.0), number)?;
            if (1.0..=FACTOR_MAX).contains(&factor) {
                Ok(factor)
            } else {
                Err(ShapeError::Factor { text: own(), like })
            }
        };
        let deviation = |part: Option<&str>| {
            let deviation = part.map_or(Ok(DEVIATION), number)?;
            if (0.0..=DEVIATION_MAX).contains(&deviation) {
                Ok(deviation)
            } else {
                Err(ShapeError::Deviation { text: own() })
            }
        };
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        match name {
            "const" if rest.is_none() => Ok(Shape::Const),
            "ramp" => Ok(Shape::Ramp {
                factor: factor(rest, "ramp:10")?,
            }),
            "smooth" => Ok(Shape::Smooth {
                deviation: deviation(rest)?,
            }),
            "lognormal" => Ok(Shape::Lognormal {
                deviation: deviation(rest)?,
            }),
            "spiky" => {
                let (chance, height) = rest
                    .unwrap_or("0.05x8")
                    .split_once('x')
                    .ok_or_else(unknown)?;
                let chance = number(chance)?;
                if !(0.0..=1.0).contains(&chance) {
                    return Err(ShapeError::Chance { text: own() });
                }
                Ok(Shape::Spiky {
                    chance,
                    factor: factor(Some(height), "spiky:0.05x8")?,
                })
            }
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: [&str; 5] = [
        "const",
        "ramp:10",
        "smooth:0.6",
        "lognormal:0.6",
        "spiky:0.05x8",
    ];

    fn shape(text: &str) -> Shape {
        text.parse().unwrap()
    }

    fn factors(text: &str, count: u32, seed: u64) -> Vec<f64> {
        shape(text).factors(count, &mut Rng::new(seed)).collect()
    }

    fn mean(of: &[f64]) -> f64 {
        of.iter().sum::<f64>() / of.len() as f64
    }

    #[test]
    fn a_shape_printed_is_read_back() {
        for text in WRITTEN {
            assert_eq!(shape(text).to_string(), text);
        }
        assert_eq!(shape("smooth"), shape("smooth:0.6"));
        assert_eq!(shape("lognormal"), shape("lognormal:0.6"));
        assert_eq!(shape("spiky"), shape("spiky:0.05x8"));
        assert_eq!(shape("ramp"), shape("ramp:10"));
    }

    #[test]
    fn what_is_no_shape_is_refused() {
        for text in [
            "",
            "flat",
            "const:1",
            "ramp:",
            "ramp:ten",
            "ramp:-2",
            "ramp:inf",
            "spiky:",
            "spiky:0.05",
            "spiky:x8",
            "lognormal:NaN",
            "smooth:1e3",
        ] {
            let refusal = text.parse::<Shape>().unwrap_err();
            assert!(
                matches!(refusal, ShapeError::Unknown { .. }),
                "{text}: {refusal}"
            );
        }
        for (text, sentence) in [
            (
                "spiky:2x8",
                "`spiky:2x8` has a probability that is not from 0 to 1: write one like spiky:0.05x8",
            ),
            (
                "spiky:0.1x0.5",
                "`spiky:0.1x0.5` has a factor that is not from 1 to 1000: write one like spiky:0.05x8",
            ),
            (
                "ramp:0.5",
                "`ramp:0.5` has a factor that is not from 1 to 1000: write one like ramp:10",
            ),
            (
                "smooth:9",
                "`smooth:9` has a deviation that is not from 0 to 3: write one like lognormal:0.6",
            ),
        ] {
            assert_eq!(text.parse::<Shape>().unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn shapes_without_chance_have_mean_1_exactly() {
        for count in [1, 2, 7, 200] {
            assert_eq!(factors("const", count, 1), vec![1.0; count as usize]);
            let ramp = factors("ramp:10", count, 1);
            assert!((mean(&ramp) - 1.0).abs() < 1e-12, "{ramp:?}");
        }
        let ramp = factors("ramp:10", 50, 1);
        assert!((ramp[49] / ramp[0] - 10.0).abs() < 1e-9);
        assert!(ramp.is_sorted());
    }

    #[test]
    fn shapes_with_chance_have_mean_1_in_the_long_run() {
        for text in [
            "smooth",
            "lognormal",
            "spiky",
            "lognormal:0.2",
            "spiky:0.5x2",
        ] {
            let many: Vec<f64> = (0..400).flat_map(|seed| factors(text, 500, seed)).collect();
            assert!((mean(&many) - 1.0).abs() < 0.03, "{text}: {}", mean(&many));
            assert!(many.iter().all(|factor| *factor > 0.0));
        }
    }

    #[test]
    fn a_smooth_shape_is_like_its_neighbours_and_a_lognormal_one_is_not() {
        // Correlation of the logarithms of neighbours.
        let likeness = |text: &str| {
            let logs: Vec<f64> = factors(text, 20_000, 3).iter().map(|f| f.ln()).collect();
            let middle = mean(&logs);
            let variance: f64 = logs.iter().map(|log| (log - middle).powi(2)).sum();
            let pairs = logs.windows(2);
            pairs
                .map(|pair| (pair[0] - middle) * (pair[1] - middle))
                .sum::<f64>()
                / variance
        };
        assert!((likeness("smooth") - KEEP).abs() < 0.02);
        assert!(likeness("lognormal").abs() < 0.02);
    }

    #[test]
    fn spikes_are_as_many_and_as_high_as_asked_for() {
        let spiky = factors("spiky:0.05x8", 20_000, 5);
        let low = 1.0 / 1.35;
        let high = spiky.iter().filter(|factor| **factor > 2.0 * low).count();
        assert!((900..1_100).contains(&high), "{high}");
        assert!(
            spiky
                .iter()
                .all(|f| (f - low).abs() < 1e-12 || (f - 8.0 * low).abs() < 1e-12)
        );
    }

    #[test]
    fn a_seed_is_a_shape_s_only_chance() {
        for text in WRITTEN {
            assert_eq!(factors(text, 100, 7), factors(text, 100, 7), "{text}");
            let differs = factors(text, 100, 7) != factors(text, 100, 8);
            assert_eq!(differs, shape(text).knows_chance(), "{text}");
        }
    }

    #[test]
    fn what_history_tells_is_off_by_the_error_asked_for() {
        let mut rng = Rng::new(11);
        let logs: Vec<f64> = (0..20_000).map(|_| misjudged(0.2, &mut rng).ln()).collect();
        let square = mean(&logs.iter().map(|log| log * log).collect::<Vec<_>>());
        assert!((square.sqrt() - 0.2).abs() < 0.005, "{square}");
        assert_eq!(misjudged(0.0, &mut rng), 1.0);
    }
}
