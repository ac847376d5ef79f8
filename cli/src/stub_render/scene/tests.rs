use super::*;

fn parse(text: &str) -> Result<Scene, SceneError> {
    Scene::parse(text, Path::new("shot.stub.toml"))
}

/// Line, sentence and hint of a wrong scene.
fn wrong(text: &str) -> (usize, String, String) {
    match parse(text) {
        Err(SceneError::Wrong {
            line, what, hint, ..
        }) => (line, what, hint),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_smallest_scene_has_one_layer_and_costs_nothing() {
    let scene = parse("frames = \"1-10\"").expect("a right scene");
    assert_eq!(scene.layers.len(), 1);
    assert_eq!(scene.layers[0].name, "beauty");
    assert_eq!((scene.width, scene.height), (320, 180));
    assert_eq!(scene.frame_cost, FrameCost::Constant(Duration::ZERO));
    assert!(scene.sticky);
    assert!((scene.fps - 24.0).abs() < f64::EPSILON);
}

#[test]
fn the_documented_scene_is_read_whole() {
    let scene = parse(
        r#"
frames = "1-200"
width = 320
height = 180
load = "600ms"
declare_load = "2s"
frame = { mean = "200ms", cv = 0.5, seed = 7 }
call = "0s"
layers = [{ name = "beauty" }, { name = "shadow", after = [{ layer = "beauty", scope = "frame" }], weight = 0.3, memory = "1GiB", tags = ["gpu"] }, { name = "sim", after = "beauty", segment = 0 }]
slow = { node02 = 2.0 }
output = "image"
tiles = { exact = true, margin = 0 }
sticky = true
memory = "64MiB"
assets = ["tex/a.bin", "/abs/b.bin"]
[[fault]]
frames = "17"
kind = "crash"
times = 1
"#,
    )
    .expect("a right scene");
    assert_eq!(scene.load, Duration::from_millis(600));
    assert_eq!(scene.declared_load, Duration::from_secs(2));
    assert_eq!(scene.layers[1].memory_bytes, 1 << 30);
    assert_eq!(scene.layers[1].after[0].scope, Scope::Frame);
    assert_eq!(scene.layers[2].after[0].layer, "beauty");
    assert!(scene.layers[2].undivided);
    assert!((scene.slowness("node02") - 2.0).abs() < f64::EPSILON);
    assert!((scene.slowness("node01") - 1.0).abs() < f64::EPSILON);
    assert_eq!(scene.assets, ["tex/a.bin", "/abs/b.bin"]);
    assert_eq!(scene.faults[0].times, Some(1));
}

#[test]
fn every_fault_kind_has_its_word() {
    for word in [
        "crash",
        "hang",
        "exit",
        "corrupt-output",
        "no-output",
        "wrong-pixels",
        "slow",
        "licence",
        "oom",
    ] {
        let text = format!("frames = \"1\"\n[[fault]]\nframes = \"1\"\nkind = \"{word}\"");
        assert!(parse(&text).is_ok(), "{word}");
    }
}

#[test]
fn every_mistake_is_one_sentence_with_its_line_and_a_hint() {
    for (text, line, said) in [
        ("", 1, "missing field `frames`"),
        (
            "frames = \"1-10\"\nlood = \"1s\"",
            2,
            "unknown field `lood`",
        ),
        ("frames = \"10-1\"", 1, "10 to 1 run backwards"),
        (
            "frames = \"1-10\"\nload = \"fast\"",
            2,
            "`fast` is not a duration",
        ),
        (
            "frames = \"1-10\"\nload = 5",
            2,
            "invalid type: integer `5`",
        ),
        ("frames = \"1-10\"\n\nwidth = 0", 3, "`width` is 0"),
        ("frames = \"1-10\"\nfps = 0.0", 2, "`fps` is 0"),
        ("frames = \"1-10\"\nframe = []", 2, "empty list"),
        (
            "frames = \"1-10\"\nframe = { mean = \"1s\", cv = -1.0 }",
            2,
            "`cv` is -1",
        ),
        (
            "frames = \"1-10\"\nframe = { mean = \"1s\", cw = 1.0 }",
            2,
            "unknown field `cw`",
        ),
        (
            "frames = \"1-10\"\nlayers = []",
            2,
            "`layers` has 0 entries",
        ),
        (
            "frames = \"1-10\"\nlayers = [\n  { name = \"a\" },\n  { name = \"a\" },\n]",
            4,
            "two layers are named `a`",
        ),
        (
            "frames = \"1-10\"\nlayers = [{ name = \"a:b\" }]",
            2,
            "\"a:b\" is no layer name",
        ),
        (
            "frames = \"1-10\"\nlayers = [{ name = \"a\", after = [\"b\"] }]",
            2,
            "comes after `b`, which is no layer",
        ),
        (
            "frames = \"1-10\"\nlayers = [\n{ name = \"a\", after = [\"b\"] },\n{ name = \"b\", after = [\"a\"] }]",
            3,
            "comes after itself",
        ),
        (
            "frames = \"1-10\"\nlayers = [{ name = \"a\", segment = 4 }]",
            2,
            "`segment` is 4",
        ),
        ("frames = \"1-10\"\nslow = { n = 0.0 }", 2, "`slow` is 0"),
        (
            "frames = \"1-10\"\n[[fault]]\nframes = \"1\"\nkind = \"explode\"",
            4,
            "unknown variant `explode`",
        ),
        (
            "frames = \"1-10\"\n[[fault]]\nframes = \"1\"\nkind = \"oom\"\ntimes = 0",
            5,
            "`times` is 0",
        ),
        (
            "frames = \"1-10\"\n[[fault]]\nframes = \"1\"\nkind = \"oom\"\nlayers = [\"fog\"]",
            5,
            "`fog`, which is no layer",
        ),
        (
            "frames = \"1-10\"\nassets = [\n\"a\",\n\"\"]",
            4,
            "\"\" is no asset",
        ),
        ("frames = ", 1, ""),
    ] {
        let (at, what, hint) = wrong(text);
        assert!(what.contains(said), "{text:?}: {what}");
        assert_eq!(at, line, "{text:?}: {what}");
        assert!(!what.contains('\n') && !what.is_empty(), "{what:?}");
        assert!(!hint.is_empty(), "{text:?}");
    }
}

#[test]
fn a_folder_and_a_missing_file_are_named() {
    for path in ["/", "/there/is/no/such.stub.toml"] {
        let error = Scene::read(Path::new(path)).expect_err(path).to_string();
        assert!(
            error.starts_with(&format!("cannot read stub scene {path}: ")),
            "{error}"
        );
    }
}

#[test]
fn the_scene_as_it_is_means_the_only_layer() {
    let one = parse("frames = \"1\"").expect("a right scene");
    assert_eq!(
        one.layer("").map(|l| l.name().to_owned()),
        Some("beauty".to_owned())
    );
    let two = parse("frames = \"1\"\nlayers = [{ name = \"a\" }, { name = \"b\" }]")
        .expect("a right scene");
    assert_eq!(two.layer(""), Some(LayerChoice::All));
    assert_eq!(two.layer("c"), None);
}

#[test]
fn the_examples_are_right_scenes() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for (name, layers, faults) in [
        ("quickstart.stub.toml", 1, 0),
        ("layers.stub.toml", 4, 0),
        ("faulty.stub.toml", 1, 6),
        ("assets.stub.toml", 1, 0),
    ] {
        let scene = Scene::read(&examples.join(name)).expect(name);
        assert_eq!(
            (scene.layers.len(), scene.faults.len()),
            (layers, faults),
            "{name}"
        );
    }
}
