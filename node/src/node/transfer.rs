//! Transfers, wired; and where other nodes are, and how to get there, for everything here that asks them.

use p2p_shared::id::NodeName;
use p2p_shared::mesh::{Mesh, Resolve, Target};
use p2p_shared::services::node::MemberState;

use super::Settings;
use crate::membership::handle::MembershipHandle;
use crate::policy::Fuse;
use crate::program::Runtimes;
use crate::services::transfer::TransferService;
use crate::transport::Transport;

/// The members, by name.
struct Known(MembershipHandle);

impl Resolve for Known {
    async fn resolve(&self, name: &NodeName) -> Option<Target> {
        let members = self.0.members();
        let named = members.iter().filter(|member| member.name == *name);
        // Of one name there may be a key that was replaced.
        let likeliest = named.max_by_key(|member| (member.state == MemberState::Alive, member.started))?;
        let addresses = likeliest.addresses.clone();
        Some(Target { name: Some(name.clone()), id: Some(likeliest.id), addresses })
    }
}

/// All other nodes, by the transport of this one.
pub(super) fn mesh(transport: &Transport, membership: &MembershipHandle) -> Mesh {
    Mesh::new(Known(membership.clone()), transport.clone())
}

/// The service, which reaches other nodes by `mesh`.
pub(super) fn service(settings: &Settings, fuse: &Fuse, mesh: &Mesh, runtimes: &Runtimes) -> TransferService {
    let reach = (mesh.clone(), settings.credentials.trust());
    TransferService::new(
        (fuse.clone(), settings.reserved()),
        reach,
        (runtimes.main.clone(), runtimes.mesh.clone()),
    )
}
