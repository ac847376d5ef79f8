use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn frames(text: &str) -> Vec<i32> {
    let set: FrameSet = text.parse().unwrap();
    set.iter().map(|frame| frame.0).collect()
}

fn error(text: &str) -> String {
    text.parse::<FrameSet>().unwrap_err().to_string()
}

#[test]
fn every_form_of_the_manual_is_understood() {
    assert_eq!(frames("1-5"), [1, 2, 3, 4, 5]);
    assert_eq!(frames("1-10x3"), [1, 4, 7, 10]);
    assert_eq!(frames("1,5,9-11"), [1, 5, 9, 10, 11]);
    assert_eq!(frames("1-5,!3"), [1, 2, 4, 5]);
    assert_eq!(frames("!3,1-5"), [1, 2, 4, 5]);
    assert_eq!(frames("1-9,!5-7"), [1, 2, 3, 4, 8, 9]);
    assert_eq!(frames("1-9,!1-9x2"), [2, 4, 6, 8]);
    assert_eq!(frames("-3..-1"), [-3, -2, -1]);
    assert_eq!(frames("-3--1"), [-3, -2, -1]);
    assert_eq!(frames("-1-1"), [-1, 0, 1]);
    assert_eq!(frames("1..3"), [1, 2, 3]);
    assert_eq!(
        frames("  7 ,\t1 - 2".replace(" - ", "-").as_str()),
        [1, 2, 7]
    );
    assert_eq!(frames("5,5,4"), [4, 5]);
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    for text in ["", "   ", ",", "1,", ",1", "1,,2", "!", "1-"] {
        assert!(
            error(text).contains("there is nothing at position"),
            "{text:?}: {}",
            error(text)
        );
    }
    assert_eq!(error("10-1"), "frames 10 to 1 run backwards; write 1-10");
    assert!(error("1-2000000").contains("2000000 frames, more than the 1000000"));
    assert!(error("-2147483648..2147483647").contains("4294967296 frames"));
    assert!(error("1-99999999999").contains("`99999999999` is no frame number"));
    assert!(error(&"9".repeat(10_000)).len() < 200);
    assert!(error("1-10x0").contains("`x0` at position 5"));
    assert!(error("1-10x-2").contains("`-` at position 6"));
    assert!(error("1-10y").contains("`y` at position 5"));
    assert!(error("1 2").contains("`2` at position 3"));
    assert!(error("--1").contains("`-` at position 2"));
    assert!(error("ü").contains("`ü` at position 1"));
    assert!(error("1-5,!1-5").contains("excluded"));
    assert!(error("!5-7").contains("nothing") || error("!5-7").contains("excluded"));
}

#[test]
fn sets_print_as_people_write_them() {
    for (typed, printed) in [
        ("1,2,3", "1-3"),
        ("1,2", "1-2"),
        ("1,3", "1,3"),
        ("1,3,5", "1-5x2"),
        ("1-100x2", "1-99x2"),
        ("1-100,!50", "1-49,51-100"),
        ("-10--1", "-10..-1"),
        ("7", "7"),
    ] {
        assert_eq!(typed.parse::<FrameSet>().unwrap().to_string(), printed);
    }
}

#[test]
fn the_largest_set_is_counted_without_being_walked() {
    let set: FrameSet = "1-1000000".parse().unwrap();
    assert_eq!(set.count(), 1_000_000);
    assert_eq!(set.runs.len(), 1);
    let edge: FrameSet = "2147483646-2147483647".parse().unwrap();
    assert_eq!(edge.count(), 2);
    assert_eq!(edge.last(), Frame(i32::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn printing_and_parsing_gives_the_same_set(
        wanted in prop::collection::btree_set(-300_i32..300, 1..120),
    ) {
        let set = FrameSet::from_frames(wanted.iter().copied().map(Frame)).unwrap();
        let again: FrameSet = set.to_string().parse().unwrap();
        prop_assert_eq!(&again, &set);
        let listed: BTreeSet<i32> = set.iter().map(|frame| frame.0).collect();
        prop_assert_eq!(&listed, &wanted);
        prop_assert_eq!(set.count(), wanted.len() as u64);
        prop_assert_eq!(set.first().0, *wanted.first().unwrap());
        prop_assert_eq!(set.last().0, *wanted.last().unwrap());
        for frame in -301..301 {
            prop_assert_eq!(set.contains(Frame(frame)), wanted.contains(&frame));
        }
    }

    #[test]
    fn any_text_is_a_set_or_an_error(text in "[-0-9.,!x \\PC]{0,24}") {
        if let Ok(set) = text.parse::<FrameSet>() {
            prop_assert_eq!(set.iter().count() as u64, set.count());
        }
    }

    #[test]
    fn parts_mean_what_a_plain_reading_says(
        parts in prop::collection::vec((any::<bool>(), -50_i32..50, 0_i32..40, 1_u32..5), 1..6),
    ) {
        let mut text = Vec::new();
        let (mut wanted, mut unwanted) = (BTreeSet::new(), BTreeSet::new());
        for (exclude, first, length, step) in parts {
            let last = first + length;
            text.push(format!("{}{first}..{last}x{step}", if exclude { "!" } else { "" }));
            let run = (first..=last).step_by(step as usize);
            if exclude { unwanted.extend(run) } else { wanted.extend(run) }
        }
        let expected: Vec<i32> = wanted.difference(&unwanted).copied().collect();
        match text.join(" , ").parse::<FrameSet>() {
            Ok(set) => prop_assert_eq!(set.iter().map(|frame| frame.0).collect::<Vec<_>>(), expected),
            Err(error) => {
                prop_assert_eq!(error, FrameSetError::AllExcluded);
                prop_assert!(expected.is_empty());
            }
        }
    }
}
