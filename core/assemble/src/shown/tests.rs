use std::path::Path;

use super::{Showing, outline, read as read_shown};
use crate::view::View;

fn png_file(
    path: &Path,
    (color, depth): (::png::ColorType, ::png::BitDepth),
    size: (u32, u32),
    data: &[u8],
    more: impl FnOnce(&mut ::png::Encoder<'_, std::fs::File>),
) {
    let file = std::fs::File::create(path).expect("a file");
    let mut encoder = ::png::Encoder::new(file, size.0, size.1);
    encoder.set_color(color);
    encoder.set_depth(depth);
    more(&mut encoder);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(data).expect("a picture");
}

fn shown(path: &Path, alpha: bool) -> Vec<[u16; 4]> {
    let showing = Showing { layer: None, alpha };
    read_shown(path, &showing, &View::default())
        .expect("a picture")
        .pixels
}

#[test]
fn every_kind_of_png_is_sixteen_bit_colours() {
    use ::png::{BitDepth, ColorType};
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.png");
    let grey = (ColorType::Grayscale, BitDepth::Two);
    png_file(&path, grey, (4, 1), &[0b00_01_10_11], |_| {});
    let values: Vec<u16> = shown(&path, false).iter().map(|p| p[1]).collect();
    assert_eq!(values, [0, 85 * 257, 170 * 257, 65535]);
    assert_eq!(outline(&path).expect("a header").channels, ["Y:u2"]);
    let palette = (ColorType::Indexed, BitDepth::Eight);
    png_file(&path, palette, (2, 1), &[1, 0], |encoder| {
        encoder.set_palette(vec![10, 20, 30, 40, 50, 60]);
        encoder.set_trns(vec![255, 128]);
    });
    let half = 128 * 257;
    assert_eq!(
        shown(&path, true),
        [[40, 50, 60, 128], [10, 20, 30, 255]].map(|pixel| pixel.map(|v| v * 257))
    );
    let on_black = |value: u32| (value * 257 * half / 65535) as u16;
    let dark = shown(&path, false)[0];
    for (found, wanted) in dark.iter().zip([40, 50, 60].map(on_black)) {
        assert!(found.abs_diff(wanted) <= 1, "{dark:?}");
    }
    assert_eq!(dark[3], u16::MAX);
    let deep = (ColorType::GrayscaleAlpha, BitDepth::Sixteen);
    png_file(&path, deep, (1, 1), &[0x12, 0x34, 0xff, 0xff], |_| {});
    assert_eq!(shown(&path, true), [[0x1234, 0x1234, 0x1234, 0xffff]]);
}

#[test]
fn a_data_window_lies_in_its_display_window() {
    use ::exr::prelude::*;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.exr");
    // Eight by six pixels of light, of which a part sticks out at the left and at the bottom.
    let pixel = |at: Vec2<usize>| (at.x() as f32 / 8.0, at.y() as f32 / 6.0, 1.0_f32);
    let layer = Layer::new(
        (8, 6),
        LayerAttributes {
            layer_position: Vec2(-3, 7),
            ..LayerAttributes::default()
        },
        Encoding::FAST_LOSSLESS,
        SpecificChannels::rgb(pixel),
    );
    let mut image = Image::from_layer(layer);
    let window = IntegerBounds::new((0, 0), (10, 10));
    image.attributes = ImageAttributes::new(window);
    image.write().to_file(&path).expect("a picture");
    let raw = View::named("raw", 0.0).expect("a view");
    let shown = read_shown(&path, &Showing::default(), &raw).expect("a picture");
    assert_eq!((shown.width, shown.height), (10, 10));
    for (at, found) in shown.pixels.iter().enumerate() {
        let (x, y) = (at as i32 % 10 + 3, at as i32 / 10 - 7);
        let wanted = if (0..8).contains(&x) && (0..6).contains(&y) {
            let code = |value: f32| (value * 65535.0 + 0.5) as u16;
            [code(x as f32 / 8.0), code(y as f32 / 6.0), 65535, 65535]
        } else {
            [0, 0, 0, 65535]
        };
        assert_eq!(*found, wanted, "{at}");
    }
}

#[test]
fn parts_and_tiles_are_read() {
    use ::exr::prelude::*;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.exr");
    let size = Vec2(70, 50);
    let plane = |scale: f32| {
        let values = (0..size.area()).map(move |at| f16::from_f32(at as f32 * scale));
        FlatSamples::F16(values.collect())
    };
    let part = |name: &str, scale: f32, blocks| {
        let list = ["R", "G", "B"].map(|name| AnyChannel::new(name, plane(scale)));
        Layer::new(
            size,
            LayerAttributes::named(name),
            Encoding {
                compression: Compression::ZIP16,
                blocks,
                line_order: LineOrder::Increasing,
            },
            AnyChannels::sort(list.into_iter().collect()),
        )
    };
    let parts = [
        part("fg", 1e-4, Blocks::ScanLines),
        part("bg", 2e-4, Blocks::Tiles(Vec2(32, 16))),
    ];
    let attributes = ImageAttributes::with_size(size);
    let image = Image::from_layers(attributes, parts.into_iter().collect::<Layers<_>>());
    image.write().to_file(&path).expect("a picture");
    let raw = View::named("raw", 0.0).expect("a view");
    for (layer, scale) in [("fg", 1e-4), ("bg", 2e-4)] {
        let showing = Showing {
            layer: Some(layer),
            alpha: false,
        };
        let shown = read_shown(&path, &showing, &raw).expect("a picture");
        for (at, pixel) in shown.pixels.iter().enumerate() {
            let wanted = f16::from_f32(at as f32 * scale).to_f32();
            let wanted = (wanted.min(1.0) * 65535.0 + 0.5) as u16;
            assert_eq!(*pixel, [wanted, wanted, wanted, 65535], "{layer} {at}");
        }
    }
    let channels = outline(&path).expect("a header").channels;
    assert_eq!(channels[0], "fg.B:half");
}

/// Bytes that were changed at random end as a sentence, or as a picture.
#[test]
fn broken_pictures_are_sentences() {
    use ::exr::prelude::*;
    let folder = tempfile::tempdir().expect("a folder");
    let (png_path, exr_path) = (folder.path().join("a.png"), folder.path().join("a.exr"));
    let kind = (::png::ColorType::Rgb, ::png::BitDepth::Eight);
    let data: Vec<u8> = (0..40 * 30 * 3_u32)
        .map(|at| ((at * at) >> 3) as u8)
        .collect();
    png_file(&png_path, kind, (40, 30), &data, |_| {});
    let pixel = |at: Vec2<usize>| (at.x() as f32, at.y() as f32, 1.0_f32);
    let image = Image::from_channels((40, 30), SpecificChannels::rgb(pixel));
    image.write().to_file(&exr_path).expect("a picture");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = move |sides: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % sides as u64) as usize
    };
    let mut said = 0;
    for path in [&png_path, &exr_path] {
        let whole = std::fs::read(path).expect("the picture");
        for _ in 0..1500 {
            let mut bytes = whole.clone();
            for _ in 0..=dice(4) {
                let at = dice(bytes.len());
                bytes[at] = dice(256) as u8;
            }
            if dice(4) == 0 {
                bytes.truncate(dice(bytes.len()));
            }
            std::fs::write(path, &bytes).expect("a file");
            let _ = outline(path);
            if let Err(error) = read_shown(path, &Showing::default(), &View::default()) {
                let text = error.to_string();
                assert!(!text.contains('\n') && !text.contains("Some("), "{text}");
                said += 1;
            }
        }
    }
    assert!(said > 500, "{said}");
}
