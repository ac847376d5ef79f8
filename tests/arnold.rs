//! Scenes of Arnold, end to end, with a stand-in for `kick` that takes what is documented and refuses
//! everything else (`tests/arnold/kick`): there is no Arnold to test with. What framewright makes is held
//! against what the stand-in writes by itself.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::pictures::Picture;
use support::{Desk, Ended, LONG, events, expect_nothing_left, finish, top};

/// A desk with a `kick` on its path.
struct Studio {
    desk: Desk,
}

/// One driver, its file named beside the scene.
fn scene(frame: i32, more: &str) -> String {
    format!(
        "### fps: 25\noptions\n{{\n AA_samples 3\n xres 96\n yres 54\n camera \"cam\"\n frame {frame}\n \
         outputs \"RGBA RGBA f beauty\"\n}}\n\
         gaussian_filter\n{{\n name f\n}}\n\
         driver_exr\n{{\n name beauty\n filename \"beauty.exr\"\n}}\n\
         persp_camera\n{{\n name cam\n}}\n{more}"
    )
}

/// Three AOVs to three drivers of two types.
const AOVS: &str = "options\n{\n xres 96\n yres 54\n camera \"/cams/main\"\n frame 7\n \
     outputs 3 1 STRING\n\"RGBA RGBA f d.RGBA\"\n\"N VECTOR f d.N\"\n\"/cams/main albedo RGB f d.albedo\"\n}\n\
     box_filter\n{\n name f\n}\n\
     driver_exr\n{\n name d.RGBA\n filename \"beauty.exr\"\n}\n\
     driver_exr\n{\n name d.N\n filename \"N.exr\"\n}\n\
     driver_exr\n{\n name d.albedo\n filename \"albedo.exr\"\n}\n\
     persp_camera\n{\n name /cams/main\n}\n";

impl Studio {
    fn new() -> Self {
        let desk = Desk::new();
        fs::create_dir(desk.work().join("bin")).expect("a folder in our own folder");
        fs::copy(stand_in(), desk.work().join("bin/kick")).expect("a copy");
        Studio { desk }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.desk.work().join(name)
    }

    /// Twelve frames, 1 to 12.
    fn shot(&self) {
        for frame in 1..=12 {
            self.desk
                .file(format!("shot/shot.{frame:04}.ass"), scene(frame, ""));
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.desk.framewright(arguments);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.at("bin").display()));
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ended {
        finish(self.command(arguments), LONG)
    }

    /// Renders on two slots; the report, whatever the exit code.
    #[track_caller]
    fn render(&self, scene: &str, output: &str, code: i32, more: &[&str]) -> Value {
        let mut arguments = vec!["render", scene, "--local", "2", "-o", output];
        arguments.extend(["--format", "json", "--events", "events.jsonl"]);
        arguments.extend(more);
        let report = self.run(&arguments).expect_code(code).json();
        expect_nothing_left(report["job"].as_str().expect("a report names its job"));
        report
    }

    /// The stand-in by itself, in a folder.
    #[track_caller]
    fn kick(&self, folder: &str, arguments: &[&str]) -> Ended {
        fs::create_dir_all(self.at(folder)).expect("a folder in our own folder");
        let mut command = self.desk.command(stand_in());
        command.args(arguments).current_dir(self.at(folder));
        finish(command, LONG)
    }

    fn picture(&self, name: &str) -> Picture {
        Picture::read(&self.at(name))
    }
}

fn stand_in() -> PathBuf {
    top().join("tests/arnold/kick")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("our own folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// Equal in every channel, and a picture moved by a pixel is not.
#[track_caller]
fn expect_same(one: &Picture, reference: &Picture, what: &str) {
    assert!(
        reference.colours() > 1000,
        "{what} has {} colours",
        reference.colours()
    );
    assert_eq!(one.difference(reference), None, "{what}");
    assert!(one.shifted().difference(reference).is_some(), "{what}");
}

/// Some channels of a picture, under other names.
fn part(of: &Picture, channels: &[(&str, &str)]) -> Picture {
    let channel = |(own, name): &(&str, &str)| ((*name).to_owned(), of.channels[*own].clone());
    Picture {
        width: of.width,
        height: of.height,
        channels: channels.iter().map(channel).collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn a_sequence_given_by_one_of_its_files_is_rendered_whole() {
    let studio = Studio::new();
    studio.shot();
    let before = names(&studio.at("shot"));
    let report = studio.render("shot/shot.0001.ass", "out/s.####.exr", 0, &[]);
    assert_eq!(report["tasks"]["done"], 12, "{report:#}");
    assert_eq!(
        names(&studio.at("shot")),
        before,
        "something was written beside the scene"
    );
    let reference = |frame: i32| {
        let (file, name) = (
            format!("../shot/shot.{frame:04}.ass"),
            format!("{frame}.exr"),
        );
        studio
            .kick("alone", &["-i", &file, "-o", &name, "-dw", "-dp"])
            .expect_code(0);
        studio.picture(&format!("alone/{name}"))
    };
    let references: Vec<Picture> = (1..=12).map(reference).collect();
    for (frame, reference) in (1..=12).zip(&references) {
        let made = studio.picture(&format!("out/s.{frame:04}.exr"));
        expect_same(&made, reference, &format!("frame {frame}"));
        let other = &references[frame % 12];
        assert!(
            made.difference(other).is_some(),
            "frame {frame} is another one's"
        );
    }
}

#[test]
fn what_is_in_a_scene_is_told_as_a_document() {
    let studio = Studio::new();
    studio.shot();
    fs::remove_file(studio.at("shot/shot.0005.ass")).expect("our own file");
    let ended = studio.run(&["inspect", "shot/shot.0003.ass", "--format", "json"]);
    let found = &ended.expect_code(0).json()["scene"];
    assert_eq!(found["frames"], "1-12", "{found:#}");
    assert_eq!(
        (&found["width"], &found["height"]),
        (&96.into(), &54.into())
    );
    assert_eq!(found["camera"], "cam");
    assert_eq!(found["layers"][0]["passes"][0], "RGBA");
    assert_eq!(found["basis"]["load_s"], "estimated");
    let told = found["warnings"].to_string();
    assert!(told.contains("no file for frame 5"), "{told}");
    let frames = found["assets"].as_array().expect("a list");
    assert_eq!(frames.len(), 10);
    // The frame that is not there is the only one that fails.
    let report = studio.render(
        "shot/shot.0003.ass",
        "out/s.####.exr",
        1,
        &["--retries", "0"],
    );
    assert_eq!(
        (&report["tasks"]["done"], &report["tasks"]["failed"]),
        (&11.into(), &1.into())
    );
    let why = report["failures"].to_string();
    assert!(why.contains("there is no shot.0005.ass"), "{why}");
}

#[test]
fn a_scene_is_looked_into_where_nobody_has_arnold() {
    let studio = Studio::new();
    studio.shot();
    fs::remove_file(studio.at("bin/kick")).expect("our own file");
    let ended = studio.run(&["inspect", "shot/shot.0003.ass", "--format", "json"]);
    let found = ended.expect_code(0).json();
    assert_eq!(
        (&found["adapter"], &found["scene"]["frames"]),
        (&"arnold".into(), &"1-12".into())
    );
    let refused = studio.run(&["render", "shot/shot.0003.ass", "--local", "1"]);
    let refused = refused.expect_code(3);
    assert!(refused.stderr.contains("kick"), "{}", refused.stderr);
}

#[test]
fn all_aovs_of_a_frame_are_in_one_picture_and_nothing_beside_the_scene() {
    let studio = Studio::new();
    studio.desk.file("scenes/aovs.ass", AOVS);
    studio.render("scenes/aovs.ass", "out/a.####.exr", 0, &[]);
    assert_eq!(names(&studio.at("scenes")), ["aovs.ass"]);
    let made = studio.picture("out/a.0007.exr");
    // The renderer by itself writes a file for each.
    studio
        .kick("alone", &["-i", "../scenes/aovs.ass", "-dw", "-dp"])
        .expect_code(0);
    assert_eq!(
        names(&studio.at("alone")),
        ["N.exr", "albedo.exr", "beauty.exr"]
    );
    assert_eq!(made.channels.len(), 10, "{:?}", made.channels.keys());
    let rgb =
        |name: &str| [("R", "R"), ("G", "G"), ("B", "B")].map(|(c, n)| (format!("{name}.{c}"), n));
    let of = |channels: &[(String, &str)]| {
        let pairs: Vec<(&str, &str)> = channels.iter().map(|(c, n)| (c.as_str(), *n)).collect();
        part(&made, &pairs)
    };
    let albedo = of(&rgb("albedo"));
    expect_same(&albedo, &studio.picture("alone/albedo.exr"), "albedo");
    let normal = part(&made, &[("N.X", "R"), ("N.Y", "G"), ("N.Z", "B")]);
    expect_same(&normal, &studio.picture("alone/N.exr"), "N");
    let beauty = part(&made, &[("R", "R"), ("G", "G"), ("B", "B"), ("A", "A")]);
    expect_same(&beauty, &studio.picture("alone/beauty.exr"), "beauty");
    assert!(albedo.difference(&studio.picture("alone/N.exr")).is_some());
}

#[test]
fn a_frame_in_tiles_is_the_frame() {
    let studio = Studio::new();
    studio.desk.file("still.ass", scene(3, ""));
    studio
        .kick(
            "alone",
            &["-i", "../still.ass", "-o", "a.exr", "-dw", "-dp"],
        )
        .expect_code(0);
    let reference = studio.picture("alone/a.exr");
    for (output, more) in [
        ("out/a.####.exr", &["--tiles", "3x2"][..]),
        ("over/a.####.exr", &["--tiles", "4x3", "--overlap", "5"]),
    ] {
        let report = studio.render("still.ass", output, 0, more);
        assert!(report["tasks"]["done"].as_u64() >= Some(6), "{report:#}");
        let made = studio.picture(&output.replace("####", "0003"));
        expect_same(&made, &reference, output);
    }
}

#[test]
fn aov_groups_are_rendered_apart_and_merged() {
    let studio = Studio::new();
    studio.desk.file("aovs.ass", AOVS);
    studio.render("aovs.ass", "out/a.####.exr", 0, &["--split", "layers"]);
    let made = studio.picture("out/a.0007.exr");
    studio
        .kick("alone", &["-i", "../aovs.ass", "-dw", "-dp"])
        .expect_code(0);
    for (layer, file) in [("N", "N"), ("albedo", "albedo"), ("RGBA", "beauty")] {
        let reference = studio.picture(&format!("alone/{file}.exr"));
        let channels: Vec<(String, String)> = reference
            .channels
            .keys()
            .map(|channel| (format!("{layer}.{channel}"), channel.clone()))
            .collect();
        let pairs: Vec<(&str, &str)> = channels
            .iter()
            .map(|(c, n)| (c.as_str(), n.as_str()))
            .collect();
        for (channel, _) in &pairs {
            assert!(
                made.channels.contains_key(*channel),
                "{channel} in {:?}",
                made.channels.keys()
            );
        }
        expect_same(&part(&made, &pairs), &reference, layer);
    }
}

#[test]
fn a_png_of_a_scene_that_writes_exr_is_one() {
    let studio = Studio::new();
    studio.desk.file("still.ass.gz", {
        let mut command = studio.desk.command("gzip");
        command
            .arg("-c")
            .arg(studio.desk.file("plain.ass", scene(3, "")));
        command.output().expect("gzip").stdout
    });
    studio.render("still.ass.gz", "out/a.####.png", 0, &["--set", "samples=1"]);
    let own = "options\n{\n outputs \"RGBA RGBA f mine\"\n}\n\
               driver_png\n{\n name mine\n filename \"a.png\"\n}\n";
    studio.desk.file("alone/own.ass", own);
    studio
        .kick("alone", &["-i", "../plain.ass", "-i", "own.ass", "-dw"])
        .expect_code(0);
    let made = studio.picture("out/a.0003.png");
    expect_same(&made, &studio.picture("alone/a.png"), "the PNG");
}

#[test]
fn a_picture_with_a_watermark_is_waited_for_until_there_is_a_licence() {
    let studio = Studio::new();
    let mark = studio.at("mark");
    let fault = format!(
        "stand_in\n{{\n fault \"licence-once\"\n mark \"{}\"\n}}\n",
        mark.display()
    );
    studio.desk.file("still.ass", scene(3, &fault));
    // With the watermark in place of an abort: the picture is whole, and is refused all the same.
    let set = ["--set", "license_check=false", "--retries", "0"];
    let report = studio.render("still.ass", "out/a.####.exr", 0, &set);
    assert!(mark.exists());
    assert_eq!(report["tasks"]["done"], 1, "{report:#}");
    let told = events(&studio.at("events.jsonl"));
    let missed = told
        .iter()
        .filter(|event| event.to_string().contains("got no licence"));
    assert!(missed.count() >= 1, "{told:#?}");
}

#[test]
fn what_is_wrong_is_told_in_a_sentence() {
    let studio = Studio::new();
    let stand_in = |fault: &str| format!("stand_in\n{{\n fault \"{fault}\"\n}}\n");
    for (name, text, words) in [
        ("crash", scene(1, &stand_in("crash")), "signal 11"),
        ("disk", scene(1, &stand_in("disk")), "No space left"),
        ("nothing", scene(1, &stand_in("nothing")), "was not written"),
        (
            "include",
            scene(1, "include \"lights.ass\"\n"),
            "lights.ass",
        ),
    ] {
        let file = format!("{name}.ass");
        studio.desk.file(&file, text);
        let report = studio.render(&file, &format!("{name}/a.####.exr"), 1, &["--retries", "0"]);
        let why = report["failures"].to_string();
        assert!(why.contains(words), "{name}: {why}");
    }
    let whole = scene(1, "");
    studio.desk.file("cut.ass", &whole[..whole.len() - 9]);
    let refused = studio
        .run(&["render", "cut.ass", "--local", "1"])
        .expect_code(2);
    assert!(
        refused.stderr.contains("the file is cut off"),
        "{}",
        refused.stderr
    );
    studio.desk.file("ok.ass", whole);
    let refused = studio.run(&["render", "ok.ass", "--local", "1", "--set", "camera=other"]);
    let refused = refused.expect_code(2);
    assert!(
        refused.stderr.contains("no camera `other`"),
        "{}",
        refused.stderr
    );
}

#[test]
fn the_stand_in_takes_nothing_that_kick_does_not_document() {
    let studio = Studio::new();
    studio.desk.file("still.ass", scene(3, ""));
    let plain = ["-i", "../still.ass", "-o", "a.exr", "-dw", "-dp"];
    studio.kick("alone", &plain).expect_code(0);
    for wrong in [
        &["-aa", "3"][..],
        &["--frames", "1-3"],
        &["-rg", "0", "0", "96", "53"],
        &["-rg", "0", "0", "10"],
        &["-v", "7"],
        &["-set", "options.no_such 3"],
        &["-set", "nobody.filename", "x"],
        &["-c", "nobody"],
        &["-o", "b.exr"],
    ] {
        let all: Vec<&str> = plain.iter().chain(wrong).copied().collect();
        let ended = studio.kick("alone", &all);
        assert_ne!(ended.code(), 0, "{wrong:?}: {}", ended.stdout);
    }
    // The options that the adapter uses are all among them.
    let used = [
        "-v",
        "4",
        "-nstdin",
        "-t",
        "2",
        "-r",
        "48",
        "27",
        "-rg",
        "0",
        "0",
        "47",
        "26",
        "-c",
        "cam",
        "-as",
        "1",
        "-l",
        "/a",
        "-set",
        "options.abort_on_license_fail",
        "on",
    ];
    let all: Vec<&str> = plain.iter().chain(&used).copied().collect();
    studio.kick("alone", &all).expect_code(0);
}
