//! What Blender can do, and what `--set` may say to it.

use framewright_plugin_api::data::{
    Abilities, Description, OutputFormat, Setting, SettingKind, TileAbility,
};
use serde_json::{Value, json};

/// The answer to `describe`.
pub fn description() -> Description {
    Description {
        extensions: vec!["blend".to_owned()],
        programs: vec!["blender".to_owned()],
        can: Abilities {
            sticky: true,
            tiles: TileAbility::Crop,
            layers: true,
            frame_lists: true,
            reports_frames: true,
            reads_scenes: true,
            reduced: true,
            ..Abilities::default()
        },
        outputs: vec![OutputFormat::png(), OutputFormat::exr()],
        settings: settings(),
        ..Description::new("blender", env!("CARGO_PKG_VERSION"), "Blender")
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
    let no = || Some(json!(false));
    vec![
        setting(
            "scene",
            Text,
            None,
            "Which scene of the file; default: the one it was saved with.",
        ),
        setting(
            "camera",
            Text,
            None,
            "Which camera; overrides cameras bound to markers too.",
        ),
        setting(
            "engine",
            Text,
            None,
            "Render engine, e.g. CYCLES or BLENDER_WORKBENCH.",
        ),
        setting(
            "percentage",
            integer(1, 1000),
            None,
            "Scale of the resolution in percent.",
        ),
        setting(
            "resolution_x",
            integer(4, 65536),
            None,
            "Width before the percentage.",
        ),
        setting(
            "resolution_y",
            integer(4, 65536),
            None,
            "Height before the percentage.",
        ),
        setting(
            "samples",
            integer(1, 1 << 24),
            None,
            "Samples a pixel (Cycles and EEVEE).",
        ),
        setting("denoise", Bool, None, "Denoise while rendering (Cycles)."),
        setting(
            "color_mode",
            choice(&["BW", "RGB", "RGBA"]),
            None,
            "Channels of the picture.",
        ),
        setting(
            "color_depth",
            choice(&["8", "16", "32"]),
            None,
            "Bits a channel: PNG 8 or 16, EXR 16 or 32.",
        ),
        setting(
            "exr_codec",
            choice(&["NONE", "PXR24", "ZIP", "PIZ", "RLE", "ZIPS", "DWAA", "DWAB"]),
            None,
            "Compression of EXR files.",
        ),
        setting(
            "scripts",
            Bool,
            no(),
            "Run the Python that is inside the scene: drivers and registered texts.",
        ),
        setting(
            "missing",
            choice(&["fail", "warn"]),
            Some(json!("fail")),
            "What to do when a library, texture, font or cache is missing or a driver may not run.",
        ),
        setting(
            "file_outputs",
            choice(&["mute", "keep"]),
            Some(json!("mute")),
            "What File Output nodes of the compositor do; kept ones write where the scene says.",
        ),
        setting(
            "user_config",
            Bool,
            no(),
            "Use the preferences and add-ons of the account on each host (GPU devices are chosen there); default: Blender's factory settings, the same everywhere.",
        ),
        setting(
            "sticky",
            Bool,
            Some(json!(true)),
            "Keep the scene loaded between frames; false starts Blender for each segment.",
        ),
        setting(
            "persistent_data",
            Bool,
            None,
            "Keep render data between frames: faster, and takes more memory.",
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
        assert!(manifest.contains("extensions = [\"blend\"]"));
        assert_eq!(found.extensions, ["blend"]);
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
