//! The same of PNG: any picture cut into any tiles is itself again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use framewright_assemble::Rect;
use framewright_assemble::stitch::{Canvas, Plan, PngLevel};
use kit::pngs::Png;
use kit::{grid, run};
use png::{BitDepth, ColorType};
use proptest::prelude::*;

const COLOURS: [ColorType; 4] = [
    ColorType::Grayscale,
    ColorType::GrayscaleAlpha,
    ColorType::Rgb,
    ColorType::Rgba,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn tiles_of_any_png_are_it_again(
        seed in any::<u64>(),
        (width, height) in (8..120u32, 8..90u32),
        (columns, rows) in (1..4u32, 1..4u32),
        overlap in 0..9u32,
        color in 0..COLOURS.len(),
        (is_deep, is_full, is_small) in any::<(bool, bool, bool)>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let depth = if is_deep { BitDepth::Sixteen } else { BitDepth::Eight };
        let picture = Png::new(seed, width, height, COLOURS[color], depth);
        let edges = |length: u32, count: u32| -> Vec<u32> {
            (1..count).map(|i| length * i / count + u32::from(i == 1)).collect()
        };
        let mut tiles = grid(width, height, &edges(width, columns), &edges(height, rows), overlap);
        for tile in &mut tiles {
            tile.path = folder.path().join(format!("{}.png", tile.path.display()));
            let shown = if is_full { picture.only(tile.at) } else { picture.cut(tile.at) };
            shown.write(&tile.path);
        }
        let mut plan = Plan::new(width, height, tiles);
        plan.canvas = if is_full { Canvas::Full } else { Canvas::Crop };
        plan.png_level = if is_small { PngLevel::Balanced } else { PngLevel::Fast };
        let output = folder.path().join("out.png");
        let stitched = run(&plan, &output).unwrap();
        prop_assert!(Png::read(&output).0 == picture);
        prop_assert!(stitched.seams.is_empty());
        prop_assert_eq!(stitched.bytes, output.metadata().unwrap().len());
    }
}

#[test]
fn a_png_tile_a_pixel_aside_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Png::new(7, 90, 80, ColorType::Rgb, BitDepth::Sixteen);
    let mut tiles = kit::even(90, 80, 3, 2, 3);
    for tile in &mut tiles {
        tile.path = folder.path().join(format!("{}.png", tile.path.display()));
        picture.cut(tile.at).write(&tile.path);
    }
    let at = tiles[1].at;
    picture
        .cut(Rect { y: at.y + 1, ..at })
        .write(&tiles[1].path);
    let output = folder.path().join("out.png");
    let mut plan = Plan::new(90, 80, tiles);
    let seams = run(&plan, &output).unwrap().seams;
    assert!(Png::read(&output).0 != picture);
    let named = |seam: &framewright_assemble::stitch::Seam| {
        [&seam.between.0, &seam.between.1].contains(&&"beauty:17:1,0".to_owned())
    };
    assert!(seams.len() >= 4 && seams.iter().all(named), "{seams:?}");
    // The largest difference that there is in what they share, reckoned here from the pictures.
    let seam = &seams[0];
    let (x, y) = seam.place;
    let channel = ["R", "G", "B"]
        .iter()
        .position(|c| *c == seam.channel)
        .unwrap();
    let value = |x: u32, y: u32| {
        let at = (y as usize * 90 + x as usize) * 6 + channel * 2;
        f64::from(u16::from_be_bytes([
            picture.bytes[at],
            picture.bytes[at + 1],
        ]))
    };
    assert_eq!(seam.difference, (value(x, y) - value(x, y + 1)).abs());
    plan.tolerance = 65_535.0;
    std::fs::remove_file(&output).unwrap();
    assert_eq!(run(&plan, &output).unwrap().seams, []);
}

#[test]
fn palettes_are_expanded() {
    let folder = tempfile::tempdir().unwrap();
    let mut tiles = kit::even(40, 20, 2, 1, 0);
    let mut expected = Vec::new();
    for (tile, colours) in tiles.iter_mut().zip([3u8, 250]) {
        tile.path = folder.path().join(format!("{}.png", tile.path.display()));
        let indices = Png {
            width: 20,
            height: 20,
            color: ColorType::Indexed,
            depth: BitDepth::Eight,
            bytes: (0..400u32).map(|i| (i % 256) as u8).collect(),
        };
        let palette: Vec<u8> = (0..=255u8)
            .flat_map(|i| [i, colours, i.wrapping_mul(7)])
            .collect();
        expected.push((indices.bytes.clone(), palette.clone()));
        indices.write_with(&tile.path, |encoder| encoder.set_palette(palette));
    }
    let output = folder.path().join("out.png");
    run(&Plan::new(40, 20, tiles), &output).unwrap();
    let (read, _) = Png::read(&output);
    assert_eq!((read.color, read.depth), (ColorType::Rgb, BitDepth::Eight));
    for y in 0..20 {
        for x in 0..40 {
            let (indices, palette) = &expected[x / 20];
            let index = usize::from(indices[y * 20 + x % 20]) * 3;
            let at = (y * 40 + x) * 3;
            assert_eq!(read.bytes[at..at + 3], palette[index..index + 3], "{x},{y}");
        }
    }
}

#[test]
fn metadata_of_the_picture_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Png::new(7, 40, 20, ColorType::Rgb, BitDepth::Sixteen);
    let mut tiles = kit::even(40, 20, 2, 1, 0);
    for tile in &mut tiles {
        tile.path = folder.path().join(format!("{}.png", tile.path.display()));
        picture.cut(tile.at).write_with(&tile.path, |encoder| {
            for (key, text) in [
                ("Scene", "shot010"),
                ("RenderTime", "00:01"),
                ("Frame", "0017"),
            ] {
                encoder
                    .add_text_chunk(key.to_owned(), text.to_owned())
                    .unwrap();
            }
            encoder
                .add_itxt_chunk("Title".to_owned(), "Größe".to_owned())
                .unwrap();
            encoder.set_source_gamma(png::ScaledFloat::new(1.0));
        });
    }
    let output = folder.path().join("out.png");
    run(&Plan::new(40, 20, tiles), &output).unwrap();
    let (read, info) = Png::read(&output);
    assert!(read == picture);
    let texts: Vec<_> = info
        .uncompressed_latin1_text
        .iter()
        .map(|chunk| (chunk.keyword.as_str(), chunk.text.as_str()))
        .collect();
    assert_eq!(texts, [("Scene", "shot010"), ("Frame", "0017")]);
    assert_eq!(info.utf8_text[0].get_text().unwrap(), "Größe");
    assert_eq!(info.gama_chunk, Some(png::ScaledFloat::new(1.0)));
}
