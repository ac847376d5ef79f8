//! Files that a scene drags in: which nodes name them, and where they are.
//!
//! Arnold looks for a relative name in the search paths of its kind and then in its working folder, which
//! for framewright is the scene's. What else it may try is not documented, so a file that an included
//! file names is also looked for beside that one.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::ass::Node;

/// Tiles of one texture that are listed.
const TILES_MAX: usize = 4096;

/// A file as a scene names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// The name, as it stands there.
    pub text: String,
    /// `texture`, `procedural`, …
    pub kind: String,
    /// Whether the scene itself names it, or an include of it; else a procedural does.
    pub in_scene: bool,
    /// The folder of the file that names it.
    pub beside: PathBuf,
}

impl FileRef {
    /// Whether it may drag in others that can be read here.
    pub fn leads_on(&self) -> bool {
        let name = self.text.to_ascii_lowercase();
        matches!(self.kind.as_str(), "include" | "procedural")
            && (name.ends_with(".ass") || name.ends_with(".ass.gz"))
    }
}

/// What a node's files are called, and whether it has any.
pub fn named_by(node: &Node) -> Vec<(String, &'static str)> {
    let kind = match node.kind.as_str() {
        "image" | "maya_image" | "mayaimage" | "triplanar" => "texture",
        "photometric_light" => "light profile",
        "volume" | "volume_openvdb" | "implicit" => "volume",
        "materialx" | "include_graph" => "material",
        "osl" => "shader script",
        kind if kind.starts_with("color_manager") => "colour configuration",
        kind if kind.starts_with("imager_") => "look-up table",
        "procedural" | "usd" | "alembic" | "xgen_procedural" => "procedural",
        kind if kind.contains("procedural") => "procedural",
        _ => "file",
    };
    let params: &[&str] = match kind {
        "colour configuration" => &["config"],
        "shader script" => &["shadername"],
        _ => &["filename"],
    };
    let files = params.iter().flat_map(|name| node.texts(name));
    files
        .filter(|text| {
            !text.is_empty()
                && !text.contains("://")
                && (kind != "shader script" || text.contains('.'))
        })
        .map(|text| (text.to_owned(), kind))
        .collect()
}

/// Folders where files are looked for, by the kind of file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPaths {
    textures: Vec<String>,
    procedurals: Vec<String>,
    assets: Vec<String>,
}

impl SearchPaths {
    /// From the options node's parameters.
    pub fn of(params: &BTreeMap<String, String>) -> Self {
        let list = |name: &str| params.get(name).map_or_else(Vec::new, |text| split(text));
        SearchPaths {
            textures: list("texture_searchpath"),
            procedurals: list("procedural_searchpath"),
            assets: list("asset_searchpath"),
        }
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &String> {
        let own = match kind {
            "texture" | "light profile" => &self.textures,
            _ => &self.procedurals,
        };
        own.iter().chain(&self.assets)
    }
}

/// Folders of a search path: `;` or `:` stands between them, and a drive letter has a `:` too.
fn split(text: &str) -> Vec<String> {
    let is_drive = |part: &str| part.len() == 1 && part.as_bytes()[0].is_ascii_alphabetic();
    let mut folders: Vec<String> = Vec::new();
    let mut drive = false;
    for part in text.split(';') {
        for piece in part.split(':') {
            match folders.last_mut() {
                Some(last) if drive && piece.starts_with(['/', '\\']) => {
                    last.push(':');
                    last.push_str(piece);
                    drive = false;
                }
                _ => {
                    drive = is_drive(piece);
                    folders.push(piece.to_owned());
                }
            }
        }
        drive = false;
    }
    folders.retain(|folder| !folder.is_empty());
    folders
}

/// Names of environment variables in `[NAME]`, which Arnold replaces.
pub fn variables(text: &str) -> Vec<&str> {
    let parts = text.split('[').skip(1);
    let names = parts.filter_map(|part| part.split_once(']').map(|(name, _)| name));
    let is_name = |name: &&str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    names.filter(is_name).collect()
}

/// A name with its variables replaced; `None` where one has no value here.
fn expanded(text: &str) -> Option<String> {
    let mut whole = text.to_owned();
    for name in variables(text) {
        let value = std::env::var(name).ok()?;
        whole = whole.replace(&format!("[{name}]"), &value);
    }
    Some(whole)
}

/// A path without `.` and `..`, as text alone can say it.
pub fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// Where a name may be, best first, and whether that is under an absolute path.
fn candidates(file: &FileRef, search: &SearchPaths, folder: &Path) -> Vec<(PathBuf, bool)> {
    let Some(name) = expanded(&file.text) else {
        return Vec::new();
    };
    if name.starts_with('/') {
        return vec![(plain(Path::new(&name)), true)];
    }
    let mut all = Vec::new();
    for place in search.of_kind(&file.kind).filter_map(|text| expanded(text)) {
        let absolute = place.starts_with('/');
        all.push((plain(&folder.join(place).join(&name)), absolute));
    }
    for place in [folder, file.beside.as_path()] {
        if !place.as_os_str().is_empty() {
            all.push((plain(&place.join(&name)), false));
        }
    }
    all
}

/// The first place where there is a file of that name.
pub fn find(file: &FileRef, search: &SearchPaths, folder: &Path) -> Option<PathBuf> {
    let all = candidates(file, search, folder);
    all.into_iter()
        .map(|(path, _)| path)
        .find(|path| path.is_file())
}

/// A file on the disk, or one that should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub bytes: u64,
    pub missing: bool,
    pub absolute: bool,
}

/// Why a name cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfindable {
    /// It holds a variable that is not set here.
    Variable(String),
    /// It is a path of Windows.
    Windows,
    /// What it names is only known while rendering.
    Token,
}

/// All files that a name stands for: one, or the tiles of a texture.
///
/// # Errors
/// When it cannot be said here.
pub fn resolve(
    file: &FileRef,
    search: &SearchPaths,
    folder: &Path,
) -> Result<Vec<Found>, Unfindable> {
    let bytes = file.text.as_bytes();
    let has_drive = bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    if has_drive || file.text.starts_with("\\\\") {
        return Err(Unfindable::Windows);
    }
    if expanded(&file.text).is_none() {
        let unset = |name: &&str| std::env::var(name).is_err();
        let name = variables(&file.text).into_iter().find(unset);
        return Err(Unfindable::Variable(name.unwrap_or_default().to_owned()));
    }
    let all = candidates(file, search, folder);
    let name = file.text.rsplit('/').next().unwrap_or_default();
    if let Some(pattern) = Tiles::of(name) {
        for (path, absolute) in &all {
            let tiles = pattern.on_disk(path.parent().unwrap_or(folder), *absolute);
            if !tiles.is_empty() {
                return Ok(tiles);
            }
        }
    } else if name.contains('<') {
        return Err(Unfindable::Token);
    }
    let is_there = |(path, _): &&(PathBuf, bool)| path.exists();
    let last = || all.iter().find(|(_, absolute)| !absolute);
    let Some((path, absolute)) = all.iter().find(is_there).or_else(last).or(all.first()) else {
        return Err(Unfindable::Token);
    };
    let metadata = path.metadata().ok();
    Ok(vec![Found {
        path: path.clone(),
        bytes: metadata
            .as_ref()
            .filter(|data| data.is_file())
            .map_or(0, std::fs::Metadata::len),
        missing: metadata.is_none(),
        absolute: *absolute,
    }])
}

/// A texture in tiles: `<udim>`, `<UDIM>`, `<tile>`.
struct Tiles {
    before: String,
    after: String,
    is_udim: bool,
}

impl Tiles {
    fn of(name: &str) -> Option<Tiles> {
        let begin = name.find('<')?;
        let end = begin + name[begin..].find('>')?;
        let token = name[begin + 1..end].to_ascii_lowercase();
        let is_udim = token.starts_with("udim");
        (is_udim || token.starts_with("tile")).then(|| Tiles {
            before: name[..begin].to_owned(),
            after: name[end + 1..].to_owned(),
            is_udim,
        })
    }

    fn fits(&self, name: &str) -> bool {
        let middle = name
            .strip_prefix(self.before.as_str())
            .and_then(|rest| rest.strip_suffix(self.after.as_str()));
        middle.is_some_and(|middle| {
            if self.is_udim {
                middle.len() == 4
                    && middle
                        .parse()
                        .is_ok_and(|n: u32| (1001..=1999).contains(&n))
            } else {
                // `_u1_v1`
                let part = |text: &str| text.parse::<u32>().is_ok();
                middle
                    .strip_prefix("_u")
                    .and_then(|rest| rest.split_once("_v"))
                    .is_some_and(|(u, v)| part(u) && part(v))
            }
        })
    }

    fn on_disk(&self, folder: &Path, absolute: bool) -> Vec<Found> {
        let Ok(entries) = folder.read_dir() else {
            return Vec::new();
        };
        let mut tiles: Vec<Found> = entries
            .flatten()
            .filter(|entry| self.fits(&entry.file_name().to_string_lossy()))
            .filter_map(|entry| {
                let path = entry.path();
                let bytes = path.metadata().ok()?.len();
                Some(Found {
                    path,
                    bytes,
                    missing: false,
                    absolute,
                })
            })
            .collect();
        tiles.sort_by(|one, two| one.path.cmp(&two.path));
        tiles.truncate(TILES_MAX);
        tiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(text: &str, kind: &str) -> FileRef {
        FileRef {
            text: text.to_owned(),
            kind: kind.to_owned(),
            in_scene: true,
            beside: PathBuf::new(),
        }
    }

    #[test]
    fn drive_letters_are_no_separators() {
        assert_eq!(split("/a:/b"), ["/a", "/b"]);
        assert_eq!(split("C:/a;D:\\b"), ["C:/a", "D:\\b"]);
        assert_eq!(split("C:/a:/b"), ["C:/a", "/b"]);
        assert_eq!(split(";;a;"), ["a"]);
        assert_eq!(split(""), Vec::<String>::new());
    }

    #[test]
    fn variables_stand_in_brackets() {
        assert_eq!(variables("[SHOW]/tex/[A_1].tx"), ["SHOW", "A_1"]);
        assert_eq!(variables("density[0]"), Vec::<&str>::new());
        assert_eq!(variables("[a b]x[]y["), Vec::<&str>::new());
    }

    #[test]
    fn a_relative_name_is_looked_for_in_its_search_path_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["scene", "tex"] {
            fs::create_dir(at(name)).expect("a folder");
        }
        for name in ["tex/a.tx", "scene/a.tx", "scene/b.tx"] {
            fs::write(at(name), name).expect("a file");
        }
        let tex = at("tex").display().to_string();
        let params = BTreeMap::from([("texture_searchpath".to_owned(), tex)]);
        let search = SearchPaths::of(&params);
        let found = |text: &str, kind: &str| {
            resolve(&file(text, kind), &search, &at("scene")).expect("findable")[0].clone()
        };
        let a = found("a.tx", "texture");
        assert_eq!((a.path, a.bytes, a.absolute), (at("tex/a.tx"), 8, true));
        assert_eq!(found("a.tx", "procedural").path, at("scene/a.tx"));
        let b = found("./x/../b.tx", "texture");
        assert_eq!(
            (b.path, b.absolute, b.missing),
            (at("scene/b.tx"), false, false)
        );
        let c = found("c.tx", "texture");
        assert_eq!(
            (c.path, c.missing, c.absolute),
            (at("scene/c.tx"), true, false)
        );
    }

    #[test]
    fn tiles_of_a_texture_are_listed_one_by_one() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "t.1001.tx",
            "t.1012.tx",
            "t.0999.tx",
            "t.10010.tx",
            "u_u1_v2.tx",
        ] {
            fs::write(folder.path().join(name), "x").expect("a file");
        }
        let names = |text: &str| -> Vec<String> {
            let found = resolve(
                &file(text, "texture"),
                &SearchPaths::default(),
                folder.path(),
            );
            let name = |one: &Found| {
                one.path
                    .file_name()
                    .map(|n| n.to_string_lossy().into_owned())
            };
            found.expect("findable").iter().filter_map(name).collect()
        };
        assert_eq!(names("t.<udim>.tx"), ["t.1001.tx", "t.1012.tx"]);
        assert_eq!(names("t.<UDIM>.tx"), ["t.1001.tx", "t.1012.tx"]);
        assert_eq!(names("u<tile>.tx"), ["u_u1_v2.tx"]);
        assert_eq!(names("v.<udim>.tx"), ["v.<udim>.tx"]);
    }

    #[test]
    fn what_cannot_be_looked_for_is_told() {
        let why = |text: &str| {
            resolve(
                &file(text, "texture"),
                &SearchPaths::default(),
                Path::new("/s"),
            )
            .unwrap_err()
        };
        assert_eq!(why("C:/a.tx"), Unfindable::Windows);
        assert_eq!(why("\\\\server\\a.tx"), Unfindable::Windows);
        assert_eq!(why("<attr:name>.tx"), Unfindable::Token);
        let unset = "FRAMEWRIGHT_NO_SUCH_VARIABLE";
        assert_eq!(
            why(&format!("[{unset}]/a")),
            Unfindable::Variable(unset.to_owned())
        );
    }
}
