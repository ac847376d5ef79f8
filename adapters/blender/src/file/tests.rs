//! Files of all versions are read to what Blender says of them, and damaged ones to an error.

mod foreign;
mod hostile;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use super::outside::absolute;
use super::{ReadError, tell};
use crate::lines::{Facts, Message};

/// Scenes that nobody here made, of five versions and three packings.
fn vendored() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenes/samples")
}

/// The folder of samples, where there is one.
fn samples() -> Option<PathBuf> {
    let place = PathBuf::from(std::env::var_os("FRAMEWRIGHT_SAMPLES")?);
    let inner = place.join("blend-samples");
    Some(if inner.is_dir() { inner } else { place })
}

fn told(path: &Path) -> Result<Vec<Message>, ReadError> {
    tell(&path.display().to_string(), &BTreeMap::new(), "")
}

/// The same as `values.json` has it.
fn values(path: &Path) -> Value {
    let set = |name: &str| BTreeMap::from([("scene".to_owned(), Value::from(name))]);
    let path = path.display().to_string();
    let first = tell(&path, &BTreeMap::new(), "").expect("it can be read");
    let mut scenes = serde_json::Map::new();
    for name in facts(&first).scenes {
        let messages = tell(&path, &set(&name), "").expect("it can be read");
        let found = facts(&messages);
        let layers: Vec<Value> = messages
            .iter()
            .filter_map(|message| match message {
                Message::Layer { name, used, .. } => Some(serde_json::json!([name, used])),
                _ => None,
            })
            .collect();
        scenes.insert(
            name,
            serde_json::json!({
                "engine": found.engine, "frames": [found.first, found.last, found.step],
                "res": [found.width, found.height], "camera": found.camera, "layers": layers,
            }),
        );
    }
    Value::Object(scenes)
}

fn facts(messages: &[Message]) -> Facts {
    let found = messages.iter().find_map(|message| match message {
        Message::Scene(facts) => Some((**facts).clone()),
        _ => None,
    });
    found.expect("the scene was told")
}

/// What Blender said of a file, as the reader would say it.
fn expected(said: &Value) -> Value {
    let mut scenes = said["scenes"].clone();
    for (_, scene) in scenes.as_object_mut().expect("scenes by name") {
        let number = |at: usize| scene["res"][at].as_i64().expect("a number");
        let size = [0, 1].map(|at| (number(at) * number(2) / 100).max(1));
        scene["res"] = serde_json::json!(size);
        let facts = scene.as_object_mut().expect("facts of a scene");
        facts.remove("nodes");
    }
    scenes
}

/// Libraries that were found, and whether one of them could not be looked into.
fn libraries(messages: &[Message]) -> (Vec<PathBuf>, bool) {
    let (mut found, mut is_cut) = (Vec::new(), false);
    for message in messages {
        if let Message::Asset {
            kind,
            path,
            missing,
            ..
        } = message
            && kind == "library"
        {
            found.push(PathBuf::from(path));
            is_cut |= missing;
        }
    }
    found.sort();
    (found, is_cut)
}

#[test]
#[expect(clippy::print_stderr, reason = "the time is worth seeing")]
fn samples_are_read_to_what_blender_says_of_them() {
    let Some(place) = samples() else { return };
    let text = fs::read_to_string(place.join("values.json")).expect("values");
    let all: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert!(all.len() >= 30);
    let mut slowest = (0.0, String::new());
    for said in &all {
        let name = said["file"].as_str().expect("a name");
        let path = place.join(name);
        let messages = told(&path).expect("it can be read");
        // The best of three: others may be at work on this machine.
        let tries = (0..3).map(|_| {
            let begun = Instant::now();
            told(&path).expect("it can be read");
            begun.elapsed().as_secs_f64() * 1000.0
        });
        let took = tries.fold(f64::INFINITY, f64::min);
        if took > slowest.0 {
            slowest = (took, name.to_owned());
        }
        let mut found = values(&path);
        if said["said_by"]
            .as_str()
            .is_some_and(|by| by.starts_with("bpy 5"))
        {
            // 5.x has another name for what 4.2 to 4.5 call EEVEE Next.
            for (_, scene) in found.as_object_mut().expect("scenes") {
                if scene["engine"] == "BLENDER_EEVEE_NEXT" {
                    scene["engine"] = "BLENDER_EEVEE".into();
                }
            }
        }
        assert_eq!(found, expected(said), "{name}");
        let named = said["libs"].as_array().expect("libraries");
        let named = named.iter().map(|path| path.as_str().expect("a path"));
        let mut named: Vec<PathBuf> = named.map(|path| absolute(path, &place)).collect();
        named.sort();
        let (found, is_cut) = libraries(&messages);
        // What a library links shows where that library is.
        if is_cut {
            assert!(
                found.iter().all(|path| named.contains(path)),
                "{name}: {found:?}"
            );
        } else {
            assert_eq!(found, named, "{name}");
        }
    }
    assert!(cfg!(debug_assertions) || slowest.0 <= 40.0, "{slowest:?}");
    eprintln!("slowest: {:.1} ms, {}", slowest.0, slowest.1);
}
