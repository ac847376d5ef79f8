//! Films of pictures that are known, taken apart again by ffmpeg and compared frame by frame.
//!
//! A machine without ffmpeg says so aloud, and fails when `CI=true`.

mod support;

use framewright_assemble::film::{Codec, Film, FilmError, Holes};
use framewright_assemble::sequence::Cell;
use framewright_assemble::view::View;
use support::shots::{
    Shot, colour, decoded, difference, encoded, expected, film, linear_from_srgb, probe, write_exr,
    write_png,
};
use support::{distinct, is_here, run};

const SIZE: (usize, usize) = (160, 90);

fn pngs(frames: impl IntoIterator<Item = i32>) -> Shot {
    let name = |frame| format!("a.{frame:04}.png");
    Shot::make(frames, name, |path, frame| {
        write_png(path, frame, SIZE.0, SIZE.1)
    })
}

fn exrs(frames: impl IntoIterator<Item = i32>, prefix: &str) -> Shot {
    let name = |frame| format!("a.{frame:04}.exr");
    Shot::make(frames, name, |path, frame| {
        write_exr(path, frame, SIZE.0, SIZE.1, prefix);
    })
}

/// Every frame is its picture, and no other's: the difference to its own is below `mean` and `most`,
/// to its neighbour's far above.
fn assert_in_order(frames: &[Vec<u16>], numbers: &[i32], mean: f64, most: f64) {
    assert_eq!(frames.len(), numbers.len());
    for (at, frame) in frames.iter().enumerate() {
        let own = expected(numbers[at], SIZE.0, SIZE.1);
        let found = difference(frame, &own);
        assert!(found.0 < mean && found.1 < most, "frame {at}: {found:?}");
        // The control: with frames swapped the same comparison fails.
        let other = expected(numbers[(at + 1) % numbers.len()], SIZE.0, SIZE.1);
        let swapped = difference(frame, &other);
        assert!(
            swapped.0 > 10.0 * mean,
            "frame {at} is its neighbour: {swapped:?}"
        );
    }
}

#[test]
fn an_h264_of_pngs_is_right_frame_by_frame() {
    if !is_here("ffmpeg") {
        return;
    }
    let numbers: Vec<i32> = (-3..=20).collect();
    let shot = pngs(numbers.clone());
    let colours: Vec<u32> = expected(1, SIZE.0, SIZE.1)
        .chunks_exact(3)
        .map(|c| u32::from(c[0] >> 6) << 20 | u32::from(c[1] >> 6) << 10 | u32::from(c[2] >> 6))
        .collect();
    assert!(distinct(&colours) > 1000);
    let out = shot.out("film.mp4");
    let view = View::default();
    let made = encoded(
        &Film {
            rate: "23.976".parse().expect("a rate"),
            ..film(&shot.cells, Codec::H264, &view)
        },
        &out,
    )
    .expect("a film");
    assert_eq!((made.frames, made.width, made.height), (24, 160, 90));
    assert!(!made.is_light && made.holes.is_empty());
    for (entry, value) in [
        ("codec_name", "h264"),
        ("width,height", "160,90"),
        ("r_frame_rate", "24000/1001"),
        ("nb_read_frames", "24"),
        ("pix_fmt", "yuv420p"),
        (
            "color_space,color_transfer,color_primaries",
            "bt709,bt709,bt709",
        ),
        ("color_range", "tv"),
    ] {
        assert_eq!(probe(&out, entry), value, "{entry}");
    }
    // The index stands before the pictures.
    let bytes = std::fs::read(&out).expect("the film");
    let place = |name: &[u8]| bytes.windows(4).position(|four| four == name);
    assert!(place(b"moov") < place(b"mdat"));
    let frames = decoded(&out, "rgb48le", 3, SIZE);
    assert_in_order(&frames, &numbers, 0.006, 0.08);
}

#[test]
fn a_prores_of_exrs_is_what_the_view_says() {
    if !is_here("ffmpeg") {
        return;
    }
    let numbers: Vec<i32> = (1..=6).collect();
    let shot = exrs(numbers.clone(), "");
    let out = shot.out("film.mov");
    let view = View::default();
    let made = encoded(&film(&shot.cells, Codec::ProRes422, &view), &out).expect("a film");
    assert!(made.is_light);
    assert_eq!(probe(&out, "codec_name,profile"), "prores,HQ");
    let tags = "color_space,color_transfer,color_primaries";
    assert_eq!(probe(&out, tags), "bt709,bt709,bt709");
    assert_eq!(probe(&out, "r_frame_rate,nb_read_frames"), "24/1,6");
    let frames = decoded(&out, "rgb48le", 3, SIZE);
    assert_in_order(&frames, &numbers, 0.002, 0.02);

    // A stop up, by the formula of the standard.
    let up = shot.out("up.mov");
    let view = View::named("srgb", 1.0).expect("a view");
    encoded(&film(&shot.cells, Codec::ProRes422, &view), &up).expect("a film");
    let brighter: Vec<u16> = (0..SIZE.1)
        .flat_map(|y| (0..SIZE.0).map(move |x| (x, y)))
        .flat_map(|(x, y)| colour(1, x, y, SIZE.0, SIZE.1))
        .map(|value| {
            let light = (2.0 * linear_from_srgb(value)).min(1.0);
            let shown = if light <= 0.003_130_8 {
                12.92 * light
            } else {
                1.055 * light.powf(1.0 / 2.4) - 0.055
            };
            (shown * 65535.0).round() as u16
        })
        .collect();
    let frame = &decoded(&up, "rgb48le", 3, SIZE)[0];
    let found = difference(frame, &brighter);
    assert!(found.0 < 0.002, "{found:?}");
    let control = difference(frame, &frames[0]);
    assert!(control.0 > 0.02, "{control:?}");

    // And as another program converts the same file.
    if is_here("oiiotool") {
        let [exr, png] = [
            shot.cells[0].path.clone().expect("a picture"),
            shot.out("o.png"),
        ]
        .map(|path| path.display().to_string());
        run(
            "oiiotool",
            &[
                &exr,
                "--colorconvert",
                "linear",
                "sRGB",
                "-d",
                "uint16",
                "-o",
                &png,
            ],
        );
        let theirs = &decoded(shot.out("o.png").as_path(), "rgb48le", 3, SIZE)[0];
        let found = difference(&frames[0], theirs);
        assert!(found.0 < 0.002 && found.1 < 0.02, "{found:?}");
    }
}

#[test]
fn a_cube_is_what_another_program_makes_of_it() {
    if !is_here("ffmpeg") {
        return;
    }
    // Not a symmetric one: axes that are swapped must be seen.
    let edge = 5;
    let step = |n: usize| n as f64 / (edge - 1) as f64;
    let mut cube = format!("TITLE \"test\"\nLUT_3D_SIZE {edge}\n");
    for blue in 0..edge {
        for green in 0..edge {
            for red in 0..edge {
                let (r, g, b) = (step(red), step(green), step(blue));
                let to = [r * r, 0.2 + 0.6 * g, 0.5 * (1.0 - b) + 0.3 * r * g];
                cube += &format!("{:.6} {:.6} {:.6}\n", to[0], to[1], to[2]);
            }
        }
    }
    let shot = exrs([3], "");
    let path = shot.out("look.cube");
    std::fs::write(&path, cube).expect("a file");
    let view = View::named(path.to_str().expect("text"), 0.0).expect("a view");
    let out = shot.out("film.mov");
    encoded(&film(&shot.cells, Codec::ProRes4444, &view), &out).expect("a film");
    let ours = &decoded(&out, "rgb48le", 3, SIZE)[0];

    // The same light as code values, through ffmpeg's own table.
    let light = shot.out("light.png");
    let raw = View::named("raw", 0.0).expect("a view");
    let straight = shot.out("raw.mov");
    encoded(&film(&shot.cells, Codec::ProRes4444, &raw), &straight).expect("a film");
    let [light_text, filter, theirs] = [
        light.display().to_string(),
        format!("lut3d=file={}:interp=trilinear", path.display()),
        shot.out("theirs.png").display().to_string(),
    ];
    let bytes: Vec<u8> = (0..SIZE.1)
        .flat_map(|y| (0..SIZE.0).map(move |x| (x, y)))
        .flat_map(|(x, y)| colour(3, x, y, SIZE.0, SIZE.1))
        .flat_map(|value| ((linear_from_srgb(value) * 65535.0).round() as u16).to_be_bytes())
        .collect();
    let mut encoder = png::Encoder::new(
        std::fs::File::create(&light).expect("a file"),
        SIZE.0 as u32,
        SIZE.1 as u32,
    );
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Sixteen);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&bytes).expect("a picture");
    drop(writer);
    let convert = [
        "-v",
        "error",
        "-i",
        &light_text,
        "-vf",
        &filter,
        "-pix_fmt",
        "rgb48be",
        &theirs,
    ];
    run("ffmpeg", &convert);
    let theirs = &decoded(&shot.out("theirs.png"), "rgb48le", 3, SIZE)[0];
    let found = difference(ours, theirs);
    assert!(found.0 < 0.002 && found.1 < 0.02, "{found:?}");
    let control = difference(&decoded(&straight, "rgb48le", 3, SIZE)[0], theirs);
    assert!(control.0 > 0.02, "{control:?}");
}

#[test]
fn alpha_goes_into_prores_4444_straight() {
    use exr::prelude::*;
    if !is_here("ffmpeg") {
        return;
    }
    let name = |frame| format!("a.{frame:04}.exr");
    let shot = Shot::make([1, 2], name, |path, _| {
        let pixel = |at: Vec2<usize>| {
            let alpha = 0.25 + 0.5 * at.x() as f32 / SIZE.0 as f32;
            // Light with its alpha in it, as renderers write it.
            (0.5 * alpha, 0.2 * alpha, 0.05 * alpha, alpha)
        };
        let image = Image::from_channels(SIZE, SpecificChannels::rgba(pixel));
        image.write().to_file(path).expect("a picture");
    });
    let view = View::default();
    let out = shot.out("film.mov");
    encoded(&film(&shot.cells, Codec::ProRes4444, &view), &out).expect("a film");
    assert_eq!(probe(&out, "codec_name,profile"), "prores,4444");
    let frame = &decoded(&out, "rgba64le", 4, SIZE)[0];
    for (x, pixel) in frame.chunks_exact(4).take(SIZE.0).enumerate() {
        let near = |sample: u16, value: f32| (f32::from(sample) / 65535.0 - value).abs() < 0.01;
        let alpha = 0.25 + 0.5 * x as f32 / SIZE.0 as f32;
        // 0.735, 0.485 and 0.248: the curve of 0.5, 0.2 and 0.05.
        assert!(
            near(pixel[0], 0.7354) && near(pixel[1], 0.4845),
            "{x}: {pixel:?}"
        );
        assert!(
            near(pixel[2], 0.2482) && near(pixel[3], alpha),
            "{x}: {pixel:?}"
        );
    }
    // Without alpha it lies on black.
    let flat = shot.out("flat.mov");
    encoded(&film(&shot.cells, Codec::ProRes422, &view), &flat).expect("a film");
    let first = decoded(&flat, "rgb48le", 3, SIZE)[0][0];
    let on_black = 1.055 * (0.5_f32 * 0.25).powf(1.0 / 2.4) - 0.055;
    assert!(
        (f32::from(first) / 65535.0 - on_black).abs() < 0.01,
        "{first}"
    );
}

#[test]
fn odd_sides_get_a_line_more() {
    if !is_here("ffmpeg") {
        return;
    }
    let (width, height) = (161, 91);
    let name = |frame| format!("a.{frame:04}.png");
    let shot = Shot::make(1..=3, name, |path, frame| {
        write_png(path, frame, width, height)
    });
    let view = View::default();
    for (codec, name, size) in [
        (Codec::H264, "film.mp4", (162, 92)),
        (Codec::ProRes422, "film.mov", (162, 91)),
        (Codec::ProRes4444, "film4.mov", (161, 91)),
    ] {
        let out = shot.out(name);
        let made = encoded(&film(&shot.cells, codec, &view), &out).expect("a film");
        assert_eq!((made.width, made.height), size);
        assert_eq!(
            probe(&out, "width,height"),
            format!("{},{}", size.0, size.1)
        );
        let frame = &decoded(&out, "rgb48le", 3, size)[1];
        let inner: Vec<u16> = frame
            .chunks_exact(size.0 * 3)
            .take(height)
            .flat_map(|row| row[..width * 3].to_vec())
            .collect();
        let found = difference(&inner, &expected(2, width, height));
        assert!(found.0 < 0.006, "{name}: {found:?}");
        // No black edge.
        let corner = frame[frame.len() - 3..]
            .iter()
            .map(|s| f64::from(*s))
            .sum::<f64>();
        let last = inner[inner.len() - 3..]
            .iter()
            .map(|s| f64::from(*s))
            .sum::<f64>();
        assert!(
            (corner - last).abs() < 0.05 * 65535.0,
            "{name}: {corner} {last}"
        );
    }
}

#[test]
fn a_layer_of_a_multilayer_file_can_be_shown() {
    if !is_here("ffmpeg") {
        return;
    }
    let shot = exrs([1, 2], "fx.dust.Combined.");
    let view = View::default();
    let shown = |layer| Film {
        layer,
        ..film(&shot.cells, Codec::ProRes422, &view)
    };
    for (name, layer) in [("none.mov", None), ("named.mov", Some("fx.dust"))] {
        let out = shot.out(name);
        encoded(&shown(layer), &out).expect("a film");
        let frames = decoded(&out, "rgb48le", 3, SIZE);
        assert_in_order(&frames, &[1, 2], 0.002, 0.02);
    }
    let said = encoded(&shown(Some("beauty")), &shot.out("no.mov")).expect_err("no layer");
    let path = shot.cells[0].path.clone().expect("a picture");
    assert_eq!(
        said.to_string(),
        format!(
            "{} has no layer `beauty`: it has fx.dust.Combined",
            path.display()
        )
    );
    assert!(!shot.out("no.mov").exists());
}

#[test]
fn holes_are_named_or_filled_as_asked() {
    if !is_here("ffmpeg") {
        return;
    }
    let mut shot = pngs(1..=8);
    for hole in [0, 2, 3, 6] {
        shot.cells[hole] = Cell {
            frame: hole as i32 + 1,
            path: None,
        };
    }
    let view = View::default();
    let with = |holes| Film {
        holes,
        ..film(&shot.cells, Codec::ProRes422, &view)
    };
    let said = encoded(&with(Holes::Refuse), &shot.out("no.mov")).expect_err("holes");
    assert_eq!(said.to_string(), "frames 1, 3-4, 7 have no picture");
    assert!(!shot.out("no.mov").exists());
    let numbers_of = |name: &str, holes| {
        let out = shot.out(name);
        let made = encoded(&with(holes), &out).expect("a film");
        assert_eq!(made.holes, [1, 3, 4, 7]);
        decoded(&out, "rgb48le", 3, SIZE)
    };
    assert_in_order(
        &numbers_of("skip.mov", Holes::Skip),
        &[2, 5, 6, 8],
        0.002,
        0.02,
    );
    let repeated = numbers_of("repeat.mov", Holes::Repeat);
    for (frame, number) in repeated.iter().zip([2, 2, 2, 2, 5, 6, 6, 8]) {
        let found = difference(frame, &expected(number, SIZE.0, SIZE.1));
        assert!(found.0 < 0.002, "{number}: {found:?}");
    }
    let black = numbers_of("black.mov", Holes::Black);
    assert_eq!(black.len(), 8);
    let is_black = |frame: &Vec<u16>| frame.iter().all(|sample| *sample < 300);
    let blacks: Vec<bool> = black.iter().map(is_black).collect();
    assert_eq!(blacks, [true, false, true, true, false, false, true, false]);
}

#[test]
fn pictures_that_are_not_alike_are_refused_before_ffmpeg_starts() {
    let mut shot = pngs(1..=3);
    let other = shot.out("other.png");
    write_png(&other, 2, 80, 90);
    shot.cells[1].path = Some(other.clone());
    let view = View::default();
    let mut film = film(&shot.cells, Codec::H264, &view);
    let nowhere = shot.out("nowhere");
    film.program = &nowhere;
    let said = encoded(&film, &shot.out("film.mp4")).expect_err("sizes");
    let text = format!(
        "frame 2 has 80x90 pixels, the others 160x90: {}",
        other.display()
    );
    assert_eq!(said.to_string(), text);
    assert!(matches!(said, FilmError::Sequence(_)));
}
