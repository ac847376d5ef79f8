//! A scene's file and those that it links, in turn: what is linked is only named in the scene itself.
//!
//! Refuses to say which data-blocks of a library Blender would load: it keeps those that something
//! links. Invariant: each file is read once, and all of them together within one file's limits.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::record::Record;
use super::{Blend, Limits, ReadError};

/// Most libraries that are looked into; more are listed where they are named.
const LIBRARIES_MAX: usize = 256;

/// All that was read.
pub(super) struct Files {
    pub(super) main: Blend,
    path: PathBuf,
    folder: PathBuf,
    libraries: BTreeMap<PathBuf, Library>,
}

struct Library {
    blend: Blend,
    /// Its data-blocks by their two letters and name.
    named: BTreeMap<([u8; 2], String), u32>,
}

impl Files {
    pub(super) fn read(path: &str) -> Result<Self, ReadError> {
        let mut limits = Limits::new();
        let mut files = Files {
            main: Blend::read(path, 0, &mut limits)?,
            path: PathBuf::from(path),
            folder: folder(Path::new(path)),
            libraries: BTreeMap::new(),
        };
        let mut waiting = files.named_libraries(&files.main, &files.folder);
        while let Some(path) = waiting.pop() {
            if files.libraries.contains_key(&path) || files.libraries.len() == LIBRARIES_MAX {
                continue;
            }
            let number = u32::try_from(files.libraries.len() + 1).unwrap_or(u32::MAX);
            // One that cannot be read is listed all the same; Blender will say what it thinks of it.
            let Ok(blend) = Blend::read(&path.display().to_string(), number, &mut limits) else {
                continue;
            };
            waiting.extend(files.named_libraries(&blend, &folder(&path)));
            let named = blend.names();
            files.libraries.insert(path, Library { blend, named });
        }
        Ok(files)
    }

    fn named_libraries(&self, blend: &Blend, folder: &Path) -> Vec<PathBuf> {
        let libraries = blend.all(b"LI").filter(|one| !is_packed(one));
        libraries
            .map(|one| absolute(&library_name(&one), folder))
            .collect()
    }

    /// All files, with the folder that their relative names start from; the scene's own first.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Blend, PathBuf)> {
        let main = std::iter::once((&self.main, self.folder.clone()));
        main.chain(
            self.libraries
                .iter()
                .map(|(path, one)| (&one.blend, folder(path))),
        )
    }

    /// Where Blender keeps simulations of what the scene or a library holds.
    pub(super) fn cache_folder(&self, blend: &Blend) -> Option<PathBuf> {
        let path = match blend.number {
            0 => &self.path,
            number => {
                self.libraries
                    .iter()
                    .find(|one| one.1.blend.number == number)?
                    .0
            }
        };
        let name = path.file_name()?.to_str()?;
        // As Blender does, whatever the name ends with.
        let stem = name.len().checked_sub(6).filter(|end| *end > 0);
        let stem = stem.and_then(|end| name.get(..end)).unwrap_or(name);
        Some(folder(path).join(format!("blendcache_{stem}")))
    }

    /// A data-block itself, where what is given may stand for one of another file.
    pub(super) fn real<'a>(&'a self, record: &Record<'a>) -> Option<Record<'a>> {
        if record.kind() != "ID" {
            return Some(*record);
        }
        let mut record = *record;
        // A library may link what it is asked for from another one.
        for _ in 0..LIBRARIES_MAX {
            let library = record.follow("lib")?;
            let holder = record.blend();
            let folder = match holder.number {
                0 => self.folder.clone(),
                number => {
                    let found = self
                        .libraries
                        .iter()
                        .find(|one| one.1.blend.number == number);
                    folder(found?.0)
                }
            };
            let path = absolute(&library_name(&library), &folder);
            let library = self.libraries.get(&path)?;
            let whole = record.text("name")?;
            let code = whole.as_bytes().first_chunk::<2>()?;
            let number = library.named.get(&(*code, record.name()))?;
            record = Record::of_block(&library.blend, *number)?;
            if record.kind() != "ID" {
                return Some(record);
            }
        }
        None
    }
}

impl Blend {
    fn names(&self) -> BTreeMap<([u8; 2], String), u32> {
        let mut names = BTreeMap::new();
        for (number, block) in (0..).zip(&self.blocks) {
            if block.owner != number || &block.code == b"GLOB" {
                continue;
            }
            let Some(record) = Record::of_block(self, number) else {
                continue;
            };
            let whole = record.text("id.name").or_else(|| record.text("name"));
            if let Some(code) = whole
                .as_deref()
                .and_then(|name| name.as_bytes().first_chunk::<2>())
            {
                names.entry((*code, record.name())).or_insert(number);
            }
        }
        names
    }
}

/// Whether a library's content is in the scene.
pub(super) fn is_packed(library: &Record<'_>) -> bool {
    library.pointer("packedfile").is_some()
}

/// A library's path as it is stored. Newer versions have two: the other is the author's own disk's.
pub(super) fn library_name(library: &Record<'_>) -> String {
    let name = library.text("name").or_else(|| library.text("filepath"));
    name.unwrap_or_default()
}

fn folder(path: &Path) -> PathBuf {
    path.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// A stored path from the root, without `.` and `..`; `//` stands for the folder of its file. Windows
/// leaves backslashes, which Blender turns round.
pub(super) fn absolute(stored: &str, folder: &Path) -> PathBuf {
    let stored = stored.replace('\\', "/");
    let whole = match stored.strip_prefix("//") {
        Some(relative) => folder.join(relative.trim_start_matches('/')),
        None => PathBuf::from(stored),
    };
    let mut plain = PathBuf::new();
    for part in whole.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}
