//! Ratios to the lower bound, cell by cell, against another simulator's.

use super::{A, Cell, FAST, SLOW, cell, number};

/// Two simulators agree within this.
const AGREE: f64 = 0.05;

const A50: Cell = cell("1-200", "20s", "60s", "50");
const B: Cell = cell("1-300", "120s", "60s", "30");
const T: Cell = cell("1-100", "30s", "45s", "20");
const G: Cell = cell("1-2000", "60s", "60s", "500");
const L: Cell = cell("1-2000", "5s", "600s", "50");
const Q: Cell = cell("1-5000", "60s", "30s", "20");
const H: Cell = cell("1-1000", "60s", "60s", "40");

/// Whether two figures differ by no more than two simulators may.
fn agrees(ours: f64, theirs: f64) -> bool {
    (ours / theirs - 1.0).abs() <= AGREE
}

/// Makespan ÷ lower bound of the other simulator, two digits behind the point.
#[test]
fn ratios_to_the_bound_are_those_of_another_simulator() {
    type Case = (
        Cell,
        [&'static str; 4],
        &'static str,
        &'static [(&'static str, f64)],
    );
    let cases: [Case; 21] = [
        (
            A,
            SLOW,
            "const",
            &[("fixed:10", 1.12), ("royal-render:2..10", 1.12)],
        ),
        (
            A,
            FAST,
            "const",
            &[("fixed:10", 1.00), ("royal-render:2..10", 1.00)],
        ),
        (
            A,
            SLOW,
            "ramp:10",
            &[("fixed:10", 1.65), ("royal-render:2..10", 1.65)],
        ),
        (
            A,
            FAST,
            "ramp:10",
            &[("fixed:10", 1.60), ("royal-render:2..10", 1.60)],
        ),
        (
            A50,
            SLOW,
            "const",
            &[("fixed:5", 1.33), ("royal-render:10..10", 1.33)],
        ),
        (
            A50,
            FAST,
            "const",
            &[("fixed:5", 1.14), ("royal-render:2..10", 1.00)],
        ),
        (
            A50,
            SLOW,
            "ramp:10",
            &[("fixed:5", 1.67), ("royal-render:10..10", 1.96)],
        ),
        (
            B,
            SLOW,
            "const",
            &[
                ("fixed:5", 1.06),
                ("royal-render:2..10", 1.01),
                ("guided", 1.13),
            ],
        ),
        (B, FAST, "const", &[("fixed:2", 1.19), ("factoring", 1.14)]),
        (
            B,
            SLOW,
            "ramp:10",
            &[
                ("fixed:5", 1.46),
                ("royal-render:2..10", 1.77),
                ("guided", 1.18),
            ],
        ),
        (
            B,
            FAST,
            "ramp:10",
            &[
                ("fixed:2", 1.34),
                ("royal-render:2..10", 1.76),
                ("factoring", 1.26),
            ],
        ),
        (
            T,
            SLOW,
            "const",
            &[("fixed:5", 1.13), ("royal-render:2..10", 1.13)],
        ),
        (
            T,
            SLOW,
            "ramp:10",
            &[("fixed:5", 1.67), ("royal-render:2..10", 1.47)],
        ),
        (
            G,
            SLOW,
            "const",
            &[("fixed:10", 1.39), ("royal-render:10..10", 1.39)],
        ),
        (
            G,
            FAST,
            "const",
            &[("fixed:2", 1.19), ("royal-render:2..10", 1.00)],
        ),
        (
            L,
            SLOW,
            "const",
            &[("fixed:50", 1.13), ("royal-render:10..50", 1.13)],
        ),
        (
            L,
            FAST,
            "const",
            &[("fixed:50", 1.06), ("royal-render:10..50", 1.00)],
        ),
        (
            L,
            FAST,
            "ramp:10",
            &[("fixed:50", 1.31), ("royal-render:10..50", 1.20)],
        ),
        (
            Q,
            SLOW,
            "const",
            &[
                ("fixed:20", 1.07),
                ("royal-render:2..10", 1.06),
                ("guided", 1.01),
            ],
        ),
        (
            Q,
            FAST,
            "ramp:10",
            &[("fixed:10", 1.08), ("royal-render:2..10", 1.08)],
        ),
        // Where speeds differ the page gives no formula, and the other simulator's rule is its own:
        // fixed sizes only.
        (H, FAST, "const", &[("fixed:5", 1.70)]),
    ];
    let mut wrong = Vec::new();
    for (cell, pace, shape, expected) in cases {
        let mut arguments = pace.to_vec();
        arguments.extend(["--reload", "--cost", shape]);
        if cell.hosts == H.hosts {
            arguments.extend(["--speeds", "0.5..4"]);
        }
        for (policy, _) in expected {
            arguments.extend(["--policy", policy]);
        }
        let answer = cell.run(&arguments);
        for ((policy, theirs), row) in expected.iter().zip(answer["results"].as_array().unwrap()) {
            let ours = number(row, "ratio");
            if !agrees(ours, *theirs) {
                wrong.push(format!(
                    "{} frames, {pace:?}, {shape}, {policy}: {ours:.3}, not {theirs}",
                    cell.frames
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Means over the shapes const, lognormal, ramp and spiky of 20 seeds: one frame a segment.
#[test]
fn one_frame_a_segment_is_as_bad_as_another_simulator_says() {
    for (cell, pace, theirs) in [
        (A, SLOW, 3.48),
        (A, FAST, 3.21),
        (B, SLOW, 1.65),
        (B, FAST, 1.61),
        (L, SLOW, 26.63),
        (T, FAST, 2.14),
    ] {
        let ratio = |shape: &&str| {
            let mut arguments = pace.to_vec();
            arguments.extend(["--reload", "--cost", shape, "--policy", "fixed:1"]);
            number(&cell.run(&arguments)["results"][0], "ratio")
        };
        let shapes = ["const", "lognormal:0.6", "ramp:10", "spiky:0.05x8"];
        let ours = shapes.iter().map(ratio).sum::<f64>() / 4.0;
        assert!(agrees(ours, theirs), "{ours} instead of {theirs}");
    }
}

#[test]
fn the_comparison_would_notice_a_tenth() {
    for theirs in [1.0, 1.12, 26.63] {
        assert!(agrees(theirs * 1.049, theirs) && agrees(theirs * 0.951, theirs));
        assert!(!agrees(theirs * 1.1, theirs) && !agrees(theirs * 0.9, theirs));
    }
}
