//! Which tasks a job has: its layers together or apart, its frames whole or in tiles.
//!
//! What the user asks for is done exactly or refused with the reason; what the user leaves open is
//! decided by the kernel's own simulation ([`crate::split`]).
//!
//! Invariant: a layout that comes out of here gives, put together, the picture that the renderer
//! makes of a whole frame, as far as its adapter says so.

use framewright_plugin_api::data::{Description, Scene, Scope, TileAbility};

use crate::request::{Request, Split, TilesWish};
use crate::split::{GridError, Tiling, grid};

/// Why a job cannot be split as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A layer that the scene does not have.
    #[error("the scene has no layer `{layer}`; it has {}", listed(known))]
    Layer {
        /// As typed.
        layer: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// A layer named twice.
    #[error("the layer `{layer}` is named twice")]
    LayerTwice {
        /// Which.
        layer: String,
    },
    /// The renderer renders all or nothing.
    #[error("{renderer} cannot render layers apart")]
    NoLayers {
        /// Its name.
        renderer: String,
    },
    /// The scene has none.
    #[error("the scene has no layers to be rendered apart")]
    NoneThere,
    /// Layers put together would not be the picture.
    #[error("the layers of this scene cannot be rendered apart: {why}")]
    LayersDiffer {
        /// The adapter's reason.
        why: String,
    },
    /// A layer without what it stands on.
    #[error("the layer `{layer}` stands on `{after}`, which is not rendered")]
    Without {
        /// The layer.
        layer: String,
        /// What it needs.
        after: String,
    },
    /// The renderer renders whole frames only.
    #[error("{renderer} cannot render a part of a frame")]
    NoTiles {
        /// Its name.
        renderer: String,
    },
    /// Tiles put together would not be the picture.
    #[error("the frames of this scene cannot be rendered in tiles: {why}")]
    TilesDiffer {
        /// The adapter's reason.
        why: String,
    },
    /// Less overlap than the picture needs.
    #[error(
        "tiles of this scene must overlap by {margin} pixels or more to fit together, not by {overlap}"
    )]
    Overlap {
        /// As typed.
        overlap: u32,
        /// What the adapter says.
        margin: u32,
    },
    /// An overlap of what is not tiled.
    #[error("an overlap is asked for, and the frames are not in tiles")]
    OverlapOfNothing,
    /// Orders that exclude each other.
    #[error("frames are to stay whole, with all layers in one, and {what} asked for")]
    Frames {
        /// What else was asked for.
        what: &'static str,
    },
    /// No such grid.
    #[error(transparent)]
    Grid(#[from] GridError),
}

impl SplitError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Layer { .. } => Some("`framewright inspect` lists a scene's layers".to_owned()),
            Self::LayerTwice { .. } => Some("name each layer once".to_owned()),
            Self::NoLayers { .. } | Self::NoneThere | Self::LayersDiffer { .. } => Some(
                "leave out --layers and --split layers: they are rendered together then".to_owned(),
            ),
            Self::Without { after, .. } => Some(format!("add `{after}` to --layers")),
            Self::NoTiles { .. } | Self::TilesDiffer { .. } => {
                Some("leave out --tiles: frames are rendered whole then".to_owned())
            }
            Self::Overlap { .. } => Some("leave out --overlap: it is chosen then".to_owned()),
            Self::OverlapOfNothing => {
                Some("say --tiles COLSxROWS, or leave out --overlap".to_owned())
            }
            Self::Frames { .. } => Some("leave out --split frames, or the other".to_owned()),
            Self::Grid(_) => Some("choose fewer tiles, e.g. --tiles auto".to_owned()),
        }
    }
}

fn listed(known: &[String]) -> String {
    match known {
        [] => "none".to_owned(),
        known => known.join(", "),
    }
}

/// What is to be done about tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tiles {
    /// None.
    Whole,
    /// As many as the kernel finds best.
    Auto,
    /// So many.
    Grid {
        /// Side by side.
        columns: u32,
        /// One above the other.
        rows: u32,
    },
}

/// What the user settled of a layout.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    /// Layers to be rendered apart; empty = the scene as it is.
    pub layers: Vec<String>,
    pub tiles: Tiles,
    /// Whether all is left open.
    pub is_open: bool,
}

/// What was asked for, refused where the scene or its renderer cannot do it.
pub(super) fn wish(
    request: &Request,
    scene: &Scene,
    description: &Description,
) -> Result<Wish, SplitError> {
    let layers_wanted = request.split == Split::Layers || !request.layers.is_empty();
    let tiles = match (request.tiles, request.split) {
        (Some(TilesWish::Grid { columns, rows }), _) => Tiles::Grid { columns, rows },
        (Some(TilesWish::Auto), _) | (None, Split::Tiles) => Tiles::Auto,
        (None, Split::Auto | Split::Frames | Split::Layers) => Tiles::Whole,
    };
    if request.split == Split::Frames {
        if layers_wanted {
            let what = "single layers are";
            return Err(SplitError::Frames { what });
        }
        if tiles != Tiles::Whole {
            let what = "tiles are";
            return Err(SplitError::Frames { what });
        }
    }
    let is_open = request.split == Split::Auto && !layers_wanted && tiles == Tiles::Whole;
    if tiles != Tiles::Whole {
        tiles_fit(scene, description)?;
    } else if request.overlap.is_some() && !is_open {
        return Err(SplitError::OverlapOfNothing);
    }
    let margin = scene.tiles.margin;
    if let Some(overlap) = request.overlap.filter(|overlap| *overlap < margin) {
        return Err(SplitError::Overlap { overlap, margin });
    }
    let layers = match layers_wanted {
        true => layers(request, scene, description)?,
        false => Vec::new(),
    };
    Ok(Wish {
        layers,
        tiles,
        is_open,
    })
}

/// Whether frames of the scene may be in tiles.
pub(super) fn tiles_fit(scene: &Scene, description: &Description) -> Result<(), SplitError> {
    if description.can.tiles == TileAbility::None {
        return Err(SplitError::NoTiles {
            renderer: description.renderer.clone(),
        });
    }
    if !scene.tiles.exact {
        let why = match scene.tiles.why.as_str() {
            "" => "its adapter does not say that they would fit together".to_owned(),
            why => why.to_owned(),
        };
        return Err(SplitError::TilesDiffer { why });
    }
    Ok(())
}

/// Whether the scene's layers may be rendered apart.
pub(super) fn layers_fit(scene: &Scene, description: &Description) -> Result<(), SplitError> {
    if !description.can.layers {
        return Err(SplitError::NoLayers {
            renderer: description.renderer.clone(),
        });
    }
    if !scene.layer_split.exact {
        let why = match scene.layer_split.why.as_str() {
            "" => "its adapter does not say that they would fit together".to_owned(),
            why => why.to_owned(),
        };
        return Err(SplitError::LayersDiffer { why });
    }
    Ok(())
}

/// The layers that the scene uses itself.
pub(super) fn used_layers(scene: &Scene) -> Vec<String> {
    let used = scene.layers.iter().filter(|layer| layer.used);
    used.map(|layer| layer.name.clone()).collect()
}

/// The layers to be rendered apart, in the scene's order.
fn layers(
    request: &Request,
    scene: &Scene,
    description: &Description,
) -> Result<Vec<String>, SplitError> {
    let known = || scene.layers.iter().map(|layer| layer.name.clone());
    for (index, layer) in request.layers.iter().enumerate() {
        if !known().any(|name| name == *layer) {
            return Err(SplitError::Layer {
                layer: layer.clone(),
                known: known().collect(),
            });
        }
        if request.layers[..index].contains(layer) {
            return Err(SplitError::LayerTwice {
                layer: layer.clone(),
            });
        }
    }
    layers_fit(scene, description)?;
    let wanted = match request.layers.is_empty() {
        true => used_layers(scene),
        false => known()
            .filter(|name| request.layers.contains(name))
            .collect(),
    };
    if wanted.is_empty() {
        return Err(SplitError::NoneThere);
    }
    stand_on_each_other(scene, &wanted)?;
    Ok(wanted)
}

/// Whether all that these layers stand on is among them.
pub(super) fn stand_on_each_other(scene: &Scene, wanted: &[String]) -> Result<(), SplitError> {
    for layer in scene
        .layers
        .iter()
        .filter(|layer| wanted.contains(&layer.name))
    {
        let mut after = layer.after.iter();
        if let Some(after) = after.find(|after| !wanted.contains(&after.layer)) {
            return Err(SplitError::Without {
                layer: layer.name.clone(),
                after: after.layer.clone(),
            });
        }
    }
    Ok(())
}

/// Overlap beyond what makes tiles exact.
const COMPARED: u32 = 2;

/// By how many pixels tiles overlap.
pub(super) fn overlap(request: &Request, scene: &Scene) -> u32 {
    request.overlap.unwrap_or(match scene.tiles.margin {
        0 => 0,
        // Neighbours share a few pixels that both have as they are, by which they are compared.
        margin => margin + COMPARED,
    })
}

/// Tiles of every frame, so many and with the asked-for overlap, or with that which makes them exact.
pub(super) fn tiling(
    request: &Request,
    scene: &Scene,
    columns: u32,
    rows: u32,
) -> Result<Tiling, SplitError> {
    let overlap = overlap(request, scene);
    let tiles = grid(
        scene.width,
        scene.height,
        columns,
        rows,
        overlap,
        scene.tiles.align,
    )?;
    // A simulation is rendered in one go, whatever the other layers are.
    let undivided = scene.layers.iter().filter(|layer| layer.undivided);
    let whole = undivided.map(|layer| layer.name.clone()).collect();
    Ok(Tiling::new(tiles, None).but_for(whole))
}

/// The layers that a layer waits for, and for how much of each.
pub(super) fn waits_for<'a>(
    scene: &'a Scene,
    layer: &'a str,
) -> impl Iterator<Item = (&'a str, Scope)> {
    let mut layers = scene.layers.iter();
    let layer = layers.find(move |other| other.name == layer);
    let after = layer.into_iter().flat_map(|layer| &layer.after);
    after.map(|after| (after.layer.as_str(), after.scope))
}
