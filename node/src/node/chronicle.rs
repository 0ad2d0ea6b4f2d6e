//! How the history is fed: the host's samples, and what the node counts of the mesh.

use std::path::Path;
use std::sync::Arc;

use p2p_shared::rpc::registry::CallCounters;
use p2p_shared::tls::PeerKind;

use super::Parts;
use crate::history::driver::{self, Wiring};
use crate::history::figures::{MeshSample, RoundTrips};
use crate::history::handle::HistoryHandle;
use crate::host::sampler::Sampler;
use crate::transport::Transport;

impl Parts {
    /// Starts the history, whose database lies in `data`.
    pub(super) fn history(&self, data: &Path, sampler: &Sampler, calls: Arc<CallCounters>) -> HistoryHandle {
        driver::start(Wiring {
            data: data.to_owned(),
            sampler: sampler.clone(),
            mesh: self.mesh_samples(calls),
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
        })
    }

    /// What the node counts of the mesh and of itself, whenever it is asked.
    pub(super) fn mesh_samples(&self, calls: Arc<CallCounters>) -> Box<dyn Fn() -> MeshSample + Send> {
        let transport = self.transport.clone();
        Box::new(move || mesh_sample(&transport, &calls))
    }
}

fn mesh_sample(transport: &Transport, calls: &CallCounters) -> MeshSample {
    let peers = transport.peers();
    let nodes = peers.iter().map(|peer| &peer.link).filter(|link| link.peer().kind == PeerKind::Node);
    let round_trips: Vec<f32> = nodes.map(|link| link.connection().rtt().as_secs_f32()).collect();
    MeshSample {
        peers: u32::try_from(round_trips.len()).unwrap_or(u32::MAX),
        rtt: RoundTrips::of(&round_trips),
        calls_total: calls.calls.get(),
        calls_failed_total: calls.failed.get(),
    }
}
