//! What a scene file says: resolution, camera, frame, outputs, and which files it drags in.
//!
//! Includes and `.ass` procedurals are followed, because they drag in more. Knows nothing of the disk but
//! those; where files are is for `files`, what it all costs is for `costs`.
//!
//! Invariant: files that include each other are read once, and no chain is followed deeper than
//! [`DEPTH_MAX`].

pub mod costs;
pub mod files;
pub mod outputs;
pub mod sequence;
pub mod tiles;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::ass::{self, Budget, End, Item, Node, ReadError, Value};
use files::{FileRef, SearchPaths};
use outputs::{Driver, Group, Output};

/// How deep includes may stand in each other.
const DEPTH_MAX: usize = 16;
/// Nodes of a kind that are kept.
const NODES_MAX: usize = 4096;
/// Files that a scene may drag in.
const FILES_MAX: usize = 100_000;
/// Bytes of a driver's parameters that are kept.
const DRIVER_BYTES_MAX: usize = 8 * 1024;

/// The options node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub camera: Option<String>,
    pub frame: Option<f64>,
    pub fps: Option<f64>,
    /// Output strings as they stand there; `None` where there is no such parameter.
    pub outputs: Option<Vec<String>>,
    /// Drivers with `render_output` nodes, by name.
    pub drivers: Vec<String>,
    pub aa_samples: Option<i64>,
    pub aa_samples_max: Option<i64>,
    pub adaptive: bool,
    pub bucket_size: Option<u32>,
    /// Least and largest x and y, inclusive.
    pub region: [Option<i64>; 4],
    pub texture_memory_mb: Option<f64>,
    /// Skips the licence check, so that pictures have a watermark.
    pub skips_license: bool,
    search: BTreeMap<String, String>,
}

/// A filter node.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub kind: String,
    pub width: Option<f64>,
}

/// Everything that is known of a scene from its text.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub options: Options,
    pub has_options: bool,
    /// Cameras, by name, in their order.
    pub cameras: Vec<String>,
    pub drivers: BTreeMap<String, Driver>,
    pub filters: BTreeMap<String, Filter>,
    /// `imager_*` nodes: name and type.
    pub imagers: BTreeMap<String, String>,
    /// AOVs of `render_output` nodes, by name.
    render_outputs: BTreeMap<String, String>,
    /// Frames a second, where the exporter wrote them into the header.
    header_fps: Option<f64>,
    /// Files that it names, and where it does.
    pub files: Vec<FileRef>,
    /// Text of the scene file itself and all that were followed, in bytes as they are on the disk.
    pub text_bytes: u64,
    /// Not everything was read.
    pub cut: bool,
    /// What people should know.
    pub warnings: Vec<String>,
}

impl Facts {
    /// Reads a scene file and what it includes.
    ///
    /// # Errors
    /// When the scene file itself cannot be read. What it includes may be wrong: that is a warning.
    pub fn read(scene: &Path, budget: &mut Budget) -> Result<Facts, ReadError> {
        let mut facts = Facts::default();
        let mut seen = BTreeSet::from([scene.to_owned()]);
        let begin = facts.one(scene, true, budget)?;
        let mut waiting: Vec<(PathBuf, bool, usize)> = begin
            .into_iter()
            .rev()
            .map(|(path, in_scene)| (path, in_scene, 1))
            .collect();
        while let Some((path, in_scene, depth)) = waiting.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            if depth > DEPTH_MAX {
                facts.warn(format!(
                    "{} is not looked into: files include each other more than {DEPTH_MAX} deep",
                    path.display()
                ));
                continue;
            }
            if !budget.has_more() {
                facts.cut = true;
                break;
            }
            match facts.one(&path, in_scene, budget) {
                Ok(more) => waiting.extend(
                    more.into_iter()
                        .rev()
                        .map(|(path, in_it)| (path, in_it && in_scene, depth + 1)),
                ),
                Err(error) => facts.warn(format!("cannot look into an included file: {error}")),
            }
        }
        Ok(facts)
    }

    /// Reads one file. Which files it leads to, and whether their nodes are part of the scene, which
    /// those of a procedural are not.
    fn one(
        &mut self,
        path: &Path,
        in_scene: bool,
        budget: &mut Budget,
    ) -> Result<Vec<(PathBuf, bool)>, ReadError> {
        self.text_bytes += path.metadata().map_or(0, |data| data.len());
        let begun = self.files.len();
        let end = ass::read(path, budget, &mut |item| match item {
            Item::Node(node) => self.node(&node, in_scene),
            Item::Include(file) => self.file(file, "include", in_scene),
            Item::Header { key, value } if key == "fps" => self.header_fps = value.parse().ok(),
            Item::Header { .. } => {}
        })?;
        self.cut |= end == End::Cut;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let mut more = Vec::new();
        for at in begun..self.files.len() {
            self.files[at].beside = folder.clone();
            if !self.files[at].leads_on() {
                continue;
            }
            if let Some(found) = files::find(&self.files[at], &self.search(), &folder) {
                more.push((found, self.files[at].kind == "include"));
            }
        }
        Ok(more)
    }

    fn warn(&mut self, text: String) {
        const WARNINGS_MAX: usize = 100;
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(text);
        }
    }

    fn file(&mut self, text: String, kind: &str, in_scene: bool) {
        if self.files.len() < FILES_MAX {
            self.files.push(FileRef {
                text,
                kind: kind.to_owned(),
                in_scene,
                beside: PathBuf::new(),
            });
        } else {
            self.cut = true;
        }
    }

    fn node(&mut self, node: &Node, in_scene: bool) {
        let name = || node.text("name").unwrap_or_default().to_owned();
        let kind = node.kind.as_str();
        // What a procedural says of these, Arnold does not listen to.
        if kind == "options" {
            if in_scene {
                self.options(node);
            }
            return;
        }
        if kind.starts_with("driver_") || kind.ends_with("_driver") {
            if in_scene && self.drivers.len() < NODES_MAX {
                self.drivers.insert(name(), driver(node));
            }
            return;
        }
        if !in_scene {
        } else if kind.ends_with("_camera") {
            if self.cameras.len() < NODES_MAX {
                self.cameras.push(name());
            }
        } else if kind.ends_with("_filter") {
            if self.filters.len() < NODES_MAX {
                let filter = Filter {
                    kind: kind.to_owned(),
                    width: node.number("width"),
                };
                self.filters.insert(name(), filter);
            }
        } else if kind.starts_with("imager_") && self.imagers.len() < NODES_MAX {
            self.imagers.insert(name(), kind.to_owned());
        } else if kind == "render_output" && self.render_outputs.len() < NODES_MAX {
            let aov = node.text("aov").or(node.text("aov_name"));
            let aov = aov.map_or_else(name, str::to_owned);
            self.render_outputs.insert(name(), aov);
        }
        for (text, kind) in files::named_by(node) {
            self.file(text, kind, in_scene);
        }
    }

    fn options(&mut self, node: &Node) {
        self.has_options = true;
        let options = &mut self.options;
        let size = |name: &str| node.integer(name).and_then(|size| u32::try_from(size).ok());
        let set = |old: &mut Option<u32>, name: &str| *old = size(name).or(*old);
        set(&mut options.width, "xres");
        set(&mut options.height, "yres");
        set(&mut options.bucket_size, "bucket_size");
        if let Some(camera) = node.text("camera") {
            options.camera = Some(camera.to_owned());
        }
        options.frame = node.number("frame").or(options.frame);
        options.fps = node.number("fps").or(options.fps);
        options.aa_samples = node.integer("AA_samples").or(options.aa_samples);
        options.aa_samples_max = node.integer("AA_samples_max").or(options.aa_samples_max);
        options.adaptive = node
            .switch("enable_adaptive_sampling")
            .unwrap_or(options.adaptive);
        options.skips_license = node
            .switch("skip_license_check")
            .unwrap_or(options.skips_license);
        options.texture_memory_mb = node
            .number("texture_max_memory_MB")
            .or(options.texture_memory_mb);
        let region = [
            "region_min_x",
            "region_min_y",
            "region_max_x",
            "region_max_y",
        ];
        for (old, name) in options.region.iter_mut().zip(region) {
            *old = node.integer(name).or(*old);
        }
        if node.get("outputs").is_some() {
            options.outputs = Some(node.texts("outputs").map(str::to_owned).collect());
        }
        if node.get("drivers").is_some() {
            options.drivers = node.texts("drivers").map(str::to_owned).collect();
        }
        for param in &node.params {
            if let (true, Some(value)) = (param.name.ends_with("_searchpath"), param.values.first())
            {
                let text = value.text().to_owned();
                options.search.insert(param.name.clone(), text);
            }
        }
    }

    /// Where files are looked for.
    pub fn search(&self) -> SearchPaths {
        SearchPaths::of(&self.options.search)
    }

    /// Width and height of the picture. Arnold's own defaults where the scene says nothing.
    pub fn size(&self) -> (u32, u32) {
        (
            self.options.width.unwrap_or(320),
            self.options.height.unwrap_or(240),
        )
    }

    /// The frame that the file holds.
    pub fn frame(&self) -> i32 {
        let frame = self.options.frame.unwrap_or(1.0).round();
        // A float-to-int cast saturates.
        frame as i32
    }

    pub fn fps(&self) -> f64 {
        let known = self.options.fps.or(self.header_fps);
        known
            .filter(|fps| *fps > 0.0 && fps.is_finite())
            .unwrap_or(24.0)
    }

    /// Output strings, read; those that cannot be are left out.
    pub fn outputs(&self) -> Vec<Output> {
        let texts = self.options.outputs.iter().flatten();
        texts.filter_map(|text| Output::read(text)).collect()
    }

    /// AOV groups: files that a frame is written to.
    pub fn groups(&self) -> Vec<Group> {
        let found = outputs::groups(&self.outputs());
        if !found.is_empty() {
            return found;
        }
        let of_driver = |name: &String| {
            let driver = self.drivers.get(name)?;
            let aov = |output: &String| self.render_outputs.get(output).cloned();
            let passes: Vec<String> = driver.outputs.iter().filter_map(aov).collect();
            Some(Group {
                name: passes.first().unwrap_or(name).clone(),
                passes,
                outputs: Vec::new(),
                driver: name.clone(),
            })
        };
        let mut found: Vec<Group> = self.options.drivers.iter().filter_map(of_driver).collect();
        outputs::name_apart(&mut found);
        found
    }
}

fn driver(node: &Node) -> Driver {
    let mut room = DRIVER_BYTES_MAX;
    let ours = ["name", "filename", "append", "render_outputs"];
    let params = node
        .params
        .iter()
        .filter(|param| !ours.contains(&param.name.as_str()))
        .map_while(|param| {
            let text = written(param)?;
            room = room.checked_sub(text.len())?;
            Some(text)
        })
        .collect();
    let texts = |name: &str| node.texts(name).map(str::to_owned).collect();
    Driver {
        kind: node.kind.clone(),
        filename: node.text("filename").unwrap_or_default().to_owned(),
        params,
        inputs: texts("input"),
        outputs: texts("render_outputs"),
    }
}

/// A parameter as a scene file has it, on one line.
fn written(param: &ass::Param) -> Option<String> {
    let mut text = param.name.clone();
    if let Some(kind) = &param.array {
        text.push_str(&format!(" {} 1 {kind}", param.values.len()));
    }
    for value in &param.values {
        match value {
            Value::Word(word) => text.push_str(&format!(" {word}")),
            Value::Text(inner) => {
                let quoted = inner.replace('\\', "\\\\").replace('"', "\\\"");
                text.push_str(&format!(" \"{quoted}\""));
            }
        }
    }
    (!param.values.is_empty() && !text.contains('\n')).then_some(text)
}
