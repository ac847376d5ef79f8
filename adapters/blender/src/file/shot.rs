//! The scene that a render renders, with the user's settings applied as `fw_prepare.py` does.

use std::collections::BTreeMap;

use serde_json::Value;

use super::layers::{self, Layer};
use super::nodes;
use super::order::Version;
use super::outside::Files;
use super::properties::Properties;
use super::record::Record;
use super::{Seen, Trouble};

/// Bits of `r.mode`.
const BORDER: u32 = 9;
const CROP: u32 = 11;
const NO_OVERWRITE: u32 = 22;
const FREESTYLE: u32 = 25;
/// `R_STAMP_DRAW` of `r.stamp`, `R_MULTIVIEW` of `r.scemode`, `SCE_VIEW_DISABLE` of a view.
const STAMP: u32 = 6;
const MULTIVIEW: u32 = 21;
const VIEW_OFF: u32 = 0;
/// `OB_CAMERA`.
const CAMERA: i64 = 11;
/// Most cameras that are told, as in `fw_inspect.py`.
const CAMERAS_MAX: usize = 100;
/// How deep collections are within each other at most.
const DEPTH_MAX: usize = 64;

/// Files up to this one had other defaults of Cycles (`cycles/version_update.py`).
const OLD_CYCLES: (u32, u32, i64) = (3, 0, 25);

/// `im_format.imtype`, as Python names it.
const FORMATS: [(i64, &str); 22] = [
    (0, "TARGA"),
    (1, "IRIS"),
    (4, "JPEG"),
    (14, "TARGA_RAW"),
    (15, "AVI_RAW"),
    (16, "AVI_JPEG"),
    (17, "PNG"),
    (20, "BMP"),
    (21, "HDR"),
    (22, "TIFF"),
    (23, "OPEN_EXR"),
    (24, "FFMPEG"),
    (26, "CINEON"),
    (27, "DPX"),
    (28, "OPEN_EXR_MULTILAYER"),
    (29, "DDS"),
    (30, "JPEG2000"),
    (31, "FFMPEG"),
    (32, "FFMPEG"),
    (33, "FFMPEG"),
    (35, "WEBP"),
    (36, "FFMPEG"),
];

/// A scene and what is asked of it.
pub(super) struct Shot<'a> {
    pub(super) files: &'a Files,
    pub(super) scene: Record<'a>,
    pub(super) settings: &'a BTreeMap<String, Value>,
    pub(super) version: Version,
    subversion: i64,
    /// Everything in it, each once, collection by collection.
    pub(super) objects: Vec<Record<'a>>,
}

/// Why a scene is not what was asked for, in a sentence.
pub(super) enum Refusal {
    Sentence(String),
    Trouble(Trouble),
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Refusal::Trouble(trouble)
    }
}

impl<'a> Shot<'a> {
    /// The scene that the settings name, or that the file was saved with.
    pub(super) fn choose(
        files: &'a Files,
        settings: &'a BTreeMap<String, Value>,
    ) -> Result<Self, Refusal> {
        let blend = &files.main;
        let scenes: Vec<Record<'a>> = blend.all(b"SC").collect();
        let global = blend.global();
        let current = global.and_then(|global| global.pointer("curscene"));
        let scene = match settings.get("scene").and_then(Value::as_str) {
            Some(name) => scenes
                .iter()
                .find(|one| one.name() == name)
                .ok_or_else(|| {
                    let names = sorted(scenes.iter().map(Record::name).collect()).join(", ");
                    Refusal::Sentence(format!(
                        "the file has no scene named {name} (it has: {names})"
                    ))
                })?,
            None => scenes
                .iter()
                .find(|one| Some(one.address()) == current)
                .or_else(|| scenes.first())
                .ok_or(Trouble::Empty)?,
        };
        let mut shot = Shot {
            files,
            scene: *scene,
            settings,
            version: blend.header.version,
            subversion: global.and_then(|one| one.int("subversion")).unwrap_or(0),
            objects: Vec::new(),
        };
        shot.objects = shot.gather();
        if let Some(name) = shot.text("camera")
            && !shot.cameras().iter().any(|one| one == name)
        {
            let names = match shot.cameras() {
                none if none.is_empty() => "none".to_owned(),
                some => some.join(", "),
            };
            return Err(Refusal::Sentence(format!(
                "scene {} has no camera named {name} (it has: {names})",
                scene.name()
            )));
        }
        Ok(shot)
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.settings.get(key).and_then(Value::as_str)
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.settings.get(key).and_then(Value::as_i64)
    }

    fn int(&self, path: &str) -> i64 {
        self.scene.int(path).unwrap_or(0)
    }

    /// Names of all scenes, in Blender's order.
    pub(super) fn scenes(&self) -> Vec<String> {
        sorted(self.files.main.all(b"SC").map(|one| one.name()).collect())
    }

    /// First and last frame, and every how many.
    pub(super) fn frames(&self) -> (i32, i32, u32) {
        let frame = |path| i32::try_from(self.int(path)).unwrap_or(0);
        let step = u32::try_from(self.int("r.frame_step")).unwrap_or(1);
        (frame("r.sfra"), frame("r.efra"), step.max(1))
    }

    /// Frames a second.
    pub(super) fn fps(&self) -> f64 {
        let base = self.scene.real("r.frs_sec_base").filter(|base| *base > 0.0);
        f64::from(i32::try_from(self.int("r.frs_sec")).unwrap_or(0)) / base.unwrap_or(1.0)
    }

    /// Width and height of the written picture.
    pub(super) fn size(&self) -> (u32, u32) {
        let percentage = self.number("percentage").unwrap_or(self.int("r.size"));
        let whole = |key: &str, path: &str| {
            let full = self.number(key).unwrap_or(self.int(path));
            let scaled = full.saturating_mul(percentage) / 100;
            u32::try_from(scaled.clamp(1, 1 << 24)).unwrap_or(1)
        };
        let (width, height) = (
            whole("resolution_x", "r.xsch"),
            whole("resolution_y", "r.ysch"),
        );
        if !(self.has_border() && self.scene.has("r.mode", CROP)) {
            return (width, height);
        }
        let between = |low: &str, high: &str, size: u32| {
            let at = |name: &str| {
                let part = self.scene.real(&format!("r.border.{name}")).unwrap_or(0.0);
                pixel(part, size)
            };
            at(high).saturating_sub(at(low)).max(1)
        };
        (
            between("xmin", "xmax", width),
            between("ymin", "ymax", height),
        )
    }

    pub(super) fn has_border(&self) -> bool {
        self.scene.has("r.mode", BORDER)
    }

    pub(super) fn overwrites(&self) -> bool {
        !self.scene.has("r.mode", NO_OVERWRITE)
    }

    pub(super) fn has_freestyle(&self) -> bool {
        self.scene.has("r.mode", FREESTYLE)
    }

    pub(super) fn has_stamp(&self) -> bool {
        self.scene.has("r.stamp", STAMP)
    }

    /// How many pictures of different eyes a frame has.
    pub(super) fn views(&self) -> usize {
        if !self.scene.has("r.scemode", MULTIVIEW) {
            return 1;
        }
        let views = self.scene.list("r.views");
        views
            .iter()
            .filter(|view| !view.has("viewflag", VIEW_OFF))
            .count()
            .max(1)
    }

    /// The engine, as Blender calls it today.
    pub(super) fn engine(&self) -> String {
        if let Some(name) = self.text("engine") {
            return name.to_owned();
        }
        match self.scene.text("r.engine") {
            Some(name) if name == "BLENDER_RENDER" || name == "BLENDER_GAME" => {
                "BLENDER_EEVEE".to_owned()
            }
            Some(name) => name,
            None => "BLENDER_EEVEE".to_owned(),
        }
    }

    /// The camera that renders.
    pub(super) fn camera(&self) -> Option<String> {
        if let Some(name) = self.text("camera") {
            return Some(name.to_owned());
        }
        Some(self.scene.follow("camera")?.name())
    }

    /// Names of all cameras.
    pub(super) fn cameras(&self) -> Vec<String> {
        let cameras = self
            .objects
            .iter()
            .filter(|one| one.int("type") == Some(CAMERA));
        cameras.map(Record::name).take(CAMERAS_MAX).collect()
    }

    pub(super) fn layers(&self) -> Vec<Layer<'a>> {
        layers::all(&self.scene, self.version)
    }

    /// The format in which the scene itself writes.
    pub(super) fn own_format(&self) -> &'static str {
        let format = self.int("r.im_format.imtype");
        let known = FORMATS.iter().find(|one| one.0 == format);
        known.map_or("another format", |one| one.1)
    }

    /// `BW`, `RGB` or `RGBA`.
    pub(super) fn color_mode(&self) -> &'a str {
        self.text("color_mode")
            .unwrap_or(match self.int("r.im_format.planes") {
                8 => "BW",
                24 => "RGB",
                _ => "RGBA",
            })
    }

    /// How much noise is mixed into pictures of few bits.
    pub(super) fn dither(&self) -> f64 {
        self.scene.real("r.dither_intensity").unwrap_or(1.0)
    }

    /// What Cycles keeps with the scene.
    fn cycles(&self) -> Properties<'a> {
        Properties::of(&self.scene, "cycles")
    }

    fn has_old_cycles(&self) -> bool {
        (self.version.0, self.version.1, self.subversion) <= OLD_CYCLES
    }

    /// Whether sampling stops where pixels are good enough.
    pub(super) fn is_adaptive(&self) -> bool {
        let stored = self.cycles().switch("use_adaptive_sampling");
        stored.unwrap_or(!self.has_old_cycles())
    }

    /// After how many seconds sampling stops wherever it is; 0 = never.
    pub(super) fn time_limit_s(&self) -> f64 {
        self.cycles().number("time_limit").unwrap_or(0.0)
    }

    /// Whether Cycles denoises a layer that is rendered.
    pub(super) fn denoises(&self) -> bool {
        let wanted = self.settings.get("denoise").and_then(Value::as_bool);
        let stored = || {
            self.cycles()
                .switch("use_denoising")
                .unwrap_or(!self.has_old_cycles())
        };
        let is_wanted = self.engine() == "CYCLES" && wanted.unwrap_or_else(stored);
        is_wanted
            && self
                .layers()
                .iter()
                .any(|layer| layer.is_used && layer.is_denoised())
    }

    pub(super) fn has_strips(&self) -> bool {
        nodes::has_strips(&self.scene)
    }

    fn gather(&self) -> Vec<Record<'a>> {
        let (mut found, mut seen) = (Vec::new(), Seen::new());
        let mut add = |holders: Vec<Record<'a>>, key: &str| {
            for holder in holders {
                let object = holder.follow(key).and_then(|one| self.files.real(&one));
                found.extend(object.filter(|one| seen.insert(one.key())));
            }
        };
        match self.scene.follow("master_collection") {
            Some(master) if self.version >= (2, 80) => {
                for collection in self.collections(&master) {
                    add(collection.list("gobject"), "ob");
                }
            }
            _ => add(self.scene.list("base"), "object"),
        }
        found
    }

    /// A collection and all in it, each once.
    fn collections(&self, master: &Record<'a>) -> Vec<Record<'a>> {
        let (mut found, mut seen) = (Vec::new(), Seen::new());
        let mut waiting = vec![(*master, 0)];
        while let Some((collection, depth)) = waiting.pop() {
            if depth == DEPTH_MAX || !seen.insert(collection.key()) {
                continue;
            }
            found.push(collection);
            let children = collection.list("children");
            let children = children
                .iter()
                .filter_map(|child| child.follow("collection"));
            let mut children: Vec<_> = children
                .filter_map(|one| Some((self.files.real(&one)?, depth + 1)))
                .collect();
            children.reverse();
            waiting.append(&mut children);
        }
        found
    }
}

/// The pixel that Blender truncates a part of a picture to: parts are 32-bit floats there.
fn pixel(part: f64, size: u32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Blender reckons in 32 bits"
    )]
    let at = (part * f64::from(size)) as f32;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped"
    )]
    let at = at.clamp(0.0, 16_777_216.0) as u32;
    at
}

/// As Blender sorts names: without regard to case.
fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_by_cached_key(|name| (name.to_lowercase(), name.clone()));
    names
}
