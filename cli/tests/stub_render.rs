//! The stub renderer as a process: what adapters and shell scripts see of it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with a scene in it.
struct Stage {
    folder: TempDir,
    scene: PathBuf,
}

impl Stage {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let scene = folder.path().join("a shot.stub.toml");
        std::fs::write(&scene, text).expect("written");
        Self { folder, scene }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framewright"));
        command
            .env_clear()
            .arg("stub-render")
            .args(args)
            .arg("--")
            .arg(&self.scene);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("started")
    }
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A session that the test talks to; ended when dropped.
struct Talk {
    child: Child,
    input: Option<ChildStdin>,
    output: std::io::Lines<BufReader<ChildStdout>>,
}

impl Talk {
    fn with(stage: &Stage, args: &[&str]) -> Self {
        let mut child = stage
            .command(&[&["--session"], args].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self {
            child,
            input,
            output,
        }
    }

    fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("open");
        writeln!(input, "{line}").expect("taken");
    }

    fn task(&mut self, task: u32, frame: i32, output: &Path) {
        let order = serde_json::json!({ "task": {
            "segment": 1, "task": task, "frame": frame, "output": output,
        }});
        self.say(&order.to_string());
    }

    /// The next line; empty at the end.
    fn hear(&mut self) -> String {
        self.output
            .next()
            .map_or(String::new(), |line| line.expect("UTF-8"))
    }

    fn end(mut self) -> Option<i32> {
        self.input = None;
        self.child.wait().expect("waited").code()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Already ended where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_session_writes_the_same_bytes_as_the_renderer_used_by_hand() {
    let stage = Stage::new("frames = \"1-3\"\nwidth = 64\nheight = 36\nframe = \"2ms\"");
    let mut talk = Talk::with(&stage, &[]);
    let strange = stage.path("odd $(name)\n'2'.png");
    talk.task(1, 1, &stage.path("1.png"));
    talk.task(2, 2, &strange);
    for line in [
        "@@FW loaded",
        "@@FW begun 1 1",
        "@@FW wrote 1 1",
        "@@FW begun 1 2",
        "@@FW wrote 1 2",
    ] {
        assert_eq!(talk.hear(), line);
    }
    assert_eq!(talk.end(), Some(0));

    let pattern = stage.path("by hand/shot.####.png");
    let output = stage.run(&["--frames", "1-2", "--output", &pattern.to_string_lossy()]);
    assert!(output.status.success(), "{output:?}");
    for (frame, file) in [("0001", stage.path("1.png")), ("0002", strange)] {
        let reference = std::fs::read(stage.path(&format!("by hand/shot.{frame}.png")));
        assert_eq!(
            std::fs::read(file).expect("written"),
            reference.expect("written")
        );
    }
}

#[test]
fn a_cut_is_answered_while_a_frame_is_rendered() {
    let stage = Stage::new("frames = \"1-3\"\nframe = \"1h\"");
    let mut talk = Talk::with(&stage, &[]);
    for frame in 1..=3 {
        talk.task(frame, 1, Path::new(""));
    }
    assert_eq!(talk.hear(), "@@FW loaded");
    assert_eq!(talk.hear(), "@@FW begun 1 1");
    talk.say("{\"cut\":{\"segment\":1,\"keep\":2}}");
    assert_eq!(talk.hear(), "@@FW kept 1 2");
    // Its owner goes away: it does not finish its hour.
    assert_eq!(talk.end(), Some(0));
}

#[test]
fn a_scene_that_does_not_stay_loaded_says_so_before_it_loads() {
    let stage = Stage::new("frames = \"1-3\"\nload = \"1h\"\nsticky = false");
    let mut talk = Talk::with(&stage, &[]);
    assert_eq!(talk.hear(), "@@FW not-sticky");
    assert_eq!(talk.end(), Some(0));
    // And what was set counts for more than what the scene says.
    let stage = Stage::new("frames = \"1-3\"\nsticky = false");
    let mut talk = Talk::with(&stage, &["--set=sticky=true"]);
    assert_eq!(talk.hear(), "@@FW loaded");
}

#[test]
fn orders_from_a_file_are_reported_in_the_same_lines() {
    let stage = Stage::new("frames = \"1-3\"\nlayers = [{ name = \"a\" }, { name = \"b\" }]");
    let orders = stage.path("orders");
    let text = "{\"task\":{\"segment\":4,\"task\":1,\"frame\":1,\"layer\":\"a\"}}\n\
                {\"task\":{\"segment\":4,\"task\":2,\"frame\":1,\"layer\":\"fog\"}}\n";
    std::fs::write(&orders, text).expect("written");
    let output = stage.run(&["--tasks", &orders.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        lines(&output.stdout),
        [
            "@@FW loaded",
            "@@FW done 4 1",
            "@@FW failed 4 2 unrenderable the scene has no layer `fog`"
        ]
    );
}

#[test]
fn every_deadly_fault_ends_the_process_in_its_own_way_and_only_as_often_as_asked() {
    for (kind, code, signal, said) in [
        ("crash", None, Some(11), ""),
        ("oom", None, Some(9), "Error: out of memory"),
        ("exit", Some(3), None, "Error: frame 2 cannot go on"),
        ("licence", Some(4), None, "Error: no licence"),
    ] {
        let stage = Stage::new(&format!(
            "frames = \"1-3\"\n[[fault]]\nframes = \"2\"\nkind = \"{kind}\"\ntimes = 1"
        ));
        let orders = stage.path("orders");
        let order = |attempt: u32| {
            format!("{{\"task\":{{\"segment\":1,\"task\":7,\"frame\":2,\"attempt\":{attempt}}}}}\n")
        };
        std::fs::write(&orders, order(1)).expect("written");
        let output = stage.run(&["--tasks", &orders.to_string_lossy()]);
        assert_eq!(output.status.code(), code, "{kind}: {output:?}");
        assert_eq!(output.status.signal(), signal, "{kind}: {output:?}");
        // What was said before the end is not lost in a buffer.
        assert_eq!(
            lines(&output.stdout),
            ["@@FW loaded", "@@FW begun 1 7"],
            "{kind}"
        );
        assert!(
            String::from_utf8_lossy(&output.stderr).starts_with(said),
            "{kind}: {output:?}"
        );

        std::fs::write(&orders, order(2)).expect("written");
        let output = stage.run(&["--tasks", &orders.to_string_lossy()]);
        assert_eq!(
            lines(&output.stdout),
            ["@@FW loaded", "@@FW done 1 7"],
            "{kind}"
        );
    }
}

#[test]
fn a_broken_scene_is_one_line_for_programs_and_a_sentence_for_people() {
    let stage = Stage::new("frames = \"1-3\"\nlood = \"1s\"");
    for how in [&["--inspect"][..], &["--session"]] {
        let output = stage.run(how);
        assert_eq!(output.status.code(), Some(2));
        let printed = lines(&output.stdout);
        assert_eq!(printed.len(), 1, "{printed:?}");
        let document = printed[0].strip_prefix("@@FW error ").expect("a refusal");
        let document: serde_json::Value = serde_json::from_str(document).expect("JSON");
        let message = document["message"].as_str().expect("a message");
        assert!(
            message.ends_with("is wrong in line 2: unknown field `lood`"),
            "{message}"
        );
        assert!(
            document["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("`load`"))
        );
    }
    let output = stage.run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: stub scene "));
}

#[test]
fn it_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_framewright"))
        .args(["stub-render", "--version"])
        .output()
        .expect("started");
    let expected = format!("framewright stub renderer {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

/// A scene in `shots` with an asset relative to it, and one by its absolute path.
fn with_assets(stage: &Stage) -> String {
    for (name, text) in [("tex/near.bin", "near"), ("far/far.bin", "far")] {
        std::fs::create_dir_all(stage.path(name).parent().expect("a folder")).expect("made");
        std::fs::write(stage.path(name), text).expect("written");
    }
    let far = stage.path("far/far.bin").display().to_string();
    let text = format!("frames = \"1\"\nassets = [\"tex/near.bin\", {far:?}]");
    std::fs::write(&stage.scene, text).expect("written");
    far
}

#[test]
fn a_scene_with_assets_gives_the_same_picture_wherever_they_lie_and_another_from_others() {
    let studio = Stage::new("");
    let far = with_assets(&studio);
    let picture = |stage: &Stage, args: &[&str]| {
        let out = stage.path("x.png").display().to_string();
        let done = stage.run(&[&["--output", &out], args].concat());
        assert!(done.status.success(), "{done:?}");
        std::fs::read(out).expect("a picture")
    };
    let alone = picture(&studio, &[]);

    // The host has the same tree below a folder; the studio's own files are gone.
    let host = Stage::new("");
    let tree = host.path("tree");
    let moved = tree.join(studio.scene.strip_prefix("/").expect("absolute"));
    let bring = |from: &Path| {
        let to = tree.join(from.strip_prefix("/").expect("absolute"));
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::rename(from, to).expect("moved");
    };
    for path in [&studio.scene, &studio.path("tex/near.bin"), Path::new(&far)] {
        bring(path);
    }
    let staged = Stage {
        folder: host.folder,
        scene: moved,
    };
    let tree = tree.display().to_string();
    let paths = ["--path", "/", &tree];
    assert!(picture(&staged, &paths) == alone, "the picture differs");

    let told = staged.run(&["--session"]);
    assert_eq!(told.status.code(), Some(2));
    let said = lines(&told.stdout).concat();
    assert!(said.starts_with("@@FW error "), "{said}");
    assert!(said.contains(&far), "{said}");

    let copy = Path::new(&tree).join(&far[1..]);
    std::fs::write(copy, "fir").expect("written");
    assert!(
        picture(&staged, &paths) != alone,
        "another file does not show"
    );
}

#[test]
fn an_inspection_lists_assets_before_all_else() {
    let stage = Stage::new("");
    let far = with_assets(&stage);
    std::fs::remove_file(&far).expect("removed");
    let said = lines(&stage.run(&["--inspect"]).stdout);
    let near = stage.path("tex/near.bin").display().to_string();
    let facts = |line: &str| -> serde_json::Value {
        serde_json::from_str(line.strip_prefix("@@FW asset ").expect("an asset")).expect("JSON")
    };
    assert_eq!(
        facts(&said[0]),
        serde_json::json!({"path": near, "bytes": 4, "missing": false, "absolute": false})
    );
    assert_eq!(
        facts(&said[1]),
        serde_json::json!({"path": far, "bytes": 0, "missing": true, "absolute": true})
    );
    assert!(said[2].starts_with("@@FW {"), "{said:?}");
}
