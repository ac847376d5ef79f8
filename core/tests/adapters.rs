//! Adapters that crash, hang, print and speak garbage, each in one clear sentence; and those that
//! work, through the same doors.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::fs::{Permissions, set_permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use framewright_core::adapters::{
    Loaded, Origin, SearchPlan, Surroundings, Wanted, choose, find_adapters,
};
use framewright_plugin_api::data::{Activity, Effect, Input, Verdict};
use support::{Folder, ended, have, hung_up, launcher, open, rendering, watch};

fn line(text: &str) -> [Input; 1] {
    [Input::stdout(1, text)]
}

fn is_gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

// --- libraries in C

#[tokio::test]
async fn a_segfaulting_adapter_ends_in_one_sentence_after_a_second_try() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    folder.c("segfault", "segfault");
    let loaded = folder.load("segfault").await;
    let (mut session, effects) = rendering(&loaded).await;
    assert_eq!(effects.len(), 3);
    let pid = session.pid().unwrap();
    let fault = session.step(0.1, &line("task 1")).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "adapter segfault crashed (signal 11, SIGSEGV) while it handled a line, twice"
    );
    assert_eq!(session.respawns(), 1);
    assert!(is_gone(pid));
    let after = session.step(0.2, &line("task 1")).await.unwrap_err();
    assert!(after.to_string().contains("its session is over"), "{after}");
}

#[tokio::test]
async fn a_hanging_adapter_is_killed_at_its_deadline() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    folder.c("hang", "hang");
    let installed = folder.installed("hang").await;
    let mut launcher = launcher();
    let loaded = Loaded::load(&installed, &launcher).await.unwrap();
    drop(loaded);
    launcher.deadlines.call = Duration::from_secs(2);
    let loaded = Loaded::load(&installed, &launcher).await.unwrap();
    let (mut session, _) = rendering(&loaded).await;
    let pid = session.pid().unwrap();
    let fault = session.step(0.1, &line("task 1")).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "adapter hang did not answer within 2 s while it handled a line, twice"
    );
    assert!(is_gone(pid), "the first one was killed and reaped");
    assert_eq!(session.pid(), None, "and so was the second");
}

#[tokio::test]
async fn a_printing_adapter_works() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    folder.c("printing", "printing");
    let loaded = folder.load("printing").await;
    assert_eq!(loaded.description().renderer, "echo");
    let (mut session, effects) = rendering(&loaded).await;
    let runs: Vec<Vec<String>> = effects
        .into_iter()
        .map(|effect| match effect {
            Effect::Run(run) => run.argv,
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(
        runs,
        [
            ["/bin/echo", "task 1"],
            ["/bin/echo", "task 2"],
            ["/bin/echo", "task 3"]
        ]
    );
    let inputs = [Input::stdout(1, "task 1"), Input::exited(1, 0)];
    let effects = session.step(0.1, &inputs).await.unwrap();
    let done = Effect::TaskDone {
        segment: 5,
        task: 1,
        verdict: Verdict::Succeeded,
        why: String::new(),
    };
    assert_eq!(effects, [done]);
    assert_eq!(session.respawns(), 0);
    let (_, effects) = loaded.open(open(Activity::Probe)).await.unwrap();
    assert!(matches!(effects[..], [Effect::Found(_)]));
}

#[tokio::test]
async fn libraries_that_are_no_adapters_are_refused_in_words() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    for (sample, id, sentence) in [
        (
            "wrong_abi",
            "wrong-abi",
            "adapter wrong-abi cannot be loaded: it speaks ABI 7.0, and this framewright speaks \
             ABI 1.0",
        ),
        (
            "no_symbol",
            "no-symbol",
            "adapter no-symbol cannot be loaded: it exports no framewright_adapter_entry",
        ),
        (
            "short_table",
            "short-table",
            "adapter short-table cannot be loaded: its table lacks describe, open, step or close",
        ),
    ] {
        folder.c(sample, id);
        let installed = folder.installed(id).await;
        let fault = Loaded::load(&installed, &launcher()).await.unwrap_err();
        assert_eq!(fault.to_string(), sentence);
    }
    folder.c("long_table", "long-table");
    let loaded = folder.load("long-table").await;
    let (_, effects) = rendering(&loaded).await;
    assert_eq!(
        effects.len(),
        3,
        "a newer table works as far as it is known"
    );
}

#[tokio::test]
async fn an_adapter_that_goes_by_another_name_is_not_believed() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    folder.c("printing", "other");
    let installed = folder.installed("other").await;
    let fault = Loaded::load(&installed, &launcher()).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "adapter other contradicts itself: its manifest calls it other, it calls itself printing, \
         while it described itself"
    );
}

#[tokio::test]
async fn a_library_with_another_hash_is_not_loaded() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    let library = folder.c("printing", "printing");
    let manifest = library.with_file_name("adapter.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let right = blake3::hash(&std::fs::read(&library).unwrap()).to_hex();
    std::fs::write(&manifest, format!("{text}hash = \"{right}\"\n")).unwrap();
    folder.load("printing").await;
    let wrong = "0".repeat(64);
    std::fs::write(&manifest, format!("{text}hash = \"{wrong}\"\n")).unwrap();
    let installed = folder.installed("printing").await;
    let fault = Loaded::load(&installed, &launcher()).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!(
            "adapter printing cannot be loaded: its hash is {right}, and its manifest says \
             {wrong}"
        )
    );
}

// --- scripts over the stdio carrier

#[tokio::test]
async fn garbage_is_quoted_and_ends_in_one_sentence() {
    if !have("python3") {
        return;
    }
    for (broken, sentence) in [
        (
            "greeting",
            "adapter garbage said something that is not understood \
             (no greeting: \"Hello, I am your new adapter!\") while it was loaded",
        ),
        (
            "describe",
            "adapter garbage said something that is not understood (expected value at line 1 \
             column 1: \"%PDF-1.4 \\u{7} not what you asked for\") while it described itself",
        ),
        (
            "step",
            "adapter garbage said something that is not understood (expected value at line 1 \
             column 1: \"%PDF-1.4 \\u{7} not what you asked for\") while it handled a segment, \
             twice",
        ),
        (
            "endless",
            "adapter garbage said something that is not understood (an endless line: \
             \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…) \
             while it handled a segment, twice",
        ),
    ] {
        let folder = Folder::new();
        folder.python("garbage", "garbage", &[broken]);
        let installed = folder.installed("garbage").await;
        let fault = match Loaded::load(&installed, &launcher()).await {
            Err(fault) => fault,
            Ok(loaded) => {
                let (mut session, _) = loaded.open(open(Activity::Render)).await.unwrap();
                let segment = Input::Segment {
                    segment: 1,
                    tasks: Vec::new(),
                };
                session.step(0.0, &[segment]).await.unwrap_err()
            }
        };
        // The ellipsis stands inside the quotes.
        assert_eq!(fault.to_string().replace("…\"", "…"), sentence);
    }
}

#[tokio::test]
async fn an_order_that_is_not_known_is_named() {
    if !have("python3") {
        return;
    }
    let folder = Folder::new();
    folder.python("garbage", "garbage", &["effect"]);
    let loaded = folder.load("garbage").await;
    let (mut session, _) = loaded.open(open(Activity::Render)).await.unwrap();
    let fault = session.step(0.0, &line("x")).await.unwrap_err();
    assert!(
        fault.to_string().contains("unknown variant `reboot`"),
        "{fault}"
    );
}

#[tokio::test]
async fn a_session_survives_a_crash_and_knows_what_it_knew() {
    if !have("python3") {
        return;
    }
    let folder = Folder::new();
    folder.python("flaky", "flaky", &[]);
    let marker = folder.path().join("it died here");
    let loaded = folder.load("flaky").await;
    let (mut session, _) = loaded.open(open(Activity::Render)).await.unwrap();
    let note = |text: &str| Effect::Note {
        text: text.to_owned(),
    };
    let effects = session.step(0.1, &line("one")).await.unwrap();
    assert_eq!(effects, [note("line 1")]);
    let effects = session
        .step(0.2, &[line("two"), line("three")].concat())
        .await
        .unwrap();
    assert_eq!(effects, [note("line 2"), note("line 3")]);

    let boom = format!("boom {}", marker.display());
    let effects = session.step(0.3, &line(&boom)).await.unwrap();
    assert_eq!(effects, [note("line 4")], "told again, answered once");
    assert_eq!(session.respawns(), 1);
    assert!(marker.exists());

    let effects = session.step(0.4, &line("five")).await.unwrap();
    assert_eq!(effects, [note("line 5")]);
    let fault = session.step(0.5, &line("boom")).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "adapter flaky crashed (signal 11, SIGSEGV) while it handled a line, twice; \
         its last words: flaky: this is the end"
    );
}

#[tokio::test]
async fn crashes_are_forgiven_only_so_often() {
    if !have("python3") {
        return;
    }
    let folder = Folder::new();
    folder.python("flaky", "flaky", &[]);
    let loaded = folder.load("flaky").await;
    let (mut session, _) = loaded.open(open(Activity::Render)).await.unwrap();
    for number in 1..=framewright_core::adapters::RESPAWNS_MAX {
        let boom = format!("boom {}/{number}", folder.path().display());
        session.step(0.1, &line(&boom)).await.unwrap();
        assert_eq!(session.respawns(), number);
    }
    let boom = format!("boom {}/last", folder.path().display());
    let fault = session.step(0.2, &line(&boom)).await.unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("after a session too long to be told again"),
        "{fault}"
    );
}

#[tokio::test]
async fn a_dropped_session_leaves_no_process() {
    if !have("python3") {
        return;
    }
    let folder = Folder::new();
    folder.python("flaky", "flaky", &[]);
    let loaded = folder.load("flaky").await;
    let (session, _) = loaded.open(open(Activity::Render)).await.unwrap();
    let pid = session.pid().unwrap();
    assert!(!is_gone(pid));
    let watched = watch(pid);
    drop(session);
    ended(&watched);
}

#[tokio::test]
async fn a_script_that_cannot_be_started_is_said() {
    let folder = Folder::new();
    let script = folder.path().join("none");
    std::fs::create_dir(&script).unwrap();
    std::fs::write(
        script.join("adapter.toml"),
        "id = \"none\"\nversion = \"1\"\nabi = 1\ncommand = [\"/no/such/program\"]\n",
    )
    .unwrap();
    let installed = folder.installed("none").await;
    let fault = Loaded::load(&installed, &launcher()).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "adapter none cannot be loaded: cannot start /no/such/program: \
         No such file or directory (os error 2)"
    );
}

// --- without a parent

/// Starts a host child by hand, brings its adapter into an endless loop, and lets go of it as a
/// parent does that dies: the child must end by itself.
fn abandon(arguments: &[&std::ffi::OsStr]) -> std::process::ExitStatus {
    let mut child = Command::new(env!("CARGO_BIN_EXE_adapter-host-for-tests"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut greeting = String::new();
    stdout.read_line(&mut greeting).unwrap();
    assert!(greeting.contains("framewright-adapter"), "{greeting}");
    let open = serde_json::to_string(&open(Activity::Render)).unwrap();
    writeln!(stdin, "{{\"call\":\"open\",\"session\":1,\"open\":{open}}}").unwrap();
    let mut answer = String::new();
    stdout.read_line(&mut answer).unwrap();
    writeln!(
        stdin,
        "{{\"call\":\"step\",\"session\":1,\"step\":{{\"at_s\":0,\"inputs\":[{{\"input\":\"line\",\
         \"run\":1,\"stream\":\"stdout\",\"text\":\"x\"}}]}}}}"
    )
    .unwrap();
    drop(stdin);
    let status = child.wait().unwrap();
    // Whatever it started had this output too: it is closed when all of them are gone.
    hung_up(stdout.get_ref());
    status
}

#[test]
fn a_hanging_library_does_not_outlive_its_parent() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    let library = folder.c("hang", "hang");
    let status = abandon(&[library.as_os_str()]);
    assert_eq!(status.signal(), Some(9), "{status}");
}

#[test]
fn a_hanging_script_does_not_outlive_its_parent() {
    if !have("python3") {
        return;
    }
    let folder = Folder::new();
    let script = folder.path().join("hang.py");
    let text = "import os, signal\n\
                print('{\"framewright-adapter\":1,\"abi\":[1,0]}', flush=True)\n\
                input()\n\
                print('{\"ok\":{\"effects\":[]}}', flush=True)\n\
                print(os.getpid(), flush=True)\n\
                while True: signal.pause()\n";
    std::fs::write(&script, text).unwrap();
    let arguments = ["--command".as_ref(), "python3".as_ref(), script.as_os_str()];
    let status = abandon(&arguments);
    assert_eq!(status.signal(), Some(9), "{status}");
}

// --- searching

fn layout(folder: &Path, name: &str, text: &str) {
    let adapter = folder.join(name);
    std::fs::create_dir_all(&adapter).unwrap();
    std::fs::write(adapter.join("adapter.toml"), text).unwrap();
}

fn command(id: &str, version: &str) -> String {
    format!("id = \"{id}\"\nversion = \"{version}\"\nabi = 1\ncommand = [\"true\"]\n")
}

#[tokio::test]
async fn the_first_of_an_id_wins_and_the_others_are_listed() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    layout(&at("explicit"), "a", &command("a", "1"));
    layout(&at("variable"), "a", &command("a", "2"));
    layout(&at("variable"), "b", &command("b", "2"));
    layout(&at("work/.framewright/adapters"), "c", &command("c", "3"));
    layout(&at("data/framewright/adapters"), "b", &command("b", "4"));
    layout(
        &at("prefix/lib/framewright/adapters"),
        "d",
        &command("d", "5"),
    );
    layout(&at("data/framewright/adapters"), "odd", "id = 7");
    let around = Surroundings {
        adapter_path: Some(at("variable").into_os_string()),
        xdg_data_home: Some(at("data").into_os_string()),
        xdg_data_dirs: Some(at("nowhere").into_os_string()),
        working_folder: Some(at("work")),
        executable: Some(at("prefix/bin/framewright")),
        home: None,
    };
    let plan = SearchPlan::new(launcher(), vec![at("explicit"), at("missing")], &around);
    let found = find_adapters(&plan).await;
    let listed: Vec<(&str, Origin, Option<&str>, bool)> = found
        .iter()
        .map(|candidate| {
            (
                candidate.id.as_str(),
                candidate.origin,
                candidate
                    .state
                    .as_ref()
                    .ok()
                    .map(|installed| installed.version.as_str()),
                candidate.shadowed_by.is_some(),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("a", Origin::Explicit, Some("1"), false),
            ("missing", Origin::Explicit, None, false),
            ("a", Origin::Variable, Some("2"), true),
            ("b", Origin::Variable, Some("2"), false),
            ("c", Origin::Project, Some("3"), false),
            ("b", Origin::Installed, Some("4"), true),
            ("odd", Origin::Installed, None, false),
            ("d", Origin::Installed, Some("5"), false),
        ]
    );
    let error = choose(&found, Wanted::Id("odd")).unwrap_err().to_string();
    assert!(
        error.starts_with("adapter odd cannot be used: ")
            && error
                .ends_with("is no adapter manifest: invalid type: integer `7`, expected a string"),
        "{error}"
    );
}

#[tokio::test]
async fn a_build_folder_needs_no_manifest() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    let library = folder.c("printing", "printing");
    let segfault = folder.c("no_symbol", "no-symbol");
    let build = folder.path().join("target/debug");
    std::fs::create_dir_all(&build).unwrap();
    std::fs::copy(library, build.join("libframewright_printing.so")).unwrap();
    std::fs::copy(segfault, build.join("libframewright_bad.so")).unwrap();
    std::fs::write(build.join("libsomething_else.so"), "x").unwrap();
    let around = Surroundings {
        executable: Some(build.join("framewright")),
        ..Surroundings::default()
    };
    let mut plan = SearchPlan::new(launcher(), Vec::new(), &around);
    plan.installed.clear();
    let found = find_adapters(&plan).await;
    let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, ["bad", "printing"]);
    let chosen = choose(&found, Wanted::Scene(Path::new("/s/x.PRINTING"))).unwrap();
    assert_eq!(
        (chosen.id.as_str(), chosen.version.as_str()),
        ("printing", "1.0.0")
    );
    let error = choose(&found, Wanted::Id("bad")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("exports no framewright_adapter_entry"),
        "{error}"
    );
}

#[tokio::test]
async fn a_world_writable_adapter_is_refused_and_named() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    let library = folder.c("printing", "printing");
    let installed = folder.installed("printing").await;
    set_permissions(&library, Permissions::from_mode(0o777)).unwrap();

    let found = folder.find().await;
    let error = choose(&found, Wanted::Id("printing")).unwrap_err();
    let name = library.canonicalize().unwrap();
    let why = format!(
        "{0} is not trusted: it can be written by everyone (chmod o-w it)",
        name.display()
    );
    assert_eq!(
        error.to_string(),
        format!("adapter printing cannot be used: {why}")
    );
    let fault = Loaded::load(&installed, &launcher()).await.unwrap_err();
    assert!(
        fault.to_string().contains(&why),
        "the child checks by itself: {fault}"
    );

    let script = folder.python("flaky", "flaky", &[]);
    set_permissions(&script, Permissions::from_mode(0o666)).unwrap();
    let found = folder.find().await;
    let error = choose(&found, Wanted::Id("flaky")).unwrap_err();
    assert!(
        error.to_string().contains("flaky.py is not trusted"),
        "{error}"
    );
}
