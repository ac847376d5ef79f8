//! Files that a stub scene needs besides itself: `assets = ["tex/a.bin", "/abs/b.bin"]`.
//!
//! For tests of staging: a picture of a scene with assets depends on their content, so a file that is
//! not there, or is another one, shows. Relative names count from the scene's folder; absolute ones
//! may be elsewhere on a host (`--path FROM TO`). A folder is everything below it. Invariant: the
//! same content under the same names gives the same pixels, wherever the files lie.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use framewright_core::data::PathPair;
use framewright_core::paths::on_host;
use serde::Serialize;

use super::hash::{self, Folded};
use super::scene::Scene;

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// How deep a folder is read.
const DEPTH_MAX: u32 = 64;

/// What `--inspect` says of one.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub struct Facts {
    path: String,
    bytes: u64,
    missing: bool,
    absolute: bool,
}

/// All assets as they are listed, in the scene's order.
pub fn facts(scene: &Scene, scene_path: &Path) -> io::Result<Vec<Facts>> {
    let folder = folder_of(&std::path::absolute(scene_path)?);
    let facts = scene.assets.iter().map(|name| {
        let path = plain(&folder.join(name));
        let size = size(&path, DEPTH_MAX).ok();
        Facts {
            path: path.to_string_lossy().into_owned(),
            bytes: size.unwrap_or(0),
            missing: size.is_none(),
            absolute: name.starts_with('/'),
        }
    });
    Ok(facts.collect())
}

/// Reads all of them; a number that belongs to names and content, 0 where there are none.
///
/// # Errors
/// A sentence that names the first file which cannot be read.
pub fn read(scene: &Scene, scene_path: &Path, paths: &[PathPair]) -> Result<u64, String> {
    if scene.assets.is_empty() {
        return Ok(0);
    }
    let folder = folder_of(scene_path);
    let mut folded = Folded::default();
    for name in &scene.assets {
        let path = here(name, &folder, paths);
        fold(&path, &mut folded, DEPTH_MAX)
            .map_err(|error| format!("asset {name} cannot be read: {error}"))?;
    }
    Ok(hash::mix(folded.value()))
}

/// Where this host has an asset: below `to` where there is such a file, else as it is named.
fn here(name: &str, folder: &Path, paths: &[PathPair]) -> PathBuf {
    match on_host(paths, name).map(PathBuf::from) {
        Some(moved) if moved.exists() => moved,
        Some(_) | None => folder.join(name),
    }
}

fn folder_of(scene_path: &Path) -> PathBuf {
    scene_path
        .parent()
        .map_or_else(PathBuf::new, Path::to_owned)
}

/// Without `.` and `..`, as text: a host without these files has no links to follow.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

fn size(path: &Path, depth: u32) -> io::Result<u64> {
    let facts = fs::metadata(path)?;
    if !facts.is_dir() {
        return Ok(facts.len());
    }
    let mut total = 0;
    for name in entries(path, depth)? {
        total += size(&path.join(name), depth - 1)?;
    }
    Ok(total)
}

/// Names in a folder, sorted.
fn entries(folder: &Path, depth: u32) -> io::Result<Vec<std::ffi::OsString>> {
    if depth == 0 {
        return Err(io::Error::other(format!(
            "it is deeper than {DEPTH_MAX} folders"
        )));
    }
    let mut names = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn fold(path: &Path, folded: &mut Folded, depth: u32) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        for name in entries(path, depth)? {
            folded.add(name.as_encoded_bytes());
            folded.add(&[0]);
            fold(&path.join(name), folded, depth - 1)?;
        }
        return Ok(());
    }
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK];
    let mut bytes = 0_u64;
    loop {
        let count = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        folded.add(&chunk[..count]);
        bytes += count as u64;
    }
    // So that a byte cannot wander from the end of one file to the start of the next.
    folded.add(&bytes.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(assets: &[&str]) -> Scene {
        let text = format!("frames = \"1\"\nassets = {assets:?}");
        Scene::parse(&text, Path::new("t.stub.toml")).expect("a right scene")
    }

    fn lay(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
    }

    #[test]
    fn content_counts_and_place_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).join("shots/s.stub.toml");
        let files = [("tex/a.bin", "a"), ("cache/1/x", "x"), ("cache/y", "y")];
        lay(&folder.path().join("one"), &files);
        lay(&folder.path().join("two"), &files);
        for name in ["one", "two"] {
            fs::create_dir(folder.path().join(name).join("shots")).expect("a folder");
        }
        let scene = scene(&["../tex/a.bin", "../cache"]);
        let first = read(&scene, &at("one"), &[]).expect("read");
        assert_ne!(first, 0);
        assert_eq!(read(&scene, &at("two"), &[]), Ok(first));
        for (name, text) in [("tex/a.bin", "b"), ("cache/1/x", "xx")] {
            lay(&folder.path().join("two"), &files);
            lay(&folder.path().join("two"), &[(name, text)]);
            assert_ne!(read(&scene, &at("two"), &[]), Ok(first), "{name}");
        }
    }

    #[test]
    fn an_absolute_asset_is_read_where_the_host_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let named = folder.path().join("studio/b.bin").display().to_string();
        let tree = folder.path().join("tree");
        let scene = scene(&[&named]);
        let paths = [PathPair {
            from: "/".to_owned(),
            to: tree.display().to_string(),
        }];
        let at = Path::new("/nowhere/s.stub.toml");
        let why = read(&scene, at, &paths).expect_err("it is nowhere");
        assert!(
            why.contains(&named) && why.contains("No such file"),
            "{why}"
        );
        lay(folder.path(), &[("studio/b.bin", "own")]);
        let own = read(&scene, at, &paths);
        assert!(
            own.is_ok(),
            "where there is none below `to`, its own name holds"
        );
        lay(&tree, &[(&named[1..], "staged")]);
        let staged = read(&scene, at, &paths);
        assert!(staged.is_ok() && staged != own, "{staged:?}");
    }

    #[test]
    fn each_is_listed_with_its_place_and_size() {
        let folder = tempfile::tempdir().expect("a folder");
        lay(
            folder.path(),
            &[("a.bin", "123"), ("f/x", "1"), ("f/g/y", "22")],
        );
        let below = |name: &str| folder.path().join(name).display().to_string();
        let scene = scene(&["s/../a.bin", &below("f"), "gone"]);
        let listed = facts(&scene, &folder.path().join("t.stub.toml")).expect("listed");
        let all = [("a.bin", 3, false), ("f", 3, true), ("gone", 0, false)];
        let wanted = all.map(|(name, bytes, absolute)| Facts {
            path: below(name),
            bytes,
            missing: name == "gone",
            absolute,
        });
        assert_eq!(listed, wanted);
    }
}
