//! The metric set: every figure that `/metrics` serves, named once, in both text formats.
//!
//! The last sample of the host, what the parts of the node count and what a [`pulse`](pulse::Pulse) saw a second ago
//! enter; lines of text leave. Nothing is sampled while somebody waits. Labels are bounded: no peer, process, path
//! of a file, user or request is ever in one, and of names that others choose only so many are written.
//!
//! The text is written by our own hand ([`text`]): the figures are held by their parts already, `prometheus-client`
//! would copy them into cells of its own, and it writes one of the two formats alone.

pub mod families;
mod host;
mod mesh;
mod own;
pub mod pulse;
pub mod text;

use std::sync::Arc;

use p2p_shared::counters::Counter;
use p2p_shared::rpc::registry::Registry;
use tokio::sync::watch;

use crate::alerts::handle::AlertsHandle;
use crate::audit::Audit;
use crate::host::sampler::Sampler;
use crate::portrait::Portrait;
use crate::supervise::handle::SupervisorHandle;
use pulse::Pulse;
use text::Text;

/// Everything that the figures are read from.
#[derive(Debug)]
pub struct Sources {
    /// The node itself, its members and its peers.
    pub portrait: Arc<Portrait>,
    /// Calls by method.
    pub registry: Arc<Registry>,
    /// The host.
    pub sampler: Sampler,
    /// Programs that it keeps running.
    pub programs: SupervisorHandle,
    /// Its alerts.
    pub alerts: AlertsHandle,
    /// Its record.
    pub audit: Audit,
    /// Writes to the database that were dropped.
    pub writes_dropped: Arc<Counter>,
    /// What is looked at each second.
    pub pulse: watch::Receiver<Pulse>,
}

impl Sources {
    /// Writes every figure but those of the HTTP face, which knows its own.
    pub fn write(&self, text: &mut Text) {
        own::write(self, text);
        mesh::write(self, text);
        // Last: of these others choose how many there are.
        host::write(&self.sampler.host().borrow(), text);
    }
}
