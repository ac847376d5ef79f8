//! A job and a farm in the kernel's words, ready to be run under any policy in any world.

use framewright_kernel::Farm;
use framewright_kernel::bound::{Judged, lower_bound};
use framewright_kernel::hosts::{HostSpec, Speed, TagSet};
use framewright_kernel::ids::{LayerId, SegmentId};
use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy as KernelPolicy};
use framewright_kernel::sim::{Faults, Rng, World, misjudged, simulate};
use framewright_kernel::time::Span;

use super::summary::Run;
use super::{
    Numbers, SLOTS_MAX, SimulateError, SimulatedHosts, SimulatedJob, Simulation, TASKS_MAX,
    Unknowns,
};
use crate::policy::Policy;
use crate::request::HostEntry;
use crate::run::Prepared;
use crate::run::farm;

/// How long nobody notices that a host is lost, and how long it is away after that: with both, a
/// quarter of an hour, about what a restart takes.
const HOST_NOTICE: Span = Span::from_secs(30);
const HOST_AWAY: Span = Span::from_secs(870);

/// A host and what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    /// The host as it is.
    pub spec: HostSpec,
    /// What an hour of one of its slots costs.
    pub slot_price: Option<f64>,
}

impl Place {
    /// The places of a settled request.
    pub fn of_request(prepared: &Prepared) -> Result<Vec<Place>, SimulateError> {
        let specs = farm::hosts(prepared).map_err(SimulateError::Job)?;
        let hosts = &prepared.request.hosts;
        let place = |(spec, host): (HostSpec, &HostEntry)| Place {
            spec,
            slot_price: host
                .cost_per_hour
                .map(|price| price / f64::from(host.slots.max(1))),
        };
        Ok(specs.into_iter().zip(hosts).map(place).collect())
    }
}

/// What is run again and again.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    spec: JobSpec,
    lists: bool,
    /// What each task costs on average over all worlds, on a host of speed 1, in seconds.
    means: Vec<f64>,
    places: Vec<Place>,
    unknowns: Unknowns,
}

impl Case {
    pub fn new(simulation: &Simulation<'_>) -> Result<Case, SimulateError> {
        let places = places(simulation)?;
        let (mut spec, lists) = match &simulation.job {
            SimulatedJob::Numbers(numbers) => (from_numbers(numbers)?, !numbers.runs_only),
            SimulatedJob::Scene { prepared, reload } => {
                // Tags have their bits by the farm's names.
                let mut prepared = (*prepared).clone();
                if let SimulatedHosts::Farm(hosts) = &simulation.hosts {
                    prepared.render_on(hosts.clone());
                }
                let mut spec = farm::job_spec(&prepared).map_err(SimulateError::Job)?;
                spec.kept &= !reload;
                (spec, farm::in_lists(&prepared))
            }
        };
        spec.pace = Pace {
            dispatch_interval: Span::from_secs_f64(simulation.limits.dispatch_interval_s),
            start_delay: Span::from_secs_f64(simulation.start_delay_s),
            loads_max: simulation.limits.loads_max,
        };
        Case::from_spec(spec, lists, places, simulation.unknowns)
    }

    /// What is planned for a settled request, on other hosts perhaps.
    pub fn planned(prepared: &Prepared, places: Vec<Place>) -> Result<Case, SimulateError> {
        let mut spec = farm::job_spec(prepared).map_err(SimulateError::Job)?;
        let lists = farm::in_lists(prepared);
        // What is expected of remembered costs, as `plan` and `render` have it, is what is true here.
        let auto = JobSpec {
            policy: Policy::Auto.into(),
            ..spec.clone()
        };
        let job = new_job(auto, lists)?.known_to(farm::cost_error(prepared));
        let expected = Farm::new(job, Vec::new());
        for (task, id) in spec.tasks.iter_mut().zip(expected.job().tasks()) {
            task.cost = Some(expected.job().cost(id));
        }
        Case::from_spec(spec, lists, places, Unknowns::default())
    }

    fn from_spec(
        spec: JobSpec,
        lists: bool,
        places: Vec<Place>,
        unknowns: Unknowns,
    ) -> Result<Case, SimulateError> {
        if spec.tasks.len() > TASKS_MAX {
            let count = spec.tasks.len() as u64;
            return Err(SimulateError::TooManyTasks { count });
        }
        let slots = places.iter().map(|place| u64::from(place.spec.slots)).sum();
        if slots > u64::from(SLOTS_MAX) {
            return Err(SimulateError::TooManySlots { count: slots });
        }
        let job = new_job(spec.clone(), lists)?;
        let means = job.tasks().map(|task| job.cost(task).as_secs_f64());
        Ok(Case {
            means: means.collect(),
            lists,
            places,
            unknowns,
            spec,
        })
    }

    pub fn tasks(&self) -> u32 {
        self.means.len() as u32
    }

    pub fn hosts(&self) -> u32 {
        self.places.len() as u32
    }

    pub fn slots(&self) -> u32 {
        self.places.iter().map(|place| place.spec.slots).sum()
    }

    /// What each task costs in a world, and what the farm is told of it.
    fn costs(&self, seed: u64) -> (Vec<Span>, Option<Vec<Span>>) {
        let call = self.spec.costs.call.as_secs_f64();
        let mut rng = Rng::new(seed);
        let count = self.tasks();
        let costs: Vec<Span> = self
            .unknowns
            .shape
            .factors(count, &mut rng)
            .zip(&self.means)
            .map(|(factor, mean)| {
                let varies = (mean - call).max(0.0);
                Span::from_secs_f64(mean - varies + varies * factor)
            })
            .collect();
        let told = self.unknowns.history_error.map(|error| {
            let mut told = |cost: &Span| cost.as_secs_f64() * misjudged(error, &mut rng);
            costs
                .iter()
                .map(|cost| Span::from_secs_f64(told(cost)))
                .collect()
        });
        (costs, told)
    }

    /// One world under one policy.
    pub fn run(&self, policy: Policy, seed: u64) -> Result<Run, SimulateError> {
        let (costs, told) = self.costs(seed);
        let mut spec = JobSpec {
            policy: policy.into(),
            ..self.spec.clone()
        };
        for (task, cost) in spec.tasks.iter_mut().zip(told.into_iter().flatten()) {
            task.cost = Some(cost);
        }
        let error = self.unknowns.history_error.unwrap_or(0.0);
        let job = new_job(spec, self.lists)?.known_to(error);
        let (known, speeds, loads) = self.farm(job.costs().load);
        let judged = Judged {
            costs: &costs,
            speeds: &speeds,
            loads: &loads,
        };
        let bound = lower_bound(&job, &known, judged).ok_or(SimulateError::NoHost)?;
        let start_delay = job.pace().start_delay;
        let world = World {
            costs,
            speeds,
            loads,
            start_delay,
            faults: self.faults(seed),
        };
        let trace = simulate(world, Farm::new(job, known)).map_err(|error| SimulateError::Sim {
            policy: policy.to_string(),
            seed,
            error,
        })?;
        Ok(Run::of(&trace, bound, &self.places))
    }

    /// The hosts as the farm is told, and what they are.
    fn farm(&self, load: Span) -> (Vec<HostSpec>, Vec<f64>, Vec<Span>) {
        let specs = || self.places.iter().map(|place| place.spec);
        let told = |spec: HostSpec| HostSpec {
            speed: if self.unknowns.speeds {
                Speed::ONE
            } else {
                spec.speed
            },
            ..spec
        };
        (
            specs().map(told).collect(),
            specs().map(|spec| spec.speed.as_f64()).collect(),
            specs().map(|spec| spec.expected_load(load)).collect(),
        )
    }

    fn faults(&self, seed: u64) -> Faults {
        let Unknowns {
            host_losses_per_hour,
            stragglers: (slow, slow_times),
            flaky,
            ..
        } = self.unknowns;
        if host_losses_per_hour <= 0.0 && slow <= 0.0 && flaky <= 0.0 {
            return Faults::default();
        }
        Faults {
            seed,
            fails: flaky,
            slow,
            slow_times,
            host_losses_per_hour,
            host_notice: HOST_NOTICE,
            host_away: HOST_AWAY,
            ..Faults::default()
        }
    }
}

fn new_job(spec: JobSpec, lists: bool) -> Result<Job, SimulateError> {
    let job = Job::new(spec).map_err(|error| SimulateError::Job(error.to_string()))?;
    Ok(if lists { job.in_lists() } else { job })
}

fn from_numbers(numbers: &Numbers) -> Result<JobSpec, SimulateError> {
    let count = numbers.frames.count();
    if count > TASKS_MAX as u64 {
        return Err(SimulateError::TooManyTasks { count });
    }
    Ok(JobSpec {
        layers: vec![LayerSpec::default()],
        tasks: numbers
            .frames
            .iter()
            .map(|frame| TaskSpec::new(LayerId(0), frame))
            .collect(),
        costs: Costs {
            load: Span::from_secs_f64(numbers.load_s),
            call: Span::from_secs_f64(numbers.call_s),
            frame: Span::from_secs_f64(numbers.frame_s),
        },
        kept: !numbers.reload,
        policy: KernelPolicy::Auto,
        limits: Limits::default(),
        pace: Pace::default(),
        first_segment: SegmentId(1),
    })
}

fn places(simulation: &Simulation<'_>) -> Result<Vec<Place>, SimulateError> {
    // A load in numbers is that of every host.
    let load = match &simulation.job {
        SimulatedJob::Numbers(numbers) => Some(Span::from_secs_f64(numbers.load_s)),
        SimulatedJob::Scene { .. } => None,
    };
    match &simulation.hosts {
        SimulatedHosts::Farm(hosts) => from_farm(hosts, &simulation.job, load),
        SimulatedHosts::Spread {
            hosts,
            slots,
            speeds,
        } => spread(*hosts, *slots, *speeds, load),
    }
}

fn from_farm(
    hosts: &[HostEntry],
    job: &SimulatedJob<'_>,
    load: Option<Span>,
) -> Result<Vec<Place>, SimulateError> {
    match job {
        SimulatedJob::Scene { prepared, .. } => {
            let mut prepared = (*prepared).clone();
            prepared.render_on(hosts.to_vec());
            Place::of_request(&prepared)
        }
        // Numbers need no tags and no memory.
        SimulatedJob::Numbers(_) => hosts
            .iter()
            .map(|host| {
                Ok(Place {
                    spec: HostSpec {
                        slots: host.slots,
                        speed: speed(host.speed)?,
                        load,
                        ..HostSpec::default()
                    },
                    slot_price: host
                        .cost_per_hour
                        .map(|price| price / f64::from(host.slots.max(1))),
                })
            })
            .collect(),
    }
}

fn spread(
    hosts: u32,
    slots: u32,
    (slowest, fastest): (f64, f64),
    load: Option<Span>,
) -> Result<Vec<Place>, SimulateError> {
    let count = u64::from(hosts) * u64::from(slots);
    if count > u64::from(SLOTS_MAX) {
        return Err(SimulateError::TooManySlots { count });
    }
    let steps = f64::from(hosts.saturating_sub(1).max(1));
    let place = |host: u32| {
        let place = f64::from(host) / steps;
        Ok(Place {
            spec: HostSpec {
                slots,
                speed: speed(slowest * (fastest / slowest).powf(place))?,
                tags: TagSet(u64::MAX),
                load,
                ..HostSpec::default()
            },
            slot_price: None,
        })
    };
    (0..hosts).map(place).collect()
}

fn speed(given: f64) -> Result<Speed, SimulateError> {
    Speed::new(given).map_err(|_| SimulateError::Speed { given })
}
