//! Every service of the node in one registry.

use p2p_shared::rpc::registry::Registry;
use p2p_shared::services;

use crate::host::sampler::Sampler;
use crate::host::systemd::Systemd;
use crate::services::alert::AlertService;
use crate::services::audit::AuditService;
use crate::services::exec::ExecService;
use crate::services::file::FileService;
use crate::services::job::JobService;
use crate::services::journal::JournalService;
use crate::services::monitor::MonitorService;
use crate::services::network::NetworkService;
use crate::services::node::NodeService;
use crate::services::process::ProcessService;
use crate::services::program::ProgramService;
use crate::services::revocation::RevocationService;
use crate::services::shell::ShellService;
use crate::services::transfer::TransferService;
use crate::services::unit::UnitService;

/// What answers calls, beside what needs the sampler alone.
pub(super) struct Handlers {
    pub(super) node: NodeService,
    pub(super) monitor: MonitorService,
    pub(super) revocation: RevocationService,
    pub(super) audit: AuditService,
    pub(super) program: ProgramService,
    pub(super) job: JobService,
    pub(super) exec: ExecService,
    pub(super) shell: ShellService,
    pub(super) file: FileService,
    pub(super) transfer: TransferService,
    pub(super) network: NetworkService,
    pub(super) alert: AlertService,
}

impl Handlers {
    pub(super) fn mount(self, registry: Registry, (sampler, systemd): (&Sampler, Systemd)) -> Registry {
        registry
            .mount(services::node::mount(self.node))
            .mount(services::process::mount(ProcessService::new(sampler.clone())))
            .mount(services::monitor::mount(self.monitor))
            .mount(services::revocation::mount(self.revocation))
            .mount(services::audit::mount(self.audit))
            .mount(services::unit::mount(UnitService::new(systemd)))
            .mount(services::journal::mount(JournalService))
            .mount(services::program::mount(self.program))
            .mount(services::exec::mount(self.exec))
            .mount(services::shell::mount(self.shell))
            .mount(services::job::mount(self.job))
            .mount(services::file::mount(self.file))
            .mount(services::transfer::mount(self.transfer))
            .mount(services::network::mount(self.network))
            .mount(services::alert::mount(self.alert))
    }
}
