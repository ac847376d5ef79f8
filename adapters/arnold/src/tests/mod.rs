//! The adapter on scenes and logs: our own (`samples/`, `logs/`), and real ones where
//! `FRAMEWRIGHT_SAMPLES` names a folder that has `arnold-samples/`.

mod command;
mod hostile;
mod inspect;
mod logs;
mod real;

use std::path::PathBuf;

use framewright_plugin_api::command::Commanded;
use framewright_plugin_api::data::{Activity, Effect, Open, Scene};
use framewright_plugin_api::{Adapter, Effects};

/// The adapter as the library exports it.
pub const ADAPTER: Commanded<crate::Arnold> = Commanded(crate::Arnold);

/// One of our own scenes.
pub fn sample(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/samples")).join(name)
}

/// Scenes and logs that others have published, where they are.
pub fn real_samples() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("FRAMEWRIGHT_SAMPLES")?).join("arnold-samples");
    folder.is_dir().then_some(folder)
}

/// A session's document.
pub fn opened(activity: Activity, scene: &str, settings: serde_json::Value) -> Open {
    Open {
        scene: Some(scene.to_owned()),
        scratch: "/scratch".to_owned(),
        output: "exr".to_owned(),
        settings: serde_json::from_value(settings).expect("a map"),
        ..Open::new(activity, "/opt/arnold/bin/kick")
    }
}

/// What an inspection concludes.
pub fn inspected(open: Open) -> Result<Scene, String> {
    let mut out = Effects::new();
    ADAPTER.open(open, &mut out).expect("it opens");
    let effects = out.take();
    match effects.as_slice() {
        [Effect::Scene(scene)] => Ok(scene.clone()),
        [Effect::Failed { why, hint, .. }] => Err(format!("{why} ({hint})")),
        other => panic!("no conclusion: {other:?}"),
    }
}

/// Looks into a scene without Arnold.
pub fn look(scene: &std::path::Path) -> Result<Scene, String> {
    let open = opened(
        Activity::Inspect,
        scene.to_str().expect("UTF-8"),
        serde_json::json!({}),
    );
    inspected(Open {
        program: String::new(),
        ..open
    })
}
