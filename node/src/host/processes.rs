//! The process table: what `/proc` says, read incrementally.
//!
//! A scan lists `/proc`, reads `stat` of each process through a descriptor kept since it was first seen
//! (a third of the cost of opening it each time), and gives a [`ProcessSnapshot`]. Name, command line and user
//! are read once a process, again when its name changes, and in turn every [`REREAD_SCANS`] scans, because a
//! process may rewrite its title or drop its user. A pid that is used again is told by its start time. One
//! process that vanishes or cannot be read in mid-scan is left out; nothing here may fail because of it.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use p2p_shared::time::{Millis, UnixMillis};
use rustix::fs::CWD;
use rustix::io::{Errno, pread};
use rustix::process::{Resource, getrlimit};

use super::Roots;
use super::error::HostError;
use super::moment::Moment;
use super::snapshot::{ProcessRow, ProcessSnapshot};
use super::source::{open, open_dir, read_at};
use super::stat::{STAT_BYTES, Stat};
use identity::Reader;
use list::Pids;

pub(crate) mod identity;
mod list;
mod users;

/// Most descriptors that are kept, and never more than a quarter of what the process may open.
pub const KEPT_FILES_MAX: u64 = 4_096;
/// In how many scans every process has its command line and user read again.
pub const REREAD_SCANS: u64 = 32;
/// Shares of processor time are over at least this span: ticks are too coarse for less.
pub const RATE_SPAN_MIN: Millis = Millis(200);

/// The table that scans build on.
#[derive(Debug)]
pub struct ProcessTable {
    proc_dir: OwnedFd,
    boot_id: Arc<str>,
    pids: Pids,
    reader: Reader,
    entries: BTreeMap<u32, Entry>,
    scans: u64,
    kept_files: u64,
    kept_files_max: u64,
    boot: UnixMillis,
}

#[derive(Debug)]
struct Entry {
    file: Option<OwnedFd>,
    row: ProcessRow,
    /// Start of the span over which the next share of processor time is taken.
    base_ticks: u64,
    base_at: Millis,
    seen: u64,
    first_seen: u64,
}

impl ProcessTable {
    /// An empty table over the procfs of `roots`.
    ///
    /// # Errors
    /// [`HostError::Unreadable`] if there is none.
    pub fn open(roots: &Roots) -> Result<Self, HostError> {
        let unreadable = |source| HostError::Unreadable { path: roots.proc.clone(), source };
        let proc_dir = open_dir(CWD, &roots.proc).map_err(unreadable)?;
        let boot_id = boot_id(roots)?;
        let reader = Reader::new(roots, &proc_dir);
        // A limit of `None` is no limit.
        let files_max = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Ok(Self {
            pids: Pids::open(roots)?,
            proc_dir,
            boot_id,
            reader,
            entries: BTreeMap::new(),
            scans: 0,
            kept_files: 0,
            kept_files_max: KEPT_FILES_MAX.min(files_max / 4),
            boot: UnixMillis(0),
        })
    }

    /// How many descriptors it keeps.
    pub const fn kept_files(&self) -> u64 {
        self.kept_files
    }

    /// How many processes the last scan saw.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was seen yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Looks at every process. `now` is the present; shares of processor time are over the time since the scan
    /// before (at least [`RATE_SPAN_MIN`]), or over its whole life for a process not seen before.
    ///
    /// # Errors
    /// [`HostError::Unreadable`] if `/proc` cannot be listed any more.
    pub fn scan(&mut self, now: Moment) -> Result<ProcessSnapshot, HostError> {
        self.scans += 1;
        self.settle_boot(now);
        self.reader.begin();
        self.pids.refresh()?;
        let pids = std::mem::take(&mut self.pids.found);
        let rows = pids.iter().filter_map(|&pid| self.visit(pid, now)).collect();
        self.pids.found = pids;
        self.forget_unseen();
        Ok(ProcessSnapshot { at: now, boot_id: Arc::clone(&self.boot_id), rows })
    }

    /// The moment of boot by the wall clock jitters by the resolution of the clocks; only a clock that was set
    /// may change when processes are said to have started.
    fn settle_boot(&mut self, now: Moment) {
        let boot = now.boot();
        if boot.0.abs_diff(self.boot.0) > 1_000 {
            self.boot = boot;
        }
    }

    fn visit(&mut self, pid: u32, now: Moment) -> Option<ProcessRow> {
        let mut buffer = [0; STAT_BYTES];
        let known = self.entries.get(&pid).and_then(|entry| entry.file.as_ref());
        // The kept descriptor of a process that ended fails, whoever has its pid now.
        let read = known.and_then(|file| read_once(file, &mut buffer).ok());
        let (length, file) = match read {
            Some(length) => (length, None),
            None => {
                let file = open(&self.proc_dir, format!("{pid}/stat")).ok()?;
                (read_once(&file, &mut buffer).ok()?, Some(file))
            }
        };
        let stat = Stat::parse(&buffer[..length])?;
        if self.entries.get(&pid).is_some_and(|entry| entry.row.identity.key.start_ticks == stat.start_ticks)
        {
            self.update(pid, &stat, now);
        } else {
            self.begin(pid, &stat, now);
        }
        if let Some(file) = file {
            self.keep(pid, file);
        }
        self.entries.get(&pid).map(|entry| entry.row.clone())
    }

    /// A process that was not seen before.
    fn begin(&mut self, pid: u32, stat: &Stat<'_>, now: Moment) {
        if self.entries.remove(&pid).is_some_and(|entry| entry.file.is_some()) {
            self.kept_files -= 1;
        }
        let identity = Arc::new(self.reader.identity(&self.proc_dir, pid, stat, self.boot));
        let usage = self.reader.lifetime_usage(stat, now);
        let row = ProcessRow { identity, usage };
        let (base_ticks, base_at) = (stat.cpu_ticks, now.monotonic);
        let entry = Entry { file: None, row, base_ticks, base_at, seen: self.scans, first_seen: self.scans };
        self.entries.insert(pid, entry);
    }

    /// The process that was seen before.
    fn update(&mut self, pid: u32, stat: &Stat<'_>, now: Moment) {
        let Some(entry) = self.entries.get_mut(&pid) else { return };
        entry.seen = self.scans;
        let span = now.monotonic.since(entry.base_at);
        let mut ratio = entry.row.usage.cpu_ratio;
        if span >= RATE_SPAN_MIN {
            ratio = self.reader.cpu_ratio(stat.cpu_ticks.saturating_sub(entry.base_ticks), span);
            (entry.base_ticks, entry.base_at) = (stat.cpu_ticks, now.monotonic);
        }
        entry.row.usage = self.reader.usage(stat, ratio);
        let known = &entry.row.identity;
        // A process forked a moment ago has yet to become what it will be.
        let young = entry.first_seen + 1 == self.scans;
        let due = young || (self.scans + u64::from(pid)).is_multiple_of(REREAD_SCANS);
        if due || self.reader.differs(known, stat, self.boot) {
            let identity = self.reader.identity(&self.proc_dir, pid, stat, self.boot);
            if identity != **known {
                entry.row.identity = Arc::new(identity);
            }
        }
    }

    /// Keeps the descriptor if the budget allows; else it is closed here, and opened anew in the next scan.
    fn keep(&mut self, pid: u32, file: OwnedFd) {
        let Some(entry) = self.entries.get_mut(&pid) else { return };
        if entry.file.is_some() {
            entry.file = Some(file);
        } else if self.kept_files < self.kept_files_max {
            entry.file = Some(file);
            self.kept_files += 1;
        }
    }

    fn forget_unseen(&mut self) {
        let scans = self.scans;
        let mut closed = 0;
        self.entries.retain(|_, entry| {
            let stays = entry.seen == scans;
            closed += u64::from(!stays && entry.file.is_some());
            stays
        });
        self.kept_files -= closed;
    }
}

/// `/proc/PID/stat` is made in one piece: one read gets all of it.
fn read_once(file: impl AsFd, buffer: &mut [u8; STAT_BYTES]) -> Result<usize, Errno> {
    loop {
        match pread(&file, &mut buffer[..], 0) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(Errno::SRCH),
            other => return other,
        }
    }
}

/// Number of processes now.
///
/// # Errors
/// [`HostError::Unreadable`] if `/proc` cannot be listed.
pub fn count(roots: &Roots) -> Result<usize, HostError> {
    let mut pids = Pids::open(roots)?;
    pids.refresh()?;
    Ok(pids.found.len())
}

/// The present boot.
///
/// # Errors
/// [`HostError::Unreadable`] if the kernel does not tell.
pub fn boot_id(roots: &Roots) -> Result<Arc<str>, HostError> {
    let path = roots.proc.join("sys/kernel/random/boot_id");
    let mut text = Vec::new();
    read_at(CWD, &path, &mut text, 64).map_err(|source| HostError::Unreadable { path, source })?;
    Ok(String::from_utf8_lossy(&text).trim().into())
}

#[cfg(test)]
mod tests;
