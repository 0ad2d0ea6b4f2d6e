//! The Unix socket, wired. A node whose socket cannot be had serves all the same, and the log says why.

use std::path::Path;
use std::sync::Arc;

use p2p_shared::mesh::socket::FILE;
use p2p_shared::rpc::registry::Registry;

use super::Parts;
use crate::host::run::own_user;
use crate::transport::socket::{Account, Socket};

impl Parts {
    /// Serves what is mounted at the socket in the data directory, until the node stops.
    pub(super) fn local(&self, data: &Path, registry: Registry) -> Arc<Registry> {
        let registry = Arc::new(registry);
        let own = Account { uid: rustix::process::geteuid().as_raw(), name: own_user() };
        let _entered = self.handle.enter();
        match Socket::bind(data, own) {
            Ok(socket) => {
                let serving = socket.serve(Arc::clone(&registry), self.tasks.clone(), self.stopping.clone());
                self.tasks.spawn_on(serving, &self.handle);
            }
            Err(error) => {
                let path = data.join(FILE);
                tracing::warn!(path = %path.display(), %error, "no Unix socket: `p2p-tui --local` will not get in");
            }
        }
        registry
    }
}
