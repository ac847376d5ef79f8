//! What a task costs.
//!
//! ```text
//! task = (frame(n) × weight(layer) / Σ weights × tile's part of the frame + call) × slow(host)
//! ```
//!
//! `frame(n)` is a function of the scene and the frame number only, so a frame costs the same on
//! every host, in every attempt and in every run, and a schedule can be checked against it.
//! Random costs are log-normal: with cv the coefficient of variation, σ² = ln(1 + cv²) and
//! μ = ln(mean) − σ²/2, cost = exp(μ + σ z), z standard normal by Box–Muller from two numbers
//! mixed out of (seed, n).

use std::time::Duration;

use super::hash;
use super::scene::{FrameCost, LayerChoice, Scene};
use super::task::Rectangle;

/// Longest time that a task may take; a product of large numbers must stay a duration.
const TASK_S_MAX: f64 = 365.0 * 24.0 * 3600.0;

/// What a whole frame costs on a host of normal speed, all layers together, calls not counted.
pub fn frame(scene: &Scene, number: i32) -> Duration {
    match &scene.frame_cost {
        FrameCost::Constant(cost) => *cost,
        FrameCost::List(costs) => {
            let index = scene.frames.index(number).rem_euclid(costs.len() as i64);
            costs[index as usize]
        }
        FrameCost::Random { mean, cv, seed } => {
            let key = hash::mix(*seed) ^ hash::mix(i64::from(number) as u64);
            // 1 − u lies in (0, 1], whose logarithm exists.
            let radius = (-2.0 * (1.0 - hash::unit(hash::mix(key))).ln()).sqrt();
            let angle = std::f64::consts::TAU * hash::unit(hash::mix(key ^ 1));
            let variance = (1.0 + cv * cv).ln();
            let exponent = variance.sqrt() * radius * angle.cos() - variance / 2.0;
            seconds(mean.as_secs_f64() * exponent.exp())
        }
    }
}

/// The mean of [`frame`] over the scene's own frames, as the scene declares it.
pub fn frame_mean(scene: &Scene) -> Duration {
    match &scene.frame_cost {
        FrameCost::Constant(cost) => *cost,
        FrameCost::Random { mean, .. } => *mean,
        FrameCost::List(costs) => {
            let count = scene.frames.count();
            let rounds = count / costs.len() as u64;
            let rest = (count % costs.len() as u64) as usize;
            let sum = |part: &[Duration]| part.iter().map(Duration::as_secs_f64).sum::<f64>();
            seconds((sum(costs) * rounds as f64 + sum(&costs[..rest])) / count as f64)
        }
    }
}

/// What a part of the frame costs, a pixel outside all areas being 1.
pub fn pixels(scene: &Scene, part: &Rectangle) -> f64 {
    let frame = Rectangle {
        x: 0,
        y: 0,
        width: scene.width,
        height: scene.height,
    };
    let dearer = scene
        .areas
        .iter()
        .map(|area| area.part.shared(part) as f64 * (area.cost - 1.0));
    // Areas that overlap may take more than all away.
    (frame.shared(part) as f64 + dearer.sum::<f64>()).max(0.0)
}

/// What one task costs on `host`; `area` is the tile's share of the frame's cost, 0 to 1.
pub fn task(scene: &Scene, host: &str, layer: LayerChoice<'_>, number: i32, area: f64) -> Duration {
    let share = match layer {
        LayerChoice::All => 1.0,
        LayerChoice::One(layer) => {
            layer.weight / scene.layers.iter().map(|other| other.weight).sum::<f64>()
        }
    };
    let pure = frame(scene, number).as_secs_f64() * share * area;
    seconds((pure + scene.call.as_secs_f64()) * scene.slowness(host))
}

fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value.clamp(0.0, TASK_S_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn scene(text: &str) -> Scene {
        Scene::parse(text, Path::new("t.stub.toml")).expect("a right scene")
    }

    #[test]
    fn random_costs_are_the_same_each_time_and_have_the_mean_and_spread_asked_for() {
        let scene = scene("frames = \"1-20000\"\nframe = { mean = \"200ms\", cv = 0.5, seed = 7 }");
        let costs: Vec<f64> = (1..=20_000)
            .map(|n| frame(&scene, n).as_secs_f64())
            .collect();
        let mean = costs.iter().sum::<f64>() / costs.len() as f64;
        let variance = costs.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / costs.len() as f64;
        assert!((mean - 0.2).abs() < 0.003, "{mean}");
        let cv = variance.sqrt() / mean;
        assert!((cv - 0.5).abs() < 0.02, "{cv}");
        assert_eq!(frame(&scene, 17), frame(&scene, 17));
    }

    #[test]
    fn a_seed_changes_which_frames_are_heavy() {
        let with = |seed: u32| {
            scene(&format!(
                "frames = \"1-9\"\nframe = {{ mean = \"1s\", cv = 1.0, seed = {seed} }}"
            ))
        };
        assert_ne!(frame(&with(1), 5), frame(&with(2), 5));
    }

    #[test]
    fn a_list_follows_the_scenes_order_and_starts_again() {
        let scene = scene("frames = \"11-19x2\"\nframe = [\"1s\", \"2s\", \"4s\"]");
        let costs: Vec<u64> = [11, 13, 15, 17, 19, 9]
            .iter()
            .map(|&n| frame(&scene, n).as_secs())
            .collect();
        assert_eq!(costs, [1, 2, 4, 1, 2, 4]);
        assert_eq!(frame_mean(&scene), Duration::from_secs(2));
    }

    #[test]
    fn dear_areas_take_the_time_of_others() {
        let scene = scene(
            "frames = \"1-2\"\nwidth = 100\nheight = 100\n\
             areas = [{ x = 50, y = 0, width = 50, height = 100, cost = 3.0 }]",
        );
        let cost = |x, width| {
            let part = Rectangle {
                x,
                y: 0,
                width,
                height: 100,
            };
            pixels(&scene, &part)
        };
        assert_eq!(
            (cost(0, 100), cost(0, 50), cost(40, 20)),
            (20_000.0, 5_000.0, 4_000.0)
        );
    }

    #[test]
    fn a_task_pays_its_share_and_the_call_on_a_slow_host() {
        let scene = scene(
            "frames = \"1-2\"\nframe = \"1s\"\ncall = \"100ms\"\nslow = { b = 2.0 }\n\
             layers = [{ name = \"x\", weight = 3.0 }, { name = \"y\" }]",
        );
        let cost = |host, layer, area| {
            let layer = scene.layer(layer).expect("a layer");
            task(&scene, host, layer, 1, area).as_millis()
        };
        assert_eq!(cost("a", "x", 1.0), 850);
        assert_eq!(cost("a", "y", 0.5), 225);
        assert_eq!(cost("b", "y", 0.5), 450);
        assert_eq!(cost("a", "", 1.0), 1100);
    }
}
