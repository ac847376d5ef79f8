//! What is chosen, on jobs that are made as a render makes them.

use framewright_kernel::farm::Farm;
use framewright_kernel::frames::Frame;
use framewright_kernel::hosts::{HostSpec, Speed};
use framewright_kernel::ids::{LayerId, SegmentId, TileId};
use framewright_kernel::job::{Costs, Job, JobSpec, LayerSpec, TaskSpec};
use framewright_kernel::policy::{Limits, Pace, Policy};
use framewright_kernel::time::Span;

use super::{Candidate, Choice, Facts, Part, Tiled, Trial, choose, grid};

const GUESS_S: f64 = 10.0;

/// A job of which everything is known.
#[derive(Clone)]
struct Shot {
    facts: Facts,
    load_s: f64,
    kept: bool,
    layers: Vec<LayerSpec>,
}

impl Shot {
    fn new(frames: u32, frame_s: f64, slots: usize) -> Shot {
        Shot {
            facts: Facts {
                frames,
                width: 3840,
                height: 2160,
                speeds: vec![1.0; slots],
                layers: Part::Open,
                layer_count: 1,
                tiles: Part::Open,
                overlap: 0,
                align: 0,
                call_s: Some(0.5),
                frame_s: Some(frame_s),
            },
            load_s: 10.0,
            kept: true,
            layers: vec![LayerSpec::default()],
        }
    }

    fn with_layers(mut self, weights: &[f64]) -> Shot {
        let layer = |weight: &f64| LayerSpec {
            weight: *weight,
            ..LayerSpec::default()
        };
        self.layers = weights.iter().map(layer).collect();
        self.facts.layer_count = weights.len() as u32;
        self
    }

    fn tasks(&self, candidate: Candidate) -> Option<Vec<TaskSpec>> {
        let Facts {
            frames,
            width,
            height,
            overlap,
            align,
            ..
        } = self.facts;
        let (grid_of, first) = match candidate.tiled {
            Tiled::None => (None, frames),
            Tiled::Last { frames: last, grid } => (Some(grid), frames - last),
            Tiled::All(grid) => (Some(grid), 0),
        };
        let tiles = match grid_of {
            Some(of) => grid(width, height, of.columns, of.rows, overlap, align).ok()?,
            None => Vec::new(),
        };
        let area = f64::from(width) * f64::from(height);
        let layers = if candidate.layers {
            self.layers.len()
        } else {
            1
        };
        let mut tasks = Vec::new();
        for layer in 0..layers {
            for frame in 0..frames {
                let task = TaskSpec::new(LayerId(layer as u16), Frame(frame as i32));
                if frame < first {
                    tasks.push(task);
                    continue;
                }
                tasks.extend(tiles.iter().enumerate().map(|(index, tile)| TaskSpec {
                    tile: Some(TileId(index as u16)),
                    share: Some(tile.at.pixels() as f64 / area),
                    last: first > 0,
                    ..task
                }));
            }
        }
        Some(tasks)
    }

    fn make(&self, candidate: Candidate) -> Option<Trial> {
        let one = vec![LayerSpec::default()];
        let job = Job::new(JobSpec {
            layers: if candidate.layers {
                self.layers.clone()
            } else {
                one
            },
            tasks: self.tasks(candidate)?,
            costs: Costs {
                load: Span::from_secs_f64(self.load_s),
                call: Span::from_secs_f64(self.facts.call_s.unwrap_or(0.0)),
                frame: Span::from_secs_f64(self.facts.frame_s.unwrap_or(GUESS_S)),
            },
            kept: self.kept,
            policy: Policy::Auto,
            limits: Limits::default(),
            pace: Pace::default(),
            first_segment: SegmentId(1),
        });
        let host = |speed: &f64| HostSpec {
            speed: Speed::new(*speed).unwrap_or(Speed::ONE),
            ..HostSpec::default()
        };
        let hosts: Vec<HostSpec> = self.facts.speeds.iter().map(host).collect();
        Some(Trial {
            farm: Farm::new(job.ok()?.in_lists(), hosts.clone()),
            hosts,
        })
    }

    fn choose(&self) -> Choice {
        choose(&self.facts, GUESS_S, &mut |candidate| self.make(candidate))
    }
}

#[test]
fn a_still_on_many_slots_is_tiled() {
    let choice = Shot::new(1, 600.0, 20).choose();
    assert_eq!(
        choice.sentence,
        "tiles 12x7: 1 frame for 20 slots; 48s instead of 10m11s"
    );
}

#[test]
fn frames_are_enough_where_there_are_more_of_them_than_slots() {
    let shot = Shot::new(300, 60.0, 30);
    let choice = shot.choose();
    assert_eq!(choice.split, Candidate::FRAMES);
    // What cannot be bettered is not tried.
    assert_eq!(choice.candidates.len(), 1);
    assert_eq!(choice.sentence, "frames: 300 frames for 30 slots; 10m15s");
}

#[test]
fn a_still_that_is_quick_stays_whole() {
    for frame_s in [0.4, 2.0, 3.0] {
        let choice = Shot::new(1, frame_s, 20).choose();
        assert_eq!(choice.split, Candidate::FRAMES, "{frame_s}");
    }
}

#[test]
fn the_last_frames_are_tiled_where_a_round_of_frames_is_not_full() {
    let choice = Shot::new(45, 300.0, 20).choose();
    let Tiled::Last { frames, .. } = choice.split.tiled else {
        panic!("{}", choice.sentence);
    };
    // Longer than what is left over: frames are not all alike.
    assert!((6..=20).contains(&frames), "{}", choice.sentence);
    assert_eq!(
        choice.sentence,
        "frames, the last 20 frames in tiles 2x2: 45 frames for 20 slots; 11m28s instead of 15m12s"
    );
    let seconds = |split| {
        let found = choice.candidates.iter().find(|(what, _)| *what == split);
        found.map(|(_, seconds)| *seconds).unwrap()
    };
    let (with, without) = (seconds(choice.split), seconds(Candidate::FRAMES));
    assert!(with < 0.8 * without, "{with} {without}");
}

#[test]
fn heavy_independent_layers_are_split_where_frames_are_few() {
    let mut shot = Shot::new(5, 300.0, 15).with_layers(&[1.0, 1.0, 1.0]);
    shot.facts.tiles = Part::Never;
    let choice = shot.choose();
    assert_eq!(
        choice.sentence,
        "layers: 5 frames of 3 layers for 15 slots; 1m51s instead of 5m11s"
    );
    // A layer that is nearly all of it gains nothing.
    let mut uneven = Shot::new(5, 300.0, 15).with_layers(&[100.0, 0.5, 0.5]);
    uneven.facts.tiles = Part::Never;
    assert_eq!(uneven.choose().split, Candidate::FRAMES);
}

#[test]
fn what_is_wanted_is_done_and_the_rest_decided() {
    let mut shot = Shot::new(2, 300.0, 20).with_layers(&[3.0, 1.0]);
    shot.facts.layers = Part::Always;
    let choice = shot.choose();
    assert!(choice.split.layers);
    assert!(
        matches!(choice.split.tiled, Tiled::All(_)),
        "{}",
        choice.sentence
    );
    let mut tiles = Shot::new(300, 60.0, 10);
    tiles.facts.tiles = Part::Always;
    assert!(matches!(tiles.choose().split.tiled, Tiled::All(_)));
}

#[test]
fn where_calls_are_dear_tiles_do_not_pay() {
    let mut shot = Shot::new(1, 60.0, 20);
    shot.facts.call_s = Some(55.0);
    assert_eq!(shot.choose().split, Candidate::FRAMES);
}

#[test]
fn the_same_facts_give_the_same_choice() {
    let mut shot = Shot::new(23, 120.0, 17).with_layers(&[2.0, 1.0]);
    shot.facts.speeds = (0..17).map(|slot| 0.5 + f64::from(slot) * 0.1).collect();
    assert_eq!(shot.choose(), shot.choose());
}
