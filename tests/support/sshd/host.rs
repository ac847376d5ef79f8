//! One host of a farm.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Setup;
use super::ground::{Ground, run};
use super::seen::{all_pids, children, descendants, kill, walk};
use super::wires::Wires;
use crate::support::{Ended, LONG, finish, poll, processes_with};

/// A machine with an sshd.
pub struct Host {
    name: String,
    folder: PathBuf,
    at: SocketAddr,
    /// What a host in namespaces has that a loopback port has not.
    wires: Option<Wires>,
    sshd: &'static str,
    visible: Vec<PathBuf>,
    /// The sshd, or who keeps the namespace that it is the first process of.
    child: Option<Child>,
}

impl Host {
    pub(super) fn make(
        farm: &Path,
        number: usize,
        ground: &Ground,
        setup: &Setup,
        sshd: &'static str,
        visible: &[PathBuf],
    ) -> Self {
        let name = format!("fw{number}");
        let folder = farm.join(&name);
        fs::create_dir(&folder).expect("our own folder");
        let disk = folder.join("disk");
        fs::create_dir(&disk).expect("our own folder");
        let (at, wires) = match ground {
            Ground::Bridge { bridge, net } => {
                let ip = Ground::address(*net, number);
                let wires = Wires::lay(&folder, bridge, ip, number);
                let size = format!("size={},mode=755", setup.disk_bytes);
                let target = disk.display().to_string();
                run("mount", &["-t", "tmpfs", "-o", &size, &name, &target]).expect("root mounts");
                (SocketAddr::from((ip, 22)), Some(wires))
            }
            Ground::Loopback => (free_port(), None),
        };
        for own in ["home", "tmp"] {
            fs::create_dir(disk.join(own)).expect("our own folder");
        }
        keygen(&folder.join("hostkey"));
        let host = Self {
            name,
            folder,
            at,
            wires,
            sshd,
            visible: visible.to_vec(),
            child: None,
        };
        host.write_config(farm, setup);
        host
    }

    fn write_config(&self, farm: &Path, setup: &Setup) {
        let mut lines = setup.sshd.clone();
        if let Some(shell) = &setup.shell {
            match &self.wires {
                Some(_) => self.write_passwd(shell),
                // A plain user's login shell is what it is; this is as near as it gets.
                None => lines.push(format!(
                    "ForceCommand exec {} -c \"$SSH_ORIGINAL_COMMAND\"",
                    shell.display()
                )),
            }
        }
        let tag = format!("FRAMEWRIGHT_TEST_FARM={}", farm.display());
        let home = match &self.wires {
            Some(_) => String::new(),
            None => format!(
                " HOME={} TMPDIR={}",
                self.home().display(),
                self.tmp().display()
            ),
        };
        let folder = self.folder.display();
        let own = [
            format!("ListenAddress {}", self.at.ip()),
            format!("Port {}", self.at.port()),
            format!("HostKey {folder}/hostkey"),
            "PidFile none".to_owned(),
            format!("AuthorizedKeysFile {}/authorized_keys", farm.display()),
            format!("SetEnv FRAMEWRIGHT_TEST_HOST={} {tag}{home}", self.name),
            "StrictModes no\nUsePAM no\nUseDNS no\nPrintMotd no\nPrintLastLog no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nMaxStartups 100:30:200\nLogLevel VERBOSE\n\
             Subsystem sftp internal-sftp\n"
                .to_owned(),
        ]
        .join("\n");
        // Of most settings sshd takes the first, of some the last.
        let key = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        let taken: BTreeSet<String> = lines.iter().map(|line| key(line)).collect();
        let own = own.lines().filter(|line| !taken.contains(&key(line)));
        lines.extend(own.map(str::to_owned));
        fs::write(self.folder.join("sshd_config"), lines.join("\n") + "\n")
            .expect("our own folder");
    }

    fn write_passwd(&self, shell: &Path) {
        let passwd = fs::read_to_string("/etc/passwd").expect("there are users");
        let line = |line: &str| match line.strip_prefix("root:") {
            Some(rest) => {
                let keep = rest.rsplit_once(':').map_or(rest, |(keep, _)| keep);
                format!("root:{keep}:{}\n", shell.display())
            }
            None => format!("{line}\n"),
        };
        let text: String = passwd.lines().map(line).collect();
        fs::write(self.folder.join("passwd"), text).expect("our own folder");
    }

    /// Switches it on and waits until it answers. Same keys, same address, same home; what was in
    /// its `/tmp` and what ran is gone.
    #[track_caller]
    pub fn boot(&mut self) {
        self.end_processes();
        self.heal();
        let _ = fs::remove_dir_all(self.tmp());
        fs::create_dir_all(self.tmp()).expect("our own disk");
        let mut command = match &self.wires {
            Some(wires) => {
                let mut command = Command::new("ip");
                command
                    .args(["netns", "exec", &wires.netns, "unshare"])
                    .args(["--uts", "--pid", "--mount", "--fork", "--kill-child"])
                    .args(["--mount-proc", "sh", "-c", include_str!("boot.sh"), "boot"])
                    .arg(&self.folder)
                    .args([&self.name, self.sshd])
                    .arg(user_home())
                    .args(&self.visible);
                command
            }
            None => {
                let mut command = Command::new(self.sshd);
                command
                    .arg("-D")
                    .arg("-f")
                    .arg(self.folder.join("sshd_config"));
                command.arg("-E").arg(self.folder.join("sshd.log"));
                command
            }
        };
        if rustix::process::geteuid().is_root() {
            // sshd's own demand.
            fs::create_dir_all("/run/sshd").expect("root makes folders");
        }
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("boot.log"))
            .expect("our own folder");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("an sshd starts");
        fs::write(self.folder.join("pid"), child.id().to_string()).expect("our own folder");
        self.child = Some(child);
        let up = poll(LONG, || {
            let ended = self
                .child
                .as_mut()
                .and_then(|c| c.try_wait().ok().flatten());
            if ended.is_some() {
                return Some(false);
            }
            TcpStream::connect_timeout(&self.at, Duration::from_millis(500))
                .is_ok()
                .then_some(true)
        });
        let log = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        assert_eq!(up, Some(true), "{}{}", log("boot.log"), log("sshd.log"));
    }

    pub(super) fn end_processes(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if self.wires.is_none() {
            for pid in descendants(child.id()) {
                kill(pid);
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        let _ = fs::remove_file(self.folder.join("pid"));
        // With namespaces the first process dies with its keeper, and all others with it.
        if self.wires.is_none() {
            for pid in self
                .processes("FRAMEWRIGHT_TEST_HOST", &self.name)
                .into_keys()
            {
                kill(pid);
            }
        }
    }

    /// Its name in the farm, which is also what it calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For ssh, with the farm's `ssh_config`.
    pub fn address(&self) -> &str {
        &self.name
    }

    /// Where its sshd listens.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    pub(super) fn public_key(&self) -> String {
        let line =
            fs::read_to_string(self.folder.join("hostkey.pub")).expect("ssh-keygen wrote it");
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// The user's home on it, as this machine sees it.
    pub fn home(&self) -> PathBuf {
        self.folder.join("disk/home")
    }

    /// Its `/tmp`, as this machine sees it.
    pub fn tmp(&self) -> PathBuf {
        self.folder.join("disk/tmp")
    }

    /// framewright's folder on it, as this machine sees it.
    pub fn cache_root(&self) -> PathBuf {
        self.home().join(".cache/framewright")
    }

    /// What its sshd wrote about connections.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("sshd.log")).unwrap_or_default()
    }

    /// Writes a file into the user's home on it; `mode` as for chmod.
    #[track_caller]
    pub fn file(&self, path: &str, text: &str, mode: u32) {
        let path = self.home().join(path);
        let parent = path.parent().expect("below the home");
        fs::create_dir_all(parent).expect("our own disk");
        fs::write(&path, text).expect("our own disk");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&path, mode).expect("our own file");
    }

    /// Lets every packet vanish, both ways, without a word to anybody.
    #[track_caller]
    pub fn cut(&self) {
        let wires = self.wires("cut off");
        run("ip", &["link", "set", &wires.veth, "nomaster"]).expect("our own link");
    }

    /// Undoes a cut.
    #[track_caller]
    pub fn heal(&self) {
        if let Some(wires) = &self.wires {
            run("ip", &["link", "set", &wires.veth, "master", &wires.bridge])
                .expect("our own link");
        }
    }

    /// So many bits a second, each way; None = as fast as it goes.
    #[track_caller]
    pub fn slow(&self, bits_per_s: Option<u64>) {
        let wires = self.wires("slowed down");
        let rate = bits_per_s.map(|bits| format!("{bits}bit"));
        let ends: [&[&str]; 2] = [&[], &["-n", &wires.netns]];
        for (end, device) in ends.into_iter().zip([wires.veth.as_str(), "eth0"]) {
            let mut words = end.to_vec();
            match &rate {
                Some(rate) => words.extend([
                    "qdisc", "replace", "dev", device, "root", "tbf", "rate", rate, "burst",
                    "64kb", "latency", "400ms",
                ]),
                None => words.extend(["qdisc", "del", "dev", device, "root"]),
            }
            let done = run("tc", &words);
            // There may have been nothing to undo.
            assert!(done.is_ok() || rate.is_none(), "{done:?}");
        }
    }

    /// As if somebody pulled the plug: no packet leaves it any more, and all that ran is gone.
    #[track_caller]
    pub fn power_off(&mut self) {
        self.cut();
        self.end_processes();
    }

    /// Ends every ssh session; who listens goes on, and so does what the sessions had started.
    pub fn kill_sshd_sessions(&self) {
        self.sshd_sessions().into_iter().for_each(kill);
    }

    /// The sshd processes of its sessions, as processes of this machine.
    pub fn sshd_sessions(&self) -> Vec<u32> {
        let listener = self.listener();
        let all = self.everything().into_iter();
        let sessions = all.filter(|(pid, comm)| Some(*pid) != listener && comm == "sshd");
        sessions.map(|(pid, _)| pid).collect()
    }

    /// Writes until its disk has no room left.
    #[track_caller]
    pub fn fill_disk(&self) {
        self.wires("filled");
        let mut file = fs::File::create(self.folder.join("disk/filler")).expect("our own disk");
        let block = vec![b'x'; 64 << 10];
        let mut size = block.len();
        while size > 0 {
            match file.write(&block[..size]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => size /= 2,
                Err(error) => panic!("the disk of {}: {error}", self.name),
            }
        }
    }

    /// Undoes that.
    pub fn empty_disk(&self) {
        let _ = fs::remove_file(self.folder.join("disk/filler"));
    }

    /// Runs a shell command on it as the user, not through ssh.
    #[track_caller]
    pub fn run(&self, command: &str) -> Ended {
        let mut shell = match &self.wires {
            Some(_) => {
                let first = self.listener().expect("the host is on");
                let mut shell = Command::new("nsenter");
                let target = first.to_string();
                shell.args([
                    "--target", &target, "--net", "--uts", "--pid", "--mount", "sh",
                ]);
                shell.env_clear().env("HOME", user_home());
                shell
            }
            None => {
                let mut shell = Command::new("sh");
                shell.env_clear().env("HOME", self.home());
                shell
            }
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let text = format!("cd && {command}");
        shell
            .env("PATH", path)
            .args(["-c", &text])
            .stdin(Stdio::null());
        finish(shell, LONG)
    }

    /// What runs on it that carries this environment variable with this value; by process id on
    /// this machine, with command lines.
    pub fn processes(&self, variable: &str, value: &str) -> BTreeMap<u32, String> {
        let here: BTreeSet<u32> = self.everything().into_keys().collect();
        let mut found = processes_with(variable, value);
        found.retain(|pid, _| here.contains(pid));
        found
    }

    /// Locks that somebody holds on files of its disk, as `KIND PID path`.
    pub fn locks(&self) -> Vec<String> {
        let mut files = BTreeMap::new();
        walk(&self.folder.join("disk"), &mut files);
        let text = fs::read_to_string("/proc/locks").unwrap_or_default();
        let lock = |line: &str| {
            // `1: FLOCK  ADVISORY  WRITE 1234 00:2f:5678 0 EOF`; one that waits has `->`.
            let words: Vec<&str> = line.split_whitespace().collect();
            let kind = words.get(1).filter(|word| **word != "->")?;
            let mut place = words.get(5)?.split(':');
            let major = u32::from_str_radix(place.next()?, 16).ok()?;
            let minor = u32::from_str_radix(place.next()?, 16).ok()?;
            let inode: u64 = place.next()?.parse().ok()?;
            let path = files.get(&(major, minor, inode))?;
            Some(format!("{kind} {} {path}", words.get(4)?))
        };
        text.lines().filter_map(lock).collect()
    }

    /// Its sshd that listens, as a process of this machine.
    fn listener(&self) -> Option<u32> {
        let child = self.child.as_ref()?.id();
        if self.wires.is_none() {
            return Some(child);
        }
        children(child).into_iter().next()
    }

    /// All that runs on it: process ids of this machine, and what each is.
    fn everything(&self) -> BTreeMap<u32, String> {
        let Some(listener) = self.listener() else {
            return BTreeMap::new();
        };
        let comm = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            Some((pid, text.trim_end().to_owned()))
        };
        if self.wires.is_some() {
            let space = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
            let own = space(listener);
            return all_pids()
                .filter(|pid| own.is_some() && space(*pid) == own)
                .filter_map(comm)
                .collect();
        }
        let tagged = processes_with("FRAMEWRIGHT_TEST_HOST", &self.name);
        let farm = self.folder.parent().unwrap_or(&self.folder);
        let farm = processes_with("FRAMEWRIGHT_TEST_FARM", &farm.display().to_string());
        // Renderers have an environment of their own.
        let below = |pid: u32| std::iter::once(pid).chain(descendants(pid));
        tagged
            .into_keys()
            .filter(|pid| farm.contains_key(pid))
            .flat_map(below)
            .chain(descendants(listener))
            .chain([listener])
            .filter_map(comm)
            .collect()
    }

    #[track_caller]
    fn wires(&self, wish: &str) -> &Wires {
        self.wires
            .as_ref()
            .unwrap_or_else(|| panic!("a loopback host cannot be {wish}: ask `isolated` first"))
    }
}

pub(super) fn keygen(path: &Path) {
    let path = path.display().to_string();
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", &path];
    run("ssh-keygen", &words).expect("ssh-keygen makes keys");
}

/// The home that sshd gives the user: the one of the user database, not the environment's.
fn user_home() -> PathBuf {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let home = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2) == Some(&uid.as_str())).then(|| fields.get(5).copied())?
    });
    PathBuf::from(home.unwrap_or("/root"))
}

/// A port that was free a moment ago.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .local_addr()
        .expect("a bound socket has an address")
}
