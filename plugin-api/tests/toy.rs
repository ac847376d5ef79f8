//! A toy adapter through every door: the command driver, the replay kit, the C table, the stdio
//! carrier. What holds for it holds for every adapter written with the macro.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::ffi::c_void;
use std::io::Cursor;
use std::ptr::null_mut;

use framewright_plugin_api::abi::{self, Table};
use framewright_plugin_api::command::{
    Command, CommandAdapter, Commanded, Exit, Reader, Refusal, Said, Share, Work,
};
use framewright_plugin_api::data::{
    Activity, Answer, Description, Effect, Failure, Found, Input, Open, Scene, Step, Stream, Task,
    Verdict,
};
use framewright_plugin_api::export::table;
use framewright_plugin_api::replay::{self, End};
use framewright_plugin_api::stdio;
use framewright_plugin_api::{Adapter, Effects, Session};
use serde_json::{Value, json};

/// Prints `frame N` when it begins a frame, `saved PATH` when a picture is written, `ERROR …`.
#[derive(Default)]
struct Toy;

struct ToyReader {
    outputs: Vec<(u32, String)>,
}

impl CommandAdapter for Toy {
    fn describe(&self) -> Description {
        let mut description = Description::new("toy", "0.1.0", "Toy");
        description.can.reports_frames = true;
        description
    }

    fn share(&self, open: &Open) -> Share {
        if open.settings.contains_key("whole") {
            Share::Segment
        } else if open.settings.contains_key("runs") {
            Share::Run
        } else {
            Share::Task
        }
    }

    fn follows(&self, before: &Task, next: &Task) -> bool {
        before.frame + 1 == next.frame
    }

    fn command(&self, open: &Open, work: &Work<'_>) -> Result<Command, Refusal> {
        Ok(match work {
            Work::Probe => Command::new([open.program.as_str(), "--version"]),
            Work::Inspect => return Err(Refusal::unrenderable("the toy reads scenes by itself")),
            Work::Render { tasks, .. } => {
                if let Some(odd) = tasks.iter().find(|task| task.layer == "cursed") {
                    return Err(Refusal::unrenderable(format!(
                        "layer cursed of frame {} cannot be drawn",
                        odd.frame
                    )));
                }
                let frames = tasks.iter().map(|task| task.frame.to_string());
                Command::new(std::iter::once(open.program.clone()).chain(frames))
            }
        })
    }

    fn reader(&self, _open: &Open, work: &Work<'_>) -> Box<dyn Reader> {
        Box::new(ToyReader {
            outputs: work.outputs(),
        })
    }

    fn conclude(&self, open: &Open, work: &Work<'_>, said: &mut Said) -> bool {
        if matches!(work, Work::Inspect) {
            if open.scene.as_deref() == Some("/bad.toy") {
                said.blame(Verdict::Unrenderable, "the scene is empty");
            } else {
                said.scene(Scene {
                    first: 1,
                    last: 3,
                    ..Scene::default()
                });
            }
            return true;
        }
        false
    }
}

impl Reader for ToyReader {
    fn line(&mut self, _stream: Stream, text: &str, said: &mut Said) {
        if let Some(version) = text.strip_prefix("toy version ") {
            said.found(Found {
                version: version.to_owned(),
                notes: Vec::new(),
            });
        } else if let Some(path) = text.strip_prefix("saved ") {
            let task = self.outputs.iter().find(|(_, output)| output == path);
            if let Some((task, path)) = task {
                said.wrote(*task, path);
            }
        } else if let Some(why) = text.strip_prefix("ERROR ") {
            said.blame(Verdict::OutOfMemory, why);
        } else if let Some(index) = text.strip_prefix("frame ") {
            let index: usize = index.parse().unwrap();
            said.progress(self.outputs[index].0, 0.0);
        } else if text == "loaded" {
            said.loaded();
        } else if text == "explode" {
            panic!("cannot read this line");
        }
    }

    fn ended(&mut self, _exit: &Exit, _said: &mut Said) {}
}

type Whole = Commanded<Toy>;

fn tasks(count: u32) -> Vec<Task> {
    (1..=count)
        .map(|n| Task::frame(n, i32::try_from(n).unwrap() + 100, &format!("/out/{n}.png")))
        .collect()
}

fn render(whole: bool) -> (Box<dyn Session>, Effects) {
    render_with(if whole { "whole" } else { "single" })
}

fn render_with(setting: &str) -> (Box<dyn Session>, Effects) {
    let mut open = Open::new(Activity::Render, "/bin/toy");
    open.settings.insert(setting.to_owned(), json!(true));
    let mut out = Effects::new();
    let session = Whole::default().open(open, &mut out).unwrap();
    (session, out)
}

fn runs(effects: &[Effect]) -> Vec<Vec<String>> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Run(run) => Some(run.argv.clone()),
            _ => None,
        })
        .collect()
}

fn verdicts(effects: &[Effect]) -> Vec<(u32, Verdict, String)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::TaskDone {
                task, verdict, why, ..
            } => Some((*task, *verdict, why.clone())),
            _ => None,
        })
        .collect()
}

// --- the driver

#[test]
fn two_commands_are_asked_for_at_once_and_each_end_asks_for_one_more() {
    let (mut session, mut out) = render(false);
    let segment = Input::Segment {
        segment: 1,
        tasks: tasks(4),
    };
    session.step(0.0, vec![segment], &mut out);
    assert_eq!(
        runs(&out.take()),
        [["/bin/toy", "101"], ["/bin/toy", "102"]]
    );
    session.step(
        0.1,
        vec![
            Input::Started { run: 1, pid: 7 },
            Input::stdout(1, "saved /out/1.png"),
            Input::exited(1, 0),
        ],
        &mut out,
    );
    let effects = out.take();
    assert_eq!(
        effects[..3],
        [
            Effect::Progress {
                segment: 1,
                task: 1,
                fraction: 0.0
            },
            Effect::Wrote {
                segment: 1,
                task: 1,
                path: "/out/1.png".to_owned()
            },
            Effect::TaskDone {
                segment: 1,
                task: 1,
                verdict: Verdict::Succeeded,
                why: String::new()
            },
        ]
    );
    assert_eq!(runs(&effects), [["/bin/toy", "103"]]);
}

#[test]
fn exit_code_zero_without_a_picture_is_no_success() {
    let mut open = Open::new(Activity::Render, "/bin/toy");
    open.settings.insert("whole".to_owned(), json!(true));
    let printed = "loaded\nframe 0\nsaved /out/1.png\nsaved /somewhere/else.png\n";
    let effects = replay::feed(
        &Whole::default(),
        open.clone(),
        tasks(2),
        printed,
        End::Exited(0),
    )
    .unwrap();
    assert_eq!(
        verdicts(&effects),
        [
            (1, Verdict::Succeeded, String::new()),
            (
                2,
                Verdict::MachineFault,
                "the renderer exited with code 0 before frame 102 was written".to_owned()
            ),
        ]
    );
    assert_eq!(effects.last(), Some(&Effect::Cooled));

    let effects = replay::feed(
        &Whole::default(),
        open,
        tasks(2),
        "ERROR no room for the mesh\nERROR cannot go on\n",
        End::Signalled(6),
    )
    .unwrap();
    let blamed = (Verdict::OutOfMemory, "no room for the mesh".to_owned());
    assert_eq!(
        verdicts(&effects),
        [(1, blamed.0, blamed.1.clone()), (2, blamed.0, blamed.1)]
    );
}

#[test]
fn a_cut_keeps_what_was_begun_and_ends_the_command_after_it() {
    let (mut session, mut out) = render(true);
    let segment = Input::Segment {
        segment: 9,
        tasks: tasks(5),
    };
    session.step(0.0, vec![segment], &mut out);
    session.step(
        0.1,
        vec![
            Input::stdout(1, "frame 0"),
            Input::stdout(1, "saved /out/1.png"),
            Input::stdout(1, "frame 1"),
            Input::Cut {
                segment: 9,
                keep: 1,
            },
        ],
        &mut out,
    );
    let effects = out.take();
    assert_eq!(
        effects.last(),
        Some(&Effect::Kept {
            segment: 9,
            keep: 2
        })
    );
    session.step(0.2, vec![Input::stdout(1, "saved /out/2.png")], &mut out);
    let effects = out.take();
    assert_eq!(verdicts(&effects).len(), 1);
    assert_eq!(effects.last(), Some(&Effect::Kill { run: 1 }));
    let ended = Input::Exited {
        run: 1,
        code: None,
        signal: Some(15),
        killed: true,
    };
    session.step(0.3, vec![ended], &mut out);
    assert_eq!(
        out.take(),
        [],
        "tasks that were cut away are not spoken of again"
    );
}

#[test]
fn a_cut_of_single_commands_drops_those_that_nobody_asked_for() {
    let (mut session, mut out) = render(false);
    session.step(
        0.0,
        vec![
            Input::Segment {
                segment: 1,
                tasks: tasks(6),
            },
            Input::Cut {
                segment: 1,
                keep: 0,
            },
        ],
        &mut out,
    );
    let effects = out.take();
    assert_eq!(runs(&effects).len(), 2);
    assert_eq!(
        effects.last(),
        Some(&Effect::Kept {
            segment: 1,
            keep: 2
        })
    );
    session.step(
        0.1,
        vec![Input::exited(1, 3), Input::exited(2, 3)],
        &mut out,
    );
    let effects = out.take();
    assert_eq!(runs(&effects).len(), 0);
    assert_eq!(verdicts(&effects).len(), 2);
}

/// Frames 1, 2, 3, 7, 9, 10 as one segment: three commands.
fn runs_of_frames(session: &mut dyn Session, out: &mut Effects) {
    let frames = (1..).zip([1, 2, 3, 7, 9, 10]);
    let tasks = frames.map(|(n, frame)| Task::frame(n, frame, &format!("/out/{n}.png")));
    let segment = Input::Segment {
        segment: 4,
        tasks: tasks.collect(),
    };
    session.step(0.0, vec![segment], out);
}

#[test]
fn a_command_takes_as_many_frames_as_follow_one_another() {
    let (mut session, mut out) = render_with("runs");
    runs_of_frames(&mut *session, &mut out);
    session.step(
        0.1,
        vec![Input::exited(1, 3), Input::exited(2, 3)],
        &mut out,
    );
    let all = runs(&out.take());
    let frames: Vec<&[String]> = all.iter().map(|argv| &argv[1..]).collect();
    assert_eq!(frames, [&["1", "2", "3"][..], &["7"], &["9", "10"]]);
}

#[test]
fn a_cut_keeps_no_run_behind_one_that_it_shortens() {
    // What is kept, by how many are asked for, while the first task of the first run is begun.
    for (keep, kept, killed) in [
        (0, 1, vec![2]),
        (2, 2, vec![2]),
        (3, 3, vec![2]),
        (4, 4, vec![]),
        (5, 5, vec![]),
        (6, 6, vec![]),
    ] {
        let (mut session, mut out) = render_with("runs");
        runs_of_frames(&mut *session, &mut out);
        let begun = Input::stdout(1, "frame 0");
        let cut = Input::Cut { segment: 4, keep };
        session.step(0.1, vec![begun, cut], &mut out);
        let effects = out.take();
        let killed = killed.into_iter().map(|run| Effect::Kill { run });
        assert_eq!(
            effects.last(),
            Some(&Effect::Kept {
                segment: 4,
                keep: kept
            }),
        );
        let kills = |one: &&Effect| matches!(one, Effect::Kill { .. });
        assert_eq!(
            effects.iter().filter(kills).cloned().collect::<Vec<_>>(),
            killed.collect::<Vec<_>>(),
            "keep {keep}"
        );
        // Every task that is kept gets a verdict, and no other one.
        let ends = (1..=3).map(|run| Input::exited(run, 3));
        session.step(0.2, ends.collect(), &mut out);
        let ended: Vec<u32> = verdicts(&out.take()).iter().map(|one| one.0).collect();
        assert_eq!(ended, (1..=kept).collect::<Vec<_>>(), "keep {keep}");
    }
}

#[test]
fn tasks_without_a_command_end_with_its_refusal_and_the_next_goes_on() {
    let (mut session, mut out) = render(false);
    let mut given = tasks(2);
    given[0].layer = "cursed".to_owned();
    let segment = Input::Segment {
        segment: 1,
        tasks: given,
    };
    session.step(0.0, vec![segment], &mut out);
    let effects = out.take();
    assert_eq!(
        verdicts(&effects),
        [(
            1,
            Verdict::Unrenderable,
            "layer cursed of frame 101 cannot be drawn".to_owned()
        )]
    );
    assert_eq!(runs(&effects), [["/bin/toy", "102"]]);
}

#[test]
fn a_cancel_ends_what_runs_and_says_nothing_about_tasks() {
    let (mut session, mut out) = render(false);
    let segment = Input::Segment {
        segment: 1,
        tasks: tasks(4),
    };
    session.step(0.0, vec![segment], &mut out);
    let _ = out.take();
    session.step(0.1, vec![Input::Cancel], &mut out);
    assert_eq!(
        out.take(),
        [Effect::Kill { run: 1 }, Effect::Kill { run: 2 }]
    );
    session.step(0.2, vec![Input::exited(1, 1)], &mut out);
    assert_eq!(out.take(), []);
}

// --- questions, by the replay kit

#[test]
fn probe_and_inspect_conclude() {
    replay::session(
        &Whole::default(),
        r#"
        # the renderer is here
        {"open":{"format":1,"activity":"probe","program":"/bin/toy","scratch":"/s","host":"h","slot":0,"threads":0}}
        {"contains":[{"effect":"run","run":1,"argv":["/bin/toy","--version"]}]}
        {"at_s":0.1,"inputs":[{"input":"started","run":1,"pid":9},{"input":"line","run":1,"stream":"stdout","text":"toy version 7"}]}
        {"effects":[{"effect":"found","version":"7"}]}
        # it is there, but prints something else
        {"open":{"format":1,"activity":"probe","program":"/bin/toy","scratch":"/s","host":"h","slot":0,"threads":0}}
        {"at_s":0.1,"inputs":[{"input":"exited","run":1,"code":127}]}
        {"effects":[{"effect":"failed","verdict":"machine-fault","why":"the renderer exited with code 127 without an answer"}]}
        # a scene is read without any process
        {"open":{"format":1,"activity":"inspect","program":"/bin/toy","scene":"/a.toy","scratch":"/s","host":"h","slot":0,"threads":0}}
        {"contains":[{"effect":"scene","first":1,"last":3}]}
        {"open":{"format":1,"activity":"inspect","program":"/bin/toy","scene":"/bad.toy","scratch":"/s","host":"h","slot":0,"threads":0}}
        {"effects":[{"effect":"failed","verdict":"unrenderable","why":"the scene is empty"}]}
        "#,
    )
    .unwrap();
}

#[test]
fn the_replay_kit_notices_a_difference_and_names_the_line() {
    let recording = r#"{"open":{"format":1,"activity":"probe","program":"/bin/toy","scratch":"/s","host":"h","slot":0,"threads":0}}
{"contains":[{"effect":"run","argv":["/bin/toy","--help"]}]}"#;
    let error = replay::session(&Whole::default(), recording).unwrap_err();
    assert!(
        error.to_string().starts_with("line 2 of the recording"),
        "{error}"
    );
    let error = replay::session(&Whole::default(), "{\"sing\":1}").unwrap_err();
    assert!(
        error.to_string().contains("neither open, inputs"),
        "{error}"
    );
}

// --- the C table

unsafe extern "C" fn collect(context: *mut c_void, data: *const u8, len: usize) {
    // SAFETY: every caller below passes a `Vec<u8>` as the context, and the table passes `len`
    // valid bytes.
    unsafe { (*context.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(data, len)) }
}

/// Calls an adapter as a host would.
struct ByTable(&'static Table);

impl ByTable {
    fn open(&self, open: &str) -> (i32, *mut c_void, Value) {
        let mut answer = Vec::new();
        let mut session = null_mut();
        let call = self.0.open.unwrap();
        // SAFETY: document, session place and sink are valid during the call.
        let code = unsafe {
            call(
                open.as_ptr(),
                open.len(),
                &raw mut session,
                collect,
                (&raw mut answer).cast(),
            )
        };
        (code, session, serde_json::from_slice(&answer).unwrap())
    }

    fn step(&self, session: *mut c_void, step: &str) -> (i32, Value) {
        let mut answer = Vec::new();
        let call = self.0.step.unwrap();
        // SAFETY: the session is open, document and sink are valid during the call.
        let code = unsafe {
            call(
                session,
                step.as_ptr(),
                step.len(),
                collect,
                (&raw mut answer).cast(),
            )
        };
        (code, serde_json::from_slice(&answer).unwrap())
    }

    fn close(&self, session: *mut c_void) {
        // SAFETY: the session is open and is not used again.
        unsafe { (self.0.close.unwrap())(session) }
    }
}

#[test]
fn a_panic_poisons_its_session_and_no_other() {
    let table = ByTable(table::<Whole>());
    let open = serde_json::to_string(&Open::new(Activity::Render, "/bin/toy")).unwrap();
    let (code, session, _) = table.open(&open);
    assert_eq!(code, abi::OK);
    let step = |text: &str| {
        serde_json::to_string(&Step {
            at_s: 0.0,
            inputs: vec![
                Input::Segment {
                    segment: 1,
                    tasks: tasks(1),
                },
                Input::stdout(1, text),
            ],
        })
        .unwrap()
    };
    let (code, failure) = table.step(session, &step("explode"));
    assert_eq!(code, abi::POISONED);
    assert_eq!(failure["code"], "panic");
    assert_eq!(
        failure["message"],
        "the adapter panicked: cannot read this line"
    );
    assert!(
        failure["where"].as_str().unwrap().contains("toy.rs:"),
        "{failure}"
    );
    let (code, failure) = table.step(session, &step("fine"));
    assert_eq!(
        (code, &failure["code"]),
        (abi::POISONED, &json!("poisoned"))
    );

    let (_, fresh, _) = table.open(&open);
    let (code, answer) = table.step(fresh, &step("fine"));
    assert_eq!(code, abi::OK, "{answer}");
    table.close(session);
    table.close(fresh);
}

#[test]
fn documents_that_cannot_be_read_are_errors_and_leave_the_session_alive() {
    let table = ByTable(table::<Whole>());
    let (code, session, failure) = table.open("{\"format\":1}");
    assert_eq!((code, session), (abi::ERROR, null_mut()));
    assert_eq!(failure["code"], "bad-document");

    let open = serde_json::to_string(&Open::new(Activity::Render, "/bin/toy")).unwrap();
    let (_, session, _) = table.open(&open);
    let (code, failure) = table.step(session, "{\"at_s\":0,\"inputs\":[{\"input\":\"sing\"}]}");
    assert_eq!(code, abi::ERROR);
    assert!(
        failure["message"].as_str().unwrap().contains("sing"),
        "{failure}"
    );
    let (code, _) = table.step(session, "{\"at_s\":0,\"inputs\":[{\"input\":\"cancel\"}]}");
    assert_eq!(code, abi::OK);
    table.close(session);
}

#[test]
fn the_table_describes_itself() {
    let table = table::<Whole>();
    assert_eq!(table.head.magic, abi::MAGIC);
    assert_eq!(table.head.size as usize, size_of::<Table>());
    let mut answer = Vec::<u8>::new();
    // SAFETY: the sink's context is valid during the call.
    let code = unsafe { (table.describe.unwrap())(collect, (&raw mut answer).cast()) };
    assert_eq!(code, abi::OK);
    let description: Description = serde_json::from_slice(&answer).unwrap();
    assert_eq!(description.id, "toy");
}

// --- the stdio carrier

#[test]
fn the_stdio_carrier_answers_each_line_and_ends_with_its_input() {
    let open = json!({"call":"open","session":1,"open":Open::new(Activity::Render, "/bin/toy")});
    let step = |text: &str| {
        json!({"call":"step","session":1,"step":{"at_s":0,"inputs":[
            {"input":"segment","segment":1,"tasks":tasks(1)},
            {"input":"line","run":1,"stream":"stdout","text":text},
        ]}})
    };
    let requests = [
        json!({"call":"describe"}),
        open.clone(),
        step("loaded"),
        json!("nonsense"),
        step("explode"),
        step("loaded"),
        json!({"call":"close","session":1}),
        open,
    ];
    let lines: String = requests.iter().map(|line| format!("{line}\n")).collect();
    let mut printed = Vec::new();
    stdio::serve_on(&Whole::default(), Cursor::new(lines), &mut printed).unwrap();
    let answers: Vec<Value> = String::from_utf8(printed)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), 1 + requests.len());
    assert_eq!(answers[0], json!({"framewright-adapter":1,"abi":[1,0]}));
    assert_eq!(answers[1]["ok"]["id"], "toy");
    assert_eq!(answers[2], json!({"ok":{"effects":[]}}));
    let answer: Answer = serde_json::from_value(answers[3]["ok"].clone()).unwrap();
    assert_eq!(answer.effects.last(), Some(&Effect::Loaded));
    assert_eq!(answers[4]["error"]["code"], "bad-document");
    let failure: Failure = serde_json::from_value(answers[5]["error"].clone()).unwrap();
    assert_eq!(failure.code, "panic");
    assert_eq!(answers[6]["error"]["code"], "poisoned");
    assert_eq!(answers[7], json!({"ok":{}}));
    assert_eq!(answers[8], json!({"ok":{"effects":[]}}));
}

#[test]
fn an_endless_line_is_refused() {
    let endless = vec![b'x'; stdio::LINE_BYTES_MAX + 5];
    let error = stdio::serve_on(&Whole::default(), Cursor::new(endless), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("longer than the carrier allows"));
}
