//! How alerts are told: the delivery, and the watch over the other members.

use p2p_shared::tls::PeerIdentity;

use super::{Parts, Settings, seed, until};
use crate::alerts::deaths::Watch;
use crate::alerts::notify::driver::{self, Wiring};
use crate::alerts::notify::handle::Notifier;
use crate::membership::handle::MembershipHandle;
use crate::store::Store;

impl Parts {
    /// Starts the delivery, and the watch over the other members.
    pub(super) fn telling(
        &self,
        settings: &Settings,
        store: &Store,
        membership: &MembershipHandle,
    ) -> Notifier {
        let identity: &PeerIdentity = settings.credentials.identity();
        let notifier = driver::start(Wiring {
            store: store.clone(),
            receivers: settings.receivers.clone(),
            node: identity.name.clone(),
            seed: seed(),
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
        });
        let watch = Watch {
            own: identity.id,
            name: identity.name.clone(),
            membership: membership.clone(),
            notifier: notifier.clone(),
        };
        self.tasks.spawn(until(&self.stopping, watch.run()));
        notifier
    }
}
