use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use framewright_plugin_api::data::OutputFormat;
use proptest::prelude::*;

use super::*;
use crate::store::journal::Replace;

fn formats() -> Vec<OutputFormat> {
    ["png", "exr", "none"]
        .map(|id| OutputFormat {
            id: id.to_owned(),
            extension: id.to_owned(),
        })
        .to_vec()
}

fn settle(
    typed: Option<&str>,
    frames: usize,
    layers: &[&str],
) -> Result<OutputPattern, OutputError> {
    settle_bytes(typed.map(str::as_bytes), b"shot", frames, layers)
}

fn settle_bytes(
    typed: Option<&[u8]>,
    stem: &[u8],
    frames: usize,
    layers: &[&str],
) -> Result<OutputPattern, OutputError> {
    let layers: Vec<_> = layers.iter().map(|&layer| layer.to_owned()).collect();
    OutputPattern::settle(&Wanted {
        typed: typed.map(|typed| Path::new(OsStr::from_bytes(typed))),
        working_folder: Path::new("/work {layer} ##"),
        stem: OsStr::from_bytes(stem),
        formats: &formats(),
        frames,
        layers: &layers,
    })
}

#[test]
fn patterns_name_files() {
    let here = |rest: &str| format!("/work {{layer}} ##/{rest}");
    for (typed, layers, layer, frame, wanted) in [
        (
            Some("/o/a.####.exr"),
            &[][..],
            "",
            17,
            "/o/a.0017.exr".to_owned(),
        ),
        (
            Some("/o/a.####.exr"),
            &[],
            "",
            -4,
            "/o/a.-0004.exr".to_owned(),
        ),
        (
            Some("/o/a.####.exr"),
            &[],
            "",
            123_456,
            "/o/a.123456.exr".to_owned(),
        ),
        (Some("a#"), &[], "", 7, here("a7.png")),
        (Some("a.####"), &[], "", 7, here("a.0007.png")),
        (Some("a.####.PNG"), &[], "", 7, here("a.0007.PNG")),
        (Some("o#/{x}/a.##.png"), &[], "", 7, here("o#/{x}/a.07.png")),
        (
            Some("o/{layer}/a.##.png"),
            &["b"],
            "b",
            7,
            here("o/b/a.07.png"),
        ),
        (Some("{layer}.##.png"), &[], "", 7, here("all.07.png")),
        (
            Some("{layer}.##.png"),
            &["a/../b"],
            "a/../b",
            7,
            here("a_.._b.07.png"),
        ),
        (Some("{layer}/##.png"), &[".."], "..", 7, here("__/07.png")),
        (Some("o/"), &[], "", 7, here("o/shot.0007.png")),
        (Some("o/."), &[], "", 7, here("o/./shot.0007.png")),
        (None, &[], "", 7, here("shot/shot.0007.png")),
        (None, &["a", "b"], "b", 7, here("shot/shot.b.0007.png")),
        (
            Some("sp ace'\"$(x)\n-/-.#.png"),
            &[],
            "",
            1,
            here("sp ace'\"$(x)\n-/-.1.png"),
        ),
    ] {
        let pattern = settle(typed, 10, layers).unwrap();
        assert_eq!(pattern.path(layer, frame), Path::new(&wanted), "{typed:?}");
        let stored = OutputPattern::from_stored(&pattern.to_stored()).unwrap();
        assert_eq!(stored, pattern);
    }
}

#[test]
fn one_frame_needs_no_place() {
    let pattern = settle(Some("/o/still.exr"), 1, &[]).unwrap();
    assert_eq!(pattern.path("", 1), Path::new("/o/still.exr"));
    assert_eq!(pattern.format(), "exr");
}

#[test]
fn what_cannot_be_is_refused_with_a_hint() {
    for (typed, layers, error, hint) in [
        (
            "a.png",
            &[][..],
            "the output `a.png` has no `####` for the frame, and 10 frames are wanted",
            Some("write `a.####.png`"),
        ),
        (
            "a",
            &[],
            "the output `a.png` has no `####` for the frame, and 10 frames are wanted",
            Some("write `a.####.png`"),
        ),
        (
            "a.##.b.##.png",
            &[],
            "the output `a.##.b.##.png` has `#` in 2 places, and the frame can stand in one only",
            Some("keep one run of `#`; `{layer}` may stand anywhere"),
        ),
        (
            "a.####.png",
            &["x", "y"],
            "the output `a.####.png` has no `{layer}`, and 2 layers are rendered apart",
            Some("write `a.{layer}.####.png`"),
        ),
        (
            "{frame}.#.png",
            &[],
            "the output `{frame}.#.png` has `{frame}`, which is nothing known",
            Some("`{layer}` and `####` are known"),
        ),
        (
            "a.####.jpg",
            &[],
            "`.jpg` is no picture format that can be written: use one of png, exr",
            Some("write -o 'DIR/name.####.png'"),
        ),
        (
            "{layer}.#.png",
            &["a/b", "a_b"],
            "the layers `a/b` and `a_b` would be written to the same file names",
            None,
        ),
        (
            "",
            &[],
            "the output is empty",
            Some("write -o 'DIR/name.####.png'"),
        ),
    ] {
        let refused = settle(Some(typed), 10, layers).unwrap_err();
        assert_eq!(refused.to_string(), error);
        assert_eq!(refused.hint().as_deref(), hint, "{typed}");
    }
    let long = "x".repeat(250);
    let refused = settle(Some(&format!("{long}.####.png")), 10, &[]).unwrap_err();
    assert!(matches!(refused, OutputError::NameTooLong(_)));
    let refused = settle_bytes(Some(b"/o/\xff.####.png"), b"s", 10, &[]).unwrap_err();
    assert!(refused.to_string().contains("not valid UTF-8"), "{refused}");
}

#[test]
fn a_scene_named_like_a_pattern_is_taken_literally() {
    let pattern = settle_bytes(None, b"a#{layer}\xff", 10, &[]).unwrap();
    let path = pattern.path("", 1);
    assert!(path.ends_with("a__layer__/a__layer__.0001.png"), "{path:?}");
}

#[test]
fn the_adapters_extension_is_no_part_of_the_stem() {
    let known = ["toml".to_owned(), "stub.toml".to_owned()];
    for (scene, stem) in [
        ("/x/shot.v2.stub.toml", "shot.v2"),
        ("/x/shot.toml", "shot"),
        ("/x/shot.blend", "shot"),
        ("/x/.stub.toml", ".stub"),
    ] {
        assert_eq!(scene_stem(Path::new(scene), &known), stem);
    }
}

fn in_folder(folder: &Path, typed: &str) -> OutputPattern {
    let typed = folder.join(typed);
    settle(Some(typed.to_str().unwrap()), 10, &[]).unwrap()
}

#[test]
fn patterns_that_can_meet_have_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = |typed: &str| {
        let pattern = in_folder(folder.path(), typed);
        pattern.make_folders(&[]).unwrap();
        pattern.claim_key().unwrap()
    };
    fs::create_dir(folder.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
    assert_eq!(key("real/a.####.png"), key("link/a.###.png"));
    assert_eq!(key("real/a.####.png"), key("real/../real/a.#.png"));
    assert_ne!(key("real/a.####.png"), key("real/b.####.png"));
    assert_ne!(key("real/a.####.png"), key("a.####.png"));
    assert_ne!(key("real/a.####.png"), key("real/a.####.exr"));
}

#[test]
fn names_that_are_taken_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = in_folder(folder.path(), "new/deep/a.#.png");
    pattern.make_folders(&[]).unwrap();
    let paths: Vec<_> = (1..=5).map(|frame| pattern.path("", frame)).collect();
    let check = |own: &[&PathBuf], replace| {
        let own: BTreeSet<_> = own.iter().map(|&path| path.clone()).collect();
        OutputPattern::check_free(paths.iter().map(PathBuf::as_path), &own, replace)
    };
    check(&[], Replace::Never).unwrap();
    for path in &paths[1..4] {
        fs::write(path, "x").unwrap();
    }
    let refused = check(&[&paths[1]], Replace::Never).unwrap_err().to_string();
    assert_eq!(
        refused,
        format!(
            "{} exists and is not this job's, and so is 1 other",
            paths[2].display()
        )
    );
    check(&[], Replace::Allowed).unwrap();
    fs::create_dir(&paths[4]).unwrap();
    let refused = check(&[], Replace::Allowed).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{} is a folder", paths[4].display())
    );
}

#[test]
fn a_file_where_a_folder_should_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let refused = in_folder(folder.path(), "file/a.#.png")
        .make_folders(&[])
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "cannot make the output folder {}",
            folder.path().join("file").display()
        )
    );
    // A folder that nobody can write to, not even root.
    let refused = in_folder(Path::new("/proc"), "a.#.png")
        .make_folders(&[])
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot write into the output folder /proc"
    );
}

#[test]
fn scratch_lies_beside_the_output_and_goes_without_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let id =
        |text: &str| serde_json::from_str::<crate::store::JobId>(&format!("\"{text}\"")).unwrap();
    let pattern = in_folder(folder.path(), "{layer}/a.#.png");
    let first = pattern.scratch(&id("a-1"));
    let second = pattern.scratch(&id("b-2"));
    assert_eq!(first, folder.path().join(".framewright/a-1"));
    fs::create_dir_all(first.join("deep")).unwrap();
    fs::create_dir_all(&second).unwrap();
    remove_scratch(&first).unwrap();
    assert!(second.exists());
    remove_scratch(&second).unwrap();
    remove_scratch(&second).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_stored_as_it_is(typed in "([a.#{}/ü]|\\{layer\\}){0,12}", frame: i32) {
        if let Ok(pattern) = settle(Some(&typed), 1, &[]) {
            let again = OutputPattern::from_stored(&pattern.to_stored()).unwrap();
            prop_assert_eq!(again.path("l", frame), pattern.path("l", frame));
            prop_assert!(pattern.path("l", frame).starts_with(pattern.common_folder()));
        }
    }

    #[test]
    fn frames_and_layers_never_share_a_file(a: (i32, bool), b: (i32, bool)) {
        let pattern = settle(Some("/o/{layer}.###.png"), 2, &["x", "y"]).unwrap();
        let path = |(frame, is_x)| pattern.path(if is_x { "x" } else { "y" }, frame);
        prop_assert_eq!(path(a) == path(b), a == b);
    }
}
