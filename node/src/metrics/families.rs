//! The names: every family of figures, with its kind, its labels and what it means.
//!
//! Plain data. Names end in their base unit; ratios are 0 to 1; what is counted since the start ends in `_total`.

/// What kind of figure a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, from zero at the start of whatever counts.
    Counter,
    /// How many took at most so long.
    Histogram,
    /// Always 1: what there is to know is in the labels.
    Info,
}

/// Figures of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// The name of its series; of a histogram without `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The labels of each of its series, in this order.
    pub labels: &'static [&'static str],
    /// What it means, as a sentence.
    pub help: &'static str,
}

macro_rules! families {
    ($($id:ident = $kind:ident $name:literal $labels:expr, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $id: Family =
                Family { name: concat!("p2p_admin_", $name), kind: Kind::$kind, labels: &$labels, help: $help };
        )*

        /// All of them.
        pub const ALL: &[Family] = &[$($id),*];
    };
}

families! {
    BUILD = Info "build_info" ["version"], "The program.";
    START_TIME = Gauge "start_time_seconds" [], "When the program started, since 1970.";
    PROCESS_CPU = Counter "process_cpu_seconds_total" [], "Processor time that the program used.";
    PROCESS_MEMORY = Gauge "process_resident_memory_bytes" [], "Resident memory of the program.";
    PROCESS_FILES = Gauge "process_open_files" [], "Descriptors that the program has open.";
    CERTIFICATE_REMAINING = Gauge "certificate_remaining_seconds" [],
        "How long the certificate of the node is still good; negative once it has ended.";
    REVOCATION_AGE = Gauge "revocation_age_seconds" [],
        "How long ago a member last told which keys are revoked.";
    REVOCATION_EPOCH = Gauge "revocation_epoch" [], "Number of the list of revoked keys that is in force.";
    REVOKED = Gauge "revoked" [], "1 if the key of this node is revoked.";
    PROGRAMS = Gauge "programs" ["state"], "Supervised programs by state.";
    PROGRAM_UP = Gauge "program_up" ["program"], "1 if a process of the supervised program runs.";
    PROGRAM_STARTS = Counter "program_starts_total" ["program"],
        "How often a supervised program was started since it was defined.";
    JOBS = Gauge "jobs" ["state"], "Jobs by state; those queued are the depth of the queue.";
    ALERTS = Gauge "alerts" ["state", "severity"], "Alerts by state and severity.";
    ALERTS_SILENCED = Gauge "alerts_silenced" [], "Alerts that fire and are silenced.";
    ALERTS_REFUSED = Counter "alerts_refused_total" [], "Alerts that were not kept because there were too many.";
    AUDIT_LOST = Counter "audit_records_lost_total" [],
        "Outcomes and refusals that did not get into the audit record; calls are never done without.";
    LOG_LOST = Counter "log_entries_lost_total" [], "Lines of the log that were lost.";
    WRITES_DROPPED = Counter "store_writes_dropped_total" [],
        "Facts of members that were not kept because the disk was too slow; the mesh tells them again.";
    RELOADS_FAILED = Counter "reloads_failed_total" [],
        "Reloads that kept the old configuration because the new one was broken.";
    CALLS = Counter "calls_total" ["method", "outcome"], "Calls by method, and how they ended: ok, or the code.";
    CALL_TIME = Histogram "call_duration_seconds" [], "How long calls took that do not stream.";

    HTTP_REQUESTS = Counter "http_requests_total" ["route", "code"], "HTTP requests by route and status.";
    HTTP_TIME = Histogram "http_request_duration_seconds" [],
        "How long it took until a response began.";
    HTTP_CONNECTIONS = Gauge "http_connections" [], "Open connections of the HTTP face.";
    HTTP_REFUSED = Counter "http_connections_refused_total" [],
        "Connections of the HTTP face that were refused because there were too many.";
    SERIES_DROPPED = Gauge "metrics_series_dropped" [], "Series that are left out here because there are too many.";

    MESH_PEERS = Gauge "mesh_peers" [], "Open connections with other nodes.";
    MESH_OPERATORS = Gauge "mesh_operators" [], "Open connections of operators.";
    MESH_MEMBERS = Gauge "mesh_members" ["state"], "Members of the mesh as this node sees them, itself included.";
    MESH_RTT = Gauge "mesh_rtt_seconds" [], "Mean of the round trips to connected nodes.";
    MESH_RTT_MAX = Gauge "mesh_rtt_max_seconds" [], "Longest of the round trips to connected nodes.";
    MESH_BYTES = Counter "mesh_transferred_bytes_total" ["direction"], "Bytes over connections of the mesh.";
    MESH_REFUSED = Counter "mesh_handshakes_refused_total" [], "Handshakes that were refused, on either side.";
    MESH_DROPPED = Counter "mesh_messages_dropped_total" [],
        "Messages of members that were given up because too many waited.";
    DHT_CONTACTS = Gauge "dht_contacts" [], "Contacts in the routing table.";
    DHT_RECORDS = Gauge "dht_records" [], "Records kept for the mesh.";
    DHT_REQUESTS = Counter "dht_requests_total" ["outcome"],
        "Requests to other nodes of the DHT, and whether they were answered.";

    SAMPLE_TIME = Gauge "sample_timestamp_seconds" [], "When the host was last looked at, since 1970.";
    BOOT_TIME = Gauge "boot_time_seconds" [], "When the host started, since 1970.";
    CPU_CORES = Gauge "cpu_cores" [], "Processor cores of the host.";
    CPU_USAGE = Gauge "cpu_usage_ratio" [], "Busy share of all cores together.";
    CPU_IOWAIT = Gauge "cpu_iowait_ratio" [], "Share of the processors' time spent waiting for storage.";
    CPU_STEAL = Gauge "cpu_steal_ratio" [], "Share of the processors' time that a hypervisor gave to others.";
    LOAD1 = Gauge "load1" [], "Load average over 1 minute.";
    LOAD5 = Gauge "load5" [], "Load average over 5 minutes.";
    LOAD15 = Gauge "load15" [], "Load average over 15 minutes.";
    PROCESSES = Gauge "processes" [], "Processes of the host.";
    MEMORY_TOTAL = Gauge "memory_total_bytes" [], "Memory of the host.";
    MEMORY_AVAILABLE = Gauge "memory_available_bytes" [], "Memory that new programs can have without swapping.";
    MEMORY_CACHED = Gauge "memory_cached_bytes" [], "Page cache and buffers.";
    MEMORY_USED = Gauge "memory_used_ratio" [], "Share of the memory that is not available.";
    SWAP_TOTAL = Gauge "swap_total_bytes" [], "Swap of the host.";
    SWAP_USED = Gauge "swap_used_bytes" [], "Swap in use.";
    PRESSURE_CPU = Gauge "pressure_cpu_some_ratio" [],
        "Share of the last 10 seconds in which some task waited for a processor.";
    PRESSURE_MEMORY = Gauge "pressure_memory_some_ratio" [],
        "Share of the last 10 seconds in which some task waited for memory.";
    PRESSURE_MEMORY_FULL = Gauge "pressure_memory_full_ratio" [],
        "Share of the last 10 seconds in which all tasks waited for memory.";
    PRESSURE_IO = Gauge "pressure_io_some_ratio" [],
        "Share of the last 10 seconds in which some task waited for storage.";
    PRESSURE_IO_FULL = Gauge "pressure_io_full_ratio" [],
        "Share of the last 10 seconds in which all tasks waited for storage.";
    FILESYSTEM_SIZE = Gauge "filesystem_size_bytes" ["mountpoint"], "Size of a file system.";
    FILESYSTEM_AVAILABLE = Gauge "filesystem_available_bytes" ["mountpoint"],
        "What an ordinary user can still write to a file system.";
    FILESYSTEM_USED = Gauge "filesystem_used_ratio" ["mountpoint"], "Share of a file system that is not available.";
    FILESYSTEM_INODES_USED = Gauge "filesystem_inodes_used_ratio" ["mountpoint"],
        "Share of the inodes of a file system that is in use.";
    FILESYSTEM_READ_ONLY = Gauge "filesystem_read_only" ["mountpoint"], "1 if a file system is mounted read-only.";
    DISK_READ = Gauge "disk_read_bytes_per_second" ["mountpoint"],
        "Read from the device of a file system over the last second.";
    DISK_WRITTEN = Gauge "disk_written_bytes_per_second" ["mountpoint"],
        "Written to the device of a file system over the last second.";
    NETWORK_UP = Gauge "network_up" ["interface"], "1 if an interface can carry traffic.";
    NETWORK_RECEIVED = Counter "network_receive_bytes_total" ["interface"], "Received over an interface.";
    NETWORK_SENT = Counter "network_transmit_bytes_total" ["interface"], "Sent over an interface.";
    NETWORK_ERRORS = Counter "network_errors_total" ["interface"],
        "Errors and drops of an interface, in both directions.";
    TEMPERATURE = Gauge "temperature_celsius" ["sensor"], "The hottest sensor of a label.";
}

impl Family {
    /// Most series of it: of names that are not ours far fewer than of methods and routes.
    pub(super) fn series_max(&self) -> usize {
        let ours = self.labels.iter().any(|label| matches!(*label, "method" | "route"));
        if ours { 2_048 } else { 256 }
    }

    /// The name of the family itself, as OpenMetrics has it.
    pub(super) fn bare(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }

    /// Its unit, if the name says one.
    pub(super) fn unit(&self) -> Option<&'static str> {
        let units = ["seconds", "bytes", "ratio", "celsius"];
        units.into_iter().find(|unit| self.bare().rsplit('_').next() == Some(unit))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What a label may be called: bounded, and nothing of a person.
    const LABELS: [&str; 13] = [
        "version",
        "method",
        "outcome",
        "code",
        "route",
        "state",
        "interface",
        "mountpoint",
        "severity",
        "direction",
        "program",
        "sensor",
        "le",
    ];

    #[test]
    fn names_and_labels_keep_to_the_conventions() {
        let mut names = BTreeSet::new();
        for family in ALL {
            let name = family.name;
            assert!(names.insert(name), "{name} is there twice");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte)));
            assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_info"), family.kind == Kind::Info, "{name}");
            assert!(family.labels.iter().all(|label| LABELS.contains(label)), "{name}");
            assert!(family.help.ends_with('.') && !family.help.contains(['\\', '"', '\n']), "{name}");
        }
    }
}
