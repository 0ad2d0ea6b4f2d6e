//! The node's chores: what the mesh told goes to disk, what this node says of itself goes to the mesh.

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::rpc::codec::{self, Encoding};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{interval, sleep};

use super::{Settings, StartError};
use crate::clock;
use crate::dht::core::message::Contact;
use crate::dht::handle::DhtEvent;
use crate::membership::core::record::SharedFacts;
use crate::membership::driver::MembershipEvent;
use crate::membership::handle::MembershipHandle;
use crate::naming::{FACTS_LIFE, Naming};
use crate::store::{Store, StoreWriter, Write};
use crate::transport::Transport;

/// Own facts are signed anew when a quarter of their life is over.
const REFRESH_INTERVAL: Duration = Duration::from_millis(FACTS_LIFE.0 / 4);
/// How often the machine is asked for its addresses.
const ADDRESSES_INTERVAL: Duration = Duration::from_secs(30);
/// Facts that change in quick succession are published once.
const PUBLISH_DELAY: Duration = Duration::from_millis(200);

/// Keeps what the drivers found.
pub(super) struct Keeper {
    pub(super) found: mpsc::Receiver<DhtEvent>,
    pub(super) told: mpsc::Receiver<MembershipEvent>,
    pub(super) writer: StoreWriter,
    pub(super) isolated: Arc<Notify>,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                Some(event) = self.found.recv() => self.on_found(event),
                Some(event) = self.told.recv() => self.on_told(event),
                else => return,
            }
        }
    }

    fn on_found(&self, event: DhtEvent) {
        match event {
            DhtEvent::Verified(contact) => {
                if let Ok(bytes) = codec::encode(&contact, Encoding::Bincode) {
                    let heard = clock::wall();
                    self.writer.write(Write::PutContact { id: contact.id, heard, bytes: bytes.to_vec() });
                }
            }
            // It may be back; who was heard later takes its place on disk.
            DhtEvent::Lost(_) => {}
            DhtEvent::Isolated => self.isolated.notify_one(),
        }
    }

    fn on_told(&self, event: MembershipEvent) {
        match event {
            MembershipEvent::Persist(facts) => {
                if let Ok(bytes) = codec::encode(&facts.signed, Encoding::Bincode) {
                    self.writer.write(Write::PutMember { id: facts.id, bytes: bytes.to_vec() });
                }
            }
            MembershipEvent::Forgotten(id) => self.writer.write(Write::RemoveMember { id }),
        }
    }
}

/// The contacts that an earlier run remembered, the one heard last first.
pub(super) fn contacts(store: &Store) -> Result<Vec<Contact>, StartError> {
    let contacts = store.contacts()?.into_iter();
    Ok(contacts.filter_map(|bytes| codec::decode(&bytes, Encoding::Bincode).ok()).collect())
}

/// Publishes the own facts whenever they are signed, and has them signed before they expire.
pub(super) async fn publish(
    naming: Naming,
    membership: MembershipHandle,
    mut own: watch::Receiver<SharedFacts>,
) {
    loop {
        sleep(PUBLISH_DELAY).await;
        let facts = Arc::clone(&own.borrow_and_update());
        naming.publish(&facts).await;
        tokio::select! {
            changed = own.changed() => if changed.is_err() { return },
            () = sleep(REFRESH_INTERVAL) => membership.refresh().await,
        }
    }
}

/// Says anew where this node is reached when that changes.
pub(super) async fn follow_addresses(settings: Settings, transport: Transport, membership: MembershipHandle) {
    let mut ticks = interval(ADDRESSES_INTERVAL);
    loop {
        ticks.tick().await;
        if let Ok(addresses) = settings.addresses(&transport) {
            membership.set_addresses(addresses).await;
        }
    }
}
