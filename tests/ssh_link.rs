//! Hosts that are reached by the user's own ssh: real sshd, real networks.

mod support;

use support::sshd::{Farm, Setup};

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
