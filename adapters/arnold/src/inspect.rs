//! `inspect`: from the scene's text to the document that describes it. No process, no Arnold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use framewright_plugin_api::command::Refusal;
use framewright_plugin_api::data::{Asset, Layer, LayerSplit, Open, Scene};

use crate::ass::Budget;
use crate::memo::{GroupMemo, Memo};
use crate::scene::costs::Weight;
use crate::scene::files::{self, FileRef, Unfindable};
use crate::scene::outputs::Group;
use crate::scene::sequence::Sequence;
use crate::scene::{Facts, tiles};
use crate::settings::Settings;

/// Text that is read of a scene and all that it includes: two seconds of the ten that the core waits for
/// an answer, at the 150 MB a second that one busy core reads.
const TEXT_BYTES_MAX: u64 = 256 << 20;
/// Files that are opened for it.
const FILES_MAX: u32 = 20_000;
/// Assets that are listed.
const ASSETS_MAX: usize = 100_000;
/// Holes of a sequence that are named one by one.
const HOLES_SHOWN_MAX: usize = 12;
/// Warnings that are kept.
const WARNINGS_MAX: usize = 100;
/// Folders and variables that the memo holds.
const NAMES_MAX: usize = 256;

/// Looks into a scene.
///
/// # Errors
/// When it is no scene file, or the settings do not fit it.
pub fn inspect(scene: &str, open: &Open, settings: &Settings) -> Result<Scene, Refusal> {
    let path = Path::new(scene);
    let mut budget = Budget::new(TEXT_BYTES_MAX, FILES_MAX);
    let read = Facts::read(path, &mut budget);
    let facts = read.map_err(|error| Refusal::unrenderable(error.to_string()))?;
    if !facts.has_options && !facts.cut {
        return Err(Refusal {
            hint: "an .ass without options is a part of a scene: render the file that includes it"
                .to_owned(),
            ..Refusal::unrenderable(format!("{scene} has no options node"))
        });
    }
    check_camera(&facts, settings)?;
    let sequence = Sequence::around(path, facts.options.frame, settings.sequence);
    if settings.sequence == Some(true) && sequence.is_none() {
        let why = format!("{scene} is not one file of several: no other has its name and a number");
        return Err(Refusal::unrenderable(why));
    }
    Ok(Looking {
        path,
        open,
        settings,
        facts,
        sequence,
        assets: Vec::new(),
        folders: BTreeSet::new(),
        variables: BTreeSet::new(),
        seen: BTreeSet::from([path.to_owned()]),
        named: BTreeSet::new(),
        warnings: Vec::new(),
    }
    .scene(&mut budget))
}

fn check_camera(facts: &Facts, settings: &Settings) -> Result<(), Refusal> {
    let Some(camera) = &settings.camera else {
        return Ok(());
    };
    if facts.cut || facts.cameras.contains(camera) {
        return Ok(());
    }
    Err(Refusal {
        hint: match facts.cameras.as_slice() {
            [] => "it has none".to_owned(),
            some => format!("it has {}", some.join(", ")),
        },
        ..Refusal::unrenderable(format!("the scene has no camera `{camera}`"))
    })
}

/// An inspection under way.
struct Looking<'a> {
    path: &'a Path,
    open: &'a Open,
    settings: &'a Settings,
    facts: Facts,
    sequence: Option<Sequence>,
    assets: Vec<Asset>,
    folders: BTreeSet<String>,
    variables: BTreeSet<String>,
    /// Paths that are listed.
    seen: BTreeSet<PathBuf>,
    /// Names that were looked up.
    named: BTreeSet<(String, String, PathBuf)>,
    warnings: Vec<String>,
}

impl Looking<'_> {
    fn scene(mut self, budget: &mut Budget) -> Scene {
        self.warnings.append(&mut self.facts.warnings);
        if self.facts.cut {
            self.warnings.push(
                "the scene is so long that its end was not read: files that it names there are not listed"
                    .to_owned(),
            );
        }
        let files = std::mem::take(&mut self.facts.files);
        self.list(&files);
        let bytes = self.path.metadata().map_or(0, |data| data.len());
        let name = self.path.to_string_lossy().into_owned();
        // What the other frames drag in is needed by their renders only.
        let weight = Weight::of((&name, bytes), &self.assets);
        self.list_sequence(budget);
        let groups = self.facts.groups();
        self.warn_of_outputs(&groups);
        let size = self.facts.size();
        let (width, height) = self.settings.resolution.unwrap_or(size);
        let frame = self.facts.frame();
        let range = self.sequence.as_ref().map(Sequence::range);
        let (first, last, step) = range.unwrap_or((frame, frame, 1));
        let format = match self.open.output.as_str() {
            "" => "exr",
            some => some,
        };
        let mut scene = Scene {
            first,
            last,
            step,
            fps: self.facts.fps(),
            width,
            height,
            camera: self
                .settings
                .camera
                .clone()
                .or(self.facts.options.camera.clone()),
            cameras: self.facts.cameras.clone(),
            layers: groups.iter().map(|group| self.layer(group)).collect(),
            costs: weight.costs(),
            memory_bytes: weight.memory_bytes(),
            channels: self.channels(&groups),
            tiles: tiles::tiling(&self.facts, &groups, format),
            layer_split: layer_split(&groups, format),
            ..Scene::default()
        };
        self.memo(&groups, size, frame).put(&mut scene);
        scene.warnings.splice(0..0, self.warnings);
        scene.assets = self.assets;
        scene
    }

    /// Lists what files name, each once.
    fn list(&mut self, files: &[FileRef]) {
        let folder = self.path.parent().map(Path::to_owned).unwrap_or_default();
        let search = self.facts.search();
        for file in files {
            let name = (file.text.clone(), file.kind.clone(), file.beside.clone());
            if self.named.len() >= ASSETS_MAX || !self.named.insert(name) {
                continue;
            }
            for name in files::variables(&file.text) {
                if self.variables.len() < NAMES_MAX {
                    self.variables.insert(name.to_owned());
                }
            }
            let found = match files::resolve(file, &search, &folder) {
                Ok(found) => found,
                Err(why) => {
                    self.warn_unfindable(file, &why);
                    continue;
                }
            };
            for one in found {
                if self.assets.len() >= ASSETS_MAX || !self.seen.insert(one.path.clone()) {
                    continue;
                }
                let parent = one.path.parent().and_then(Path::to_str);
                if let (true, Some(parent)) = (one.absolute, parent)
                    && self.folders.len() < NAMES_MAX
                {
                    self.folders.insert(parent.to_owned());
                }
                self.assets.push(Asset {
                    path: one.path.to_string_lossy().into_owned(),
                    bytes: one.bytes,
                    missing: one.missing,
                    kind: file.kind.clone(),
                    absolute: one.absolute,
                });
            }
        }
    }

    fn warn(&mut self, text: String) {
        if self.warnings.len() < WARNINGS_MAX && !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    fn warn_unfindable(&mut self, file: &FileRef, why: &Unfindable) {
        let (kind, text) = (&file.kind, &file.text);
        let text = match why {
            Unfindable::Variable(name) => {
                format!("{kind} {text} is not listed: the variable {name} is not set here")
            }
            Unfindable::Windows => format!("{kind} {text} is a path of Windows"),
            Unfindable::Token => {
                format!("{kind} {text} is not listed: which file it is shows when it is rendered")
            }
        };
        self.warn(text);
    }

    /// Lists the files of a sequence and what they drag in, as far as there is time to read them.
    fn list_sequence(&mut self, budget: &mut Budget) {
        let Some(sequence) = self.sequence.clone() else {
            return;
        };
        let holes = sequence.holes();
        if !holes.is_empty() {
            let shown = holes.iter().take(HOLES_SHOWN_MAX).cloned();
            let more = match holes.len().saturating_sub(HOLES_SHOWN_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            self.warnings.push(format!(
                "the sequence has no file for frame {}{more}",
                shown.collect::<Vec<String>>().join(", ")
            ));
        }
        let mut unread = 0;
        for path in sequence.files.values() {
            if path == self.path {
                continue;
            }
            if budget.has_more() {
                match Facts::read(path, budget) {
                    Ok(facts) => self.list(&facts.files),
                    Err(error) => self.warn(error.to_string()),
                }
            } else {
                unread += 1;
            }
            self.assets.push(Asset {
                path: path.to_string_lossy().into_owned(),
                bytes: path.metadata().map_or(0, |data| data.len()),
                kind: "frame".to_owned(),
                ..Asset::default()
            });
        }
        if unread > 0 {
            self.warnings.push(format!(
                "{unread} files of the sequence were not read: what they name and others do not is not listed"
            ));
        }
    }

    fn warn_of_outputs(&mut self, groups: &[Group]) {
        let skips = self.facts.options.skips_license;
        if skips {
            self.warnings.push(
                "the scene skips the licence check, so its pictures have a watermark and are refused"
                    .to_owned(),
            );
        }
        let told = self.facts.options.outputs.as_ref().map_or(0, Vec::len);
        let read = self.facts.outputs().len();
        if read < told {
            let count = told - read;
            self.warnings.push(format!(
                "{count} of the scene's {told} outputs cannot be understood"
            ));
        }
        for group in groups {
            let driver = self.facts.drivers.get(&group.driver);
            match driver {
                None if !self.facts.cut => self.warnings.push(format!(
                    "the driver `{}` of the outputs is not in the scene",
                    group.driver
                )),
                Some(driver) if driver.kind.contains("deep") => self.warnings.push(format!(
                    "`{}` is a deep picture, which is left out",
                    group.name
                )),
                _ => {}
            }
        }
        if groups.len() > 1 && self.open.output == "png" {
            self.warnings.push(format!(
                "the scene writes {} files a frame, and a PNG holds only `{}`",
                groups.len(),
                groups[0].name
            ));
        }
    }

    fn layer(&self, group: &Group) -> Layer {
        let kind = self
            .facts
            .drivers
            .get(&group.driver)
            .map(|driver| driver.kind.as_str());
        Layer {
            name: group.name.clone(),
            // Each group costs the whole frame: Arnold renders all of them with the same rays.
            weight: 1.0,
            passes: group.passes.clone(),
            used: !kind.is_some_and(|kind| kind.contains("deep")),
            ..Layer::default()
        }
    }

    /// Channels that a picture has at least. Where drivers name them by layers, or AOVs decide, nothing
    /// is claimed.
    fn channels(&self, groups: &[Group]) -> Vec<String> {
        let [group] = groups else {
            return Vec::new();
        };
        let driver = self.facts.drivers.get(&group.driver);
        let renames =
            |param: &String| matches!(param.as_str(), "preserve_layer_name on" | "multipart on");
        let beauty = group.outputs.first().filter(|output| {
            output.rest.is_empty()
                && matches!(output.aov.as_str(), "RGBA" | "RGB")
                && matches!(output.kind.as_str(), "RGBA" | "RGB")
        });
        if beauty.is_none() || driver.is_some_and(|driver| driver.params.iter().any(renames)) {
            return Vec::new();
        }
        ["R", "G", "B"].map(str::to_owned).to_vec()
    }

    fn memo(&self, groups: &[Group], size: (u32, u32), frame: i32) -> Memo {
        let own = self
            .settings
            .camera
            .as_ref()
            .or(self.facts.options.camera.as_ref());
        let outputs = groups.iter().flat_map(|group| &group.outputs);
        let cameras: BTreeSet<Option<&String>> = outputs
            .map(|output| output.camera.as_ref().or(own))
            .collect();
        let memo_of = |group: &Group| {
            let driver = self
                .facts
                .drivers
                .get(&group.driver)
                .cloned()
                .unwrap_or_default();
            GroupMemo {
                name: group.name.clone(),
                outputs: group.outputs.clone(),
                kind: driver.kind,
                params: driver.params,
            }
        };
        Memo {
            frame,
            sequence: self
                .sequence
                .as_ref()
                .map(|sequence| (sequence.naming.clone(), sequence.runs())),
            size,
            groups: groups.iter().map(memo_of).collect(),
            cameras: cameras.len(),
            folders: self.folders.iter().cloned().collect(),
            variables: self.variables.iter().cloned().collect(),
        }
    }
}

fn layer_split(groups: &[Group], format: &str) -> LayerSplit {
    let why = match groups {
        [] | [_] => "the scene has one AOV group".to_owned(),
        _ if format != "exr" => format!("AOV groups are put together as EXR, not {format}"),
        _ if groups.iter().any(|group| group.outputs.is_empty()) => {
            "render_output nodes cannot be sent elsewhere".to_owned()
        }
        _ => String::new(),
    };
    LayerSplit {
        exact: why.is_empty(),
        repeats: true,
        why,
    }
}
