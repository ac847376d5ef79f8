//! Pictures as numbers: whether two folders hold the same frames, in every decoded channel.
//!
//! Files are never compared as bytes: renderers stamp dates and machine names into them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use exr::prelude::{FlatSamples, read_all_flat_layers_from_file};

/// A picture: its size, and the bits of every sample of every channel, by the channel's name.
#[derive(PartialEq)]
struct Decoded {
    width: usize,
    height: usize,
    channels: BTreeMap<String, Vec<u32>>,
}

/// The pictures of a folder, by name. Anything else in it, a hidden folder too, is an error.
fn pictures(folder: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if !path.is_file() || !matches!(extension, Some("png" | "exr")) {
            return Err(format!("{} is no picture", path.display()));
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        found.insert(name, path);
    }
    Ok(found)
}

/// Whether two folders hold pictures of the same names and contents; how many, or what differs.
pub fn compare(wanted: &Path, found: &Path) -> Result<usize, String> {
    let (wanted, found) = (pictures(wanted)?, pictures(found)?);
    let names = |pictures: &BTreeMap<String, PathBuf>| -> Vec<String> {
        pictures.keys().cloned().collect()
    };
    if names(&wanted) != names(&found) {
        return Err(format!(
            "{:?} is there, not {:?}",
            names(&found),
            names(&wanted)
        ));
    }
    for (name, path) in &wanted {
        let (wanted, found) = (decode(path)?, decode(&found[name])?);
        if wanted.channels.keys().ne(found.channels.keys()) {
            return Err(format!("{name} has other channels"));
        }
        if (wanted.width, wanted.height) != (found.width, found.height) {
            return Err(format!("{name} has another size"));
        }
        for (channel, samples) in &wanted.channels {
            let others = &found.channels[channel];
            let differing = samples.iter().zip(others).filter(|(a, b)| a != b).count();
            if samples.len() != others.len() || differing > 0 {
                return Err(format!(
                    "{name} differs in {differing} samples of channel {channel}"
                ));
            }
        }
    }
    Ok(wanted.len())
}

fn decode(path: &Path) -> Result<Decoded, String> {
    let decoded = match path.extension().and_then(|extension| extension.to_str()) {
        Some("exr") => decode_exr(path),
        _ => decode_png(path),
    };
    decoded.map_err(|error| format!("{}: {error}", path.display()))
}

fn decode_png(path: &Path) -> Result<Decoded, Box<dyn std::error::Error>> {
    let decoder = png::Decoder::new(BufReader::new(File::open(path)?));
    let mut reader = decoder.read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let info = reader.next_frame(&mut bytes)?;
    let count = info.color_type.samples();
    let bytes = &bytes[..info.buffer_size()];
    let samples: Vec<u32> = match info.bit_depth {
        png::BitDepth::Eight => bytes.iter().map(|byte| u32::from(*byte)).collect(),
        png::BitDepth::Sixteen => bytes
            .chunks_exact(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .collect(),
        other => return Err(format!("bit depth {other:?} is not expected").into()),
    };
    let channel = |index: usize| samples.iter().skip(index).step_by(count).copied().collect();
    Ok(Decoded {
        width: info.width as usize,
        height: info.height as usize,
        channels: (0..count)
            .map(|index| (index.to_string(), channel(index)))
            .collect(),
    })
}

fn decode_exr(path: &Path) -> Result<Decoded, Box<dyn std::error::Error>> {
    let image = read_all_flat_layers_from_file(path)?;
    let mut channels = BTreeMap::new();
    for (index, layer) in image.layer_data.iter().enumerate() {
        for channel in &layer.channel_data.list {
            let bits = match &channel.sample_data {
                FlatSamples::F16(samples) => samples
                    .iter()
                    .map(|sample| u32::from(sample.to_bits()))
                    .collect(),
                FlatSamples::F32(samples) => samples.iter().map(|s| s.to_bits()).collect(),
                FlatSamples::U32(samples) => samples.clone(),
            };
            channels.insert(format!("{index}/{}", channel.name), bits);
        }
    }
    let size = image.attributes.display_window.size;
    Ok(Decoded {
        width: size.width(),
        height: size.height(),
        channels,
    })
}
