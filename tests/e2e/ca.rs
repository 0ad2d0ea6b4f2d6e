//! A throw-away CA in a temporary directory, through the product's own `pki`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use p2p_node::pki::{
    Authority, Endpoint, Kind, NewCa, NodeRequest, OperatorRequest, Renewal, Revocation, Sealing, bundle,
};
use p2p_shared::access::Role;
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{Credentials, RevokedReason, SignedRevoked};
use tempfile::TempDir;

pub const DAY: Millis = Millis::from_secs(86_400);

pub fn now() -> UnixMillis {
    UnixMillis(Millis::from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()).0)
}

/// A CA and all that it issued. Its files go with it.
pub struct TestCa {
    authority: Authority,
    directory: TempDir,
}

impl TestCa {
    pub fn new(mesh: &str) -> Self {
        Self::since(mesh, now())
    }

    /// A CA that was made at `then`.
    pub fn since(mesh: &str, then: UnixMillis) -> Self {
        let directory = TempDir::new().unwrap();
        let new = NewCa { mesh: mesh.parse().unwrap(), days: 3_650 };
        let authority = Authority::init(directory.path(), &new, &Sealing::Plain, then).unwrap();
        Self { authority, directory }
    }

    pub fn node(&self, name: &str) -> Arc<Credentials> {
        self.node_at(name, now())
    }

    /// A node's credentials, issued and loaded at `then`, good for 90 days.
    pub fn node_at(&self, name: &str, then: UnixMillis) -> Arc<Credentials> {
        Arc::new(Credentials::load_node(&self.node_files_at(name, then), then).unwrap())
    }

    /// The directory of a node's certificates and keys, issued now.
    pub fn node_files(&self, name: &str) -> PathBuf {
        self.node_files_at(name, now())
    }

    /// The same, issued at `then`.
    pub fn node_files_at(&self, name: &str, then: UnixMillis) -> PathBuf {
        let request = NodeRequest { name: name.parse().unwrap(), addresses: Vec::new(), days: 90 };
        self.authority.issue_node(&request, then).unwrap().directory
    }

    /// The tar that `ca.sh bundle` writes.
    pub fn bundle(&self, (kind, name): (Kind, &str), bootstrap: &[String]) -> Vec<u8> {
        let endpoints: Vec<Endpoint> = bootstrap.iter().map(|address| address.parse().unwrap()).collect();
        let mut tar = Vec::new();
        bundle(self.directory.path(), (kind, &name.parse().unwrap()), &endpoints, &mut tar).unwrap();
        tar
    }

    /// Revokes the key that `name` has; the list that says so.
    pub fn revoke(&self, name: &str) -> SignedRevoked {
        let revocation = Revocation { name: name.parse().unwrap(), reason: RevokedReason::KeyCompromise };
        self.authority.revoke(&revocation, now()).unwrap().list
    }

    /// Credentials for handing a list over.
    pub fn courier(&self) -> Credentials {
        self.authority.courier(now()).unwrap()
    }

    /// A new certificate for the key that `name` has.
    pub fn renew(&self, name: &str) {
        let renewal = Renewal { name: name.parse().unwrap(), days: Some(60), addresses: Vec::new() };
        self.authority.renew(&renewal, now()).unwrap();
    }

    pub fn operator(&self, name: &str, role: Role) -> Arc<Credentials> {
        self.operator_at(name, role, now())
    }

    /// The directory of an operator's certificate and key, issued now.
    pub fn operator_files(&self, name: &str, role: Role) -> PathBuf {
        let request = OperatorRequest { name: name.parse().unwrap(), role, days: 30 };
        self.authority.issue_operator(&request, &Sealing::Plain, now()).unwrap().directory
    }

    /// An operator's credentials, issued and loaded at `then`, good for 30 days.
    pub fn operator_at(&self, name: &str, role: Role, then: UnixMillis) -> Arc<Credentials> {
        let request = OperatorRequest { name: name.parse().unwrap(), role, days: 30 };
        let issued = self.authority.issue_operator(&request, &Sealing::Plain, then).unwrap();
        let unencrypted = |_: &std::path::Path| unreachable!("the key is not encrypted");
        Arc::new(Credentials::load_operator(&issued.directory, then, unencrypted).unwrap())
    }
}
