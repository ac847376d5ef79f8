//! Stages a folder to a host, twice, and says what that took.
//!
//! `cargo bench -p framewright-core --bench freight -- FOLDER CACHE_ROOT COMMAND…`: the command
//! reaches `framewright freight`; the cache root is a folder on its host that has nothing yet.
//! `tests/bench/freight/run` does this over ssh and beside `rsync -a` of the same folder.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use framewright_core::freight::{Freight, FreightNews, FreightSpec, FromFreight, Package, Wishes};
use framewright_core::link::Launcher;
use framewright_kernel::ids::HostId;
use tokio::sync::mpsc;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let [folder, cache_root, command @ ..] = &words[..] else {
        println!("usage: freight FOLDER CACHE_ROOT COMMAND...");
        return;
    };
    let begun = Instant::now();
    let first = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .find(|entry| entry.file_type().is_file())
        .expect("a file in the folder");
    let wishes = Wishes {
        scene: first.path(),
        assets: &[],
        patterns: std::slice::from_ref(folder),
    };
    let gathered = Package::gather(wishes, None, &AtomicBool::new(false));
    let package = Arc::new(gathered.expect("a package").package);
    let gather_s = begun.elapsed().as_secs_f64();

    let (news, mut told) = mpsc::channel(64);
    let freight = Freight::open(
        FreightSpec {
            host: HostId(0),
            name: "host".to_owned(),
            launcher: Launcher::Command(command.to_vec()),
            job: "bench".to_owned(),
            cache_root: cache_root.clone(),
            cache_bytes: Some(u64::MAX),
            heartbeat: Duration::from_secs(5),
            deadline: Duration::from_secs(30),
        },
        news,
    );
    let (first_s, first_bytes) = stage(&freight, &package, &mut told);
    let all_s = begun.elapsed().as_secs_f64();
    let (again_s, again_bytes) = stage(&freight, &package, &mut told);
    println!(
        "{{\"format\":1,\"files\":{},\"bytes\":{},\"gather_s\":{gather_s:.3},\"stage_s\":{first_s:.3},\
         \"all_s\":{all_s:.3},\"bytes_sent\":{first_bytes},\"again_s\":{again_s:.3},\
         \"again_bytes\":{again_bytes}}}",
        package.files().len(),
        package.bytes()
    );
    assert!(Path::new(cache_root).is_absolute());
}

fn stage(
    freight: &Freight,
    package: &Arc<Package>,
    told: &mut mpsc::Receiver<FromFreight>,
) -> (f64, u64) {
    freight.stage(Arc::clone(package), "bench");
    loop {
        match told.blocking_recv().expect("the freight lives").news {
            FreightNews::Staged {
                bytes_sent,
                seconds,
                ..
            } => return (seconds, bytes_sent),
            FreightNews::Reached { .. } | FreightNews::Progress { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
