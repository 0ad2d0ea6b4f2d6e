//! Figures of a simulated host.

use p2p_shared::services::monitor::{CpuSample, Disk, HostSample, Interface};
use p2p_shared::services::monitor::{MemorySample, Pressure, Temperature};
use p2p_shared::time::UnixMillis;

use super::{HOSTILE, noise, unit, wave};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

pub fn sample(node: usize, step: u64, at: UnixMillis, processes: usize) -> HostSample {
    let cores = 4usize << (node % 4);
    let cpu = cpu(node, step, cores);
    let load = cpu.ratio * cores as f32;
    HostSample {
        at,
        uptime_s: 86_400 * (node as u64 % 90 + 1) + noise(node, 1, 0) % 80_000 + step,
        memory: memory(node, step),
        load: [load * 1.1 + 0.02, load * 0.95 + 0.1, load * 0.9 + 0.15],
        pressure: (node % 8 != 5).then(|| pressure(node, step)),
        disks: disks(node, step),
        interfaces: interfaces(node, step),
        temperatures: temperatures(node, step),
        processes: u32::try_from(processes).unwrap_or(u32::MAX),
        cpu,
    }
}

fn cpu(node: usize, step: u64, count: usize) -> CpuSample {
    let busy = 0.05 + 0.9 * unit(node, 2, 0);
    let cores: Vec<f32> =
        (0..count).map(|core| (wave(node, 100 + core as u64, step, 40) * busy).clamp(0.0, 1.0)).collect();
    CpuSample {
        ratio: cores.iter().sum::<f32>() / count as f32,
        iowait_ratio: wave(node, 3, step, 90) * 0.08,
        steal_ratio: if node % 6 == 3 { wave(node, 4, step, 60) * 0.05 } else { 0.0 },
        cores,
    }
}

fn memory(node: usize, step: u64) -> MemorySample {
    let total = (8 << (node % 5)) as u64 * GIB;
    let used = 0.25 + 0.4 * unit(node, 5, 0) + 0.3 * wave(node, 6, step, 300);
    let swap_total = if node % 3 == 2 { 0 } else { 4 * GIB };
    MemorySample {
        total_bytes: total,
        available_bytes: share(total, 1.0 - used),
        cached_bytes: share(total, (1.0 - used) * 0.6),
        swap_total_bytes: swap_total,
        swap_used_bytes: share(swap_total, wave(node, 7, step, 500) * 0.4),
    }
}

fn share(whole: u64, ratio: f32) -> u64 {
    (whole as f64 * f64::from(ratio)) as u64
}

fn pressure(node: usize, step: u64) -> Pressure {
    let io = wave(node, 8, step, 70) * 0.2;
    Pressure {
        cpu_some_ratio: wave(node, 9, step, 50) * 0.3,
        memory_some_ratio: wave(node, 10, step, 200) * 0.05,
        memory_full_ratio: wave(node, 10, step, 200) * 0.02,
        io_some_ratio: io,
        io_full_ratio: io * 0.6,
    }
}

fn disks(node: usize, step: u64) -> Vec<Disk> {
    const MOUNTS: [(&str, &str, &str, u64); 5] = [
        ("/", "/dev/nvme0n1p2", "ext4", 80),
        ("/boot/efi", "/dev/nvme0n1p1", "vfat", 1),
        ("/home", "/dev/nvme0n1p3", "ext4", 200),
        ("/mnt/backup", "backup:/export/fleet", "nfs4", 8_000),
        ("/srv/data", "/dev/mapper/vg0-data", "xfs", 1_500),
    ];
    let kept = MOUNTS.iter().enumerate().filter(|(at, _)| *at < 2 || !(node + at).is_multiple_of(3));
    kept.map(|(at, &(mountpoint, device, file_system, gib))| {
        let what = 200 + at as u64;
        let used = 0.1 + 0.85 * unit(node, what, 0) + 0.04 * wave(node, what, step, 900);
        let inodes = if file_system == "vfat" { 0 } else { gib * 65_536 };
        Disk {
            mountpoint: mountpoint.to_owned(),
            device: device.to_owned(),
            file_system: file_system.to_owned(),
            total_bytes: gib * GIB,
            available_bytes: share(gib * GIB, (1.0 - used).max(0.0)),
            inodes_total: inodes,
            inodes_free: share(inodes, 1.0 - used * 0.4),
            read_bytes_per_s: share(120 * MIB, burst(node, what + 50, step)),
            written_bytes_per_s: share(60 * MIB, burst(node, what + 60, step)),
            read_only: at == 1,
        }
    })
    .collect()
}

/// Mostly next to nothing, at times a lot.
fn burst(node: usize, what: u64, step: u64) -> f32 {
    wave(node, what, step, 45).powi(4)
}

fn interfaces(node: usize, step: u64) -> Vec<Interface> {
    const NAMES: [(&str, u64); 4] = [("docker0", 2), ("eth0", 110), ("lo", 30), ("wg0", 9)];
    let kept =
        NAMES.iter().enumerate().filter(|(at, _)| *at == 1 || *at == 2 || (node + at).is_multiple_of(2));
    kept.map(|(at, &(name, mib))| {
        let what = 300 + at as u64;
        let received = share(mib * MIB, burst(node, what, step));
        let sent = if name == "lo" { received } else { share(mib * MIB, burst(node, what + 10, step)) };
        Interface {
            name: name.to_owned(),
            up: name != "docker0",
            received_bytes_per_s: received,
            sent_bytes_per_s: sent,
            received_bytes_total: mib * GIB + step * mib * MIB / 8,
            sent_bytes_total: mib * GIB / 2 + step * mib * MIB / 9,
            errors_total: noise(node, what, 0) % 7 * u64::from(name == "eth0"),
        }
    })
    .collect()
}

fn temperatures(node: usize, step: u64) -> Vec<Temperature> {
    if node % 4 == 1 {
        return Vec::new();
    }
    let sensor = |label: &str, what: u64, base: f32| Temperature {
        label: label.to_owned(),
        celsius: base + 25.0 * wave(node, what, step, 120),
    };
    vec![sensor("coretemp Package id 0", 400, 42.0), sensor("nvme Composite", 401, 33.0)]
}

/// Gives some of its devices names that try to harm who looks at them.
pub fn name_hostile(sample: &mut HostSample) {
    for (disk, name) in sample.disks.iter_mut().skip(1).zip(HOSTILE) {
        disk.mountpoint = format!("/{name}");
    }
    for (interface, name) in sample.interfaces.iter_mut().zip(HOSTILE.iter().skip(3)) {
        interface.name = (*name).to_owned();
    }
    for (sensor, name) in sample.temperatures.iter_mut().zip(HOSTILE) {
        sensor.label = name.to_owned();
    }
}
