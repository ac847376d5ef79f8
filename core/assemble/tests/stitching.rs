//! Any picture cut into any tiles is itself again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod kit;

use exr::prelude::{AttributeValue, Compression};
use framewright_assemble::Rect;
use framewright_assemble::stitch::{Canvas, Layout, Plan};
use kit::{Kind, Names, Picture, RGBA, Style, even, grid, read_exr, run, write_exr, write_tiles};
use proptest::prelude::*;

const ALL: [Compression; 10] = [
    Compression::Uncompressed,
    Compression::RLE,
    Compression::ZIP1,
    Compression::ZIP16,
    Compression::PIZ,
    Compression::PXR24,
    Compression::B44,
    Compression::B44A,
    Compression::DWAA(None),
    Compression::DWAB(None),
];

const CHANNELS: [Names<'static>; 4] = [
    RGBA,
    &[("Z", Kind::Float)],
    &[("ID", Kind::Uint), ("Y", Kind::Half)],
    &[
        ("View Layer.Combined.B", Kind::Half),
        ("View Layer.Combined.G", Kind::Half),
        ("View Layer.Combined.R", Kind::Half),
        (
            "View Layer.Depth.Z of a name that is rather long",
            Kind::Float,
        ),
        ("crypto.R", Kind::Uint),
    ],
];

/// Edges within a length, at most three.
fn edges(length: u32) -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::btree_set(1..length, 0..4).prop_map(|all| all.into_iter().collect())
}

#[derive(Clone, Debug)]
struct Case {
    picture: Picture,
    columns: Vec<u32>,
    rows: Vec<u32>,
    overlap: u32,
    style: Style,
    layout: Layout,
    canvas: Canvas,
    placed: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    (2..90u32, 2..120u32).prop_flat_map(|(width, height)| {
        let picture = (any::<u64>(), 0..CHANNELS.len(), any::<bool>());
        let style = (
            0..ALL.len(),
            proptest::option::of((1..40usize, 1..40usize)),
            (-40..40i32, -40..40i32),
        );
        let layout = prop_oneof![
            Just(Layout::Auto),
            Just(Layout::Scanline),
            Just(Layout::Tiled)
        ];
        let more = (0..12u32, layout, any::<bool>(), any::<bool>());
        (picture, edges(width), edges(height), style, more).prop_map(
            move |((seed, channels, two), columns, rows, (method, tiles, position), more)| {
                let (overlap, layout, is_full, placed) = more;
                let first = (two.then_some("beauty"), CHANNELS[channels]);
                let second = (Some("shadow"), CHANNELS[(channels + 1) % CHANNELS.len()]);
                let parts = [first, second];
                let parts = &parts[..if two { 2 } else { 1 }];
                Case {
                    picture: Picture::new(seed, width, height, parts),
                    columns,
                    rows,
                    overlap,
                    style: Style {
                        tiles,
                        position,
                        ..Style::new(ALL[method])
                    },
                    layout,
                    canvas: if is_full { Canvas::Full } else { Canvas::Crop },
                    placed,
                }
            },
        )
    })
}

/// The files of a case, its plan, and the picture that crate `exr` reads from the tiles alone.
fn lay_out(case: &Case, folder: &std::path::Path) -> (Plan, Picture) {
    let picture = &case.picture;
    let (width, height) = (picture.width, picture.height);
    let mut tiles = grid(width, height, &case.columns, &case.rows, case.overlap);
    let mut expected = picture.clone();
    let (left, top) = case.style.position;
    for tile in &mut tiles {
        tile.path = folder.join(format!("{}.exr", tile.path.display()));
        let (shown, style) = match case.canvas {
            Canvas::Crop if case.placed => {
                let style = Style {
                    position: (left + tile.at.x as i32, top + tile.at.y as i32),
                    display: Some((left, top, width, height)),
                    ..case.style
                };
                (picture.cut(tile.at), style)
            }
            Canvas::Crop => (picture.cut(tile.at), case.style),
            Canvas::Full => {
                let mut black = picture.clone();
                black
                    .channels_mut()
                    .for_each(|channel| channel.bits.fill(0));
                black.paste(&picture.cut(tile.at), tile.at, tile.at);
                (black, case.style)
            }
        };
        write_exr(&tile.path, &shown, style);
        let (read, _) = read_exr(&tile.path);
        let at = match case.canvas {
            Canvas::Crop => tile.at,
            Canvas::Full => Rect::of_size(width, height),
        };
        expected.paste(&read, at, tile.keep);
    }
    let mut plan = Plan::new(width, height, tiles);
    plan.canvas = case.canvas;
    plan.layout = case.layout;
    (plan, expected)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    #[test]
    fn tiles_of_any_picture_are_it_again(case in cases()) {
        let folder = tempfile::tempdir().unwrap();
        let (plan, expected) = lay_out(&case, folder.path());
        let output = folder.path().join("out.exr");
        let stitched = run(&plan, &output).unwrap();
        let (read, image) = read_exr(&output);
        prop_assert!(read == expected, "not the tiles' picture");
        if !case.style.compression.may_loose_data() {
            prop_assert!(read == case.picture, "not the picture");
            prop_assert_eq!(image.layer_data[0].encoding.compression, case.style.compression);
            prop_assert!(stitched.seams.is_empty());
        }
        prop_assert_eq!(stitched.bytes, output.metadata().unwrap().len());
        prop_assert!(stitched.copied_blocks + stitched.encoded_blocks > 0);
        let display = image.attributes.display_window;
        prop_assert_eq!(display.size.width() as u32, case.picture.width);
        let (left, top) = case.style.position;
        prop_assert_eq!((display.position.x(), display.position.y()), (left, top));
        let data = image.layer_data[0].attributes.layer_position;
        prop_assert_eq!((data.x(), data.y()), (left, top));
    }

    /// The control: the same with one tile rendered a pixel aside is not it, and where tiles overlap
    /// that is noticed.
    #[test]
    fn a_tile_that_is_a_pixel_aside_is_noticed(seed in any::<u64>(), overlap in 0..5u32) {
        let folder = tempfile::tempdir().unwrap();
        let picture = Picture::new(seed, 60, 50, &[(None, RGBA)]);
        prop_assert!(picture.colours() > 1000);
        let mut tiles = even(60, 50, 3, 2, overlap);
        write_tiles(folder.path(), &picture, &mut tiles, Style::new(Compression::ZIP16));
        let at = tiles[4].at;
        let aside = Rect { x: at.x - 1, ..at };
        write_exr(&tiles[4].path, &picture.cut(aside), Style::new(Compression::ZIP16));
        let output = folder.path().join("out.exr");
        let stitched = run(&Plan::new(60, 50, tiles), &output).unwrap();
        prop_assert!(read_exr(&output).0 != picture);
        let named: Vec<_> = stitched.seams.iter().map(|seam| seam.between.1.as_str()).collect();
        if overlap == 0 {
            prop_assert!(named.is_empty());
        } else {
            prop_assert!(named.contains(&"beauty:17:1,1"), "{named:?}");
            let all_name_it = stitched.seams.iter().all(|seam| {
                seam.between.0 == "beauty:17:1,1" || seam.between.1 == "beauty:17:1,1"
            });
            prop_assert!(all_name_it, "{:?}", stitched.seams);
        }
    }
}

#[test]
fn a_seam_has_its_place_its_channel_and_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Picture::new(3, 40, 40, &[(None, RGBA)]);
    let mut tiles = even(40, 40, 2, 1, 4);
    write_tiles(
        folder.path(),
        &picture,
        &mut tiles,
        Style::new(Compression::PIZ),
    );
    // The right tile begins at 16 and shares 16..24 with the left one.
    let mut right = picture.cut(tiles[1].at);
    let green = right.channels_mut().nth(2).unwrap();
    let at = 31 * 24 + 5;
    let before = exr::prelude::f16::from_bits(green.bits[at] as u16);
    let after = exr::prelude::f16::from_f32(before.to_f32() + 0.5);
    green.bits[at] = after.to_bits().into();
    write_exr(&tiles[1].path, &right, Style::new(Compression::PIZ));
    let mut plan = Plan::new(40, 40, tiles);
    let seams = run(&plan, &folder.path().join("a.exr")).unwrap().seams;
    let [seam] = &seams[..] else {
        panic!("{seams:?}");
    };
    assert_eq!(
        seam.between,
        ("beauty:17:0,0".into(), "beauty:17:1,0".into())
    );
    assert_eq!((seam.place, seam.channel.as_str()), ((21, 31), "G"));
    let difference = f64::from(after.to_f32()) - f64::from(before.to_f32());
    assert_eq!(seam.difference, difference);
    plan.tolerance = difference;
    let seams = run(&plan, &folder.path().join("b.exr")).unwrap().seams;
    assert_eq!(seams, []);
}

#[test]
fn a_number_beside_none_is_a_seam_and_none_beside_none_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut picture = Picture::new(4, 40, 20, &[(None, &[("Z", Kind::Float)])]);
    picture.channels_mut().next().unwrap().bits[20] = f32::NAN.to_bits();
    let mut tiles = even(40, 20, 2, 1, 4);
    write_tiles(
        folder.path(),
        &picture,
        &mut tiles,
        Style::new(Compression::ZIP16),
    );
    let mut other = picture.cut(tiles[1].at);
    let depth = other.channels_mut().next().unwrap();
    depth.bits[4] = f32::NAN.to_bits() | 0x8000_0001;
    write_exr(&tiles[1].path, &other, Style::new(Compression::ZIP16));
    let mut plan = Plan::new(40, 20, tiles);
    assert_eq!(run(&plan, &folder.path().join("a.exr")).unwrap().seams, []);
    other.channels_mut().next().unwrap().bits[5] = f32::NAN.to_bits();
    write_exr(&plan.tiles[1].path, &other, Style::new(Compression::ZIP16));
    plan.tolerance = 1e30;
    let seams = run(&plan, &folder.path().join("b.exr")).unwrap().seams;
    assert_eq!(seams[0].difference, f64::INFINITY);
    assert_eq!(seams[0].place, (21, 0));
}

/// Columns, rows, overlap, style, layout; blocks that are copied, blocks that are not.
type CopyCase = (&'static [u32], &'static [u32], u32, Style, Layout, u64, u64);

/// What may be copied is copied: no block of these is made anew, and none of those is copied.
#[test]
fn blocks_are_copied_wherever_they_are_the_picture_s() {
    let picture = Picture::new(5, 96, 112, &[(None, RGBA)]);
    let zip = Style::new(Compression::ZIP16);
    let piz = Style::new(Compression::PIZ);
    let in_tiles = Style {
        tiles: Some((16, 16)),
        ..zip
    };
    let cases: [CopyCase; 10] = [
        (&[], &[32, 64], 0, zip, Layout::Auto, 7, 0),
        (&[], &[32, 64], 0, piz, Layout::Auto, 4, 0),
        (&[], &[32, 64], 16, zip, Layout::Scanline, 7, 0),
        (&[], &[30, 64], 0, zip, Layout::Auto, 4, 3),
        (&[32, 64], &[32, 64], 0, zip, Layout::Auto, 0, 7),
        (&[32, 64], &[32, 64], 0, zip, Layout::Tiled, 21, 0),
        (&[32, 64], &[32, 80], 16, zip, Layout::Tiled, 0, 21),
        (&[40, 80], &[48], 0, zip, Layout::Tiled, 21, 0),
        (&[32, 64], &[32], 0, in_tiles, Layout::Auto, 42, 0),
        (&[32, 64], &[32], 0, in_tiles, Layout::Scanline, 0, 7),
    ];
    for (number, (columns, rows, overlap, style, layout, copied, encoded)) in
        cases.into_iter().enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let mut tiles = grid(96, 112, columns, rows, overlap);
        write_tiles(folder.path(), &picture, &mut tiles, style);
        let mut plan = Plan::new(96, 112, tiles);
        plan.layout = layout;
        let output = folder.path().join("out.exr");
        let stitched = run(&plan, &output).unwrap();
        let counts = (stitched.copied_blocks, stitched.encoded_blocks);
        assert_eq!(counts, (copied, encoded), "case {number}");
        assert!(read_exr(&output).0 == picture, "case {number}");
    }
}

#[test]
fn metadata_are_the_first_tile_s_but_for_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Picture::new(6, 40, 40, &[(None, RGBA)]);
    let mut tiles = even(40, 40, 2, 2, 0);
    let style = Style {
        frame: Some(17),
        ..Style::new(Compression::ZIP16)
    };
    write_tiles(folder.path(), &picture, &mut tiles, style);
    let output = folder.path().join("out.exr");
    let mut plan = Plan::new(40, 40, tiles);
    plan.frame = Some(17);
    run(&plan, &output).unwrap();
    let (_, image) = read_exr(&output);
    let attributes = &image.layer_data[0].attributes;
    let mut names: Vec<String> = attributes.other.keys().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["Camera", "Frame"]);
    let frame = attributes.other.get(&exr::prelude::Text::from("Frame"));
    assert_eq!(frame, Some(&AttributeValue::Text("0017".into())));
    assert_eq!(attributes.software_name, Some("the kit".into()));
    assert_eq!(image.attributes.pixel_aspect, 1.25);
}
