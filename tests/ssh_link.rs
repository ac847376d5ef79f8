//! Hosts that are reached by the user's own ssh: real sshd, real networks.

#[path = "ssh_link/reach.rs"]
mod reach;
#[path = "ssh_link/refusals.rs"]
mod refusals;
mod support;

use std::fs;
use std::path::PathBuf;

use reach::{Asked, ask, refusal};
use support::sshd::{Farm, Host, Setup};

/// The control: what later tests do to hosts is done to them, and nothing of a farm stays.
#[test]
fn test_hosts_are_machines_of_their_own() {
    let Some(mut farm) = Farm::with(
        2,
        &Setup {
            disk_bytes: 8 << 20,
            ..Setup::default()
        },
    ) else {
        return;
    };
    let (one, two) = (farm.host(0), farm.host(1));
    assert_ne!(one.at(), two.at());
    one.run("echo here >only-here").expect_code(0);
    assert!(one.home().join("only-here").exists());
    assert!(!two.home().join("only-here").exists());
    let ssh = |command: &str| {
        let config = farm.ssh_config();
        let mut ssh = std::process::Command::new("ssh");
        ssh.arg("-F")
            .arg(config)
            .args(["-o", "ConnectTimeout=2", "fw1", command]);
        support::finish(ssh, support::LONG)
    };
    let read = ssh("cat ~/only-here; sleep 100 >/dev/null 2>&1 & echo ~; uname -n").expect_code(0);
    assert!(read.stdout.starts_with("here\n"), "{read:?}");
    let tagged = one.processes("FRAMEWRIGHT_TEST_HOST", "fw1");
    assert!(
        tagged.values().any(|line| line.contains("sleep 100")),
        "{tagged:?}"
    );
    assert!(two.processes("FRAMEWRIGHT_TEST_HOST", "fw1").is_empty());
    if !farm.is_isolated_or_say() {
        return;
    }
    assert!(read.stdout.ends_with("fw1\n"), "{read:?}");
    one.cut();
    assert_eq!(ssh("true").code(), 255);
    one.heal();
    ssh("true").expect_code(0);
    one.fill_disk();
    assert_ne!(ssh("echo more >~/more && cat ~/more").stdout, "more\n");
    one.empty_disk();
    ssh("echo more >~/more").expect_code(0);
    farm.host_mut(0).power_off();
    assert!(
        farm.host(0)
            .processes("FRAMEWRIGHT_TEST_HOST", "fw1")
            .is_empty()
    );
    farm.host_mut(0).boot();
    assert!(farm.host(0).home().join("more").exists());
}

/// Nothing of a farm outlives its test, not even one that is killed.
#[test]
fn a_farm_goes_down_with_a_test_that_is_killed() {
    const ME: &str = "a_farm_goes_down_with_a_test_that_is_killed";
    const WHERE: &str = "FRAMEWRIGHT_TEST_FARM_NOTE";
    if let Some(note) = std::env::var_os(WHERE) {
        // The one that will be killed.
        let farm = Farm::up(1).expect("its parent had one");
        let known = farm.known_hosts();
        fs::write(note, known.display().to_string() + "\n").expect("our own folder");
        loop {
            std::thread::park();
        }
    }
    let Some(farm) = Farm::up(1) else { return };
    drop(farm);
    let desk = support::Desk::new();
    let note = desk.work().join("note");
    let mut command = desk.command(std::env::current_exe().expect("a test has one"));
    command.args(["--exact", ME]).env(WHERE, &note);
    let child = support::Running::start(command);
    let read = || {
        let text = fs::read_to_string(&note).ok()?;
        text.strip_suffix('\n').map(PathBuf::from)
    };
    let known = support::poll(support::LONG, read).expect("it has a farm");
    let folder = known.parent().expect("a folder").to_owned();
    let tag = folder.display().to_string();
    let wires = |kind: &str| fs::read_to_string(folder.join("fw1").join(kind)).ok();
    let (netns, veth) = (wires("netns"), wires("veth"));
    child.signal(rustix::process::Signal::KILL);
    let gone = support::poll(support::LONG, || {
        let left = folder.exists()
            || !support::processes_with("FRAMEWRIGHT_TEST_FARM", &tag).is_empty()
            || netns
                .iter()
                .any(|name| PathBuf::from("/run/netns").join(name).exists())
            || veth
                .iter()
                .any(|name| PathBuf::from("/sys/class/net").join(name).exists());
        (!left).then_some(())
    });
    assert!(gone.is_some(), "{folder:?}, {netns:?} or {veth:?} is left");
}

/// The one program that lies in a host's cache folder.
#[track_caller]
fn cached(host: &Host) -> PathBuf {
    let folders = fs::read_dir(host.cache_root().join("worker")).expect("it was put there");
    let folders: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    let files = fs::read_dir(&folders[0]).expect("a folder").flatten();
    let files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    assert_eq!(files.len(), 1, "nothing half sent stays: {files:?}");
    files[0].clone()
}

#[test]
fn a_host_with_nothing_gets_the_program_once_and_whole() {
    let Some(farm) = Farm::up(1) else { return };
    let host = farm.host(0);
    let first = ask(&Asked::of(&farm, 0)).expect("it is reached");
    let program = cached(host);
    let about = fs::metadata(&program).expect("it is there");
    assert!(first.executable.ends_with("/framewright"), "{first:?}");
    if farm.isolated() {
        assert_eq!(first.hostname, "fw1");
    }
    let whole = fs::metadata(support::PROGRAM).expect("it is built").len();
    assert!(
        about.len() * 2 < whole,
        "without what debuggers read: {}",
        about.len()
    );

    // The second time it is found there.
    ask(&Asked::of(&farm, 0)).expect("it is reached");
    let again = fs::metadata(cached(host)).expect("it is there");
    let when = |about: &fs::Metadata| about.modified().expect("a time");
    assert_eq!(when(&again), when(&about));

    // One that is not what was sent is replaced: another byte, cut short, gone.
    let good = fs::read(&program).expect("it can be read");
    let mut other = good.clone();
    other[good.len() / 2] ^= 1;
    for bad in [&other[..], &good[..1000], &[]] {
        fs::write(&program, bad).expect("root may");
        ask(&Asked::of(&farm, 0)).expect("it is reached");
        assert!(fs::read(cached(host)).expect("it can be read") == good);
    }
    // And a folder of an interrupted attempt is no hindrance.
    fs::remove_file(&program).expect("root may");
    ask(&Asked::of(&farm, 0)).expect("it is reached");
    assert!(fs::read(cached(host)).expect("it can be read") == good);
}

#[test]
fn many_at_once_put_it_there_without_harm() {
    let Some(farm) = Farm::up(1) else { return };
    let asked: Vec<Asked> = (0..12).map(|_| Asked::of(&farm, 0)).collect();
    for hello in reach::ask_all(&asked) {
        hello.expect("each is reached");
    }
    cached(farm.host(0));
}

#[test]
fn old_programs_on_a_host_make_room() {
    let Some(farm) = Farm::up(1) else { return };
    let host = farm.host(0);
    for number in 0..9 {
        let old = format!("mkdir -p .cache/framewright/worker/{number:064}");
        host.run(&old).expect_code(0);
    }
    host.run(
        "mkdir .cache/framewright/worker/not-ours; touch -d 2001-01-01 .cache/framewright/worker/*",
    )
    .expect_code(0);
    ask(&Asked::of(&farm, 0)).expect("it is reached");
    let left = fs::read_dir(host.cache_root().join("worker")).expect("a folder");
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().any(|name| name == "not-ours"), "{left:?}");
    assert!((3..=5).contains(&left.len()), "{left:?}");
}

#[test]
fn login_shells_that_are_no_posix_shells_and_print_banners_are_fine() {
    for (shell, start) in [
        ("fish", ".config/fish/config.fish"),
        ("tcsh", ".cshrc"),
        ("bash", ".bashrc"),
    ] {
        let Some(path) = shell_path(shell) else {
            continue;
        };
        let setup = Setup {
            shell: Some(path),
            ..Setup::default()
        };
        let Some(farm) = Farm::with(1, &setup) else {
            return;
        };
        let banner = "echo Welcome to the farm, do not FRAMEWRIGHT here!\necho ok\n";
        farm.host(0).file(start, banner, 0o644);
        for _ in 0..2 {
            ask(&Asked::of(&farm, 0)).unwrap_or_else(|error| panic!("{shell}: {error}"));
        }
    }
}

/// A shell of this machine; one that is not there is said, and fails under `CI=true` where the
/// tests' own list of packages has it.
fn shell_path(name: &str) -> Option<PathBuf> {
    let found = ["/usr/bin", "/bin", "/usr/local/bin"]
        .iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.exists());
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(found.is_some() || name == "tcsh" || !ci, "CI has no {name}");
    found
}

#[test]
fn an_installed_program_is_used_as_it_is() {
    let Some(farm) = Farm::up(1) else { return };
    let mut asked = Asked::of(&farm, 0);
    asked.worker = Some(support::PROGRAM.to_owned());
    let hello = ask(&asked).expect("it is reached");
    assert_eq!(hello.executable, support::PROGRAM);
    assert!(!farm.host(0).cache_root().exists());
    asked.worker = Some("/opt/no/framewright".to_owned());
    let refused = refusal(&asked);
    assert!(
        refused.contains("there is no program /opt/no/framewright"),
        "{refused}"
    );
}

/// Puts a program of the user's own first on a host's PATH.
fn fake(host: &Host, name: &str, text: &str) {
    host.file(".bashrc", "PATH=$HOME/bin:$PATH\nexport PATH\n", 0o644);
    host.file(
        &format!("bin/{name}"),
        &format!("#!/bin/sh\n{text}\n"),
        0o755,
    );
}

#[test]
fn another_kind_of_machine_is_named_with_the_way_out() {
    let Some(farm) = Farm::up(1) else { return };
    let fake = |name: &str, text: &str| fake(farm.host(0), name, text);
    fake(
        "uname",
        "case $1 in -m) echo riscv64;; -s) echo Linux;; *) echo fw1;; esac",
    );
    let refused = refusal(&Asked::of(&farm, 0));
    assert!(
        refused.contains("it is a Linux riscv64 machine, and this framewright is built for"),
        "{refused}"
    );
    assert!(
        refused.contains("hint: build the same version there"),
        "{refused}"
    );
    fs::remove_file(farm.host(0).home().join("bin/uname")).expect("our own file");
    fake("getconf", "echo glibc 2.5");
    let refused = refusal(&Asked::of(&farm, 0));
    assert!(
        refused.contains("it has glibc 2.5, and this framewright needs glibc 2."),
        "{refused}"
    );
    fake("getconf", "exit 1");
    fake("ldd", "echo 'musl libc (x86_64)' >&2; exit 1");
    let refused = refusal(&Asked::of(&farm, 0));
    assert!(
        refused.contains("it has musl libc, and this framewright needs glibc 2."),
        "{refused}"
    );
    assert!(
        !farm
            .host(0)
            .cache_root()
            .join("worker")
            .read_dir()
            .expect("a folder")
            .any(|entry| { entry.expect("an entry").path().join("framewright").exists() })
    );
}

#[test]
fn a_machine_without_ssh_says_so_and_what_to_install() {
    let desk = support::Desk::new();
    let scene = support::small_scene(&desk, "shot", "frames = \"1-2\"\n");
    let farm = "[[host]]\nname = \"n1\"\nlink = \"ssh\"\naddress = \"n1\"\nslots = 1\n";
    desk.file("farm.toml", farm);
    let mut command = desk.framewright(["render", scene.as_str(), "--hosts", "farm.toml"]);
    command.env("PATH", desk.work());
    let ended = support::finish(command, support::LONG).expect_code(3);
    assert!(ended.stderr.contains("cannot start `ssh`"), "{ended:#?}");
    assert!(
        ended.stderr.contains("(install the OpenSSH client"),
        "{ended:#?}"
    );
}

/// Where namespaces cannot be had, the same holds.
#[test]
fn loopback_hosts_are_reached_alike() {
    let setup = Setup {
        loopback: true,
        ..Setup::default()
    };
    let Some(farm) = Farm::with(2, &setup) else {
        return;
    };
    for index in 0..2 {
        ask(&Asked::of(&farm, index)).expect("it is reached");
        cached(farm.host(index));
    }
}
