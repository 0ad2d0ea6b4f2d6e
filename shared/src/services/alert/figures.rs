//! The figures that rules can be about.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FigureKind {
    /// Its name, which ends in its unit.
    pub name: &'static str,
    /// The label that tells several of it apart; empty if there is only one.
    pub label: &'static str,
    /// What it is.
    pub what: &'static str,
}

const fn figure(name: &'static str, label: &'static str, what: &'static str) -> FigureKind {
    FigureKind { name, label, what }
}

/// All of them, by name.
pub const FIGURES: &[FigureKind] = &[
    figure("calls_failed_per_second", "", "calls that this node answered with an error"),
    figure("calls_per_second", "", "calls that this node answered"),
    figure(
        "certificate_remaining_days",
        "certificate",
        "days for which a certificate is still good: that of the node, of its HTTP face, or of a file",
    ),
    figure(
        "clock_skew_seconds",
        "",
        "how far the clock is from those of the other nodes, in the median of those connected with this one",
    ),
    figure("clock_step_seconds", "", "by how much the clock was set at once, within the last ten minutes"),
    figure("clock_synchronised", "", "1 if something keeps the clock right, 0 if nothing does"),
    figure("cpu_core_usage_ratio", "core", "busy share of one core"),
    figure("cpu_iowait_ratio", "", "share of the processors' time spent waiting for storage"),
    figure("cpu_steal_ratio", "", "share that a hypervisor gave to others"),
    figure("cpu_usage_ratio", "", "busy share of all cores together"),
    figure("disk_read_bytes_per_second", "mountpoint", "read from the device of a mount"),
    figure("disk_written_bytes_per_second", "mountpoint", "written to the device of a mount"),
    figure("file_age_seconds", "path", "since a file was written"),
    figure("file_changed_seconds", "path", "since a file, its mode or its owner changed"),
    figure("file_exists", "path", "1 if there is something at a path, 0 if not"),
    figure("file_size_bytes", "path", "size of a file"),
    figure("filesystem_available_bytes", "mountpoint", "what ordinary users can still write"),
    figure("filesystem_inodes_used_ratio", "mountpoint", "share of the inodes in use"),
    figure("filesystem_used_ratio", "mountpoint", "share of a file system in use"),
    figure("load1", "", "load average of a minute"),
    figure("load15", "", "load average of 15 minutes"),
    figure("load15_per_core", "", "the same for each core"),
    figure("load1_per_core", "", "the same for each core"),
    figure("load5", "", "load average of five minutes"),
    figure("load5_per_core", "", "the same for each core"),
    figure("memory_available_bytes", "", "what new programs can have without swapping"),
    figure("memory_cached_bytes", "", "page cache and buffers"),
    figure("memory_used_ratio", "", "share of the memory in use"),
    figure("mesh_peers", "", "nodes that this one is connected with"),
    figure("mesh_rtt_max_seconds", "", "longest round trip to them"),
    figure("mesh_rtt_seconds", "", "mean round trip to them"),
    figure("network_errors_per_second", "interface", "errors and drops of an interface"),
    figure("network_receive_bytes_per_second", "interface", "received by an interface"),
    figure("network_transmit_bytes_per_second", "interface", "sent by an interface"),
    figure("node_lost", "node", "1 if a member is lost, 0 if not"),
    figure("nodes_lost", "", "members that are lost"),
    figure("port_connect_seconds", "address", "how long a connection took"),
    figure("port_open", "address", "1 if somebody accepts connections there, 0 if not"),
    figure("pressure_cpu_some_ratio", "", "share of ten seconds in which something waited for a processor"),
    figure("pressure_io_full_ratio", "", "share in which everything waited for storage"),
    figure("pressure_io_some_ratio", "", "share in which something waited for storage"),
    figure("pressure_memory_full_ratio", "", "share in which everything waited for memory"),
    figure("pressure_memory_some_ratio", "", "share in which something waited for memory"),
    figure("processes", "", "number of processes"),
    figure("program_failed", "program", "1 if a program that the node keeps running has failed, 0 if not"),
    figure("program_restarts_10m", "program", "restarts of it within ten minutes"),
    figure("program_running", "program", "1 if it runs, 0 if not"),
    figure("swap_used_bytes", "", "swap in use"),
    figure("swap_used_ratio", "", "share of the swap in use"),
    figure("temperature_celsius", "sensor", "a sensor"),
    figure("unit_active", "unit", "1 if a unit is active, 0 if not"),
    figure("unit_failed", "unit", "1 if a unit has failed, 0 if not"),
    figure("unit_restarts_10m", "unit", "restarts of a service by systemd within ten minutes"),
    figure("units_failed", "", "units that have failed"),
];
