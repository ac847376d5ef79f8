//! Pictures whose pixels are a function of their frame, and films taken apart again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use exr::prelude::*;
use framewright_assemble::Output;
use framewright_assemble::film::{CRF, Codec, Film, FilmError, Holes, Made, Rate, encode};
use framewright_assemble::sequence::Cell;
use framewright_assemble::view::View;

use super::run;

/// A colour for each place and frame: smooth, so that codecs keep it, and another in each frame.
pub fn colour(frame: i32, x: usize, y: usize, width: usize, height: usize) -> [f64; 3] {
    let (u, v) = (x as f64 / width as f64, y as f64 / height as f64);
    let turn = f64::from(frame) * 0.7;
    [
        0.5 + 0.45 * (turn + 3.0 * u).sin(),
        0.5 + 0.45 * (turn * 1.7 + 4.0 * v).cos(),
        0.5 + 0.45 * (turn * 0.6 + 2.0 * u + 3.0 * v).sin(),
    ]
}

/// The inverse of the sRGB curve, from its standard.
pub fn linear_from_srgb(value: f64) -> f64 {
    if value <= 0.040_45 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    }
}

/// A frame as sixteen-bit red, green and blue.
pub fn expected(frame: i32, width: usize, height: usize) -> Vec<u16> {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    places
        .flat_map(|(x, y)| colour(frame, x, y, width, height))
        .map(|value| (value * 65535.0).round() as u16)
        .collect()
}

pub fn write_png(path: &Path, frame: i32, width: usize, height: usize) {
    let file = std::fs::File::create(path).expect("a file");
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Sixteen);
    let bytes: Vec<u8> = expected(frame, width, height)
        .iter()
        .flat_map(|sample| sample.to_be_bytes())
        .collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&bytes).expect("a picture");
}

/// Scene-linear light that the sRGB curve makes [`colour`] of, under these names.
pub fn write_exr(path: &Path, frame: i32, width: usize, height: usize, prefix: &str) {
    let plane = |channel: usize| {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let light = places
            .map(|(x, y)| linear_from_srgb(colour(frame, x, y, width, height)[channel]) as f32);
        FlatSamples::F32(light.collect())
    };
    let list = [("R", 0), ("G", 1), ("B", 2)]
        .map(|(name, channel)| AnyChannel::new(format!("{prefix}{name}").as_str(), plane(channel)));
    let channels = AnyChannels::sort(list.into_iter().collect());
    let image = Image::from_channels((width, height), channels);
    image.write().to_file(path).expect("a picture");
}

/// A shot on disk.
pub struct Shot {
    pub folder: tempfile::TempDir,
    pub cells: Vec<Cell>,
}

impl Shot {
    pub fn make(
        frames: impl IntoIterator<Item = i32>,
        name: impl Fn(i32) -> String,
        write: impl Fn(&Path, i32),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cell = |frame| {
            let path = folder.path().join(name(frame));
            write(&path, frame);
            Cell {
                frame,
                path: Some(path),
            }
        };
        let cells = frames.into_iter().map(cell).collect();
        Self { folder, cells }
    }

    pub fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// What is encoded unless a test says otherwise.
pub fn film<'a>(cells: &'a [Cell], codec: Codec, view: &'a View) -> Film<'a> {
    Film {
        cells,
        rate: Rate::DEFAULT,
        codec,
        crf: CRF,
        view,
        layer: None,
        holes: Holes::Refuse,
        program: Path::new("ffmpeg"),
    }
}

pub fn encoded(film: &Film<'_>, out: &Path) -> std::result::Result<Made, FilmError> {
    let never = AtomicBool::new(false);
    let mut told = Vec::new();
    let made = encode(film, &Output::new(out), &never, &mut |done, of| {
        told.push((done, of));
    })?;
    let all: Vec<_> = (1..=made.frames).map(|done| (done, made.frames)).collect();
    assert_eq!(told, all);
    Ok(made)
}

/// A fact that ffprobe tells of the only stream.
pub fn probe(film: &Path, entry: &str) -> String {
    let film = film.to_str().expect("text");
    let select = format!("stream={entry}");
    let said = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-count_frames",
            "-show_entries",
            &select,
            "-of",
            "csv=p=0",
            film,
        ],
    );
    String::from_utf8_lossy(&said.stdout)
        .trim()
        .trim_end_matches(',')
        .to_owned()
}

/// All frames of a film, decoded by ffmpeg.
pub fn decoded(film: &Path, pixels: &str, samples: usize, size: (usize, usize)) -> Vec<Vec<u16>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(film)
        .args(["-sws_flags", "accurate_rnd+full_chroma_int+bicubic"])
        .args(["-f", "rawvideo", "-pix_fmt", pixels, "-"])
        .output()
        .expect("ffmpeg starts");
    assert!(output.status.success());
    let samples: Vec<Vec<u16>> = output
        .stdout
        .chunks_exact(size.0 * size.1 * samples * 2)
        .map(|frame| {
            let (samples, _) = frame.as_chunks::<2>();
            samples
                .iter()
                .map(|bytes| u16::from_le_bytes(*bytes))
                .collect()
        })
        .collect();
    samples
}

/// Mean and largest difference, in parts of the whole range.
pub fn difference(one: &[u16], other: &[u16]) -> (f64, f64) {
    assert_eq!(one.len(), other.len());
    let differences = one
        .iter()
        .zip(other)
        .map(|(one, other)| (f64::from(*one) - f64::from(*other)).abs() / 65535.0);
    let sum: f64 = differences.clone().sum();
    (sum / one.len() as f64, differences.fold(0.0, f64::max))
}
