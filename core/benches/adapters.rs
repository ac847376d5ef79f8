//! How many lines a second go through an adapter in a child, by the size of the batch.
//!
//! `cargo bench -p framewright-core --bench adapters`. The adapter is a sample in C, so what is
//! measured is the carrier, both ways, not an adapter's own work.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark panics when it cannot measure, and prints what it measured"
)]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
mod support;

use std::time::Instant;

use framewright_plugin_api::data::Input;
use support::{Folder, have, rendering};

const LINES: usize = 60_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if !have("cc") {
        return;
    }
    let folder = Folder::new();
    folder.c("long_table", "long-table");
    let loaded = folder.load("long-table").await;
    for batch in [1, 4, 16, 64, 256] {
        let (mut session, _) = rendering(&loaded).await;
        let inputs: Vec<Input> = (0..batch)
            .map(|n| {
                Input::stdout(
                    1,
                    &format!("Fra:{n} Mem:81.30M | Rendering {n} / 64 samples"),
                )
            })
            .collect();
        let begin = Instant::now();
        for _ in 0..LINES / batch {
            session.step(1.0, &inputs).await.unwrap();
        }
        let seconds = begin.elapsed().as_secs_f64();
        let calls = LINES / batch;
        println!(
            "batches of {batch:3}: {:8.0} lines/s, {:6.1} µs a call",
            (calls * batch) as f64 / seconds,
            seconds * 1e6 / calls as f64
        );
    }
}
