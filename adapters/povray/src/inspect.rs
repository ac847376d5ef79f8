//! What is in a scene: told from its files, without POV-Ray.
//!
//! Options come from the `.ini` file, settings over them ([`Plan`]); files and effects from the text of
//! the scene and of everything that it includes.
//!
//! Refuses to list what belongs to every installation of POV-Ray. Invariant: what is listed is looked for
//! where POV-Ray looks: in the scene's folder, then in the library paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use framewright_plugin_api::command::Said;
use framewright_plugin_api::data::{
    Asset, Basis, Cost, Costs, Layer, Open, Scene, Tiling, Verdict,
};

use crate::options::Options;
use crate::plan::{Plan, SIZE};
use crate::text::{self, Named, Seen};

/// Files that come with POV-Ray 3.7, beside those that end in `.map`.
const INSTALLED: &str = " Mount1.png Mount2.png arrays.inc bumpmap_.png chars.inc colors.inc consts.inc \
    crystal.ttf cyrvetic.ttf debug.inc finish.inc fract003.png functions.inc glass.inc glass_old.inc \
    golds.inc ior.inc logo.inc makegrass.inc math.inc meshmaker.inc metals.inc mtmand.pot mtmandj.png \
    plasma2.png plasma3.png povlogo.ttf povmap.png rad_def.inc rand.inc screen.inc shapes.inc shapes2.inc \
    shapes3.inc shapes_old.inc shapesq.inc skies.inc spiral.df3 stage1.inc stars.inc stdcam.inc stdinc.inc \
    stoneold.inc stones.inc stones1.inc stones2.inc strings.inc sunpos.inc test.png textures.inc \
    timrom.ttf transforms.inc woodmaps.inc woods.inc ash.map benediti.map bubinga.map cedar.map \
    marbteal.map orngwood.map pinkmarb.map rdgranit.map teak.map whiteash.map ";
/// Of those, the ones with textures that use `crand`.
const INSTALLED_CRAND: [&str; 3] = ["stones.inc", "stones1.inc", "stones2.inc"];
/// Texts longer than this are listed, but not looked into.
const TEXT_BYTES_MAX: u64 = 256 << 20;
/// Most files that are looked into.
const FILES_MAX: usize = 10_000;

/// Concludes an `inspect` session.
pub fn conclude(open: &Open, said: &mut Said) {
    let scene = Path::new(open.scene.as_deref().unwrap_or_default());
    match Inspection::of(scene, open) {
        Ok(inspection) => said.scene(inspection.into_scene()),
        Err((why, hint)) => said.blame_with_hint(Verdict::Unrenderable, why, hint),
    }
}

/// What was found so far.
struct Inspection {
    folder: PathBuf,
    options: Options,
    plan: Plan,
    assets: BTreeMap<PathBuf, Asset>,
    /// Everything that the texts say, joined.
    seen: Seen,
    warnings: Vec<String>,
}

impl Inspection {
    fn of(scene: &Path, open: &Open) -> Result<Self, (String, &'static str)> {
        let mut found = Inspection {
            folder: scene.parent().unwrap_or(Path::new("/")).to_owned(),
            options: Options::default(),
            plan: Plan::default(),
            assets: BTreeMap::new(),
            seen: Seen::default(),
            warnings: Vec::new(),
        };
        let ini = found.ini_of(scene, open);
        if let Some(ini) = &ini {
            found.read_options(scene, ini);
        }
        for (key, value) in &open.settings {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            found.options.set(key, &value);
        }
        found.plan = Plan {
            ini: ini.unwrap_or_default(),
            ..Plan::of(&found.options)
        };
        let folder = found.folder.clone();
        let main = if is_ini(scene) {
            let name = found.options.text("input_file_name").ok_or_else(|| {
                let why = format!("{} names no scene", scene.display());
                (why, "an .ini file names it by Input_File_Name=scene.pov")
            })?;
            let name = Named {
                name: name.to_owned(),
                kind: "scene",
                extension: "pov".to_owned(),
            };
            match found.find(&name) {
                Some(path) => {
                    found.asset(path.clone(), &name);
                    path
                }
                None => return Err((format!("the scene {} is missing", name.name), "")),
            }
        } else {
            folder.join(scene)
        };
        found.look_into(main)?;
        Ok(found)
    }

    /// Which options count: `shot.ini`, or `shot.ini[low]`.
    fn ini_of(&self, scene: &Path, open: &Open) -> Option<String> {
        let beside = open
            .settings
            .get("ini")
            .and_then(serde_json::Value::as_bool)
            != Some(false);
        let ini = match is_ini(scene) {
            true => scene.to_owned(),
            false if beside => Some(scene.with_extension("ini")).filter(|ini| ini.is_file())?,
            false => return None,
        };
        let name = ini.file_name()?.to_string_lossy().into_owned();
        if !is_ini(scene) {
            // It has the scene's name, but it may be about another one.
            let mut options = Options::default();
            options.read(&name, &mut |name| read_text(&self.folder.join(name)));
            let other = options.text("input_file_name").map(Path::new);
            if other.is_some_and(|other| other.file_stem() != scene.file_stem()) {
                return None;
            }
        }
        let section = open
            .settings
            .get("section")
            .and_then(serde_json::Value::as_str);
        Some(match section {
            Some(section) => format!("{name}[{section}]"),
            None => name,
        })
    }

    fn read_options(&mut self, scene: &Path, ini: &str) {
        let folder = self.folder.clone();
        let mut read = Vec::new();
        self.options.read(ini, &mut |name| {
            let path = folder.join(name);
            let text = read_text(&path);
            read.push(path);
            text
        });
        for path in read.into_iter().filter(|path| path != scene) {
            let name = Named {
                name: path.to_string_lossy().into_owned(),
                kind: "options",
                extension: String::new(),
            };
            self.asset(path, &name);
        }
    }

    /// Reads a scene's text and everything that it includes.
    fn look_into(&mut self, main: PathBuf) -> Result<(), (String, &'static str)> {
        let mut queue = vec![plain(&main)];
        let mut done = BTreeSet::new();
        while let Some(path) = queue.pop() {
            if done.len() >= FILES_MAX || !done.insert(path.clone()) {
                continue;
            }
            let Some(text) = read_text(&path) else {
                if path == plain(&main) {
                    return Err((format!("cannot read {}", path.display()), ""));
                }
                let why = format!("{} is too large to be looked into", path.display());
                self.warnings.push(why);
                continue;
            };
            let seen = text::look(&text);
            for named in &seen.files {
                if let Some(found) = self.file(named) {
                    queue.push(found);
                }
            }
            self.seen.words.extend(seen.words);
            self.seen.writes |= seen.writes;
            self.seen.computed += seen.computed;
        }
        Ok(())
    }

    /// Lists a file; the path of a text that is to be looked into.
    fn file(&mut self, named: &Named) -> Option<PathBuf> {
        if let Some(path) = self.find(named) {
            self.asset(path.clone(), named);
            return (named.kind == "include").then(|| plain(&path));
        }
        let is_installed = |name: String| INSTALLED.contains(&format!(" {name} "));
        if is_installed(named.name.clone()) || named.extended().any(is_installed) {
            if INSTALLED_CRAND.contains(&named.name.as_str()) {
                self.seen.words.insert("crand");
            }
            return None;
        }
        self.plan.missing.push(named.name.clone());
        self.asset(self.folder.join(&named.name), named);
        None
    }

    /// Where POV-Ray would find a file.
    fn find(&self, named: &Named) -> Option<PathBuf> {
        let libraries = self
            .options
            .libraries
            .iter()
            .map(|path| self.folder.join(path));
        let folders: Vec<PathBuf> = std::iter::once(self.folder.clone())
            .chain(libraries)
            .collect();
        let names = std::iter::once(named.name.clone()).chain(named.extended());
        let names: Vec<String> = names.collect();
        let in_folder = |folder: &PathBuf| names.iter().map(|name| folder.join(name)).collect();
        let mut tried = folders.iter().flat_map::<Vec<PathBuf>, _>(in_folder);
        tried.find(|path| path.is_file())
    }

    fn asset(&mut self, path: PathBuf, named: &Named) {
        let path = plain(&path);
        let size = fs::metadata(&path).map(|file| file.len());
        let library = |library: &&String| library.starts_with('/') && path.starts_with(library);
        let asset = Asset {
            path: path.to_string_lossy().into_owned(),
            bytes: size.as_ref().copied().unwrap_or(0),
            missing: size.is_err(),
            kind: named.kind.to_owned(),
            absolute: named.name.starts_with('/') && named.kind != "options"
                || self.options.libraries.iter().any(|one| library(&one)),
        };
        if named.name.starts_with('/') && named.kind != "options" {
            self.warnings.push(format!(
                "{} is named by its absolute path, and POV-Ray finds it under no other: hosts need it there",
                asset.path
            ));
        }
        self.assets.insert(path, asset);
    }

    /// Whether tiles of it, put together, are what POV-Ray makes in one go. Found by experiment, with
    /// POV-Ray 3.7.0.10: `src/tests/exact.rs`.
    fn tiles(&self) -> Tiling {
        let has = |word: &str| self.seen.words.contains(word);
        let region = ["start_column", "end_column", "start_row", "end_row"];
        let why = if has("radiosity") {
            "radiosity depends on which pixels are rendered, and in which order"
        } else if has("photons") {
            "photons differ with the number of threads, and some with the tile"
        } else if has("crand") {
            "crand makes grain by chance, which is other grain each time"
        } else if has("jitter") {
            "jitter makes shadows by chance, which are others each time"
        } else if has("area_light") {
            "shadows of area lights keep traces of what was rendered just before, in single pixels"
        } else if has("subsurface") {
            "light below surfaces is sampled by chance, otherwise each time"
        } else if self.seen.writes {
            "the scene writes files while it is parsed"
        } else if region.iter().any(|key| self.options.text(key).is_some()) {
            "the .ini file renders a part of the picture only"
        } else {
            let smooth = self.options.is_on("antialias");
            let recursive = self
                .options
                .number("sampling_method")
                .is_some_and(|by| by >= 2.0);
            let block = self.options.number("render_block_size").unwrap_or(32.0);
            return Tiling {
                exact: true,
                // The other method does not look across the edges of its blocks.
                align: if smooth && !recursive {
                    block.max(1.0) as u32
                } else {
                    1
                },
                ..Tiling::default()
            };
        };
        Tiling {
            why: why.to_owned(),
            ..Tiling::default()
        }
    }

    fn into_scene(mut self) -> Scene {
        let kind = self
            .options
            .text("output_file_type")
            .unwrap_or("N")
            .to_ascii_uppercase();
        let output = match kind.chars().next() {
            Some('E') => "exr",
            Some('N') => "png",
            _ => {
                self.warnings.push(format!(
                    "files of type {kind} are not written here, but PNG"
                ));
                ""
            }
        };
        if self.options.text("width").is_none() && self.options.text("height").is_none() {
            let (width, height) = SIZE;
            self.warnings.push(format!(
                "nothing says how large the picture is; {width} x {height} is taken, `--set width=` and `--set height=` say more"
            ));
        }
        if self.seen.computed > 0 {
            self.warnings.push(format!(
                "{} file names are put together while POV-Ray parses, so these files are not listed; `--asset` names them",
                self.seen.computed
            ));
        }
        let threaded = ["photons", "radiosity"];
        for word in threaded
            .iter()
            .filter(|word| self.seen.words.contains(*word))
        {
            self.warnings.push(format!(
                "{word}: frames differ a little from run to run where a slot has more than one core; with one, every host renders the same"
            ));
        }
        let mut layers = Vec::new();
        if self.seen.writes {
            self.warnings.push(
                "the scene writes files while it is parsed, so all its frames are rendered in order on one slot".to_owned(),
            );
            layers.push(Layer {
                name: "scene".to_owned(),
                undivided: true,
                weight: 1.0,
                used: true,
                ..Layer::default()
            });
        }
        let alpha = self.options.is_on("output_alpha");
        let (first, last) = self.frames();
        Scene {
            first,
            last,
            step: self.options.integer("frame_step").unwrap_or(1).max(1) as u32,
            fps: 24.0,
            width: self.plan.width,
            height: self.plan.height,
            layers,
            costs: Costs {
                // Measured with an empty scene; what parsing a real one takes, nobody knows yet.
                load_s: Cost::new(0.5, Basis::Estimated),
                call_s: Cost::new(0.25, Basis::Estimated),
                frame_s: Cost::default(),
            },
            output: output.to_owned(),
            channels: match self.options.is_on("grayscale_output") {
                true => Vec::new(),
                false => ["R", "G", "B", "A"][..if alpha { 4 } else { 3 }]
                    .iter()
                    .map(|&name| name.to_owned())
                    .collect(),
            },
            tiles: self.tiles(),
            version_min: "3.7".to_owned(),
            carry: serde_json::to_value(&self.plan).unwrap_or_default(),
            assets: self.assets.into_values().collect(),
            warnings: self.warnings,
            ..Scene::default()
        }
    }

    /// The frames that are rendered: those of the shot, or the part of it that the options choose.
    fn frames(&self) -> (i32, i32) {
        let (first, last) = self.plan.shot(None);
        let frame = |key: &str, otherwise: i32| match self.options.number(key) {
            // A part of the shot, as POV-Ray reckons it.
            Some(part) if part > 0.0 && part < 1.0 => {
                let count = f64::from(last - first + 1);
                (first - 1 + (part * count) as i32).max(first)
            }
            Some(frame) => (frame as i32).clamp(first, last),
            None => otherwise,
        };
        let begin = frame("subset_start_frame", first);
        (begin, frame("subset_end_frame", last).max(begin))
    }
}

fn is_ini(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("ini"))
}

/// The text of a file that is not too large; what is not UTF-8 in it is replaced.
fn read_text(path: &Path) -> Option<String> {
    let length = fs::metadata(path).ok()?.len();
    let bytes = (length <= TEXT_BYTES_MAX).then(|| fs::read(path).ok())??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
