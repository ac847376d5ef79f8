use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::event::{Event, JobEnd};
use crate::store::test_plan::plan;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("state"));
    (folder, store)
}

fn make(store: &Store, stem: &str, second: i64) -> JobFolder {
    let created = Timestamp::from_second(second).unwrap();
    let plan = plan(Path::new("/scenes/shot.stub.toml"));
    store.create_job(OsStr::new(stem), created, plan).unwrap().0
}

#[test]
fn a_job_is_read_as_it_was_made() {
    let (_folder, store) = store();
    let created = Timestamp::from_second(7).unwrap();
    let plan = plan(Path::new("/a 'b'\n$(c).stub.toml"));
    let (folder, record) = store
        .create_job(OsStr::new("shot"), created, plan.clone())
        .unwrap();
    assert_eq!(record.plan, plan);
    assert_eq!(folder.record().unwrap(), record);
    assert_eq!(
        store.find_job(folder.id().as_str()).unwrap().path(),
        folder.path()
    );
}

#[test]
fn a_path_that_json_cannot_hold_makes_no_job() {
    let (_folder, store) = store();
    let plan = plan(Path::new(OsStr::from_bytes(b"/\xff.blend")));
    let refused = store
        .create_job(OsStr::new("x"), Timestamp::UNIX_EPOCH, plan)
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot write the job down as JSON (is a path not valid UTF-8?)"
    );
    assert_eq!(fs::read_dir(store.root().join("jobs")).unwrap().count(), 0);
}

#[test]
fn jobs_are_found_by_their_beginning() {
    let (_folder, store) = store();
    assert_eq!(
        store.find_job("x").unwrap_err().to_string(),
        "there is no job `x`"
    );
    let first = make(&store, "shot010", 1);
    let second = make(&store, "shot020", 2);
    let find = |typed: &str| store.find_job(typed).map(|folder| folder.id().clone());
    assert_eq!(find("shot01").unwrap(), *first.id());
    assert_eq!(find("shot020-").unwrap(), *second.id());
    assert_eq!(
        find("shot0").unwrap_err().to_string(),
        format!(
            "`shot0` may be any of 2 jobs: {}, {}",
            first.id(),
            second.id()
        )
    );
    assert_eq!(
        find("shoot0").unwrap_err().to_string(),
        format!(
            "there is no job `shoot0`; nearest: {}, {}",
            first.id(),
            second.id()
        )
    );
    for typed in ["", ".", "..", "../jobs", "/", "\n", "zzzzz"] {
        assert_eq!(
            find(typed).unwrap_err().to_string(),
            format!("there is no job `{typed}`")
        );
    }
}

#[test]
fn a_listing_is_by_age_and_survives_a_damaged_job() {
    let (_folder, store) = store();
    assert_eq!(store.list_jobs().unwrap().jobs.len(), 0);
    let young = make(&store, "a", 200);
    let old = make(&store, "b", 100);
    let damaged = make(&store, "c", 150);
    let later = make(&store, "d", 150);
    fs::write(damaged.path().join("job.json"), "{").unwrap();
    fs::write(later.path().join("job.json"), r#"{"format":2}"#).unwrap();
    // Half made, and not a job at all.
    fs::create_dir(store.root().join("jobs/half-abcdef")).unwrap();
    fs::write(store.root().join("jobs/note.txt"), "").unwrap();
    let listing = store.list_jobs().unwrap();
    let ids: Vec<_> = listing.jobs.iter().map(|job| job.folder.id()).collect();
    assert_eq!(ids, [old.id(), young.id()]);
    assert_eq!(listing.warnings.len(), 2, "{:?}", listing.warnings);
    assert!(
        listing.warnings[0].contains("job.json is damaged: EOF"),
        "{:?}",
        listing.warnings
    );
    assert!(
        listing.warnings[1].contains("use a newer framewright"),
        "{:?}",
        listing.warnings
    );
}

#[test]
fn a_job_runs_only_while_its_controller_lives() {
    let (_folder, store) = store();
    let folder = make(&store, "shot", 1);
    let status = || folder.open().unwrap().0.status;
    assert_eq!(status(), Status::Interrupted);
    let lock = folder.lock().unwrap();
    assert_eq!(status(), Status::Running);
    assert!(matches!(folder.lock(), Err(LockError::Held { .. })));
    let (mut writer, _) = folder.open_journal(&lock, |_| {}, |_| {}).unwrap();
    let event = Event::JobEnded {
        state: JobEnd::Done,
        done: 0,
        failed: 0,
        makespan_s: 1.5,
        lower_bound_s: None,
    };
    let time = Timestamp::UNIX_EPOCH;
    writer.append(Stamped { time, event }).unwrap();
    writer.close().unwrap();
    drop(lock);
    let (listed, report) = folder.open().unwrap();
    assert_eq!((listed.status, report.records), (Status::Done, 1));
    assert_eq!(listed.state.makespan_s(), 1.5);
}

#[test]
fn a_scene_is_unchanged_when_only_its_time_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scene");
    fs::write(&path, "one").unwrap();
    let scene = crate::store::SceneIdentity::read(&path, serde_json::Value::Null).unwrap();
    assert!(scene.is_unchanged().unwrap());
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert!(scene.is_unchanged().unwrap());
    fs::write(&path, "two").unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert!(!scene.is_unchanged().unwrap());
}
