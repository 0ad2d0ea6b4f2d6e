//! What a node told of its past, made into what charts and lists draw.
//!
//! A node's answer enters and is never trusted: what is no number is a gap, and what has no name is left out. Times
//! are the node's own. Pure.

use std::collections::{BTreeMap, BTreeSet};

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::monitor::{
    Busiest, CpuSample, Disk, History, HostSample, Interface, MemorySample, Pressure, Temperature,
};
use p2p_shared::time::{Millis, UnixMillis};

use super::history::Point;
use crate::command::PastOrder;

/// Points of one answer that are kept; a node sends a few hundred.
const POINTS_MAX: usize = 4_000;
/// Cores, file systems and the like that are kept of one moment.
const PARTS_MAX: usize = 1_024;

/// What a node was asked, and what it said.
#[derive(Clone, Debug)]
pub struct Past {
    /// Whose.
    pub node: NodeId,
    /// What it was asked.
    pub order: PastOrder,
    /// What it said.
    pub told: Result<Told, RpcError>,
}

/// The answer of a node, as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct PastAnswer {
    /// The series of the charts over the whole span.
    pub course: History,
    /// Everything else just before its end.
    pub moment: History,
    /// The busiest processes then; none where nothing is kept.
    pub busiest: Option<Busiest>,
}

/// A span of a node's past.
#[derive(Clone, Debug)]
pub struct Told {
    /// What the charts draw; their times are those of the node's wall clock.
    pub points: Vec<Point>,
    /// The figures at the end of the span. What is not kept is zero: uptime, totals.
    pub sample: HostSample,
    /// The busiest processes then, the busiest first.
    pub busiest: Option<Busiest>,
    /// Length of a step.
    pub step: Millis,
}

impl Told {
    /// Of an answer; `latest` is the node's latest sample, which knows sizes that do not change.
    pub fn new(answer: PastAnswer, order: PastOrder, latest: Option<&HostSample>) -> Self {
        let step = Millis::from_secs(answer.course.step_s.max(1).into());
        let points = points(&answer.course, latest);
        Self { points, sample: moment(&answer.moment, order.at, latest), busiest: answer.busiest, step }
    }

    /// Whether anything is kept of that time.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// The name of a series without its label, and the label's value.
fn parts(name: &str) -> (&str, Option<String>) {
    let Some((name, label)) = name.split_once('{') else { return (name, None) };
    let value = label.split_once("=\"").and_then(|(_, rest)| rest.strip_suffix("\"}"));
    (name, value.map(unescaped))
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            (letter, false) => out.push(letter),
        }
    }
    out
}

/// A moment of which nothing is known yet.
const fn blank(at: Millis) -> Point {
    Point {
        at,
        cpu: f32::NAN,
        memory: f32::NAN,
        swap: f32::NAN,
        load: f32::NAN,
        received: 0,
        sent: 0,
        read: 0,
        written: 0,
    }
}

fn points(course: &History, latest: Option<&HostSample>) -> Vec<Point> {
    let mut points: BTreeMap<u64, Point> = BTreeMap::new();
    let mut devices = BTreeSet::new();
    for series in &course.series {
        let (name, label) = parts(&series.name);
        if label.as_deref() == Some("lo") || !counts(name, label.as_deref(), latest, &mut devices) {
            continue;
        }
        for step in series.points.iter().take(POINTS_MAX) {
            let point = points.entry(step.at.0).or_insert_with(|| blank(Millis(step.at.0)));
            let sum = |whole: &mut u64| *whole = whole.saturating_add(step.mean as u64);
            match name {
                "cpu_usage_ratio" => point.cpu = step.mean,
                "memory_used_ratio" => point.memory = step.mean,
                "swap_used_ratio" => point.swap = step.mean,
                "load1" => point.load = step.mean,
                "network_receive_bytes_per_second" => sum(&mut point.received),
                "network_transmit_bytes_per_second" => sum(&mut point.sent),
                "disk_read_bytes_per_second" => sum(&mut point.read),
                "disk_written_bytes_per_second" => sum(&mut point.written),
                _ => {}
            }
        }
    }
    points.into_values().take(POINTS_MAX).collect()
}

/// A device that is mounted more than once counts once.
fn counts(
    name: &str,
    label: Option<&str>,
    latest: Option<&HostSample>,
    devices: &mut BTreeSet<(String, String)>,
) -> bool {
    let (true, Some(mountpoint), Some(latest)) = (name.starts_with("disk_"), label, latest) else {
        return true;
    };
    let disk = latest.disks.iter().find(|disk| disk.mountpoint == mountpoint);
    disk.is_none_or(|disk| devices.insert((name.to_owned(), disk.device.clone())))
}

/// The last value of every series, by name.
struct Values(Vec<(String, Option<String>, f32)>);

impl Values {
    fn of(history: &History) -> Self {
        let last = history.series.iter().filter_map(|series| {
            let (name, label) = parts(&series.name);
            Some((name.to_owned(), label, series.points.last()?.mean))
        });
        Self(last.collect())
    }

    fn get(&self, name: &str) -> Option<f32> {
        self.0.iter().find(|(known, label, _)| known == name && label.is_none()).map(|(.., value)| *value)
    }

    fn ratio(&self, name: &str) -> f32 {
        self.get(name).unwrap_or(f32::NAN)
    }

    fn of_label(&self, name: &str, wanted: &str) -> Option<f32> {
        let fits = |label: &Option<String>| label.as_deref() == Some(wanted);
        self.0.iter().find(|(known, label, _)| known == name && fits(label)).map(|(.., value)| *value)
    }

    /// The labels of a series with their values, in their order.
    fn each<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f32)> {
        let of_it = self.0.iter().filter(move |(known, ..)| known == name);
        of_it.filter_map(|(_, label, value)| Some((label.as_deref()?, *value))).take(PARTS_MAX)
    }
}

fn moment(history: &History, at: UnixMillis, latest: Option<&HostSample>) -> HostSample {
    let values = Values::of(history);
    HostSample {
        at,
        uptime_s: 0,
        cpu: CpuSample {
            ratio: values.ratio("cpu_usage_ratio"),
            iowait_ratio: values.ratio("cpu_iowait_ratio"),
            steal_ratio: values.ratio("cpu_steal_ratio"),
            cores: cores(&values),
        },
        memory: memory(&values, latest),
        load: ["load1", "load5", "load15"].map(|name| values.ratio(name)),
        pressure: values.get("pressure_cpu_some_ratio").map(|cpu_some_ratio| Pressure {
            cpu_some_ratio,
            memory_some_ratio: values.ratio("pressure_memory_some_ratio"),
            memory_full_ratio: values.ratio("pressure_memory_full_ratio"),
            io_some_ratio: values.ratio("pressure_io_some_ratio"),
            io_full_ratio: values.ratio("pressure_io_full_ratio"),
        }),
        disks: disks(&values, latest),
        interfaces: interfaces(&values),
        temperatures: values
            .each("temperature_celsius")
            .map(|(label, celsius)| Temperature { label: label.to_owned(), celsius })
            .collect(),
        processes: values.get("processes").map_or(0, |count| count as u32),
    }
}

fn cores(values: &Values) -> Vec<f32> {
    let numbered = values.each("cpu_core_usage_ratio");
    let mut cores: Vec<(u32, f32)> =
        numbered.filter_map(|(core, ratio)| Some((core.parse().ok()?, ratio))).collect();
    cores.sort_by_key(|(core, _)| *core);
    cores.into_iter().map(|(_, ratio)| ratio).collect()
}

/// `available` bytes of which a share is in use: how many there are in all.
fn whole(available: f32, used_ratio: f32) -> u64 {
    let free = f64::from(1.0 - used_ratio);
    if free > 0.0 { (f64::from(available) / free) as u64 } else { 0 }
}

fn memory(values: &Values, latest: Option<&HostSample>) -> MemorySample {
    let bytes = |name: &str| values.get(name).map_or(0, |bytes| bytes as u64);
    let available = values.get("memory_available_bytes").unwrap_or(0.0);
    let total = latest.map_or_else(
        || whole(available, values.ratio("memory_used_ratio")),
        |latest| latest.memory.total_bytes,
    );
    MemorySample {
        total_bytes: total,
        available_bytes: available as u64,
        cached_bytes: bytes("memory_cached_bytes"),
        swap_total_bytes: latest.map_or(0, |latest| latest.memory.swap_total_bytes),
        swap_used_bytes: bytes("swap_used_bytes"),
    }
}

fn disks(values: &Values, latest: Option<&HostSample>) -> Vec<Disk> {
    let disk = |(mountpoint, ratio): (&str, f32)| {
        let known = latest.and_then(|latest| latest.disks.iter().find(|disk| disk.mountpoint == mountpoint));
        let available = values.of_label("filesystem_available_bytes", mountpoint).unwrap_or(0.0);
        let rate = |name| values.of_label(name, mountpoint).map_or(0, |bytes| bytes as u64);
        let inodes = known.map_or(0, |disk| disk.inodes_total);
        let inodes_used = values.of_label("filesystem_inodes_used_ratio", mountpoint).unwrap_or(0.0);
        Disk {
            mountpoint: mountpoint.to_owned(),
            device: known.map(|disk| disk.device.clone()).unwrap_or_default(),
            file_system: known.map(|disk| disk.file_system.clone()).unwrap_or_default(),
            total_bytes: whole(available, ratio),
            available_bytes: available as u64,
            inodes_total: inodes,
            inodes_free: (inodes as f64 * f64::from(1.0 - inodes_used)) as u64,
            read_bytes_per_s: rate("disk_read_bytes_per_second"),
            written_bytes_per_s: rate("disk_written_bytes_per_second"),
            read_only: known.is_some_and(|disk| disk.read_only),
        }
    };
    values.each("filesystem_used_ratio").map(disk).collect()
}

fn interfaces(values: &Values) -> Vec<Interface> {
    let interface = |(name, received): (&str, f32)| Interface {
        name: name.to_owned(),
        up: true,
        received_bytes_per_s: received as u64,
        sent_bytes_per_s: values
            .of_label("network_transmit_bytes_per_second", name)
            .map_or(0, |bytes| bytes as u64),
        received_bytes_total: 0,
        sent_bytes_total: 0,
        errors_total: 0,
    };
    values.each("network_receive_bytes_per_second").map(interface).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Simulated;

    #[test]
    fn a_moment_of_the_past_has_the_figures_of_then() {
        let mut simulated = Simulated::new(1, 4);
        for _ in 0..600 {
            simulated.step();
        }
        let (latest, at) = (simulated.sample(0), simulated.wall());
        let order = PastOrder { at: UnixMillis(at.0 - 100_000), span: Millis::from_secs(120) };
        let told = Told::new(simulated.past(0, order), order, Some(&latest));
        assert_eq!(told.points.last().unwrap().at.0, order.at.0);
        assert_eq!(told.sample.cpu.cores.len(), latest.cpu.cores.len());
        assert_eq!(told.sample.memory.total_bytes, latest.memory.total_bytes);
        assert_eq!(told.sample.disks.len(), latest.disks.len());
        assert!(told.busiest.is_some_and(|busiest| !busiest.processes.is_empty()));
    }

    #[test]
    fn labels_are_read_as_they_were_written() {
        assert_eq!(parts("load1"), ("load1", None));
        assert_eq!(parts("a{m=\"/x\"}"), ("a", Some("/x".into())));
        assert_eq!(parts("a{m=\"q\\\"\\\\\\n\"}"), ("a", Some("q\"\\\n".into())));
        for odd in ["a{", "a{m}", "a{m=\"", "a{m=\"\\\"}"] {
            assert_eq!(parts(odd).0, "a", "{odd}");
        }
    }

    #[test]
    fn an_empty_answer_is_empty() {
        let none = History { from: UnixMillis(0), to: UnixMillis(0), step_s: 0, series: Vec::new() };
        let answer = PastAnswer { course: none.clone(), moment: none, busiest: None };
        let order = PastOrder { at: UnixMillis(0), span: Millis(1) };
        assert!(Told::new(answer, order, None).is_empty());
    }
}
