//! Settings, read; what the schema cannot check is checked here.

use std::collections::BTreeMap;

use framewright_plugin_api::command::Refusal;
use serde_json::Value;

/// Parameters that are framewright's to set.
const OURS: [&str; 9] = [
    "options.outputs",
    "options.drivers",
    "options.xres",
    "options.yres",
    "options.abort_on_license_fail",
    "options.skip_license_check",
    "options.region_min_x",
    "options.region_max_x",
    "options.camera",
];

/// What to do with the files of a scene that writes several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aovs {
    /// All into one.
    Merge,
    /// Only the first.
    First,
}

/// The settings of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub camera: Option<String>,
    pub samples: Option<i64>,
    pub resolution: Option<(u32, u32)>,
    /// `node.parameter` and value.
    pub set: Vec<(String, String)>,
    pub plugins: Vec<String>,
    pub aovs: Aovs,
    pub sequence: Option<bool>,
    /// `kick` stops where it gets no licence.
    pub license_check: bool,
    pub verbose: i64,
    pub nstdin: bool,
}

/// Whether a scene that is not whole is refused.
pub fn is_whole(given: &BTreeMap<String, Value>) -> bool {
    given.get("missing").and_then(Value::as_str) != Some("warn")
}

impl Settings {
    /// Reads them; what is absent has its default.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub fn of(given: &BTreeMap<String, Value>) -> Result<Self, Refusal> {
        let text = |key: &str| given.get(key).and_then(Value::as_str);
        let integer = |key: &str| given.get(key).and_then(Value::as_i64);
        let flag = |key: &str, default| given.get(key).and_then(Value::as_bool).unwrap_or(default);
        let size = |key: &str| integer(key).and_then(|size| u32::try_from(size).ok());
        let resolution = match (size("resolution_x"), size("resolution_y")) {
            (Some(width), Some(height)) => Some((width, height)),
            (None, None) => None,
            _ => {
                return Err(refusal(
                    "of the resolution only one side is set",
                    "set resolution_x and resolution_y",
                ));
            }
        };
        if let Some(camera) = text("camera").filter(|camera| is_flag(camera) || camera.is_empty()) {
            return Err(refusal(
                format!("the camera `{camera}` is no name of a node that `kick` takes"),
                "write --set camera=/persp/perspShape",
            ));
        }
        Ok(Settings {
            camera: text("camera").map(str::to_owned),
            samples: integer("samples"),
            resolution,
            set: text("set").map_or(Ok(Vec::new()), overrides)?,
            plugins: text("plugins")
                .unwrap_or_default()
                .split(':')
                .filter(|folder| !folder.is_empty())
                .map(str::to_owned)
                .collect(),
            aovs: match text("aovs") {
                Some("first") => Aovs::First,
                _ => Aovs::Merge,
            },
            sequence: match text("sequence") {
                Some("yes") => Some(true),
                Some("no") => Some(false),
                _ => None,
            },
            license_check: flag("license_check", true),
            verbose: integer("verbose").unwrap_or(4),
            nstdin: flag("nstdin", false),
        })
    }
}

fn refusal(why: impl Into<String>, hint: &str) -> Refusal {
    Refusal {
        hint: hint.to_owned(),
        ..Refusal::unrenderable(why)
    }
}

/// Whether `kick` would take a word for one of its flags: it goes by a minus and a small letter.
pub fn is_flag(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next() == Some('-') && chars.next().is_some_and(|c| c.is_ascii_lowercase())
}

/// `node.parameter value; node.parameter value`.
fn overrides(text: &str) -> Result<Vec<(String, String)>, Refusal> {
    const HINT: &str = "write --set 'set=options.GI_diffuse_depth 2; key_light.intensity 3'";
    let parts = text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let split = part.split_once(|c: char| c.is_whitespace() || c == '=');
            let (name, value) = split.unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim());
            let is_name = name.rsplit_once('.').is_some_and(|(node, parameter)| {
                !node.is_empty() && !parameter.is_empty() && !is_flag(name)
            });
            if !is_name || value.is_empty() {
                let why = format!("`{part}` does not set a parameter of a node");
                return Err(refusal(why, HINT));
            }
            if value.split_whitespace().any(is_flag) {
                let why = format!("`kick` would take a part of `{value}` for an option");
                return Err(refusal(why, HINT));
            }
            if OURS.contains(&name) || name.ends_with(".filename") && name.contains("driver") {
                let why = format!("`{name}` is set by framewright itself");
                return Err(refusal(
                    why,
                    "see the settings camera, resolution_x, license_check",
                ));
            }
            Ok((name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(given: Value) -> Result<Settings, String> {
        let given: BTreeMap<String, Value> = serde_json::from_value(given).expect("a map");
        Settings::of(&given).map_err(|refusal| refusal.why)
    }

    #[test]
    fn overrides_are_taken_apart_at_semicolons() {
        let found = of(json!({"set": "options.GI_diffuse_depth 2; a.b@c.intensity=-3 ;"}));
        let pair = |one: &str, two: &str| (one.to_owned(), two.to_owned());
        assert_eq!(
            found.expect("they are right").set,
            [
                pair("options.GI_diffuse_depth", "2"),
                pair("a.b@c.intensity", "-3")
            ]
        );
    }

    #[test]
    fn overrides_that_are_none_are_refused() {
        for (text, words) in [
            ("nonsense", "does not set"),
            ("options. 3", "does not set"),
            ("-set.x 3", "does not set"),
            ("a.b", "does not set"),
            ("a.b x -sl", "for an option"),
            ("options.skip_license_check on", "by framewright itself"),
            ("mydriver.filename /tmp/x", "by framewright itself"),
        ] {
            let why = of(json!({ "set": text })).expect_err(text);
            assert!(why.contains(words), "{text}: {why}");
        }
    }

    #[test]
    fn half_a_resolution_and_a_flag_for_a_camera_are_refused() {
        assert!(of(json!({"resolution_x": 10})).is_err());
        assert!(of(json!({"camera": "-sl"})).is_err());
        let found = of(json!({"resolution_x": 10, "resolution_y": 20})).expect("both");
        assert_eq!(found.resolution, Some((10, 20)));
    }
}
