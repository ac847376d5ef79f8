use super::*;
use crate::request::LinkKind;

fn numbers() -> Numbers {
    Numbers {
        frames: "1-60".parse().unwrap(),
        frame_s: 20.0,
        call_s: 2.0,
        load_s: 30.0,
        reload: true,
        runs_only: false,
    }
}

fn simulation() -> Simulation<'static> {
    Simulation {
        job: SimulatedJob::Numbers(numbers()),
        hosts: SimulatedHosts::Spread {
            hosts: 6,
            slots: 1,
            speeds: (0.5, 2.0),
        },
        limits: FarmLimits::default(),
        start_delay_s: 1.0,
        unknowns: Unknowns {
            shape: "lognormal:0.6".parse().unwrap(),
            history_error: Some(0.2),
            host_losses_per_hour: 1.0,
            stragglers: (0.1, 5.0),
            flaky: 0.05,
            speeds: true,
        },
        policies: vec![Policy::Auto, Policy::Guided, Policy::Fixed(3)],
        seed: 3,
        seeds: 5,
        threads: 1,
    }
}

fn answer(simulation: &Simulation<'_>) -> Answer {
    simulate(simulation, &mut |_, _| {}).unwrap()
}

#[test]
fn any_number_of_threads_gives_the_same_answer() {
    let serial = answer(&simulation());
    for threads in [2, 3, 16] {
        let parallel = answer(&Simulation {
            threads,
            ..simulation()
        });
        assert_eq!(parallel, serial, "{threads} threads");
    }
}

#[test]
fn progress_counts_every_run() {
    let mut told = Vec::new();
    simulate(&simulation(), &mut |done, all| told.push((done, all))).unwrap();
    let expected: Vec<(usize, usize)> = (1..=15).map(|done| (done, 15)).collect();
    assert_eq!(told, expected);
}

#[test]
fn calls_are_paid_whatever_the_shape() {
    let costs = |shape: &str| {
        let row = &answer(&Simulation {
            unknowns: Unknowns {
                shape: shape.parse().unwrap(),
                ..Unknowns::default()
            },
            ..simulation()
        })
        .results[2];
        (row.render_s, row.seeds)
    };
    // 60 frames of 20 s and a call of 2 s each, on hosts of half to twice the speed.
    let (flat, seeds) = costs("const");
    assert_eq!(seeds, 1);
    assert!((660.0..2_640.0).contains(&flat), "{flat}");
    let (rising, seeds) = costs("ramp:10");
    assert_eq!(seeds, 1);
    assert!(rising != flat);
    assert_eq!(costs("smooth").1, 5);
}

#[test]
fn numbers_alone_without_unknowns_are_reckoned_by_hand() {
    let row = &answer(&Simulation {
        hosts: SimulatedHosts::Spread {
            hosts: 3,
            slots: 2,
            speeds: (1.0, 1.0),
        },
        unknowns: Unknowns::default(),
        policies: vec![Policy::Fixed(10)],
        ..simulation()
    })
    .results[0];
    // 1 s to start, 30 s of load, ten frames of 22 s.
    assert_eq!(row.makespan_s, 251.0);
    assert_eq!((row.loads, row.load_s, row.render_s), (6.0, 180.0, 1_320.0));
    assert_eq!(
        (row.segments, row.slots_used, row.busy_s),
        (6.0, 6.0, 1_506.0)
    );
    assert_eq!((row.slots_busy_mean, row.busy_share), (6.0, 1.0));
    assert_eq!((row.cost, row.failed, row.ratio), (None, 0.0, 1.0));
}

#[test]
fn a_cost_is_known_where_every_used_host_has_a_price() {
    let host = |name: &str, cost_per_hour| HostEntry {
        cost_per_hour,
        ..HostEntry::new(name, LinkKind::Local, 2)
    };
    let cost = |hosts: Vec<HostEntry>| {
        let row = &answer(&Simulation {
            hosts: SimulatedHosts::Farm(hosts),
            unknowns: Unknowns::default(),
            policies: vec![Policy::Fixed(15)],
            ..simulation()
        })
        .results[0];
        (row.cost, row.busy_s)
    };
    let (known, busy_s) = cost(vec![host("a", Some(1.0)), host("b", Some(3.0))]);
    // Half of the time on each; a slot costs half of its host.
    let expected = busy_s / 3600.0 * (0.5 * 0.5 + 0.5 * 1.5);
    assert!((known.unwrap() - expected).abs() < 1e-9, "{known:?}");
    assert_eq!(cost(vec![host("a", Some(1.0)), host("b", None)]).0, None);
}

#[test]
fn what_no_kernel_can_count_is_refused() {
    let slots = SimulatedHosts::Spread {
        hosts: SLOTS_MAX,
        slots: SLOTS_MAX,
        speeds: (1.0, 1.0),
    };
    let error = simulate(
        &Simulation {
            hosts: slots,
            ..simulation()
        },
        &mut |_, _| {},
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "a simulated farm has at most 1000000 slots, not 1000000000000"
    );
    let speeds = SimulatedHosts::Spread {
        hosts: 2,
        slots: 1,
        speeds: (0.0, 1.0),
    };
    let error = simulate(
        &Simulation {
            hosts: speeds,
            ..simulation()
        },
        &mut |_, _| {},
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "0 is no speed: it lies between 0.001 and 1000"
    );
}
