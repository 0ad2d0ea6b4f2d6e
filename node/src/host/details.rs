//! Everything about one process, read once, on demand.
//!
//! All is read through the open directory of the process: once its start time was checked, nothing that is read
//! can be of another, even if it ends and its pid is used again. What the node may not read is `None`; what is
//! too much is cut. Values of environment variables never leave this file: they are where secrets are.
//! Reading blocks; it belongs on a blocking thread.

use std::os::fd::OwnedFd;

use p2p_shared::services::process::{Ancestor, ProcessDetails, ProcessKey, ProcessRef, Thread};
use rustix::fs::{CWD, Dir, readlinkat};
use rustix::param::clock_ticks_per_second;

use super::control::verify_start;
use super::error::{Action, HostError};
use super::moment::Moment;
use super::processes::boot_id;
use super::processes::identity::Reader;
use super::snapshot::ProcessRow;
use super::source::{open_dir, read_at};
use super::stat::{STAT_BYTES, Stat, number};
use super::{Roots, rates, text};

pub(super) mod files;
pub(super) mod sockets;

mod environment;
mod origin;

/// Most arguments, and most bytes of them.
const ARGUMENTS_MAX: usize = 4_096;
const ARGUMENT_BYTES_MAX: usize = 64 * 1_024;
/// Longest path, name of a thread, and so on.
const PATH_BYTES_MAX: usize = 4_096;
const THREADS_MAX: usize = 1_024;
/// A chain of parents longer than this is a race, not a family.
const ANCESTORS_MAX: usize = 64;

/// Reads everything about the process. `latest` is its row in a recent snapshot, for its share of processor
/// time; without one that is over its whole life.
///
/// # Errors
/// [`HostError::OtherBoot`] or [`HostError::OtherProcess`] if it is no more, also if it ends in the middle.
pub fn inspect(
    roots: &Roots,
    target: &ProcessRef,
    latest: Option<&ProcessRow>,
) -> Result<ProcessDetails, HostError> {
    if *boot_id(roots)? != *target.boot_id {
        return Err(HostError::OtherBoot { pid: target.pid });
    }
    let failed = |errno| HostError::of(Action::Inspect, target.pid, errno);
    let proc_dir = open_dir(CWD, &roots.proc)
        .map_err(|source| HostError::Unreadable { path: roots.proc.clone(), source })?;
    let dir = open_dir(&proc_dir, target.pid.to_string()).map_err(failed)?;
    verify_start(&dir, target)?;
    let row = row(roots, &proc_dir, &dir, target, latest)?;
    let files = files::open_files(&dir);
    let (cgroup, ancestors) = (cgroup(&dir), ancestors(&proc_dir, row.identity.ppid));
    let details = ProcessDetails {
        origin: Some(origin::origin(target.pid, cgroup.as_deref(), &ancestors)),
        ancestors,
        info: row.to_info(),
        arguments: arguments(&dir),
        environment_names: environment::names(&dir),
        executable: link(&dir, "exe"),
        working_directory: link(&dir, "cwd"),
        cgroup,
        sockets: sockets::of_files(&dir, files.as_deref().unwrap_or_default()),
        files,
        threads: threads(&dir),
        read_bytes: io(&dir, "read_bytes: "),
        written_bytes: io(&dir, "write_bytes: "),
    };
    // If it ended meanwhile, half of this is empty.
    verify_start(&dir, target)?;
    Ok(details)
}

fn row(
    roots: &Roots,
    proc_dir: &OwnedFd,
    dir: &OwnedFd,
    target: &ProcessRef,
    latest: Option<&ProcessRow>,
) -> Result<ProcessRow, HostError> {
    let mut line = Vec::new();
    let gone = HostError::OtherProcess { pid: target.pid };
    read_at(dir, "stat", &mut line, STAT_BYTES)
        .map_err(|errno| HostError::of(Action::Inspect, target.pid, errno))?;
    let stat = Stat::parse(&line).ok_or(gone)?;
    let mut reader = Reader::new(roots, proc_dir);
    reader.begin();
    let now = Moment::now();
    let usage = match latest {
        Some(latest) => reader.usage(&stat, latest.usage.cpu_ratio),
        None => reader.lifetime_usage(&stat, now),
    };
    // The snapshot's idea of when the host booted, so that the row is the same as in the list.
    let mut identity = reader.identity(proc_dir, target.pid, &stat, now.boot());
    if let Some(latest) = latest {
        identity.started = latest.identity.started;
    }
    Ok(ProcessRow { identity: identity.into(), usage })
}

fn arguments(dir: &OwnedFd) -> Vec<String> {
    let mut bytes = Vec::new();
    if read_at(dir, "cmdline", &mut bytes, ARGUMENT_BYTES_MAX).is_err() || bytes.is_empty() {
        return Vec::new();
    }
    let mut left = ARGUMENT_BYTES_MAX;
    let mut arguments = Vec::new();
    for argument in text::nul_separated(&bytes, ARGUMENTS_MAX) {
        let argument = text::lossy(argument, left);
        left -= argument.len();
        arguments.push(argument);
    }
    arguments
}

fn link(dir: &OwnedFd, name: &str) -> Option<String> {
    let target = readlinkat(dir, name, Vec::new()).ok()?;
    Some(text::lossy(target.as_bytes(), PATH_BYTES_MAX))
}

/// The line of version 2, `0::/path`, else that of systemd, `N:name=systemd:/path` (cgroups(7)).
fn cgroup(dir: &OwnedFd) -> Option<String> {
    let mut bytes = Vec::new();
    read_at(dir, "cgroup", &mut bytes, 64 * 1_024).ok()?;
    let lines = || bytes.split(|&byte| byte == b'\n');
    let second = lines().find_map(|line| line.strip_prefix(b"0::"));
    let named = || {
        lines().find_map(|line| {
            let start = line.iter().position(|&byte| byte == b':')? + 1;
            line[start..].strip_prefix(b"name=systemd:")
        })
    };
    let path = second.filter(|path| path != b"/").or_else(named).or(second)?;
    Some(text::lossy(path, PATH_BYTES_MAX))
}

/// A number of `/proc/PID/io`, which only its owner and root may read.
fn io(dir: &OwnedFd, name: &str) -> Option<u64> {
    let mut bytes = Vec::new();
    read_at(dir, "io", &mut bytes, 4_096).ok()?;
    bytes.split(|&byte| byte == b'\n').find_map(|line| number(line.strip_prefix(name.as_bytes())?))
}

fn threads(dir: &OwnedFd) -> Vec<Thread> {
    let tasks = open_dir(dir, "task").and_then(|tasks| Ok((Dir::read_from(&tasks)?, tasks)));
    let Ok((list, tasks)) = tasks else { return Vec::new() };
    let mut line = Vec::new();
    let read = |entry: rustix::io::Result<rustix::fs::DirEntry>| {
        let tid = u32::try_from(number(entry.ok()?.file_name().to_bytes())?).ok()?;
        read_at(&tasks, format!("{tid}/stat"), &mut line, STAT_BYTES).ok()?;
        let stat = Stat::parse(&line)?;
        Some(Thread {
            tid,
            name: text::lossy(stat.comm, PATH_BYTES_MAX),
            state: stat.state,
            cpu_time_ms: rates::ticks_to_millis(stat.cpu_ticks, clock_ticks_per_second()),
        })
    };
    let mut threads: Vec<_> = list.filter_map(read).take(THREADS_MAX).collect();
    threads.sort_unstable_by_key(|thread| thread.tid);
    threads
}

fn ancestors(proc_dir: &OwnedFd, parent: u32) -> Vec<Ancestor> {
    let mut line = Vec::new();
    let mut next = parent;
    let mut found: Vec<Ancestor> = Vec::new();
    while next != 0 && found.len() < ANCESTORS_MAX && found.iter().all(|known| known.key.pid != next) {
        if read_at(proc_dir, format!("{next}/stat"), &mut line, STAT_BYTES).is_err() {
            break;
        }
        let Some(stat) = Stat::parse(&line) else { break };
        let key = ProcessKey { pid: next, start_ticks: stat.start_ticks };
        found.push(Ancestor { key, name: text::lossy(stat.comm, PATH_BYTES_MAX) });
        next = stat.ppid;
    }
    found
}

#[cfg(test)]
mod tests;
