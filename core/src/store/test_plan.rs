//! A job to test with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::record::{AdapterIdentity, JobPlan, SceneIdentity, Settled, StoredOutput};
use crate::request::{FarmLimits, HostEntry, LinkKind, Policy, Request, SegmentSize, Split};

/// A plan with every field filled in.
pub(crate) fn plan(scene: &Path) -> JobPlan {
    JobPlan {
        request: Request {
            assets: Vec::new(),
            scene: scene.to_owned(),
            adapter: Some("stub".to_owned()),
            adapter_path: vec![PathBuf::from("/adapters")],
            frames: Some("1-3".to_owned()),
            layers: vec!["beauty".to_owned()],
            split: Split::Frames,
            tiles: None,
            overlap: None,
            policy: Policy::Fixed(3),
            segment: Some(SegmentSize { min: 1, max: 2 }),
            priority: Some("2".to_owned()),
            video: Some(PathBuf::from("/o/a.mp4")),
            contact_sheet: Some(PathBuf::from("/o/a.png")),
            view: Some("srgb".to_owned()),
            output: Some(PathBuf::from("/o/a.####.png")),
            working_folder: PathBuf::from("/work"),
            overwrite: false,
            tags: vec!["gpu".to_owned()],
            memory_bytes: Some(1 << 30),
            hosts: vec![HostEntry {
                cost_per_hour: Some(0.85),
                ..HostEntry::new("local", LinkKind::Local, 2)
            }],
            limits: FarmLimits {
                dispatch_interval_s: 0.5,
                loads_max: Some(8),
            },
            max_load_share: Some(0.3),
            settings: BTreeMap::from([("samples".to_owned(), "4".to_owned())]),
            retries: 2,
            task_limit_s: Some(60.0),
            keep_going: true,
            note: Some("for dailies".to_owned()),
            history: true,
        },
        adapter: AdapterIdentity {
            id: "stub".to_owned(),
            version: "0.1.0".to_owned(),
            manifest: PathBuf::from("/adapters/stub/adapter.toml"),
        },
        scene: SceneIdentity {
            path: scene.to_owned(),
            hash: "00".repeat(32),
            bytes: 12,
            modified: Timestamp::UNIX_EPOCH,
            summary: serde_json::json!({"first": 1, "last": 3}),
        },
        settled: Settled {
            tiling: None,
            frames: "1-3".to_owned(),
            layers: Vec::new(),
            output: Some(StoredOutput {
                folder: PathBuf::from("/"),
                pattern: "o/a.####.png".to_owned(),
                format: "png".to_owned(),
            }),
        },
    }
}
