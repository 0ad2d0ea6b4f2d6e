//! The figures of the host as a whole: one [`HostSample`] from a handful of files of `/proc`.
//!
//! Those files are read through kept descriptors, in well under a millisecond. What may block or is slow (the
//! room on file systems, sensors) comes from a thread of its own, [`slow`], as it last found it. A file that is
//! missing or makes no sense leaves its figures empty; nothing here fails, gives a NaN or a negative number.

use p2p_shared::services::monitor::{HostSample, MemorySample};
use p2p_shared::time::Millis;

use super::Roots;
use super::moment::Moment;
use super::source::KeptFile;
use cpu::CpuTicks;
use disks::DiskCounters;
use interfaces::Interfaces;
use slow::SlowFigures;

pub mod cpu;
pub mod disks;
pub mod interfaces;
pub mod memory;
pub mod pressure;
pub mod slow;

/// The files, and the counters of the sample before.
#[derive(Debug)]
pub struct HostFigures {
    stat: KeptFile,
    memory: KeptFile,
    load: KeptFile,
    pressure: pressure::Files,
    diskstats: KeptFile,
    interfaces: Interfaces,
    buffer: Vec<u8>,
    before: Option<Before>,
}

#[derive(Debug)]
struct Before {
    at: Millis,
    cpu: CpuTicks,
    disks: DiskCounters,
}

impl HostFigures {
    /// Figures from the file systems of `roots`.
    pub fn new(roots: &Roots) -> Self {
        let file = |name| KeptFile::new(roots.proc.join(name));
        Self {
            stat: file("stat"),
            memory: file("meminfo"),
            load: file("loadavg"),
            pressure: pressure::Files::new(roots),
            diskstats: file("diskstats"),
            interfaces: Interfaces::new(roots),
            buffer: Vec::new(),
            before: None,
        }
    }

    /// The figures now; rates and shares are since the call before, and 0 in the first.
    pub fn sample(&mut self, now: Moment, slow: &SlowFigures, processes: u32) -> HostSample {
        let cpu = self.stat.read(&mut self.buffer).map(|text| CpuTicks::parse(&text)).unwrap_or_default();
        let disks = self.diskstats.read(&mut self.buffer).map(|text| disks::parse_counters(&text));
        let disks = disks.unwrap_or_default();
        let before = self.before.as_ref();
        let span = before.map_or(Millis::ZERO, |before| now.monotonic.since(before.at));
        let sample = HostSample {
            at: now.wall,
            uptime_s: now.since_boot.0 / 1_000,
            cpu: before.map_or_else(|| cpu.idle_sample(), |before| cpu.since(&before.cpu)),
            memory: self.memory.read(&mut self.buffer).map_or(NO_MEMORY, |text| memory::parse(&text)),
            load: self.load.read(&mut self.buffer).map(|text| parse_load(&text)).unwrap_or_default(),
            pressure: self.pressure.read(&mut self.buffer),
            disks: disks::with_rates(&slow.file_systems, before.map(|before| &before.disks), &disks, span),
            interfaces: self.interfaces.sample(&mut self.buffer, now.monotonic),
            temperatures: slow.temperatures.clone(),
            processes,
        };
        self.before = Some(Before { at: now.monotonic, cpu, disks });
        sample
    }
}

const NO_MEMORY: MemorySample = MemorySample {
    total_bytes: 0,
    available_bytes: 0,
    cached_bytes: 0,
    swap_total_bytes: 0,
    swap_used_bytes: 0,
};

fn parse_load(text: &str) -> [f32; 3] {
    let mut load = [0.0; 3];
    for (slot, field) in load.iter_mut().zip(text.split_ascii_whitespace()) {
        *slot = field.parse().ok().filter(|value: &f32| value.is_finite() && *value >= 0.0).unwrap_or(0.0);
    }
    load
}

#[cfg(test)]
mod tests;
