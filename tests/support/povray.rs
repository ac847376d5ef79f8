//! POV-Ray alone: the pictures that it makes of a scene. framewright has no part in them, so what
//! framewright makes can be held against them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::pictures::Picture;
use super::{LONG, finish, renderer, top};

/// Whether there is a POV-Ray to test with.
pub fn has_povray() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| renderer::is_there("POV-Ray", "povray"))
}

/// A file of `tests/scenes/povray`.
pub fn scene(name: &str) -> PathBuf {
    top().join("tests/scenes/povray").join(name)
}

/// What POV-Ray alone makes of a scene. Framewright has no part in it.
pub struct Alone {
    folder: TempDir,
    extension: &'static str,
}

impl Alone {
    /// `scene` is a `.ini` or a `.pov`; `more` are options of POV-Ray's.
    #[track_caller]
    pub fn render(scene: &Path, extension: &'static str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let name = scene.file_name().expect("a name").to_string_lossy();
        let output = folder.path().join(format!("alone.{extension}"));
        let mut command = Command::new("povray");
        command.current_dir(scene.parent().expect("a folder"));
        command.arg(match name.contains(".ini") {
            true => name.into_owned(),
            false => format!("+I{name}"),
        });
        command.arg(if extension == "exr" { "+FE" } else { "+FN" });
        command.arg(format!("+O{}", output.display()));
        command.args(more).arg("-D");
        let ended = finish(command, LONG * 10);
        assert!(ended.status.success(), "{ended:#?}");
        Self { folder, extension }
    }

    /// The picture of a still, or of a frame; `digits` as POV-Ray pads them.
    #[track_caller]
    pub fn picture(&self, number: &str) -> Picture {
        let name = format!("alone{number}.{}", self.extension);
        Picture::read(&self.folder.path().join(name))
    }
}
