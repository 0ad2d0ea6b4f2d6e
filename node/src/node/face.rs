//! What the HTTP face needs of the node: its methods, who callers are, and the way to the other nodes.

use std::time::Duration;

use p2p_shared::time::Millis;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{Node, StartError};
use crate::auth::Auth;
use crate::http::{CallerLimits, Callers, Feeds, Once, Origins, Parts, Seen};

impl Node {
    /// The parts of a face whose tokens follow from `secret`, if there is one, and live for `life`; connections to
    /// other nodes live on `links`.
    ///
    /// # Errors
    /// If the sessions that were kept cannot be read.
    pub fn http_parts(
        &self,
        secret: Option<&str>,
        life: Duration,
        limits: CallerLimits,
        links: &Handle,
    ) -> Result<Parts, StartError> {
        let (credentials, store, data) = &self.own;
        let parts = (credentials.as_ref(), store);
        let audit = Some(self.guards.audit.clone());
        let auth = Auth::open(data, parts, secret.map(str::as_bytes), Millis::from(life), audit)?;
        Ok(Parts {
            registry: self.registry(),
            auth,
            mesh: self.handles.mesh.clone(),
            links: links.clone(),
            passing: TaskTracker::new(),
            members: self.membership.clone(),
            own: self.name().clone(),
            address: self.portrait.http.get().copied(),
            measured: None,
            origins: Origins::default(),
            callers: Callers::new(limits),
            once: Once::default(),
            trust: credentials.trust(),
            id: self.id(),
            seen: Seen::new(self.portrait.started.1),
            feeds: Feeds::default(),
            parting: self.ending.parting.clone(),
        })
    }
}
