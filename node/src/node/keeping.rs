//! The node's chores: what the mesh told goes to disk, what this node says of itself goes to the mesh.

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::Trust;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{interval, sleep};

use super::{Settings, StartError};
use crate::clock;
use crate::dht::core::message::Contact;
use crate::dht::handle::DhtEvent;
use crate::membership::core::record::SharedFacts;
use crate::membership::driver::MembershipEvent;
use crate::membership::handle::MembershipHandle;
use crate::membership::revoked::Revocations;
use crate::naming::{FACTS_LIFE, Naming};
use crate::store::{Store, StoreWriter, Write};
use crate::transport::Transport;

/// Own facts are signed anew when a quarter of their life is over.
const REFRESH_INTERVAL: Duration = Duration::from_millis(FACTS_LIFE.0 / 4);
/// How often the machine is asked for its addresses.
const ADDRESSES_INTERVAL: Duration = Duration::from_secs(30);
/// Facts that change in quick succession are published once.
const PUBLISH_DELAY: Duration = Duration::from_millis(200);

/// Where the store keeps the list of revoked keys.
const REVOKED_KEY: &str = "revoked";
/// Where it keeps when a member last told which keys are revoked.
const TOLD_KEY: &str = "revocation_told";
/// How often that is written.
const TOLD_INTERVAL: Duration = Duration::from_secs(300);
/// A list that could not be written is written again after this.
const KEEP_AGAIN: Duration = Duration::from_secs(5);

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

/// The contacts that an earlier run remembered, the one heard last first, without those revoked since.
pub(super) fn contacts(store: &Store, trust: &Trust) -> Result<Vec<Contact>, StartError> {
    let contacts = store.contacts()?.into_iter();
    let contacts = contacts.filter_map(|bytes| codec::decode::<Contact>(&bytes, Encoding::Bincode).ok());
    Ok(contacts.filter(|contact| !trust.is_revoked(&contact.id)).collect())
}

/// The list of revoked keys that an earlier run kept, or the one beside the certificate if that is newer.
pub(super) fn revocations(store: &Store, settings: &Settings) -> Result<Revocations, StartError> {
    let credentials = &settings.credentials;
    let kept = store.meta(REVOKED_KEY)?;
    let own = credentials.identity().id;
    let (revocations, outcome) = Revocations::restore(own, credentials.trust(), kept.as_deref());
    revocations.set_strict(settings.revocation_strict);
    let told =
        store.meta(TOLD_KEY)?.and_then(|bytes| Some(UnixMillis(u64::from_be_bytes(bytes.try_into().ok()?))));
    if let Some(told) = told {
        revocations.note_silent_before(clock::wall().since(told).to_duration());
    }
    if let Err(error) = outcome {
        tracing::error!(%error, "the revocation list on disk is none of this mesh; the mesh tells it again");
    }
    if let Some(Err(error)) = settings.revoked.as_deref().map(|bytes| revocations.offer(bytes)) {
        tracing::error!(%error, "the revocation list beside the certificate is not in force");
    }
    Ok(revocations)
}

/// Keeps when a member last told which keys are revoked, so that a restart is no way around
/// `revocation_strict`.
pub(super) async fn keep_told(revocations: Arc<Revocations>, store: Store) {
    let mut ticks = interval(TOLD_INTERVAL);
    loop {
        ticks.tick().await;
        if !revocations.is_strict() || revocations.heard_ms().is_none() {
            continue;
        }
        let silent = Millis::from(revocations.silence());
        let (store, told) = (store.clone(), UnixMillis(clock::wall().since(UnixMillis(silent.0)).0));
        let written = spawn_blocking(move || store.put_meta(TOLD_KEY, &told.0.to_be_bytes())).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "it cannot be kept when a member last told which keys are revoked");
        }
    }
}

/// Keeps every list of revoked keys that comes into force. Only the newest one matters; a disk that fails is
/// tried again.
pub(super) async fn keep_revoked(revocations: Arc<Revocations>, store: Store) {
    let mut in_force = revocations.watch();
    loop {
        let Some(signed) = in_force.borrow_and_update().clone() else {
            if in_force.changed().await.is_err() {
                return;
            }
            continue;
        };
        let (store, bytes) = (store.clone(), signed.bytes.clone());
        let written = spawn_blocking(move || store.put_meta(REVOKED_KEY, &bytes)).await;
        match written {
            Ok(Ok(())) => {
                revocations.note_kept(signed.list.epoch);
                if in_force.changed().await.is_err() {
                    return;
                }
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the revocation list is in force and not on disk; tried again");
                sleep(KEEP_AGAIN).await;
            }
            // The runtime is shutting down.
            Err(_) => return,
        }
    }
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
