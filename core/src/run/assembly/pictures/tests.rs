use proptest::prelude::*;

use super::*;
use crate::split::{Tiling, grid};

fn tasks(layers: &[&str], frames: &str, tiled: Option<&str>) -> TaskList {
    let layers: Vec<String> = layers.iter().map(|&layer| layer.to_owned()).collect();
    let tiling = tiled.map(|tiled| {
        let tiles = grid(64, 64, 2, 2, 0, 1).unwrap();
        Tiling::new(tiles, Some(tiled.parse().unwrap()))
    });
    TaskList::tiled(&layers, &frames.parse().unwrap(), tiling)
}

fn named(pictures: &Pictures) -> Vec<(String, u32)> {
    let named = |one: &Picture| (one.name.to_string(), one.pieces());
    pictures.pictures.iter().map(named).collect()
}

fn wanted(all: &[(&str, u32)]) -> Vec<(String, u32)> {
    let owned = |&(name, pieces): &(&str, u32)| (name.to_owned(), pieces);
    all.iter().map(owned).collect()
}

#[test]
fn frames_have_as_many_pictures_as_files() {
    let of = |layers: &[&str], tiled, merges| {
        named(&Pictures::new(&tasks(layers, "1-3", tiled), merges))
    };
    assert_eq!(of(&[], None, false), []);
    assert_eq!(of(&["a", "b"], None, false), []);
    let tail = Some("3");
    assert_eq!(of(&[], tail, false), wanted(&[("all:3", 4)]));
    let each = wanted(&[("a:3", 4), ("b:3", 4)]);
    assert_eq!(of(&["a", "b"], tail, false), each);
    let merged = wanted(&[("all:1", 2), ("all:2", 2), ("all:3", 8)]);
    assert_eq!(of(&["a", "b"], tail, true), merged);
}

#[test]
fn a_task_knows_its_picture() {
    let tasks = tasks(&["a", "b"], "1-3", Some("2-3"));
    for merges in [false, true] {
        let pictures = Pictures::new(&tasks, merges);
        for task in tasks.ids() {
            let name = tasks.name(task);
            match pictures.of(task) {
                Some(id) => {
                    let picture = pictures.get(id);
                    assert!(picture.name.has(&name), "{name} in {}", picture.name);
                    assert!(picture.tasks().any(|piece| piece == task));
                }
                None => assert!(!merges && name.tile().is_none(), "{name}"),
            }
        }
    }
}

#[test]
fn a_picture_fails_with_the_first_piece_that_is_given_up_and_once() {
    let mut pictures = Pictures::new(&tasks(&[], "1-2", Some("1-2")), false);
    pictures.piece_came(TaskId(0));
    let id = pictures.piece_is_given_up(TaskId(1)).unwrap();
    assert_eq!(pictures.get(id).name.frame, 1);
    assert_eq!(pictures.piece_is_given_up(TaskId(2)), None);
    for task in [1, 2, 3] {
        pictures.piece_came(TaskId(task));
    }
    assert_eq!(pictures.next(9), None);
    assert_eq!(pictures.counts().failed, 1);
}

#[test]
fn a_piece_is_asked_for_again_once() {
    let mut pictures = Pictures::new(&tasks(&[], "1", Some("1")), false);
    (0..4).for_each(|task| pictures.piece_came(TaskId(task)));
    let id = pictures.next(1).unwrap();
    let bad = BTreeSet::from([TaskId(1), TaskId(2)]);
    assert!(pictures.ask_again(id, &bad));
    assert!(pictures.is_idle());
    pictures.piece_came(TaskId(1));
    assert_eq!(pictures.next(1), None);
    pictures.piece_came(TaskId(2));
    assert_eq!(pictures.next(1), Some(id));
    assert!(!pictures.ask_again(id, &bad));
    // Another one beside it may still be asked for.
    let more = BTreeSet::from([TaskId(2), TaskId(3)]);
    assert!(pictures.ask_again(id, &more));
    pictures.piece_came(TaskId(2));
    pictures.piece_came(TaskId(3));
    assert_eq!(pictures.next(1), Some(id));
    pictures.done(id);
    assert_eq!(pictures.counts().done, 1);
    assert!(pictures.is_settled() && pictures.are_done());
}

#[test]
fn what_is_put_off_is_left_for_later() {
    let mut pictures = Pictures::new(&tasks(&[], "1-2", Some("1-2")), false);
    (0..8).for_each(|task| pictures.piece_came(TaskId(task)));
    let id = pictures.next(1).unwrap();
    assert!(!pictures.is_idle());
    pictures.stop();
    pictures.put_off(id);
    assert!(pictures.is_idle() && !pictures.is_settled());
    assert_eq!(pictures.next(1), None);
}

#[test]
fn what_was_put_together_before_is_not_again() {
    let mut pictures = Pictures::new(&tasks(&[], "1-2", Some("1-2")), false);
    pictures.skip(&PictureName {
        frame: 1,
        layer: None,
    });
    (0..8).for_each(|task| pictures.piece_came(TaskId(task)));
    let id = pictures.next(9).unwrap();
    assert_eq!(pictures.get(id).name.frame, 2);
    assert_eq!(pictures.next(9), None);
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Came(u32),
    GivenUp(u32),
    Next,
    Done(usize),
    Failed(usize),
    Again(usize, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u32..24).prop_map(Step::Came),
        1 => (0_u32..24).prop_map(Step::GivenUp),
        3 => Just(Step::Next),
        2 => (0_usize..4).prop_map(Step::Done),
        1 => (0_usize..4).prop_map(Step::Failed),
        1 => (0_usize..4, 0_u32..8).prop_map(|(which, piece)| Step::Again(which, piece)),
    ]
}

proptest! {
    /// Whatever comes in whatever order: what is given out has all its pieces, never more than may
    /// be are under way, and none is given out that is done or has failed.
    #[test]
    fn only_whole_pictures_are_given_out(
        merges: bool,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        const AT_ONCE: u32 = 2;
        let tasks = tasks(&["a", "b"], "1-3", Some("1-3"));
        let mut pictures = Pictures::new(&tasks, merges);
        let mut there = BTreeSet::new();
        let mut ended = BTreeSet::new();
        let mut under_way: Vec<PictureId> = Vec::new();
        for step in steps {
            match step {
                Step::Came(task) => {
                    there.insert(TaskId(task));
                    pictures.piece_came(TaskId(task));
                }
                Step::GivenUp(task) => {
                    if let Some(id) = pictures.piece_is_given_up(TaskId(task)) {
                        prop_assert!(ended.insert(id));
                    }
                }
                Step::Next => {
                    let room = under_way.len() < AT_ONCE as usize;
                    let Some(id) = pictures.next(AT_ONCE) else { continue };
                    prop_assert!(room && !ended.contains(&id) && !under_way.contains(&id));
                    prop_assert!(pictures.get(id).tasks().all(|task| there.contains(&task)));
                    under_way.push(id);
                }
                Step::Done(which) | Step::Failed(which) if which < under_way.len() => {
                    let id = under_way.swap_remove(which);
                    ended.insert(id);
                    match step {
                        Step::Done(_) => pictures.done(id),
                        _ => pictures.failed(id),
                    }
                }
                Step::Again(which, piece) if which < under_way.len() => {
                    let id = under_way[which];
                    let pieces: Vec<TaskId> = pictures.get(id).tasks().collect();
                    let task = pieces[piece as usize % pieces.len()];
                    let before = pictures.was_asked_again(task);
                    let asked = pictures.ask_again(id, &BTreeSet::from([task]));
                    prop_assert_eq!(asked, !before);
                    if asked {
                        there.remove(&task);
                        under_way.swap_remove(which);
                    }
                }
                Step::Done(_) | Step::Failed(_) | Step::Again(..) => {}
            }
            let counts = pictures.counts();
            prop_assert_eq!((counts.done + counts.failed) as usize, ended.len());
            if pictures.is_idle() {
                prop_assert!(under_way.is_empty());
            }
        }
    }
}
