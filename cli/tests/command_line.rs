//! The built program from outside: what it prints where, and how it ends, when there is nothing
//! to render yet.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where anything is not as it must be"
)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder to work in and a home of its own.
struct World {
    folder: tempfile::TempDir,
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_framewright"));
        command
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8");
        command.current_dir(self.path()).stdin(Stdio::null());
        command
    }

    fn run<S: Into<OsString>>(&self, words: impl IntoIterator<Item = S>) -> Ended {
        let Output {
            status,
            stdout,
            stderr,
        } = self
            .command()
            .args(words.into_iter().map(Into::into))
            .output()
            .unwrap();
        Ended {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}

#[test]
fn bad_input_is_a_sentence_on_stderr_and_exit_2() {
    let world = World::new();
    std::fs::create_dir(world.path().join("folder.blend")).unwrap();
    std::fs::write(world.path().join("shot.blend"), "x").unwrap();
    std::fs::write(
        world.path().join("job.toml"),
        "scene = 'shot.blend'\nfraems = '1'\n",
    )
    .unwrap();
    std::fs::write(world.path().join("broken.toml"), "scene = \n").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["render"], "no scene is named"),
        (&["render", "none.blend"], "there is no scene none.blend"),
        (
            &["render", "folder.blend"],
            "folder.blend is a folder, not a scene",
        ),
        (&["render", "a\nb.blend"], "there is no scene a\\nb.blend"),
        (
            &["render", "$(touch hacked).blend"],
            "there is no scene $(touch hacked).blend",
        ),
        (
            &["render", "--", "-odd.blend"],
            "there is no scene -odd.blend",
        ),
        (&["render", "shot.blend", "-f", ""], "--frames \"\": "),
        (
            &["render", "shot.blend", "-f", "10-1"],
            "--frames 10-1: frames 10 to 1 run backwards; write 1-10",
        ),
        (
            &["render", "shot.blend", "-f", "1-99999999999"],
            "--frames 1-99999999999: ",
        ),
        (
            &["render", "shot.blend", "-f=-1..-10"],
            "--frames -1..-10: ",
        ),
        (
            &["render", "shot.blend", "--tiles", "2"],
            "--tiles `2` is no number of tiles",
        ),
        (
            &["render", "shot.blend", "--video", ""],
            "a value is required for '--video <FILE>'",
        ),
        (
            &["render", "shot.blend", "--hosts", "none.toml"],
            "there is no farm file none.toml",
        ),
        (
            &["render", "--job", "job.toml"],
            "job.toml, line 2: `fraems` is not known here; did you mean `frames`?",
        ),
        (&["render", "--job", "broken.toml"], "broken.toml, line 1: "),
        (&["render", "--job", "none.toml"], "cannot read none.toml: "),
        (
            &["render", "shot.blend", "--format", "xml"],
            "invalid value 'xml'",
        ),
        (
            &["render", "shot.blend", "--frame", "1"],
            "unexpected argument '--frame'",
        ),
        (&["plan", "none.blend"], "there is no scene none.blend"),
        (&["inspect", "none.blend"], "there is no scene none.blend"),
        (&["status", "none"], "there is no job `none`"),
        (&["logs", "none"], "there is no job `none`"),
        (&["explain", "none", "all:1"], "there is no job `none`"),
        (&["explain", "none"], "required arguments"),
        (&["rendr"], "unrecognized subcommand 'rendr'"),
    ];
    for (words, sentence) in cases {
        let ended = world.run(words.iter().copied());
        assert_eq!(ended.code, Some(2), "{words:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(sentence),
            "{words:?}: {}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "", "{words:?}");
        assert!(
            !ended.stderr.contains('\u{1b}'),
            "colours without a terminal: {:?}",
            ended.stderr
        );
    }
    assert!(!world.path().join("hacked").exists());
}

#[test]
fn with_format_json_an_error_is_one_document_on_stdout() {
    let world = World::new();
    let cases: &[&[&str]] = &[
        &["render", "none.blend", "--format", "json"],
        &["--format=json", "rendr"],
        &["render", "--format", "json", "--nonsense"],
        &["status", "none", "--format", "json"],
        &["render", "none.blend", "--format", "json", "--events", "-"],
    ];
    for words in cases {
        let ended = world.run(words.iter().copied());
        assert_eq!(ended.code, Some(2), "{words:?}");
        assert_eq!(ended.stderr, "", "{words:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(document["format"], 1);
        assert_eq!(document["error"]["code"], 2);
        assert!(!document["error"]["message"].as_str().unwrap().is_empty());
        assert!(document["error"].get("hint").is_some());
    }
}

#[test]
fn a_scene_that_is_not_utf8_is_a_sentence() {
    let world = World::new();
    let name = OsString::from_vec(b"shot\xff.blend".to_vec());
    std::fs::write(world.path().join(&name), "x").unwrap();
    let ended = world.run(["render".into(), name]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("is not UTF-8"), "{}", ended.stderr);
}

#[test]
fn without_jobs_the_list_is_empty_and_nothing_is_made() {
    let world = World::new();
    let ended = world.run(["jobs"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "there are no jobs\n"),
        "{}",
        ended.stderr
    );
    let ended = world.run(["jobs", "--format", "json"]);
    assert_eq!(ended.stdout, "{\"format\":1,\"jobs\":[]}\n");
    assert_eq!(std::fs::read_dir(world.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    let mut child = world
        .command()
        .arg("man")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn a_worker_whose_controller_is_gone_says_hello_and_ends() {
    let ended = World::new().run(["worker"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert!(
        ended.stdout.starts_with("FRAMEWRIGHT-WORKER "),
        "{}",
        ended.stdout
    );
}

#[test]
fn an_adapter_that_anyone_could_change_is_listed_with_the_reason() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let folder = world.path().join("adapters/mine");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("x.py"), "").unwrap();
    let manifest = folder.join("adapter.toml");
    let text = "id = 'mine'\nversion = '1'\nabi = 1\ncommand = ['python3', 'x.py']\nextensions = ['mine']\n";
    std::fs::write(&manifest, text).unwrap();
    let list = |world: &World| {
        let ended = world.run([
            "adapters",
            "list",
            "--adapter-path",
            "adapters",
            "--format",
            "json",
        ]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let adapters = document["adapters"].as_array().unwrap().clone();
        adapters
            .into_iter()
            .find(|adapter| adapter["id"] == "mine")
            .unwrap()
    };
    let usable = list(&world);
    assert_eq!(
        (&usable["usable"], &usable["extensions"][0]),
        (&true.into(), &"mine".into()),
        "{usable}"
    );
    std::fs::set_permissions(&manifest, std::fs::Permissions::from_mode(0o666)).unwrap();
    let refused = list(&world);
    assert_eq!(refused["usable"], false);
    assert!(
        refused["why"].as_str().unwrap().contains("adapter.toml"),
        "{refused}"
    );
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let world = World::new();
    let page = world.run(["man"]);
    assert!(page.stdout.contains(".TH framewright 1"), "{}", page.stdout);
    assert!(page.stdout.contains("Exit codes"), "{}", page.stdout);
    let ended = world.run(["man", "--dir", "pages/man1"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for command in [
        "",
        "-render",
        "-plan",
        "-inspect",
        "-jobs",
        "-status",
        "-logs",
        "-adapters",
        "-completions",
        "-man",
    ] {
        let page = world
            .path()
            .join(format!("pages/man1/framewright{command}.1"));
        assert!(page.is_file(), "{}", page.display());
    }
}

#[test]
fn every_shell_gets_its_completions() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = world.run(["completions", shell]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stdout.contains("render"), "{shell}");
        assert!(
            !ended.stdout.contains("adapter-host"),
            "{shell} offers what is hidden"
        );
    }
}

#[test]
fn help_lists_what_there_is_and_nothing_else() {
    let world = World::new();
    let help = world.run(["--help"]);
    assert_eq!(help.code, Some(0));
    for command in [
        "render",
        "plan",
        "inspect",
        "jobs",
        "status",
        "explain",
        "logs",
        "history",
        "hosts",
        "adapters",
        "assemble",
        "simulate",
        "completions",
        "man",
    ] {
        assert!(
            help.stdout.contains(&format!("\n  {command} ")),
            "{command}: {}",
            help.stdout
        );
    }
    for kept in ["worker", "adapter-host", "stub-render"] {
        assert!(
            !help.stdout.contains(&format!("\n  {kept}")),
            "{kept} is listed"
        );
    }
    let render = world.run(["render", "--help"]);
    for option in [
        "--frames",
        "--segment",
        "--resume",
        "--job",
        "--hosts",
        "--local",
        "--task-limit",
        "--events",
        "--no-history",
    ] {
        assert!(render.stdout.contains(option), "{option}");
    }
    assert!(!render.stdout.contains("--state-dir"));
}
