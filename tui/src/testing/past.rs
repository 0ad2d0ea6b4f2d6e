//! What simulated nodes remember: the figures that they would have had.

use std::collections::BTreeMap;

use p2p_shared::services::monitor::{Busiest, BusyProcess, History, HistoryPoint, HostSample, SeriesHistory};
use p2p_shared::services::process::ProcessInfo;
use p2p_shared::time::UnixMillis;

use crate::command::PastOrder;
use crate::fleet::PastAnswer;

/// Steps of one answer.
const STEPS: u64 = 240;
const BUSIEST: usize = 12;

/// The figures at each time of a span, asked of `sample`, and who of `processes` was busy at its end.
pub fn answer(
    order: PastOrder,
    sample: impl Fn(UnixMillis) -> HostSample,
    processes: &[ProcessInfo],
) -> PastAnswer {
    let step_s = (order.span.0 / 1_000).div_ceil(STEPS).max(1);
    let times = |count: u64| {
        let before = move |step: u64| UnixMillis(order.at.0.saturating_sub(step * step_s * 1_000));
        (0..count).rev().map(before)
    };
    let count = order.span.0 / 1_000 / step_s;
    let history = |count| History {
        from: UnixMillis(order.at.0.saturating_sub(order.span.0)),
        to: order.at,
        step_s: step_s as u32,
        series: series(times(count).map(|at| (at, sample(at)))),
    };
    PastAnswer { course: history(count), moment: history(1), busiest: Some(busiest(order, processes)) }
}

fn series(samples: impl Iterator<Item = (UnixMillis, HostSample)>) -> Vec<SeriesHistory> {
    let mut found: BTreeMap<String, Vec<HistoryPoint>> = BTreeMap::new();
    for (at, sample) in samples {
        for (name, mean) in figures(&sample) {
            let point = HistoryPoint { at, count: 1, min: mean, mean, max: mean };
            found.entry(name).or_default().push(point);
        }
    }
    found.into_iter().map(|(name, points)| SeriesHistory { name, points }).collect()
}

fn figures(sample: &HostSample) -> Vec<(String, f32)> {
    let memory = &sample.memory;
    let used = |free: u64, total: u64| crate::fleet::share(total.saturating_sub(free), total);
    let mut out = vec![
        ("cpu_usage_ratio".to_owned(), sample.cpu.ratio),
        ("cpu_iowait_ratio".to_owned(), sample.cpu.iowait_ratio),
        ("cpu_steal_ratio".to_owned(), sample.cpu.steal_ratio),
        ("memory_available_bytes".to_owned(), memory.available_bytes as f32),
        ("memory_cached_bytes".to_owned(), memory.cached_bytes as f32),
        ("memory_used_ratio".to_owned(), used(memory.available_bytes, memory.total_bytes)),
        ("swap_used_bytes".to_owned(), memory.swap_used_bytes as f32),
        ("load1".to_owned(), sample.load[0]),
        ("load5".to_owned(), sample.load[1]),
        ("load15".to_owned(), sample.load[2]),
        ("processes".to_owned(), sample.processes as f32),
    ];
    if let Some(pressure) = &sample.pressure {
        out.push(("pressure_cpu_some_ratio".to_owned(), pressure.cpu_some_ratio));
        out.push(("pressure_memory_some_ratio".to_owned(), pressure.memory_some_ratio));
        out.push(("pressure_memory_full_ratio".to_owned(), pressure.memory_full_ratio));
        out.push(("pressure_io_some_ratio".to_owned(), pressure.io_some_ratio));
        out.push(("pressure_io_full_ratio".to_owned(), pressure.io_full_ratio));
    }
    let labelled = |name: &str, label: &str, value: &str| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("{name}{{{label}=\"{value}\"}}")
    };
    for (core, ratio) in sample.cpu.cores.iter().enumerate() {
        out.push((labelled("cpu_core_usage_ratio", "core", &core.to_string()), *ratio));
    }
    for disk in &sample.disks {
        let mut put = |name, value| out.push((labelled(name, "mountpoint", &disk.mountpoint), value));
        put("filesystem_available_bytes", disk.available_bytes as f32);
        put("filesystem_used_ratio", used(disk.available_bytes, disk.total_bytes));
        put("disk_read_bytes_per_second", disk.read_bytes_per_s as f32);
        put("disk_written_bytes_per_second", disk.written_bytes_per_s as f32);
    }
    for one in &sample.interfaces {
        let mut put = |name, value| out.push((labelled(name, "interface", &one.name), value));
        put("network_receive_bytes_per_second", one.received_bytes_per_s as f32);
        put("network_transmit_bytes_per_second", one.sent_bytes_per_s as f32);
    }
    for sensor in &sample.temperatures {
        out.push((labelled("temperature_celsius", "sensor", &sensor.label), sensor.celsius));
    }
    out
}

fn busiest(order: PastOrder, processes: &[ProcessInfo]) -> Busiest {
    let busy = |process: &ProcessInfo| BusyProcess {
        key: process.key,
        name: process.name.clone(),
        user: process.user.clone(),
        cpu_ratio: process.usage.cpu_ratio,
        rss_bytes: process.usage.rss_bytes,
    };
    let mut processes: Vec<BusyProcess> = processes.iter().map(busy).collect();
    processes.sort_by(|one, other| other.cpu_ratio.total_cmp(&one.cpu_ratio));
    processes.truncate(BUSIEST);
    Busiest { at: order.at, span_ms: 10_000, processes }
}
