//! The files that a scene names, as `fw_files.py` finds them: images, libraries, sounds, caches, ….
//!
//! Of libraries everything is told that they name and that is there: which of it Blender would load is
//! not known here, nor whether an image is only shown in a window: what nothing uses at all is not in a
//! file. Refuses nothing; what is not there is told as missing. Invariant: the disk is asked
//! of at most [`FILES_MAX`] files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::lines::Message;

use super::outside::{Files, absolute, is_packed, library_name};
use super::record::Record;
use super::{Blend, nodes};

/// Most files that are looked for.
const FILES_MAX: usize = 50_000;

/// Of images: where one comes from.
const FILE: i64 = 1;
const SEQUENCE: i64 = 2;
const MOVIE: i64 = 3;
const TILED: i64 = 6;
/// `MCLIP_SRC_SEQUENCE`.
const CLIP_SEQUENCE: i64 = 1;
/// Flags of point caches.
const BAKED: u32 = 0;
const ON_DISK: u32 = 6;
const EXTERNAL: u32 = 9;
/// `MOD_FLUID_TYPE_DOMAIN`.
const DOMAIN: i64 = 1;
/// `NODE_SCRIPT_EXTERNAL` and `NODE_IES_EXTERNAL`.
const SCRIPT_FILE: i64 = 1;
/// Kinds of strips, and `SEQ_MUTE`.
const STRIP_IMAGE: i64 = 0;
const STRIP_META: i64 = 1;
const STRIP_MOVIE: i64 = 3;
const MUTE: u32 = 3;
/// How deep strips are within each other at most.
const STRIPS_DEEP_MAX: u32 = 16;

/// All of them, each once.
#[derive(Default)]
struct Found {
    files: BTreeMap<PathBuf, Asset>,
    order: Vec<PathBuf>,
}

struct Asset {
    kind: &'static str,
    is_absolute: bool,
    is_own: bool,
}

/// What a file names, and from where.
struct Names<'a> {
    found: &'a mut Found,
    folder: PathBuf,
    is_own: bool,
}

/// Messages of every file that the scene names, each once; and how many were too many.
pub(super) fn assets(files: &Files) -> (Vec<Message>, usize) {
    let mut found = Found::default();
    for (number, (blend, folder)) in files.all().enumerate() {
        let mut names = Names {
            found: &mut found,
            folder,
            is_own: number == 0,
        };
        names.libraries(blend);
        names.data_blocks(blend);
        names.images(blend);
        names.modifiers(files, blend);
        names.nodes(blend);
        names.strips(blend);
    }
    let more = found.order.len().saturating_sub(FILES_MAX);
    let told = found.order.iter().take(FILES_MAX).filter_map(|path| {
        let asset = &found.files[path];
        let size = size(path);
        // What a library misses, nobody may want.
        (asset.is_own || size.is_some()).then(|| Message::Asset {
            path: path.display().to_string(),
            kind: asset.kind.to_owned(),
            bytes: size.unwrap_or(0),
            missing: size.is_none(),
            absolute: asset.is_absolute,
        })
    });
    (told.collect(), more)
}

/// Bytes of a file, or of all files below a folder.
fn size(path: &Path) -> Option<u64> {
    let about = fs::metadata(path).ok()?;
    if !about.is_dir() {
        return Some(about.len());
    }
    let (mut sum, mut waiting, mut left) = (0, vec![path.to_owned()], FILES_MAX);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            left = left.saturating_sub(1);
            let Some(about) = entry.metadata().ok().filter(|_| left > 0) else {
                continue;
            };
            match about.is_dir() {
                true => waiting.push(entry.path()),
                false => sum += about.len(),
            }
        }
    }
    Some(sum)
}

impl Names<'_> {
    fn add(&mut self, kind: &'static str, stored: &str, path: PathBuf) {
        let is_absolute = !stored.starts_with("//");
        let is_own = self.is_own;
        let order = &mut self.found.order;
        let asset = self.found.files.entry(path).or_insert_with_key(|path| {
            order.push(path.clone());
            Asset {
                kind,
                is_absolute: false,
                is_own,
            }
        });
        // Some may name it one way, some the other.
        asset.is_absolute |= is_absolute;
        asset.is_own |= is_own;
    }

    fn add_file(&mut self, kind: &'static str, stored: &str) {
        if !stored.is_empty() {
            let path = absolute(stored, &self.folder);
            self.add(kind, stored, path);
        }
    }

    fn add_sequence(&mut self, kind: &'static str, stored: &str) {
        for path in sequence(&absolute(stored, &self.folder)) {
            self.add(kind, stored, path);
        }
    }

    fn libraries(&mut self, blend: &Blend) {
        for library in blend.all(b"LI").filter(|one| !is_packed(one)) {
            self.add_file("library", &library_name(&library));
        }
    }

    fn data_blocks(&mut self, blend: &Blend) {
        let kinds: [(&[u8; 2], &str, &str); 5] = [
            (b"SO", "name", "sound"),
            (b"MC", "name", "clip"),
            (b"VF", "name", "font"),
            (b"CF", "filepath", "cache"),
            (b"VO", "filepath", "volume"),
        ];
        for (code, field, kind) in kinds {
            for block in blend.all(code) {
                let stored = block.text(field).unwrap_or_default();
                let is_inside = block.pointer("packedfile").is_some();
                if stored.is_empty() || stored == "<builtin>" || is_inside {
                    continue;
                }
                let counts = block.int("is_sequence").is_some_and(|is| is != 0)
                    || (kind == "clip" && block.int("source") == Some(CLIP_SEQUENCE));
                let layers = match kind {
                    "cache" => block.list("layers"),
                    _ => Vec::new(),
                };
                let layers = layers.iter().filter_map(|layer| layer.text("filepath"));
                for stored in std::iter::once(stored).chain(layers) {
                    match counts {
                        true => self.add_sequence(kind, &stored),
                        false => self.add_file(kind, &stored),
                    }
                }
            }
        }
    }

    fn images(&mut self, blend: &Blend) {
        for image in blend.all(b"IM") {
            let stored = image.text("name").unwrap_or_default();
            let is_inside = image.pointer("packedfile").is_some()
                || image.pointer("packedfiles.first").is_some();
            if stored.is_empty() || is_inside {
                continue;
            }
            match image.int("source") {
                Some(FILE | MOVIE) => self.add_file("image", &stored),
                Some(SEQUENCE) => self.add_sequence("image", &stored),
                Some(TILED) => self.add_tiles(&image, &stored),
                _ => {}
            }
        }
    }

    fn add_tiles(&mut self, image: &Record<'_>, stored: &str) {
        let path = absolute(stored, &self.folder).display().to_string();
        // Before 3.1 the first tile was named.
        let marks = ["<UDIM>", "<UVTILE>", "1001"];
        let Some(mark) = marks.into_iter().find(|mark| path.contains(mark)) else {
            self.add("image", stored, PathBuf::from(path));
            return;
        };
        for tile in image.list("tiles") {
            let number = tile.int("tile_number").unwrap_or(1001);
            let name = match mark {
                "<UVTILE>" => {
                    let tile = (number - 1001).max(0);
                    format!("u{}_v{}", tile % 10 + 1, tile / 10 + 1)
                }
                _ => number.to_string(),
            };
            self.add("image", stored, PathBuf::from(path.replace(mark, &name)));
        }
    }

    fn modifiers(&mut self, files: &Files, blend: &Blend) {
        for thing in blend.all(b"OB") {
            for modifier in thing.list("modifiers") {
                match modifier.kind() {
                    "FluidModifierData" if modifier.int("type") == Some(DOMAIN) => {
                        let domain = modifier.follow("domain");
                        let stored = domain.and_then(|domain| domain.text("cache_directory"));
                        self.add_file("cache", &stored.unwrap_or_default());
                    }
                    "MeshCacheModifierData" => {
                        self.add_file("cache", &modifier.text("filepath").unwrap_or_default());
                    }
                    "OceanModifierData" if modifier.int("cached") == Some(1) => {
                        self.add_file("cache", &modifier.text("cachepath").unwrap_or_default());
                    }
                    _ => {}
                }
            }
        }
        for cache in super::simulated::point_caches(blend) {
            self.point_cache(&cache, files.cache_folder(blend));
        }
    }

    fn point_cache(&mut self, cache: &Record<'_>, folder: Option<PathBuf>) {
        if cache.has("flag", EXTERNAL) {
            self.add_file("cache", &cache.text("path").unwrap_or_default());
        } else if cache.has("flag", ON_DISK)
            && let Some(folder) = folder
            && (cache.has("flag", BAKED) || folder.is_dir())
        {
            self.add("cache", "//", folder);
        }
    }

    fn nodes(&mut self, blend: &Blend) {
        let holders = [b"MA", b"WO", b"LA"]
            .into_iter()
            .flat_map(|code| blend.all(code));
        let trees = holders.filter_map(|holder| holder.follow("nodetree"));
        for tree in trees.chain(blend.all(b"NT")) {
            for record in tree.list("nodes") {
                let node = nodes::Node {
                    record,
                    is_inner: false,
                };
                let kind = node.kind();
                let about = record.follow("storage");
                let is_file = about.is_some_and(|about| about.int("mode") == Some(SCRIPT_FILE));
                let stored = about
                    .and_then(|about| about.text("filepath"))
                    .unwrap_or_default();
                match kind.as_str() {
                    "ShaderNodeScript" if is_file && !stored.is_empty() => {
                        self.add_file("script", &stored);
                        let compiled = absolute(&stored, &self.folder).with_extension("oso");
                        if compiled.is_file() {
                            self.add("script", &stored, compiled);
                        }
                    }
                    "ShaderNodeTexIES" if is_file => self.add_file("light", &stored),
                    kind if kind.starts_with("GeometryNodeImport") => {
                        let path = node
                            .input("Path")
                            .filter(|one| one.pointer("link").is_none());
                        let value = path.and_then(|path| path.follow("default_value"));
                        let stored = value.and_then(|value| value.text("value"));
                        self.add_file("geometry", &stored.unwrap_or_default());
                    }
                    _ => {}
                }
            }
        }
    }

    fn strips(&mut self, blend: &Blend) {
        for scene in blend.all(b"SC") {
            if let Some(editing) = scene.follow("ed") {
                self.strips_in(editing.list("seqbase"), 0);
            }
        }
    }

    fn strips_in(&mut self, strips: Vec<Record<'_>>, depth: u32) {
        if depth == STRIPS_DEEP_MAX {
            return;
        }
        for strip in strips {
            self.strips_in(strip.list("seqbase"), depth + 1);
            let kind = strip.int("type");
            if strip.has("flag", MUTE) || kind == Some(STRIP_META) {
                continue;
            }
            let Some(data) = strip.follow("strip") else {
                continue;
            };
            let folder = data.text("dir").unwrap_or_default();
            let many = match kind {
                Some(STRIP_IMAGE) => usize::MAX,
                Some(STRIP_MOVIE) => 1,
                _ => 0,
            };
            for element in data.array("stripdata").iter().take(many) {
                let name = element.text("name").unwrap_or_default();
                let stored = format!("{}/{name}", folder.trim_end_matches('/'));
                self.add_file("strip", &stored);
            }
        }
    }
}

/// All files that differ from `path` only in the last number before the last dot.
fn sequence(path: &Path) -> Vec<PathBuf> {
    let alone = || vec![path.to_owned()];
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return alone();
    };
    let (stem, extension) = match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    };
    let Some(end) = stem.rfind(|c: char| c.is_ascii_digit()).map(|at| at + 1) else {
        return alone();
    };
    let start = stem[..end].rfind(|c: char| !c.is_ascii_digit());
    let start = start.map_or(0, |at| {
        at + stem[at..].chars().next().map_or(1, char::len_utf8)
    });
    let (head, tail) = (&stem[..start], format!("{}{extension}", &stem[end..]));
    let width = end - start;
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(FILES_MAX)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|one| {
            let middle = one
                .strip_prefix(head)
                .and_then(|one| one.strip_suffix(tail.as_str()));
            middle.is_some_and(|digits| {
                let counts = !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit());
                // As Blender writes them: padded to the width, or longer without padding.
                let is_written =
                    digits.len() == width || (digits.len() > width && !digits.starts_with('0'));
                counts && is_written
            })
        })
        .collect();
    names.sort();
    match names.is_empty() {
        true => alone(),
        false => names.into_iter().map(|name| folder.join(name)).collect(),
    }
}
