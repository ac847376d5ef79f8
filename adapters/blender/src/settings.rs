//! The settings that the adapter itself acts on; the rest are for the scripts in Blender.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys that mean nothing to the scripts.
const OURS: [&str; 4] = ["scripts", "sticky", "user_config", "missing"];

/// Settings that decide how Blender is started and judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Python inside the scene may run.
    pub scripts: bool,
    /// One process for many tasks.
    pub sticky: bool,
    /// Preferences and add-ons of the account.
    pub user_config: bool,
    /// A scene that is not whole is refused.
    pub whole: bool,
    /// The engine is chosen by the user, whatever the scene says.
    pub engine: bool,
    /// Nothing is asked of the scripts, so Blender can be started without them.
    pub plain: bool,
}

impl Settings {
    /// Reads them; what is absent has its default.
    pub fn of(given: &BTreeMap<String, Value>) -> Self {
        let flag = |key: &str, default| given.get(key).and_then(Value::as_bool).unwrap_or(default);
        Settings {
            scripts: flag("scripts", false),
            sticky: flag("sticky", true),
            user_config: flag("user_config", false),
            whole: given.get("missing").and_then(Value::as_str) != Some("warn"),
            engine: given.contains_key("engine"),
            plain: given.keys().all(|key| OURS.contains(&key.as_str())),
        }
    }
}
