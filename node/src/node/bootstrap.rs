//! Joining: first through the peers that are remembered, then through the addresses of the configuration.
//!
//! Goes on trying until somebody answers, and begins anew whenever nobody is left. A dialled address is a
//! hint; who answers there shows its certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use p2p_shared::id::NodeId;
use p2p_shared::mesh::backoff::Backoff;
use p2p_shared::mesh::failure::{LinkError, RefusedBy};
use p2p_shared::mesh::link::Link;
use p2p_shared::mesh::{Dial, Target};
use p2p_shared::tls::{PeerKind, RefusalReason};
use tokio::net::lookup_host;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Settings;
use crate::dht::core::message::Contact;
use crate::dht::handle::DhtHandle;
use crate::membership::revoked::Revocations;
use crate::transport::Transport;

/// Remembered peers that are tried side by side; enough to find one that lives.
const REMEMBERED_TRIED: usize = 8;
/// Nobody is asked for less often than this while the node is alone.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// The same while a member says that this node is revoked.
const WAIT_REVOKED: Duration = Duration::from_secs(60);
/// How often it is checked that somebody is connected.
const CHECK_INTERVAL: Duration = Duration::from_secs(15);
/// How long a name may take to be resolved.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);

/// The task that joins.
pub(super) struct Bootstrap {
    transport: Transport,
    dht: DhtHandle,
    revocations: Arc<Revocations>,
    addresses: Vec<String>,
    remembered: Vec<Contact>,
    isolated: Arc<Notify>,
    backoff: Backoff,
    /// Whether somebody said in the last round that this node is revoked.
    refused: bool,
}

impl Bootstrap {
    pub(super) fn new(
        (transport, dht, revocations): (Transport, DhtHandle, Arc<Revocations>),
        settings: &Settings,
        remembered: Vec<Contact>,
    ) -> Self {
        let addresses = settings.bootstrap.clone();
        let backoff = Backoff::new(super::seed());
        Self {
            transport,
            dht,
            revocations,
            addresses,
            remembered,
            isolated: Arc::default(),
            backoff,
            refused: false,
        }
    }

    /// Notified when nobody answers any more.
    pub(super) fn isolated(&self) -> Arc<Notify> {
        Arc::clone(&self.isolated)
    }

    pub(super) async fn run(mut self) {
        loop {
            self.revocations.until_not_own().await;
            let links = self.attempt().await;
            if links.is_empty() && !self.is_connected() && self.knows_anybody() {
                let wait = self.backoff.failed().to_duration().min(WAIT_MAX);
                sleep(if self.refused { WAIT_REVOKED } else { wait }).await;
                continue;
            }
            self.backoff.succeeded();
            self.join(&links).await;
            self.wait_for_need().await;
        }
    }

    fn knows_anybody(&self) -> bool {
        !self.addresses.is_empty() || !self.remembered.is_empty()
    }

    fn is_connected(&self) -> bool {
        self.transport.peers().iter().any(|peer| peer.link.peer().kind == PeerKind::Node)
    }

    async fn wait_for_need(&self) {
        loop {
            tokio::select! {
                () = self.isolated.notified() => return,
                () = sleep(CHECK_INTERVAL) => if !self.is_connected() && self.knows_anybody() { return },
            }
        }
    }

    /// One round: who is remembered, and whoever the configuration names beside them.
    async fn attempt(&mut self) -> Vec<Link> {
        self.refused = false;
        let remembered = self.remembered.iter().take(REMEMBERED_TRIED).map(|contact| Target {
            name: None,
            id: Some(contact.id),
            addresses: contact.addresses.as_slice().to_vec(),
        });
        let named = join_all(self.addresses.iter().map(|address| resolve(address))).await;
        let named = named.into_iter().flatten();
        let dials = remembered.chain(named).map(|target| {
            let transport = self.transport.clone();
            async move { (target.to_string(), transport.dial(target).await) }
        });
        let mut links = Vec::new();
        for (target, dialled) in join_all(dials).await {
            match dialled {
                Ok(link) if link.peer().kind == PeerKind::Node => links.push(link),
                Ok(_) => {}
                // One list for all nodes names each of them to itself too.
                Err(error) if error.failures.iter().any(|failure| failure.error.is_oneself()) => {}
                Err(error) if error.failures.iter().any(|failure| is_revoked(&failure.error)) => {
                    self.refused = true;
                    tracing::error!(
                        target,
                        "a member says that THIS NODE IS REVOKED: its key is on the CA's list. If it should come \
                         back: `ca.sh issue node NAME`, `ca.sh bundle`, and `p2p-node import` here"
                    );
                }
                Err(error) => tracing::info!(target, "not joined through it: {error}"),
            }
        }
        links
    }

    async fn join(&self, links: &[Link]) {
        let contact = |link: &Link| Contact::new(link.peer().id, [link.address()]);
        let contacts: Vec<Contact> = links.iter().map(contact).collect();
        if contacts.is_empty() {
            return;
        }
        let through: Vec<NodeId> = contacts.iter().map(|contact| contact.id).collect();
        match self.dht.join(contacts).await {
            Ok(neighbours) => {
                tracing::info!(through = through.len(), neighbours = neighbours.len(), "joined the mesh");
            }
            Err(error) => tracing::debug!(%error, "not joined"),
        }
    }
}

/// Whether a peer refused this node because its key is revoked. Only the CA's list is proof of that; a member
/// may err or lie, so the others are asked all the same.
const fn is_revoked(error: &LinkError) -> bool {
    matches!(error, LinkError::Refused { by: RefusedBy::Peer, reason: RefusalReason::Revoked, .. })
}

/// The addresses of `HOST:PORT`, or none if the name cannot be resolved now.
async fn resolve(address: &str) -> Option<Target> {
    let resolved = timeout(RESOLVE_TIMEOUT, lookup_host(address)).await;
    let addresses: Vec<SocketAddr> = match resolved {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            tracing::warn!(address, %error, "this bootstrap address cannot be resolved");
            return None;
        }
        Err(_) => {
            tracing::warn!(address, "this bootstrap address is not resolved in time");
            return None;
        }
    };
    Some(Target { name: None, id: None, addresses })
}
