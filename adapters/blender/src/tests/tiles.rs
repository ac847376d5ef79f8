//! Tiles put together are the picture that Blender alone renders, in every bit of every channel, where the
//! adapter says so; where it says otherwise, it says why.
//!
//! The tiles are rendered by a session and cut by hand here. Controls: a tile that is off by a pixel is
//! seen, and where a margin is asked for, tiles without one differ. By default the cases that differ in
//! kind; `FRAMEWRIGHT_TILES=all` tries each, `FRAMEWRIGHT_TILES=blur` that one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use exr::prelude::{FlatSamples, read_all_flat_layers_from_file};
use framewright_plugin_api::data::{Activity, Task, Tile, Verdict};
use serde_json::json;

use super::alone::difference;
use super::bench::{Bench, nothing};
use super::real::{inspected, must_not_skip};

/// The frame, and where it is cut: nothing even.
const WIDTH: u32 = 200;
const HEIGHT: u32 = 112;
const ACROSS: [u32; 4] = [0, 64, 137, WIDTH];
const DOWN: [u32; 3] = [0, 50, HEIGHT];

/// Scenes whose tiles are exact at a margin, and whether they are tried by default.
const EXACT: [(&str, u32, bool); 23] = [
    ("plain", 0, true),
    ("half", 0, false),
    ("layered", 0, true),
    ("moving", 0, false),
    ("undithered", 0, true),
    ("undithered_deep", 0, false),
    ("colours", 0, true),
    ("adaptive", 8, true),
    ("blur", 12, true),
    ("blur_twice", 9, false),
    ("blur_flat", 6, false),
    ("blur_tent", 6, false),
    ("blur_quad", 6, false),
    ("blur_cubic", 6, false),
    ("blur_catrom", 6, false),
    ("blur_mitch", 6, false),
    ("blur_bokeh", 7, false),
    ("blur_gamma", 7, false),
    ("blur_part", 9, false),
    ("blur_uneven", 9, false),
    ("blur_adaptive", 13, false),
    ("soften", 1, true),
    ("sobel", 1, false),
];

/// Scenes that cannot be tiled, the format asked for, and why.
const REFUSED: [(&str, &str, &str); 15] = [
    ("blur_fast", "exr", "reads neighbouring pixels: Blur"),
    ("blur_relative", "exr", "reads neighbouring pixels: Blur"),
    ("blur_grouped", "exr", "reads neighbouring pixels: Blur"),
    ("glare", "exr", "reads neighbouring pixels: Glare"),
    ("cross", "exr", "renders scene Other too"),
    ("dithered", "png", "dithering starts anew"),
    ("limited", "exr", "time limit"),
    ("denoised", "exr", "denoising"),
    ("freestyle", "exr", "Freestyle"),
    ("stamped", "exr", "burnt-in metadata"),
    ("bordered", "exr", "border region"),
    ("workbench", "exr", "BLENDER_WORKBENCH"),
    ("eevee", "exr", "BLENDER_EEVEE"),
    ("strips", "exr", "sequencer"),
    ("plain", "png", "dithering starts anew"),
];

/// A picture's channels, each value by its bits.
type Channels = BTreeMap<String, Vec<u32>>;

fn scenes() -> Option<&'static Path> {
    static MADE: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        Command::new("blender").arg("--version").output().ok()?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenes/make_tiles.py");
        let made = Command::new("blender")
            .args(["-b", "--factory-startup", "--python-exit-code", "3", "-P"])
            .arg(script)
            .arg("--")
            .arg(dir.path())
            .output()
            .expect("Blender starts");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stdout)
        );
        Some(dir)
    });
    if made.is_none() {
        must_not_skip("there is no Blender here");
    }
    made.as_ref().map(tempfile::TempDir::path)
}

/// What Blender alone makes of the scenes: one process, one load after the other.
fn references(names: &[&str], folder: &Path) -> BTreeMap<String, PathBuf> {
    let into = tempfile::tempdir_in(folder)
        .expect("a temporary folder")
        .keep();
    let mut blender = Command::new("blender");
    blender.args(["-b", "--factory-startup", "--disable-autoexec"]);
    for name in names {
        blender.arg(folder.join(format!("{name}.blend")));
        blender.arg("-o").arg(into.join(format!("{name}_####")));
        blender.args(["-x", "1", "-f", "1"]);
    }
    let done = blender.output().expect("Blender starts");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let file = |name: &&str| {
        let path = |end: &str| into.join(format!("{name}_0001.{end}"));
        let found = [path("exr"), path("png")]
            .into_iter()
            .find(|path| path.is_file());
        (
            (*name).to_owned(),
            found.expect("Blender wrote the picture"),
        )
    };
    names.iter().map(file).collect()
}

fn channels(path: &Path) -> (usize, usize, Channels) {
    if path.extension().is_some_and(|end| end == "png") {
        let file = std::fs::File::open(path).expect("the picture is there");
        let decoder = png::Decoder::new(std::io::BufReader::new(file));
        let mut reader = decoder.read_info().expect("a PNG");
        let mut bytes = vec![0; reader.output_buffer_size().expect("its size is known")];
        let about = reader.next_frame(&mut bytes).expect("all of it");
        let deep = usize::from(about.bit_depth == png::BitDepth::Sixteen) + 1;
        let values = bytes
            .chunks_exact(deep)
            .map(|one| u32::from(one[0]) << 8 | u32::from(one[deep - 1]));
        let values: Vec<u32> = values.collect();
        let count = about.color_type.samples();
        let of = |at: usize| values.iter().skip(at).step_by(count).copied();
        let all = (0..count)
            .map(|at| (at.to_string(), of(at).collect()))
            .collect();
        return (about.width as usize, about.height as usize, all);
    }
    let image = read_all_flat_layers_from_file(path).expect("an EXR");
    let mut all = Channels::new();
    for layer in &image.layer_data {
        for channel in &layer.channel_data.list {
            let bits = match &channel.sample_data {
                FlatSamples::F16(values) => {
                    values.iter().map(|one| u32::from(one.to_bits())).collect()
                }
                FlatSamples::F32(values) => values.iter().map(|one| one.to_bits()).collect(),
                FlatSamples::U32(values) => values.clone(),
            };
            let name = match &layer.attributes.layer_name {
                Some(layer) => format!("{layer}.{}", channel.name),
                None => channel.name.to_string(),
            };
            all.insert(name, bits);
        }
    }
    let size = image.layer_data[0].size;
    (size.width(), size.height(), all)
}

/// A part of the frame: what is wanted of it, and what is rendered.
#[derive(Clone, Copy)]
struct Part {
    wanted: Tile,
    rendered: Tile,
}

fn parts(margin: u32) -> Vec<Part> {
    let tile = |left: u32, top: u32, right: u32, bottom: u32| Tile {
        x: left,
        y: top,
        width: right - left,
        height: bottom - top,
    };
    let mut parts = Vec::new();
    for down in DOWN.windows(2) {
        for across in ACROSS.windows(2) {
            let (left, right, top, bottom) = (across[0], across[1], down[0], down[1]);
            parts.push(Part {
                wanted: tile(left, top, right, bottom),
                rendered: tile(
                    left.saturating_sub(margin),
                    top.saturating_sub(margin),
                    (right + margin).min(WIDTH),
                    (bottom + margin).min(HEIGHT),
                ),
            });
        }
    }
    parts
}

/// Renders the parts in one session.
fn render(scene: &Path, extension: &str, parts: &[Part]) -> (Bench, Vec<PathBuf>) {
    let mut bench = Bench::open(Activity::Render, "blender", scene, nothing(), extension);
    let tasks = (1..).zip(parts).map(|(number, part)| Task {
        tile: Some(part.rendered),
        ..Task::frame(number, 1, &bench.output(number, extension))
    });
    let tasks: Vec<Task> = tasks.collect();
    bench.give(1, tasks);
    let ended = bench.settle();
    ended.all(Verdict::Succeeded, "");
    let files = ended.wrote.into_values().collect();
    (bench, files)
}

/// Puts parts together, one of them taken from so many pixels to the right.
fn stitched(parts: &[Part], files: &[PathBuf], shift: usize) -> Channels {
    let mut whole = Channels::new();
    for (number, (part, file)) in parts.iter().zip(files).enumerate() {
        let (width, height, all) = channels(file);
        let Part { wanted, rendered } = *part;
        assert_eq!(
            (width, height),
            (rendered.width as usize, rendered.height as usize)
        );
        let shift = if number == 1 { shift } else { 0 };
        for (name, values) in all {
            let into = whole
                .entry(name)
                .or_insert_with(|| vec![0; (WIDTH * HEIGHT) as usize]);
            for y in 0..wanted.height {
                for x in 0..wanted.width {
                    let from_y = (wanted.y - rendered.y + y) as usize;
                    let from_x = (wanted.x - rendered.x + x) as usize;
                    let from_x = (from_x + shift).min(width - 1);
                    into[((wanted.y + y) * WIDTH + wanted.x + x) as usize] =
                        values[from_y * width + from_x];
                }
            }
        }
    }
    whole
}

/// How many different colours a picture has.
fn colours(all: &Channels) -> usize {
    let mut seen = BTreeSet::new();
    let is_colour = |name: &str| !name.contains('.') || name.contains(".Combined.");
    let visible: Vec<_> = all
        .iter()
        .filter(|one| is_colour(one.0))
        .map(|one| one.1)
        .collect();
    for at in 0..(WIDTH * HEIGHT) as usize {
        seen.insert(visible.iter().map(|values| values[at]).collect::<Vec<_>>());
    }
    seen.len()
}

fn unlike(a: &Channels, b: &Channels) -> usize {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let count = |name: &String| a[name].iter().zip(&b[name]).filter(|(a, b)| a != b).count();
    a.keys().map(count).sum()
}

#[test]
fn tiles_are_the_picture_where_the_scene_is_said_to_allow_it() {
    let Some(folder) = scenes() else { return };
    let wanted = std::env::var("FRAMEWRIGHT_TILES").unwrap_or_default();
    let is_wanted = |one: &(&str, u32, bool)| match wanted.as_str() {
        "" => one.2,
        "all" => true,
        name => one.0 == name,
    };
    let cases: Vec<_> = EXACT.into_iter().filter(is_wanted).collect();
    let names: Vec<&str> = cases.iter().map(|one| one.0).collect();
    let references = references(&names, folder);
    let mut wrong = Vec::new();
    for (name, margin, _) in cases {
        let scene = folder.join(format!("{name}.blend"));
        let extension = if name.starts_with("undithered") {
            "png"
        } else {
            "exr"
        };
        let found = inspected(&scene, nothing(), extension).tiles;
        assert_eq!(
            (found.exact, found.margin),
            (true, margin),
            "{name}: {}",
            found.why
        );
        let (width, height, whole) = channels(&references[name]);
        assert_eq!((width, height), (WIDTH as usize, HEIGHT as usize));
        assert!(
            colours(&whole) > 1000,
            "{name} has {} colours",
            colours(&whole)
        );
        let cut = parts(margin);
        let (_bench, files) = render(&scene, extension, &cut);
        let differ = unlike(&stitched(&cut, &files, 0), &whole);
        if differ > 0 {
            wrong.push(format!("{name}: {differ} values differ"));
        }
        assert!(unlike(&stitched(&cut, &files, 1), &whole) > 1000, "{name}");
        if margin > 0 {
            // Or nothing would be shown by it.
            let bare = parts(0);
            let (_bench, files) = render(&scene, extension, &bare);
            assert!(
                unlike(&stitched(&bare, &files, 0), &whole) > 0,
                "{name}: no margin is needed"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn scenes_that_cannot_be_tiled_say_why() {
    let Some(folder) = scenes() else { return };
    for (name, output, why) in REFUSED {
        let found = inspected(&folder.join(format!("{name}.blend")), nothing(), output).tiles;
        assert!(!found.exact && found.why.contains(why), "{name}: {found:?}");
    }
    let scene = folder.join("file_output.blend");
    assert!(inspected(&scene, nothing(), "exr").tiles.exact);
    let found = inspected(&scene, json!({"file_outputs": "keep"}), "exr").tiles;
    assert!(
        !found.exact && found.why.contains("File Output"),
        "{found:?}"
    );
}

#[test]
fn the_file_and_blender_decide_alike_whether_a_scene_can_be_tiled() {
    let Some(folder) = scenes() else { return };
    let mut told = Vec::new();
    for name in EXACT
        .iter()
        .map(|one| one.0)
        .chain(REFUSED.iter().map(|one| one.0))
    {
        let path = folder.join(format!("{name}.blend"));
        told.extend(difference(&path, &nothing(), "exr"));
    }
    let path = folder.join("file_output.blend");
    told.extend(difference(&path, &json!({"file_outputs": "keep"}), "exr"));
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn a_reduced_picture_is_smaller_and_leaves_no_trace() {
    let Some(folder) = scenes() else { return };
    let whole = references(&["plain"], folder);
    let (_, _, whole) = channels(&whole["plain"]);
    for sticky in [true, false] {
        let scene = folder.join("plain.blend");
        let set = json!({"sticky": sticky});
        let mut bench = Bench::open(Activity::Render, "blender", &scene, set, "exr");
        let task = |number: u32, reduced: u32, tile: Option<Tile>| Task {
            reduced,
            tile,
            ..Task::frame(number, 1, &bench.output(number, "exr"))
        };
        let part = Tile {
            x: 11,
            y: 3,
            width: 18,
            height: 16,
        };
        let tasks = vec![
            task(1, 3, None),
            task(2, 0, None),
            task(3, 3, Some(part)),
            task(4, 1, None),
            task(5, 16, None),
        ];
        bench.give(1, tasks);
        let ended = bench.settle();
        ended.all(Verdict::Succeeded, "");
        let found: Vec<_> = ended.wrote.values().map(|path| channels(path)).collect();
        let sizes: Vec<_> = found.iter().map(|one| (one.0, one.1)).collect();
        assert_eq!(sizes, [(67, 38), (200, 112), (18, 16), (200, 112), (13, 7)]);
        assert_eq!(unlike(&found[1].2, &whole), 0);
        assert_eq!(unlike(&found[3].2, &whole), 0);
        // The tile is a part of the smaller picture.
        let (small, cut) = (&found[0].2, &found[2].2);
        for (name, values) in cut {
            for y in 0..16 {
                let from = (y + 3) * 67 + 11;
                assert_eq!(values[y * 18..(y + 1) * 18], small[name][from..from + 18]);
            }
        }
    }
}

#[test]
fn layers_side_by_side_are_the_file_that_blender_writes_of_them_all() {
    let Some(folder) = scenes() else { return };
    let whole = references(&["three"], folder);
    let (_, _, whole) = channels(&whole["three"]);
    assert!(colours(&whole) > 1000);
    for (name, sticky) in [("three", true), ("three", false), ("three_single", true)] {
        let scene = folder.join(format!("{name}.blend"));
        let found = inspected(&scene, nothing(), "exr");
        assert_eq!(
            found.layer_split.exact,
            name == "three",
            "{:?}",
            found.layer_split
        );
        let used = found.layers.iter().filter(|layer| layer.used);
        let used: Vec<String> = used.map(|layer| layer.name.clone()).collect();
        assert_eq!(used, ["beauty", "chars.far 2", "fx"]);
        let set = json!({"sticky": sticky});
        let mut bench = Bench::open(Activity::Render, "blender", &scene, set, "exr");
        let tasks = (1..).zip(&used).map(|(number, layer)| Task {
            layer: layer.clone(),
            ..Task::frame(number, 1, &bench.output(number, "exr"))
        });
        let mut tasks: Vec<Task> = tasks.collect();
        // What a layer left would be in a frame of the scene as it is.
        tasks.push(Task::frame(4, 1, &bench.output(4, "exr")));
        bench.give(1, tasks);
        let ended = bench.settle();
        ended.all(Verdict::Succeeded, "");
        let mut merged = Channels::new();
        for number in 1..=3 {
            let (_, _, all) = channels(&ended.wrote[&number]);
            let layer = &used[number as usize - 1];
            for (name, values) in all {
                assert!(
                    name.starts_with(&format!("{layer}.")),
                    "{name} in the file of {layer}"
                );
                assert_eq!(merged.insert(name, values), None);
            }
        }
        assert_eq!(unlike(&merged, &whole), 0, "{name}");
        let (first, second) = ("beauty.Combined.R", "fx.Combined.R");
        assert!(merged[first] != merged[second], "layers can be told apart");
        let (_, _, plain) = channels(&ended.wrote[&4]);
        if name == "three" {
            assert_eq!(unlike(&plain, &whole), 0);
        } else {
            assert_eq!(plain.keys().collect::<Vec<_>>(), ["A", "B", "G", "R"]);
            assert!(plain["R"] == whole[first]);
        }
    }
}
