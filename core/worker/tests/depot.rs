//! A depot that is told what no controller of ours would say.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::thread::JoinHandle;

use framewright_worker::build_id;
use framewright_worker::codec::{Decoder, Encoder, PreambleFinder};
use framewright_worker::freight::message::{
    AskId, Blob, BlobFact, DepotHello, FaultKind, FromDepot, PIECE_BYTES_MAX, Place, Presence,
    PutId, ReadId, ToDepot,
};
use framewright_worker::freight::{DepotEnd, depot_main};
use serde_bytes::ByteBuf;
use tempfile::TempDir;

/// A depot on a thread of this process, and a cache folder of its own.
struct Depot {
    folder: TempDir,
    to: Option<File>,
    from: File,
    decoder: Decoder,
    thread: Option<JoinHandle<DepotEnd>>,
}

impl Depot {
    fn silent() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (stdin, to) = std::io::pipe().unwrap();
        let (mut from, stdout) = std::io::pipe().unwrap();
        let (stdin, stdout) = (OwnedFd::from(stdin), OwnedFd::from(stdout));
        let thread = std::thread::spawn(move || depot_main(stdin, stdout));
        let mut finder = PreambleFinder::new();
        let mut chunk = [0; 4096];
        let decoder = loop {
            if let Some((preamble, decoder)) = finder.find().unwrap() {
                assert_eq!(preamble.build, build_id());
                break decoder;
            }
            let count = from.read(&mut chunk).unwrap();
            finder.push(&chunk[..count]);
        };
        Self {
            folder,
            to: Some(OwnedFd::from(to).into()),
            from: OwnedFd::from(from).into(),
            decoder,
            thread: Some(thread),
        }
    }

    fn new() -> Self {
        let mut depot = Self::silent();
        let hello = depot.hello();
        depot.say(&ToDepot::Hello(hello));
        assert!(matches!(depot.hear(), FromDepot::Hello(_)));
        depot
    }

    fn hello(&self) -> DepotHello {
        DepotHello {
            build: build_id().to_owned(),
            job: "job".to_owned(),
            host: "host".to_owned(),
            cache_root: self.folder.path().to_str().unwrap().to_owned(),
            cache_bytes: None,
            window: 1 << 20,
            heartbeat_ms: 10_000,
        }
    }

    fn say(&mut self, message: &ToDepot) {
        let mut bytes = Vec::new();
        Encoder::encode(message, &mut bytes).unwrap();
        self.to.as_mut().unwrap().write_all(&bytes).unwrap();
    }

    /// The next answer; acknowledgements and heartbeats are none.
    fn hear(&mut self) -> FromDepot {
        let mut chunk = vec![0; 64 << 10];
        loop {
            match self.decoder.next().unwrap() {
                Some(FromDepot::Ack { .. } | FromDepot::Pong { number: 0 }) => {}
                Some(message) => return message,
                None => {
                    let count = self.from.read(&mut chunk).unwrap();
                    assert!(count > 0, "the depot has ended");
                    self.decoder.push(&chunk[..count]);
                }
            }
        }
    }

    fn put(&mut self, fact: BlobFact, zstd: bool, data: Vec<u8>) -> FromDepot {
        let put = PutId(7);
        let data = ByteBuf::from(data);
        self.say(&ToDepot::Put {
            put,
            blob: fact,
            from: 0,
        });
        self.say(&ToDepot::Piece { put, zstd, data });
        self.hear()
    }

    fn store(&mut self, content: &[u8]) -> BlobFact {
        let fact = fact(content);
        let stored = self.put(fact, false, content.to_vec());
        assert_eq!(stored, FromDepot::Stored { put: PutId(7) });
        fact
    }

    fn lay(&mut self, job: &str, path: &str, fact: BlobFact) -> (Vec<u32>, Option<FaultKind>) {
        self.say(&ToDepot::Lay {
            ask: AskId(3),
            job: job.to_owned(),
            files: vec![Place {
                path: path.to_owned(),
                fact,
            }],
        });
        match self.hear() {
            FromDepot::Laid { missing, fault, .. } => (missing, fault.map(|fault| fault.kind)),
            other => panic!("{other:?}"),
        }
    }

    fn tree(&self, job: &str) -> PathBuf {
        self.folder.path().join("jobs").join(job).join("tree")
    }

    fn end(&mut self) -> DepotEnd {
        self.to = None;
        self.thread.take().unwrap().join().unwrap()
    }
}

fn fact(content: &[u8]) -> BlobFact {
    BlobFact {
        blob: Blob::from(blake3::hash(content)),
        bytes: content.len() as u64,
        mtime_ns: 1_700_000_000_123_456_789,
    }
}

const BAD_NAME: (Vec<u32>, Option<FaultKind>) = (Vec::new(), Some(FaultKind::BadName));
const DONE: (Vec<u32>, Option<FaultKind>) = (Vec::new(), None);

#[test]
fn hostile_names_write_nothing() {
    let mut depot = Depot::new();
    let fact = depot.store(b"content");
    let paths = [
        "",
        "x",
        "/",
        "/a/..",
        "/../x",
        "/a/../../../../x",
        "/a//x",
        "/./x",
        "/a/",
        "/a\0b",
    ];
    for path in paths {
        assert_eq!(depot.lay("job", path, fact), BAD_NAME, "{path:?}");
    }
    for job in ["", "..", ".", "a/b", "../job", "/etc", "job\0"] {
        assert_eq!(depot.lay(job, "/x", fact), BAD_NAME, "{job:?}");
        depot.say(&ToDepot::Remove {
            ask: AskId(1),
            job: job.to_owned(),
        });
        match depot.hear() {
            FromDepot::Removed {
                fault: Some(fault), ..
            } => {
                assert_eq!(fault.kind, FaultKind::BadName);
            }
            other => panic!("{other:?}"),
        }
    }
    let names: Vec<_> = std::fs::read_dir(depot.folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert!(names.iter().all(|entry| {
        ["blobs", "jobs"]
            .map(Into::into)
            .contains(&entry.file_name())
    }));
}

#[test]
fn links_are_not_followed() {
    let mut depot = Depot::new();
    let fact = depot.store(b"content");
    assert_eq!(depot.lay("job", "/a/first", fact), DONE);
    let outside = depot.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("kept"), b"kept").unwrap();
    let tree = depot.tree("job");
    // A link to a folder, on the way; and one in the place of a file.
    symlink(&outside, tree.join("b")).unwrap();
    symlink(outside.join("kept"), tree.join("a/second")).unwrap();
    assert_eq!(depot.lay("job", "/b/x", fact), BAD_NAME);
    assert_eq!(depot.lay("job", "/a/second", fact), DONE);
    assert!(!outside.join("x").exists());
    assert_eq!(std::fs::read(outside.join("kept")).unwrap(), b"kept");
    assert_eq!(std::fs::read(tree.join("a/second")).unwrap(), b"content");
    // Removing a tree does not follow it either.
    depot.say(&ToDepot::Remove {
        ask: AskId(1),
        job: "job".to_owned(),
    });
    assert!(matches!(
        depot.hear(),
        FromDepot::Removed { fault: None, .. }
    ));
    assert!(outside.join("kept").exists() && !tree.exists());
}

#[test]
fn file_and_folder_of_one_name_are_told_apart() {
    let mut depot = Depot::new();
    let fact = depot.store(b"content");
    assert_eq!(depot.lay("job", "/a/b", fact), DONE);
    assert_eq!(
        depot.lay("job", "/a/b/c", fact),
        BAD_NAME,
        "a file is no folder"
    );
    assert_eq!(
        depot.lay("job", "/a", fact),
        BAD_NAME,
        "a folder is no file"
    );
}

#[test]
fn equal_files_of_unlike_age_keep_their_ages() {
    let mut depot = Depot::new();
    let fact = depot.store(b"content");
    let older = BlobFact {
        mtime_ns: 1_000_000_000_000_000_001,
        ..fact
    };
    assert_eq!(depot.lay("job", "/new", fact), DONE);
    assert_eq!(depot.lay("job", "/old", older), DONE);
    let of = |name: &str| std::fs::metadata(depot.tree("job").join(name)).unwrap();
    let age = |name: &str| (of(name).mtime(), of(name).mtime_nsec());
    assert_eq!(age("new"), (1_700_000_000, 123_456_789));
    assert_eq!(age("old"), (1_000_000_000, 1));
    assert_eq!(
        std::fs::read(depot.tree("job").join("old")).unwrap(),
        b"content"
    );
    assert_eq!(of("new").nlink(), 2, "a link of the blob");
}

#[test]
fn what_is_not_its_hash_is_not_stored() {
    let mut depot = Depot::new();
    let bombs = zstd::bulk::compress(&vec![0; PIECE_BYTES_MAX + 1], 1).unwrap();
    for (zstd, data, bytes, kind) in [
        (false, b"other".to_vec(), 5, FaultKind::Differs),
        (false, b"longer than it is".to_vec(), 5, FaultKind::Protocol),
        (true, b"no frame".to_vec(), 5, FaultKind::Protocol),
        (true, bombs, 1 << 30, FaultKind::Protocol),
    ] {
        let wanted = BlobFact {
            bytes,
            ..fact(b"right")
        };
        match depot.put(wanted, zstd, data) {
            FromDepot::NotStored { fault, .. } => assert_eq!(fault.kind, kind),
            other => panic!("{other:?}"),
        }
        depot.say(&ToDepot::Have {
            ask: AskId(1),
            blobs: vec![wanted],
        });
        match depot.hear() {
            FromDepot::Had { blobs, .. } => assert_eq!(blobs, [Presence::Part(0)]),
            other => panic!("{other:?}"),
        }
        assert_eq!(depot.lay("job", "/x", wanted), (vec![0], None));
    }
    let packed = zstd::bulk::compress(b"right", 1).unwrap();
    let stored = depot.put(fact(b"right"), true, packed);
    assert_eq!(stored, FromDepot::Stored { put: PutId(7) });
}

#[test]
fn blob_does_not_go_on_where_nothing_of_it_is() {
    let mut depot = Depot::new();
    let blob = fact(b"right");
    depot.say(&ToDepot::Put {
        put: PutId(1),
        blob,
        from: 3,
    });
    match depot.hear() {
        FromDepot::NotStored { fault, .. } => assert_eq!(fault.kind, FaultKind::Protocol),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_files_are_read() {
    let mut depot = Depot::new();
    let pipe = depot.folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    for (path, kind) in [
        (pipe.to_str().unwrap(), FaultKind::BadName),
        ("/dev/zero", FaultKind::BadName),
        ("relative", FaultKind::BadName),
        ("/nonexistent/file", FaultKind::Missing),
    ] {
        depot.say(&ToDepot::Read {
            read: ReadId(1),
            path: path.to_owned(),
            from: 0,
            bytes: 0,
        });
        match depot.hear() {
            FromDepot::NotRead { fault, .. } => assert_eq!(fault.kind, kind, "{path}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn another_build_and_garbage_are_refused() {
    let mut depot = Depot::silent();
    let hello = DepotHello {
        build: "0.0.0-other".to_owned(),
        ..depot.hello()
    };
    depot.say(&ToDepot::Hello(hello));
    assert!(matches!(depot.hear(), FromDepot::Refused { why, .. } if why.contains("0.0.0-other")));
    assert!(matches!(depot.end(), DepotEnd::Refused { .. }));

    let mut depot = Depot::new();
    depot.to.as_mut().unwrap().write_all(&[0xff; 16]).unwrap();
    assert!(matches!(depot.end(), DepotEnd::Garbled { .. }));

    let mut depot = Depot::new();
    depot.say(&ToDepot::Sink {
        data: ByteBuf::from(vec![0; PIECE_BYTES_MAX + 1]),
    });
    assert!(matches!(depot.end(), DepotEnd::Garbled { .. }));
}

#[test]
fn silent_controller_is_gone() {
    let mut depot = Depot::silent();
    let hello = DepotHello {
        heartbeat_ms: 20,
        ..depot.hello()
    };
    depot.say(&ToDepot::Hello(hello));
    assert!(matches!(depot.hear(), FromDepot::Hello(_)));
    // The way stays open, and nobody says anything.
    let ended = depot.thread.take().unwrap().join().unwrap();
    assert_eq!(ended, DepotEnd::ControllerGone);
}

#[test]
fn folder_that_is_no_folder_is_told() {
    let mut depot = Depot::silent();
    let file = depot.folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let hello = DepotHello {
        cache_root: file.to_str().unwrap().to_owned(),
        ..depot.hello()
    };
    depot.say(&ToDepot::Hello(hello));
    match depot.hear() {
        FromDepot::Refused { why, fault } => {
            assert!(why.starts_with("cannot use the folder"), "{why}");
            assert!(fault.is_some());
        }
        other => panic!("{other:?}"),
    }
}
