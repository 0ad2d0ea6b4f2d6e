//! Look-ups, ping, trace, and throughput.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{NodeId, NodeName};
use crate::services::file::FileContent;

/// What a resolver said of a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NameAnswer {
    /// The name as it was asked for.
    pub name: String,
    /// Its addresses, each once, in the order in which a program would try them.
    pub addresses: Vec<IpAddr>,
    /// How long the resolver took.
    pub elapsed_ms: f32,
}

/// What became of an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PingOutcome {
    /// It was answered.
    Reply,
    /// Nothing came in time.
    Lost,
    /// It could not be sent: there is no route, or a rule of this host forbids it.
    Unreachable,
    /// An outcome of a newer version.
    #[serde(other)]
    Unknown,
}

/// What became of one echo request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PingReply {
    /// Counts the requests from 0.
    pub seq: u32,
    /// Who was asked.
    pub address: IpAddr,
    /// What became of it.
    pub outcome: PingOutcome,
    /// How long the answer took; `None` without one.
    pub rtt_ms: Option<f32>,
    /// Why it could not be sent; empty otherwise.
    pub note: String,
}

/// What became of one packet of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceProbe {
    /// Who answered; `None` if nobody did in time.
    pub address: Option<IpAddr>,
    /// How long the answer took.
    pub rtt_ms: Option<f32>,
    /// What else the answer says, such as `host unreachable`; empty of a usual one.
    pub note: String,
}

/// One hop of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceHop {
    /// Which one, from 1.
    pub ttl: u32,
    /// What became of its packets.
    pub probes: Vec<TraceProbe>,
    /// Share of them without an answer: 0 to 1.
    pub loss_ratio: f32,
}

/// How a trace ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceEnd {
    /// The target answered.
    Reached,
    /// Somebody on the way said that it does not go on.
    Unreachable,
    /// There were as many hops as were asked for.
    HopsMax,
    /// An end of a newer version.
    #[serde(other)]
    Unknown,
}

/// One message of a trace: hops come in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TraceStep {
    /// Where it leads.
    pub target: IpAddr,
    /// The hop.
    pub hop: TraceHop,
    /// It was the last one; `None` while it goes on.
    pub end: Option<TraceEnd>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoadDirection {
    /// From the node to the caller.
    Down,
    /// From the caller to the node.
    Up,
    /// Every message of the caller comes back as it is.
    Echo,
    /// A way of a newer version: refused.
    #[serde(other)]
    Unknown,
}

/// What is measured. It ends with the first of its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadRequest {
    /// Which way.
    pub direction: LoadDirection,
    /// For how long; `None` for 3,000, at most 10,000.
    #[serde(default)]
    pub time_ms: Option<u32>,
    /// How many bytes; `None` for 1 GiB, at most 4 GiB.
    #[serde(default)]
    pub bytes_max: Option<u64>,
}

/// One message of a measurement, either way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadItem {
    /// Bytes that mean nothing.
    pub content: FileContent,
    /// In the last message of the node: what it sent, or what came to it; `None` before.
    pub report: Option<LoadReport>,
}

/// What a node counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadReport {
    /// Bytes of content.
    pub bytes: u64,
    /// From the first to the last of them.
    pub elapsed_ms: f32,
}

/// A measurement between two nodes, as the one that is to make it is asked. The grants are for
/// [`crate::load::requests`] of its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ThroughputOrder {
    /// Name of the other node.
    pub node: NodeName,
    /// Hash of its key.
    pub id: NodeId,
    /// How long each way; `None` for 2,000, 100 to 4,500.
    #[serde(default)]
    pub time_ms: Option<u32>,
    /// The operator's grant of round trips there.
    pub echo: FileContent,
    /// Of what comes from there.
    pub down: FileContent,
    /// Of what goes there.
    pub up: FileContent,
}

/// How long messages took there and back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoundTrips {
    /// How many there were.
    pub count: u32,
    /// The quickest.
    pub min_ms: f32,
    /// Half of them were quicker.
    pub median_ms: f32,
    /// 99 of 100 were quicker.
    pub p99_ms: f32,
}

/// What was measured between two nodes. Round trips were measured before anything else went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThroughputReport {
    /// There and back.
    pub round_trips: RoundTrips,
    /// What went to the other node, as that counted it.
    pub sent: LoadReport,
    /// What came from it.
    pub received: LoadReport,
}
