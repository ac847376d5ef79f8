//! `assemble stitch`, end to end: pictures that the stub renderer draws whole and in tiles.

mod support;

use std::fs;
use std::path::PathBuf;

use support::pictures::Picture;
use support::{Desk, Ended};

const SCENE: &str = "frames = \"1-2\"\nwidth = 100\nheight = 70\n";

/// A desk with a scene, its frame 1 whole, and both frames in 3x2 tiles that overlap by 4.
struct Drawn {
    desk: Desk,
    extension: &'static str,
}

const ACROSS: [(u32, u32); 3] = [(0, 36), (28, 40), (60, 40)];
const DOWN: [(u32, u32); 2] = [(0, 36), (28, 42)];

impl Drawn {
    fn new(extension: &'static str) -> Self {
        let desk = Desk::new();
        desk.file("a.stub.toml", SCENE);
        let drawn = Self { desk, extension };
        drawn.draw(&format!("whole.####.{extension}"), "1", &[]);
        for (row, (y, height)) in DOWN.iter().enumerate() {
            for (column, (x, width)) in ACROSS.iter().enumerate() {
                let tile = format!("{x},{y},{width},{height}");
                fs::create_dir_all(drawn.desk.work().join("0001")).expect("a folder");
                fs::create_dir_all(drawn.desk.work().join("0002")).expect("a folder");
                let pattern = format!("####/{column},{row}.{extension}");
                drawn.draw(&pattern, "1-2", &["--tile", &tile]);
            }
        }
        drawn
    }

    fn draw(&self, pattern: &str, frames: &str, more: &[&str]) {
        let mut words = vec!["stub-render", "a.stub.toml", "--frames", frames];
        words.extend(["--output", pattern]);
        words.extend(more);
        self.desk.run(words).expect_code(0);
    }

    /// The tiles' names, in the order in which a shell lists them: by columns.
    fn tiles(&self) -> Vec<String> {
        let all = (0..3).flat_map(|column| (0..2).map(move |row| (column, row)));
        all.map(|(column, row)| format!("0001/{column},{row}.{}", self.extension))
            .collect()
    }

    fn stitch(&self, tiles: &[String], more: &[&str]) -> Ended {
        let mut words = vec!["assemble", "stitch"];
        words.extend(tiles.iter().map(String::as_str));
        words.extend(more);
        self.desk.run(words)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.work().join(name)
    }

    #[track_caller]
    fn expect_whole(&self, name: &str) {
        let whole = Picture::read(&self.path(&format!("whole.0001.{}", self.extension)));
        assert!(whole.colours() > 1000, "{} colours", whole.colours());
        let ours = Picture::read(&self.path(name));
        assert_eq!(whole.difference(&ours), None);
        assert!(whole.difference(&ours.shifted()).is_some(), "no control");
    }
}

#[test]
fn tiles_are_placed_by_their_names() {
    for extension in ["exr", "png"] {
        let drawn = Drawn::new(extension);
        let name = format!("a.{extension}");
        let more = ["--overlap", "4", "-o", &name];
        let ended = drawn.stitch(&drawn.tiles(), &more).expect_code(0);
        assert!(
            ended.stdout.starts_with(&format!("{name}: 100x70, ")),
            "{ended:?}"
        );
        assert!(ended.stdout.ends_with(" from 6 tiles\n"), "{ended:?}");
        assert_eq!(ended.stderr, "");
        drawn.expect_whole(&name);
        // It is not replaced unless that is asked for.
        let refused = drawn.stitch(&drawn.tiles(), &more).expect_code(2);
        assert_eq!(
            refused.stderr,
            format!("framewright: {name} is there already\nhint: --overwrite replaces it\n")
        );
        let more = [&more[..], &["--overwrite", "--grid", "3x2", "-q"]].concat();
        let ended = drawn.stitch(&drawn.tiles(), &more).expect_code(0);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
        drawn.expect_whole(&name);
    }
}

#[test]
fn tiles_are_placed_by_their_order_or_by_rectangles() {
    let drawn = Drawn::new("exr");
    let mut by_rows = Vec::new();
    let mut places = Vec::new();
    for (row, (y, height)) in DOWN.iter().enumerate() {
        for (column, (x, width)) in ACROSS.iter().enumerate() {
            let name = format!("tile{}.exr", row * 3 + column);
            fs::copy(
                drawn.path(&format!("0001/{column},{row}.exr")),
                drawn.path(&name),
            )
            .expect("a copy");
            by_rows.push(name);
            places.push(format!("{width}x{height}+{x}+{y}"));
        }
    }
    drawn
        .stitch(
            &by_rows,
            &["--grid", "3x2", "--overlap", "4", "-o", "a.exr"],
        )
        .expect_code(0);
    drawn.expect_whole("a.exr");
    // In any order, as long as each has its place.
    by_rows.reverse();
    let mut more = vec!["--overlap", "4", "-o", "b.exr", "--layout", "tiled"];
    for place in places.iter().rev() {
        more.extend(["--at", place]);
    }
    more.extend(["--format", "json"]);
    let document = drawn.stitch(&by_rows, &more).expect_code(0).json();
    assert_eq!(document["format"], 1);
    assert_eq!(document["output"], "b.exr");
    assert_eq!(
        (&document["width"], &document["height"]),
        (&100.into(), &70.into())
    );
    assert_eq!(document["tiles"], 6);
    assert_eq!(document["seams"], serde_json::json!([]));
    let bytes = fs::metadata(drawn.path("b.exr")).expect("the file").len();
    assert_eq!(document["bytes"], bytes);
    drawn.expect_whole("b.exr");
}

#[test]
fn a_seam_is_named_and_the_picture_is_there() {
    let drawn = Drawn::new("exr");
    let mut tiles = drawn.tiles();
    tiles[2] = "0002/1,0.exr".to_owned();
    let more = ["--overlap", "4", "-o", "a.exr"];
    let ended = drawn.stitch(&tiles, &more).expect_code(1);
    assert!(
        ended
            .stderr
            .starts_with("warning: tiles 0001/0,0.exr and 0002/1,0.exr differ by up to "),
        "{ended:?}"
    );
    assert!(drawn.path("a.exr").exists());
    let more = ["--overlap", "4", "-o", "b.exr", "--format", "json"];
    let document = drawn.stitch(&tiles, &more).expect_code(1).json();
    let seams = document["seams"].as_array().expect("seams");
    assert_eq!(
        seams.len(),
        5,
        "its neighbours and those at its corners: {document:#}"
    );
    for seam in seams {
        let between = seam["between"].as_array().expect("two names");
        assert!(between.contains(&"0002/1,0.exr".into()), "{seam}");
        assert!(seam["difference"].as_f64().expect("a number") > 0.0);
    }
    // A tolerance that nothing exceeds.
    let more = ["--overlap", "4", "-o", "c.exr", "--tolerance", "1"];
    drawn.stitch(&tiles, &more).expect_code(0);
}

#[test]
fn bad_input_is_a_sentence_a_hint_and_exit_2() {
    let drawn = Drawn::new("exr");
    let tiles = drawn.tiles();
    let out = ["-o", "out.exr"];
    let with = |more: &[&'static str]| [&out[..], more].concat();
    let cases: Vec<(Vec<String>, Vec<&str>, &str)> = vec![
        (
            tiles[..5].to_vec(),
            out.to_vec(),
            "tile 2,1 of the 3x2 grid is missing",
        ),
        (
            [&tiles[..5], &["0001/9,9.exr".to_owned()]].concat(),
            with(&["--grid", "3x2"]),
            "tile 0001/9,9.exr is missing: there is no file 0001/9,9.exr",
        ),
        (
            tiles.clone(),
            with(&["--grid", "2x2"]),
            "0001/2,0.exr is tile 2,0, which a 2x2 grid has not",
        ),
        (
            [&tiles[..], &tiles[..1]].concat(),
            out.to_vec(),
            "0001/0,0.exr and 0001/0,0.exr are both tile 0,0",
        ),
        (
            tiles.clone(),
            with(&["--grid", "3by2"]),
            "--grid 3by2: these are not two numbers",
        ),
        (
            tiles.clone(),
            with(&["--at", "1x1+0+0"]),
            "--at is given 1 times, for 6 tiles",
        ),
        (
            tiles[..1].to_vec(),
            with(&["--at", "36x36"]),
            "--at 36x36: this is no rectangle",
        ),
        (
            tiles[..1].to_vec(),
            with(&["--at", "36x36+0+0", "--size", "40x36"]),
            "no tile gives the pixels 4x36+36+0",
        ),
        (
            tiles[..1].to_vec(),
            with(&["--at", "37x36+0+0"]),
            "tile 0001/0,0.exr is 36x36 pixels large, expected 37x36",
        ),
        (
            vec!["whole.0001.exr".to_owned(), "a.stub.toml".to_owned()],
            out.to_vec(),
            "the name of whole.0001.exr does not say where the tile belongs",
        ),
        (
            vec!["a.stub.toml".to_owned()],
            out.to_vec(),
            "tile a.stub.toml is broken: it is neither an EXR nor a PNG",
        ),
        (
            tiles.clone(),
            vec!["-o", "out.png", "--overlap", "4"],
            "the tiles are EXR, which out.png does not end as",
        ),
        (
            tiles.clone(),
            vec!["-o", "none/out.exr", "--overlap", "4"],
            "cannot write none/out.exr: No such file or directory",
        ),
        (
            tiles.clone(),
            with(&["--tolerance", "-1", "--overlap", "4"]),
            "a tolerance cannot be -1",
        ),
        (
            tiles,
            with(&["--overlap", "20"]),
            "the tiles of column 0 are too small for an overlap of 20",
        ),
    ];
    for (tiles, more, says) in cases {
        let ended = drawn.stitch(&tiles, &more).expect_code(2);
        let lines: Vec<&str> = ended.stderr.lines().collect();
        let [sentence, hint] = lines[..] else {
            panic!("{says}: {ended:?}");
        };
        assert!(
            sentence.starts_with(&format!("framewright: {says}")),
            "{says}: {ended:?}"
        );
        assert!(hint.starts_with("hint: "), "{ended:?}");
        assert!(!drawn.path("out.exr").exists());
        let document = drawn
            .stitch(&tiles, &[&more[..], &["--format", "json"]].concat())
            .expect_code(2)
            .json();
        assert_eq!(document["error"]["code"], 2, "{document}");
    }
}
