//! What is read from files: options, the text of scenes, and what they come to. No renderer is needed.

use std::collections::BTreeSet;

use framewright_plugin_api::command::Commanded;
use framewright_plugin_api::data::{Effect, Input, PathPair, Scene, Shot, Tiling, Verdict};
use framewright_plugin_api::{Adapter, Effects};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::bench::Bench;
use crate::Povray;
use crate::options::Options;
use crate::plan::{Count, Plan};
use crate::text;

const SCENE: &str = "camera { location z look_at 0 }\n";

fn nothing() -> Value {
    json!({})
}

/// What an `.ini` file comes to.
fn options(text: &str, section: &str) -> Options {
    let mut options = Options::default();
    options.read(&format!("a.ini[{section}]"), &mut |name| {
        (name == "a.ini").then(|| text.to_owned())
    });
    options
}

#[test]
fn the_manifest_says_what_the_adapter_says() {
    let manifest = include_str!("../../adapter.toml");
    let found = crate::describe::description();
    for (key, value) in [("id", &found.id), ("version", &found.version)] {
        assert!(manifest.contains(&format!("{key} = \"{value}\"")), "{key}");
    }
    assert!(manifest.contains("extensions = [\"pov\", \"ini\"]"));
    assert_eq!(found.extensions, ["pov", "ini"]);
    let keys: BTreeSet<&str> = found.settings.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(keys.len(), found.settings.len());
}

#[test]
fn options_are_keys_switches_and_sections() {
    let text = "\
        Input_File_Name=\"my shot.pov\" ; comment\n\
        width=640\n+R4 é no switch\n# Width=3\n+H480 +A0.2 +AM2 +WT4 -KC +KFF20 +FN16\n\
        Library_Path=inc\nlibrary_path=/abs/inc\n\
        [low]\nWidth=64\n[ HIGH ]\nWidth=4096 ;large\n";
    let found = options(text, "");
    assert_eq!(found.text("input_file_name"), Some("my shot.pov"));
    assert_eq!(found.text("width"), Some("640"));
    assert_eq!(found.text("height"), Some("480"));
    assert!(found.is_on("antialias") && !found.is_on("cyclic_animation"));
    assert_eq!(found.integer("sampling_method"), Some(2));
    assert_eq!(found.integer("final_frame"), Some(20));
    assert_eq!(found.integer("bits_per_color"), Some(16));
    assert_eq!(found.libraries, ["inc", "/abs/inc"]);
    assert_eq!(options(text, "low").text("width"), Some("64"));
    assert_eq!(options(text, "high").text("width"), Some("4096"));
    assert_eq!(options(text, "none").text("width"), Some("640"));
}

#[test]
fn a_file_that_names_another_is_read_at_that_place_and_not_for_ever() {
    let mut options = Options::default();
    options.read("a.ini", &mut |name| match name {
        "a.ini" => Some("Width=1\nb.ini\nHeight=1\n".to_owned()),
        "b.ini" => Some("Width=2\nHeight=2\n".to_owned()),
        _ => None,
    });
    assert_eq!(options.text("width"), Some("2"));
    assert_eq!(options.text("height"), Some("1"));
    options.read("a.ini", &mut |_| Some("Include_Ini=a.ini\n".to_owned()));
}

#[test]
fn frames_are_named_as_povray_names_them() {
    let plan = |text: &str| Plan::of(&options(text, ""));
    let named = |text: &str, job: (i32, i32), frame| {
        let plan = plan(text);
        let job = Shot {
            first: job.0,
            last: job.1,
        };
        plan.file(plan.count(Some(job)), "x", "png", frame)
    };
    // What POV-Ray 3.7.0.10 made of each, with +SF and +EF at the frame.
    assert_eq!(named("+KFF12", (1, 12), 5), "x05.png");
    assert_eq!(named("+KFF120", (1, 120), 5), "x005.png");
    assert_eq!(named("+KFF9 +KC", (1, 9), 9), "x09.png");
    assert_eq!(named("+KFF9 -KC", (1, 9), 9), "x9.png");
    assert_eq!(named("+KFI10 +KFF1000", (10, 11), 11), "x0011.png");
    assert_eq!(named("", (1, 1), 1), "x.png");
    assert_eq!(named("", (0, 0), 0), "x.png");
    assert_eq!(named("", (1, 10), 3), "x03.png");
    assert_eq!(named("", (5, 5), 5), "x5.png");
    assert_eq!(
        plan("").count(Some(Shot { first: 9, last: 9 })),
        Count::Frames { first: 9, last: 10 }
    );
}

#[test]
fn a_text_names_its_files_and_effects() {
    let seen = text::look(
        "#include \"a.inc\" // #include \"not.inc\"\n\
         # include \"b\" /* /* crand */ radiosity */\n\
         pigment { image_map { png \"wood.png\" } } image_map { \"by end.tga\" }\n\
         height_field { tga \"hf.tga\" } text { ttf \"f.ttf\" \"crand\" 1,0 }\n\
         density_file df3 \"c.df3\" area_light x, y, 2, 2 jitter\n\
         #fopen F \"points.txt\" read #include Name png concat(\"a\", \"b\")\n\
         #declare S = \"a \\\" radiosity\"; no_radiosity",
    );
    let names: Vec<(&str, &str)> = seen
        .files
        .iter()
        .map(|file| (file.kind, file.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("include", "a.inc"),
            ("include", "b"),
            ("image", "wood.png"),
            ("image", "by end.tga"),
            ("image", "hf.tga"),
            ("font", "f.ttf"),
            ("data", "c.df3"),
            ("data", "points.txt"),
        ]
    );
    assert_eq!(seen.words, ["area_light", "jitter"].into());
    assert_eq!((seen.computed, seen.writes), (2, false));
    assert!(text::look("#fopen F \"log.txt\" append").writes);
}

/// What an inspection says of a scene with an `.ini` of the same name.
fn inspected(ini: &str, scene: &str, set: Value) -> Scene {
    let bench = Bench::new();
    bench.file("a.ini", format!("Input_File_Name=a.pov\n{ini}"));
    bench.file("a.pov", scene);
    bench.inspect("a.ini", &set)
}

#[test]
fn an_ini_file_says_frames_size_and_format() {
    let scene = inspected(
        "Width=320\nHeight=200\nFinal_Frame=12\nSubset_Start_Frame=3\nSubset_End_Frame=0.5\nOutput_File_Type=E\n",
        SCENE,
        nothing(),
    );
    assert_eq!((scene.first, scene.last), (3, 6));
    assert_eq!((scene.width, scene.height), (320, 200));
    assert_eq!(scene.output, "exr");
    assert_eq!(scene.channels, ["R", "G", "B"]);
    assert_eq!(scene.warnings, [""; 0]);
    // Only the part is rendered, but the clock is that of the whole shot.
    assert_eq!(scene.carry["frames"], json!([1, 12]));

    let set = json!({"width": 64, "final_frame": 4, "output_alpha": true});
    let scene = inspected("Width=320\nHeight=200\nFinal_Frame=12\n", SCENE, set);
    assert_eq!((scene.first, scene.last), (1, 4));
    assert_eq!((scene.width, scene.height), (64, 200));
    assert_eq!(scene.channels, ["R", "G", "B", "A"]);
}

#[test]
fn a_bare_scene_is_one_frame_of_a_size_that_is_told() {
    let bench = Bench::new();
    bench.file("a.pov", SCENE);
    let scene = bench.inspect("a.pov", &nothing());
    assert_eq!((scene.first, scene.last), (1, 1));
    assert_eq!((scene.width, scene.height), (800, 600));
    assert!(
        scene.warnings[0].contains("800 x 600"),
        "{:?}",
        scene.warnings
    );
}

#[test]
fn an_ini_beside_a_scene_counts_if_it_is_about_it_and_is_wanted() {
    let bench = Bench::new();
    bench.file("a.pov", SCENE);
    bench.file("a.ini", "Width=100\nHeight=50\n[low]\nWidth=10\n");
    let width = |set: Value| bench.inspect("a.pov", &set).width;
    assert_eq!(width(nothing()), 100);
    assert_eq!(width(json!({"section": "low"})), 10);
    assert_eq!(width(json!({"ini": false})), 800);
    bench.file("a.ini", "Input_File_Name=other.pov\nWidth=100\n");
    assert_eq!(width(nothing()), 800);
}

#[test]
fn files_are_listed_where_povray_finds_them() {
    let bench = Bench::new();
    bench.file(
        "a.ini",
        "Input_File_Name=a.pov\nLibrary_Path=lib\nWidth=8\nHeight=8\n",
    );
    bench.file(
        "a.pov",
        "image_map { \"sign\" } #include \"colors.inc\"\n#include \"mine\"\n#include \"gone.inc\"\n",
    );
    bench.file(
        "lib/mine.inc",
        "#include \"a.pov\" image_map { png \"../w.png\" }",
    );
    bench.file("sign.jpg", b"1234");
    bench.file("w.png", b"123");
    bench.file("lib/w.png", b"12345");
    let scene = bench.inspect("a.ini", &nothing());
    let path = |name: &str| bench.path().join(name).display().to_string();
    let found: Vec<(String, u64, bool)> = scene
        .assets
        .iter()
        .map(|asset| (asset.path.clone(), asset.bytes, asset.missing))
        .collect();
    let expected = [
        (path("a.pov"), 66, false),
        (path("gone.inc"), 0, true),
        (path("lib/mine.inc"), 46, false),
        (path("sign.jpg"), 4, false),
        // `../w.png` is tried in the scene's folder first, where it is not, and then in `lib`.
        (path("w.png"), 3, false),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((&found.0, found.2), (&expected.0, expected.2));
    }
    assert_eq!(scene.carry["missing"], json!(["gone.inc"]));
}

#[test]
fn a_library_path_is_looked_for_where_the_host_has_it() {
    let bench = Bench::new();
    bench.file(
        "a.ini",
        "Input_File_Name=a.pov\nLibrary_Path=/show/lib\nLibrary_Path=near\nWidth=8\nHeight=8\n",
    );
    bench.file("a.pov", SCENE);
    let mut open = bench.open_render("a.ini", &nothing(), (1, 1));
    open.paths = vec![PathPair {
        from: "/show".to_owned(),
        to: "/fast disk/show".to_owned(),
    }];
    let mut out = Effects::new();
    let mut session = Commanded(Povray).open(open, &mut out).expect("it opens");
    let segment = Input::Segment {
        segment: 1,
        tasks: bench.tasks(&[1], "png"),
    };
    session.step(0.0, vec![segment], &mut out);
    let Some(Effect::Run(run)) = out.as_slice().first() else {
        panic!("no command: {out:?}");
    };
    let libraries: Vec<&String> = run
        .argv
        .iter()
        .filter(|one| one.starts_with("+L"))
        .collect();
    assert_eq!(libraries, ["+L\"/fast disk/show/lib\""]);
    assert_eq!(run.cwd, bench.path().display().to_string());
}

#[test]
fn what_is_found_by_chance_is_not_tiled() {
    let tiling = |ini: &str, text: &str| inspected(ini, &format!("{SCENE}{text}"), nothing()).tiles;
    let exact = |align| Tiling {
        exact: true,
        align,
        ..Tiling::default()
    };
    assert_eq!(tiling("", ""), exact(1));
    assert_eq!(tiling("Antialias=on", ""), exact(32));
    assert_eq!(tiling("Antialias=on\nRender_Block_Size=48", ""), exact(48));
    assert_eq!(tiling("+A0.1 +AM2", ""), exact(1));
    for (ini, text, why) in [
        ("", "global_settings { radiosity {} }", "radiosity"),
        ("", "finish { crand 0.1 }", "crand"),
        ("", "global_settings { photons { count 100 } }", "photons"),
        ("", "#include \"stones.inc\"", "crand"),
        ("", "media { jitter 0.5 }", "jitter"),
        (
            "",
            "finish { subsurface { translucency 1 } }",
            "below surfaces",
        ),
        ("", "#fopen F \"x\" write", "writes files"),
        (
            "",
            "light_source { 0 rgb 1 area_light x,y,2,2 }",
            "area lights",
        ),
        ("End_Row=0.5", "", "a part of the picture"),
    ] {
        let found = tiling(ini, text);
        assert!(!found.exact && found.why.contains(why), "{text}: {found:?}");
    }
}

#[test]
fn what_differs_with_threads_is_warned_of() {
    let warnings = |text: &str| inspected("Width=8\n", text, nothing()).warnings;
    assert!(
        warnings("global_settings { radiosity {} }")[0].starts_with("radiosity: frames differ")
    );
    assert_eq!(warnings(SCENE), [""; 0]);
}

#[test]
fn a_scene_that_writes_files_is_rendered_in_order_on_one_slot() {
    let scene = inspected(
        "Final_Frame=9\n",
        "#fopen F \"state.txt\" append",
        nothing(),
    );
    assert!(
        scene
            .layers
            .iter()
            .all(|layer| layer.undivided && layer.used)
    );
    assert_eq!(scene.layers.len(), 1);
}

#[test]
fn what_cannot_be_read_is_refused_in_a_sentence() {
    let bench = Bench::new();
    bench.file("empty.ini", "[general]\nlanguage=de\n");
    bench.file("gone.ini", "Input_File_Name=nowhere.pov\n");
    for (scene, part) in [
        ("empty.ini", "empty.ini names no scene"),
        ("gone.ini", "nowhere.pov is missing"),
        ("nothing.pov", "cannot read"),
    ] {
        match bench.conclude(scene, &nothing()) {
            Effect::Failed { verdict, why, .. } => {
                assert_eq!(verdict, Verdict::Unrenderable);
                assert!(why.contains(part), "{why}");
            }
            other => panic!("{scene}: {other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// No text stops the reading, whatever is in it.
    #[test]
    fn any_text_is_read_to_its_end(text in r#"([a-z#"\\/*{}\[\]=;+ \n]|include|png|fopen|é|漢){0,80}"#) {
        let _ = text::look(&text);
        let _ = Plan::of(&options(&text, "a"));
    }

    /// What is carried from the inspection to a render session is what was found.
    #[test]
    fn a_plan_survives_the_way(first in 0..999, last in 0..9999, begin in -1e9..1e9_f64, end in any::<f32>()) {
        prop_assume!(end.is_finite());
        let plan = Plan {
            frames: Some((first, last)),
            clock: (begin, f64::from(end)),
            ..Plan::default()
        };
        let text = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
