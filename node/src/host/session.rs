//! All processes of a session: what an interactive shell has put into groups of their own is in it too.
//!
//! To be used only while the leader of the session is not reaped, so that its number is nobody else's. What moves to
//! another session is out of reach.

use std::fs;

use p2p_shared::services::process::Signal;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use super::Roots;
use super::control::number_of;

/// How often a session is looked through that goes on forking while it is killed.
const SWEEPS_MAX: usize = 8;

/// Kills all that is left of a session, however fast it forks.
pub fn kill_all(leader: u32) {
    for _ in 0..SWEEPS_MAX {
        if signal(leader, Signal::Kill) == 0 {
            return;
        }
    }
}

/// Sends a signal to every process of a session; to how many beside its leader.
pub fn signal(leader: u32, signal: Signal) -> usize {
    let Some(number) = number_of(signal) else { return 0 };
    let roots = Roots::default();
    let Ok(entries) = fs::read_dir(&roots.proc) else { return 0 };
    let pids =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    let is_in = |pid: Pid| session(&roots, pid) == i32::try_from(leader).ok();
    let is_leader = |pid: Pid| pid.as_raw_pid().unsigned_abs() == leader;
    let mut others = 0;
    for pid in pids.filter(|pid| is_in(*pid)) {
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        // Looked at again behind the handle: a number that was given anew in between is not taken.
        if is_in(pid) && pidfd_send_signal(&handle, number).is_ok() && !is_leader(pid) {
            others += 1;
        }
    }
    others
}

/// The session of a process: the fourth word behind its name, which may hold anything.
fn session(roots: &Roots, pid: Pid) -> Option<i32> {
    let line = fs::read(roots.proc.join(pid.as_raw_pid().to_string()).join("stat")).ok()?;
    let end = line.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(line.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(3)?.parse().ok()
}
