use super::*;
use crate::stub_render::scene::Scene;

/// Notes reports; time passes at once.
#[derive(Default)]
struct Notes {
    said: Vec<String>,
    waited_until: Option<Instant>,
}

impl Desk for Notes {
    fn report(&mut self, report: Report<'_>) -> Result<(), Leave> {
        self.said.push(match report {
            Report::Loaded => "loaded".to_owned(),
            Report::Begun(task) => format!("begun {}", task.frame),
            Report::Progress(_, fraction) => format!("{fraction:.1}"),
            Report::Wrote(task) => format!("wrote {}", task.frame),
            Report::Done(task) => format!("done {}", task.frame),
            Report::Failed(task, blame, why) => format!("failed {} {blame} {why}", task.frame),
        });
        Ok(())
    }

    fn complain(&mut self, text: &str) -> Result<(), Leave> {
        self.said.push(text.to_owned());
        Ok(())
    }

    fn wait_until(&mut self, when: Instant) -> Result<(), Leave> {
        self.waited_until = self.waited_until.max(Some(when));
        Ok(())
    }
}

fn renderer(text: &str) -> Renderer {
    Renderer {
        scene: Scene::parse(text, Path::new("t.stub.toml")).expect("a right scene"),
        host: "n1".to_owned(),
        style: ExrStyle::default(),
        assets: 0,
    }
}

fn task(frame: i32, output: &Path) -> Task {
    Task {
        segment: 1,
        task: 1,
        layer: String::new(),
        frame,
        tile: None,
        attempt: 1,
        output: output.to_owned(),
        needs: Vec::new(),
        reduced: 0,
    }
}

fn said(text: &str, task: &Task) -> (Vec<String>, Result<(), Leave>) {
    let mut notes = Notes::default();
    let result = renderer(text).render(task, &mut notes);
    (notes.said, result)
}

#[test]
fn a_task_that_costs_nothing_says_one_line() {
    let (said, result) = said(
        "frames = \"1-2\"\noutput = \"none\"",
        &task(1, Path::new("/no/where.png")),
    );
    assert_eq!(result, Ok(()));
    assert_eq!(said, ["done 1"]);
}

#[test]
fn a_long_task_reports_progress_and_a_short_one_does_not() {
    let long = said("frames = \"1\"\nframe = \"50ms\"", &task(1, Path::new("")));
    assert_eq!(long.0, ["begun 1", "0.2", "0.4", "0.6", "0.8", "done 1"]);
    let short = said("frames = \"1\"\nframe = \"49ms\"", &task(1, Path::new("")));
    assert_eq!(short.0, ["begun 1", "done 1"]);
}

#[test]
fn a_task_takes_its_cost_and_a_slow_one_ten_times_it() {
    for (fault, cost) in [("", 2), ("[[fault]]\nframes = \"1\"\nkind = \"slow\"", 20)] {
        let mut notes = Notes::default();
        let before = Instant::now();
        let renderer = renderer(&format!("frames = \"1\"\nframe = \"2s\"\n{fault}"));
        renderer
            .render(&task(1, Path::new("")), &mut notes)
            .expect("rendered");
        let waited = notes.waited_until.expect("waited") - before;
        assert_eq!(waited.as_secs(), cost);
    }
}

#[test]
fn loading_takes_longer_on_a_slow_host() {
    let mut notes = Notes::default();
    let begin = Instant::now();
    renderer("frames = \"1\"\nload = \"2s\"\nslow = { n1 = 1.5 }")
        .load(begin, &mut notes)
        .expect("loaded");
    assert_eq!(notes.waited_until, Some(begin + Duration::from_secs(3)));
    assert_eq!(notes.said, ["loaded"]);
}

#[test]
fn what_cannot_be_rendered_is_blamed_on_the_right_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = "frames = \"1\"";
    let mut unknown = task(1, Path::new(""));
    unknown.layer = "fog".to_owned();
    let mut outside = task(1, Path::new(""));
    outside.tile = Some(Rectangle {
        x: 300,
        y: 0,
        width: 21,
        height: 1,
    });
    for (task, expected) in [
        (
            unknown,
            "failed 1 unrenderable the scene has no layer `fog`".to_owned(),
        ),
        (
            outside,
            "failed 1 unrenderable the tile 300,0 21x1 does not lie in the frame of 320x180"
                .to_owned(),
        ),
        (
            task(1, Path::new("/t/x.jpg")),
            "failed 1 adapter-fault cannot tell the format of /t/x.jpg".to_owned(),
        ),
        (
            task(1, &folder.path().join("no/x.png")),
            format!(
                "failed 1 machine-fault cannot write {}: No such file",
                folder.path().join("no/x.png").display()
            ),
        ),
    ] {
        let (said, result) = said(scene, &task);
        assert_eq!(result, Ok(()));
        let last = said.last().expect("a report");
        assert!(last.starts_with(&expected), "{last}");
    }
}

#[test]
fn output_faults_report_success_and_lie() {
    let folder = tempfile::tempdir().expect("a folder");
    let size = |kind: &str| {
        let path = folder.path().join(format!("{kind}.png"));
        let fault = if kind == "none" {
            String::new()
        } else {
            format!("[[fault]]\nframes = \"1\"\nkind = \"{kind}\"")
        };
        let (said, _) = said(&format!("frames = \"1\"\n{fault}"), &task(1, &path));
        assert_eq!(said, ["begun 1", "wrote 1"], "{kind}");
        std::fs::metadata(path).map(|facts| facts.len()).ok()
    };
    let whole = size("none").expect("written");
    assert_eq!(size("corrupt-output"), Some(whole / 3));
    assert_eq!(size("no-output"), None);
}

#[test]
fn faults_that_end_the_process_say_so_and_leave_with_their_code() {
    for (kind, code, line) in [
        ("exit", 3, "Error: frame 1 cannot go on"),
        ("licence", 4, "Error: no licence"),
    ] {
        let (said, result) = said(
            &format!("frames = \"1\"\n[[fault]]\nframes = \"1\"\nkind = \"{kind}\""),
            &task(1, Path::new("")),
        );
        assert_eq!(result, Err(Leave(code)));
        assert!(
            said.last().is_some_and(|last| last.starts_with(line)),
            "{said:?}"
        );
    }
}
