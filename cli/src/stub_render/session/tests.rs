use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::stub_render::encode::ExrStyle;
use crate::stub_render::scene::Scene;

/// A pipe's writing end that the test keeps a reading end of.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().expect("unpoisoned").clone();
        String::from_utf8(bytes)
            .expect("UTF-8")
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("unpoisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn renderer(text: &str) -> Renderer {
    Renderer {
        scene: Scene::parse(text, Path::new("t.stub.toml")).expect("a right scene"),
        host: String::new(),
        style: ExrStyle::default(),
        assets: 0,
    }
}

fn order(segment: u64, task: u32) -> String {
    format!("{{\"task\":{{\"segment\":{segment},\"task\":{task},\"frame\":{task}}}}}\n")
}

fn task(segment: u64, number: u32) -> Task {
    match parse(order(segment, number).trim_end()) {
        Ok(Order::Task(task)) => task,
        other => panic!("{other:?}"),
    }
}

fn given(tasks: Vec<Task>) -> (Session<Shared>, Shared) {
    let out = Shared::default();
    (
        Session::given(tasks, out.clone(), Box::new(Vec::new())),
        out,
    )
}

#[test]
fn orders_given_in_advance_are_rendered_in_order_and_then_it_leaves() {
    let (mut session, out) = given((1..=3).map(|n| task(1, n)).collect());
    let leave = session.serve(&renderer("frames = \"1-3\""), Instant::now());
    assert_eq!(leave, Leave(0));
    assert_eq!(
        out.lines(),
        [
            "@@FW loaded",
            "@@FW done 1 1",
            "@@FW done 1 2",
            "@@FW done 1 3"
        ]
    );
}

#[test]
fn a_cut_takes_away_from_the_back_but_never_what_has_begun() {
    let (mut session, _) =
        given([task(1, 1), task(2, 9), task(1, 2), task(1, 3), task(1, 4)].into());
    let _ = session.queue.pop_front();
    session.count_begun(1);
    assert_eq!(
        session.cut(Cut {
            segment: 1,
            keep: 3
        }),
        3
    );
    assert_eq!(
        session.cut(Cut {
            segment: 1,
            keep: 0
        }),
        1
    );
    assert_eq!(
        session.cut(Cut {
            segment: 7,
            keep: 5
        }),
        0
    );
    let left: Vec<u32> = session.queue.iter().map(|task| task.task).collect();
    assert_eq!(left, [9]);
}

#[test]
fn a_cut_is_answered_in_mid_frame_and_the_end_of_input_ends_it_there() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let out = Shared::default();
    let seen = out.clone();
    let served = std::thread::spawn(move || {
        // An hour a frame: whatever is answered is answered in mid-frame.
        let mut session = Session::reading(reader, out, Box::new(Vec::new()));
        session.serve(
            &renderer("frames = \"1-3\"\nframe = \"1h\""),
            Instant::now(),
        )
    });
    for number in 1..=3 {
        writer.write_all(order(1, number).as_bytes()).expect("sent");
    }
    wait_for(&seen, "@@FW begun 1 1");
    writer
        .write_all(b"{\"cut\":{\"segment\":1,\"keep\":0}}\n")
        .expect("sent");
    wait_for(&seen, "@@FW kept 1 1");
    drop(writer);
    assert_eq!(served.join().expect("no panic"), Leave(0));
}

/// Waits until a line was printed, ten seconds at most.
fn wait_for(out: &Shared, line: &str) {
    let begin = Instant::now();
    while !out.lines().iter().any(|seen| seen == line) {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{:?}",
            out.lines()
        );
        std::thread::yield_now();
    }
}

#[test]
fn an_order_that_cannot_be_read_ends_it_with_a_reason() {
    let out = Shared::default();
    let input = format!("{}not an order\n", order(1, 1));
    // The end of this input comes right after the bad line, which must still be told.
    let mut session = Session::reading(
        std::io::Cursor::new(input),
        out.clone(),
        Box::new(Vec::new()),
    );
    assert_eq!(
        session.serve(&renderer("frames = \"1\""), Instant::now()),
        BAD_ORDER
    );
    let last = out.lines().pop().expect("a line");
    assert!(last.starts_with("@@FW error {"), "{last}");
    assert!(last.contains("not an order"), "{last}");
}

#[test]
fn a_line_end_in_a_reason_does_not_break_the_protocol() {
    let (mut session, out) = given(Vec::new());
    let task = task(1, 2);
    let report = Report::Failed(
        &task,
        crate::stub_render::render::Blame::MachineFault,
        "a\nb",
    );
    session.report(report).expect("told");
    assert_eq!(out.lines(), ["@@FW failed 1 2 machine-fault a b"]);
}
