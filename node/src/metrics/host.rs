//! The figures of the host, from its last sample. What a host does not have is left out, never a zero.

use std::collections::BTreeMap;

use p2p_shared::services::monitor::{Disk, HostSample, Interface};

use super::families as f;
use super::families::Family;
use super::text::{Number, Text};

pub(super) fn write(host: &HostSample, text: &mut Text) {
    let at = host.at.0 as f64 / 1e3;
    text.one(&f::SAMPLE_TIME, at);
    text.one(&f::BOOT_TIME, (at - host.uptime_s as f64).floor());
    text.one(&f::CPU_CORES, host.cpu.cores.len());
    text.one(&f::CPU_USAGE, host.cpu.ratio);
    text.one(&f::CPU_IOWAIT, host.cpu.iowait_ratio);
    text.one(&f::CPU_STEAL, host.cpu.steal_ratio);
    for (family, load) in [&f::LOAD1, &f::LOAD5, &f::LOAD15].into_iter().zip(host.load) {
        text.one(family, load);
    }
    text.one(&f::PROCESSES, host.processes);
    memory(host, text);
    pressure(host, text);
    disks(&host.disks, text);
    interfaces(&host.interfaces, text);
    temperatures(host, text);
}

fn memory(host: &HostSample, text: &mut Text) {
    let memory = host.memory;
    if memory.total_bytes == 0 {
        return;
    }
    text.one(&f::MEMORY_TOTAL, memory.total_bytes);
    text.one(&f::MEMORY_AVAILABLE, memory.available_bytes);
    text.one(&f::MEMORY_CACHED, memory.cached_bytes);
    text.one(&f::MEMORY_USED, used(memory.total_bytes, memory.available_bytes));
    text.one(&f::SWAP_TOTAL, memory.swap_total_bytes);
    text.one(&f::SWAP_USED, memory.swap_used_bytes);
}

fn pressure(host: &HostSample, text: &mut Text) {
    let Some(pressure) = host.pressure else { return };
    text.one(&f::PRESSURE_CPU, pressure.cpu_some_ratio);
    text.one(&f::PRESSURE_MEMORY, pressure.memory_some_ratio);
    text.one(&f::PRESSURE_MEMORY_FULL, pressure.memory_full_ratio);
    text.one(&f::PRESSURE_IO, pressure.io_some_ratio);
    text.one(&f::PRESSURE_IO_FULL, pressure.io_full_ratio);
}

fn disks(disks: &[Disk], text: &mut Text) {
    let mut each = |family: &'static Family, value: fn(&Disk) -> Option<Number>| {
        let mut series = text.family(family);
        for disk in disks {
            if let Some(value) = value(disk) {
                series.put(&[&disk.mountpoint], value);
            }
        }
    };
    each(&f::FILESYSTEM_SIZE, |disk| Some(disk.total_bytes.into()));
    each(&f::FILESYSTEM_AVAILABLE, |disk| Some(disk.available_bytes.into()));
    each(&f::FILESYSTEM_USED, |disk| {
        (disk.total_bytes > 0).then(|| used(disk.total_bytes, disk.available_bytes).into())
    });
    each(&f::FILESYSTEM_INODES_USED, |disk| {
        (disk.inodes_total > 0).then(|| used(disk.inodes_total, disk.inodes_free).into())
    });
    each(&f::FILESYSTEM_READ_ONLY, |disk| Some(disk.read_only.into()));
    each(&f::DISK_READ, |disk| Some(disk.read_bytes_per_s.into()));
    each(&f::DISK_WRITTEN, |disk| Some(disk.written_bytes_per_s.into()));
}

fn interfaces(interfaces: &[Interface], text: &mut Text) {
    let mut each = |family: &'static Family, value: fn(&Interface) -> Number| {
        let mut series = text.family(family);
        interfaces.iter().for_each(|one| series.put(&[&one.name], value(one)));
    };
    each(&f::NETWORK_UP, |one| one.up.into());
    each(&f::NETWORK_RECEIVED, |one| one.received_bytes_total.into());
    each(&f::NETWORK_SENT, |one| one.sent_bytes_total.into());
    each(&f::NETWORK_ERRORS, |one| one.errors_total.into());
}

fn temperatures(host: &HostSample, text: &mut Text) {
    let mut hottest: BTreeMap<&str, f32> = BTreeMap::new();
    for sensor in &host.temperatures {
        let celsius = hottest.entry(&sensor.label).or_insert(sensor.celsius);
        *celsius = celsius.max(sensor.celsius);
    }
    let mut series = text.family(&f::TEMPERATURE);
    hottest.iter().for_each(|(label, celsius)| series.put(&[label], *celsius));
}

fn used(total: u64, left: u64) -> f64 {
    total.saturating_sub(left) as f64 / total as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Roots;
    use crate::host::figures::HostFigures;
    use crate::host::figures::slow::SlowFigures;
    use crate::host::moment::Moment;
    use crate::metrics::text::Format;

    #[test]
    fn the_last_sample_is_told_and_a_host_without_something_says_nothing_of_it() {
        let mut host = HostFigures::new(&Roots::default()).sample(Moment::now(), &SlowFigures::default(), 7);
        let sensor = |label: &str, celsius| p2p_shared::services::monitor::Temperature {
            label: label.to_owned(),
            celsius,
        };
        host.temperatures = vec![sensor("core", 40.0), sensor("core", 45.5), sensor("core", 41.0)];
        host.pressure = None;
        let mut text = Text::new(Format::Prometheus);
        write(&host, &mut text);
        let text = text.finish();
        assert!(text.contains("\np2p_admin_processes 7\n"), "{text}");
        assert!(text.contains("\np2p_admin_temperature_celsius{sensor=\"core\"} 45.5\n"), "{text}");
        assert!(!text.contains("pressure") && !text.contains("filesystem"), "{text}");
        assert!(text.contains("\np2p_admin_network_receive_bytes_total{interface=\"lo\"} "), "{text}");
    }
}
