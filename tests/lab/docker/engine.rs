//! A container engine of a test's own, and what must be as before when it is gone.
//!
//! It runs in namespaces of its own (mounts, network, processes), so its bridges, packet filter rules and mounts
//! are never the machine's. `keeper.sh` holds them: it ends the engine and deletes its files when the pipe to it
//! closes, which the end of the test does too, whatever the end was like.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::host::eventually;

const KEEPER: &str = include_str!("keeper.sh");
/// Debian's programs, before any other docker of this machine.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
const START_MAX: Duration = Duration::from_secs(30);
/// Most of it is the deletion of some hundred MB.
const STOP_MAX: Duration = Duration::from_secs(120);

/// A running engine; gone with its directory when it is dropped.
pub(super) struct Engine {
    directory: PathBuf,
    keeper: Child,
}

impl Engine {
    /// Starts it and waits until it answers.
    pub(super) fn start() -> Result<Self> {
        for program in ["dockerd", "docker", "docker-compose"] {
            let found = PATH.split(':').any(|directory| Path::new(directory).join(program).is_file());
            ensure!(found, "no {program}: apt-get install docker.io docker-compose");
        }
        let directory = TempDir::with_prefix("p2p-docker-")?.keep();
        let group = directory.file_name().context("no name")?.to_owned();
        let log = File::create(directory.join("engine.log"))?;
        let keeper = Command::new("bash")
            .args(["-c", KEEPER, "keeper"])
            .args([directory.as_os_str(), &group])
            .env_clear()
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // ^C in a terminal is for the test; the keeper sees the end of the test.
            .process_group(0)
            .spawn()
            .context("bash")?;
        let engine = Self { directory, keeper };
        let answers = || output(engine.command("docker").arg("version"));
        eventually("the engine answers", START_MAX, answers).with_context(|| engine.log())?;
        Ok(engine)
    }

    /// Where the checkout is.
    pub(super) fn top(&self) -> PathBuf {
        self.directory.join("top")
    }

    /// A program that talks to this engine, in the checkout where there is one.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let socket = format!("unix://{}", self.directory.join("docker.sock").display());
        let images =
            [("P2P_BASE_IMAGE", "base"), ("P2P_RUST_IMAGE", "base"), ("P2P_BINARIES", "target/release")];
        command.env_clear().envs(images).env("PATH", PATH).env("HOME", &self.directory);
        command.env("DOCKER_HOST", socket).stdin(Stdio::null());
        command.current_dir(if self.top().is_dir() { self.top() } else { self.directory.clone() });
        command
    }

    /// Ends it, and says what went wrong with that.
    pub(super) fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        drop(self.keeper.stdin.take());
        let ended = || self.keeper.try_wait()?.context("it still runs");
        let (status, _) = eventually("the engine has ended", STOP_MAX, ended)?;
        ensure!(status.success(), "{} is not wholly gone: {status}", self.directory.display());
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("engine.log")).unwrap_or_default()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A failure shows in what is left on the machine.
        let _ = self.end();
    }
}

/// What an engine would change on a machine.
pub(super) struct Machine(BTreeSet<String>);

impl Machine {
    /// As it is now: interfaces, packet filter rules, forwarding, mounts, control groups, files, processes.
    pub(super) fn look() -> Result<Self> {
        let script = r#"set -e
            ip -brief link | sed 's/ .*//; s/@.*//; s/^/interface /'
            if command -v nft >/dev/null; then nft --stateless list ruleset | sed 's/^/rule /'; fi
            for key in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables; do
                [ ! -e /proc/sys/$key ] || sed "s,^,$key ," /proc/sys/$key
            done
            cut -d ' ' -f 1-3 /proc/self/mounts | sed 's/^/mount /'
            find /sys/fs/cgroup -type d -name 'p2p-docker-*' | sed 's/^/group /'
            find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'p2p-docker-*' | sed 's/^/file /'
            ps -eo pid=,comm= | grep -E 'docker|containerd' | sed 's/^/process /' || true"#;
        let text = output(Command::new("bash").args(["-c", script]))?;
        Ok(Self(text.lines().map(str::to_owned).collect()))
    }

    /// What is there `now` and was not, a line each.
    pub(super) fn left(&self, now: &Self) -> String {
        now.0.difference(&self.0).map(|line| format!("{line}\n")).collect()
    }
}

/// Standard output of a command that succeeds.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let done = command.output().with_context(|| format!("{command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !done.status.success() {
        let (out, err) = (text(&done.stdout), text(&done.stderr));
        bail!("{:?} {:?}: {}\n{out}{err}", command.get_program(), command.get_args(), done.status);
    }
    Ok(text(&done.stdout))
}
