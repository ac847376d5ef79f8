//! How segments are sized, as people write it: `auto`, `fixed:10`, `royal-render:2..10`.
//!
//! What is printed is read back as the same policy, and every result names its policy so.

use std::fmt;
use std::str::FromStr;

use framewright_kernel::policy::Policy as KernelPolicy;
use framewright_kernel::time::Span;
use serde::{Deserialize, Serialize};

use crate::quantity::{parse_duration, parse_segment_size};
use crate::request::SegmentSize;

/// How tasks are distributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// By cost, load and speed.
    #[default]
    Auto,
    /// Equal shares by count.
    Even,
    /// Segments of this many tasks.
    Fixed(u32),
    /// Royal Render's "sequence divide".
    RoyalRender(SegmentSize),
    /// Guided self-scheduling.
    Guided,
    /// Factoring (FAC2).
    Factoring,
    /// Open Job Description's chunks with a target runtime.
    #[serde(rename = "openjd")]
    OpenJd {
        /// How long a segment shall last, in seconds.
        target_s: f64,
    },
}

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Nothing like it.
    #[error("`{text}` is not known")]
    Unknown {
        /// What was written.
        text: String,
    },
    /// Its number is wrong.
    #[error("`{text}` is wrong: {why}")]
    Number {
        /// What was written.
        text: String,
        /// Why.
        why: String,
    },
}

/// What may be written, for hints.
pub const POLICIES: &str =
    "auto, even, fixed:10, royal-render:2..10, guided, factoring or openjd:15m";

impl Policy {
    /// Whether its sizes were chosen by somebody, who may have chosen them badly.
    #[must_use]
    pub fn is_sized(self) -> bool {
        match self {
            Policy::Fixed(_) => true,
            Policy::RoyalRender(size) => size.min > 0,
            Policy::Auto
            | Policy::Even
            | Policy::Guided
            | Policy::Factoring
            | Policy::OpenJd { .. } => false,
        }
    }
}

impl From<Policy> for KernelPolicy {
    fn from(policy: Policy) -> KernelPolicy {
        match policy {
            Policy::Auto => KernelPolicy::Auto,
            Policy::Even => KernelPolicy::Even,
            Policy::Fixed(tasks) => KernelPolicy::Fixed(tasks),
            Policy::RoyalRender(SegmentSize { min, max }) => KernelPolicy::RoyalRender { min, max },
            Policy::Guided => KernelPolicy::Guided,
            Policy::Factoring => KernelPolicy::Factoring,
            Policy::OpenJd { target_s } => KernelPolicy::OpenJd {
                target: Span::from_secs_f64(target_s),
            },
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Auto => write!(f, "auto"),
            Policy::Even => write!(f, "even"),
            Policy::Fixed(tasks) => write!(f, "fixed:{tasks}"),
            Policy::RoyalRender(SegmentSize { min, max }) => write!(f, "royal-render:{min}..{max}"),
            Policy::Guided => write!(f, "guided"),
            Policy::Factoring => write!(f, "factoring"),
            Policy::OpenJd { target_s } if target_s % 60.0 == 0.0 => {
                write!(f, "openjd:{}m", target_s / 60.0)
            }
            Policy::OpenJd { target_s } => write!(f, "openjd:{target_s}s"),
        }
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let wrong = |why: String| PolicyError::Number {
            text: text.to_owned(),
            why,
        };
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        match (name, number) {
            ("auto", None) => Ok(Policy::Auto),
            ("even", None) => Ok(Policy::Even),
            ("guided", None) => Ok(Policy::Guided),
            ("factoring", None) => Ok(Policy::Factoring),
            ("fixed", Some(number)) => match number.parse() {
                Ok(tasks) if tasks > 0 => Ok(Policy::Fixed(tasks)),
                _ => Err(wrong("write a number of frames, like fixed:10".to_owned())),
            },
            ("royal-render", Some(number)) => parse_segment_size(number)
                .map(Policy::RoyalRender)
                .map_err(|error| wrong(error.to_string())),
            ("openjd", Some(number)) => {
                let target = parse_duration(number).map_err(|error| wrong(error.to_string()))?;
                if target.is_zero() {
                    return Err(wrong("a target is longer than nothing".to_owned()));
                }
                Ok(Policy::OpenJd {
                    target_s: target.as_secs_f64(),
                })
            }
            _ => Err(PolicyError::Unknown {
                text: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_printed_is_read_back() {
        for text in [
            "auto",
            "even",
            "fixed:10",
            "royal-render:2..10",
            "royal-render:0..0",
            "guided",
            "factoring",
            "openjd:15m",
            "openjd:0.5s",
        ] {
            let policy: Policy = text.parse().unwrap();
            assert_eq!(policy.to_string(), text);
            let stored = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<Policy>(&stored).unwrap(), policy);
        }
        assert_eq!(
            "openjd:900s".parse::<Policy>().unwrap().to_string(),
            "openjd:15m"
        );
        assert_eq!(
            serde_json::to_string(&Policy::Fixed(3)).unwrap(),
            r#"{"fixed":3}"#
        );
    }

    #[test]
    fn what_is_no_policy_gets_a_sentence() {
        for (text, sentence) in [
            ("", "`` is not known"),
            ("best", "`best` is not known"),
            ("auto:1", "`auto:1` is not known"),
            ("fixed", "`fixed` is not known"),
            (
                "fixed:0",
                "`fixed:0` is wrong: write a number of frames, like fixed:10",
            ),
            (
                "royal-render:9..2",
                "`royal-render:9..2` is wrong: the segment size 9..2 is reversed: the smaller number comes first",
            ),
            (
                "openjd:15",
                "`openjd:15` is wrong: `15` is no duration: write a number and its unit, like 600ms, 90s, 10m or 2h30m",
            ),
            (
                "openjd:0s",
                "`openjd:0s` is wrong: a target is longer than nothing",
            ),
        ] {
            assert_eq!(text.parse::<Policy>().unwrap_err().to_string(), sentence);
        }
    }
}
