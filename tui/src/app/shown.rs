//! The views, each with what it keeps while another one is shown. No data of a node is here.

use crate::views::alerts::AlertsView;
use crate::views::audit::AuditView;
use crate::views::files::FilesView;
use crate::views::fleet::FleetView;
use crate::views::jobs::JobsView;
use crate::views::journal::JournalView;
use crate::views::network::NetworkView;
use crate::views::peers::PeersView;
use crate::views::processes::ProcessesView;
use crate::views::resources::ResourcesView;
use crate::views::services::ServicesView;
use crate::views::shell::ShellView;
use crate::views::{View, ViewId};

/// The views, side by side; each keeps its cursor while another is shown.
#[derive(Debug, Default)]
pub(super) struct Views {
    pub(super) fleet: FleetView,
    pub(super) processes: ProcessesView,
    pub(super) services: ServicesView,
    pub(super) journal: JournalView,
    pub(super) network: NetworkView,
    pub(super) resources: ResourcesView,
    pub(super) jobs: JobsView,
    pub(super) alerts: AlertsView,
    pub(super) peers: PeersView,
    pub(super) files: FilesView,
    pub(super) audit: AuditView,
    pub(super) shell: ShellView,
}

impl Views {
    /// One of them.
    pub(super) fn get(&self, id: ViewId) -> &dyn View {
        match id {
            ViewId::Fleet => &self.fleet,
            ViewId::Processes => &self.processes,
            ViewId::Services => &self.services,
            ViewId::Journal => &self.journal,
            ViewId::Network => &self.network,
            ViewId::Resources => &self.resources,
            ViewId::Jobs => &self.jobs,
            ViewId::Alerts => &self.alerts,
            ViewId::Peers => &self.peers,
            ViewId::Files => &self.files,
            ViewId::Audit => &self.audit,
            ViewId::Shell => &self.shell,
        }
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, id: ViewId) -> &mut dyn View {
        match id {
            ViewId::Fleet => &mut self.fleet,
            ViewId::Processes => &mut self.processes,
            ViewId::Services => &mut self.services,
            ViewId::Journal => &mut self.journal,
            ViewId::Network => &mut self.network,
            ViewId::Resources => &mut self.resources,
            ViewId::Jobs => &mut self.jobs,
            ViewId::Alerts => &mut self.alerts,
            ViewId::Peers => &mut self.peers,
            ViewId::Files => &mut self.files,
            ViewId::Audit => &mut self.audit,
            ViewId::Shell => &mut self.shell,
        }
    }
}
