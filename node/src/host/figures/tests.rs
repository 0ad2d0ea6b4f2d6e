use super::*;
use crate::host::testing::{FakeHost, at};

#[test]
fn figures_of_a_host_are_put_together() {
    let host = FakeHost::new();
    host.write("proc/stat", "cpu  0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0\n");
    host.write("proc/loadavg", "0.50 1.25 2.00 1/99 1234\n");
    host.write("proc/meminfo", "MemTotal: 8 kB\nMemAvailable: 4 kB\n");
    host.write("proc/net/dev", "a\nb\n eth0: 1000 0 0 0 0 0 0 0 10 0 0 0 0 0 0 0\n");
    host.write("sys/class/net/eth0/operstate", "up\n");
    let mut figures = HostFigures::new(&host.roots());
    let first = figures.sample(at(10), &SlowFigures::default(), 3);
    assert_eq!((first.cpu.ratio, first.interfaces[0].received_bytes_per_s), (0.0, 0));
    host.write("proc/stat", "cpu  50 0 0 50 0 0 0 0\ncpu0 50 0 0 50 0 0 0 0\n");
    host.write("proc/net/dev", "a\nb\n eth0: 5000 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
    let second = figures.sample(at(12), &SlowFigures::default(), 3);
    assert_eq!((second.cpu.ratio, second.cpu.cores.as_slice()), (0.5, &[0.5][..]));
    assert_eq!((second.load, second.uptime_s, second.processes), ([0.5, 1.25, 2.0], 12, 3));
    assert_eq!(second.memory.available_bytes, 4_096);
    let interface = &second.interfaces[0];
    assert!(interface.up);
    assert_eq!((interface.received_bytes_per_s, interface.sent_bytes_per_s), (2_000, 0));
}

#[test]
fn a_host_without_proc_and_sys_has_empty_figures() {
    let host = FakeHost::new();
    let nothing = host.path("nothing");
    let roots = Roots { proc: nothing.clone(), sys: nothing.clone(), etc: nothing };
    let mut figures = HostFigures::new(&roots);
    for seconds in 1..3 {
        let sample = figures.sample(at(seconds), &SlowFigures::default(), 0);
        assert!(sample.cpu.cores.is_empty() && sample.interfaces.is_empty() && sample.disks.is_empty());
        assert_eq!((sample.pressure, sample.memory), (None, NO_MEMORY));
    }
}

#[test]
fn this_host_has_figures() {
    let roots = Roots::default();
    let mut figures = HostFigures::new(&roots);
    let slow = SlowFigures { file_systems: disks::file_systems(&roots), temperatures: Vec::new() };
    figures.sample(Moment::now(), &slow, 1);
    let sample = figures.sample(Moment::now(), &slow, 1);
    assert!(!sample.cpu.cores.is_empty() && sample.memory.total_bytes > sample.memory.available_bytes);
    assert!(sample.interfaces.iter().any(|interface| interface.name == "lo"));
    assert!(sample.cpu.cores.iter().all(|ratio| (0.0..=1.0).contains(ratio)));
}
