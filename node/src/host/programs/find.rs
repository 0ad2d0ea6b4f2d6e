//! Finding a run whose launch was never answered, because the node ended in the middle of it: every run
//! carries a mark of its own in its environment.

use std::fs;
use std::io::Read;

use rustix::process::{Pid, getpgid};

use crate::host::Roots;
use crate::host::stat::number;

/// The variable that names a run.
pub(super) const MARK: &str = "P2P_ADMIN_RUN";
/// More of an environment is not read; the mark stands at its beginning or soon after.
const ENVIRONMENT_BYTES_MAX: u64 = 256 << 10;

/// The value of the mark.
pub(super) fn mark(run: u64) -> String {
    format!("{run:016x}")
}

/// The first process of a run: of those with its mark the one that leads its group.
pub(super) fn leader(roots: &Roots, run: u64) -> Option<u32> {
    let wanted = format!("{MARK}={}", mark(run)).into_bytes();
    let entries = fs::read_dir(&roots.proc).ok()?.flatten();
    let mut pids =
        entries.filter_map(|entry| u32::try_from(number(entry.file_name().as_encoded_bytes())?).ok());
    pids.find(|&pid| leads(pid) && has(roots, pid, &wanted))
}

/// Whether the process bears the mark of the run.
fn has(roots: &Roots, pid: u32, wanted: &[u8]) -> bool {
    let Ok(file) = fs::File::open(roots.proc.join(pid.to_string()).join("environ")) else { return false };
    let mut bytes = Vec::new();
    let read = file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut bytes);
    read.is_ok() && bytes.split(|&byte| byte == 0).any(|variable| variable == wanted)
}

fn leads(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| getpgid(Some(pid)) == Ok(pid))
}
