//! Pictures that are what was wanted, and all the ways in which they are not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use std::path::{Path, PathBuf};

use exr::prelude::{
    AnyChannel, AnyChannels, Blocks, Compression, Encoding, FlatSamples, Image, ImageAttributes,
    IntegerBounds, Layer, LayerAttributes, LineOrder, SmallVec, Vec2, WritableImage, f16,
};
use framewright_worker::message::{Checked, Expect, FromWorker, Picture, RequestId, ToWorker};
use framewright_worker::verify;
use kit::Controller;

const WIDTH: usize = 24;
const HEIGHT: usize = 40;

fn expect(format: &str) -> Expect {
    Expect {
        format: format.to_owned(),
        width: WIDTH as u32,
        height: HEIGHT as u32,
        channels: vec![],
    }
}

fn good(path: &Path, expect: &Expect) -> Picture {
    match verify(path, expect) {
        Checked::Good(picture) => picture,
        Checked::Bad { why, .. } => panic!("{why}"),
    }
}

fn bad(path: &Path, expect: &Expect) -> String {
    match verify(path, expect) {
        Checked::Good(picture) => panic!("{} is called good: {picture:?}", path.display()),
        Checked::Bad { why, .. } => {
            assert!(why.starts_with(&path.display().to_string()), "{why}");
            why
        }
    }
}

/// Writes `bytes` beside the others and gives the path.
fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn png_bytes(color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette((0..=255).flat_map(|i| [i, 0, i]).collect::<Vec<u8>>());
    }
    encoder
        .add_text_chunk("Frame".to_owned(), "17".to_owned())
        .unwrap();
    let mut writer = encoder.write_header().unwrap();
    let row = color.samples()
        * WIDTH
        * if depth == png::BitDepth::Sixteen {
            2
        } else {
            1
        };
    let data: Vec<u8> = (0..row * HEIGHT).map(|i| (i * 7 % 251) as u8).collect();
    writer.write_image_data(&data).unwrap();
    writer.finish().unwrap();
    bytes
}

fn half(seed: usize) -> FlatSamples {
    FlatSamples::F16(
        (0..WIDTH * HEIGHT)
            .map(|i| f16::from_f32((i * seed % 97) as f32))
            .collect(),
    )
}

fn float(seed: usize) -> FlatSamples {
    FlatSamples::F32(
        (0..WIDTH * HEIGHT)
            .map(|i| (i * seed % 97) as f32 / 7.0)
            .collect(),
    )
}

fn layer(
    name: Option<&str>,
    encoding: Encoding,
    channels: Vec<(&str, FlatSamples)>,
) -> Layer<AnyChannels<FlatSamples>> {
    let channels: SmallVec<[AnyChannel<FlatSamples>; 4]> = channels
        .into_iter()
        .map(|(name, samples)| AnyChannel::new(name, samples))
        .collect();
    let attributes = LayerAttributes {
        layer_name: name.map(Into::into),
        ..LayerAttributes::default()
    };
    Layer::new(
        (WIDTH, HEIGHT),
        attributes,
        encoding,
        AnyChannels::sort(channels),
    )
}

fn encoding(compression: Compression, blocks: Blocks) -> Encoding {
    Encoding {
        compression,
        blocks,
        line_order: LineOrder::Increasing,
    }
}

fn exr_bytes(layers: Vec<Layer<AnyChannels<FlatSamples>>>, display: IntegerBounds) -> Vec<u8> {
    let layers: SmallVec<[_; 2]> = layers.into_iter().collect();
    let image = Image::from_layers(ImageAttributes::new(display), layers);
    let mut bytes = std::io::Cursor::new(Vec::new());
    image
        .write()
        .non_parallel()
        .to_buffered(&mut bytes)
        .unwrap();
    bytes.into_inner()
}

fn simple_exr(encoding: Encoding) -> Vec<u8> {
    let channels = vec![
        ("B", half(3)),
        ("G", half(5)),
        ("R", half(7)),
        ("Z", float(11)),
    ];
    exr_bytes(vec![layer(None, encoding, channels)], whole())
}

fn whole() -> IntegerBounds {
    IntegerBounds::from_dimensions((WIDTH, HEIGHT))
}

#[test]
fn png_of_each_kind_is_good() {
    use png::{BitDepth, ColorType};
    let folder = tempfile::tempdir().unwrap();
    for (color, depth, channels) in [
        (
            ColorType::Rgb,
            BitDepth::Eight,
            vec!["R:u8", "G:u8", "B:u8"],
        ),
        (
            ColorType::Rgba,
            BitDepth::Sixteen,
            vec!["R:u16", "G:u16", "B:u16", "A:u16"],
        ),
        (ColorType::Grayscale, BitDepth::Eight, vec!["Y:u8"]),
        (
            ColorType::GrayscaleAlpha,
            BitDepth::Eight,
            vec!["Y:u8", "A:u8"],
        ),
        (
            ColorType::Indexed,
            BitDepth::Eight,
            vec!["R:u8", "G:u8", "B:u8"],
        ),
    ] {
        let bytes = png_bytes(color, depth);
        let path = file(folder.path(), "a b.png", &bytes);
        let picture = good(&path, &expect("png"));
        assert_eq!(
            (picture.width, picture.height),
            (WIDTH as u32, HEIGHT as u32)
        );
        assert_eq!(picture.channels, channels);
        assert_eq!(picture.bytes, bytes.len() as u64);
        assert_eq!(picture.hash, blake3::hash(&bytes).to_hex().to_string());
    }
}

#[test]
fn png_cut_anywhere_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = png_bytes(png::ColorType::Rgba, png::BitDepth::Eight);
    for cut in 0..bytes.len() {
        let path = file(folder.path(), "cut.png", &bytes[..cut]);
        bad(&path, &expect("png"));
    }
}

#[test]
fn png_with_any_byte_changed_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = png_bytes(png::ColorType::Rgb, png::BitDepth::Eight);
    for at in 0..bytes.len() {
        bytes[at] ^= 0x10;
        bad(&file(folder.path(), "changed.png", &bytes), &expect("png"));
        bytes[at] ^= 0x10;
    }
}

#[test]
fn exr_of_each_encoding_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let tiles = Blocks::Tiles(Vec2(16, 16));
    for (compression, blocks) in [
        (Compression::Uncompressed, Blocks::ScanLines),
        (Compression::RLE, Blocks::ScanLines),
        (Compression::ZIP1, Blocks::ScanLines),
        (Compression::ZIP16, Blocks::ScanLines),
        (Compression::PIZ, Blocks::ScanLines),
        (Compression::PXR24, Blocks::ScanLines),
        (Compression::B44, Blocks::ScanLines),
        (Compression::ZIP16, tiles),
        (Compression::PIZ, tiles),
    ] {
        let path = file(
            folder.path(),
            "a.exr",
            &simple_exr(encoding(compression, blocks)),
        );
        let picture = good(&path, &expect("exr"));
        assert_eq!(
            (picture.width, picture.height),
            (WIDTH as u32, HEIGHT as u32)
        );
        assert_eq!(picture.channels, ["B:half", "G:half", "R:half", "Z:float"]);
    }
}

#[test]
fn exr_cut_anywhere_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    for (compression, blocks, step) in [
        (Compression::ZIP16, Blocks::ScanLines, 3),
        (Compression::Uncompressed, Blocks::Tiles(Vec2(16, 16)), 23),
    ] {
        let bytes = simple_exr(encoding(compression, blocks));
        let cuts = (0..bytes.len()).step_by(step).chain([bytes.len() - 1]);
        for cut in cuts {
            bad(
                &file(folder.path(), "cut.exr", &bytes[..cut]),
                &expect("exr"),
            );
        }
    }
}

#[test]
fn exr_with_holes_is_bad_and_changed_bytes_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = simple_exr(encoding(Compression::ZIP16, Blocks::ScanLines));
    // What a full disk or a crash leaves: the right length, zeroes at the end.
    for from in [bytes.len() / 4, bytes.len() / 2, bytes.len() - 100] {
        let mut holed = bytes.clone();
        holed[from..].fill(0);
        bad(&file(folder.path(), "holed.exr", &holed), &expect("exr"));
    }
    let mut changed = bytes;
    for at in (0..changed.len()).step_by(3) {
        changed[at] ^= 0x81;
        // Not every bit of an EXR is guarded; none may bring the verifier down.
        let path = file(folder.path(), "changed.exr", &changed);
        drop(verify(&path, &expect("exr")));
        changed[at] ^= 0x81;
    }
}

#[test]
fn layers_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let encoding = encoding(Compression::ZIP16, Blocks::ScanLines);
    let bytes = exr_bytes(
        vec![
            layer(
                Some("beauty"),
                encoding,
                vec![("R", half(3)), ("beauty.G", half(3))],
            ),
            layer(Some("depth"), encoding, vec![("Z", float(5))]),
        ],
        whole(),
    );
    let path = file(folder.path(), "layers.exr", &bytes);
    let mut expect = expect("exr");
    expect.channels = vec!["depth.Z".to_owned(), "beauty.R".to_owned()];
    let channels = good(&path, &expect).channels;
    assert_eq!(
        channels,
        ["beauty.R:half", "beauty.G:half", "depth.Z:float"]
    );
    expect.channels.push("shadow.R".to_owned());
    let why = bad(&path, &expect);
    assert!(
        why.ends_with("lacks shadow.R, it has beauty.R, beauty.G, depth.Z"),
        "{why}"
    );
}

#[test]
fn nan_is_bad_and_its_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for blocks in [Blocks::ScanLines, Blocks::Tiles(Vec2(16, 16))] {
        let encoding = encoding(Compression::ZIP16, blocks);
        let mut samples: Vec<f32> = vec![f32::INFINITY; WIDTH * HEIGHT];
        let infinite = vec![("R", half(3)), ("Z", FlatSamples::F32(samples.clone()))];
        let path = file(
            folder.path(),
            "n.exr",
            &exr_bytes(vec![layer(None, encoding, infinite)], whole()),
        );
        good(&path, &expect("exr"));

        samples[33 * WIDTH + 21] = f32::NAN;
        let nan = vec![("R", half(3)), ("Z", FlatSamples::F32(samples))];
        let path = file(
            folder.path(),
            "n.exr",
            &exr_bytes(vec![layer(None, encoding, nan)], whole()),
        );
        let why = bad(&path, &expect("exr"));
        assert!(
            why.ends_with("has a NaN in channel Z at x 21, y 33"),
            "{why}"
        );
    }
    let mut samples = vec![f16::ZERO; WIDTH * HEIGHT];
    samples[0] = f16::NAN;
    let encoding = encoding(Compression::Uncompressed, Blocks::ScanLines);
    let nan = vec![("A", FlatSamples::F16(samples))];
    let path = file(
        folder.path(),
        "h.exr",
        &exr_bytes(vec![layer(None, encoding, nan)], whole()),
    );
    assert!(bad(&path, &expect("exr")).ends_with("channel A at x 0, y 0"));
}

#[test]
fn windows_of_a_tile_and_beyond_the_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut tile = layer(
        None,
        encoding(Compression::ZIP16, Blocks::ScanLines),
        vec![("R", half(3))],
    );
    tile.attributes.layer_position = Vec2(-5, -3);
    let display = IntegerBounds::from_dimensions((1920, 1080));
    let path = file(folder.path(), "tile.exr", &exr_bytes(vec![tile], display));
    // Either size may be wanted; without a wish it is the frame's.
    let picture = good(&path, &expect("exr"));
    assert_eq!(
        (picture.width, picture.height),
        (WIDTH as u32, HEIGHT as u32)
    );
    let any = Expect {
        format: "exr".to_owned(),
        ..Expect::default()
    };
    let picture = good(&path, &any);
    assert_eq!((picture.width, picture.height), (1920, 1080));
    let other = Expect {
        width: 1280,
        height: 720,
        ..any
    };
    assert!(bad(&path, &other).ends_with("has 1920x1080 pixels, expected 1280x720"));
}

/// Gives the file a compression of a later version of the format.
fn with_unknown_compression(mut bytes: Vec<u8>) -> Vec<u8> {
    let attribute = b"compression\0compression\0\x01\0\0\0";
    let at = bytes
        .windows(attribute.len())
        .position(|w| w == attribute)
        .unwrap();
    bytes[at + attribute.len()] = 99;
    bytes
}

#[test]
fn what_the_decoder_does_not_know_is_not_called_bad() {
    let folder = tempfile::tempdir().unwrap();
    for blocks in [Blocks::ScanLines, Blocks::Tiles(Vec2(16, 16))] {
        let bytes = with_unknown_compression(simple_exr(encoding(Compression::ZIP16, blocks)));
        let path = file(folder.path(), "later.exr", &bytes);
        let mut expect = expect("exr");
        expect.channels = vec!["R".to_owned()];
        let picture = good(&path, &expect);
        assert_eq!(
            picture.channels,
            ["B:half?", "G:half?", "R:half?", "Z:float?"]
        );
        expect.width = 7;
        assert!(bad(&path, &expect).ends_with("has 24x40 pixels, expected 7x40"));
        expect.width = 0;
        for cut in (0..bytes.len()).step_by(5).chain([bytes.len() - 1]) {
            bad(&file(folder.path(), "cut.exr", &bytes[..cut]), &expect);
        }
    }
}

#[test]
fn absurd_claims_are_refused_without_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut exr = simple_exr(encoding(Compression::ZIP16, Blocks::ScanLines));
    let attribute = b"dataWindow\0box2i\0\x10\0\0\0";
    let at = exr
        .windows(attribute.len())
        .position(|w| w == attribute)
        .unwrap()
        + attribute.len();
    for (right, bottom) in [
        (2_000_000_000, 2_000_000_000),
        (0, 1_000_000_000),
        (1_000_000_000, 0),
    ] {
        exr[at..at + 16].fill(0);
        exr[at + 8..at + 12].copy_from_slice(&i32::to_le_bytes(right));
        exr[at + 12..at + 16].copy_from_slice(&i32::to_le_bytes(bottom));
        bad(&file(folder.path(), "absurd.exr", &exr), &expect("exr"));
    }
    for (width, height) in [(0x7fff_ffff_u32, 0x7fff_ffff_u32), (0x7fff_ffff, 1), (0, 5)] {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend(width.to_be_bytes());
        png.extend(height.to_be_bytes());
        png.extend([8, 6, 0, 0, 0]);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&png[12..]);
        png.extend(crc.finalize().to_be_bytes());
        bad(&file(folder.path(), "absurd.png", &png), &expect("png"));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak_kib < 300 << 10, "{peak}");
}

#[test]
fn a_block_that_claims_terabytes_is_refused_without_memory() {
    let folder = tempfile::tempdir().unwrap();
    let expect = expect("exr");
    for (name, compression) in [
        ("a.exr", Compression::DWAA(None)),
        ("b.exr", Compression::DWAB(None)),
    ] {
        let bytes = simple_exr(encoding(compression, Blocks::ScanLines));
        good(&file(folder.path(), name, &bytes), &expect);
        // A block is its row, its size, and then, as the first of its counters, the version 2; the sizes of
        // its sections follow.
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap()) as usize;
        let begins = |block: &[u8]| {
            let (row, size) = (number(&block[..4]), number(&block[4..8]));
            row == 0 && (88..bytes.len()).contains(&size) && block[8..] == 2_u64.to_le_bytes()
        };
        let block = bytes.windows(16).position(begins);
        let at = block.expect("a block of DWA") + 8;
        for counter in 1..10 {
            let mut claims = bytes.clone();
            let at = at + 8 * counter;
            claims[at..at + 8].copy_from_slice(&(2_u64 << 40).to_le_bytes());
            let why = bad(&file(folder.path(), name, &claims), &expect);
            assert!(why.contains("claims more than it can hold"), "{why}");
        }
    }
}

#[test]
fn each_flaw_has_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let png = png_bytes(png::ColorType::Rgb, png::BitDepth::Eight);
    let exr = simple_exr(encoding(Compression::ZIP16, Blocks::ScanLines));
    let says = |path: &Path, expect: &Expect, end: &str| {
        let why = bad(path, expect);
        assert!(why.ends_with(end), "{why}");
    };
    says(
        &at.join("none.png"),
        &expect("png"),
        "none.png was not written",
    );
    says(at, &expect("png"), "is a folder, not a picture");
    says(
        Path::new("/dev/null"),
        &expect("png"),
        "is not a regular file",
    );
    says(&file(at, "e.exr", b""), &expect("exr"), "is empty");
    says(
        &file(at, "t.exr", b"<html>"),
        &expect("exr"),
        "does not begin like a picture, expected exr",
    );
    says(
        &file(at, "p.exr", &png),
        &expect("exr"),
        "is png, expected exr",
    );
    says(
        &file(at, "x.png", &exr),
        &expect("png"),
        "is exr, expected png",
    );
    let cut = file(at, "cut.png", &png[..png.len() / 2]);
    says(
        &cut,
        &expect("png"),
        "ends before its picture does, expected a whole PNG",
    );
    let cut = file(at, "cut.exr", &exr[..exr.len() - 9]);
    says(
        &cut,
        &expect("exr"),
        "ends before its picture does, expected a whole EXR",
    );
    let path = file(at, "s.png", &png);
    let wide = Expect {
        width: 1920,
        height: 0,
        ..expect("png")
    };
    says(&path, &wide, "has 24x40 pixels, expected 1920xany");
    let alpha = Expect {
        channels: vec!["A".to_owned()],
        ..expect("png")
    };
    says(&path, &alpha, "lacks A, it has R, G, B");
    says(
        &path,
        &Expect {
            format: "gif".to_owned(),
            ..alpha
        },
        "cannot be verified: \"gif\"",
    );
}

#[test]
fn worker_answers_questions_about_files() {
    let mut controller = Controller::new(1);
    let scratch = controller.scratch.path().canonicalize().unwrap();
    let png = file(
        &scratch,
        "a.png",
        &png_bytes(png::ColorType::Rgb, png::BitDepth::Eight),
    );
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for (number, path) in [(1, png.clone()), (2, scratch.join("none.png"))] {
        controller.say(&ToWorker::Verify {
            request: RequestId(number),
            path: text(&path),
            expect: expect("png"),
        });
    }
    let verified = |controller: &mut Controller, number| {
        controller.hear("a verdict", |message| match message {
            FromWorker::Verified { request, outcome } if request.0 == number => {
                Some(outcome.clone())
            }
            _ => None,
        })
    };
    assert!(matches!(verified(&mut controller, 1), Checked::Good(_)));
    assert!(matches!(verified(&mut controller, 2), Checked::Bad { .. }));

    let names = [
        (3, vec!["no-such-program", "sh"], Some("/usr/bin/sh")),
        (4, vec!["/bin/true"], Some("/bin/true")),
        (
            5,
            vec!["/etc/passwd", "no-such-program", "", "bin/sh"],
            None,
        ),
        (6, vec!["framewright"], Some(kit::WORKER)),
    ];
    for (number, names, wanted) in names {
        controller.say(&ToWorker::Which {
            request: RequestId(number),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        });
        let path = controller.hear("a program", |message| match message {
            FromWorker::Program { request, path } if request.0 == number => Some(path.clone()),
            _ => None,
        });
        let real = |path: &str| std::fs::canonicalize(path).unwrap();
        assert_eq!(path.as_deref().map(real), wanted.map(real));
    }

    let deep = scratch.join("x/y z");
    for (number, path, works) in [
        (7, text(&deep), true),
        (8, "/proc/nowhere/x".to_owned(), false),
        (9, "relative".to_owned(), false),
    ] {
        controller.say(&ToWorker::MakeDir {
            request: RequestId(number),
            path,
        });
        let error = controller.hear("an answer", |message| match message {
            FromWorker::Made { request, error } if request.0 == number => Some(error.clone()),
            _ => None,
        });
        assert_eq!(error.is_none(), works, "{error:?}");
    }
    assert!(deep.is_dir());

    let outside = tempfile::tempdir().unwrap();
    controller.say(&ToWorker::Remove {
        path: text(outside.path()),
    });
    controller.say(&ToWorker::Remove {
        path: text(&scratch.join("x")),
    });
    // Questions about files are answered in their order, so the answer to one more tells.
    controller.say(&ToWorker::Which {
        request: RequestId(10),
        names: vec![],
    });
    controller.hear("an answer", |message| {
        matches!(
            message,
            FromWorker::Program {
                request: RequestId(10),
                ..
            }
        )
        .then_some(())
    });
    assert!(outside.path().exists() && !scratch.join("x").exists());
    controller.bye();
}
