//! Shells, wired: what they need, those of an earlier life taken up, and those of a revoked key ended.

use std::sync::Arc;

use super::{Parts, Settings, StartError, until};
use crate::host::run::Runner;
use crate::policy::Fuse;
use crate::services::shell::ShellService;
use crate::shells::{Shells, Wiring};
use crate::store::Store;

impl Parts {
    pub(super) async fn shells(
        &self,
        settings: &Settings,
        store: &Store,
        (fuse, runner): (&Fuse, &Arc<dyn Runner>),
    ) -> Result<ShellService, StartError> {
        let shells = Shells::new(Wiring {
            fuse: fuse.clone(),
            runner: Arc::clone(runner),
            store: store.clone(),
            data: settings.data.clone(),
            handle: self.handle.clone(),
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
        });
        // Where its terminals are waited for.
        let taking = self.tasks.spawn_on(shells.clone().take_up(), &self.handle).await;
        taking.map_err(|error| StartError::Task(error.to_string()))??;
        let (mut in_force, ending) = (self.revocations.watch(), shells.clone());
        let trust = settings.credentials.trust();
        let revoking = async move {
            loop {
                in_force.borrow_and_update();
                ending.end_revoked(|key| trust.is_revoked(key));
                if in_force.changed().await.is_err() {
                    return;
                }
            }
        };
        self.tasks.spawn_on(until(&self.stopping, revoking), &self.handle);
        Ok(ShellService::new(shells, settings.data.clone()))
    }
}
