//! Blender alone: scenes that it makes, and the frames that it renders of them. framewright has no
//! part in either, so what framewright makes can be held against them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::pictures::Picture;
use super::{Desk, Ended, LONG, finish, renderer, top};

/// Whether there is a Blender to test with.
pub fn has_blender() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| renderer::is_there("Blender", "blender"))
}

/// Blender by itself, at factory settings.
#[track_caller]
pub fn blender<'a>(arguments: impl IntoIterator<Item = &'a str>) {
    let mut command = Command::new("blender");
    command.args([
        "-b",
        "--factory-startup",
        "--disable-autoexec",
        "--python-exit-code",
        "3",
    ]);
    command.args(arguments);
    let ended = finish(command, LONG);
    assert!(ended.status.success(), "{ended:#?}");
}

/// A folder of scenes that Blender makes once for all tests of this file.
pub fn made_by(script: &str, made: &'static OnceLock<TempDir>) -> &'static Path {
    let made = made.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        run_script(script, folder.path(), &[]);
        folder
    });
    made.path()
}

/// Lets a script of `tests/scenes` make its scenes in a folder.
#[track_caller]
pub fn run_script(script: &str, folder: &Path, more: &[&str]) {
    let script = top().join("tests/scenes").join(script);
    let mut words = vec!["-P", text(&script), "--", text(folder)];
    words.extend(more);
    blender(words);
}

/// A path as a word of a command line.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are plain")
}

/// What Blender alone writes with `-a`. Framewright has no part in it.
pub struct Reference {
    folder: TempDir,
    extension: &'static str,
}

impl Reference {
    /// `python` changes the loaded scene first.
    #[track_caller]
    pub fn render(
        scene: &Path,
        extension: &'static str,
        (first, last): (i32, i32),
        python: &str,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let format = if extension == "exr" {
            "OPEN_EXR"
        } else {
            "PNG"
        };
        let pattern = folder.path().join("alone_####");
        let (first, last) = (first.to_string(), last.to_string());
        let python = format!("import bpy\nscene = bpy.context.scene\n{python}");
        blender([
            text(scene),
            "--python-expr",
            &python,
            "-o",
            text(&pattern),
            "-F",
            format,
            "-x",
            "1",
            "-s",
            &first,
            "-e",
            &last,
            "-a",
        ]);
        Self { folder, extension }
    }

    #[track_caller]
    pub fn frame(&self, frame: i32) -> Picture {
        Picture::read(
            &self
                .folder
                .path()
                .join(format!("alone_{frame:04}.{}", self.extension)),
        )
    }

    /// Fails unless the files are these frames, in this order.
    #[track_caller]
    pub fn expect_equal(&self, files: &[PathBuf], frames: std::ops::RangeInclusive<i32>) {
        assert_eq!(files.len(), frames.clone().count(), "{files:#?}");
        for (file, frame) in files.iter().zip(frames) {
            if let Some(difference) = Picture::read(file).difference(&self.frame(frame)) {
                panic!("{} is not frame {frame}: {difference}", file.display());
            }
        }
    }
}

/// framewright, run to its end where nothing is at Blender's place; none where that cannot be had.
#[track_caller]
pub fn without_blender<'a>(
    desk: &Desk,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Option<Ended> {
    let hide = "mount --bind /dev/null \"$(command -v blender)\" && exec \"$@\"";
    let flags = ["-m", "-Urm"].into_iter().find(|flags| {
        let tried = Command::new("unshare")
            .args([flags, "sh", "-c", hide, "sh", "true"])
            .output();
        tried.is_ok_and(|done| done.status.success())
    });
    let Some(flags) = flags else {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "nothing can be hidden here"
        );
        return None;
    };
    let program = desk.framewright::<&str>([]);
    let mut hidden = desk.command("unshare");
    hidden
        .args([flags, "sh", "-c", hide, "sh"])
        .arg(program.get_program())
        .args(arguments);
    Some(finish(hidden, LONG))
}
