//! This node as it shows itself: who it is, and what it counts.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use p2p_shared::id::NodeId;
use p2p_shared::rpc::registry::CallCounters;
use p2p_shared::services::node::{MemberState, NodeInfo, NodeStats};
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::PeerIdentity;
use tokio::time::Instant;

use crate::clock;
use crate::dht::handle::DhtCounts;
use crate::host::Roots;
use crate::host::machine::{Machine, OwnUsage};
use crate::jobs::table::Table;
use crate::membership::handle::MembershipHandle;
use crate::membership::revoked::Revocations;
use crate::transport::Transport;

/// Everything that `info` and `stats` are read from.
#[derive(Debug)]
pub struct Portrait {
    /// By its certificate.
    pub identity: PeerIdentity,
    /// What it runs on.
    pub machine: Machine,
    /// When it started.
    pub started: (Instant, UnixMillis),
    /// Who is connected.
    pub transport: Transport,
    /// Who is in the mesh.
    pub membership: MembershipHandle,
    /// What is revoked.
    pub revocations: Arc<Revocations>,
    /// Size of the DHT's part that is here.
    pub dht: Arc<DhtCounts>,
    /// Calls served.
    pub calls: Arc<CallCounters>,
    /// Where the HTTP face listens, once it does.
    pub http: OnceLock<SocketAddr>,
    /// Its task queue.
    pub jobs: Arc<Table>,
}

impl Portrait {
    /// Identity of this node.
    pub const fn id(&self) -> NodeId {
        self.identity.id
    }

    /// Who this node is and on what it runs.
    pub fn info(&self) -> NodeInfo {
        let members = self.membership.members();
        let own = members.iter().find(|member| member.id == self.identity.id);
        NodeInfo {
            id: self.identity.id,
            name: self.identity.name.clone(),
            mesh: self.identity.mesh.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            hostname: self.machine.hostname.clone(),
            os: self.machine.os.clone(),
            kernel: self.machine.kernel.clone(),
            arch: self.machine.arch.clone(),
            cores: self.machine.cores,
            boot_id: self.machine.boot_id.clone(),
            started: self.started.1,
            now: clock::wall(),
            addresses: own.map(|own| own.addresses.clone()).unwrap_or_default(),
            http_address: self.http.get().copied(),
            labels: own.map(|own| own.labels.clone()).unwrap_or_default(),
            certificate_ends: self.identity.not_after,
        }
    }

    /// What it counts.
    pub fn stats(&self) -> NodeStats {
        let usage = OwnUsage::read(&Roots::default());
        let members = self.membership.members();
        let alive = members.iter().filter(|member| member.state == MemberState::Alive).count();
        NodeStats {
            uptime_s: self.started.0.elapsed().as_secs(),
            rss_bytes: usage.rss_bytes,
            cpu_time_ms: usage.cpu_time.0,
            open_files: usage.open_files,
            connections: self.transport.peers().len() as u32,
            refused_total: self.transport.refused_total(),
            calls_total: self.calls.calls.get(),
            calls_failed_total: self.calls.failed.get(),
            members_alive: alive as u32,
            members: members.len() as u32,
            dht_contacts: self.dht.contacts() as u32,
            dht_records: self.dht.records() as u32,
            revocation_epoch: self.revocations.epoch(),
            revocation_heard_ms: self.revocations.heard_ms(),
            revoked: self.revocations.own_revoked().is_some(),
            jobs: self.jobs.counts(),
            revocation_silent_ms: self.revocations.silence().as_millis() as u64,
            revocation_strict: self.revocations.is_strict(),
        }
    }
}
