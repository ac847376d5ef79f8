//! What the adapter says to the stub renderer: one JSON document a line.

use serde::Serialize;

use framewright_plugin_api::data::{Task, Tile};

/// Longest text of one `write`: a segment of many thousand tasks goes in several, so that no
/// message between controller and worker grows without limit.
const WRITE_BYTES_MAX: usize = 64 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Order<'a> {
    Task {
        segment: u64,
        task: u32,
        #[serde(skip_serializing_if = "str::is_empty")]
        layer: &'a str,
        frame: i32,
        #[serde(skip_serializing_if = "Option::is_none")]
        tile: Option<Tile>,
        #[serde(skip_serializing_if = "is_whole")]
        reduced: u32,
        attempt: u32,
        #[serde(skip_serializing_if = "str::is_empty")]
        output: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        needs: Vec<&'a str>,
    },
    Cut {
        segment: u64,
        keep: u32,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_whole(reduced: &u32) -> bool {
    *reduced <= 1
}

impl Order<'_> {
    fn line(&self) -> String {
        // Numbers and texts only: this cannot fail, and a panic would be caught and told.
        let mut line = serde_json::to_string(self).expect("an order is plain JSON");
        line.push('\n');
        line
    }
}

/// The lines that order these tasks, in texts of bounded length.
pub fn tasks(segment: u64, tasks: &[Task]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut text = String::new();
    for task in tasks {
        let order = Order::Task {
            segment,
            task: task.task,
            layer: &task.layer,
            frame: task.frame,
            tile: task.tile,
            reduced: task.reduced,
            attempt: task.attempt,
            output: &task.output,
            needs: task.needs.iter().map(|need| need.path.as_str()).collect(),
        };
        let line = order.line();
        if !text.is_empty() && text.len() + line.len() > WRITE_BYTES_MAX {
            texts.push(std::mem::take(&mut text));
        }
        text.push_str(&line);
    }
    if !text.is_empty() {
        texts.push(text);
    }
    texts
}

/// The line that cuts a segment; `keep` counts from the first task that the process was sent.
pub fn cut(segment: u64, keep: u32) -> String {
    Order::Cut { segment, keep }.line()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_one_line_whatever_the_path_holds() {
        let task = Task {
            layer: "be\"auty".to_owned(),
            ..Task::frame(5, 17, "/t/a\nb $(x).png")
        };
        let texts = tasks(1, &[task]);
        assert_eq!(
            texts,
            [
                "{\"task\":{\"segment\":1,\"task\":5,\"layer\":\"be\\\"auty\",\"frame\":17,\"attempt\":1,\"output\":\"/t/a\\nb $(x).png\"}}\n"
            ]
        );
        assert_eq!(cut(1, 3), "{\"cut\":{\"segment\":1,\"keep\":3}}\n");
    }

    #[test]
    fn a_large_segment_goes_in_bounded_texts_and_whole_lines() {
        let many: Vec<Task> = (0..5_000).map(|n| Task::frame(n, 1, "/t/x.png")).collect();
        let texts = tasks(1, &many);
        assert!(texts.len() > 1);
        assert!(
            texts
                .iter()
                .all(|text| text.len() <= WRITE_BYTES_MAX && text.ends_with('\n'))
        );
        assert_eq!(texts.concat().lines().count(), 5_000);
    }
}
