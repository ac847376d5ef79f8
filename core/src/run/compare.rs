//! `plan --compare`: the same job under other policies and on other hosts.
//!
//! Each row is a plan of its own, by the same dispatcher, in the world in which everything that is
//! expected is true. Fewer hosts are the fastest ones; more are copies of the farm's.

use framewright_kernel::hosts::SLOTS_MAX;

use super::Prepared;
use super::farm;
use crate::policy::Policy;
use crate::request::SegmentSize;
use crate::simulate::{Case, Place, Row, SimulateError, run_all};

/// Policies that are compared, besides the one asked for.
const POLICIES: [Policy; 8] = [
    Policy::Auto,
    Policy::Even,
    Policy::Fixed(1),
    Policy::Fixed(10),
    Policy::RoyalRender(SegmentSize { min: 2, max: 10 }),
    Policy::Guided,
    Policy::Factoring,
    Policy::OpenJd { target_s: 900.0 },
];

/// How many times the farm's slots.
const TIMES: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// What there is to choose from.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// One row a policy: that of the request first.
    pub policies: Vec<Row>,
    /// The best policy on fewer and more hosts.
    pub hosts: Vec<CompareHosts>,
}

/// The job on fewer or more slots.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareHosts {
    /// How many times the farm's slots.
    pub times: f64,
    /// Hosts.
    pub hosts: u32,
    /// Slots.
    pub slots: u32,
    /// What came of it.
    pub row: Row,
}

/// Plans a settled request in many ways.
///
/// # Errors
/// Where job and farm do not fit each other or the kernel.
pub fn compare(prepared: &Prepared, threads: usize) -> Result<Comparison, SimulateError> {
    let asked = farm::policy(&prepared.request);
    let others = POLICIES.into_iter().filter(|policy| *policy != asked);
    let policies: Vec<Policy> = [asked].into_iter().chain(others).collect();
    // What was asked of segments holds for the policy asked for only.
    let mut prepared = prepared.clone();
    prepared.request.segment = None;
    let places = Place::of_request(&prepared)?;
    let case = Case::planned(&prepared, places.clone())?;
    let mut farms = Vec::new();
    for times in TIMES {
        let Some(places) = resized(&places, times) else {
            continue;
        };
        let other = Case::planned(&prepared, places)?;
        if farms
            .iter()
            .all(|(_, case): &(f64, Case)| case.slots() != other.slots())
        {
            farms.push((times, other));
        }
    }
    let runs: Vec<(&Case, Policy, u64)> = policies
        .iter()
        .map(|policy| (&case, *policy, 0))
        .chain(farms.iter().map(|(_, case)| (case, Policy::Auto, 0)))
        .collect();
    let runs = run_all(&runs, threads, &mut |_, _| {})?;
    let (of_policies, of_farms) = runs.split_at(policies.len());
    let row = |case: &Case, policy: Policy, run| Row::of(policy, case.slots(), &[run]);
    Ok(Comparison {
        policies: policies
            .iter()
            .zip(of_policies)
            .map(|(policy, run)| row(&case, *policy, *run))
            .collect(),
        hosts: farms
            .iter()
            .zip(of_farms)
            .map(|((times, case), run)| CompareHosts {
                times: *times,
                hosts: case.hosts(),
                slots: case.slots(),
                row: row(case, Policy::Auto, *run),
            })
            .collect(),
    })
}

/// The farm with so many times its slots; nothing where that is more than any farm has.
fn resized(places: &[Place], times: f64) -> Option<Vec<Place>> {
    let slots: u32 = places.iter().map(|place| place.spec.slots).sum();
    let wanted = (f64::from(slots) * times).ceil();
    if wanted > f64::from(SLOTS_MAX) {
        return None;
    }
    if times >= 1.0 {
        let copies = times.round() as usize;
        return Some(places.repeat(copies));
    }
    let mut left = (wanted as u32).max(1);
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|a, b| {
        let speed = |place: &usize| places[*place].spec.speed.as_f64();
        speed(b).total_cmp(&speed(a)).then(a.cmp(b))
    });
    let mut kept = vec![0; places.len()];
    for place in order {
        kept[place] = left.min(places[place].spec.slots);
        left -= kept[place];
    }
    let shrunk = places.iter().zip(kept).map(|(place, slots)| {
        let mut place = *place;
        place.spec.slots = slots;
        place
    });
    Some(shrunk.filter(|place| place.spec.slots > 0).collect())
}

#[cfg(test)]
mod tests {
    use framewright_kernel::hosts::{HostSpec, Speed};

    use super::*;

    fn places(of: &[(u32, f64)]) -> Vec<Place> {
        let place = |(slots, speed): &(u32, f64)| Place {
            spec: HostSpec {
                slots: *slots,
                speed: Speed::new(*speed).unwrap(),
                ..HostSpec::default()
            },
            slot_price: None,
        };
        of.iter().map(place).collect()
    }

    #[test]
    fn fewer_slots_are_the_fastest_and_more_are_copies() {
        let farm = places(&[(4, 1.0), (4, 3.0), (8, 2.0)]);
        let slots = |times| {
            let farm = resized(&farm, times).unwrap();
            farm.iter()
                .map(|place| place.spec.slots)
                .collect::<Vec<_>>()
        };
        assert_eq!(slots(0.25), [4]);
        assert_eq!(slots(0.5), [4, 4]);
        assert_eq!(slots(1.0), [4, 4, 8]);
        assert_eq!(slots(2.0), [4, 4, 8, 4, 4, 8]);
        let quarter = resized(&farm, 0.25).unwrap();
        assert_eq!(quarter[0].spec.speed.as_f64(), 3.0);
        let one = resized(&places(&[(1, 1.0)]), 0.25).unwrap();
        assert_eq!(one.len(), 1);
    }
}
