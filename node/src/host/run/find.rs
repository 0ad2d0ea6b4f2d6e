//! Finding a run whose launch was never answered, because the node ended in the middle of it: every run
//! carries a mark of its own in its environment.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::RunId;
use crate::host::Roots;
use crate::host::stat::number;

/// The variable that names a run.
pub(super) const MARK: &str = "P2P_ADMIN_RUN";
/// More of an environment is not read; the mark stands at its beginning or soon after.
const ENVIRONMENT_BYTES_MAX: u64 = 256 << 10;

/// How often it is looked for one that is just becoming another program, and how long is waited in between.
const LOOKS_MAX: usize = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The value of the mark.
pub(super) fn mark(run: &RunId) -> String {
    run.to_string()
}

/// The first process of a run: of those with its mark the one that leads its group. It blocks.
///
/// While a process becomes another program the kernel shows no environment of it. One that writes to the
/// pipes in `directory` meanwhile is looked at again.
pub(super) fn leader(roots: &Roots, run: &RunId, directory: &Path) -> Option<u32> {
    let wanted = format!("{MARK}={}", mark(run)).into_bytes();
    for _ in 0..LOOKS_MAX {
        let entries = fs::read_dir(&roots.proc).ok()?.flatten();
        let pids =
            entries.filter_map(|entry| u32::try_from(number(entry.file_name().as_encoded_bytes())?).ok());
        let mut changes = false;
        for pid in pids {
            let process = roots.proc.join(pid.to_string());
            if !leads(&process, pid) {
                continue;
            }
            let environment = environment(&process);
            if environment.split(|&byte| byte == 0).any(|variable| variable == wanted) {
                return Some(pid);
            }
            changes |= environment.is_empty() && writes_to(&process, directory);
        }
        if !changes {
            return None;
        }
        sleep(BETWEEN_LOOKS);
    }
    None
}

/// The environment of a process; empty if it cannot be read.
fn environment(process: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(process.join("environ"));
    let read = file.and_then(|file| file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut bytes));
    if read.is_ok() { bytes } else { Vec::new() }
}

/// Whether its output goes to a pipe in `directory`.
fn writes_to(process: &Path, directory: &Path) -> bool {
    let leads_there = |link| fs::read_link(process.join(link)).is_ok_and(|file| file.starts_with(directory));
    ["fd/1", "fd/2"].into_iter().any(leads_there)
}

/// Whether a process leads its group: behind its name stand its state, its parent and its group. (rustix's
/// `getpgid` panics on the 0 of a thread of the kernel.)
fn leads(process: &Path, pid: u32) -> bool {
    let stat = fs::read(process.join("stat")).unwrap_or_default();
    let behind = stat.iter().rposition(|&byte| byte == b')').and_then(|at| stat.get(at + 2..));
    let group = behind.and_then(|rest| rest.split(|&byte| byte == b' ').nth(2));
    group.and_then(number) == Some(pid.into())
}
