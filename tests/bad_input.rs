//! Bad input, end to end: every refusal is one sentence that names the thing, a hint that says
//! what to do, and the exit code that scripts are promised; the same as a document with
//! `--format json`. And what goes wrong on the way: hosts, frames and disks that fail.

mod support;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use support::{
    Desk, Ended, LONG, PROGRAM, events, expect_nothing_left, finish, top, wait_for_event,
};

/// A scene of three frames that costs nothing.
const SMALL: &str = "frames = \"1-3\"\nwidth = 16\nheight = 9\n";
const FRAMES_HINT: &str = "frames are written like 1-300, 1-100x2, 1,5,9-20 or 1-100,!50";
const ADAPTERS_HINT: &str =
    "`framewright adapters list` shows all adapters and where each was found";
const LINE_HINT: &str = "correct that line, or take it out";
const TOML_HINT: &str =
    "the file is TOML: lines like key = \"text\" or key = 3, below headings like [set]";
const PATH_HINT: &str = "check the path; it counts from the current folder";
const JOBS_HINT: &str = "framewright jobs lists them";
const HELP_HINT: &str = "framewright --help lists commands, framewright COMMAND --help its options";
const FOLDER_HINT: &str = "choose another -o, or have the folder made writable for you";
const REACH_HINT: &str =
    "try by hand what farm.toml reaches the host by; it must lead to `framewright worker`";
const INSTALL_HINT: &str =
    "install the renderer there, or name it in farm.toml: programs = { ADAPTER = \"/path\" }";

/// One refusal. `{work}` stands for the folder that it happens in.
struct Row {
    /// Beside `a.stub.toml`, which is always there.
    files: &'static [(&'static str, &'static str)],
    typed: &'static [&'static str],
    code: i32,
    says: &'static str,
    hint: &'static str,
}

fn row(typed: &'static [&'static str], says: &'static str, hint: &'static str) -> Row {
    Row {
        files: &[],
        typed,
        code: 2,
        says,
        hint,
    }
}

impl Row {
    fn with(self, files: &'static [(&'static str, &'static str)]) -> Self {
        Self { files, ..self }
    }

    fn code(self, code: i32) -> Self {
        Self { code, ..self }
    }

    #[track_caller]
    fn check(&self) {
        let desk = Desk::new();
        desk.file("a.stub.toml", SMALL);
        for (name, text) in self.files {
            match name.strip_suffix('/') {
                Some(folder) => fs::create_dir(desk.work().join(folder)).expect("a folder"),
                None => drop(desk.file(name, text)),
            }
        }
        expect_refusal(&desk, self.typed, self.code, self.says, self.hint);
    }
}

/// Runs it for people and for scripts.
#[track_caller]
fn expect_refusal<A: AsRef<OsStr>>(desk: &Desk, typed: &[A], code: i32, says: &str, hint: &str) {
    let work = desk.work().display().to_string();
    let (says, hint) = (says.replace("{work}", &work), hint.replace("{work}", &work));
    let ended = desk.run(typed).expect_code(code);
    let told = told(&ended);
    assert_eq!(
        told,
        format!("framewright: {says}\nhint: {hint}\n"),
        "{:?}",
        words(typed)
    );
    assert_eq!(ended.stdout, "", "{:?}", words(typed));
    expect_good_words(&told);

    let mut line: Vec<&OsStr> = vec![OsStr::new("--format=json")];
    line.extend(typed.iter().map(AsRef::as_ref));
    let document = desk.run(line).expect_code(code).json();
    assert_eq!(document["format"], 1);
    assert_eq!(document["error"]["code"], code);
    assert_eq!(document["error"]["hint"], hint);
    // A document needs no escapes but JSON's own.
    let message = document["error"]["message"].as_str().expect("a message");
    assert_eq!(
        message.escape_debug().to_string().contains("\\u{1b}"),
        says.contains("\\u{1b}")
    );
    if !says.contains('\\') {
        assert_eq!(message, says);
    }
}

fn words<A: AsRef<OsStr>>(typed: &[A]) -> Vec<&OsStr> {
    typed.iter().map(AsRef::as_ref).collect()
}

/// What was said, without the word that a scene is being looked into.
fn told(ended: &Ended) -> String {
    let lines = ended.stderr.lines().filter(|line| {
        !line.starts_with("looking into ") && !line.starts_with("checking what job ")
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// What no sentence for people may have in it.
#[track_caller]
fn expect_good_words(text: &str) {
    for bad in [
        "Some(", "None", "Err(", "Ok(", "Error {", "kind:", "panicked", "unwrap", "::",
    ] {
        assert!(!text.contains(bad), "`{bad}` in: {text}");
    }
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    for line in text.lines() {
        let mut parts: Vec<&str> = line.split(": ").collect();
        parts.sort_unstable();
        let before = parts.len();
        parts.dedup();
        assert_eq!(parts.len(), before, "said twice: {line}");
    }
}

#[test]
fn scenes_that_are_none() {
    let rows = [
        row(
            &["render", "none.stub.toml"],
            "there is no scene none.stub.toml",
            PATH_HINT,
        ),
        row(
            &["inspect", "none.stub.toml"],
            "there is no scene none.stub.toml",
            PATH_HINT,
        ),
        row(
            &["plan", "none.stub.toml"],
            "there is no scene none.stub.toml",
            PATH_HINT,
        ),
        row(
            &["render", "folder.stub.toml"],
            "folder.stub.toml is a folder, not a scene",
            "name the scene's file in it",
        )
        .with(&[("folder.stub.toml/", "")]),
        row(
            &["render", "/dev/null"],
            "/dev/null is no file that a scene can be read from",
            "name the scene's file",
        ),
        row(
            &["render"],
            "no scene is named",
            "framewright render SCENE, or a job file with the key `scene`, or --resume JOB",
        ),
        row(
            &["render", "x\u{1b}[2J\ny.stub.toml"],
            "there is no scene x\\u{1b}[2J\\ny.stub.toml",
            PATH_HINT,
        ),
        row(
            &["render", "broken.stub.toml"],
            "stub scene {work}/broken.stub.toml is wrong in line 2: string values must be quoted",
            "the keys of a stub scene are frames, fps, width, height, load, declare_load, frame, \
             call, layers, slow, output, tiles, areas, sticky, memory, assets and fault",
        )
        .with(&[("broken.stub.toml", "frames = \"1-3\"\nwidth = \n")]),
        row(
            &["render", "slip.stub.toml"],
            "stub scene {work}/slip.stub.toml is wrong in line 2: unknown field `widht`",
            "expected one of `frames`, `fps`, `width`, `height`, `load`, `declare_load`, `frame`, \
             `call`, `layers`, `slow`, `output`, `tiles`, `areas`, `sticky`, `memory`, `assets`, `fault`",
        )
        .with(&[("slip.stub.toml", "frames = \"1-3\"\nwidht = 16\n")]),
    ];
    rows.iter().for_each(Row::check);
}

#[test]
fn a_scene_that_nobody_renders_is_told_with_what_is_rendered() {
    let desk = Desk::new();
    desk.file("x.xyz", SMALL);
    desk.file("README", SMALL);
    for name in ["x.xyz", "README"] {
        let ended = desk.run(["render", name]).expect_code(2);
        let told = told(&ended);
        // Which adapters there are depends on what was built.
        assert!(
            told.starts_with(&format!(
                "framewright: no adapter renders {name}: they render "
            )),
            "{told}"
        );
        assert!(told.contains(".stub.toml (stub)"), "{told}");
        assert!(
            told.ends_with("\nhint: name the adapter with --adapter ID\n"),
            "{told}"
        );
        expect_good_words(&told);
    }
    let ended = desk
        .run(["render", "x.xyz", "--adapter", "stbu"])
        .expect_code(2);
    assert_eq!(
        told(&ended),
        format!(
            "framewright: there is no adapter stbu, did you mean stub?\nhint: {ADAPTERS_HINT}\n"
        )
    );
    let ended = desk
        .run(["render", "x.xyz", "--adapter", "houdini"])
        .expect_code(2);
    assert!(told(&ended).starts_with("framewright: there is no adapter houdini; there are "));
}

#[test]
fn frame_sets_that_cannot_be_meant() {
    let rows = [
        row(
            &["render", "a.stub.toml", "-f", ""],
            "--frames \"\": a frame set names at least one frame, but there is nothing at position 1",
            FRAMES_HINT,
        ),
        row(
            &["render", "a.stub.toml", "-f", "10-1"],
            "--frames 10-1: frames 10 to 1 run backwards; write 1-10",
            FRAMES_HINT,
        ),
        row(
            &["plan", "a.stub.toml", "-f=-1..-10"],
            "--frames -1..-10: frames -1 to -10 run backwards; write -10..-1",
            FRAMES_HINT,
        ),
        row(
            &["render", "a.stub.toml", "-f", "1-99999999999"],
            "--frames 1-99999999999: `99999999999` is no frame number; frames go from -2147483648 \
             to 2147483647",
            FRAMES_HINT,
        ),
        row(
            &["render", "a.stub.toml", "-f", "1-999999999"],
            "--frames 1-999999999: the set names 999999999 frames, more than the 1000000 that one \
             job may have",
            FRAMES_HINT,
        ),
        row(
            &["render", "a.stub.toml", "-f", "1-3,!1-3"],
            "--frames 1-3,!1-3: every frame of the set is excluded again",
            FRAMES_HINT,
        ),
        row(
            &["render", "a.stub.toml", "-f", "1-x"],
            "--frames 1-x: `x` at position 3 does not belong in a frame set; expected a frame number",
            FRAMES_HINT,
        ),
    ];
    rows.iter().for_each(Row::check);
}

#[test]
fn options_that_cannot_be_meant() {
    let rows = [
        row(
            &["render", "a.stub.toml", "--layers", "nope"],
            "the scene has no layer `nope`; it has beauty",
            "`framewright inspect` lists a scene's layers",
        ),
        row(
            &["render", "a.stub.toml", "--layers", "beauty,beauty"],
            "the layer `beauty` is named twice",
            "name each layer once",
        ),
        row(
            &["render", "a.stub.toml", "--tiles", "0x2"],
            "--tiles `0x2` is no number of tiles",
            "write COLSxROWS such as 4x4, or auto",
        ),
        row(
            &["render", "a.stub.toml", "--tiles", "900x900"],
            "900x900 tiles are more than a picture of 16x9 pixels can be cut into",
            "choose fewer tiles, e.g. --tiles auto",
        ),
        row(
            &["render", "a.stub.toml", "--contact-sheet", "a.gif"],
            "{work}/a.gif is no name of a contact sheet: it ends in .png",
            "name it like sheet.png",
        ),
        row(
            &["render", "a.stub.toml", "--set", "samples=4"],
            "there is no setting samples: this adapter has sticky, pixels, channels",
            "settings are given as --set KEY=VALUE",
        ),
        row(
            &["render", "a.stub.toml", "--set", "samples"],
            "--set samples is no KEY=VALUE",
            "write it like --set samples=64",
        ),
        row(
            &["render", "a.stub.toml", "--set", "sticky=maybe"],
            "setting sticky cannot be `maybe`: it takes true or false",
            "settings are given as --set KEY=VALUE",
        ),
        row(
            &["render", "a.stub.toml", "--frame", "3"],
            "unexpected argument '--frame' found",
            "a similar argument exists: '--frames'",
        ),
        row(
            &["rendr", "a.stub.toml"],
            "unrecognized subcommand 'rendr'",
            "a similar subcommand exists: 'render'",
        ),
        row(
            &["render", "a.stub.toml", "--retries", "x"],
            "invalid value 'x' for '--retries <N>': invalid digit found in string",
            HELP_HINT,
        ),
        row(
            &["render", "a.stub.toml", "--retries", "1000"],
            "--retries 1000 is too many: at most 100",
            "leave it out for 2",
        ),
        row(
            &["render", "a.stub.toml", "--task-limit", "soon"],
            "--task-limit: `soon` is no duration",
            "write a number and its unit, like 600ms, 90s, 10m or 2h30m",
        ),
        row(
            &["render", "a.stub.toml", "--memory", "lots"],
            "--memory: `lots` is no size",
            "write a number and its unit, like 512MiB or 40GiB",
        ),
        row(
            &["render", "a.stub.toml", "--segment", "x"],
            "--segment: `x` is no segment size",
            "write MIN..MAX in frames, like 10..40, or 0 for undivided",
        ),
        row(
            &["render", "--resume", "nope"],
            "there is no job `nope`",
            JOBS_HINT,
        ),
        row(&["status", "nope"], "there is no job `nope`", JOBS_HINT),
        row(&["logs", "nope"], "there is no job `nope`", JOBS_HINT),
        row(
            &["explain", "nope", "all:1"],
            "there is no job `nope`",
            JOBS_HINT,
        ),
    ];
    rows.iter().for_each(Row::check);
    let desk = Desk::new();
    desk.file("a.stub.toml", SMALL);
    let ended = desk
        .run(["render", "a.stub.toml", "--local", "0"])
        .expect_code(2);
    assert!(
        told(&ended)
            .starts_with("framewright: --local 0 makes no sense: it must be from 1 to 1024\n"),
        "{ended:#?}"
    );
}

#[test]
fn job_and_farm_files_that_are_wrong() {
    let rows = [
        row(
            &["render", "--job", "none.toml"],
            "cannot read none.toml: No such file or directory (os error 2)",
            PATH_HINT,
        ),
        row(
            &["render", "--job", "j.toml"],
            "j.toml, line 1: string values must be quoted, expected literal string",
            TOML_HINT,
        )
        .with(&[("j.toml", "scene = \n")]),
        row(
            &["render", "--job", "j.toml"],
            "j.toml, line 2: `fraems` is not known here; did you mean `frames`?",
            LINE_HINT,
        )
        .with(&[("j.toml", "scene = \"a.stub.toml\"\nfraems = \"1\"\n")]),
        row(
            &["render", "a.stub.toml", "--hosts", "f.toml"],
            "{work}/f.toml, line 1: unclosed array table, expected `]`",
            TOML_HINT,
        )
        .with(&[("f.toml", "[[host]\n")]),
        row(
            &["render", "a.stub.toml", "--hosts", "f.toml"],
            "{work}/f.toml, line 4: `slotz` is not known here; did you mean `slots`?",
            LINE_HINT,
        )
        .with(&[(
            "f.toml",
            "[[host]]\nname = \"a\"\nlink = \"local\"\nslotz = 2\n",
        )]),
        row(
            &["render", "a.stub.toml", "--hosts", "f.toml"],
            "{work}/f.toml names no host",
            "add a host: [[host]], name = \"here\", link = \"local\"",
        )
        .with(&[("f.toml", "")]),
        row(
            &[
                "render",
                "a.stub.toml",
                "--hosts",
                "f.toml",
                "--host",
                "nod01",
            ],
            "{work}/f.toml has no host `nod01`; did you mean `node01`?",
            "--host takes the names of [[host]] tables",
        )
        .with(&[("f.toml", "[[host]]\nname = \"node01\"\nlink = \"local\"\n")]),
        row(
            &["render", "a.stub.toml", "--host", "node01"],
            "--host names hosts of a farm, but there is no farm.toml",
            "name one with --hosts FILE, or use this machine with --local N",
        ),
    ];
    rows.iter().for_each(Row::check);
}

#[test]
fn hosts_that_cannot_render() {
    let rows = [
        row(
            &["render", "a.stub.toml", "--hosts", "f.toml"],
            "no host can render this job: host a has no Stub renderer: there is no program /nope/stub",
            INSTALL_HINT,
        )
        .with(&[(
            "f.toml",
            "[[host]]\nname = \"a\"\nlink = \"local\"\nprograms = { stub = \"/nope/stub\" }\n",
        )]),
        row(
            &["render", "a.stub.toml", "--hosts", "f.toml"],
            "no host can render this job: host a: the link ended before its worker answered: \
             Permission denied",
            REACH_HINT,
        )
        .with(&[("f.toml", DENIES)]),
        row(
            &["render", "a.stub.toml", "--hosts", "f.toml"],
            "no host can render this job: host a: no worker answered within the first 65536 bytes",
            REACH_HINT,
        )
        .with(&[("f.toml", BABBLES)]),
        row(
            &["render", "a.stub.toml", "--hosts", "f.toml"],
            "no host can render this job: cannot start `/nope/launcher`, which host a is reached \
             by: No such file or directory (os error 2)",
            REACH_HINT,
        )
        .with(&[(
            "f.toml",
            "[[host]]\nname = \"a\"\nlink = \"command\"\ncommand = [\"/nope/launcher\"]\n",
        )]),
    ];
    for row in rows {
        row.code(3).check();
    }
}

const DENIES: &str = "[[host]]\nname = \"a\"\nlink = \"command\"\n\
                      command = [\"sh\", \"-c\", \"echo Permission denied >&2; exit 255\"]\n";
const BABBLES: &str =
    "[[host]]\nname = \"a\"\nlink = \"command\"\ncommand = [\"cat\", \"/dev/zero\"]\n";

#[test]
fn a_host_that_says_nothing_is_given_up_within_its_deadline() {
    let desk = Desk::new();
    desk.file("a.stub.toml", SMALL);
    desk.file(
        "f.toml",
        "[[host]]\nname = \"a\"\nlink = \"command\"\ncommand = [\"sleep\", \"1000\"]\n",
    );
    let ended = desk
        .run(["render", "a.stub.toml", "--hosts", "f.toml"])
        .expect_code(3);
    assert_eq!(
        told(&ended),
        format!(
            "framewright: no host can render this job: host a: no answer from its worker within \
             30 s\nhint: {REACH_HINT}\n"
        )
    );
}

#[test]
fn a_farm_with_one_dead_host_renders_on_the_other() {
    let desk = Desk::new();
    desk.file("a.stub.toml", SMALL);
    let dead = DENIES.replace("\"a\"", "\"dead\"");
    desk.file(
        "f.toml",
        format!("{dead}[[host]]\nname = \"good\"\nlink = \"local\"\n"),
    );
    let ended = desk
        .run([
            "render",
            "a.stub.toml",
            "--hosts",
            "f.toml",
            "-o",
            "o/f.####.png",
        ])
        .expect_code(0);
    let lost = "host dead is lost: the link ended before its worker answered: Permission denied\n";
    assert!(ended.stderr.contains(lost), "{ended:#?}");
    expect_frames(&desk.work().join("o"), "f.", &[1, 2, 3]);
}

/// The folder has the pictures of exactly these frames, and nothing else.
#[track_caller]
fn expect_frames(folder: &Path, stem: &str, frames: &[i32]) {
    let mut found: Vec<OsString> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("no folder {}: {error}", folder.display()))
        .map(|entry| entry.expect("readable").file_name())
        // What an interrupted job needs to go on.
        .filter(|name| name != ".framewright")
        .collect();
    found.sort();
    let wanted: Vec<OsString> = frames
        .iter()
        .map(|frame| format!("{stem}{frame:04}.png").into())
        .collect();
    assert_eq!(found, wanted);
    for name in found {
        let bytes = fs::read(folder.join(name)).expect("our own file");
        assert!(bytes.starts_with(b"\x89PNG") && bytes.ends_with(b"IEND\xaeB`\x82"));
    }
}

// ---- adapters that must not be started -----------------------------------------------------------

/// A small adapter over the stdio carrier that says these words first.
fn script(desk: &Desk, greeting: &str) {
    desk.file(
        "ad/x.py",
        format!("import sys\nprint('{greeting}', flush=True)\nsys.stdin.read()\n"),
    );
    desk.file(
        "ad/adapter.toml",
        "id = \"x\"\nversion = \"1\"\nabi = 1\ncommand = [\"python3\", \"x.py\"]\n\
         extensions = [\"x\"]\n",
    );
    desk.file("s.x", "");
}

fn allow_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("our own file");
}

#[test]
fn an_adapter_that_everyone_can_change_is_not_started() {
    let typed = ["render", "s.x", "--adapter-path", "ad", "--adapter", "x"];
    let says = "adapter x cannot be used: {work}/ad/x.py is not trusted: ";
    let desk = Desk::new();
    script(&desk, "{}");
    allow_all(&desk.work().join("ad/x.py"));
    expect_refusal(
        &desk,
        &typed,
        2,
        &format!("{says}it can be written by everyone (chmod o-w it)"),
        ADAPTERS_HINT,
    );
    // Without its name, by the scene alone.
    let ended = desk.run(&typed[..4]).expect_code(2);
    assert!(
        told(&ended).contains("; adapter x cannot be used: "),
        "{ended:#?}"
    );

    let desk = Desk::new();
    script(&desk, "{}");
    allow_all(&desk.work());
    let ended = desk.run(typed).expect_code(2);
    let work = desk.work().display().to_string();
    let why = format!("is not trusted: {work} can be written by everyone (chmod o-w it)\n");
    assert!(told(&ended).contains(&why), "{ended:#?}");
}

#[test]
fn an_adapter_of_another_time_is_told_apart() {
    let desk = Desk::new();
    script(&desk, r#"{"framewright-adapter": 1, "abi": [7, 0]}"#);
    expect_refusal(
        &desk,
        &["render", "s.x", "--adapter-path", "ad"],
        4,
        "adapter x cannot be loaded: it speaks ABI 7.0, and this framewright speaks ABI 1.0",
        "this is a fault of the adapter, not of your scene; tell whoever wrote it",
    );
}

// ---- outputs -------------------------------------------------------------------------------------

#[test]
fn outputs_that_cannot_be_written() {
    let rows = [
        row(
            &["render", "a.stub.toml", "-o", "a.stub.toml/f.####.png"],
            "cannot make the output folder {work}/a.stub.toml: File exists (os error 17)",
            FOLDER_HINT,
        ),
        row(
            &[
                "render",
                "a.stub.toml",
                "-o",
                "a.stub.toml/below/f.####.png",
            ],
            "cannot make the output folder {work}/a.stub.toml/below: Not a directory (os error 20)",
            FOLDER_HINT,
        ),
        row(
            &["render", "a.stub.toml", "-o", "/proc/nope/f.####.png"],
            "cannot make the output folder /proc/nope: No such file or directory (os error 2)",
            FOLDER_HINT,
        ),
        row(
            &["render", "a.stub.toml", "-o", "o/f.png"],
            "the output `{work}/o/f.png` has no `####` for the frame, and 3 frames are wanted",
            "write `{work}/o/f.####.png`",
        ),
        row(
            &["render", "a.stub.toml", "-o", "o/f.####.xyz"],
            "`.xyz` is no picture format that can be written: use one of png, exr",
            "write -o 'DIR/name.####.png'",
        ),
        row(
            &["render", "a.stub.toml", "-o", "o/"],
            "the output o/ is a folder, not a file name pattern",
            "write -o 'o/a.stub.####.png'",
        ),
    ];
    rows.iter().for_each(Row::check);
}

#[test]
fn what_another_user_may_not_read_or_write_is_refused() {
    if !rustix::process::geteuid().is_root() {
        // The same by taking our own permissions away.
        let desk = Desk::new();
        let scene = desk.file("a.stub.toml", SMALL);
        fs::set_permissions(&scene, fs::Permissions::from_mode(0o000)).expect("our own file");
        let ended = desk.run(["render", "a.stub.toml"]).expect_code(2);
        assert!(told(&ended).contains("cannot read the scene a.stub.toml: Permission denied"));
        return;
    }
    let desk = Desk::new();
    let scene = desk.file("a.stub.toml", SMALL);
    let nobody = |arguments: &[&str]| {
        use std::os::unix::process::CommandExt as _;
        let mut command = desk.framewright(arguments);
        command.uid(65534).gid(65534);
        finish(command, LONG)
    };
    // The temporary folder is ours alone; what is in it is of no interest to others.
    let above = desk
        .work()
        .parent()
        .expect("below the desk's folder")
        .to_owned();
    for folder in [above.clone(), desk.work()] {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("our own folder");
    }
    allow_all(&desk.state());
    if nobody(&["--version"]).code() != 0 {
        return not_shown("another user may not start the program here");
    }
    let ended = nobody(&["render", "a.stub.toml"]).expect_code(2);
    assert_eq!(
        told(&ended),
        format!(
            "framewright: cannot make the output folder {}/a: Permission denied (os error 13)\n\
             hint: {FOLDER_HINT}\n",
            desk.work().display()
        )
    );
    fs::create_dir(desk.work().join("o")).expect("a folder");
    let ended = nobody(&["render", "a.stub.toml", "-o", "o/f.####.png"]).expect_code(2);
    assert!(
        told(&ended).starts_with("framewright: cannot write into the output folder "),
        "{ended:#?}"
    );
    fs::set_permissions(&scene, fs::Permissions::from_mode(0o600)).expect("our own file");
    let ended = nobody(&["render", "a.stub.toml"]).expect_code(2);
    assert_eq!(
        told(&ended),
        "framewright: cannot read the scene a.stub.toml: Permission denied (os error 13)\n\
         hint: have it made readable for you, or check the path\n"
    );
}

#[test]
fn files_that_are_there_are_kept_unless_allowed() {
    let desk = Desk::new();
    desk.file("a.stub.toml", SMALL);
    let typed = ["render", "a.stub.toml", "-o", "o/f.####.png"];
    desk.run(typed).expect_code(0);
    let old = desk.file("o/f.0002.png", "somebody's");
    expect_refusal(
        &desk,
        &typed,
        2,
        "{work}/o/f.0001.png exists and is not this job's, and so are 2 others",
        "choose another -o, or allow it with --overwrite",
    );
    assert_eq!(fs::read(&old).expect("still there"), b"somebody's");
    desk.run(typed.iter().chain(&["--overwrite"]))
        .expect_code(0);
    expect_frames(&desk.work().join("o"), "f.", &[1, 2, 3]);
}

#[test]
fn two_jobs_never_write_the_same_files() {
    let desk = Desk::new();
    desk.file(
        "first.stub.toml",
        format!("{SMALL}[[fault]]\nframes = \"1-3\"\nkind = \"hang\"\n"),
    );
    desk.file("second.stub.toml", SMALL);
    let log = desk.work().join("events");
    let out = "o/f.####.png";
    let first = desk.start([
        "render",
        "first.stub.toml",
        "--local",
        "1",
        "-o",
        out,
        "--events",
        "events",
    ]);
    let started = wait_for_event(&log, "segment", |event| event["event"] == "segment-sent");
    assert_eq!(started["host"], "local");
    let job = events(&log)[0]["job"].as_str().expect("its id").to_owned();
    let says = format!("job {job} is writing to the same files");
    let hint = "name another output with -o, or wait for that job";
    // Another number of digits names the same files.
    for out in [out, "o/f.#####.png", "./o/../o/f.####.png"] {
        let second = ["render", "second.stub.toml", "-o", out];
        if out == "o/f.####.png" {
            expect_refusal(&desk, &second, 2, &says, hint);
        } else {
            let ended = desk.run(second).expect_code(2);
            assert_eq!(told(&ended), format!("framewright: {says}\nhint: {hint}\n"));
        }
    }
    // Its renderer hangs, so it is told twice.
    first.signal(rustix::process::Signal::TERM);
    first.signal(rustix::process::Signal::TERM);
    first.end(LONG).expect_code(143);
    expect_nothing_left(&job);
    desk.run(["render", "second.stub.toml", "-o", out])
        .expect_code(0);
    expect_frames(&desk.work().join("o"), "f.", &[1, 2, 3]);
}

/// What cannot be shown on this machine is said aloud, and is a failure under `CI=true`.
#[track_caller]
fn not_shown(why: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    #[expect(clippy::print_stderr, reason = "a test that is not run says so aloud")]
    {
        eprintln!("NOT TESTED: {why}");
    }
}

// ---- names ---------------------------------------------------------------------------------------

const NAMES: [&str; 8] = [
    "two words",
    "it's \"quoted\"",
    "line\nbreak",
    "$(touch pwned) `touch pwned`; touch pwned",
    "-dash",
    "\u{1b}[31mred\u{7}",
    "100% \\n {} *?[a]",
    "Größe 日本",
];

#[test]
fn any_name_is_a_scene_and_its_frames_land_beside_it() {
    let desk = Desk::new();
    for name in NAMES {
        let scene = format!("{name}.stub.toml");
        desk.file(&scene, SMALL);
        let ended = desk.run(["render", "--", &scene]).expect_code(0);
        assert!(
            !ended.stderr.chars().any(|c| c.is_control() && c != '\n'),
            "{name:?}: {ended:#?}"
        );
        // What would be a placeholder in a pattern is none in a scene's name.
        let stem = name.replace(['{', '}'], "_");
        expect_frames(&desk.work().join(&stem), &format!("{stem}."), &[1, 2, 3]);
    }
    expect_nobody_listened(&desk);
}

#[test]
fn any_name_is_an_output_folder() {
    let desk = Desk::new();
    desk.file("a.stub.toml", SMALL);
    for name in NAMES {
        let pattern = format!("--output={name}/{name}.####.png").replace("{}", "()");
        let name = name.replace("{}", "()");
        let ended = desk
            .run(["--format=json", "render", "a.stub.toml", &pattern])
            .expect_code(0);
        expect_frames(&desk.work().join(&name), &format!("{name}."), &[1, 2, 3]);
        let first = desk.work().join(&name).join(format!("{name}.0001.png"));
        assert_eq!(ended.json()["outputs"][0], first.display().to_string());
    }
    expect_nobody_listened(&desk);
}

/// No shell was ever asked.
#[track_caller]
fn expect_nobody_listened(desk: &Desk) {
    for folder in [desk.work(), desk.state()] {
        assert!(!folder.join("pwned").exists());
    }
}

#[test]
fn a_name_that_is_no_text_is_refused() {
    let desk = Desk::new();
    desk.file("a.stub.toml", SMALL);
    let scene = OsStr::from_bytes(b"bad\xff.stub.toml");
    desk.file(Path::new(scene), SMALL);
    let hint = "rename it, or reach it through a symbolic link with a UTF-8 name";
    expect_refusal(
        &desk,
        &[OsStr::new("render"), scene],
        2,
        "the path of the scene is not UTF-8: {work}/bad\u{fffd}.stub.toml",
        hint,
    );
    let output = OsStr::from_bytes(b"bad\xff/f.####.png");
    expect_refusal(
        &desk,
        &[
            OsStr::new("render"),
            OsStr::new("a.stub.toml"),
            OsStr::new("-o"),
            output,
        ],
        2,
        "the path of the output is not UTF-8: {work}/bad\u{fffd}/f.####.png",
        hint,
    );
    // The way out that the hint names.
    std::os::unix::fs::symlink(desk.work().join(scene), desk.work().join("good.stub.toml"))
        .expect("a link in our own folder");
    desk.run(["render", "good.stub.toml"]).expect_code(0);
    expect_frames(&desk.work().join("good"), "good.", &[1, 2, 3]);
}

// ---- frames that fail ----------------------------------------------------------------------------

/// `render … --format json` of three frames, of which the second has this fault.
fn render_faulty(kind: &str, options: &[&str], code: i32) -> (Value, String) {
    let desk = Desk::new();
    desk.file(
        "a.stub.toml",
        format!("{SMALL}[[fault]]\nframes = \"2\"\nkind = \"{kind}\"\n"),
    );
    let mut typed = vec![
        "render",
        "a.stub.toml",
        "--local",
        "1",
        "-o",
        "o/f.####.png",
    ];
    typed.extend(options);
    let people = desk.run(&typed).expect_code(code);
    let scripts = desk
        .run(
            ["--format=json"]
                .iter()
                .chain(&typed)
                .chain(&["--overwrite"]),
        )
        .expect_code(code);
    (scripts.json(), people.stderr)
}

const CRASHED: &str = "the stub renderer was ended by signal 11 (SIGSEGV)";

#[test]
fn a_frame_that_always_fails_is_listed_and_the_others_are_kept() {
    let (report, told) = render_faulty("crash", &[], 1);
    assert_eq!(report["state"], "failed");
    assert_eq!(
        report["tasks"],
        json!({"total": 3, "done": 2, "failed": 1, "skipped": 0})
    );
    assert_eq!(
        report["failures"],
        json!([{"task": "all:2", "attempts": 3, "why": CRASHED}])
    );
    for attempt in 1..=3 {
        let line = format!("all:2: attempt {attempt} failed on local/0: {CRASHED}\n");
        assert_eq!(told.matches(&line).count(), 1, "{told}");
    }
    assert!(
        told.contains(&format!("all:2: given up: {CRASHED}\n")),
        "{told}"
    );
    assert!(
        told.contains(&format!("failed:\n  all:2  3 attempts  {CRASHED}\n")),
        "{told}"
    );
    assert!(
        told.contains("try them again: framewright render --resume a-"),
        "{told}"
    );
}

#[test]
fn without_retries_one_failure_is_enough() {
    let (report, _) = render_faulty("crash", &["--retries", "0"], 1);
    assert_eq!(
        report["failures"],
        json!([{"task": "all:2", "attempts": 1, "why": CRASHED}])
    );
    assert_eq!(report["tasks"]["done"], 2);
}

#[test]
fn fail_fast_leaves_the_rest_undone() {
    let desk = Desk::new();
    desk.file(
        "a.stub.toml",
        "frames = \"1-200\"\nwidth = 16\nheight = 9\nframe = \"50ms\"\n\
         [[fault]]\nframes = \"1-200\"\nkind = \"exit\"\n",
    );
    let ended = desk
        .run([
            "--format=json",
            "render",
            "a.stub.toml",
            "--local",
            "1",
            "--fail-fast",
            "--retries",
            "0",
        ])
        .expect_code(1);
    let report = ended.json();
    assert_eq!(report["state"], "failed");
    // A frame that was under way when the first was given up may have ended by then.
    let failed = report["tasks"]["failed"].as_u64().expect("a number");
    assert!((1..20).contains(&failed), "{report:#}");
}

#[test]
fn a_frame_that_hangs_is_stopped_at_its_limit() {
    let (report, told) = render_faulty("hang", &["--task-limit", "1s", "--retries", "1"], 1);
    let why = "stopped: it took longer than its time limit";
    assert_eq!(
        report["failures"],
        json!([{"task": "all:2", "attempts": 2, "why": why}])
    );
    assert_eq!(
        report["tasks"]["done"], 2,
        "its neighbours are not to blame"
    );
    assert!(!told.contains("all:3: attempt"), "{told}");
}

#[test]
fn every_fault_that_strikes_once_costs_an_attempt_and_no_frame() {
    let desk = Desk::new();
    let scene = top().join("examples/faulty.stub.toml");
    let scene = scene.to_str().expect("our own path is UTF-8");
    let ended = desk
        .run([
            "render",
            scene,
            "--local",
            "2",
            "-o",
            "o/f.####.png",
            "--events",
            "events",
        ])
        .expect_code(0);
    let all: Vec<i32> = (1..=20).collect();
    expect_frames(&desk.work().join("o"), "f.", &all);
    let mut failed: Vec<String> = events(&desk.work().join("events"))
        .iter()
        .filter(|event| event["event"] == "task-failed")
        .map(|event| event["task"].as_str().unwrap_or_default().to_owned())
        .collect();
    failed.sort();
    assert_eq!(
        failed,
        ["all:12", "all:15", "all:3", "all:6", "all:9"],
        "{ended:#?}"
    );
}

// ---- a full disk ---------------------------------------------------------------------------------

/// Renders into a small disk of its own until it is full, makes room, resumes. In its own mount
/// namespace, so that nothing of it is seen outside.
const FULL_DISK: &str = r#"
mount -t tmpfs -o size=2500k none disk || exit 99
"$1" render a.stub.toml --local 2 -o 'disk/f.####.exr'
echo "full $?"
ls disk > kept
mount -o remount,size=40m disk || exit 98
"$1" render --resume a-
echo "resumed $?"
ls disk > all
"#;

#[test]
fn a_full_disk_keeps_what_is_rendered_and_goes_on_when_there_is_room() {
    let desk = Desk::new();
    desk.file(
        "a.stub.toml",
        "frames = \"1-12\"\nwidth = 320\nheight = 180\nframe = \"20ms\"\n",
    );
    fs::create_dir(desk.work().join("disk")).expect("a folder");
    let options: &[&str] = if rustix::process::geteuid().is_root() {
        &["-m"]
    } else {
        &["-r", "-m"]
    };
    let mut command = desk.command("unshare");
    command
        .args(options)
        .args(["sh", "-c", FULL_DISK, "sh", PROGRAM]);
    let ended = finish(command, LONG);
    if ended.code() != 0 {
        let why = format!("a small disk cannot be mounted here: {}", ended.stderr);
        return not_shown(&why);
    }
    assert_eq!(ended.stdout, "full 1\nresumed 0\n", "{ended:#?}");
    let names = |list: &str| -> Vec<String> {
        let text = fs::read_to_string(desk.work().join(list)).expect("a list");
        text.lines().map(str::to_owned).collect()
    };
    let (kept, all) = (names("kept"), names("all"));
    assert!(!kept.is_empty() && kept.len() < 12, "{kept:?}");
    let wanted: Vec<String> = (1..=12).map(|frame| format!("f.{frame:04}.exr")).collect();
    assert_eq!(all, wanted);
    assert!(kept.iter().all(|name| all.contains(name)), "{kept:?}");
    assert!(
        ended.stderr.contains("No space left on device"),
        "{ended:#?}"
    );
    assert!(
        ended.stderr.contains("framewright render --resume a-"),
        "{ended:#?}"
    );
}
