//! What ships beside the program, judged by the tools that will read it on a machine.
//!
//! Nothing here touches the running system: units and dry runs live in directories of their own. Where a tool of
//! systemd is missing the test says so and passes.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a failure is the test's")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const UNIT: &str = include_str!("../packaging/systemd/p2p-node.service");
const RESTRICTED: &str = include_str!("../packaging/systemd/restricted.conf");
const SLICE: &str = include_str!("../packaging/systemd/p2p-admin-managed.slice");
const SYSUSERS: &str = include_str!("../packaging/systemd/p2p-admin.sysusers");
const TMPFILES: &str = include_str!("../packaging/systemd/p2p-admin.tmpfiles");
const NODE_TOML: &str = include_str!("../packaging/systemd/node.toml");
const POLICY_TOML: &str = include_str!("../packaging/systemd/policy.toml");
const CHANGELOG: &str = include_str!("../packaging/debian/changelog");

/// Highest exposure of full administration by `systemd-analyze security`, in tenths. Half of the scale is what an
/// administrator's program is for: root, all devices, all files, the network.
const EXPOSURE_MAX: u32 = 62;
/// The same of the restricted profile: below 3.0.
const EXPOSURE_RESTRICTED_MAX: u32 = 29;

/// A directory with the unit as systemd would find it, and with the program where it was built.
struct Units(tempfile::TempDir);

impl Units {
    fn full() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let unit = UNIT.replace("/usr/bin/p2p-node", env!("CARGO_BIN_EXE_p2p-node"));
        fs::write(dir.path().join("p2p-node.service"), unit).unwrap();
        fs::write(dir.path().join("p2p-admin-managed.slice"), SLICE).unwrap();
        Self(dir)
    }

    fn restricted() -> Self {
        let units = Self::full();
        let drop_in = units.path("p2p-node.service.d");
        fs::create_dir(&drop_in).unwrap();
        fs::write(drop_in.join("restricted.conf"), RESTRICTED).unwrap();
        units
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What `systemd-analyze ARGS` makes of the file `name`.
    fn analyze(&self, args: &[&str], name: &str) -> Option<Output> {
        run("systemd-analyze", args, &self.path(name))
    }
}

/// `None`, and a line that says why, where there is no such tool.
fn run(tool: &str, args: &[&str], file: &Path) -> Option<Output> {
    let mut command = Command::new(tool);
    match command.args(args).arg(file).env("LC_ALL", "C").env("SYSTEMD_COLORS", "0").output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {tool}: {error}");
            None
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_unit_says_what_the_conventions_promise() {
    for line in [
        "Documentation=man:p2p-node(8)",
        "Type=notify",
        "WatchdogSec=30",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "RestartPreventExitStatus=2 77 78",
        "LoadCredential=auth-secret",
        "StateDirectory=p2p-admin",
        "RuntimeDirectory=p2p-admin",
        "ConfigurationDirectory=p2p-admin",
        "AssertPathExists=/etc/p2p-admin/pki/node.crt",
        "LimitNOFILE=65536",
        "ExecStart=/usr/bin/p2p-node run",
    ] {
        assert!(UNIT.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_unit_needs_no_program_that_a_small_system_lacks() {
    const ALWAYS_THERE: [&str; 3] = ["/usr/bin/p2p-node ", "/bin/sh ", "+/bin/chown "];
    let commands = UNIT.lines().chain(RESTRICTED.lines()).filter(|line| line.starts_with("Exec"));
    for line in commands {
        let (_, command) = line.split_once('=').unwrap();
        assert!(ALWAYS_THERE.iter().any(|program| command.starts_with(program)), "{line}");
    }
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    for units in [Units::full(), Units::restricted()] {
        for name in ["p2p-node.service", "p2p-admin-managed.slice"] {
            // The manual of a package that is not installed cannot be found.
            let Some(output) = units.analyze(&["verify", "--man=no"], name) else { return };
            let said = said(&output);
            assert!(output.status.success() && !said.contains("p2p-"), "{name}: {said}");
            assert!(!said.contains("restricted.conf"), "{name}: {said}");
        }
    }
}

#[test]
fn each_profile_is_exposed_no_more_than_it_has_to_be() {
    for (units, limit) in [(Units::full(), EXPOSURE_MAX), (Units::restricted(), EXPOSURE_RESTRICTED_MAX)] {
        let threshold = format!("--threshold={limit}");
        let args = ["security", "--no-pager", "--offline=true", &threshold];
        let Some(output) = units.analyze(&args, "p2p-node.service") else { return };
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn the_restricted_profile_drops_what_the_unit_lists() {
    // A list that is not emptied first would be added to that of the unit.
    for list in ["CapabilityBoundingSet=", "RestrictAddressFamilies=", "SystemCallFilter="] {
        assert!(UNIT.contains(list), "{list}");
        let first = RESTRICTED.lines().find(|line| line.starts_with(list));
        assert_eq!(first, Some(list));
    }
}

#[test]
fn the_restricted_profile_reads_other_processes_and_never_changes_them() {
    // With CAP_SYS_PTRACE any of these would make root of its user.
    let denied = RESTRICTED.lines().find_map(|line| line.strip_prefix("SystemCallFilter=~")).unwrap();
    for call in ["@privileged", "@debug", "process_vm_writev"] {
        assert!(denied.split(' ').any(|found| found == call), "{call}");
    }
    let granted = RESTRICTED.lines().find_map(|line| line.strip_prefix("AmbientCapabilities=")).unwrap();
    for capability in ["CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_SETUID", "CAP_CHOWN", "CAP_FOWNER"] {
        assert!(!granted.contains(capability), "{capability}");
    }
}

#[test]
fn the_user_of_the_restricted_profile_is_made_and_cannot_log_in() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("p2p-admin.conf");
    fs::write(&file, SYSUSERS).unwrap();
    let option = format!("--root={}", root.path().display());
    let Some(output) = run("systemd-sysusers", &["--dry-run", &option], &file) else { return };
    let said = said(&output);
    assert!(output.status.success() && said.contains("p2p-admin"), "{said}");
    assert!(RESTRICTED.lines().any(|line| line == "User=p2p-admin"));
    assert!(SYSUSERS.trim_end().ends_with("/usr/sbin/nologin"));
}

#[test]
fn directories_are_made_closed_and_keep_their_owner() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    if !rustix::process::geteuid().is_root() {
        println!("skipped: systemd-tmpfiles gives directories to root, which only root can");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("p2p-admin.conf");
    fs::write(&file, TMPFILES).unwrap();
    let option = format!("--root={}", root.path().display());
    let etc = root.path().join("etc/p2p-admin");
    for owner in [0, 12345] {
        let Some(output) = run("systemd-tmpfiles", &["--create", &option], &file) else { return };
        assert!(output.status.success(), "{}", said(&output));
        for (name, mode) in [("", 0o755), ("pki", 0o700), ("secrets", 0o700)] {
            assert_eq!(fs::metadata(etc.join(name)).unwrap().permissions().mode() & 0o7777, mode, "{name}");
        }
        assert_eq!(fs::metadata(etc.join("pki")).unwrap().uid(), owner);
        chown(etc.join("pki"), Some(12345), None).unwrap();
    }
    assert!(TMPFILES.lines().all(|line| line.starts_with('#') || line.ends_with('-')), "nothing may age");
}

#[test]
fn node_toml_is_the_template_of_this_version() {
    assert_eq!(
        NODE_TOML,
        p2p_node::config::template(),
        "renew it: cargo run -p p2p-node -- config template > node/packaging/systemd/node.toml"
    );
}

#[test]
fn policy_toml_is_the_template_of_this_version() {
    assert_eq!(
        POLICY_TOML,
        p2p_node::policy::template(),
        "renew it: cargo run -p p2p-node -- config template --policy > node/packaging/systemd/policy.toml"
    );
}

#[test]
fn the_changelog_of_the_packages_begins_with_this_version() {
    assert!(CHANGELOG.starts_with(concat!("p2p-admin (", env!("CARGO_PKG_VERSION"), "-1) ")), "{CHANGELOG}");
}
