use jiff::Timestamp;

use super::*;
use crate::event::{PictureName, ReelKind, Seam, Stamped};

const BYTES: &[u8] = b"a picture";

struct World {
    folder: tempfile::TempDir,
    state: JobState,
}

impl World {
    /// A job with one committed task.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self {
            folder,
            state: JobState::default(),
        };
        world.commit("all:1");
        world
    }

    fn file(&self, task: &str) -> CommittedFile {
        let path = |name: String| self.folder.path().join(name).to_str().unwrap().to_owned();
        CommittedFile {
            path: path(format!("{task}.png")),
            from: path(format!("{task}.scratch")),
            bytes: BYTES.len() as u64,
            hash: blake3::hash(BYTES).to_hex().to_string(),
        }
    }

    fn apply(&mut self, event: Event) {
        self.state.apply(&Stamped {
            time: Timestamp::UNIX_EPOCH,
            event,
        });
    }

    fn commit(&mut self, task: &str) {
        let file = Some(self.file(task));
        self.apply(Event::TaskDone {
            segment: 1,
            task: task.to_owned(),
            attempt: 1,
            host: "local".to_owned(),
            slot: 0,
            render_s: 1.0,
            predicted_s: None,
            file,
        });
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    fn survey(&self) -> Survey {
        survey(&self.state, Replace::Never).unwrap()
    }
}

/// The one lost task's verdict and sentence, the folder taken out.
fn lost(world: &World, survey: &Survey) -> (String, String) {
    let [
        Lost {
            event: Event::TaskFailed { verdict, why, .. },
            ..
        },
    ] = survey.lost.as_slice()
    else {
        panic!("{survey:?}");
    };
    let folder = format!("{}/", world.folder.path().display());
    (verdict.clone(), why.replace(&folder, ""))
}

#[test]
fn a_whole_file_is_kept() {
    let world = World::new();
    world.put("all:1.png", BYTES);
    let survey = world.survey();
    assert_eq!(survey.lost, []);
    assert_eq!(survey.kept.len(), 1);
    assert!(!survey.kept[0].is_renamed_now);
}

#[test]
fn a_rename_that_was_recorded_is_done_now() {
    let world = World::new();
    world.put("all:1.scratch", BYTES);
    let survey = world.survey();
    assert!(survey.kept[0].is_renamed_now);
    assert_eq!(
        fs::read(world.folder.path().join("all:1.png")).unwrap(),
        BYTES
    );
    assert!(!world.folder.path().join("all:1.scratch").exists());
}

#[test]
fn what_is_not_whole_is_rendered_again() {
    for (at_end, at_start, verdict, why) in [
        (None, None, VERDICT_LOST, "all:1.png is gone"),
        (
            Some(&b"a picturE"[..]),
            None,
            VERDICT_LOST,
            "all:1.png is not what was committed",
        ),
        (
            Some(b"a pic"),
            None,
            VERDICT_LOST,
            "all:1.png is not what was committed",
        ),
        (
            None,
            Some(&b"a pic"[..]),
            VERDICT_COMMIT,
            "all:1.scratch is not what was verified",
        ),
        // Somebody else's file took the name before the rename.
        (
            Some(b"theirs"),
            Some(BYTES),
            VERDICT_COMMIT,
            "all:1.png exists and is not this job's",
        ),
    ] {
        let mut world = World::new();
        at_end.inspect(|bytes| world.put("all:1.png", bytes));
        at_start.inspect(|bytes| world.put("all:1.scratch", bytes));
        let survey = world.survey();
        assert_eq!(lost(&world, &survey), (verdict.to_owned(), why.to_owned()));
        let own = survey.own_paths(&world.state);
        assert_eq!(own.len(), usize::from(verdict == VERDICT_LOST), "{why}");
        // Once journalled, nothing is left to look at, and the path is still known as the job's.
        world.apply(survey.lost[0].event.clone());
        assert_eq!(world.state.counts().done, 0);
        assert_eq!(world.survey(), Survey::default());
        assert_eq!(Survey::default().own_paths(&world.state), own);
    }
}

#[test]
fn a_file_of_this_jobs_own_is_replaced() {
    let mut world = World::new();
    world.put("all:1.png", b"damaged");
    let lost = world.survey().lost.remove(0);
    world.apply(lost.event);
    // Rendered again, recorded, and killed before the rename.
    world.commit("all:1");
    world.put("all:1.scratch", BYTES);
    assert!(world.survey().kept[0].is_renamed_now);
    assert_eq!(
        fs::read(world.folder.path().join("all:1.png")).unwrap(),
        BYTES
    );
}

#[test]
fn many_files_are_looked_at_in_order() {
    let mut world = World::new();
    world.put("all:1.png", BYTES);
    for number in 10..90 {
        let task = format!("all:{number}");
        world.commit(&task);
        if number % 3 != 0 {
            world.put(&format!("{task}.png"), BYTES);
        }
    }
    let survey = world.survey();
    let kept: Vec<_> = survey.kept.iter().map(|kept| kept.task.as_str()).collect();
    let lost: Vec<_> = survey.lost.iter().map(|lost| lost.task.as_str()).collect();
    assert_eq!((kept.len(), lost.len()), (55, 26));
    assert!(kept.is_sorted() && lost.is_sorted());
}

/// A frame of two tiles that was put together, its pieces gone.
fn world_of_tiles() -> World {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World {
        folder,
        state: JobState::default(),
    };
    world.commit("all:1:0,0");
    world.commit("all:1:1,0");
    world.assemble(Vec::new());
    world
}

fn seam() -> Seam {
    Seam {
        tiles: ["all:1:0,0".to_owned(), "all:1:1,0".to_owned()],
        x: 8,
        y: 0,
        channel: "R".to_owned(),
        difference: 0.5,
        tolerance: 0.0,
    }
}

impl World {
    fn picture() -> PictureName {
        PictureName {
            frame: 1,
            layer: None,
        }
    }

    fn assemble(&mut self, seams: Vec<Seam>) {
        self.apply(Event::Assembled {
            picture: Self::picture(),
            pieces: 2,
            seconds: 0.1,
            file: self.file("whole"),
            seams,
        });
    }

    fn reel(&mut self) {
        self.apply(Event::Reel {
            kind: ReelKind::Film,
            frames: 1,
            fps: Some(24.0),
            seconds: 1.0,
            file: self.file("film"),
        });
    }

    /// What the survey says, and the state that its events make.
    fn taken_up(mut self) -> (Survey, Self) {
        let survey = self.survey();
        for event in survey.events().cloned().collect::<Vec<_>>() {
            self.apply(event);
        }
        (survey, self)
    }
}

#[test]
fn a_whole_picture_keeps_its_tasks_though_their_pieces_are_gone() {
    for name in ["whole.png", "whole.scratch"] {
        let mut world = world_of_tiles();
        world.reel();
        world.put(name, BYTES);
        world.put("film.png", BYTES);
        let (survey, world) = world.taken_up();
        let kept: Vec<_> = survey.kept.iter().map(|kept| &kept.task).collect();
        assert_eq!(kept, ["all:1:0,0", "all:1:1,0"]);
        assert_eq!(survey.events().count(), 0);
        assert_eq!(survey.pictures.len(), 1);
        assert_eq!(survey.reels.len(), 1);
        // It has its name now, whether it had it before or not.
        let path = world.folder.path().join("whole.png");
        assert_eq!(fs::read(&path).unwrap(), BYTES);
        assert!(survey.own_paths(&world.state).contains(&path));
    }
}

#[test]
fn of_a_picture_that_is_gone_the_pieces_that_are_there_are_kept() {
    let mut world = world_of_tiles();
    world.reel();
    world.put("film.png", BYTES);
    world.put("all:1:1,0.png", BYTES);
    let (survey, world) = world.taken_up();
    let kept: Vec<_> = survey.kept.iter().map(|kept| &kept.task).collect();
    assert_eq!(kept, ["all:1:1,0"]);
    let lost: Vec<_> = survey.lost.iter().map(|lost| &lost.task).collect();
    assert_eq!(lost, ["all:1:0,0"]);
    assert!(survey.pictures.is_empty());
    assert_eq!(world.state.counts().done, 1);
    assert_eq!(world.state.picture_counts().done, 0);
    // A film of frames that are made again is another film, and may take its place.
    assert!(survey.reels.is_empty());
    let own = survey.own_paths(&world.state);
    for name in ["film.png", "whole.png"] {
        assert!(own.contains(&world.folder.path().join(name)), "{own:?}");
    }
}

#[test]
fn a_picture_with_seams_is_put_together_again() {
    let mut world = world_of_tiles();
    world.assemble(vec![seam()]);
    world.put("whole.png", BYTES);
    world.put("all:1:0,0.png", BYTES);
    world.put("all:1:1,0.png", BYTES);
    assert_eq!(world.state.picture_counts().failed, 1);
    let (survey, world) = world.taken_up();
    assert_eq!((survey.kept.len(), survey.lost.len()), (2, 0));
    assert!(survey.pictures.is_empty());
    let counts = world.state.picture_counts();
    assert_eq!((counts.total, counts.done, counts.failed), (1, 0, 0));
    let path = world.folder.path().join("whole.png");
    assert!(survey.own_paths(&world.state).contains(&path));
}

#[test]
fn a_file_that_is_not_the_jobs_is_not_taken_for_its_picture() {
    let world = world_of_tiles();
    world.put("whole.png", b"another's");
    world.put("whole.scratch", BYTES);
    let (survey, world) = world.taken_up();
    assert!(survey.pictures.is_empty());
    let path = world.folder.path().join("whole.png");
    assert_eq!(fs::read(&path).unwrap(), b"another's");
    assert!(!survey.own_paths(&world.state).contains(&path));
}
