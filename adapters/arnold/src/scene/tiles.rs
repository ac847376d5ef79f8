//! Whether a frame may be rendered in parts, with `-rg`.
//!
//! What documents say: `-rg` sets the options' region, in pixels from the top left, both ends included.
//! They do not say whether samples just outside of a region are taken, which a filter wider than a pixel
//! needs at the region's edge. So the margin is the widest filter's radius: what a filter cannot reach
//! from the edge is the same either way, and neighbours overlap, so that a difference shows when they are
//! compared. Where one pixel depends on others further away, or on all of them, tiles are refused.

use framewright_plugin_api::data::Tiling;

use super::outputs::Group;
use super::{Facts, Filter};

/// Pixels of a bucket's edge where the scene says nothing.
const BUCKET_SIZE: u32 = 64;

/// Imagers that change each pixel by itself.
const PIXEL_IMAGERS: [&str; 8] = [
    "imager_exposure",
    "imager_color_correct",
    "imager_color_curves",
    "imager_white_balance",
    "imager_tonemap",
    "imager_lut",
    "imager_light_mixer",
    "imager_color_space",
];

/// Widths of Arnold's filters where the scene says nothing.
fn width(filter: &Filter) -> f64 {
    let default = match filter.kind.as_str() {
        "box_filter" | "closest_filter" | "farthest_filter" | "diff_filter" => 1.0,
        "catrom_filter" | "mitnet_filter" | "cubic_filter" => 4.0,
        "blackman_harris_filter" | "variance_filter" => 3.0,
        "sinc_filter" => 6.0,
        _ => 2.0,
    };
    filter.width.unwrap_or(default)
}

fn never(why: String) -> Tiling {
    Tiling {
        why,
        ..Tiling::default()
    }
}

/// Whether tiles equal the frame when pictures of this format are written.
pub fn tiling(facts: &Facts, groups: &[Group], format: &str) -> Tiling {
    if format != "exr" {
        return never(format!(
            "whether a region of a {format} has the region's size or the frame's is not documented; render EXR"
        ));
    }
    let options = &facts.options;
    if options.adaptive && options.aa_samples_max > options.aa_samples {
        return never("adaptive sampling decides by neighbouring pixels".to_owned());
    }
    if let Some(why) = has_own_region(facts) {
        return never(why);
    }
    let drivers = || {
        groups
            .iter()
            .filter_map(|group| facts.drivers.get(&group.driver))
    };
    for name in drivers().flat_map(|driver| &driver.inputs) {
        match facts.imagers.get(name) {
            Some(kind) if PIXEL_IMAGERS.contains(&kind.as_str()) => {}
            Some(kind) if kind.contains("denoise") => {
                return never(format!("`{name}` denoises, which looks at the whole frame"));
            }
            Some(kind) => return never(format!("`{name}` ({kind}) may look at other pixels")),
            None => return never(format!("what the imager `{name}` does is not known")),
        }
    }
    let outputs = groups.iter().flat_map(|group| &group.outputs);
    let mut radius: f64 = 0.5;
    for output in outputs {
        let filter = facts.filters.get(&output.filter);
        let kind = filter.map_or("", |filter| filter.kind.as_str());
        if kind.contains("denoise") {
            return never(format!("the filter of {} denoises", output.aov));
        }
        if kind == "contour_filter" {
            return never(format!(
                "{} has contours, which look further away",
                output.aov
            ));
        }
        radius = radius.max(filter.map_or(2.0, width) / 2.0);
    }
    let margin = radius.min(1024.0).ceil().max(1.0) as u32;
    // A filter of one pixel needs no margin, and then parts of buckets need not be wasted either.
    match radius <= 0.5 {
        true => Tiling {
            exact: true,
            align: options.bucket_size.unwrap_or(BUCKET_SIZE),
            ..Tiling::default()
        },
        false => Tiling {
            exact: true,
            margin,
            ..Tiling::default()
        },
    }
}

/// Why tiles cannot be where the scene renders only a part of its frame.
fn has_own_region(facts: &Facts) -> Option<String> {
    let [Some(left), Some(top), Some(right), Some(bottom)] = facts.options.region else {
        return None;
    };
    let (width, height) = facts.size();
    let whole = (0, 0, i64::from(width) - 1, i64::from(height) - 1);
    let is_unset = right < left || bottom < top;
    (!is_unset && (left, top, right, bottom) != whole).then(|| {
        format!("the scene renders only {left},{top} to {right},{bottom} of {width}x{height}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::outputs::Driver;

    fn scene(filter: &str, width: Option<f64>) -> Facts {
        let mut facts = Facts::default();
        facts.options.outputs = Some(vec!["RGBA RGBA f d".to_owned()]);
        let filter = Filter {
            kind: filter.to_owned(),
            width,
        };
        facts.filters.insert("f".to_owned(), filter);
        facts.drivers.insert("d".to_owned(), Driver::default());
        facts
    }

    fn of(facts: &Facts) -> Tiling {
        tiling(facts, &facts.groups(), "exr")
    }

    #[test]
    fn the_margin_is_the_widest_filters_radius() {
        for (kind, width, margin, align) in [
            ("gaussian_filter", None, 1, 0),
            ("gaussian_filter", Some(5.0), 3, 0),
            ("catrom_filter", None, 2, 0),
            ("box_filter", None, 0, 64),
            ("closest_filter", Some(1.0), 0, 64),
            ("box_filter", Some(1e9), 1024, 0),
        ] {
            let found = of(&scene(kind, width));
            assert_eq!(
                (found.exact, found.margin, found.align),
                (true, margin, align),
                "{kind}"
            );
        }
        let unknown = of(&scene("my_plugin_filter", None));
        assert_eq!((unknown.exact, unknown.margin), (true, 1));
    }

    #[test]
    fn what_looks_at_other_pixels_is_never_tiled() {
        let refused = |change: &dyn Fn(&mut Facts)| {
            let mut facts = scene("gaussian_filter", None);
            change(&mut facts);
            let found = of(&facts);
            assert!(!found.exact && !found.why.is_empty(), "{found:?}");
            found.why
        };
        refused(&|facts| {
            facts.options.adaptive = true;
            facts.options.aa_samples = Some(3);
            facts.options.aa_samples_max = Some(8);
        });
        let imager = |kind: &'static str| {
            refused(&move |facts| {
                facts.imagers.insert("i".to_owned(), kind.to_owned());
                let driver = facts.drivers.get_mut("d").expect("the driver");
                driver.inputs = vec!["i".to_owned()];
            })
        };
        assert!(imager("imager_denoiser_oidn").contains("denoises"));
        imager("imager_lens_effects");
        refused(&|facts| {
            facts.filters.get_mut("f").expect("it").kind = "contour_filter".to_owned()
        });
        refused(&|facts| {
            facts.filters.get_mut("f").expect("it").kind = "denoise_optix_filter".to_owned();
        });
        let why = refused(&|facts| {
            facts.options.width = Some(100);
            facts.options.height = Some(50);
            facts.options.region = [Some(0), Some(0), Some(49), Some(49)];
        });
        assert_eq!(why, "the scene renders only 0,0 to 49,49 of 100x50");
    }

    #[test]
    fn a_region_that_is_the_frame_is_none() {
        let mut facts = scene("gaussian_filter", None);
        facts.options.width = Some(512);
        facts.options.height = Some(512);
        facts.options.region = [Some(0), Some(0), Some(511), Some(511)];
        assert!(of(&facts).exact);
        let png = tiling(&facts, &facts.groups(), "png");
        assert!(!png.exact, "{png:?}");
    }
}
