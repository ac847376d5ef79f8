//! From scene-linear light to what a screen shows.
//!
//! The transfer curves are those of IEC 61966-2-1 (sRGB) and ITU-R BT.709; a `.cube` file is
//! read as Adobe's "Cube LUT Specification 1.0" and Resolve's files have it, and interpolated
//! between eight neighbours. Exposure comes first, in stops. What is outside 0…1 after the
//! transform is clipped; NaN shows black.
//!
//! Does not know colour spaces with other primaries: a `.cube` can bring them.

mod cube;

use std::path::Path;

pub use cube::{Cube, CubeError};

/// What pictures of scene-linear light go through. PNG is shown as it is.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The curve.
    pub transform: Transform,
    /// Light is multiplied by two to this power first.
    pub exposure_stops: f32,
}

/// A curve from light to code values.
#[derive(Clone, Debug, Default)]
pub enum Transform {
    /// The sRGB curve.
    #[default]
    Srgb,
    /// The curve of BT.709 cameras.
    Rec709,
    /// None: samples are code values already.
    Raw,
    /// A table.
    Cube(Box<Cube>),
}

/// Why there is no such view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Neither a name nor a file.
    #[error("`{0}` is no view: use srgb, rec709, raw or a .cube file")]
    Unknown(String),
    /// More stops than light has.
    #[error("an exposure of {0} stops is not between -{EXPOSURE_MAX} and {EXPOSURE_MAX}")]
    Exposure(f32),
    /// A file that is no table.
    #[error(transparent)]
    Cube(#[from] CubeError),
}

/// Most stops either way.
pub const EXPOSURE_MAX: f32 = 64.0;

impl View {
    /// A view by its name, or by the path of a `.cube` file, which is read now.
    pub fn named(typed: &str, exposure_stops: f32) -> Result<Self, ViewError> {
        if exposure_stops.is_nan() || exposure_stops.abs() > EXPOSURE_MAX {
            return Err(ViewError::Exposure(exposure_stops));
        }
        let transform = match typed {
            "srgb" => Transform::Srgb,
            "rec709" => Transform::Rec709,
            "raw" => Transform::Raw,
            path if path.to_ascii_lowercase().ends_with(".cube") => {
                Transform::Cube(Box::new(Cube::read(Path::new(path))?))
            }
            other => return Err(ViewError::Unknown(other.to_owned())),
        };
        Ok(Self {
            transform,
            exposure_stops,
        })
    }

    /// What light is multiplied by.
    pub(crate) fn gain(&self) -> f32 {
        self.exposure_stops.exp2()
    }

    /// Code values of a pixel whose light has the exposure in it already.
    pub(crate) fn show(&self, light: [f32; 3]) -> [u16; 3] {
        match &self.transform {
            Transform::Srgb => light.map(|value| code(srgb_from_linear(value))),
            Transform::Rec709 => light.map(|value| code(rec709_from_linear(value))),
            Transform::Raw => light.map(code),
            Transform::Cube(cube) => cube.look_up(light).map(code),
        }
    }
}

/// 0…1 as sixteen bits.
fn code(value: f32) -> u16 {
    // NaN becomes 0, and infinity stays below the top.
    (value.clamp(0.0, 1.0) * 65535.0 + 0.5) as u16
}

/// The sRGB curve.
fn srgb_from_linear(light: f32) -> f32 {
    if light <= 0.003_130_8 {
        light * 12.92
    } else if light >= 1.0 {
        1.0
    } else {
        1.055 * light.powf(1.0 / 2.4) - 0.055
    }
}

/// The BT.709 curve.
fn rec709_from_linear(light: f32) -> f32 {
    if light < 0.018 {
        light * 4.5
    } else if light >= 1.0 {
        1.0
    } else {
        1.099 * light.powf(0.45) - 0.099
    }
}

/// Light of every sixteen-bit code value of an sRGB screen.
pub(crate) fn linear_of_srgb_codes() -> Vec<f32> {
    (0..=u16::MAX)
        .map(|code| {
            let value = f32::from(code) / 65535.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        })
        .collect()
}

/// The sRGB code value of light, of eight bits.
pub(crate) fn srgb_byte(light: f32) -> u8 {
    (srgb_from_linear(light).clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_pass_the_points_of_their_standards() {
        let srgb = View::default();
        // 8-bit 188 is half the light, as every table of sRGB says (187.5).
        assert_eq!(srgb.show([0.5, 0.0, 1.0]), [48192, 0, 65535]);
        let rec709 = View::named("rec709", 0.0).expect("a view");
        let [grey, ..] = rec709.show([0.18; 3]);
        // 0.409 for the grey card.
        assert!((f32::from(grey) / 65535.0 - 0.409).abs() < 5e-4, "{grey}");
        assert_eq!(srgb.show([f32::NAN, f32::INFINITY, -1.0]), [0, 65535, 0]);
    }

    #[test]
    fn screens_and_light_are_inverse() {
        let linear = linear_of_srgb_codes();
        for byte in 0..=255_u16 {
            let light = linear[usize::from(byte) * 257];
            assert_eq!(u16::from(srgb_byte(light)), byte);
        }
    }

    #[test]
    fn what_is_no_view_is_said() {
        let error = View::named("aces", 0.0).expect_err("no view");
        assert_eq!(
            error.to_string(),
            "`aces` is no view: use srgb, rec709, raw or a .cube file"
        );
        assert!(View::named("srgb", f32::NAN).is_err());
        assert!(View::named("srgb", 65.0).is_err());
    }
}
