//! Layers of made-up samples: every type, block shape and compression, in and out.

mod support;

use std::path::{Path, PathBuf};

use exr::meta::BlockDescription;
use exr::prelude::*;
use framewright_assemble::Output;
use framewright_assemble::layers::{
    LayerFile, MergeError, MergeOptions, Merged, merge, merge_unless,
};
use support::channels;

const WIDTH: usize = 173;
const HEIGHT: usize = 301;

/// A sample that tells where it is from.
fn sample(layer: u32, channel: u32, x: usize, y: usize) -> f32 {
    let mixed = (x as u32).wrapping_mul(2_654_435_761) ^ (y as u32).wrapping_mul(40_503);
    (mixed.wrapping_mul(layer * 7 + channel + 1) >> 12) as f32 / 1024.0
}

struct Kind {
    encoding: Encoding,
    window: (i32, i32),
    size: (usize, usize),
}

impl Kind {
    fn of(compression: Compression, blocks: Blocks, order: LineOrder) -> Self {
        Self {
            encoding: Encoding {
                compression,
                blocks,
                line_order: order,
            },
            window: (0, 0),
            size: (WIDTH, HEIGHT),
        }
    }
}

/// A half, a float and a whole number in each pixel.
fn write(path: &Path, layer: u32, kind: &Kind) {
    let (width, height) = kind.size;
    let values = |channel: u32| {
        (0..width * height).map(move |at| sample(layer, channel, at % width, at / width))
    };
    let list = [
        AnyChannel::new(
            "A",
            FlatSamples::U32(values(1).map(|v| v.to_bits()).collect()),
        ),
        AnyChannel::new(
            "R",
            FlatSamples::F16(values(2).map(f16::from_f32).collect()),
        ),
        AnyChannel::new("Z", FlatSamples::F32(values(3).collect())),
    ];
    let mut attributes = LayerAttributes {
        layer_position: Vec2(kind.window.0, kind.window.1),
        ..LayerAttributes::default()
    };
    attributes
        .other
        .insert("all".into(), AttributeValue::I32(layer as i32));
    attributes.other.insert(
        format!("only {layer}").as_str().into(),
        AttributeValue::Text("kept".into()),
    );
    let picture = Layer::new(
        (width, height),
        attributes,
        kind.encoding,
        AnyChannels::sort(list.into_iter().collect()),
    );
    let window = IntegerBounds::from_dimensions((WIDTH, HEIGHT));
    let image = Image::from_layer(picture);
    let image = Image {
        attributes: ImageAttributes::new(window),
        ..image
    };
    image.write().to_file(path).expect("a picture");
}

fn merged(files: &[(&str, PathBuf)], out: &Path) -> std::result::Result<Merged, MergeError> {
    let layers: Vec<LayerFile> = files
        .iter()
        .map(|(layer, path)| LayerFile {
            layer: (*layer).to_owned(),
            path: path.clone(),
        })
        .collect();
    merge(&layers, &Output::new(out), &MergeOptions::default())
}

fn tiles(width: usize, height: usize) -> Blocks {
    Blocks::Tiles(Vec2(width, height))
}

#[test]
fn files_of_any_shape_are_merged_bit_for_bit() {
    use Compression::{PIZ, RLE, Uncompressed, ZIP1, ZIP16};
    use LineOrder::{Decreasing, Increasing, Unspecified};
    let kinds = [
        Kind::of(ZIP16, Blocks::ScanLines, Increasing),
        Kind::of(Uncompressed, tiles(64, 32), Unspecified),
        Kind::of(PIZ, Blocks::ScanLines, Decreasing),
        Kind::of(RLE, tiles(200, 7), Unspecified),
        Kind::of(ZIP1, Blocks::ScanLines, Increasing),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for first in 0..kinds.len() {
        let mut files = Vec::new();
        for at in 0..kinds.len() {
            let number = (first + at) % kinds.len();
            let path = folder.path().join(format!("{number}.exr"));
            write(&path, number as u32, &kinds[number]);
            files.push((["a", "b", "c", "d", "e"][number], path));
        }
        let out = folder.path().join(format!("out{first}.exr"));
        let made = merged(&files, &out).expect("merged");
        assert_eq!(made.channels[..3], ["a.A:uint", "a.R:half", "a.Z:float"]);
        let meta = MetaData::read_from_file(&out, true).expect("an EXR");
        let header = &meta.headers[0];
        assert_eq!(header.compression, kinds[first].encoding.compression);
        assert_eq!(header.blocks, BlockDescription::ScanLines);
        let other = &header.own_attributes.other;
        let all = other.get(&Text::from("all"));
        assert_eq!(all, Some(&AttributeValue::I32(first as i32)));
        let only = |n| format!("only {n}").as_str().into();
        assert!((0..5).all(|n| other.contains_key::<Text>(&only(n))));
        let ours = channels(&out);
        assert_eq!(ours.len(), 15);
        for (layer, path) in &files {
            for (name, samples) in channels(path) {
                assert!(
                    ours[&format!("{layer}.{name}")] == samples,
                    "{layer} {name}"
                );
            }
        }
    }
}

#[test]
fn lossy_files_become_zip() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.exr");
    let kind = Kind::of(Compression::PXR24, Blocks::ScanLines, LineOrder::Increasing);
    write(&path, 0, &kind);
    let out = folder.path().join("out.exr");
    merged(&[("a", path.clone())], &out).expect("merged");
    let meta = MetaData::read_from_file(&out, true).expect("an EXR");
    assert_eq!(meta.headers[0].compression, Compression::ZIP16);
    let (ours, theirs) = (channels(&out), channels(&path));
    assert!(ours["a.Z"] == theirs["Z"] && ours["a.A"] == theirs["A"]);
}

#[test]
fn what_does_not_lie_on_one_another_is_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let zip = || Kind::of(Compression::ZIP16, Blocks::ScanLines, LineOrder::Increasing);
    write(&path("a.exr"), 0, &zip());
    let cut = Kind {
        window: (8, 4),
        size: (WIDTH - 8, HEIGHT - 4),
        ..zip()
    };
    write(&path("cut.exr"), 1, &cut);
    let small = Image::from_channels(
        (64, 32),
        SpecificChannels::rgb(|_| (0.0_f32, 0.0_f32, 0.0_f32)),
    );
    small.write().to_file(path("small.exr")).expect("a picture");
    let refused = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|(l, f)| (*l, path(f))).collect();
        let said = merged(&files, &path("out.exr")).expect_err("refused");
        assert!(!path("out.exr").exists());
        said.to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    };
    assert_eq!(
        refused(&[("a", "a.exr"), ("b", "small.exr")]),
        "small.exr has the size 64x32, and a.exr has 173x301"
    );
    assert_eq!(
        refused(&[("a", "a.exr"), ("b", "cut.exr")]),
        "cut.exr has the data window 165x297+8+4, and a.exr has 173x301+0+0"
    );
    // `a.b` of `R` is `a.b.R`, as is `a` of `b.R`.
    let black = FlatSamples::F32(vec![0.0; WIDTH * HEIGHT]);
    let list = std::iter::once(AnyChannel::new("b.R", black)).collect();
    let image = Image::from_channels((WIDTH, HEIGHT), AnyChannels::sort(list));
    image.write().to_file(path("both.exr")).expect("a picture");
    assert_eq!(
        refused(&[("a", "both.exr"), ("a.b", "a.exr")]),
        "both.exr and a.exr both have the channel `a.b.R`"
    );
    let mut encoder =
        png::Encoder::new(std::fs::File::create(path("p.png")).expect("a file"), 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[1, 2, 3]).expect("a picture");
    drop(writer);
    assert_eq!(
        refused(&[("a", "a.exr"), ("b", "p.png")]),
        "p.png is a PNG, which holds one layer only: layers are merged from EXR files"
    );
    let long = "l".repeat(254);
    assert!(refused(&[(&long, "a.exr")]).contains("longer than 255 bytes"));
    assert_eq!(refused(&[("", "a.exr")]), "`` is no name of a layer");
    assert_eq!(refused(&[]), "there are no layers to merge");
}

#[test]
fn long_names_are_announced() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.exr");
    let zip = Kind::of(Compression::ZIP16, Blocks::ScanLines, LineOrder::Increasing);
    write(&path, 0, &zip);
    let layer = "a layer whose name is longer than old readers take";
    let out = folder.path().join("out.exr");
    merged(&[(layer, path)], &out).expect("merged");
    let meta = MetaData::read_from_file(&out, true).expect("an EXR");
    assert!(meta.requirements.has_long_names);
    assert!(channels(&out).contains_key(&format!("{layer}.Z")));
}

#[test]
fn a_merge_that_is_cancelled_leaves_nothing() {
    use std::sync::atomic::AtomicBool;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.exr");
    let zip = Kind::of(Compression::ZIP16, Blocks::ScanLines, LineOrder::Increasing);
    write(&path, 0, &zip);
    for parts in [false, true] {
        let layer = LayerFile {
            layer: "a".to_owned(),
            path: path.clone(),
        };
        let out = Output::new(folder.path().join("out.exr"));
        let options = MergeOptions { parts };
        let refused = merge_unless(&[layer], &out, &options, &AtomicBool::new(true));
        assert!(matches!(refused, Err(MergeError::Cancelled)));
        let left = std::fs::read_dir(folder.path())
            .expect("the folder")
            .count();
        assert_eq!(left, 1);
    }
}
