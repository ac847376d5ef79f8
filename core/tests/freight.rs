//! Freight against a depot in a process of its own, over links that are cut.

#[path = "support/freight.rs"]
mod support;

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use framewright_core::freight::{FetchFault, FreightNews, PackageError};
use support::{Staged, World, noise};

#[test]
fn package_is_laid_out_as_it_is_here() {
    let world = World::new();
    let scene = world.file("shot/scene.blend", b"scene");
    let image = world.file("tex/wood.png", &noise(1, 300_000));
    world.file("tex/empty.png", b"");
    std::os::unix::fs::symlink(&image, world.path("shot/linked.png")).unwrap();
    let package = world.package(&scene, &["tex", "shot/linked.png"]);
    assert_eq!(package.files().len(), 4);
    let mut host = world.host("h");
    let Staged {
        tree, bytes_sent, ..
    } = host.stage(&package, "job1");

    assert_eq!(bytes_sent, 300_005, "what two files share travels once");
    for file in package.files() {
        let there = package.path_on(&tree, Path::new(&file.path)).unwrap();
        assert_eq!(
            std::fs::read(&there).unwrap(),
            std::fs::read(&file.source).unwrap()
        );
        let (here, there) = (
            std::fs::metadata(&file.source).unwrap(),
            std::fs::symlink_metadata(&there).unwrap(),
        );
        assert!(there.is_file(), "no links in a tree");
        assert_eq!(here.mtime(), there.mtime());
        assert_eq!(here.mtime_nsec(), there.mtime_nsec());
        assert_eq!(there.mode() & 0o777, 0o444);
    }
    let relative = Path::new(&package.scene_on(&tree))
        .parent()
        .unwrap()
        .join("../tex/wood.png");
    assert_eq!(
        std::fs::read(relative).unwrap(),
        std::fs::read(image).unwrap()
    );
}

#[test]
fn second_staging_sends_nothing() {
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, 2_000_000));
    let package = world.package(&scene, &[]);
    let mut host = world.host("h");
    assert_eq!(host.stage(&package, "job1").bytes_sent, 2_000_000);
    assert_eq!(host.stage(&package, "job1").bytes_sent, 0);
    drop(host);
    let mut later = world.host_of_job("h", "job2");
    assert_eq!(later.stage(&package, "job2").bytes_sent, 0);
    later.remove("job1");
    later.remove("job2");
    assert!(!world.cache.join("jobs/job1").exists());
    assert_eq!(later.stage(&package, "job3").bytes_sent, 0, "blobs stay");
}

#[test]
fn cut_links_send_nothing_twice() {
    const BIG: usize = 12 << 20;
    const SMALL: usize = 300;
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, BIG));
    let mut total = BIG;
    for number in 0..SMALL {
        let content = noise(100 + number as u64, 1000 + number * 10);
        total += content.len();
        world.file(&format!("tex/{number}.png"), &content);
    }
    let package = world.package(&scene, &["tex"]);
    // Anywhere: in greetings, questions, pieces, small files; both ways.
    let mut random = 0x1234_5678_u64;
    let cuts: Vec<String> = (0..12)
        .map(|number| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let place = random >> 33;
            match number % 4 {
                3 => format!("down {}", place % 2_000),
                _ => format!("up {}", place % 3_000_000),
            }
        })
        .collect();
    world.cut_at(&cuts);
    let mut host = world.relayed("h", "job1");
    let staged = host.stage(&package, "job1");
    host.close();
    assert_eq!(world.cuts_left(), 0, "every cut happened");
    let passed: u64 = world.passed().iter().sum();
    // A piece that was cut is sent again, and so are the questions.
    let again = cuts.len() as u64 * (150_000 + 60_000);
    assert!(passed >= total as u64);
    assert!(
        passed <= total as u64 + again + 400_000,
        "{passed} bytes for {total}"
    );
    for file in package.files() {
        let there = package
            .path_on(&staged.tree, Path::new(&file.path))
            .unwrap();
        assert_eq!(
            std::fs::read(there).unwrap(),
            std::fs::read(&file.source).unwrap()
        );
    }
    assert_eq!(world.parts(), 0, "nothing of a part is left");
}

#[test]
fn depot_that_waits_behind_a_dead_link_is_replaced() {
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, 3_000_000));
    let package = world.package(&scene, &[]);
    world.cut_at(&["silent 1500000".to_owned()]);
    let mut host = world.relayed("h", "job1");
    host.stage(&package, "job1");
    assert!(host.away >= 1, "the silence was noticed");
    host.close();
    let passed: u64 = world.passed().iter().sum();
    assert!(passed < 3_000_000 + 600_000, "{passed}");
}

#[test]
fn damaged_blob_is_sent_again() {
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, 1_000_000));
    let package = world.package(&scene, &[]);
    let mut host = world.host("h");
    let tree = host.stage(&package, "job1").tree;
    // As a renderer does that writes through the hard link in its tree.
    let path = package.scene_on(&tree);
    world.overwrite(Path::new(&path), 500_000, b"damaged");
    let staged = host.stage(&package, "job1");
    assert_eq!(staged.bytes_sent, 1_000_000);
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(&scene).unwrap()
    );
    // Cut short, as by a power cut.
    let blob = world.blob_of(&package, 0);
    std::fs::File::options()
        .write(true)
        .open(&blob)
        .unwrap()
        .set_len(10)
        .unwrap();
    assert_eq!(host.stage(&package, "job2").bytes_sent, 1_000_000);
}

#[test]
fn damaged_part_is_found_and_sent_whole() {
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, 1_000_000));
    let package = world.package(&scene, &[]);
    let hash = package.files()[0].fact.blob.to_string();
    let others = world.cache.join("blobs/parts/somebody-else");
    std::fs::create_dir_all(&others).unwrap();
    std::fs::write(others.join(&hash), vec![7; 400_000]).unwrap();
    let mut host = world.host("h");
    let staged = host.stage(&package, "job1");
    assert_eq!(staged.bytes_sent, 600_000 + 1_000_000);
    assert_eq!(world.parts(), 0);
}

#[test]
fn part_of_a_dead_job_is_gone_on_with() {
    let world = World::new();
    let content = noise(1, 1_000_000);
    let scene = world.file("scene.blend", &content);
    let package = world.package(&scene, &[]);
    let hash = package.files()[0].fact.blob.to_string();
    let others = world.cache.join("blobs/parts/somebody-else");
    std::fs::create_dir_all(&others).unwrap();
    std::fs::write(others.join(&hash), &content[..400_000]).unwrap();
    let mut host = world.host("h");
    assert_eq!(host.stage(&package, "job1").bytes_sent, 600_000);
}

#[test]
fn two_jobs_that_send_the_same_do_not_hurt_each_other() {
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, 6_000_000));
    let package = world.package(&scene, &[]);
    let mut one = world.host_of_job("h", "job1");
    let mut two = world.host_of_job("h", "job2");
    one.freight().stage(package.clone(), "job1");
    two.freight().stage(package.clone(), "job2");
    for (host, job) in [(&mut one, "job1"), (&mut two, "job2")] {
        let staged = host.staged();
        assert!(staged.tree.contains(job));
        let there = std::fs::read(package.scene_on(&staged.tree)).unwrap();
        assert_eq!(there, std::fs::read(&scene).unwrap());
    }
    one.close();
    two.close();
    assert_eq!(world.parts(), 0);
}

#[test]
fn file_that_changed_since_it_was_hashed_is_not_sent() {
    let world = World::new();
    let scene = world.file("scene.blend", b"scene");
    let image = world.file("wood.png", &noise(1, 400_000));
    let package = world.package(&scene, &["wood.png"]);
    world.overwrite(&image, 0, b"other");
    let mut host = world.host("h");
    host.freight().stage(package, "job1");
    let (why, disk_full) = host.stage_failed();
    assert!(
        why.contains("wood.png changed after the job was made"),
        "{why}"
    );
    assert!(!disk_full);
    let again = world.package(&scene, &["wood.png"]);
    host.stage(&again, "job1");
}

#[test]
fn ten_thousand_small_files() {
    let world = World::new();
    let scene = world.file("scene.blend", b"scene");
    for number in 0..10_000_u32 {
        world.file(
            &format!("tex/{}/{number}.tx", number % 50),
            &noise(number.into(), 800),
        );
    }
    let package = world.package(&scene, &["tex"]);
    let mut host = world.host("h");
    let staged = host.stage(&package, "job1");
    assert_eq!(staged.files, 10_001);
    assert_eq!(staged.bytes_sent, 10_000 * 800 + 5);
    let last = format!("{}{}", staged.tree, world.path("tex/49/9999.tx").display());
    assert_eq!(std::fs::read(last).unwrap(), noise(9999, 800));
    assert_eq!(host.stage(&package, "job1").bytes_sent, 0);
}

#[test]
fn large_file() {
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, 200 << 20));
    let package = world.package(&scene, &[]);
    let mut host = world.host("h");
    let staged = host.stage(&package, "job1");
    assert_eq!(staged.bytes_total, 200 << 20);
    assert!(host.progress > 0, "progress was told");
    assert!(
        std::fs::read(package.scene_on(&staged.tree)).unwrap() == std::fs::read(&scene).unwrap()
    );
}

#[test]
fn file_over_the_hosts_limit_is_told() {
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, 1_000_000));
    let package = world.package(&scene, &[]);
    let mut host = world.limited("h", 500_000);
    host.freight().stage(package, "job1");
    let (why, disk_full) = host.stage_failed();
    assert!(why.contains("limit on the size of a file"), "{why}");
    assert!(!disk_full);
    assert_eq!(
        world.parts(),
        0,
        "half a blob is not left on a host without room"
    );
}

#[test]
fn full_disk_is_told_and_left_empty() {
    let world = World::new();
    // Where mounting is not allowed the test above shows the same way through the depot.
    let Some(_disk) = world.small_disk(4 << 20) else {
        return;
    };
    let old = world.file("old.blend", &noise(3, 2_000_000));
    let old = world.package(&old, &[]);
    let mut host = world.host("h");
    host.stage(&old, "job1");
    let scene = world.file("scene.blend", &noise(1, 8_000_000));
    let package = world.package(&scene, &[]);
    host.freight().stage(package, "job2");
    let (why, disk_full) = host.stage_failed();
    assert!(disk_full && why.contains("disk is full"), "{why}");
    assert_eq!(world.parts(), 0);
    // What nobody uses makes way for what fits then.
    host.remove("job1");
    let scene = world.file("scene.blend", &noise(2, 3_000_000));
    let package = world.package(&scene, &[]);
    assert_eq!(host.stage(&package, "job2").bytes_sent, 3_000_000);
    host.close();
}

#[test]
fn what_was_used_longest_ago_makes_way() {
    let world = World::new();
    let scenes: Vec<_> = (0..4)
        .map(|number| {
            let scene = world.file(&format!("{number}.blend"), &noise(number, 1_000_000));
            world.package(&scene, &[])
        })
        .collect();
    let mut host = world.capped("h", "job0", 3_500_000);
    for (number, package) in scenes.iter().take(3).enumerate() {
        let job = format!("job{number}");
        host.stage(package, &job);
        if number != 1 {
            host.remove(&job);
        }
        // The time of use is what counts, not the order of names.
        world.age_blob(package, [300, 400, 100][number]);
    }
    // Two has the tree of a live job, so zero goes although one was used before it.
    host.stage(&scenes[3], "job3");
    let there: Vec<bool> = scenes
        .iter()
        .map(|package| world.blob_of(package, 0).exists())
        .collect();
    assert_eq!(there, [false, true, true, true]);
    // What is used again is young again.
    host.stage(&scenes[2], "job2");
    host.remove("job1");
    host.remove("job2");
    host.remove("job3");
    world.age_blob(&scenes[3], 50);
    host.stage(&scenes[0], "job0");
    let there: Vec<bool> = scenes
        .iter()
        .map(|package| world.blob_of(package, 0).exists())
        .collect();
    assert_eq!(there, [true, false, true, true]);
}

#[test]
fn results_come_home_while_the_link_is_cut() {
    let world = World::new();
    let home = world.path("home");
    std::fs::create_dir_all(&home).unwrap();
    let mut cuts: Vec<String> = (1..8).map(|n| format!("down {}", n * 321_987)).collect();
    cuts.push("up 900".to_owned());
    world.cut_at(&cuts);
    let mut host = world.relayed("h", "job1");
    let mut contents = Vec::new();
    for number in 0..40_u64 {
        let content = noise(number, 1000 + 20_000 * number as usize);
        let from = world.file(&format!("there/{number}.exr"), &content);
        host.fetch(number, &from, &home.join(format!("{number}.exr")), &content);
        contents.push(content);
    }
    host.all_fetched(40);
    for (number, content) in contents.iter().enumerate() {
        assert_eq!(
            &std::fs::read(home.join(format!("{number}.exr"))).unwrap(),
            content
        );
    }
    host.close();
    assert_eq!(world.cuts_left(), 0);
    let left = std::fs::read_dir(&home).unwrap().count();
    assert_eq!(left, 40, "no temporary file is left");
}

#[test]
fn results_that_are_not_what_was_verified_are_refused() {
    let world = World::new();
    let content = noise(1, 400_000);
    let from = world.file("there/1.exr", &content);
    let to = world.path("1.exr");
    let mut host = world.host("h");
    let mut other = content.clone();
    other[200_000] ^= 1;
    host.fetch(1, &from, &to, &other);
    assert_eq!(host.fetch_failed(1), FetchFault::Differs);
    host.fetch(2, &from, &to, &content[1..]);
    assert_eq!(host.fetch_failed(2), FetchFault::Differs);
    host.fetch(3, &world.path("there/2.exr"), &to, &content);
    assert_eq!(host.fetch_failed(3), FetchFault::Gone);
    host.fetch(4, &world.path("there"), &to, &content);
    assert_eq!(host.fetch_failed(4), FetchFault::Unreadable);
    host.fetch(5, &from, &world.path("nowhere/1.exr"), &content);
    assert_eq!(host.fetch_failed(5), FetchFault::Local);
    assert!(!to.exists());
    host.fetch(6, &from, &to, &content);
    host.all_fetched(1);
    assert_eq!(std::fs::read(&to).unwrap(), content);
    let empty = world.file("there/0.exr", b"");
    host.fetch(7, &empty, &to, b"");
    host.all_fetched(1);
    assert_eq!(std::fs::read(&to).unwrap(), b"");
}

#[test]
fn results_come_home_while_assets_go_out() {
    let world = World::new();
    let scene = world.file("scene.blend", &noise(1, 60 << 20));
    let package = world.package(&scene, &[]);
    let content = noise(2, 2_000_000);
    let from = world.file("there/1.exr", &content);
    let mut host = world.host("h");
    host.freight().stage(package, "job1");
    for token in 0..10 {
        host.fetch(token, &from, &world.path(&format!("{token}.exr")), &content);
    }
    let mut fetched_first = 0;
    loop {
        match host.next() {
            FreightNews::Fetched { .. } => fetched_first += 1,
            FreightNews::Staged { .. } => break,
            FreightNews::Progress { .. } | FreightNews::Reached { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(fetched_first > 0, "no result before the last asset");
    host.all_fetched(10 - fetched_first);
}

#[test]
fn what_is_forgotten_leaves_nothing() {
    let world = World::new();
    let content = noise(2, 8_000_000);
    let from = world.file("there/1.exr", &content);
    std::fs::create_dir(world.path("home")).unwrap();
    let mut host = world.host("h");
    for token in 0..20 {
        host.fetch(token, &from, &world.path("home/1.exr"), &content);
        host.freight()
            .forget(framewright_core::freight::FetchToken(token));
    }
    host.fetch(99, &from, &world.path("home/2.exr"), &content);
    host.all_fetched(1);
    let names: Vec<_> = std::fs::read_dir(world.path("home"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["2.exr"]);
}

#[test]
fn another_build_and_no_program_are_of_no_use() {
    let world = World::new();
    for (argv, word) in [
        (
            vec!["sh", "-c", "echo FRAMEWRIGHT-WORKER 1 0.0.1-old; cat"],
            "another build",
        ),
        (vec!["/nonexistent/framewright", "freight"], "cannot start"),
    ] {
        let mut host = world.reached_by("h", "job1", argv.into_iter().map(str::to_owned).collect());
        match host.next() {
            FreightNews::Unusable { why } => assert!(why.contains(word), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    let mut host = world.reached_by(
        "h",
        "job1",
        ["sh", "-c", "echo no route >&2; exit 255"]
            .map(str::to_owned)
            .to_vec(),
    );
    match host.next() {
        FreightNews::Away { why } => assert!(why.contains("no route"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn way_is_measured() {
    let world = World::new();
    let way = world.measure(16 << 20).unwrap();
    assert!(way.up > 1e6 && way.down > 1e6, "{way:?}");
    assert!(way.round_trip < way.connect, "{way:?}");
    assert_eq!(way.cache_root, world.cache.to_str().unwrap());
    world.cut_at(&["down 5000000".to_owned()]);
    let why = world.measure_relayed(16 << 20).unwrap_err();
    assert!(why.contains("its depot is gone"), "{why}");
}

#[test]
fn missing_files_are_named_before_anything_starts() {
    let world = World::new();
    let scene = world.file("scene.blend", b"scene");
    let names: Vec<String> = (10..30).map(|number| format!("tex/{number}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let error = world.try_package(&scene, &names, &[]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("20 files that the scene needs are missing"),
        "{text}"
    );
    assert!(
        text.contains("tex/10.png") && text.contains("tex/19.png"),
        "{text}"
    );
    assert!(
        !text.contains("tex/20.png") && text.ends_with("and 10 more"),
        "{text}"
    );
}

#[test]
fn patterns_mean_files_folders_and_not_nothing() {
    let world = World::new();
    let scene = world.file("scene.blend", b"scene");
    world.file("tex/a.png", b"a");
    world.file("tex/deep/b.png", b"b");
    world.file("tex/deep/c.txt", b"c");
    world.file("odd[1].png", b"d");
    world.file("shot/unused", b"e");
    let paths = |patterns: &[&str]| -> Vec<String> {
        let package = world.try_package(&scene, &[], patterns).unwrap();
        let root = format!("{}/", world.folder.path().display());
        package
            .files()
            .iter()
            .map(|file| file.path.replace(&root, ""))
            .collect()
    };
    assert_eq!(
        paths(&["tex"]),
        [
            "scene.blend",
            "tex/a.png",
            "tex/deep/b.png",
            "tex/deep/c.txt"
        ]
    );
    assert_eq!(
        paths(&["tex/**/*.png"]),
        ["scene.blend", "tex/a.png", "tex/deep/b.png"]
    );
    assert_eq!(
        paths(&["tex/*"]),
        paths(&["tex"]),
        "a folder that matches is all below it"
    );
    assert_eq!(paths(&["odd[1].png"]), ["odd[1].png", "scene.blend"]);
    assert_eq!(
        paths(&["shot/../tex/a.png"]).len(),
        2,
        "a path is told by where it leads"
    );
    let none = world.try_package(&scene, &[], &["tex/*.exr"]).unwrap_err();
    assert!(matches!(none, PackageError::NoMatch { .. }), "{none}");
    let broken = world.try_package(&scene, &[], &["tex/***"]).unwrap_err();
    assert!(matches!(broken, PackageError::Pattern { .. }), "{broken}");
}

#[test]
fn hashes_are_remembered_until_a_file_changes() {
    let world = World::new();
    let scene = world.file("scene.blend", b"scene");
    world.age(&scene);
    let first = world.gather(&scene);
    assert_eq!((first.hashed, &first.warnings[..]), (1, &[][..]));
    assert_eq!(world.gather(&scene).hashed, 0);
    world.overwrite(&scene, 0, b"SCENE");
    let young = world.gather(&scene);
    assert_eq!(young.hashed, 1);
    assert_ne!(young.package.files()[0].fact, first.package.files()[0].fact);
    assert_eq!(
        world.gather(&scene).hashed,
        1,
        "a file of just now is not believed"
    );
    std::fs::write(
        world.path("state/hashes.sqlite"),
        b"this is no database, whatever it says",
    )
    .unwrap();
    let damaged = world.gather(&scene);
    assert_eq!(damaged.hashed, 1);
    assert!(
        damaged.warnings[0].contains("hashes.sqlite"),
        "{:?}",
        damaged.warnings
    );
}
