//! What is read of a process besides `stat`, and the constants of the host that figures need.

use std::os::fd::{AsFd, OwnedFd};

use p2p_shared::services::process::{ProcessKey, ProcessUsage};
use p2p_shared::time::{Millis, UnixMillis};
use rustix::fs::{AtFlags, statat};
use rustix::param::{clock_ticks_per_second, page_size};

use super::RATE_SPAN_MIN;
use super::users::Users;
use crate::host::figures::cpu::count_cores;
use crate::host::moment::Moment;
use crate::host::snapshot::ProcessIdentity;
use crate::host::source::read_at;
use crate::host::stat::Stat;
use crate::host::{Roots, rates, text};

/// The kernel gives 15 bytes to a process, and up to this to a thread of its own.
const NAME_BYTES_MAX: usize = 64;
/// Longest command line of a row.
const COMMAND_BYTES_MAX: usize = 1_024;

/// Reads identities and turns ticks and pages into units.
#[derive(Debug)]
pub(crate) struct Reader {
    users: Users,
    buffer: Vec<u8>,
    ticks_per_s: u64,
    page_bytes: u64,
    cores: u32,
}

impl Reader {
    pub(crate) fn new(roots: &Roots, proc_dir: &OwnedFd) -> Self {
        Self {
            users: Users::new(roots.etc.join("passwd")),
            buffer: Vec::new(),
            ticks_per_s: clock_ticks_per_second(),
            page_bytes: page_size() as u64,
            cores: count_cores(proc_dir),
        }
    }

    /// To be called before the first identity of a scan.
    pub(crate) fn begin(&mut self) {
        self.users.refresh();
    }

    /// Who the process is: two more system calls and, but for kernel threads, its command line.
    pub(crate) fn identity(
        &mut self,
        proc_dir: impl AsFd,
        pid: u32,
        stat: &Stat<'_>,
        boot: UnixMillis,
    ) -> ProcessIdentity {
        // The directory belongs to the effective user, even where the files in it are root's.
        let uid = statat(&proc_dir, pid.to_string(), AtFlags::empty()).map_or(0, |found| found.st_uid);
        self.buffer.clear();
        if !stat.kernel {
            // A process that ends here keeps an empty command line; the next scan does not see it.
            let _ = read_at(&proc_dir, format!("{pid}/cmdline"), &mut self.buffer, COMMAND_BYTES_MAX + 4);
        }
        ProcessIdentity {
            key: ProcessKey { pid, start_ticks: stat.start_ticks },
            ppid: stat.ppid,
            name: text::lossy(stat.comm, NAME_BYTES_MAX),
            command: text::command_line(&self.buffer, COMMAND_BYTES_MAX),
            user: self.users.name(uid),
            uid,
            started: self.started(stat, boot),
        }
    }

    /// Whether `stat` alone shows that the identity is not as it was.
    pub(crate) fn differs(&self, known: &ProcessIdentity, stat: &Stat<'_>, boot: UnixMillis) -> bool {
        let same_name = match str::from_utf8(stat.comm) {
            Ok(name) => known.name == name,
            Err(_) => known.name == text::lossy(stat.comm, NAME_BYTES_MAX),
        };
        !same_name || known.ppid != stat.ppid || known.started != self.started(stat, boot)
    }

    fn started(&self, stat: &Stat<'_>, boot: UnixMillis) -> UnixMillis {
        boot.plus(self.millis(stat.start_ticks))
    }

    fn millis(&self, ticks: u64) -> Millis {
        Millis(rates::ticks_to_millis(ticks, self.ticks_per_s))
    }

    pub(crate) fn cpu_ratio(&self, gained_ticks: u64, span: Millis) -> f32 {
        rates::cpu_ratio(gained_ticks, self.ticks_per_s, span, self.cores)
    }

    pub(crate) fn usage(&self, stat: &Stat<'_>, cpu_ratio: f32) -> ProcessUsage {
        ProcessUsage {
            state: stat.state,
            cpu_ratio,
            cpu_time_ms: self.millis(stat.cpu_ticks).0,
            rss_bytes: stat.rss_pages.saturating_mul(self.page_bytes),
            threads: stat.threads,
            nice: stat.nice,
        }
    }

    /// The usage with the share of processor time over the whole life of the process.
    pub(crate) fn lifetime_usage(&self, stat: &Stat<'_>, now: Moment) -> ProcessUsage {
        let span = now.since_boot.since(self.millis(stat.start_ticks)).max(RATE_SPAN_MIN);
        self.usage(stat, self.cpu_ratio(stat.cpu_ticks, span))
    }
}
