//! The service of the network, wired: its scans run on the main runtime, apart from the mesh.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::Parts;
use crate::host::sampler::Sampler;
use crate::policy::Fuse;
use crate::services::network::NetworkService;

impl Parts {
    pub(super) fn network(&self, fuse: &Fuse, sampler: &Sampler, main: &Handle) -> NetworkService {
        let told = (main.clone(), self.tasks.clone(), self.parting.clone());
        NetworkService::new((fuse.clone(), sampler), Arc::clone(&self.scans), told)
    }
}
