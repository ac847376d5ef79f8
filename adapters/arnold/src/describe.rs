//! What Arnold can do, and what `--set` may say to it.

use framewright_plugin_api::data::{
    Abilities, Description, OutputFormat, Setting, SettingKind, TileAbility,
};
use serde_json::{Value, json};

/// The answer to `describe`.
pub fn description() -> Description {
    Description {
        extensions: vec!["ass.gz".to_owned(), "ass".to_owned()],
        programs: vec!["kick".to_owned()],
        can: Abilities {
            // An EXR of a region holds the region as its data window; other formats are not tiled.
            tiles: TileAbility::Crop,
            layers: true,
            frame_lists: true,
            reports_frames: true,
            reduced: true,
            reads_scenes: true,
            loads_per_task: true,
            ..Abilities::default()
        },
        outputs: vec![OutputFormat::exr(), OutputFormat::png()],
        settings: settings(),
        ..Description::new("arnold", env!("CARGO_PKG_VERSION"), "Arnold")
    }
}

fn setting(key: &str, kind: SettingKind, default: Option<Value>, help: &str) -> Setting {
    Setting {
        key: key.to_owned(),
        kind,
        help: help.to_owned(),
        default,
    }
}

fn integer(min: i64, max: i64) -> SettingKind {
    SettingKind::Integer {
        min: Some(min),
        max: Some(max),
    }
}

fn choice(words: &[&str]) -> SettingKind {
    SettingKind::Choice {
        choices: words.iter().map(|&word| word.to_owned()).collect(),
    }
}

fn settings() -> Vec<Setting> {
    use SettingKind::{Bool, Text};
    vec![
        setting("camera", Text, None, "Which camera, by its node's name."),
        setting(
            "samples",
            integer(-10, 100),
            None,
            "Camera samples (AA), as `kick -as`.",
        ),
        setting(
            "resolution_x",
            integer(1, 65536),
            None,
            "Width of the picture; together with resolution_y.",
        ),
        setting(
            "resolution_y",
            integer(1, 65536),
            None,
            "Height of the picture; together with resolution_x.",
        ),
        setting(
            "set",
            Text,
            None,
            "Parameters of nodes, as `kick -set`: `options.GI_diffuse_depth 2; key_light.intensity 3`.",
        ),
        setting(
            "plugins",
            Text,
            None,
            "Folders with shaders and procedurals on the hosts, separated by `:`, as `kick -l`.",
        ),
        setting(
            "aovs",
            choice(&["merge", "first"]),
            Some(json!("merge")),
            "What becomes of a scene that writes several files a frame: all AOVs into one EXR, or the first file only.",
        ),
        setting(
            "sequence",
            choice(&["auto", "yes", "no"]),
            Some(json!("auto")),
            "Whether the scene is one file of a sequence; `auto` goes by the frame that is written in it.",
        ),
        setting(
            "missing",
            choice(&["fail", "warn"]),
            Some(json!("fail")),
            "What to do when Arnold does not find a texture, a procedural, an include or a node's plug-in.",
        ),
        setting(
            "license_check",
            Bool,
            Some(json!(true)),
            "Let `kick` stop at once where it gets no licence (abort_on_license_fail); a picture with a watermark is refused either way.",
        ),
        setting(
            "verbose",
            integer(2, 6),
            Some(json!(4)),
            "How much `kick` tells in the log, as `kick -v`.",
        ),
        setting(
            "nstdin",
            Bool,
            Some(json!(false)),
            "Say `-nstdin` to versions of `kick` that read a second scene from standard input.",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_manifest_says_the_same() {
        let manifest = include_str!("../adapter.toml");
        let found = description();
        for (key, value) in [("id", &found.id), ("version", &found.version)] {
            assert!(manifest.contains(&format!("{key} = \"{value}\"")), "{key}");
        }
        for extension in &found.extensions {
            assert!(manifest.contains(&format!("\"{extension}\"")));
        }
    }

    #[test]
    fn each_setting_is_there_once_and_has_a_sentence() {
        let all = settings();
        let keys: BTreeSet<&str> = all.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(keys.len(), all.len());
        for one in &all {
            assert!(one.help.ends_with('.'), "{}: {}", one.key, one.help);
        }
    }
}
