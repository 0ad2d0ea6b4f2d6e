//! Alerts as a part of the node: what their rules look at, and who may order what.

use std::sync::Arc;

use p2p_shared::rpc::registry::CallCounters;

use super::{Guards, Parts, Settings, StartError};
use crate::alerts::driver::{self, Wiring};
use crate::alerts::handle::AlertsHandle;
use crate::alerts::probes::Probing;
use crate::host::sampler::Sampler;
use crate::host::systemd::Systemd;
use crate::membership::handle::MembershipHandle;
use crate::store::Store;
use crate::supervise::handle::SupervisorHandle;

/// What rules look at: figures of the host, calls, programs, members and units.
type Watched<'a> = (&'a Sampler, Arc<CallCounters>, &'a SupervisorHandle, &'a MembershipHandle, &'a Systemd);

impl Parts {
    /// Takes up what fired when an earlier life of the node ended, and begins to look.
    pub(super) async fn alerts(
        &self,
        (settings, store): (&Settings, &Store),
        guards: &Guards,
        (sampler, calls, programs, members, systemd): Watched<'_>,
    ) -> Result<AlertsHandle, StartError> {
        let identity = settings.credentials.identity();
        let notifier = self.telling(settings, store, members);
        let wiring = Wiring {
            node: (identity.name.clone(), identity.id),
            store: store.clone(),
            sampler: sampler.clone(),
            mesh: self.mesh_samples(calls),
            programs: programs.clone(),
            members: members.clone(),
            probing: Probing {
                systemd: systemd.clone(),
                fuse: guards.fuse.clone(),
                reserved: settings.reserved(),
                certificate_ends: identity.not_after,
                http_certificate: settings.http_certificate.clone(),
            },
            configured: settings.alert_rules.clone(),
            notifier,
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
        };
        Ok(driver::start(wiring).await?)
    }
}
