//! The contract of `network`: what one node has of the network, and what it can find out about the rest of it.
//!
//! What stands in the kernel's tables is read by everybody who may read. Look-ups and probes send packets from
//! the node and want a permission of their own; a scan wants the highest one, and its targets have to be allowed
//! by the node's local policy as well.

#![expect(
    clippy::too_many_arguments,
    reason = "arguments of a get or watch are flat, as they go into a query string"
)]

mod ports;
mod probes;
mod tables;

pub use ports::{OpenPort, ScanEnd, ScanFound, ScanOrder, ScanRequest};
pub use probes::{
    LoadDirection, LoadItem, LoadReport, LoadRequest, NameAnswer, PingOutcome, PingReply, RoundTrips,
    ThroughputOrder, ThroughputReport, TraceEnd, TraceHop, TraceProbe, TraceStep,
};
pub use tables::{
    LinkState, NetAddress, NetCounters, NetInterface, NetNeighbour, NetRoute, NetSocket, NetSocketList,
};

/// Most rows of one list of sockets.
pub const SOCKETS_MAX: u32 = 20_000;
/// Most packets of one ping.
pub const PINGS_MAX: u32 = 10_000;
/// Most hops of a trace.
pub const HOPS_MAX: u32 = 64;
/// Most ports (address and port) of one scan.
pub const SCAN_PORTS_MAX: u64 = 4 << 20;
/// Most bytes of one measurement of throughput, in one direction.
pub const LOAD_BYTES_MAX: u64 = 4 << 30;
/// Longest measurement of throughput, in milliseconds.
pub const LOAD_TIME_MS_MAX: u32 = 10_000;
/// Longest time each way of one between two nodes, which takes ten seconds in all then.
pub const THROUGHPUT_TIME_MS_MAX: u32 = 4_500;

crate::service! {
    /// The network of one node: its tables, and probes sent from it.
    service Network = "network" {
        /// Interfaces with addresses, state, speed, counters, and rates of the last second.
        get interfaces() -> Vec<NetInterface>, needs NetworkRead;
        /// Routes of the main tables; with `all` those of every table, also to the node's own addresses.
        get routes(all: Option<bool>) -> Vec<NetRoute>, needs NetworkRead;
        /// Who was seen on the links: addresses with their hardware addresses.
        get neighbours() -> Vec<NetNeighbour>, needs NetworkRead;
        /// Sockets of TCP and UDP with their processes, those that listen first; only those that listen if
        /// `listening`, only those of `port` (own or other side); at most `limit` (2,000, at most 20,000).
        get sockets(listening: Option<bool>, port: Option<u16>, limit: Option<u32>) -> NetSocketList, needs NetworkRead;
        /// Asks the node's resolver for the addresses of a name.
        get resolve(name: String) -> NameAnswer, needs NetworkProbe;
        /// Sends `count` (4, at most 10,000) echo requests, `interval_ms` (1,000, at least 10) apart, with
        /// `size_bytes` (56, at most 1,400) of data; each is waited for `timeout_ms` (1,000, at most 60,000).
        watch ping(
            target: String, count: Option<u32>, interval_ms: Option<u32>, timeout_ms: Option<u32>,
            size_bytes: Option<u32>,
        ) -> PingReply, needs NetworkProbe;
        /// The way to a target: `probes` (3, at most 10) for each of at most `hops` (30, at most 64), each waited
        /// for `timeout_ms` (1,000, at most 10,000). Needs no right of the operating system.
        watch trace(
            target: String, hops: Option<u32>, probes: Option<u32>, timeout_ms: Option<u32>,
        ) -> TraceStep, needs NetworkProbe;
        /// Connects to many ports over TCP and says which are open, with how far it is at least every second.
        duplex scan(request: ScanRequest) -> ScanFound, takes ScanOrder, needs NetworkScan;
        /// Fills the connection of the call with bytes in one direction, and says how many came in which time; or
        /// sends every message back. One at a time on a node.
        duplex load(request: LoadRequest) -> LoadItem, takes LoadItem, needs NetworkProbe;
        /// Measures how long a message to another node and back takes, and how fast bytes go each way, under the
        /// operator's grants of `network.load` there. At most ten seconds, and one at a time on a node.
        post throughput(order: ThroughputOrder) -> ThroughputReport, needs NetworkProbe;
    }
}
