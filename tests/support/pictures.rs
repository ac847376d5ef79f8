//! Pictures as numbers, so that two files can be compared in every decoded channel, whatever
//! dates and timings are written into them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::BufReader;
use std::path::Path;

use exr::prelude::{FlatSamples, ReadChannels as _, ReadLayers as _};

/// No more colours are counted.
const COLOURS_MAX: usize = 5000;

/// A decoded picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// Samples row by row by channel, each as the bits that are in the file.
    pub channels: BTreeMap<String, Vec<u32>>,
}

impl Picture {
    /// Decodes a PNG or an EXR, whichever its name says.
    #[track_caller]
    pub fn read(path: &Path) -> Self {
        match path.extension().and_then(|ext| ext.to_str()) {
            Some("png") => png(path),
            Some("exr") => exr(path),
            _ => panic!("{} is neither PNG nor EXR", path.display()),
        }
    }

    /// How many different pixels it has; counted up to a few thousand.
    pub fn colours(&self) -> usize {
        let pixel = |at: usize| -> Vec<u32> { self.channels.values().map(|all| all[at]).collect() };
        let mut seen = BTreeSet::new();
        for at in 0..self.width * self.height {
            seen.insert(pixel(at));
            if seen.len() == COLOURS_MAX {
                break;
            }
        }
        seen.len()
    }

    /// The same picture, moved by one pixel to the right.
    pub fn shifted(&self) -> Self {
        let mut moved = self.clone();
        for samples in moved.channels.values_mut() {
            for row in samples.chunks_mut(self.width) {
                row.rotate_right(1);
            }
        }
        moved
    }

    /// What differs from another, as a sentence; None where they are equal in every channel.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let names = |one: &Self| one.channels.keys().cloned().collect::<Vec<_>>();
        if (self.width, self.height, names(self)) != (other.width, other.height, names(other)) {
            return Some(format!(
                "{}x{} {:?} against {}x{} {:?}",
                self.width,
                self.height,
                names(self),
                other.width,
                other.height,
                names(other)
            ));
        }
        let differing = |name: &String| {
            let pairs = self.channels[name].iter().zip(&other.channels[name]);
            let count = pairs.filter(|(one, two)| one != two).count();
            (count > 0).then(|| format!("{count} samples of {name}"))
        };
        let all: Vec<String> = self.channels.keys().filter_map(differing).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

fn png(path: &Path) -> Picture {
    let file = fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = png::Decoder::new(BufReader::new(file))
        .read_info()
        .expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size that fits")];
    let info = reader.next_frame(&mut bytes).expect("a whole PNG");
    let names: &[&str] = match info.color_type {
        png::ColorType::Grayscale => &["Y"],
        png::ColorType::GrayscaleAlpha => &["Y", "A"],
        png::ColorType::Rgb => &["R", "G", "B"],
        png::ColorType::Rgba => &["R", "G", "B", "A"],
        png::ColorType::Indexed => panic!("no renderer writes palettes"),
    };
    let samples: Vec<u32> = match info.bit_depth {
        png::BitDepth::Eight => bytes.iter().map(|byte| u32::from(*byte)).collect(),
        png::BitDepth::Sixteen => bytes
            .chunks_exact(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .collect(),
        other => panic!("no renderer writes {other:?} bits"),
    };
    let channel = |(index, name): (usize, &&str)| {
        let own = samples.iter().skip(index).step_by(names.len()).copied();
        ((*name).to_owned(), own.collect())
    };
    Picture {
        width: info.width as usize,
        height: info.height as usize,
        channels: names.iter().enumerate().map(channel).collect(),
    }
}

fn exr(path: &Path) -> Picture {
    let image = exr::prelude::read()
        .no_deep_data()
        .largest_resolution_level()
        .all_channels()
        .all_layers()
        .all_attributes()
        .from_file(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut channels = BTreeMap::new();
    for layer in &image.layer_data {
        let part = layer
            .attributes
            .layer_name
            .as_ref()
            .map(|name| format!("{name}/"));
        for channel in &layer.channel_data.list {
            let bits = match &channel.sample_data {
                FlatSamples::F16(all) => all.iter().map(|one| u32::from(one.to_bits())).collect(),
                FlatSamples::F32(all) => all.iter().map(|one| one.to_bits()).collect(),
                FlatSamples::U32(all) => all.clone(),
            };
            channels.insert(
                format!("{}{}", part.as_deref().unwrap_or(""), channel.name),
                bits,
            );
        }
    }
    let size = image.layer_data[0].size;
    Picture {
        width: size.width(),
        height: size.height(),
        channels,
    }
}
