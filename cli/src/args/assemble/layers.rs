//! `assemble layers`: what is typed.

use std::path::PathBuf;

use clap::Args;
use framewright_assemble::layers::LayerFile;

use crate::printable::printable;
use crate::problem::Presentable;

#[derive(Clone, Debug, Args)]
pub(crate) struct LayersArgs {
    /// The layers, each with its file.
    #[arg(value_name = "LAYER=FILE", required = true)]
    pub(crate) layers: Vec<String>,
    /// Write the merged EXR here.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Make a part for each layer, with its channels as they are, instead of one part with all
    /// channels. Blocks are copied as they are; Blender reads one part only.
    #[arg(long)]
    pub(crate) parts: bool,
    /// Replace FILE if it is there.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

impl LayersArgs {
    /// Layers with their files.
    pub(crate) fn files(&self) -> Result<Vec<LayerFile>, Presentable> {
        let file = |typed: &String| match typed.split_once('=') {
            Some((layer, path)) if !layer.is_empty() && !path.is_empty() => Ok(LayerFile {
                layer: layer.to_owned(),
                path: PathBuf::from(path),
            }),
            _ => Err(
                Presentable::usage(format!("`{}` is no LAYER=FILE", printable(typed)))
                    .hint("write a layer's name and its file: beauty=b.0017.exr"),
            ),
        };
        self.layers.iter().map(file).collect()
    }
}
