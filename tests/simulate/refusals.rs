//! What is refused before anything is simulated, each with its sentence.

use super::desk;
use super::support::Desk;

#[test]
fn what_cannot_be_simulated_is_refused_in_one_sentence() {
    let numbers = [
        "--frames",
        "1-200",
        "--frame-cost",
        "20s",
        "--host-count",
        "20",
    ];
    let rows: [(&[&str], &str, &str); 22] = [
        (
            &["--speeds", "4..0.5"],
            "--speeds 4..0.5 is reversed: the slowest comes first",
            "write --speeds 0.5..4",
        ),
        (
            &["--speeds", "0..4"],
            "--speeds 0..4 are no speeds, which lie between 0.001 and 1000",
            "write the slowest and the fastest, like --speeds 0.5..4",
        ),
        (
            &["--host-count", "0"],
            "--host-count 0 makes no sense: it must be from 1 to 1000000",
            "",
        ),
        (
            &["--slots", "0"],
            "--slots 0 makes no sense: it must be from 1 to 1000000",
            "",
        ),
        (
            &["--host-count", "1000000", "--slots", "2"],
            "a simulated farm has at most 1000000 slots, not 2000000",
            "",
        ),
        (
            &["--cost", "spiky:2x8"],
            "--cost: `spiky:2x8` has a probability that is not from 0 to 1",
            "write one like spiky:0.05x8",
        ),
        (
            &["--cost", "flat"],
            "--cost: `flat` is no shape of costs",
            "write const, ramp:10, smooth, lognormal:0.6 or spiky:0.05x8",
        ),
        (
            &["--frame-cost", "0"],
            "--frame-cost 0 leaves nothing to simulate",
            "say what a frame costs on average, like --frame-cost 20s",
        ),
        (
            &["--frame-cost", "20"],
            "--frame-cost: `20` is no duration",
            "write a number and its unit, like 600ms, 90s, 10m or 2h30m",
        ),
        (
            &["--frames", "1-99999999"],
            "--frames 1-99999999: the set names 99999999 frames, more than the 1000000 that one job may have",
            "frames are written like 1-300, 1-100x2, 1,5,9-20 or 1-100,!50",
        ),
        (
            &["--policy", "best"],
            "--policy best is not known",
            "write auto, even, fixed:10, royal-render:2..10, guided, factoring or openjd:15m",
        ),
        (
            &["--policy", "fixed:0"],
            "--policy fixed:0 is wrong: write a number of frames, like fixed:10",
            "write auto, even, fixed:10, royal-render:2..10, guided, factoring or openjd:15m",
        ),
        (
            &["--segment", "9..2"],
            "--segment: the segment size 9..2 is reversed: the smaller number comes first",
            "",
        ),
        (
            &["--host-loss", "0.02"],
            "--host-loss 0.02 does not say how often in what time",
            "write how often an hour, like --host-loss 0.02/h",
        ),
        (
            &["--host-loss", "1000/h"],
            "--host-loss 1000 is no number from 0 to 100",
            "write it like --host-loss 0.02/h",
        ),
        (
            &["--stragglers", "0.05"],
            "--stragglers 0.05 does not say how many take how many times as long",
            "write a part of all tries and a factor from 1 to 1000, like --stragglers 0.02x5",
        ),
        (
            &["--flaky", "2"],
            "--flaky 2 is no number from 0 to 1",
            "write it like --flaky 0.01",
        ),
        (
            &["--flaky", "1"],
            "--flaky 1 lets every try fail",
            "write a part of all tries, like --flaky 0.01",
        ),
        (
            &["--history-error", "x"],
            "--history-error x is no number from 0 to 3",
            "write it like --history-error 0.2",
        ),
        (
            &["--loads-max", "0"],
            "--loads-max 0 would let no host load the scene",
            "leave it out for no limit",
        ),
        (
            &["--seeds", "0"],
            "--seeds 0 makes no sense: it must be from 1 to 100000",
            "",
        ),
        (
            &["--dispatch-interval=-5s"],
            "--dispatch-interval: `-5s` is no duration",
            "write a number and its unit, like 600ms, 90s, 10m or 2h30m",
        ),
    ];
    let desk = Desk::new();
    for (more, message, hint) in rows {
        // What is said last holds for none of them: each option is given once.
        let mut words = vec!["simulate"];
        for pair in numbers.chunks(2).filter(|pair| !more.contains(&pair[0])) {
            words.extend(pair);
        }
        words.extend(more);
        refused(&desk, &words, message, hint);
    }
}

#[track_caller]
fn refused(desk: &Desk, words: &[&str], message: &str, hint: &str) {
    let ended = desk.run(words).expect_code(2);
    assert_eq!(ended.stdout, "", "{words:?}");
    let mut expected = format!("framewright: {message}\n");
    if !hint.is_empty() {
        expected.push_str(&format!("hint: {hint}\n"));
    }
    assert_eq!(ended.stderr, expected, "{words:?}");
}

#[test]
fn options_that_would_be_ignored_are_refused() {
    let desk = desk("");
    let rows: [(&[&str], &str, &str); 7] = [
        (
            &[
                "simulate",
                "--frames",
                "1-9",
                "--frame-cost",
                "1s",
                "--hosts",
                "none.toml",
            ],
            "there is no farm file none.toml",
            "",
        ),
        (
            &["simulate", "--frame-cost", "1s", "--host-count", "1"],
            "there is no scene, and no --frames either",
            "name a scene, or give numbers: --frames 1-200 --frame-cost 20s --load 60s --host-count 20",
        ),
        (
            &["simulate", "shot.stub.toml", "--load", "3s"],
            "the argument '[SCENE]' cannot be used with '--load <TIME>'",
            "framewright --help lists commands, framewright COMMAND --help its options",
        ),
        (
            &[
                "simulate",
                "--frames",
                "1-9",
                "--frame-cost",
                "1s",
                "--host-count",
                "1",
                "--set",
                "a=b",
            ],
            "--set is about a scene, and there is none",
            "name a scene, or leave it out",
        ),
        (
            &[
                "simulate",
                "shot.stub.toml",
                "--hosts",
                "farm.toml",
                "--speeds",
                "0.5..4",
            ],
            "--speeds is about a farm in numbers, and there is no --host-count",
            "a farm's file says it of each host",
        ),
        (
            &["plan", "shot.stub.toml", "--max-load-share", "0%"],
            "--max-load-share 0 would let no host load the scene",
            "leave it out to use every host that ends the job sooner",
        ),
        (
            &["plan", "shot.stub.toml", "--max-load-share", "130%"],
            "--max-load-share: `130%` is no part of a whole",
            "write one like 30% or 0.3",
        ),
    ];
    for (words, message, hint) in rows {
        refused(&desk, words, message, hint);
    }
    let nowhere = Desk::new();
    refused(
        &nowhere,
        &["simulate", "--frames", "1-9", "--frame-cost", "1s"],
        "there is no farm to simulate: no --host-count, and no farm.toml",
        "say how many hosts, like --host-count 20, or name a file with --hosts",
    );
}
