//! Clients of every kind, against a server whose loop is a task that counts.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::*;
use crate::explain::Standing;
use crate::request::{HostEntry, LinkKind};

const TASK: &str = "all:7";

/// A controller's loop that knows one task.
struct Loop {
    folder: TempDir,
    control: Option<Control>,
    asked: Arc<AtomicU32>,
}

impl Loop {
    fn in_folder(folder: TempDir, below: &str, limits: Limits) -> Self {
        let (door, mut requests) = mpsc::channel::<Asked>(WAITING_MAX);
        let place = folder.path().join(below);
        std::fs::create_dir_all(&place).unwrap();
        let control = Control::open(&place, limits, door).unwrap();
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some(Asked { request, reply }) = requests.recv().await {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = reply.send(match request {
                    Request::Explain { task } if task == TASK => {
                        Answer::Explained(Box::new(report()))
                    }
                    Request::Explain { task } => {
                        Answer::refused(format!("there is no task {task}"))
                    }
                    Request::HostAdd { entry } => Answer::Done {
                        text: format!("{} joins with {} slots", entry.name, entry.slots),
                    },
                    Request::HostDrain { host } => {
                        Answer::refused(format!("there is no host {host}"))
                    }
                });
            }
        });
        Self {
            folder,
            control: Some(control),
            asked,
        }
    }

    fn start(limits: Limits) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), "", limits)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    /// What comes back for these bytes, until the server closes.
    async fn says(&self, bytes: &[u8]) -> String {
        let mut stream = socket::connect(self.path()).await.unwrap();
        // It may close before it has read all.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8(text).unwrap()
    }
}

fn report() -> TaskReport {
    TaskReport {
        task: TASK.to_owned(),
        standing: Standing::Waiting {
            hold: None,
            waiting: 3,
            all_done_in_s: None,
        },
        beside: None,
        attempts: 0,
        failures: 0,
        cost: None,
        hosts: Vec::new(),
        hosts_left_out: 0,
        tries: Vec::new(),
    }
}

fn explain(task: &str) -> Request {
    Request::Explain {
        task: task.to_owned(),
    }
}

#[tokio::test]
async fn a_question_is_answered_and_the_socket_is_the_user_s_own() {
    let server = Loop::start(Limits::default());
    let answer = ask(server.path(), &explain(TASK)).await.unwrap();
    assert_eq!(answer, Answer::Explained(Box::new(report())));
    let about = std::fs::metadata(server.path().join("control.sock")).unwrap();
    assert!(about.file_type().is_socket());
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_said_stays_as_it_is() {
    let server = Loop::start(Limits::default());
    let text = server
        .says(b"{\"format\":1,\"ask\":\"explain\",\"task\":\"all:7\"}\n")
        .await;
    assert_eq!(
        text,
        concat!(
            r#"{"format":1,"answer":"explained","task":"all:7","state":"waiting","waiting":3,"#,
            r#""attempts":0,"failures":0,"hosts":[],"hosts_left_out":0,"tries":[]}"#,
            "\n"
        )
    );
}

#[tokio::test]
async fn a_host_comes_through_whole_and_an_order_is_answered() {
    let server = Loop::start(Limits::default());
    let link = LinkKind::Ssh {
        address: "render@node01".to_owned(),
        options: vec!["-F".to_owned(), "x".to_owned()],
    };
    let mut entry = HostEntry::new("node01", link, 3);
    entry.paths.insert("/mnt".to_owned(), "/net".to_owned());
    entry.load_max = Some(4.5);
    let request = Request::HostAdd {
        entry: Box::new(entry),
    };
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    let answer = ask(server.path(), &request).await.unwrap();
    let text = "node01 joins with 3 slots".to_owned();
    assert_eq!(answer, Answer::Done { text });
    // As anybody may write it.
    let said = server
        .says(b"{\"format\":1,\"ask\":\"host-drain\",\"host\":\"node09\"}\n")
        .await;
    assert!(said.contains("there is no host node09"), "{said}");
}

#[tokio::test]
async fn garbage_is_refused_and_the_next_line_is_read() {
    let server = Loop::start(Limits::default());
    let text = server
        .says(
            b"GET / HTTP/1.1\n{}\n\xff\xfe\n\
              {\"format\":2,\"ask\":\"dance\"}\n{\"format\":1,\"ask\":\"dance\"}\n\
              {\"format\":1,\"ask\":\"explain\",\"task\":\"all:7\"}\n",
        )
        .await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines[..5].iter().all(|line| line.contains("refused")));
    assert!(lines[3].contains("speaks format 1, not 2"), "{}", lines[3]);
    assert!(lines[5].contains("explained"));
    assert_eq!(server.asked(), 1, "the loop hears of whole requests only");
}

#[tokio::test]
async fn an_endless_line_is_cut_off() {
    let server = Loop::start(Limits::default());
    let text = server.says(&vec![b'a'; 1 << 20]).await;
    // Where the system threw the rest away with the connection, the answer may be lost with it.
    assert!(
        text.is_empty() || text.contains("at most 16384 bytes"),
        "{text}"
    );
    let longest = format!(
        "{{\"format\":1,\"ask\":\"explain\",\"task\":\"all:7\",\"more\":\"{}\"}}",
        "x".repeat(16 * 1024 - 56)
    );
    assert!(longest.len() <= 16 * 1024);
    let text = server.says(format!("{longest}\n").as_bytes()).await;
    assert!(text.contains("explained"), "{text}");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn clients_that_say_nothing_are_shown_out() {
    let limits = Limits {
        clients_max: 2,
        patience: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = Loop::start(limits);
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(socket::connect(server.path()).await.unwrap());
    }
    // One of them begins a line.
    silent[0].write_all(b"{\"format\":").await.unwrap();
    let answer = ask(server.path(), &explain(TASK)).await.unwrap();
    assert!(matches!(answer, Answer::Explained(_)));
    let mut rest = Vec::new();
    silent[0].read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn ten_at_once_are_all_answered() {
    let limits = Limits {
        clients_max: 4,
        ..Limits::default()
    };
    let server = Loop::start(limits);
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..10 {
        let path: PathBuf = server.path().to_owned();
        clients.spawn(async move {
            let task = if number % 2 == 0 { TASK } else { "all:99" };
            ask(&path, &explain(task)).await.unwrap()
        });
    }
    let answers = clients.join_all().await;
    let explained = |answer: &&Answer| matches!(answer, Answer::Explained(_));
    assert_eq!(answers.iter().filter(explained).count(), 5);
    assert_eq!((answers.len(), server.asked()), (10, 10));
}

#[tokio::test]
async fn a_deep_folder_is_no_hindrance() {
    let below = ["a-rather-long-name-of-a-folder"; 8].join("/");
    let server = Loop::in_folder(tempfile::tempdir().unwrap(), &below, Limits::default());
    let folder = server.path().join(below);
    assert!(folder.as_os_str().len() > 108);
    let answer = ask(&folder, &explain(TASK)).await.unwrap();
    assert!(matches!(answer, Answer::Explained(_)));
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_one_s_own_is_taken_away() {
    let mut server = Loop::start(Limits::default());
    let path = server.path().join("control.sock");
    server.control = None;
    assert!(!path.exists());
    // What a killed controller leaves.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let error = ask(server.path(), &explain(TASK)).await.unwrap_err();
    assert!(matches!(error, AskError::Unreachable(_)), "{error}");
    let folder = std::mem::replace(&mut server.folder, tempfile::tempdir().unwrap());
    let server = Loop::in_folder(folder, "", Limits::default());
    let answer = ask(server.path(), &explain(TASK)).await.unwrap();
    assert!(matches!(answer, Answer::Explained(_)));
}

#[tokio::test]
async fn a_loop_that_is_gone_says_that_the_job_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (door, requests) = mpsc::channel::<Asked>(1);
    let _control = Control::open(folder.path(), Limits::default(), door).unwrap();
    drop(requests);
    let answer = ask(folder.path(), &explain(TASK)).await.unwrap();
    assert_eq!(answer, Answer::refused("the job is ending"));
}
