//! Who the adapter is, what POV-Ray can do, and what `--set` may say.
//!
//! Settings have the names of POV-Ray's own options and mean the same: they are options that come
//! last, and so win.

use framewright_plugin_api::data::{
    Abilities, Description, OutputFormat, Setting, SettingKind, TileAbility,
};

/// Settings that are not options of POV-Ray, but choose where options come from.
pub const OURS: [&str; 2] = ["ini", "section"];

/// The answer to `describe`.
pub fn description() -> Description {
    Description {
        extensions: vec!["pov".to_owned(), "ini".to_owned()],
        programs: vec!["povray".to_owned()],
        can: Abilities {
            // A scene is parsed anew for each frame, so nothing stays loaded between segments.
            sticky: false,
            // With +SC +EC +SR +ER the file has the frame's size and is black elsewhere.
            tiles: TileAbility::FullCanvas,
            layers: false,
            // A range of frames is one process, a list of frames would be many.
            frame_lists: false,
            // A frame is written when the next one begins.
            reports_frames: true,
            // +W and +H of any size.
            reduced: true,
            // `.pov` and `.ini` are text.
            reads_scenes: true,
            ..Abilities::default()
        },
        outputs: vec![OutputFormat::png(), OutputFormat::exr()],
        settings: settings(),
        ..Description::new("povray", env!("CARGO_PKG_VERSION"), "POV-Ray")
    }
}

fn settings() -> Vec<Setting> {
    use SettingKind::{Bool, Number, Text};
    let setting = |key: &str, kind, help: &str| Setting {
        key: key.to_owned(),
        kind,
        help: help.to_owned(),
        default: None,
    };
    let integer = |min, max| SettingKind::Integer {
        min: Some(min),
        max: Some(max),
    };
    let choice = |words: [&str; 2]| SettingKind::Choice {
        choices: words.map(str::to_owned).to_vec(),
    };
    vec![
        setting("width", integer(1, 65_535), "Width of the picture."),
        setting("height", integer(1, 65_535), "Height of the picture."),
        setting(
            "initial_frame",
            integer(0, 1 << 30),
            "First frame of the whole shot.",
        ),
        setting(
            "final_frame",
            integer(0, 1 << 30),
            "Last frame of the whole shot.",
        ),
        setting(
            "initial_clock",
            Number,
            "The clock at the first frame of the shot.",
        ),
        setting(
            "final_clock",
            Number,
            "The clock at the last frame of the shot.",
        ),
        setting(
            "cyclic_animation",
            Bool,
            "Whether the last frame comes just before the first again.",
        ),
        setting("antialias", Bool, "Whether edges are smoothed."),
        setting(
            "antialias_threshold",
            Number,
            "How much neighbours must differ to be smoothed.",
        ),
        setting(
            "antialias_depth",
            integer(1, 9),
            "Rays a side of a smoothed pixel.",
        ),
        setting(
            "sampling_method",
            choice(["1", "2"]),
            "How edges are smoothed; tiles may be of any size with 2.",
        ),
        setting(
            "bits_per_color",
            choice(["8", "16"]),
            "Bits a channel of PNG files.",
        ),
        setting(
            "output_alpha",
            Bool,
            "Whether the background is transparent.",
        ),
        setting(
            "quality",
            integer(0, 11),
            "From a quick look, 0, to everything, 9 and above.",
        ),
        setting(
            "section",
            Text,
            "Which [section] of the .ini file counts besides what is outside of any.",
        ),
        setting(
            "ini",
            Bool,
            "Whether the .ini file beside a .pov that has its name counts; default: true.",
        ),
    ]
}
