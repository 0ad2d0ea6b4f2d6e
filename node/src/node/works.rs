//! What runs things for operators, wired: programs, jobs, commands and shells over the one runner of this machine.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Guards, Parts, Settings, StartError, jobs, seed, until};
use crate::host::Roots;
use crate::host::run::Runner;
use crate::host::run::choice::MachineRunner;
use crate::host::systemd::Systemd;
use crate::policy::Fuse;
use crate::services::exec::{self, ExecService};
use crate::services::job::JobService;
use crate::services::program;
use crate::services::shell::ShellService;
use crate::store::Store;
use crate::supervise::driver::{self as supervisor, Judge, Wiring};
use crate::supervise::handle::SupervisorHandle;

/// All of them.
pub(super) struct Works {
    pub(super) programs: SupervisorHandle,
    pub(super) job: JobService,
    pub(super) exec: ExecService,
    pub(super) shell: ShellService,
}

impl Parts {
    /// Takes up what an earlier life of the node left, and starts what runs more.
    pub(super) async fn works(
        &self,
        (settings, store): (&Settings, &Store),
        (guards, systemd): (&Guards, &Systemd),
        main: &Handle,
    ) -> Result<Works, StartError> {
        let runner = MachineRunner::shared(systemd, &settings.data);
        let programs =
            supervisor::start(&settings.data, self.supervision(store, &runner, &guards.fuse)).await?;
        let job = jobs::start(settings, store, self, (guards, &runner)).await?;
        let shell = self.shells(settings, store, (&guards.fuse, &runner)).await?;
        let adopted = exec::adopt(Arc::clone(&runner), self.tasks.clone(), self.stopping.clone());
        self.tasks.spawn_on(until(&self.stopping, adopted), main);
        let told = (main.clone(), self.tasks.clone(), self.parting.clone());
        let exec = ExecService::new(guards.fuse.clone(), runner, told);
        Ok(Works { programs, job, exec, shell })
    }

    fn supervision(&self, store: &Store, runner: &Arc<dyn Runner>, fuse: &Fuse) -> Wiring {
        let fuse = fuse.clone();
        Wiring {
            store: store.clone(),
            runner: Arc::clone(runner),
            judge: Judge(Arc::new(move |definition| {
                program::judge(&fuse, definition).map_err(|error| error.to_string())
            })),
            roots: Roots::default(),
            seed: seed(),
            tasks: self.tasks.clone(),
            stopping: self.stopping.clone(),
        }
    }
}
