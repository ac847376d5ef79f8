//! The file: what is written is read, limits hold, and nothing odd in its place does harm.

use std::fs;

use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::store::SceneIdentity;

const KEY: SceneKey<'static> = SceneKey {
    path: "/shots/a.blend",
    adapter: "blender",
};

fn small(folder: &TempDir, limits: Limits) -> History {
    History {
        limits,
        ..History::at(folder.path())
    }
}

fn identity(content: &str) -> SceneIdentity {
    SceneIdentity {
        path: KEY.path.into(),
        hash: content.to_owned(),
        bytes: 12,
        modified: Timestamp::UNIX_EPOCH,
        summary: serde_json::Value::Null,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000 + second).unwrap()
}

fn cost(frame: i32, cost_s: f64) -> TaskCost<'static> {
    TaskCost {
        layer: "",
        frame,
        tile: None,
        cost_s,
        host: "n1",
        first: false,
    }
}

fn host(name: &'static str, speed: f64, tasks: u32) -> HostMeasured<'static> {
    HostMeasured {
        name,
        slots: 1,
        speed,
        tasks,
        goes_on: false,
        load_s: 8.0,
        loads: 2,
    }
}

fn run<'a>(
    key: SceneKey<'a>,
    identity: &'a SceneIdentity,
    settings: &'a str,
    second: i64,
    costs: &[(i32, f64)],
) -> Measured<'a> {
    Measured {
        scene: key,
        identity,
        settings,
        at: at(second),
        costs: costs.iter().map(|(frame, s)| cost(*frame, *s)).collect(),
        hosts: vec![host("n1", 1.0, costs.len() as u32)],
    }
}

fn record(history: &History, content: &str, settings: &str, second: i64, costs: &[(i32, f64)]) {
    let identity = identity(content);
    let run = run(KEY, &identity, settings, second, costs);
    history.record(&run).unwrap();
}

/// What a take that was just begun knows of frames 1 to 4.
fn recall(history: &History, content: &str, settings: &str) -> Recalled {
    let take = Take {
        content: content.to_owned(),
        settings: settings.to_owned(),
    };
    let scene = history.find(KEY).unwrap().expect("it is remembered");
    scene.recall(&take, &[""], &[1, 2, 3, 4]).unwrap()
}

fn frames(recalled: &Recalled) -> Vec<(i32, f64)> {
    let known = recalled.costs.frames("");
    known.map(|(frame, known)| (frame, known.cost_s)).collect()
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    assert!(history.find(KEY).unwrap().is_none());
    assert!(!history.path().exists(), "asking makes no file");
    record(&history, "c1", "s1", 1, &[(1, 2.5), (-7, 0.25)]);
    let recalled = recall(&history, "c1", "s1");
    assert_eq!(frames(&recalled), [(-7, 0.25), (1, 2.5)]);
    assert_eq!(recalled.scene.renders, 1);
    assert_eq!(recalled.scene.measured, at(1));
    let (_, known) = recalled.costs.frames("").next().unwrap();
    assert_eq!((known.host.as_str(), known.measured), ("n1", at(1)));
    let host = &recalled.hosts[0];
    assert_eq!((host.name.as_str(), host.slots, host.tasks), ("n1", 1, 2));
    assert_eq!((host.load_s, host.loads), (4.0, 2));
    let other = SceneKey {
        adapter: "arnold",
        ..KEY
    };
    assert!(history.find(other).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_layer_and_any_frame_come_back(
        costs in proptest::collection::btree_map((".{0,8}", any::<i32>()), 1e-6_f64..1e9, 1..20),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let history = History::at(folder.path());
        let identity = identity("c");
        let mut wanted = run(KEY, &identity, "s", 1, &[]);
        wanted.costs = costs
            .iter()
            .map(|((layer, frame), cost_s)| TaskCost { layer, ..cost(*frame, *cost_s) })
            .collect();
        history.record(&wanted).unwrap();
        let recalled = history.find(KEY).unwrap().unwrap().recall_all().unwrap();
        let mut found = 0;
        for (layer, known) in recalled.costs.layers() {
            for ((frame, _), known) in known {
                prop_assert_eq!(costs.get(&(layer.to_owned(), *frame)), Some(&known.cost_s));
                found += 1;
            }
        }
        prop_assert_eq!(found, costs.len());
    }
}

#[test]
fn a_later_render_of_the_same_take_replaces_what_it_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    record(&history, "c1", "s1", 1, &[(1, 1.0), (2, 2.0)]);
    record(&history, "c1", "s1", 2, &[(2, 3.0), (3, 4.0)]);
    let recalled = recall(&history, "c1", "s1");
    assert_eq!(frames(&recalled), [(1, 1.0), (2, 3.0), (3, 4.0)]);
    assert_eq!((recalled.scene.renders, recalled.takes.len()), (2, 1));
}

#[test]
fn a_first_task_after_a_load_does_not_replace_what_was_measured_without() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    let identity = identity("c");
    let put = |cost_s: f64, first: bool| {
        let mut run = run(KEY, &identity, "s", 1, &[]);
        run.costs = vec![TaskCost {
            first,
            ..cost(1, cost_s)
        }];
        history.record(&run).unwrap();
        frames(&recall(&history, "c", "s"))[0].1
    };
    assert_eq!(put(9.0, true), 9.0);
    assert_eq!(put(8.0, true), 8.0);
    assert_eq!(put(2.0, false), 2.0);
    assert_eq!(put(9.0, true), 2.0);
    assert_eq!(put(3.0, false), 3.0);
}

#[test]
fn a_changed_scene_starts_from_the_costs_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    record(
        &history,
        "c1",
        "s1",
        1,
        &[(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)],
    );
    let recalled = recall(&history, "c2", "s1");
    assert_eq!(frames(&recalled).len(), 4);
    assert_eq!(recalled.takes[0].take.content, "c1");
    // Two frames of the changed one cost three times as much: so will the others.
    record(&history, "c2", "s1", 2, &[(1, 3.0), (2, 6.0)]);
    let recalled = recall(&history, "c2", "s1");
    assert_eq!(frames(&recalled), [(1, 3.0), (2, 6.0), (3, 9.0), (4, 12.0)]);
}

#[test]
fn costs_of_other_settings_are_not_taken_for_those_of_these() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    let all = |each: f64| [(1, each), (2, each), (3, each), (4, each)];
    record(&history, "c1", "final", 1, &all(60.0));
    record(&history, "c1", "preview", 2, &all(2.0));
    assert_eq!(frames(&recall(&history, "c1", "final")), all(60.0));
    assert_eq!(frames(&recall(&history, "c1", "preview")), all(2.0));
    // The settings of old, though the scene was changed and a newer take is there.
    assert_eq!(frames(&recall(&history, "c2", "final")), all(60.0));
    // Settings that were never rendered start from the newest.
    let other = recall(&history, "c1", "other");
    assert_eq!(frames(&other), all(2.0));
    assert_eq!(other.takes[0].take.settings, "preview");
}

#[test]
fn a_speed_stands_on_enough_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    let identity = identity("c");
    let put = |hosts: Vec<HostMeasured<'static>>| {
        let mut run = run(KEY, &identity, "s", 1, &[(1, 1.0)]);
        run.hosts = hosts;
        history.record(&run).unwrap();
        recall(&history, "c", "s").hosts
    };
    let known = put(vec![host("n1", 2.0, 3)]);
    assert!(!known[0].is_speed_known());
    // A run that began with it adds its tasks.
    let on = HostMeasured {
        goes_on: true,
        ..host("n1", 2.5, 7)
    };
    let known = put(vec![on]);
    assert_eq!((known[0].speed, known[0].tasks), (2.5, 10));
    // One that did not, and rendered one frame, does not replace it; nor does no load a load.
    let alone = HostMeasured {
        loads: 0,
        load_s: 0.0,
        ..host("n1", 9.0, 1)
    };
    let known = put(vec![alone]);
    assert_eq!((known[0].speed, known[0].tasks), (2.5, 10));
    assert_eq!((known[0].load_s, known[0].loads), (4.0, 2));
    // With other slots it is as good as another host.
    let wide = HostMeasured {
        slots: 8,
        ..host("n1", 0.3, 20)
    };
    assert_eq!(put(vec![wide]).len(), 2);
}

#[test]
fn nonsense_is_not_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    record(&history, "c", "s", 1, &[(1, 0.0), (2, f64::NAN)]);
    assert!(!history.path().exists());
    record(
        &history,
        "c",
        "s",
        1,
        &[(1, 0.0), (2, f64::INFINITY), (3, 1.0)],
    );
    assert_eq!(frames(&recall(&history, "c", "s")), [(3, 1.0)]);
}

// -- limits -------------------------------------------------------------------------------------

#[test]
fn the_oldest_scenes_and_takes_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let history = small(
        &folder,
        Limits {
            scenes: 3,
            takes: 2,
            ..LIMITS
        },
    );
    for number in 0..5 {
        let path = format!("/shots/{number}.blend");
        let key = SceneKey { path: &path, ..KEY };
        let identity = identity("c");
        history
            .record(&run(key, &identity, "s", number, &[(1, 1.0)]))
            .unwrap();
    }
    let paths: Vec<String> = history
        .scenes()
        .unwrap()
        .into_iter()
        .map(|s| s.path)
        .collect();
    assert_eq!(
        paths,
        ["/shots/4.blend", "/shots/3.blend", "/shots/2.blend"]
    );
    // A clock that was set back does not make the newest the oldest.
    for (content, second) in [("c1", 9), ("c2", 8), ("c3", 7)] {
        record(&history, content, "s", second, &[(1, 1.0)]);
    }
    let scene = history.find(KEY).unwrap().unwrap();
    let contents: Vec<&str> = scene
        .takes()
        .iter()
        .map(|t| t.take.content.as_str())
        .collect();
    assert_eq!(contents, ["c3", "c2"]);
}

#[test]
fn a_long_render_leaves_an_even_sample() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        take_costs: 4,
        ..LIMITS
    };
    let history = small(&folder, limits);
    let long: Vec<(i32, f64)> = (1..=10).map(|frame| (frame, f64::from(frame))).collect();
    record(&history, "c", "s", 1, &long);
    let known: Vec<i32> = frames(&recall(&history, "c", "s"))
        .iter()
        .map(|f| f.0)
        .collect();
    assert_eq!(known, [1, 4, 7, 10]);
    record(&history, "c", "s", 2, &[(2, 2.0), (3, 3.0)]);
    let known: Vec<i32> = frames(&recall(&history, "c", "s"))
        .iter()
        .map(|f| f.0)
        .collect();
    assert_eq!(known, [2, 3, 7, 10], "the older ones go");
}

#[test]
fn all_costs_together_are_bounded_and_the_newest_take_stays() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { costs: 5, ..LIMITS };
    let history = small(&folder, limits);
    for content in ["c1", "c2", "c3"] {
        record(&history, content, "s", 1, &[(1, 1.0), (2, 1.0)]);
    }
    assert_eq!(history.find(KEY).unwrap().unwrap().takes().len(), 2);
    let seven: Vec<(i32, f64)> = (1..=7).map(|frame| (frame, 1.0)).collect();
    record(&history, "c4", "s", 1, &seven);
    let scene = history.find(KEY).unwrap().unwrap();
    assert_eq!(scene.takes()[0].take.content, "c4");
    assert_eq!(scene.takes().len(), 1);
}

// -- forgetting ---------------------------------------------------------------------------------

#[test]
fn a_forgotten_scene_is_gone_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    assert!(history.forget(KEY.path).unwrap().is_empty());
    assert!(history.forget_all().unwrap().is_empty());
    record(&history, "c", "s", 1, &[(1, 1.0), (2, 1.0)]);
    let other = SceneKey {
        path: "/shots/b.blend",
        ..KEY
    };
    let identity = identity("c");
    history
        .record(&run(other, &identity, "s", 1, &[(1, 1.0)]))
        .unwrap();
    let forgotten = history.forget(KEY.path).unwrap();
    assert_eq!((forgotten.len(), forgotten[0].costs), (1, 2));
    assert!(history.find(KEY).unwrap().is_none());
    assert!(history.find(other).unwrap().is_some());
    assert_eq!(history.forget_all().unwrap().len(), 1);
    assert!(history.scenes().unwrap().is_empty());
}

// -- what may lie in its place ------------------------------------------------------------------

/// Everything that can be asked of it, as sentences.
fn refusals(history: &History) -> [String; 3] {
    let identity = identity("c");
    let run = run(KEY, &identity, "s", 1, &[(1, 1.0)]);
    [
        history
            .find(KEY)
            .err()
            .expect("it cannot be read")
            .to_string(),
        history.scenes().unwrap_err().to_string(),
        history.record(&run).unwrap_err().to_string(),
    ]
}

#[test]
fn what_is_no_history_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    fs::create_dir(history.path()).unwrap();
    for said in refusals(&history) {
        assert!(said.ends_with("history.sqlite is no file"), "{said}");
    }
    assert!(history.forget_all().is_err());
    fs::remove_dir(history.path()).unwrap();
    let garbage = "no database, by far. ".repeat(1_000);
    fs::write(history.path(), &garbage).unwrap();
    for said in refusals(&history) {
        assert!(
            said.contains("is damaged: file is not a database"),
            "{said}"
        );
    }
    assert_eq!(fs::read_to_string(history.path()).unwrap(), garbage);
    // Forgetting everything is the way out.
    history.forget_all().unwrap();
    record(&history, "c", "s", 1, &[(1, 1.0)]);
}

#[test]
fn another_program_s_database_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    let other = Connection::open(history.path()).unwrap();
    other.execute_batch("CREATE TABLE scene (a)").unwrap();
    for said in refusals(&history) {
        assert!(said.contains("it is another program's database"), "{said}");
    }
}

#[test]
fn a_file_of_a_later_version_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    record(&history, "c", "s", 1, &[(1, 1.0)]);
    let raw = Connection::open(history.path()).unwrap();
    raw.pragma_update(None, "user_version", 2).unwrap();
    drop(raw);
    let before = fs::read(history.path()).unwrap();
    for said in refusals(&history) {
        assert!(
            said.contains("later version of framewright (format 2"),
            "{said}"
        );
    }
    assert_eq!(fs::read(history.path()).unwrap(), before);
}

/// Whatever bytes are turned over, it is an answer or a sentence, and never a panic.
#[test]
fn a_torn_file_is_an_answer_or_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    let many: Vec<(i32, f64)> = (1..=400).map(|frame| (frame, 1.0)).collect();
    record(&history, "c", "s", 1, &many);
    let whole = fs::read(history.path()).unwrap();
    let mut told = 0;
    for place in (0..whole.len()).step_by(257) {
        let mut torn = whole.clone();
        let end = (place + 64).min(torn.len());
        torn[place..end].fill(0xa5);
        fs::write(history.path(), &torn).unwrap();
        let found = history.find(KEY).and_then(|scene| match scene {
            Some(scene) => scene.recall_all().map(Some),
            None => Ok(None),
        });
        told += u32::from(found.is_err());
        if let Ok(Some(recalled)) = found {
            let sound = |(_, known): (i32, &Known)| known.cost_s.is_finite() && known.cost_s > 0.0;
            assert!(recalled.costs.frames("").all(sound));
        }
    }
    assert!(told > 10, "damage is noticed: {told}");
    fs::write(history.path(), &whole[..whole.len() / 2]).unwrap();
    for said in refusals(&history) {
        assert!(said.contains("is damaged"), "{said}");
    }
}

#[test]
fn a_file_that_may_not_be_written_is_still_read() {
    if rustix::process::geteuid().is_root() {
        // Root may write anything; the end-to-end test has a read-only disk.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    record(&history, "c", "s", 1, &[(1, 1.0)]);
    let mut permissions = fs::metadata(history.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(history.path(), permissions).unwrap();
    assert_eq!(frames(&recall(&history, "c", "s")), [(1, 1.0)]);
    let identity = identity("c");
    let run = run(KEY, &identity, "s", 1, &[(1, 2.0)]);
    let said = history.record(&run).unwrap_err().to_string();
    assert!(
        said.starts_with("cannot write the history of costs"),
        "{said}"
    );
}

#[test]
fn what_a_killed_writer_left_is_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    record(&history, "c", "s", 1, &[(1, 1.0)]);
    // A writer in the middle of its work: a journal beside a file that it has changed already.
    let mut raw = Connection::open(history.path()).unwrap();
    raw.pragma_update(None, "cache_size", 1).unwrap();
    let half = raw.transaction().unwrap();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
        INSERT INTO cost SELECT take, layer, i, tile, cost_s, host, measured, first FROM cost, n";
    half.execute_batch(fill).unwrap();
    let journal = folder.path().join("history.sqlite-journal");
    let (file, log) = (
        fs::read(history.path()).unwrap(),
        fs::read(&journal).unwrap(),
    );
    assert!(file.len() > 100_000, "the change is in the file already");
    drop(half);
    drop(raw);
    let other = tempfile::tempdir().unwrap();
    let killed = History::at(other.path());
    fs::write(killed.path(), file).unwrap();
    fs::write(other.path().join("history.sqlite-journal"), log).unwrap();
    assert_eq!(frames(&recall(&killed, "c", "s")), [(1, 1.0)]);
}

#[test]
fn controllers_that_end_at_once_all_leave_their_costs() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::at(folder.path());
    let frames: Vec<(i32, f64)> = (1..=200).map(|frame| (frame, 1.0)).collect();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (history, frames) = (&history, &frames);
            scope.spawn(move || {
                let path = format!("/shots/{number}.blend");
                for second in 0..3 {
                    let key = SceneKey { path: &path, ..KEY };
                    let identity = identity("c");
                    history
                        .record(&run(key, &identity, "s", second, frames))
                        .unwrap();
                }
            });
        }
    });
    let scenes = history.scenes().unwrap();
    assert_eq!(scenes.len(), 8);
    assert!(scenes.iter().all(|scene| scene.renders == 3), "{scenes:?}");
}
