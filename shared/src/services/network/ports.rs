//! Scans of ports.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is scanned, and how fast.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanRequest {
    /// Addresses, names, or networks such as `10.0.0.0/24` (at most 65,536 addresses); not empty.
    pub targets: Vec<String>,
    /// Ports and ranges, such as `22,80,8000-8100`; `None` for 1 to 1,024.
    #[serde(default)]
    pub ports: Option<String>,
    /// Connections a second, 1 to 1,000,000; `None` for 1,000, and for no limit where only the node itself is
    /// scanned.
    #[serde(default)]
    pub rate_per_s: Option<u32>,
    /// How long one connection is waited for, 10 to 10,000; `None` for 1,000.
    #[serde(default)]
    pub timeout_ms: Option<u32>,
    /// Wait for what open ports say of themselves.
    #[serde(default)]
    pub banner: bool,
}

/// What a caller says while a scan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanOrder {
    /// End it now, with what was found so far.
    Stop,
    /// An order of a newer version: passed over.
    #[serde(other)]
    Unknown,
}

/// An open port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OpenPort {
    /// Whose.
    pub address: IpAddr,
    /// Which.
    pub port: u16,
    /// What usually listens there, by the node's `/etc/services` or a short list of its own.
    pub service: Option<String>,
    /// What it said of itself first, on one line of plain characters; `None` if nothing was waited for or came.
    pub banner: Option<String>,
    /// How long connecting took.
    pub rtt_ms: f32,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanEnd {
    /// Every port was looked at.
    Done,
    /// It was stopped.
    Stopped,
    /// An end of a newer version.
    #[serde(other)]
    Unknown,
}

/// One message of a scan; one comes at least every second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScanFound {
    /// New ones, in no order.
    pub open: Vec<OpenPort>,
    /// Ports that were looked at so far.
    pub done: u64,
    /// Ports to look at.
    pub total: u64,
    /// Of those looked at: how many said that they are closed.
    pub closed: u64,
    /// Of those looked at: how many said nothing in time, or cannot be reached.
    pub silent: u64,
    /// Since it began.
    pub elapsed_ms: u64,
    /// Nothing more comes; `None` while it goes on.
    pub end: Option<ScanEnd>,
}
