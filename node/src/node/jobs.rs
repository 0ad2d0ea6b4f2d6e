//! The task queue as a part of the node.

use std::sync::Arc;

use super::{Guards, Parts, Settings, StartError, seed};
use crate::host::run::Runner;
use crate::jobs::core::Limits;
use crate::jobs::driver::{self, Wiring};
use crate::jobs::hands::SharedRules;
use crate::services::job::JobService;
use crate::services::job::rules::JobRules;
use crate::store::Store;

/// Starts the queue on what an earlier life of the node left, and gives the service over it.
pub(super) async fn start(
    settings: &Settings,
    store: &Store,
    parts: &Parts,
    (guards, runner): (&Guards, &Arc<dyn Runner>),
) -> Result<JobService, StartError> {
    let rules: SharedRules = Arc::new(JobRules::new(guards.fuse.clone(), settings.credentials.trust()));
    let (tasks, stopping) = (parts.tasks.clone(), parts.stopping.clone());
    let wiring = Wiring {
        store: store.clone(),
        runner: Arc::clone(runner),
        rules: Arc::clone(&rules),
        scans: Arc::clone(&parts.scans),
        limits: Limits { running: settings.jobs_max, ..Limits::default() },
        seed: seed(),
        tasks,
        stopping,
    };
    Ok(JobService::new(driver::start(&settings.data, wiring).await?, rules))
}
