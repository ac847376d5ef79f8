//! The adapter in Python, by a recorded conversation with the stub renderer: what it shows to
//! authors of adapters in other languages works.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[expect(dead_code, reason = "shared with the tests of other adapters")]
mod support;

use framewright_core::adapters::{AdapterSession, Loaded, SearchPlan, Surroundings, Wanted};
use framewright_core::adapters::{choose, find_adapters};
use framewright_plugin_api::data::{Activity, Effect, Input, Open, Task, Verdict};
use support::{have, launcher, samples};

/// The adapter, and the folder that it lies in: a copy, for a checkout's own folders may be
/// writable by anybody.
async fn load() -> Option<(Loaded, tempfile::TempDir)> {
    if !have("python3") {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["adapter.toml", "pystub.py"] {
        std::fs::copy(
            samples().join("pystub").join(name),
            folder.path().join(name),
        )
        .unwrap();
    }
    let named = vec![folder.path().to_owned()];
    let plan = SearchPlan::new(launcher(), named, &Surroundings::default());
    let found = find_adapters(&plan).await;
    let installed = choose(&found, Wanted::Id("pystub")).unwrap();
    let loaded = Loaded::load(installed, &launcher()).await.unwrap();
    Some((loaded, folder))
}

fn opened(activity: Activity) -> Open {
    Open {
        scene: Some("/p/a b.stub.toml".to_owned()),
        host: "n1".to_owned(),
        ..Open::new(activity, "/opt/framewright")
    }
}

struct Telling(AdapterSession);

impl Telling {
    async fn says(&mut self, run: u32, lines: &[&str]) -> Vec<Effect> {
        let inputs: Vec<Input> = lines.iter().map(|line| Input::stdout(run, line)).collect();
        self.0.step(0.5, &inputs).await.unwrap()
    }

    async fn told(&mut self, input: Input) -> Vec<Effect> {
        self.0.step(0.5, &[input]).await.unwrap()
    }
}

fn done(task: u32, verdict: Verdict, why: &str) -> Effect {
    Effect::TaskDone {
        segment: 1,
        task,
        verdict,
        why: why.to_owned(),
    }
}

#[tokio::test]
async fn it_finds_the_renderer_and_reads_the_scene() {
    let Some((loaded, _folder)) = load().await else {
        return;
    };
    let (session, effects) = loaded.open(opened(Activity::Probe)).await.unwrap();
    assert!(
        matches!(&effects[..], [Effect::Run(run)] if run.argv[1..] == ["stub-render", "--version"])
    );
    let effects = Telling(session)
        .says(1, &["framewright stub renderer 0.1.0"])
        .await;
    assert!(matches!(&effects[..], [Effect::Found(found)] if found.version == "0.1.0"));

    let (session, _) = loaded.open(opened(Activity::Inspect)).await.unwrap();
    let said = r#"@@FW {"format":1,"first":1,"last":24,"step":1,"fps":24.0,"width":320,"height":180,"layers":[{"name":"beauty","after":[],"weight":1.0,"memory_bytes":0,"tags":[],"undivided":false}],"load_s":0.6,"call_s":0.0,"frame_s":0.2,"memory_bytes":64,"output":"image","tiles":{"exact":true,"margin":0},"sticky":true,"warnings":[]}"#;
    let effects = Telling(session).says(1, &["Reading /p/a b", said]).await;
    let [Effect::Scene(scene)] = &effects[..] else {
        panic!("unexpected {effects:?}");
    };
    assert_eq!((scene.last, scene.layers[0].name.as_str()), (24, "beauty"));
    assert!((scene.costs.load_s.seconds - 0.6).abs() < 1e-9);

    let (session, _) = loaded.open(opened(Activity::Inspect)).await.unwrap();
    let said = r#"@@FW error {"message":"line 3: what is `fraems`?","hint":"frames"}"#;
    let effects = Telling(session).says(1, &[said]).await;
    assert!(matches!(
        &effects[..],
        [Effect::Failed { verdict: Verdict::Unrenderable, hint, .. }] if hint == "frames"
    ));
}

#[tokio::test]
async fn it_renders_in_one_process_and_starts_another_for_what_a_crash_left() {
    let Some((loaded, _folder)) = load().await else {
        return;
    };
    let (session, effects) = loaded.open(opened(Activity::Render)).await.unwrap();
    assert_eq!(effects, []);
    let mut session = Telling(session);
    let tasks = (1..=4).map(|n| Task::frame(n, 1, "/s/x.png")).collect();
    let effects = session.told(Input::Segment { segment: 1, tasks }).await;
    let [Effect::Run(run), Effect::Write { run: 1, text }] = &effects[..] else {
        panic!("unexpected {effects:?}");
    };
    assert_eq!(run.argv.last().unwrap(), "/p/a b.stub.toml");
    assert!(run.stdin);
    assert_eq!(text.lines().count(), 4);

    let effects = session
        .says(
            1,
            &[
                "@@FW loaded",
                "@@FW begun 1 1",
                "@@FW wrote 1 1",
                "@@FW begun 1 2",
            ],
        )
        .await;
    assert_eq!(effects[0], Effect::Loaded);
    assert_eq!(effects[3], done(1, Verdict::Succeeded, ""));

    let crashed = Input::Exited {
        run: 1,
        code: None,
        signal: Some(11),
        killed: false,
    };
    let effects = session.told(crashed).await;
    let why = "the stub renderer ended with signal 11.";
    assert_eq!(
        effects[..2],
        [Effect::Cooled, done(2, Verdict::MachineFault, why)]
    );
    assert!(matches!(&effects[2], Effect::Run(run) if run.run == 2));
    assert!(matches!(&effects[3], Effect::Write { run: 2, text } if text.lines().count() == 2));

    let cut = Input::Cut {
        segment: 1,
        keep: 3,
    };
    let effects = session.told(cut).await;
    let order = "{\"cut\": {\"segment\": 1, \"keep\": 1}}\n".to_owned();
    assert_eq!(
        effects,
        [Effect::Write {
            run: 2,
            text: order
        }]
    );
    let effects = session.says(2, &["@@FW kept 1 1", "@@FW done 1 3"]).await;
    let kept = Effect::Kept {
        segment: 1,
        keep: 3,
    };
    assert_eq!(effects, [kept, done(3, Verdict::Succeeded, "")]);

    let effects = session.told(Input::exited(2, 0)).await;
    assert_eq!(effects, [Effect::Cooled], "nothing is left to render");
}

#[tokio::test]
async fn its_own_mistakes_are_said_with_their_line() {
    let Some((loaded, _folder)) = load().await else {
        return;
    };
    let (mut session, _) = loaded.open(opened(Activity::Inspect)).await.unwrap();
    let fault = session
        .step(0.1, &[Input::stdout(1, "@@FW {}")])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        fault.starts_with("adapter pystub failed: KeyError: 'first' (pystub.py:")
            && fault.ends_with("while it handled a line, twice"),
        "{fault}"
    );
}
