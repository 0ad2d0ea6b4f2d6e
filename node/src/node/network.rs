//! The service of the network, wired: its scans and measurements run on the main runtime, apart from the mesh.

use std::sync::Arc;

use p2p_shared::mesh::Mesh;
use tokio::runtime::Handle;

use super::Parts;
use crate::host::sampler::Sampler;
use crate::policy::Fuse;
use crate::services::network::NetworkService;

impl Parts {
    pub(super) fn network(
        &self,
        (fuse, sampler): (&Fuse, &Sampler),
        mesh: &Mesh,
        main: &Handle,
    ) -> NetworkService {
        let told = (main.clone(), self.tasks.clone(), self.parting.clone());
        NetworkService::new((fuse.clone(), sampler), (Arc::clone(&self.scans), mesh.clone()), told)
    }
}
