//! framewright's adapter for the stub renderer, `framewright stub-render`.
//!
//! It knows how to start that program and what its lines mean; what a scene says, it asks the
//! program (`ask`). Rendering (`render`) is sticky where the scene allows it: one process a
//! slot, loaded once, tasks fed over standard input. Otherwise, or with `--set sticky=false`,
//! it is one process a segment.
//!
//! As every adapter it is a state machine that starts nothing itself; see the crate
//! `framewright-plugin-api`.

mod ask;
mod ending;
mod orders;
mod render;
mod reports;
mod scene;

use framewright_plugin_api::data::{
    Abilities, Activity, Description, Failure, Open, OutputFormat, Setting, SettingKind,
    TileAbility,
};
use framewright_plugin_api::{Adapter, Effects, Session, export_adapter};

/// The adapter.
#[derive(Debug, Default)]
pub struct Stub;

export_adapter!(Stub);

impl Adapter for Stub {
    fn describe(&self) -> Description {
        let choice = |key: &str, choices: [&str; 2], help: &str| Setting {
            key: key.to_owned(),
            kind: SettingKind::Choice {
                choices: choices.map(str::to_owned).to_vec(),
            },
            help: help.to_owned(),
            default: Some(choices[0].into()),
        };
        Description {
            extensions: vec!["stub.toml".to_owned()],
            programs: vec!["framewright".to_owned()],
            can: Abilities {
                sticky: true,
                tiles: TileAbility::Crop,
                layers: true,
                frame_lists: true,
                reports_frames: true,
                reduced: true,
                ..Abilities::default()
            },
            outputs: vec![
                OutputFormat::png(),
                OutputFormat::exr(),
                OutputFormat {
                    id: "none".to_owned(),
                    extension: String::new(),
                },
            ],
            settings: vec![
                Setting {
                    key: "sticky".to_owned(),
                    kind: SettingKind::Bool,
                    help: "Whether the scene stays loaded between segments; else the scene decides"
                        .to_owned(),
                    default: None,
                },
                choice(
                    "pixels",
                    ["half", "float"],
                    "How many bits a channel has in EXR files, 16 or 32",
                ),
                choice(
                    "channels",
                    ["plain", "layer"],
                    "Whether channels in EXR files are R, G, B, A or carry the layer's name",
                ),
            ],
            ..Description::new("stub", env!("CARGO_PKG_VERSION"), "Stub renderer")
        }
    }

    fn open(&self, open: Open, out: &mut Effects) -> Result<Box<dyn Session>, Failure> {
        match open.activity {
            Activity::Probe => Ok(Box::new(ask::Probe::begin(&open, out))),
            Activity::Inspect => Ok(Box::new(ask::Inspect::begin(&open, scene_of(&open)?, out))),
            Activity::Render => {
                scene_of(&open)?;
                Ok(Box::new(render::Render::new(open)))
            }
        }
    }
}

fn scene_of(open: &Open) -> Result<&str, Failure> {
    open.scene
        .as_deref()
        .ok_or_else(|| Failure::new("bad-document", "the session was opened without a scene"))
}

#[cfg(test)]
mod tests;
