//! Hosts for tests: real sshd, each on a machine of its own as far as that can be had.
//!
//! As root, a host has namespaces of its own: network (an address on a bridge that only this farm
//! has), processes, host name, mounts. Its `/tmp`, `/run` and home lie on a disk of its own, whose
//! size the test says; the rest of the file system is this machine's, so the program under test
//! and the adapters are there. It can be cut off, slowed down, filled, switched off and on again.
//! Elsewhere a host is an sshd on a loopback port with a home of its own, and nothing more.
//!
//! A farm goes down with its value, and with the test's process whatever becomes of that: a keeper
//! process waits for the end of a pipe that only the test holds. Several farms live side by side,
//! of several processes: the kernel says which bridge, and so which addresses, are whose.

mod ground;
mod host;
mod left;
pub mod seen;
mod wires;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use ground::Ground;
pub use host::Host;

use super::{Desk, LONG, PROGRAM, poll, top};

/// More hosts than a test needs, fewer than a subnet has addresses.
const HOSTS_MAX: usize = 60;

/// What a farm's hosts are like.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Size of each host's disk, which holds its home and `/tmp`. Takes no room until it is used.
    pub disk_bytes: u64,
    /// Lines for `sshd_config`; they win over the farm's own.
    pub sshd: Vec<String>,
    /// The user's login shell, where it is not this machine's.
    pub shell: Option<PathBuf>,
    /// Folders of this machine that all hosts see under the same path: shared storage.
    pub shared: Vec<PathBuf>,
    /// Plain loopback ports even where namespaces can be had.
    pub loopback: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            disk_bytes: 1 << 30,
            sshd: Vec::new(),
            shell: None,
            shared: Vec::new(),
            loopback: false,
        }
    }
}

/// Some hosts, up.
pub struct Farm {
    folder: PathBuf,
    hosts: Vec<Host>,
    isolated: bool,
    keeper: Child,
}

impl Farm {
    /// Brings up hosts `fw1` to `fwN`. None where there is no sshd, which is said, and fails under
    /// `CI=true`.
    #[track_caller]
    pub fn up(count: usize) -> Option<Self> {
        Self::with(count, &Setup::default())
    }

    /// The same, to order.
    #[track_caller]
    pub fn with(count: usize, setup: &Setup) -> Option<Self> {
        assert!((1..=HOSTS_MAX).contains(&count), "{count} hosts");
        let Some(sshd) = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists())
        else {
            missing("no sshd");
            return None;
        };
        for program in ["ssh", "ssh-keygen"] {
            if Command::new(program).arg("-?").output().is_err() {
                missing(&format!("no {program}"));
                return None;
            }
        }

        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Not below the temp folder: hosts have one of their own.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("sshd-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder in the build's own folder");
        // How tests do without namespaces is tried where these can be had, too.
        let asked = std::env::var_os("FRAMEWRIGHT_TEST_LOOPBACK").is_some();
        let ground = if setup.loopback || asked {
            Ground::Loopback
        } else {
            Ground::find(number)
        };
        let mut farm = Self {
            isolated: matches!(ground, Ground::Bridge { .. }),
            keeper: keeper(&folder, &ground),
            folder,
            hosts: Vec::new(),
        };
        farm.keys();
        let mut visible = vec![farm.folder.clone(), built()];
        visible.extend(setup.shared.iter().cloned());
        for number in 1..=count {
            let host = Host::make(&farm.folder, number, &ground, setup, sshd, &visible);
            farm.hosts.push(host);
            farm.write_client_side();
        }
        for host in &mut farm.hosts {
            host.boot();
        }
        Some(farm)
    }

    /// Whether hosts are machines of their own, which can be cut, slowed, filled and switched off.
    pub fn isolated(&self) -> bool {
        self.isolated
    }

    /// The same, for a test that has no meaning without: says so where they are not.
    pub fn is_isolated_or_say(&self) -> bool {
        if !self.isolated {
            say("hosts here share this machine's network and disk, so nothing was cut or filled");
        }
        self.isolated
    }

    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host by its number, from 0.
    #[track_caller]
    pub fn host(&self, index: usize) -> &Host {
        &self.hosts[index]
    }

    #[track_caller]
    pub fn host_mut(&mut self, index: usize) -> &mut Host {
        &mut self.hosts[index]
    }

    /// For `ssh_options = ["-F", PATH]`: hosts by their names, the key, and what they are known by.
    pub fn ssh_config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    /// Who the hosts are, as the user's ssh remembers it; a test may change that.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// Writes `farm.toml` into the desk's work folder: all hosts with so many slots, and `more`
    /// lines for each. Returns the file's name.
    pub fn toml(&self, desk: &Desk, slots: u32, more: &str) -> String {
        let entry = |host: &Host| {
            format!(
                "[[host]]\nname = \"{name}\"\nlink = \"ssh\"\naddress = \"{address}\"\n\
                 ssh_options = [\"-F\", \"{config}\"]\nslots = {slots}\n{more}\n",
                name = host.name(),
                address = host.address(),
                config = self.ssh_config().display(),
            )
        };
        let text: String = self.hosts.iter().map(entry).collect();
        desk.file("farm.toml", text);
        "farm.toml".to_owned()
    }

    fn keys(&self) {
        let key = self.folder.join("id");
        host::keygen(&key);
        let public = fs::read(key.with_extension("pub")).expect("ssh-keygen wrote it");
        fs::write(self.folder.join("authorized_keys"), public).expect("our own folder");
    }

    fn write_client_side(&self) {
        let mut config = String::new();
        let mut known = String::new();
        for host in &self.hosts {
            let (name, at) = (host.name(), host.at());
            config += &format!(
                "Host {name}\n  HostName {}\n  Port {}\n  HostKeyAlias {name}\n",
                at.ip(),
                at.port()
            );
            known += &format!("{name} {}\n", host.public_key());
        }
        let folder = self.folder.display();
        config += &format!(
            "Host *\n  IdentityFile {folder}/id\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
             UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        );
        fs::write(self.ssh_config(), config).expect("our own folder");
        fs::write(self.known_hosts(), known).expect("our own folder");
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            host.end_processes();
        }
        drop(self.keeper.stdin.take());
        let ended = poll(LONG, || self.keeper.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.keeper.kill();
            let _ = self.keeper.wait();
        }
    }
}

/// Starts who takes the farm down. In a group of its own: Ctrl-C is for the test.
fn keeper(folder: &Path, ground: &Ground) -> Child {
    let mut command = Command::new("sh");
    command
        .args(["-c", include_str!("keeper.sh"), "keeper"])
        .arg(folder);
    if let Ground::Bridge { bridge, .. } = ground {
        command.arg(bridge);
    }
    command
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell")
}

/// The folder that holds the program under test and its adapters.
fn built() -> PathBuf {
    let folder = Path::new(PROGRAM).parent();
    folder.map_or_else(top, Path::to_owned)
}

/// A part of the machine that the test needs is not there.
#[track_caller]
fn missing(what: &str) {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!ci, "CI has {what}");
    say(&format!("there is {what} here, so no host was reached"));
}

#[expect(
    clippy::print_stderr,
    reason = "a test that could not run in full must be seen"
)]
fn say(what: &str) {
    eprintln!("SKIPPED: {what}");
}
