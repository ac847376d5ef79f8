//! Hosts that cannot be used: one sentence each, with what to do.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::fake;
use crate::reach::{Asked, ask, refusal};
use crate::support::sshd::{Farm, Host, Setup};
use crate::support::{LONG, poll};

/// A farm whose sshd has these lines first.
fn with_sshd(lines: &[&str]) -> Option<Farm> {
    let setup = Setup {
        sshd: lines.iter().map(ToString::to_string).collect(),
        ..Setup::default()
    };
    Farm::with(1, &setup)
}

#[track_caller]
fn expect_refusal(asked: &Asked, sentence: &str, hint: &str) {
    let refused = refusal(asked);
    let (said, advised) = refused.split_once("\nhint: ").unwrap_or((&refused, ""));
    assert!(said.contains(sentence), "{refused}");
    assert!(advised.contains(hint), "{refused}");
    assert!(!said.contains('\n'), "one sentence: {refused}");
}

#[test]
fn nobody_is_asked_for_a_password_and_no_key_is_ignored() {
    let password = ["PubkeyAuthentication no", "PasswordAuthentication yes"];
    let Some(farm) = with_sshd(&password) else {
        return;
    };
    let sentence = "it asks for a password, and nobody can be asked during a job";
    expect_refusal(&Asked::of(&farm, 0), sentence, "ssh-copy-id");

    let Some(farm) = with_sshd(&["AuthorizedKeysFile /dev/null"]) else {
        return;
    };
    expect_refusal(
        &Asked::of(&farm, 0),
        "it does not accept our keys",
        "ssh-add -l",
    );

    let Some(farm) = Farm::up(2) else { return };
    let known = fs::read_to_string(farm.known_hosts()).expect("our own folder");
    fs::write(farm.known_hosts(), "").expect("our own folder");
    expect_refusal(
        &Asked::of(&farm, 0),
        "its host key is not known here",
        "log in once by hand",
    );
    // A user who takes new keys has said so himself.
    let accepts = Asked::of(&farm, 1).option("StrictHostKeyChecking=accept-new");
    ask(&accepts).expect("it is reached");
    let swapped = known
        .replace("fw1", "fwx")
        .replace("fw2", "fw1")
        .replace("fwx", "fw2");
    fs::write(farm.known_hosts(), swapped).expect("our own folder");
    let sentence = "its host key is another one than is known here";
    expect_refusal(&Asked::of(&farm, 0), sentence, "ssh-keygen -R");
    // Whoever wants it ignored is not heard.
    let ignores = Asked::of(&farm, 0).option("StrictHostKeyChecking=no");
    expect_refusal(
        &ignores,
        "ssh_options cannot be used: with StrictHostKeyChecking=no",
        "",
    );
}

#[test]
fn configurations_that_break_pipes_are_overruled() {
    let Some(farm) = Farm::up(1) else { return };
    let config = fs::read_to_string(farm.ssh_config()).expect("our own folder");
    let bad = "Host *\n  RemoteCommand echo no\n  RequestTTY force\n  ControlMaster auto\n  \
               ControlPath ~/.ssh/%C\n  ForwardX11 yes\n  LocalForward 1 a:1\n  \
               PermitLocalCommand yes\n  LocalCommand echo local\n  LogLevel QUIET\n";
    fs::write(farm.ssh_config(), format!("{bad}{config}")).expect("our own folder");
    ask(&Asked::of(&farm, 0)).expect("it is reached");
}

#[test]
fn hosts_that_do_not_answer_are_told_apart() {
    let Some(farm) = Farm::up(1) else { return };
    let other = |address: &str, port: u16| {
        let mut asked = Asked::of(&farm, 0).option("ConnectTimeout=2");
        address.clone_into(&mut asked.address);
        asked.option(&format!("Port={port}"))
    };
    let sentence = "the address cannot be resolved";
    expect_refusal(&other("no-such-host.invalid", 22), sentence, "`address`");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    // The system accepts for a listener that does not.
    let sentence = "it accepts connections and then says nothing";
    expect_refusal(&other("127.0.0.1", port), sentence, "ssh -v");
    drop(listener);
    expect_refusal(
        &other("127.0.0.1", port),
        "it refuses connections",
        "start sshd",
    );

    if farm.is_isolated_or_say() {
        farm.host(0).cut();
        let asked = Asked::of(&farm, 0).option("ConnectTimeout=2");
        expect_refusal(&asked, "it cannot be reached: ", "switched on");
    }
}

#[test]
fn login_shells_that_lead_nowhere_are_named() {
    let nologin = ["/usr/sbin/nologin", "/sbin/nologin"].map(PathBuf::from);
    if let Some(nologin) = nologin.into_iter().find(|path| path.exists()) {
        let setup = Setup {
            shell: Some(nologin),
            ..Setup::default()
        };
        let Some(farm) = Farm::with(1, &setup) else {
            return;
        };
        let sentence = "its login shell ended before it ran anything: This account is";
        expect_refusal(&Asked::of(&farm, 0), sentence, "`ssh ADDRESS true`");
    }

    let Some(farm) = Farm::up(1) else { return };
    let host = farm.host(0);
    host.file(".bashrc", "echo so long; exit 3\n", 0o644);
    let sentence = "its login shell ended before it ran anything: so long";
    expect_refusal(&Asked::of(&farm, 0), sentence, "start files");
    host.file(".bashrc", "yes the banner without an end\n", 0o644);
    let sentence = "its login shell prints without end";
    expect_refusal(&Asked::of(&farm, 0), sentence, "start files");
    host.file(".bashrc", "exec sleep 1000\n", 0o644);
    let mut asked = Asked::of(&farm, 0);
    asked.deadline = Duration::from_secs(3);
    expect_refusal(
        &asked,
        "its login shell has run nothing within 3 s",
        "start files",
    );
}

#[test]
fn a_server_that_drops_connections_is_tried_again() {
    let Some(farm) = with_sshd(&["MaxStartups 1"]) else {
        return;
    };
    let host = farm.host(0);
    // Whoever has not logged in yet counts.
    let held = TcpStream::connect(host.at()).expect("it listens");
    let asked = Asked::of(&farm, 0);
    thread::scope(|threads| {
        let reached = threads.spawn(|| ask(&asked));
        let dropped = poll(LONG, || host.log().contains("MaxStartups").then_some(()));
        assert!(dropped.is_some(), "{}", host.log());
        drop(held);
        reached.join().expect("no panic").expect("it is reached");
    });
    let _held = TcpStream::connect(host.at()).expect("it listens");
    expect_refusal(&asked, "it drops new connections", "MaxStartups");
}

#[test]
fn disks_that_cannot_take_the_program_are_named() {
    let setup = Setup {
        disk_bytes: 64 << 20,
        ..Setup::default()
    };
    let Some(farm) = Farm::with(1, &setup) else {
        return;
    };
    if !farm.is_isolated_or_say() {
        return;
    }
    let host = farm.host(0);
    let asked = Asked::of(&farm, 0);
    let full = "the disk of its cache folder is full";
    host.fill_disk();
    expect_refusal(&asked, full, "make room");
    host.empty_disk();
    // Where the room cannot be known in advance, or somebody takes it meanwhile.
    fake(host, "df", "exit 1");
    host.run("mkdir -p .cache && fallocate -l 50M filler")
        .expect_code(0);
    expect_refusal(&asked, full, "make room");
    expect_nothing_half_sent(host);
    host.run("rm filler").expect_code(0);

    let remount = |how: &str| {
        host.run(&format!("mount -o remount,bind,{how} ~"))
            .expect_code(0);
    };
    remount("noexec");
    let sentence = "programs on the disk of /root/.cache/framewright/worker may not be executed";
    expect_refusal(&asked, sentence, "XDG_CACHE_HOME");
    expect_nothing_half_sent(host);
    remount("exec");
    ask(&asked).expect("it is reached");
    remount("noexec");
    expect_refusal(&asked, "may not be executed", "worker = ");
    remount("exec");
    host.run("rm -r .cache").expect_code(0);
    remount("ro");
    let sentence = "its cache folder is not writable: mkdir";
    expect_refusal(&asked, sentence, "XDG_CACHE_HOME");
}

/// Files in a host's folder for programs that are no programs.
/// The script there tidies up after it has said what is wrong.
#[track_caller]
fn expect_nothing_half_sent(host: &Host) {
    let gone = poll(LONG, || left_half_sent(host).is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", left_half_sent(host));
}

fn left_half_sent(host: &Host) -> Vec<PathBuf> {
    let folders = fs::read_dir(host.cache_root().join("worker"));
    let files = folders
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|entry| fs::read_dir(entry.path()).into_iter().flatten().flatten())
        .map(|entry| entry.path());
    files
        .filter(|path| !path.ends_with("framewright"))
        .collect()
}
