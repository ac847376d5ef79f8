//! What the tests of adapters stand on: sample adapters compiled and laid out in a folder of
//! their own, as a user would install them.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use framewright_core::adapters::{
    AdapterSession, Candidate, Installed, Launcher, Loaded, SearchPlan, Surroundings, Wanted,
    choose, find_adapters,
};
use framewright_plugin_api::data::{Activity, Effect, Input, Open, Task};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The folder of the sample adapters.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/adapters")
}

/// Starts the host child of the tests, with deadlines that a busy machine keeps.
pub fn launcher() -> Launcher {
    let mut launcher = Launcher::new([env!("CARGO_BIN_EXE_adapter-host-for-tests")]);
    launcher.deadlines.greet = Duration::from_secs(60);
    launcher.deadlines.describe = Duration::from_secs(60);
    launcher.deadlines.call = Duration::from_secs(60);
    launcher
}

/// Whether a program is here. Where not, it is said aloud; under `CI=true` that is a failure.
pub fn have(program: &str) -> bool {
    if Command::new(program).arg("--version").output().is_ok() {
        return true;
    }
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "{program} is missing, and CI may not skip this test"
    );
    #[expect(clippy::print_stderr, reason = "a test that is not run says so aloud")]
    {
        eprintln!("NOT TESTED: {program} is missing");
    }
    false
}

/// Adapters in a temporary folder.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Compiles a C sample and writes its manifest.
    pub fn c(&self, sample: &str, id: &str) -> PathBuf {
        let folder = self.path().join(sample);
        std::fs::create_dir(&folder).unwrap();
        let library = folder.join(format!("lib{sample}.so"));
        let include = samples().join("../../plugin-api/include");
        let output = Command::new("cc")
            .args(["-std=c11", "-O1", "-fPIC", "-shared", "-fvisibility=hidden"])
            .args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-I"])
            .arg(include)
            .arg("-o")
            .arg(&library)
            .arg(samples().join(format!("{sample}.c")))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        self.manifest(&folder, id, &format!("library = \"lib{sample}.so\""));
        library
    }

    /// Lays out a Python sample; `arguments` are the rest of its command.
    pub fn python(&self, sample: &str, id: &str, arguments: &[&str]) -> PathBuf {
        let folder = self.path().join(sample);
        std::fs::create_dir(&folder).unwrap();
        let script = folder.join(format!("{sample}.py"));
        std::fs::copy(samples().join(format!("{sample}.py")), &script).unwrap();
        let script_name = format!("{sample}.py");
        let mut command = vec!["python3", script_name.as_str()];
        command.extend(arguments);
        self.manifest(&folder, id, &format!("command = {command:?}"));
        script
    }

    fn manifest(&self, folder: &Path, id: &str, code: &str) {
        let text = format!(
            "id = \"{id}\"\nversion = \"1.0.0\"\nabi = 1\n{code}\nextensions = [\"{id}\"]\n"
        );
        std::fs::write(folder.join("adapter.toml"), text).unwrap();
    }

    pub async fn find(&self) -> Vec<Candidate> {
        let around = Surroundings::default();
        let plan = SearchPlan::new(launcher(), vec![self.path().to_owned()], &around);
        find_adapters(&plan).await
    }

    pub async fn installed(&self, id: &str) -> Installed {
        let found = self.find().await;
        choose(&found, Wanted::Id(id)).unwrap().clone()
    }

    pub async fn load(&self, id: &str) -> Loaded {
        let installed = self.installed(id).await;
        Loaded::load(&installed, &launcher()).await.unwrap()
    }
}

/// What a session is opened with.
pub fn open(activity: Activity) -> Open {
    Open::new(activity, "/bin/echo")
}

/// A render session that was given three tasks.
pub async fn rendering(loaded: &Loaded) -> (AdapterSession, Vec<Effect>) {
    let (mut session, effects) = loaded.open(open(Activity::Render)).await.unwrap();
    assert_eq!(effects, []);
    let tasks = (1..=3)
        .map(|n| Task::frame(n, i32::try_from(n).unwrap(), ""))
        .collect();
    let segment = Input::Segment { segment: 5, tasks };
    let effects = session.step(0.0, &[segment]).await.unwrap();
    (session, effects)
}

/// Keeps hold of a process, so that its end can be waited for.
pub fn watch(pid: u32) -> OwnedFd {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

/// Waits for the end of a process; for a minute at most.
pub fn ended(process: &OwnedFd) {
    assert!(wait_for(process, PollFlags::IN), "it never ended");
}

/// Waits until nobody can write into a pipe any more; for a minute at most.
pub fn hung_up(pipe: &impl AsFd) {
    assert!(wait_for(pipe, PollFlags::empty()), "somebody still has it");
}

fn wait_for(file: &impl AsFd, flags: PollFlags) -> bool {
    let minute = Timespec {
        tv_sec: 60,
        tv_nsec: 0,
    };
    let mut fds = [PollFd::new(file, flags)];
    poll(&mut fds, Some(&minute)) == Ok(1)
}
