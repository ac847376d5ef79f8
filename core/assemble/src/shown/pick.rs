//! Which channels of an EXR are shown.
//!
//! Asked for a layer: its `R`, `G`, `B`, else those of its `Combined` pass, else what single pass
//! has that name (`beauty.Depth`, in grey). Not asked: `Composite.Combined`, which is what Blender
//! makes of all layers; else bare `R`, `G`, `B`; else the first layer's.

use super::Flaw;

/// Most names that an error lists.
const KNOWN_MAX: usize = 12;

/// Places of the shown channels in the file's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picked {
    /// The same thrice for grey.
    pub(super) colour: [usize; 3],
    pub(super) alpha: Option<usize>,
}

/// `names` are full: with their part where a file has several.
pub(super) fn pick(names: &[String], layer: Option<&str>) -> Result<Picked, Flaw> {
    let picked = match layer {
        Some(layer) => colour(names, &format!("{layer}."))
            .or_else(|| colour(names, &format!("{layer}.Combined.")))
            .or_else(|| grey(names, layer)),
        None => colour(names, "Composite.Combined.")
            .or_else(|| colour(names, ""))
            .or_else(|| first_colour(names))
            .or_else(|| grey_of_all(names)),
    };
    picked.ok_or_else(|| Flaw::NoLayer {
        layer: layer.unwrap_or("Combined").to_owned(),
        known: known(names),
    })
}

fn place(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|known| known == name)
}

fn colour(names: &[String], prefix: &str) -> Option<Picked> {
    let place = |letter: char| place(names, &format!("{prefix}{letter}"));
    let either = |upper: char| place(upper).or_else(|| place(upper.to_ascii_lowercase()));
    let colour = match (either('R'), either('G'), either('B')) {
        (Some(red), Some(green), Some(blue)) => [red, green, blue],
        // Normals and positions, as colours.
        _ => [place('X')?, place('Y')?, place('Z')?],
    };
    Some(Picked {
        colour,
        alpha: either('A'),
    })
}

/// The first layer's `Combined`, else the first of any three colours.
fn first_colour(names: &[String]) -> Option<Picked> {
    let prefixes = || names.iter().filter_map(|name| name.strip_suffix('R'));
    prefixes()
        .filter(|prefix| prefix.ends_with(".Combined."))
        .chain(prefixes())
        .find_map(|prefix| colour(names, prefix))
}

/// A single channel: by its name, or the only one with that name before its last dot.
fn grey(names: &[String], layer: &str) -> Option<Picked> {
    let below = || {
        let prefix = format!("{layer}.");
        let mut below = (0..names.len()).filter(|at| {
            names[*at]
                .strip_prefix(&prefix)
                .is_some_and(|rest| !rest.contains('.') && rest != "A")
        });
        let only = below.next()?;
        below.next().is_none().then_some(only)
    };
    place(names, layer).or_else(below).map(thrice)
}

/// Pictures of luminance alone.
fn grey_of_all(names: &[String]) -> Option<Picked> {
    let place = place(names, "Y").or((names.len() == 1).then_some(0))?;
    Some(Picked {
        alpha: self::place(names, "A"),
        ..thrice(place)
    })
}

fn thrice(place: usize) -> Picked {
    Picked {
        colour: [place; 3],
        alpha: None,
    }
}

/// What can be asked for.
fn known(names: &[String]) -> String {
    let mut layers: Vec<&str> = Vec::new();
    for (layer, _) in names.iter().filter_map(|name| name.rsplit_once('.')) {
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    let more = layers.len() > KNOWN_MAX;
    layers.truncate(KNOWN_MAX);
    match layers[..] {
        [] => "none".to_owned(),
        _ => layers.join(", ") + if more { ", …" } else { "" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &str, layer: Option<&str>) -> Result<String, String> {
        let names: Vec<String> = names.split(' ').map(ToOwned::to_owned).collect();
        match pick(&names, layer) {
            Ok(Picked { colour, alpha }) => Ok(colour
                .iter()
                .chain(&alpha)
                .map(|at| names[*at].as_str())
                .collect::<Vec<_>>()
                .join(" ")),
            Err(Flaw::NoLayer { layer, known }) => Err(format!("{layer}: {known}")),
            Err(_) => unreachable!("only layers are picked"),
        }
    }

    const BLENDER: &str = "Composite.Combined.A Composite.Combined.B Composite.Combined.G \
        Composite.Combined.R b.AO.B b.AO.G b.AO.R b.Combined.A b.Combined.B b.Combined.G \
        b.Combined.R b.Depth.Z b.Normal.X b.Normal.Y b.Normal.Z";

    #[test]
    fn what_is_not_asked_for_is_the_final_picture() {
        let composite = "Composite.Combined.R Composite.Combined.G Composite.Combined.B \
            Composite.Combined.A";
        assert_eq!(shown(BLENDER, None).as_deref(), Ok(composite));
        assert_eq!(shown("A B G R", None).as_deref(), Ok("R G B A"));
        let layers = "b.AO.B b.AO.G b.AO.R b.Combined.B b.Combined.G b.Combined.R";
        let combined = "b.Combined.R b.Combined.G b.Combined.B";
        assert_eq!(shown(layers, None).as_deref(), Ok(combined));
        assert_eq!(shown("f.B f.G f.R", None).as_deref(), Ok("f.R f.G f.B"));
        assert_eq!(shown("Y", None).as_deref(), Ok("Y Y Y"));
    }

    #[test]
    fn a_layer_or_a_pass_can_be_asked_for() {
        for (layer, channels) in [
            ("b", "b.Combined.R b.Combined.G b.Combined.B b.Combined.A"),
            ("b.AO", "b.AO.R b.AO.G b.AO.B"),
            ("b.Depth", "b.Depth.Z b.Depth.Z b.Depth.Z"),
            ("b.Normal", "b.Normal.X b.Normal.Y b.Normal.Z"),
            ("b.AO.G", "b.AO.G b.AO.G b.AO.G"),
        ] {
            assert_eq!(
                shown(BLENDER, Some(layer)).as_deref(),
                Ok(channels),
                "{layer}"
            );
        }
        let missing = "c: Composite.Combined, b.AO, b.Combined, b.Depth, b.Normal".to_owned();
        assert_eq!(shown(BLENDER, Some("c")), Err(missing));
    }
}
