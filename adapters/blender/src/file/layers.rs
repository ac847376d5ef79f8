//! View layers and their passes; of files before 2.80, the render layers that became them.

use crate::lines::Message;

use super::order::Version;
use super::properties::Properties;
use super::record::Record;

/// `VIEW_LAYER_RENDER` of `ViewLayer.flag`, `SCE_LAY_DISABLE` of `SceneRenderLayer.layflag`.
const RENDERED: u32 = 0;
const DISABLED: u32 = 15;
/// `SCE_PASS_COMBINED` of `passflag`.
const COMBINED: u32 = 0;

/// Bits of `cryptomatte_flag`, of `passflag` and of EEVEE's passes, in the order in which Blender
/// tells them.
const CRYPTOMATTE: [(u32, &str); 3] = [
    (0, "cryptomatte_object"),
    (1, "cryptomatte_material"),
    (2, "cryptomatte_asset"),
];
const PASSES: [(u32, &str); 24] = [
    (1, "z"),
    (9, "vector"),
    (7, "position"),
    (8, "normal"),
    (12, "uv"),
    (14, "mist"),
    (11, "object_index"),
    (18, "material_index"),
    (5, "shadow"),
    (6, "ambient_occlusion"),
    (16, "emit"),
    (17, "environment"),
    (19, "diffuse_direct"),
    (20, "diffuse_indirect"),
    (21, "diffuse_color"),
    (22, "glossy_direct"),
    (23, "glossy_indirect"),
    (24, "glossy_color"),
    (25, "transmission_direct"),
    (26, "transmission_indirect"),
    (27, "transmission_color"),
    (28, "subsurface_direct"),
    (29, "subsurface_indirect"),
    (30, "subsurface_color"),
];
const CYCLES: [&str; 3] = ["volume_direct", "volume_indirect", "shadow_catcher"];
const EEVEE: [(u32, &str); 2] = [(9, "volume_direct"), (14, "bloom")];

/// Cycles kept these by itself before they became Blender's.
const CYCLES_CRYPTOMATTE: [(&str, &str); 3] = [
    ("use_pass_crypto_object", "cryptomatte_object"),
    ("use_pass_crypto_material", "cryptomatte_material"),
    ("use_pass_crypto_asset", "cryptomatte_asset"),
];
const CRYPTOMATTE_IS_BLENDERS: Version = (2, 93);

/// One view layer.
pub(super) struct Layer<'a> {
    record: Record<'a>,
    version: Version,
    pub(super) name: String,
    pub(super) is_used: bool,
}

/// The layers of a scene, in its order.
pub(super) fn all<'a>(scene: &Record<'a>, version: Version) -> Vec<Layer<'a>> {
    let is_old = version < (2, 80) || scene.pointer("view_layers.first").is_none();
    let records = scene.list(if is_old { "r.layers" } else { "view_layers" });
    let layers = records.into_iter().map(|record| Layer {
        name: record.text("name").unwrap_or_default(),
        is_used: match is_old {
            true => !record.has("layflag", DISABLED),
            false => record.has("flag", RENDERED),
        },
        record,
        version,
    });
    layers.collect()
}

impl Layer<'_> {
    /// Whether Cycles denoises it where the scene wants denoising.
    pub(super) fn is_denoised(&self) -> bool {
        let cycles = Properties::of_layer(&self.record, "cycles");
        cycles.switch("use_denoising").unwrap_or(true)
    }

    fn passes(&self) -> Vec<String> {
        let record = &self.record;
        let cycles = Properties::of_layer(record, "cycles");
        let mut names = Vec::new();
        if record.has("passflag", COMBINED) {
            names.push("Combined");
        }
        if self.version < CRYPTOMATTE_IS_BLENDERS {
            let kept = CYCLES_CRYPTOMATTE.iter();
            names.extend(
                kept.filter(|(key, _)| cycles.switch(key) == Some(true))
                    .map(|one| one.1),
            );
        }
        let set = |field: &'static str, of: &'static [(u32, &'static str)]| {
            of.iter()
                .filter(move |(bit, _)| record.has(field, *bit))
                .map(|one| one.1)
        };
        names.extend(set("cryptomatte_flag", &CRYPTOMATTE));
        names.extend(set("passflag", &PASSES));
        let switched = |name: &&&str| cycles.switch(&format!("use_pass_{name}")) == Some(true);
        names.extend(CYCLES.iter().filter(switched));
        names.extend(set("eevee.render_passes", &EEVEE));
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        names.extend(
            record
                .list("aovs")
                .iter()
                .filter_map(|aov| aov.text("name")),
        );
        names
    }

    /// What is told of it.
    pub(super) fn message(&self) -> Message {
        Message::Layer {
            name: self.name.clone(),
            used: self.is_used,
            passes: self.passes(),
        }
    }
}
