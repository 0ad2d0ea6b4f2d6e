//! Accepting: address validation, limits on handshakes, and the record of those that failed.
//!
//! Nothing is kept for an address that did not prove that it receives what is sent to it (Retry).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use p2p_shared::mesh::Target;
use p2p_shared::mesh::endpoint::accepting;
use p2p_shared::mesh::failure::LinkError;
use p2p_shared::mesh::link::{CONNECT_TIMEOUT, Link, canonical};
use p2p_shared::services::node::Direction;
use quinn::Incoming;
use tokio::time::timeout;

use super::{Inner, Routes, lock};

/// Handshakes in flight, in all.
const HANDSHAKES_MAX: usize = 128;
/// Handshakes in flight from one address, so that nobody alone fills the first limit.
const HANDSHAKES_PER_ADDRESS_MAX: usize = 8;

/// Counts handshakes in flight.
#[derive(Debug, Default)]
pub(super) struct Admission(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One handshake's place; dropping it frees the place.
#[derive(Debug)]
struct Place {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    address: IpAddr,
}

impl Admission {
    fn admit(&self, address: IpAddr) -> Option<Place> {
        let mut counts = lock(&self.0);
        if counts.values().sum::<usize>() >= HANDSHAKES_MAX {
            return None;
        }
        let count = counts.entry(address).or_default();
        if *count >= HANDSHAKES_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Place { counts: Arc::clone(&self.0), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Accepts until the endpoint closes. The routes go with it, and with them all that they serve: nothing else
/// may own them, or a node would keep itself alive through its own services.
pub(super) async fn run(inner: Arc<Inner>, _routes: Arc<Routes>) {
    while let Some(incoming) = inner.endpoint.accept().await {
        if !incoming.remote_address_validated() && incoming.may_retry() {
            // It may fail only for a datagram that is no longer there.
            let _ = incoming.retry();
            continue;
        }
        let address = canonical(incoming.remote_address());
        match inner.admission.admit(address.ip()) {
            Some(place) => {
                let task = handshake(Arc::clone(&inner), incoming, address, place);
                inner.tasks.spawn_on(task, &inner.handle);
            }
            None => incoming.refuse(),
        }
    }
}

async fn handshake(inner: Arc<Inner>, incoming: Incoming, address: SocketAddr, place: Place) {
    let meet = async {
        let config = accepting(inner.server.clone(), address);
        let connection = incoming.accept_with(config)?.await?;
        Link::accept(connection, &inner.local).await
    };
    let met = timeout(CONNECT_TIMEOUT, meet).await.unwrap_or(Err(LinkError::TimedOut));
    drop(place);
    match met {
        Ok(link) => {
            // Nobody waits for this one: what is wrong with it was closed with its reason.
            let _ = inner.adopt(link, &Target::default());
        }
        Err(error) => {
            if let Some(reason) = error.refusal() {
                inner.note_refused(address, Direction::Inbound, reason, &error);
            } else {
                tracing::debug!(%address, %error, "handshake failed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place() {
        let admission = Admission::default();
        let (greedy, honest) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let places: Vec<_> = std::iter::from_fn(|| admission.admit(greedy)).collect();
        assert_eq!(places.len(), HANDSHAKES_PER_ADDRESS_MAX);
        assert!(admission.admit(honest).is_some());
        drop(places);
        assert!(admission.admit(greedy).is_some());
        assert!(lock(&admission.0).is_empty());
    }
}
