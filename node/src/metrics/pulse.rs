//! What costs a look at the kernel or at every connection: looked at once a second, whoever asks.
//!
//! Runs behind the samples of the host and leaves through a `watch`.

use std::sync::Arc;

use p2p_shared::services::monitor::HostSample;
use p2p_shared::tls::PeerKind;
use tokio::sync::watch;

use crate::history::figures::RoundTrips;
use crate::host::Roots;
use crate::host::machine::OwnUsage;
use crate::transport::Transport;

/// One look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pulse {
    /// What the program costs.
    pub usage: OwnUsage,
    /// Connections with nodes.
    pub nodes: usize,
    /// Connections of operators.
    pub operators: usize,
    /// Round trips to nodes; `None` without any.
    pub rtt: Option<RoundTrips>,
}

impl Pulse {
    /// Looks.
    pub fn look(transport: &Transport) -> Self {
        let peers = transport.peers();
        let is_node = |kind| kind == PeerKind::Node;
        let nodes = peers.iter().map(|peer| &peer.link).filter(|link| is_node(link.peer().kind));
        let round_trips: Vec<f32> = nodes.map(|link| link.connection().rtt().as_secs_f32()).collect();
        Self {
            usage: OwnUsage::read(&Roots::default()),
            nodes: round_trips.len(),
            operators: peers.len() - round_trips.len(),
            rtt: RoundTrips::of(&round_trips),
        }
    }
}

/// Looks after every sample of the host, until there are none any more.
pub async fn run(
    transport: Transport,
    mut host: watch::Receiver<Arc<HostSample>>,
    told: watch::Sender<Pulse>,
) {
    while host.changed().await.is_ok() {
        told.send_replace(Pulse::look(&transport));
    }
}
