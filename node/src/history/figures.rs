//! The standard set: which series a sample of the host and of the mesh is kept as, under which names.
//!
//! Names end in their unit; ratios are 0 to 1. A figure that a host does not have has no value, which is a gap
//! and never a zero.

use std::fmt::Write;

use p2p_shared::services::monitor::{Disk, HostSample, Interface};
use p2p_shared::time::Millis;

/// What the node counts of the mesh and of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeshSample {
    /// Connections that are open.
    pub peers: u32,
    /// Mean and greatest round trip to them; `None` without one.
    pub rtt: Option<RoundTrips>,
    /// How far the clock of this machine is from those of its peers, in the median; `None` without one.
    pub clock_skew_s: Option<f32>,
    /// Calls since the start of the node.
    pub calls_total: u64,
    /// Of them, how many failed.
    pub calls_failed_total: u64,
}

/// Round trips to all peers, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTrips {
    /// Their mean.
    pub mean_s: f32,
    /// The longest.
    pub max_s: f32,
}

impl RoundTrips {
    /// Those of all peers together; `None` without one.
    pub fn of(each_s: &[f32]) -> Option<Self> {
        (!each_s.is_empty()).then(|| Self {
            mean_s: each_s.iter().sum::<f32>() / each_s.len() as f32,
            max_s: each_s.iter().copied().fold(0.0, f32::max),
        })
    }
}

/// What a sample is compared with for a rate.
#[derive(Clone, Debug)]
struct Before {
    at: Millis,
    mesh: MeshSample,
    errors: Vec<(String, u64)>,
}

/// Turns samples into values by name.
#[derive(Debug, Default)]
pub struct Figures {
    before: Option<Before>,
    found: Vec<(String, f32)>,
}

impl Figures {
    /// The values of a sample that was taken at `at` by the monotonic clock.
    pub fn of(&mut self, at: Millis, host: &HostSample, mesh: MeshSample) -> &[(String, f32)] {
        self.found.clear();
        self.processors(host);
        self.memory(host);
        self.pressure(host);
        host.disks.iter().for_each(|disk| self.disk(disk));
        host.interfaces.iter().for_each(|interface| self.interface(interface));
        self.temperatures(host);
        self.mesh(&mesh);
        self.rates(at, host, mesh);
        &self.found
    }

    fn put(&mut self, name: &str, value: f64) {
        self.found.push((name.to_owned(), value as f32));
    }

    fn put_of(&mut self, name: &str, label: (&str, &str), value: f64) {
        self.found.push((labelled(name, label), value as f32));
    }

    fn processors(&mut self, host: &HostSample) {
        self.put("cpu_usage_ratio", host.cpu.ratio.into());
        self.put("cpu_iowait_ratio", host.cpu.iowait_ratio.into());
        self.put("cpu_steal_ratio", host.cpu.steal_ratio.into());
        for (core, ratio) in host.cpu.cores.iter().enumerate().take(CORES_MAX) {
            self.put_of("cpu_core_usage_ratio", ("core", &core.to_string()), f64::from(*ratio));
        }
        for (name, load) in ["load1", "load5", "load15"].into_iter().zip(host.load) {
            self.put(name, load.into());
        }
        self.put("processes", host.processes.into());
    }

    fn memory(&mut self, host: &HostSample) {
        let memory = host.memory;
        if memory.total_bytes == 0 {
            return;
        }
        let used = memory.total_bytes.saturating_sub(memory.available_bytes);
        self.put("memory_available_bytes", memory.available_bytes as f64);
        self.put("memory_cached_bytes", memory.cached_bytes as f64);
        self.put("memory_used_ratio", used as f64 / memory.total_bytes as f64);
        if memory.swap_total_bytes > 0 {
            self.put("swap_used_bytes", memory.swap_used_bytes as f64);
            self.put("swap_used_ratio", memory.swap_used_bytes as f64 / memory.swap_total_bytes as f64);
        }
    }

    fn pressure(&mut self, host: &HostSample) {
        let Some(pressure) = host.pressure else { return };
        self.put("pressure_cpu_some_ratio", pressure.cpu_some_ratio.into());
        self.put("pressure_memory_some_ratio", pressure.memory_some_ratio.into());
        self.put("pressure_memory_full_ratio", pressure.memory_full_ratio.into());
        self.put("pressure_io_some_ratio", pressure.io_some_ratio.into());
        self.put("pressure_io_full_ratio", pressure.io_full_ratio.into());
    }

    fn disk(&mut self, disk: &Disk) {
        let label = ("mountpoint", disk.mountpoint.as_str());
        if disk.total_bytes > 0 {
            let used = disk.total_bytes.saturating_sub(disk.available_bytes);
            self.put_of("filesystem_available_bytes", label, disk.available_bytes as f64);
            self.put_of("filesystem_used_ratio", label, used as f64 / disk.total_bytes as f64);
        }
        if disk.inodes_total > 0 {
            let used = disk.inodes_total.saturating_sub(disk.inodes_free);
            self.put_of("filesystem_inodes_used_ratio", label, used as f64 / disk.inodes_total as f64);
        }
        self.put_of("disk_read_bytes_per_second", label, disk.read_bytes_per_s as f64);
        self.put_of("disk_written_bytes_per_second", label, disk.written_bytes_per_s as f64);
    }

    fn interface(&mut self, interface: &Interface) {
        let label = ("interface", interface.name.as_str());
        self.put_of("network_receive_bytes_per_second", label, interface.received_bytes_per_s as f64);
        self.put_of("network_transmit_bytes_per_second", label, interface.sent_bytes_per_s as f64);
    }

    /// Of sensors of one label the hottest.
    fn temperatures(&mut self, host: &HostSample) {
        let mut sensors: Vec<(&str, f32)> = Vec::new();
        for sensor in &host.temperatures {
            match sensors.iter_mut().find(|(label, _)| *label == sensor.label) {
                Some((_, celsius)) => *celsius = celsius.max(sensor.celsius),
                None => sensors.push((&sensor.label, sensor.celsius)),
            }
        }
        for (label, celsius) in sensors {
            self.put_of("temperature_celsius", ("sensor", label), celsius.into());
        }
    }

    fn mesh(&mut self, mesh: &MeshSample) {
        self.put("mesh_peers", mesh.peers.into());
        if let Some(rtt) = mesh.rtt {
            self.put("mesh_rtt_seconds", rtt.mean_s.into());
            self.put("mesh_rtt_max_seconds", rtt.max_s.into());
        }
    }

    /// What is counted, as a rate since the sample before: nothing in the first one.
    fn rates(&mut self, at: Millis, host: &HostSample, mesh: MeshSample) {
        let errors = host.interfaces.iter().map(|interface| (interface.name.clone(), interface.errors_total));
        let errors: Vec<(String, u64)> = errors.collect();
        if let Some(before) = self.before.take()
            && at > before.at
        {
            let span_s = at.since(before.at).0 as f64 / 1_000.0;
            let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / span_s;
            self.put("calls_per_second", rate(mesh.calls_total, before.mesh.calls_total));
            let failed = rate(mesh.calls_failed_total, before.mesh.calls_failed_total);
            self.put("calls_failed_per_second", failed);
            for (name, now) in &errors {
                if let Some((_, then)) = before.errors.iter().find(|(known, _)| known == name) {
                    self.put_of("network_errors_per_second", ("interface", name), rate(*now, *then));
                }
            }
        }
        self.before = Some(Before { at, mesh, errors });
    }
}

/// Cores that are kept each; of more there is the figure of all together.
const CORES_MAX: usize = 64;

/// A name with a label, its value quoted as in the text format of metrics.
fn labelled(name: &str, (label, value): (&str, &str)) -> String {
    let mut text = String::with_capacity(name.len() + label.len() + value.len() + 5);
    // Writing to a string cannot fail.
    let _ = write!(text, "{name}{{{label}=\"");
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            letter => text.push(letter),
        }
    }
    text.push_str("\"}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Roots;
    use crate::host::figures::HostFigures;
    use crate::host::figures::slow::SlowFigures;
    use crate::host::moment::Moment;

    fn value(found: &[(String, f32)], name: &str) -> Option<f32> {
        found.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    #[test]
    fn every_figure_has_one_name_and_rates_begin_with_the_second_sample() {
        let host = HostFigures::new(&Roots::default()).sample(Moment::now(), &SlowFigures::default(), 7);
        let mut figures = Figures::default();
        let calls = |calls_total| MeshSample { calls_total, ..MeshSample::default() };
        let first = figures.of(Millis(1_000), &host, calls(10)).to_vec();
        assert_eq!(value(&first, "processes"), Some(7.0));
        assert_eq!((value(&first, "calls_per_second"), value(&first, "mesh_rtt_seconds")), (None, None));
        let second = figures.of(Millis(3_000), &host, calls(30)).to_vec();
        assert_eq!(value(&second, "calls_per_second"), Some(10.0));
        let mut names: Vec<&String> = second.iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn labels_are_quoted() {
        assert_eq!(labelled("a", ("mountpoint", "/x\"\\\n")), r#"a{mountpoint="/x\"\\\n"}"#);
    }
}
