//! The contract of `monitor`: the figures of one host, and what became of them.

#![expect(clippy::too_many_arguments, reason = "arguments of a get are flat, as they go into a query string")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::ProcessKey;
use crate::time::UnixMillis;

/// All figures of a host at one moment. Ratios are 0 to 1; rates are over the last interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostSample {
    /// When, by the node's wall clock.
    pub at: UnixMillis,
    /// Since boot, in seconds.
    pub uptime_s: u64,
    /// Processors.
    pub cpu: CpuSample,
    /// Memory and swap.
    pub memory: MemorySample,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f32; 3],
    /// Pressure stall information; `None` where the kernel has none.
    pub pressure: Option<Pressure>,
    /// Mounted file systems that hold data, by mount point.
    pub disks: Vec<Disk>,
    /// Network interfaces, by name.
    pub interfaces: Vec<Interface>,
    /// Temperature sensors; none where there are none.
    pub temperatures: Vec<Temperature>,
    /// Number of processes.
    pub processes: u32,
}

/// Processors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuSample {
    /// Busy share of all cores together.
    pub ratio: f32,
    /// Share spent waiting for storage.
    pub iowait_ratio: f32,
    /// Share that a hypervisor gave to others.
    pub steal_ratio: f32,
    /// Busy share of each core, in their order.
    pub cores: Vec<f32>,
}

/// Memory and swap, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemorySample {
    /// All there is.
    pub total_bytes: u64,
    /// What new programs can have without swapping.
    pub available_bytes: u64,
    /// Page cache and buffers.
    pub cached_bytes: u64,
    /// All swap there is; 0 for none.
    pub swap_total_bytes: u64,
    /// Swap in use.
    pub swap_used_bytes: u64,
}

/// Share of the last 10 seconds in which some (or all) tasks waited for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// Some waited for a processor.
    pub cpu_some_ratio: f32,
    /// Some waited for memory.
    pub memory_some_ratio: f32,
    /// All waited for memory.
    pub memory_full_ratio: f32,
    /// Some waited for storage.
    pub io_some_ratio: f32,
    /// All waited for storage.
    pub io_full_ratio: f32,
}

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disk {
    /// Where it is mounted.
    pub mountpoint: String,
    /// What is mounted there.
    pub device: String,
    /// Its type.
    pub file_system: String,
    /// Its size in bytes.
    pub total_bytes: u64,
    /// What an ordinary user can still write, in bytes.
    pub available_bytes: u64,
    /// Its inodes; 0 where the file system does not count them.
    pub inodes_total: u64,
    /// Free inodes.
    pub inodes_free: u64,
    /// Read from its device, bytes a second.
    pub read_bytes_per_s: u64,
    /// Written to its device, bytes a second.
    pub written_bytes_per_s: u64,
    /// Mounted read-only.
    pub read_only: bool,
}

/// One network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it can carry traffic.
    pub up: bool,
    /// Received, bytes a second.
    pub received_bytes_per_s: u64,
    /// Sent, bytes a second.
    pub sent_bytes_per_s: u64,
    /// Received since the interface is there.
    pub received_bytes_total: u64,
    /// Sent since the interface is there.
    pub sent_bytes_total: u64,
    /// Errors and drops, both directions, since the interface is there.
    pub errors_total: u64,
}

/// One temperature sensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Temperature {
    /// What the driver calls it.
    pub label: String,
    /// Degrees Celsius.
    pub celsius: f32,
}

/// A series that is kept: one figure over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesInfo {
    /// Its name, with labels where there are several of a kind: `network_receive_bytes_per_second{interface="eth0"}`.
    pub name: String,
    /// Whether the last sample had it: of an interface that is gone only what was is left.
    pub current: bool,
}

/// What became of some series over a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Where the span begins, by the node's wall clock.
    pub from: UnixMillis,
    /// Where it ends.
    pub to: UnixMillis,
    /// Length of a step in seconds: the one that was asked for, or the next one that is kept.
    pub step_s: u32,
    /// The series that were meant and of which there is something, by name.
    pub series: Vec<SeriesHistory>,
}

/// One series over a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesHistory {
    /// As in [`SeriesInfo`].
    pub name: String,
    /// In the order of time. Steps of which nothing is known are left out.
    pub points: Vec<HistoryPoint>,
}

/// One step of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryPoint {
    /// Where the step begins.
    pub at: UnixMillis,
    /// How many samples there are, one a second.
    pub count: u32,
    /// The least of them.
    pub min: f32,
    /// Their mean.
    pub mean: f32,
    /// The greatest.
    pub max: f32,
}

/// The processes that used most at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Busiest {
    /// When they were looked at.
    pub at: UnixMillis,
    /// Over how long their processor time was measured, in milliseconds.
    pub span_ms: u64,
    /// Those with most processor time and those with most memory, the busiest processor first.
    pub processes: Vec<BusyProcess>,
}

/// One of the busiest processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BusyProcess {
    /// Which one, if it still lives.
    pub key: ProcessKey,
    /// Its short name.
    pub name: String,
    /// Its user.
    pub user: String,
    /// Processor time over the span as a share of one core.
    pub cpu_ratio: f32,
    /// Resident memory in bytes.
    pub rss_bytes: u64,
}

/// Most points of one answer, all series together.
pub const POINTS_MAX: usize = 50_000;
/// Longest list of series in a question, in bytes.
pub const SERIES_TEXT_BYTES_MAX: usize = 4_096;

crate::service! {
    /// The figures of one host: processors, memory, load, pressure, disks, network, temperatures.
    service Monitor = "monitor" {
        /// The latest sample.
        get snapshot() -> HostSample, needs MonitorRead;
        /// The latest sample, and a new one every `interval_ms` (1,000 to 60,000).
        watch watch(interval_ms: u32) -> HostSample, needs MonitorRead;
        /// The series that are kept, by name.
        get series() -> Vec<SeriesInfo>, needs MonitorRead;
        /// What became of the series that `series` means (names and globs with spaces between them) from `from`
        /// to `to`, in steps of `step_s` seconds. Every second is kept for six hours, every minute for 30 days.
        /// Without a step it is one that gives a few hundred points.
        get history(series: String, from: UnixMillis, to: UnixMillis, step_s: Option<u32>) -> History,
            needs MonitorRead;
        /// The busiest processes of the ten seconds that are closest to `at`, if any within the last six hours
        /// are within a minute of it.
        get busiest(at: UnixMillis) -> Option<Busiest>, needs MonitorRead;
    }
}
