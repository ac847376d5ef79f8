//! The two keys of a stub scene that may be written in several shapes: `frame` and `after`.
//!
//! By hand, because a derived reader says of a value that fits no shape only that it fits none.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::units::{Span, Text, parse_duration};
use super::{After, FrameCost, Scope};

/// `frame`: one duration, a list of them, or `{ mean, cv, seed }`.
pub struct FrameCostFile(pub FrameCost);

impl Default for FrameCostFile {
    fn default() -> Self {
        Self(FrameCost::Constant(Duration::ZERO))
    }
}

/// Most entries of a `frame` list.
const COSTS_MAX: usize = 100_000;

impl<'de> Deserialize<'de> for FrameCostFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;
        impl<'de> Visitor<'de> for Shapes {
            type Value = FrameCostFile;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "a duration, a list of durations, or { mean = \"200ms\", cv = 0.5, seed = 7 }",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let duration = Text("a duration", parse_duration).visit_str(text)?;
                Ok(FrameCostFile(FrameCost::Constant(duration)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut costs = Vec::new();
                while let Some(Span(cost)) = seq.next_element()? {
                    if costs.len() == COSTS_MAX {
                        return Err(de::Error::custom(format!(
                            "`frame` lists more than {COSTS_MAX} durations"
                        )));
                    }
                    costs.push(cost);
                }
                if costs.is_empty() {
                    return Err(de::Error::custom(
                        "`frame` is an empty list, expected at least one duration",
                    ));
                }
                Ok(FrameCostFile(FrameCost::List(costs)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let drawn = RandomFile::deserialize(de::value::MapAccessDeserializer::new(map))?;
                if !(0.0..=10.0).contains(&drawn.cv) {
                    return Err(de::Error::custom(format!(
                        "`cv` is {}, expected 0 to 10",
                        drawn.cv
                    )));
                }
                Ok(FrameCostFile(FrameCost::Random {
                    mean: drawn.mean.0,
                    cv: drawn.cv,
                    seed: drawn.seed,
                }))
            }
        }
        deserializer.deserialize_any(Shapes)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RandomFile {
    mean: Span,
    #[serde(default)]
    cv: f64,
    #[serde(default)]
    seed: u64,
}

/// `after`: a layer's name or `{ layer, scope }`, alone or in a list.
#[derive(Default)]
pub struct AfterFile(pub Vec<After>);

/// One entry of `after`.
struct AfterEntry(After);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AfterTable {
    layer: String,
    #[serde(default)]
    scope: Scope,
}

struct AfterShapes;

impl<'de> Visitor<'de> for AfterShapes {
    type Value = AfterFile;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "a layer's name or { layer = \"name\", scope = \"frame\" }, or a list of them",
        )
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(AfterFile(vec![After {
            layer: name.to_owned(),
            scope: Scope::Frame,
        }]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let table = AfterTable::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(AfterFile(vec![After {
            layer: table.layer,
            scope: table.scope,
        }]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(AfterEntry(after)) = seq.next_element()? {
            all.push(after);
        }
        Ok(AfterFile(all))
    }
}

impl<'de> Deserialize<'de> for AfterFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AfterShapes)
    }
}

impl<'de> Deserialize<'de> for AfterEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let AfterFile(mut one) = deserializer.deserialize_any(AfterShapes)?;
        match (one.pop(), one.is_empty()) {
            (Some(after), true) => Ok(Self(after)),
            (_, _) => Err(de::Error::custom("`after` is a list of lists")),
        }
    }
}
