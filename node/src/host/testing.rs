//! A `/proc` made of files, and real children: what tests of the host look at.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use p2p_shared::services::process::ProcessRef;
use p2p_shared::time::{Millis, UnixMillis};
use tempfile::TempDir;

use super::Roots;
use super::moment::Moment;
use super::processes::{ProcessTable, boot_id};

/// A directory that looks like the kernel's file systems.
pub(crate) struct FakeHost {
    dir: TempDir,
}

impl FakeHost {
    pub(crate) fn new() -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        host.write("proc/sys/kernel/random/boot_id", "b0075a1d\n");
        host.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        host
    }

    pub(crate) fn roots(&self) -> Roots {
        let path = |name| self.dir.path().join(name);
        Roots { proc: path("proc"), sys: path("sys"), etc: path("etc") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A process; one that is there already becomes another.
    pub(crate) fn process(&self, pid: u32, name: &str, start_ticks: u64, cpu_ticks: u64) {
        let rest = format!("S 1 1 1 0 -1 4194304 0 0 0 0 {cpu_ticks} 0 0 0 20 0 1 0 {start_ticks} 9 10 1");
        self.write(&format!("proc/{pid}/stat"), format!("{pid} ({name}) {rest}\n"));
    }

    pub(crate) fn end(&self, pid: u32) {
        fs::remove_dir_all(self.path(&format!("proc/{pid}"))).unwrap();
    }
}

/// `seconds` after the boot of the fake host.
pub(crate) fn at(seconds: u64) -> Moment {
    let passed = Millis::from_secs(seconds);
    Moment { monotonic: passed, since_boot: passed, wall: UnixMillis(1_000_000).plus(passed) }
}

/// A child that is killed and reaped when dropped.
pub(crate) struct Sleeper(pub(crate) Child);

impl Sleeper {
    pub(crate) fn start() -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").env("SECRET_OF_TEST", "hunter2").stdin(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// The child, as a scan sees it.
    pub(crate) fn reference(&self) -> ProcessRef {
        let roots = Roots::default();
        let snapshot = ProcessTable::open(&roots).unwrap().scan(Moment::now()).unwrap();
        let row = snapshot.rows.iter().find(|row| row.identity.key.pid == self.0.id()).unwrap();
        ProcessRef {
            boot_id: boot_id(&roots).unwrap().as_ref().into(),
            pid: self.0.id(),
            start_ticks: row.identity.key.start_ticks,
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
