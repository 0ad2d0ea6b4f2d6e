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
    let nodes = || peers.iter().filter(|peer| peer.link.peer().kind == PeerKind::Node);
    let round_trips: Vec<f32> = nodes().map(|peer| peer.link.connection().rtt().as_secs_f32()).collect();
    let ahead = middle(nodes().filter_map(|peer| peer.clock_ahead_ms).collect());
    MeshSample {
        peers: u32::try_from(round_trips.len()).unwrap_or(u32::MAX),
        rtt: RoundTrips::of(&round_trips),
        clock_skew_s: ahead.map(|ms| ms.unsigned_abs() as f32 / 1e3),
        calls_total: calls.calls.get(),
        calls_failed_total: calls.failed.get(),
    }
}

/// The one in the middle; of two the one nearer to nothing, so that one peer of two with a wrong clock is no alarm here.
fn middle(mut all: Vec<i64>) -> Option<i64> {
    all.sort_unstable();
    let (low, high) = (*all.get(all.len().saturating_sub(1) / 2)?, *all.get(all.len() / 2)?);
    Some(if low.unsigned_abs() <= high.unsigned_abs() { low } else { high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clock_that_is_wrong_is_not_all_of_them() {
        for (all, expected) in [
            (vec![], None),
            (vec![-3_600_000], Some(-3_600_000)),
            (vec![3_600_000, 12], Some(12)),
            (vec![-3_600_000, -7], Some(-7)),
            (vec![5, -3_600_000, 9], Some(5)),
            (vec![3_600_001, 3_600_000, 3_599_999, -4], Some(3_599_999)),
        ] {
            assert_eq!(middle(all.clone()), expected, "{all:?}");
        }
    }
}
