//! What an adapter found in a scene, as the documents show it.

use framewright_core::data::{Asset, Basis, Cost, Layer, Scene, Scope};
use framewright_core::frames::{Frame, FrameSet};
use framewright_core::request::Split;
use framewright_core::run::{Plan, Prepared, Remembered, Saturation};
use framewright_core::split::Tiling;

use crate::documents::{
    AfterReport, AssetReport, BasisReport, InspectReport, InspectScene, LayerReport, PlanBasis,
    PlanReport, PlanScene, PlanSegment, Predicted, SaturationReport, TilesReport, TilingReport,
};
use crate::history::PlanHistory;

/// `inspect`, from the adapter's id and answer.
pub(crate) fn inspect_report(adapter: &str, scene: &Scene) -> InspectReport {
    let costs = &scene.costs;
    InspectReport {
        adapter: adapter.to_owned(),
        scene: InspectScene {
            frames: frames(scene),
            step: scene.step.max(1),
            fps: scene.fps,
            width: scene.width,
            height: scene.height,
            camera: scene.camera.clone(),
            cameras: scene.cameras.clone(),
            engine: scene.engine.clone(),
            layers: scene
                .layers
                .iter()
                .map(|layer| layer_report(layer, true))
                .collect(),
            load_s: known(costs.load_s),
            call_s: known(costs.call_s),
            frame_s: known(costs.frame_s),
            memory_bytes: Some(scene.memory_bytes).filter(|bytes| *bytes > 0),
            basis: BasisReport {
                load_s: basis(costs.load_s),
                call_s: basis(costs.call_s),
                frame_s: basis(costs.frame_s),
            },
            assets: scene.assets.iter().map(asset).collect(),
            tiles: TilesReport {
                exact: scene.tiles.exact,
                margin: scene.tiles.margin,
                why: scene.tiles.why.clone(),
            },
            warnings: scene.warnings.clone(),
        },
    }
}

/// `plan`, from a settled job and what the kernel made of it.
pub(crate) fn plan_report(prepared: &Prepared, plan: &Plan) -> PlanReport {
    let segments = plan.segments.iter().map(|segment| PlanSegment {
        id: segment.segment,
        host: segment.host.clone(),
        layer: segment.layer.clone(),
        frames: frame_list(&segment.frames),
        tile: match &segment.tiles[..] {
            [only] => only.tile().map(|tile| tile.to_string()),
            _ => None,
        },
        tasks: segment.tiles.iter().map(ToString::to_string).collect(),
        start_s: segment.start_s,
        end_s: segment.end_s,
    });
    let predicted = &plan.predicted;
    PlanReport {
        adapter: prepared.inspection.description.id.clone(),
        scene: plan_scene(
            &prepared.inspection.scene,
            &prepared.frames,
            prepared.remembered.as_ref(),
        ),
        split: split(prepared),
        tiles: prepared.tasks.tiling().map(tiling_report),
        why: prepared.why.clone(),
        tasks: prepared.tasks.len(),
        segments: segments.collect(),
        predicted: Predicted {
            makespan_s: predicted.makespan_s,
            lower_bound_s: predicted.lower_bound_s,
            ratio: ratio(predicted.makespan_s, predicted.lower_bound_s),
            load_s: predicted.load_s,
            loads: u64::from(predicted.loads),
            hosts_busy_max: predicted.slots_busy_max,
            saturation: plan.saturation.as_ref().map(saturation),
        },
        warnings: [&prepared.warnings[..], &plan.warnings].concat(),
        compare: None,
    }
}

/// How the job is split, in one word; where layers and tiles are both rendered apart, `tiles` says the
/// rest.
fn split(prepared: &Prepared) -> Split {
    match (prepared.layers.is_empty(), prepared.tasks.tiling()) {
        (false, _) => Split::Layers,
        // The last frames only.
        (true, Some(tiling)) if tiling.frames().is_some() => Split::Frames,
        (true, Some(_)) => Split::Tiles,
        (true, None) => Split::Frames,
    }
}

fn tiling_report(tiling: &Tiling) -> TilingReport {
    let (columns, rows) = tiling.size();
    TilingReport {
        columns,
        rows,
        tiles: u32::try_from(tiling.tiles().len()).unwrap_or(u32::MAX),
        frames: tiling.frames().map(ToString::to_string),
    }
}

fn saturation(of: &Saturation) -> SaturationReport {
    SaturationReport {
        interval_s: of.interval_s,
        loads_max: of.loads_max,
        segment_tasks: of.segment.tasks,
        segment_s: of.segment.seconds,
        load_share: of.segment.load_share(),
        slots_fed: of.slots_fed,
        slots: of.slots,
        advice: of.advice.clone(),
    }
}

/// Frames as a set; empty for none.
fn frame_list(frames: &[i32]) -> String {
    FrameSet::from_frames(frames.iter().map(|frame| Frame(*frame)))
        .map(|set| set.to_string())
        .unwrap_or_default()
}

/// How far a makespan is from its bound; 1 where nothing has to be done.
fn ratio(makespan_s: f64, bound_s: f64) -> f64 {
    if bound_s > 0.0 {
        makespan_s / bound_s
    } else {
        1.0
    }
}

/// The scene of a `plan` for these frames: what was measured before stands for what is declared.
fn plan_scene(scene: &Scene, frames: &FrameSet, remembered: Option<&Remembered>) -> PlanScene {
    let load = remembered.and_then(|known| known.load_s);
    let frame = remembered.and_then(Remembered::frame_s);
    let costs = &scene.costs;
    let basis_of = |measured: Option<f64>, cost| match measured {
        Some(_) => "history",
        None => basis(cost),
    };
    PlanScene {
        frames: frames.to_string(),
        fps: scene.fps,
        width: scene.width,
        height: scene.height,
        layers: scene
            .layers
            .iter()
            .map(|layer| layer_report(layer, false))
            .collect(),
        load_s: load.or(known(costs.load_s)),
        frame_s: frame.or(known(costs.frame_s)),
        memory_bytes: Some(scene.memory_bytes).filter(|bytes| *bytes > 0),
        assets: scene.assets.iter().map(asset).collect(),
        basis: PlanBasis {
            load_s: basis_of(load, costs.load_s),
            frame_s: basis_of(frame, costs.frame_s),
        },
        history: remembered.map(PlanHistory::from),
    }
}

/// The scene's own frames as a frame set; as it stands in the scene where it is none.
fn frames(scene: &Scene) -> String {
    let (first, last, step) = (scene.first, scene.last, scene.step.max(1));
    let separator = if first < 0 || last < 0 { ".." } else { "-" };
    match (first == last, step) {
        (true, _) => first.to_string(),
        (false, 1) => format!("{first}{separator}{last}"),
        (false, step) => format!("{first}{separator}{last}x{step}"),
    }
}

fn layer_report(layer: &Layer, with_passes: bool) -> LayerReport {
    let scope = |scope| match scope {
        Scope::Frame => "frame",
        Scope::Layer => "layer",
    };
    LayerReport {
        name: layer.name.clone(),
        after: layer
            .after
            .iter()
            .map(|after| AfterReport {
                layer: after.layer.clone(),
                scope: scope(after.scope),
            })
            .collect(),
        weight: layer.weight,
        passes: with_passes.then(|| layer.passes.clone()),
    }
}

fn asset(asset: &Asset) -> AssetReport {
    AssetReport {
        path: asset.path.clone(),
        bytes: asset.bytes,
        missing: asset.missing,
    }
}

/// A cost that somebody knows: the number of an unknown one means nothing.
fn known(cost: Cost) -> Option<f64> {
    (cost.basis != Basis::Unknown && cost.seconds.is_finite()).then_some(cost.seconds)
}

fn basis(cost: Cost) -> &'static str {
    match cost.basis {
        Basis::Unknown => "unknown",
        Basis::Estimated => "estimated",
        Basis::Declared => "declared",
        Basis::Measured => "measured",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Document;
    use framewright_core::data::{After, Costs, Tiling};

    fn scene() -> Scene {
        Scene {
            first: 1,
            last: 100,
            step: 2,
            fps: 24.0,
            width: 320,
            height: 180,
            camera: Some("Cam".into()),
            cameras: vec!["Cam".into(), "Other".into()],
            engine: Some("CYCLES".into()),
            layers: vec![
                Layer {
                    name: "beauty".into(),
                    weight: 1.0,
                    passes: vec!["Combined".into()],
                    ..Layer::default()
                },
                Layer {
                    name: "shadow".into(),
                    weight: 0.3,
                    after: vec![After {
                        layer: "beauty".into(),
                        scope: Scope::Frame,
                    }],
                    ..Layer::default()
                },
            ],
            costs: Costs {
                load_s: Cost {
                    seconds: 8.0,
                    basis: Basis::Measured,
                },
                call_s: Cost::default(),
                frame_s: Cost {
                    seconds: 2.5,
                    basis: Basis::Estimated,
                },
            },
            memory_bytes: 64 << 20,
            assets: vec![
                Asset {
                    path: "/tex/wood.png".into(),
                    bytes: 1024,
                    missing: false,
                    kind: "image".into(),
                    absolute: false,
                },
                Asset {
                    path: "/tex/gone.png".into(),
                    bytes: 0,
                    missing: true,
                    kind: "image".into(),
                    absolute: true,
                },
            ],
            tiles: Tiling {
                exact: false,
                margin: 0,
                why: "the compositor is used".into(),
                ..Tiling::default()
            },
            warnings: vec!["1 texture is missing".into()],
            ..Scene::default()
        }
    }

    #[test]
    fn the_document_has_every_key_that_is_promised() {
        let json =
            serde_json::to_string(&Document::new(inspect_report("blender", &scene()))).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"format":1,"adapter":"blender","scene":{"frames":"1-100x2","step":2,"fps":24.0,"width":320,"height":180,"#,
                r#""camera":"Cam","cameras":["Cam","Other"],"engine":"CYCLES","#,
                r#""layers":[{"name":"beauty","after":[],"weight":1.0,"passes":["Combined"]},"#,
                r#"{"name":"shadow","after":[{"layer":"beauty","scope":"frame"}],"weight":0.3,"passes":[]}],"#,
                r#""load_s":8.0,"call_s":null,"frame_s":2.5,"memory_bytes":67108864,"#,
                r#""basis":{"load_s":"measured","call_s":"unknown","frame_s":"estimated"},"#,
                r#""assets":[{"path":"/tex/wood.png","bytes":1024,"missing":false},{"path":"/tex/gone.png","bytes":0,"missing":true}],"#,
                r#""tiles":{"exact":false,"margin":0,"why":"the compositor is used"},"warnings":["1 texture is missing"]}}"#
            )
        );
    }

    #[test]
    fn people_see_the_missing_asset_and_the_unknown_cost() {
        let text = crate::tables::inspect::text(&inspect_report("blender", &scene()), None);
        insta::assert_snapshot!(text, @r#"
        adapter    blender
        frames     1-100x2 at 24 a second
        picture    320 x 180 pixels
        engine     CYCLES
        camera     Cam (and 1 other)
        load       8.0s (measured)
        call       unknown
        frame      2.5s (estimated)
        memory     64MiB
        tiles      not exact: the compositor is used

        LAYER   WEIGHT  AFTER   PASSES
        beauty    1.00          Combined
        shadow    0.30  beauty

        ASSET             SIZE
        /tex/gone.png  missing
        /tex/wood.png     1KiB

        warning: 1 texture is missing
        "#);
    }

    #[test]
    fn the_scene_s_frames_are_a_frame_set() {
        for (first, last, step) in [
            (1, 1, 1),
            (1, 100, 1),
            (-10, -1, 1),
            (-10, 20, 5),
            (5, 1, 0),
        ] {
            let text = frames(&Scene {
                first,
                last,
                step,
                ..Scene::default()
            });
            assert_eq!(text.parse::<FrameSet>().is_ok(), first <= last, "{text}");
        }
    }

    #[test]
    fn a_plan_leaves_passes_out() {
        let frames = "1-9".parse::<FrameSet>().unwrap();
        let json = serde_json::to_string(&plan_scene(&scene(), &frames, None)).unwrap();
        assert!(!json.contains("passes"), "{json}");
        assert!(json.starts_with(r#"{"frames":"1-9","#), "{json}");
    }
}
