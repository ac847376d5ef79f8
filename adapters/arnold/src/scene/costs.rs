//! What a scene may cost, guessed from the bytes that it drags in.
//!
//! All rates here are guesses for a machine of today with its files on a fast disk; nobody measured them
//! with Arnold. They are there so that a scene of 20 GB is not planned like one of 20 KB, and give way to
//! what a render measures. Costs are `estimated` for that reason.

use framewright_plugin_api::data::{Asset, Basis, Cost, Costs};

/// Starting `kick`, its plug-ins and the licence. In the logs at hand a start takes under a second where
/// the licence is not asked for.
const START_S: f64 = 1.0;

/// Bytes a second of reading `.ass` text.
const TEXT_RATE: f64 = 60e6;
/// The same of `.ass.gz`, in bytes of the file.
const ZIPPED_RATE: f64 = 20e6;
/// The same of USD, Alembic and other geometry.
const GEOMETRY_RATE: f64 = 150e6;
/// The same of volumes.
const VOLUME_RATE: f64 = 200e6;
/// The same of textures, which are read in tiles as rays hit them: a part of each.
const TEXTURE_RATE: f64 = 1e9;

/// Bytes of geometry, as files have them, a second of subdividing and sorting into trees.
const TREE_RATE: f64 = 100e6;

/// What `kick` needs with an empty scene, going by the logs at hand: 130 to 270 MB.
const MEMORY_BYTES: u64 = 256 << 20;

/// Sums over what a scene drags in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weight {
    text: f64,
    zipped: f64,
    geometry: f64,
    volumes: f64,
    textures: f64,
}

impl Weight {
    /// Of a scene file and its assets.
    pub fn of(scene: (&str, u64), assets: &[Asset]) -> Weight {
        let mut weight = Weight::default();
        weight.add("include", scene.0, scene.1);
        for asset in assets {
            weight.add(&asset.kind, &asset.path, asset.bytes);
        }
        weight
    }

    fn add(&mut self, kind: &str, path: &str, bytes: u64) {
        let bytes = bytes as f64;
        let sum = match kind {
            _ if path.ends_with(".ass.gz") => &mut self.zipped,
            _ if path.ends_with(".ass") => &mut self.text,
            "procedural" => &mut self.geometry,
            "volume" => &mut self.volumes,
            _ => &mut self.textures,
        };
        *sum += bytes;
    }

    /// Seconds.
    pub fn costs(&self) -> Costs {
        let load = START_S
            + self.text / TEXT_RATE
            + self.zipped / ZIPPED_RATE
            + self.geometry / GEOMETRY_RATE
            + self.volumes / VOLUME_RATE
            + self.textures / TEXTURE_RATE;
        let call = (self.text + 4.0 * self.zipped + self.geometry) / TREE_RATE;
        Costs {
            load_s: Cost::new(load, Basis::Estimated),
            call_s: Cost::new(call, Basis::Estimated),
            frame_s: Cost::default(),
        }
    }

    /// What a host needs at least. Hosts with less are not asked at all, so this guess is a low one:
    /// geometry as its files have it, volumes, and nothing for textures, which have a cache.
    pub fn memory_bytes(&self) -> u64 {
        MEMORY_BYTES + (self.text / 4.0 + self.zipped + self.geometry + self.volumes) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asset(kind: &str, path: &str, bytes: u64) -> Asset {
        Asset {
            path: path.to_owned(),
            bytes,
            kind: kind.to_owned(),
            ..Asset::default()
        }
    }

    #[test]
    fn a_scene_costs_more_the_more_it_drags_in() {
        let empty = Weight::of(("/s/a.ass", 4_000), &[]).costs();
        assert!((1.0..1.1).contains(&empty.load_s.seconds), "{empty:?}");
        let heavy = [
            asset("procedural", "/s/city.usd", 3_000_000_000),
            asset("texture", "/s/a.tx", 2_000_000_000),
        ];
        let weight = Weight::of(("/s/a.ass", 4_000), &heavy);
        let costs = weight.costs();
        assert!((20.0..30.0).contains(&costs.load_s.seconds), "{costs:?}");
        assert!((25.0..35.0).contains(&costs.call_s.seconds), "{costs:?}");
        assert_eq!(costs.load_s.basis, Basis::Estimated);
        assert_eq!(weight.memory_bytes() >> 30, 3);
    }
}
