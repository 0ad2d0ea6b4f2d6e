//! Credentials for one errand of the CA: handing a list to a node.
//!
//! An opened CA enters, credentials that never were on disk leave. They are a viewer's and end in five minutes:
//! what is handed over is signed, so the courier needs no rights.

use p2p_shared::access::Role;
use p2p_shared::id::NodeName;
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::Credentials;

use super::authority::Authority;
use super::error::PkiError;
use super::key::NewKey;
use super::leaf::{self, Validity};

/// Who a node's log says that it was.
const NAME: &str = "ca-courier";

impl Authority {
    /// A viewer for the next five minutes.
    pub fn courier(&self, now: UnixMillis) -> Result<Credentials, PkiError> {
        let ca = self.certificate();
        let validity = Validity::of_courier(now, ca.until())?;
        let name: NodeName = NAME.parse().map_err(PkiError::internal)?;
        let key = NewKey::ed25519()?;
        let leaf = self.sign(&leaf::operator(ca.mesh(), &name, Role::Viewer, validity)?, &key.public)?;
        Credentials::from_parts(vec![leaf], std::slice::from_ref(ca.der()), &key.pkcs8, now)
            .map_err(PkiError::internal)
    }
}
