//! What runs things, as a part of the node: the machine's runner, commands, supervised programs, the task queue;
//! and the portrait that tells of them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use p2p_shared::rpc::registry::CallCounters;
use p2p_shared::tls::PeerIdentity;
use tokio::time::Instant;

use super::{Guards, Parts, Settings, StartError, seed, until};
use crate::clock;
use crate::dht::handle::DhtCounts;
use crate::host::Roots;
use crate::host::machine::Machine;
use crate::host::run::Runner;
use crate::host::run::choice::MachineRunner;
use crate::host::systemd::Systemd;
use crate::jobs::driver::{self, Wiring};
use crate::jobs::hands::SharedRules;
use crate::membership::handle::MembershipHandle;
use crate::portrait::Portrait;
use crate::program::Runtimes;
use crate::services::exec::{self, ExecService};
use crate::services::job::JobService;
use crate::services::job::rules::JobRules;
use crate::store::Store;
use crate::supervise::driver as supervisor;

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
        seed: seed(),
        tasks,
        stopping,
    };
    Ok(JobService::new(driver::start(&settings.data, wiring).await?, rules))
}

/// How things are run on this machine.
pub(super) fn machine(data: &Path) -> (Systemd, Arc<dyn Runner>) {
    let systemd = Systemd::new();
    let runner = MachineRunner::new(&systemd, &Roots::default(), data);
    (systemd, Arc::new(runner))
}

impl Parts {
    /// What the supervisor is given.
    pub(super) fn supervision(&self, store: &Store, runner: &Arc<dyn Runner>) -> supervisor::Wiring {
        supervisor::Wiring {
            store: store.clone(),
            runner: Arc::clone(runner),
            roots: Roots::default(),
            seed: seed(),
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
        }
    }

    /// Commands, which end before the node does.
    pub(super) fn exec(&self, guards: &Guards, runner: &Arc<dyn Runner>, runtimes: &Runtimes) -> ExecService {
        let tending = (runtimes.main.clone(), self.tasks.clone(), self.parting.clone());
        ExecService::new(guards.fuse.clone(), Arc::clone(runner), tending)
    }

    /// This node as it shows itself.
    pub(super) fn portrait(
        &self,
        identity: PeerIdentity,
        dht: Arc<DhtCounts>,
        calls: Arc<CallCounters>,
        (membership, job): (&MembershipHandle, &JobService),
    ) -> Portrait {
        Portrait {
            machine: Machine::read(&Roots::default()),
            started: (Instant::now(), clock::wall()),
            transport: self.transport.clone(),
            membership: membership.clone(),
            revocations: Arc::clone(&self.revocations),
            dht,
            calls,
            http: OnceLock::new(),
            jobs: job.table(),
            identity,
        }
    }

    /// Sees off the commands that an earlier life of the node left.
    pub(super) fn adopt(&self, runner: Arc<dyn Runner>, runtimes: &Runtimes) {
        let adopted = exec::adopt(runner, self.tasks.clone(), self.stopping.clone());
        self.tasks.spawn_on(until(&self.stopping, adopted), &runtimes.main);
    }
}
