//! Checks `--set key=value` against an adapter's schema, before anything starts.

use std::collections::BTreeMap;

use framewright_plugin_api::data::{Setting, SettingKind};
use serde_json::Value;

use crate::nearest::nearest;

/// What is wrong with a setting. Every sentence says what is allowed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// The adapter has no such key.
    #[error("there is no setting {key}{}", suggestion(nearest.as_deref(), known))]
    UnknownKey {
        /// As typed.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
        /// All keys.
        known: Vec<String>,
    },
    /// The value is not one that the key takes.
    #[error("setting {key} cannot be `{value}`: it takes {takes}")]
    BadValue {
        /// The key.
        key: String,
        /// As typed.
        value: String,
        /// What is allowed.
        takes: String,
    },
}

fn suggestion(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!(", did you mean {nearest}?"),
        None if known.is_empty() => ": this adapter has none".to_owned(),
        None => format!(": this adapter has {}", known.join(", ")),
    }
}

/// Turns settings as typed into the values that an adapter is given. Defaults are not filled in.
///
/// # Errors
/// The first setting, in the order of keys, that the schema does not allow.
pub fn check_settings(
    schema: &[Setting],
    typed: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, SettingsError> {
    typed
        .iter()
        .map(|(key, value)| {
            let setting = schema
                .iter()
                .find(|setting| setting.key == *key)
                .ok_or_else(|| unknown(schema, key))?;
            let value = parse(&setting.kind, value).ok_or_else(|| SettingsError::BadValue {
                key: key.clone(),
                value: value.clone(),
                takes: takes(&setting.kind, value),
            })?;
            Ok((key.clone(), value))
        })
        .collect()
}

fn unknown(schema: &[Setting], key: &str) -> SettingsError {
    let keys = || schema.iter().map(|setting| setting.key.as_str());
    SettingsError::UnknownKey {
        key: key.to_owned(),
        nearest: nearest(key, keys()).map(str::to_owned),
        known: keys().map(str::to_owned).collect(),
    }
}

fn parse(kind: &SettingKind, text: &str) -> Option<Value> {
    match kind {
        SettingKind::Bool => text.parse().ok().map(Value::Bool),
        SettingKind::Integer { min, max } => text
            .parse::<i64>()
            .ok()
            .filter(|number| min.is_none_or(|min| *number >= min))
            .filter(|number| max.is_none_or(|max| *number <= max))
            .map(Value::from),
        // NaN and infinity have no JSON, so `from` would make them null.
        SettingKind::Number => text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from),
        SettingKind::Text => Some(Value::from(text)),
        SettingKind::Choice { choices } => choices
            .iter()
            .any(|choice| choice == text)
            .then(|| Value::from(text)),
    }
}

/// Reads as the rest of "it takes".
fn takes(kind: &SettingKind, value: &str) -> String {
    match kind {
        SettingKind::Bool => "true or false".to_owned(),
        SettingKind::Integer { min, max } => match (min, max) {
            (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
            (Some(min), None) => format!("a whole number from {min} on"),
            (None, Some(max)) => format!("a whole number up to {max}"),
            (None, None) => "a whole number".to_owned(),
        },
        SettingKind::Number => "a number".to_owned(),
        SettingKind::Text => "any text".to_owned(),
        SettingKind::Choice { choices } => {
            let all = choices.join(", ");
            match nearest(value, choices.iter().map(String::as_str)) {
                Some(meant) => format!("one of {all}; did you mean {meant}?"),
                None => format!("one of {all}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Vec<Setting> {
        let setting = |key: &str, kind| Setting {
            key: key.to_owned(),
            kind,
            help: String::new(),
            default: None,
        };
        vec![
            setting("denoise", SettingKind::Bool),
            setting(
                "samples",
                SettingKind::Integer {
                    min: Some(1),
                    max: Some(4096),
                },
            ),
            setting("gamma", SettingKind::Number),
            setting("camera", SettingKind::Text),
            setting(
                "engine",
                SettingKind::Choice {
                    choices: vec!["cycles".to_owned(), "eevee".to_owned()],
                },
            ),
        ]
    }

    fn check(key: &str, value: &str) -> Result<Value, String> {
        let typed = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        check_settings(&schema(), &typed)
            .map(|mut values| values.remove(key).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_get_their_types() {
        assert_eq!(check("denoise", "true"), Ok(Value::Bool(true)));
        assert_eq!(check("samples", "4096"), Ok(Value::from(4096)));
        assert_eq!(check("gamma", "2.5"), Ok(Value::from(2.5)));
        assert_eq!(check("camera", "true"), Ok(Value::from("true")));
        assert_eq!(check("engine", "eevee"), Ok(Value::from("eevee")));
    }

    #[test]
    fn each_mistake_says_what_is_allowed() {
        for (key, value, sentence) in [
            (
                "sampels",
                "3",
                "there is no setting sampels, did you mean samples?",
            ),
            (
                "colour",
                "3",
                "there is no setting colour: this adapter has denoise, samples, gamma, camera, engine",
            ),
            (
                "denoise",
                "1",
                "setting denoise cannot be \"1\": it takes true or false",
            ),
            (
                "samples",
                "0",
                "setting samples cannot be \"0\": it takes a whole number from 1 to 4096",
            ),
            (
                "gamma",
                "inf",
                "setting gamma cannot be \"inf\": it takes a number",
            ),
            (
                "engine",
                "evee",
                "setting engine cannot be \"evee\": it takes one of cycles, eevee; did you mean eevee?",
            ),
        ] {
            assert_eq!(check(key, value).unwrap_err(), sentence);
        }
    }
}
