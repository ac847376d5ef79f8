use std::path::Path;

use super::*;
use crate::exit::Exit;
use framewright_core::request::SegmentSize;

struct World {
    folder: tempfile::TempDir,
    around: Surroundings,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shot.blend"), "x").unwrap();
        let around = Surroundings {
            working_folder: folder.path().to_owned(),
            state_dir: folder.path().join("state"),
            user_farm: None,
            executable: "/bin/true".into(),
            adapters: Default::default(),
            cores: 1,
            terminal_moves: false,
        };
        Self { folder, around }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settle(&self, change: impl FnOnce(&mut JobArgs)) -> Result<Settled, Presentable> {
        let mut args = JobArgs {
            scene: Some("shot.blend".into()),
            ..JobArgs::default()
        };
        change(&mut args);
        settle(&args, &[], &self.around)
    }

    fn refusal(&self, change: impl FnOnce(&mut JobArgs)) -> String {
        let problem = self.settle(change).unwrap_err();
        assert_eq!(problem.exit, Exit::Usage, "{problem:?}");
        problem.message
    }
}

#[test]
fn defaults_are_what_the_manual_says() {
    let world = World::new();
    let request = world.settle(|_| {}).unwrap().request;
    assert_eq!(request.scene, world.path("shot.blend"));
    assert_eq!(request.retries, RETRIES);
    assert!(request.keep_going);
    assert_eq!(
        (request.frames, request.output, request.segment),
        (None, None, None)
    );
    assert_eq!(request.hosts.len(), 1);
}

#[test]
fn every_option_reaches_the_request() {
    let world = World::new();
    let request = world
        .settle(|args| {
            args.frames = Some("-10..-1".into());
            args.policy = Some("fixed:10".into());
            args.segment = Some("10..40".into());
            args.max_load_share = Some("30%".into());
            args.priority = Some("-5".into());
            args.retries = Some(0);
            args.task_limit = Some("2h".into());
            args.fail_fast = true;
            args.note = Some("for dailies".into());
            args.output = Some("out/a b.####.exr".into());
            args.overwrite = true;
            args.tags = vec!["gpu".into()];
            args.memory = Some("40GiB".into());
            args.local = Some(3);
            args.adapter = Some("blender".into());
            args.set = vec!["samples=1".into(), "samples=16".into(), "expr=a=b".into()];
        })
        .unwrap()
        .request;
    assert_eq!(request.frames.as_deref(), Some("-10..-1"));
    assert_eq!(request.policy, Policy::Fixed(10));
    assert_eq!(request.segment, Some(SegmentSize { min: 10, max: 40 }));
    assert_eq!(request.max_load_share, Some(0.3));
    assert_eq!((request.retries, request.keep_going), (0, false));
    assert_eq!(request.task_limit_s, Some(7200.0));
    assert_eq!(request.output, Some(world.path("out/a b.####.exr")));
    assert_eq!(request.memory_bytes, Some(40 << 30));
    assert_eq!(request.hosts[0].slots, 3);
    assert_eq!(request.settings["samples"], "16");
    assert_eq!(request.settings["expr"], "a=b");
}

#[test]
fn a_scene_that_is_none_is_refused_with_its_own_sentence() {
    let world = World::new();
    std::fs::create_dir(world.path("folder.blend")).unwrap();
    let refusal = |scene: &str| world.refusal(|args| args.scene = Some(scene.into()));
    assert_eq!(refusal("none.blend"), "there is no scene none.blend");
    assert_eq!(
        refusal("folder.blend"),
        "folder.blend is a folder, not a scene"
    );
    assert_eq!(refusal("a\nb"), "there is no scene a\\nb");
    assert_eq!(refusal(""), "no scene is named");
    assert_eq!(world.refusal(|args| args.scene = None), "no scene is named");
    assert!(refusal("/dev/null").contains("no file that a scene can be read from"));
}

#[test]
fn a_scene_whose_path_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let name = Path::new(std::ffi::OsStr::from_bytes(b"shot\xff.blend"));
    std::fs::write(world.folder.path().join(name), "x").unwrap();
    let message = world.refusal(|args| args.scene = Some(name.to_owned()));
    assert!(
        message.starts_with("the path of the scene is not UTF-8"),
        "{message}"
    );
}

#[test]
fn odd_file_names_are_scenes_like_any_other() {
    let world = World::new();
    for name in [
        "a b.blend",
        "it's \"x\".blend",
        "$(touch x).blend",
        "-odd.blend",
        "line\nbreak.blend",
    ] {
        std::fs::write(world.path(name), "x").unwrap();
        let request = world
            .settle(|args| args.scene = Some(name.into()))
            .unwrap()
            .request;
        assert_eq!(request.scene, world.path(name));
    }
}

#[test]
fn absurd_empty_and_reversed_frame_sets_are_refused() {
    let world = World::new();
    for frames in [
        "",
        " ",
        "10-1",
        "1-99999999999",
        "1-2000000000",
        "a",
        "1,,2",
        "1-10,!1-10",
        "1-10x0",
        "1--",
        "1;2",
    ] {
        let message = world.refusal(|args| args.frames = Some(frames.into()));
        assert!(message.starts_with("--frames "), "{message}");
        let message = world.refusal(|args| args.priority = Some(frames.into()));
        assert!(message.starts_with("--priority "), "{message}");
    }
    // What clap takes as a value because frames may begin with a dash.
    assert_eq!(
        world.refusal(|args| args.frames = Some("--output".into())),
        "--frames wants frames, but `--output` follows it"
    );
}

#[test]
fn a_folder_is_no_output_pattern() {
    let world = World::new();
    let refusal = |output: &str| world.refusal(|args| args.output = Some(output.into()));
    assert!(refusal("out/").contains("is a folder"));
    assert!(refusal(".").contains("is a folder"));
    let still = world
        .settle(|args| args.output = Some("still.png".into()))
        .unwrap()
        .request;
    assert_eq!(still.output, Some(world.path("still.png")));
}

#[test]
fn films_and_sheets_are_whole_paths() {
    let world = World::new();
    let request = world
        .settle(|args| {
            args.video = Some("films/a.mp4".into());
            args.contact_sheet = Some("/sheets/a.png".into());
            args.view = Some("looks/Warm.CUBE".into());
        })
        .unwrap()
        .request;
    assert_eq!(request.video, Some(world.path("films/a.mp4")));
    assert_eq!(request.contact_sheet, Some("/sheets/a.png".into()));
    let view = world.path("looks/Warm.CUBE");
    assert_eq!(request.view.as_deref(), view.to_str());
    let named = world.settle(|args| args.view = Some("rec709".into()));
    assert_eq!(named.unwrap().request.view.as_deref(), Some("rec709"));
    let refused = world.refusal(|args| args.video = Some(".".into()));
    assert!(refused.contains("is a folder"), "{refused}");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let world = World::new();
    assert!(
        world
            .refusal(|args| args.policy = Some("fixed:0".into()))
            .contains("fixed:0")
    );
    assert!(
        world
            .refusal(|args| args.policy = Some("best".into()))
            .contains("best")
    );
    assert!(
        world
            .refusal(|args| args.segment = Some("40..10".into()))
            .contains("reversed")
    );
    assert!(
        world
            .refusal(|args| args.retries = Some(5000))
            .contains("too many")
    );
    assert!(
        world
            .refusal(|args| args.task_limit = Some("0s".into()))
            .contains("no task finish")
    );
    assert!(
        world
            .refusal(|args| args.task_limit = Some("30".into()))
            .contains("no duration")
    );
    assert!(
        world
            .refusal(|args| args.memory = Some("lots".into()))
            .contains("no size")
    );
    assert!(
        world
            .refusal(|args| args.set = vec!["samples".into()])
            .contains("no KEY=VALUE")
    );
    assert!(
        world
            .refusal(|args| args.note = Some("x".repeat(5000)))
            .contains("5000 bytes")
    );
}

mod job_files {
    use super::*;
    use crate::args::job_file::fill_render;
    use crate::args::low::{Common, Format, RenderArgs};

    fn common() -> Common {
        Common {
            format: None,
            quiet: false,
            verbose: false,
            state_dir: None,
            adapter_path: Vec::new(),
        }
    }

    fn filled(
        text: &str,
        typed: impl FnOnce(&mut RenderArgs),
    ) -> Result<(RenderArgs, Common, PathBuf), Presentable> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shot.toml");
        std::fs::write(&file, text).unwrap();
        let mut args = RenderArgs::default();
        args.job.job = Some(file);
        typed(&mut args);
        let mut common = common();
        fill_render(&mut args, &mut common)?;
        Ok((args, common, folder.path().to_owned()))
    }

    #[test]
    fn a_job_file_says_what_the_options_say() {
        let text = r#"
            scene = "shot.blend"
            frames = 12
            layers = ["a", "b"]
            segment = "10..40"
            output = "out/####.exr"
            tags = "gpu,big"
            retries = 4
            task-limit = "2h"
            fail-fast = true
            format = "json"
            events = "events.jsonl"
            adapter-path = "adapters"
            [set]
            samples = 16
            denoise = true
            engine = "CYCLES"
        "#;
        let (args, common, folder) = filled(text, |_| {}).unwrap();
        let job = &args.job;
        assert_eq!(job.scene, Some(folder.join("shot.blend")));
        assert_eq!(job.output, Some(folder.join("out/####.exr")));
        assert_eq!(args.events, Some(folder.join("events.jsonl")));
        assert_eq!(common.adapter_path, [folder.join("adapters")]);
        assert_eq!(common.format, Some(Format::Json));
        assert_eq!(job.frames.as_deref(), Some("12"));
        assert_eq!(
            (job.layers.len(), job.tags.len(), job.retries),
            (2, 2, Some(4))
        );
        assert!(job.fail_fast && !job.keep_going);
        assert_eq!(job.set, ["denoise=true", "engine=CYCLES", "samples=16"]);
    }

    #[test]
    fn what_is_typed_wins() {
        let text =
            "scene = 'a.blend'\nframes = '1-10'\nlocal = 4\nfail-fast = true\n[set]\nsamples = 1\n";
        let (args, _, _) = filled(text, |args| {
            args.job.frames = Some("5".into());
            args.job.host = vec!["n1".into()];
            args.job.keep_going = true;
            args.job.set = vec!["samples=64".into()];
        })
        .unwrap();
        assert_eq!(args.job.frames.as_deref(), Some("5"));
        // Where to run is one choice.
        assert_eq!(args.job.local, None);
        assert!(args.job.keep_going && !args.job.fail_fast);
        assert_eq!(settings(&args.job.set).unwrap()["samples"], "64");
    }

    #[test]
    fn a_slip_names_the_line_and_the_key_that_was_meant() {
        let message = filled("scene = 'a'\noutptu = 'b'\n", |_| {})
            .unwrap_err()
            .message;
        assert!(
            message
                .ends_with("shot.toml, line 2: `outptu` is not known here; did you mean `output`?"),
            "{message}"
        );
        let message = filled("task_limit = '2h'\n", |_| {}).unwrap_err().message;
        assert!(message.ends_with("did you mean `task-limit`?"), "{message}");
        let message = filled("scene = 3\n", |_| {}).unwrap_err().message;
        assert!(
            message.ends_with("line 1: `scene` wants a text in quotes, not a whole number"),
            "{message}"
        );
        let message = filled("scene = \n", |_| {}).unwrap_err().message;
        assert!(message.contains("shot.toml, line 1: "), "{message}");
        assert!(
            filled("split = 'pieces'\n", |_| {})
                .unwrap_err()
                .message
                .contains("auto, frames, tiles or layers")
        );
    }
}
