//! What a member says of itself: as values, as the bytes that it signed, and both together once verified.
//!
//! Plain data. `membership::facts` turns one into the other; nothing here checks a signature.

use std::net::SocketAddr;
use std::sync::Arc;

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::node::Label;
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::SignedRevoked;
use serde::{Deserialize, Serialize};

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name, the one of its certificate.
    pub name: NodeName,
    /// Where it can be reached over QUIC, best first.
    pub addresses: Vec<SocketAddr>,
    /// Its labels, by key.
    pub labels: Vec<Label>,
    /// Version of its program.
    pub version: String,
    /// When its program started, by its own clock.
    pub started: UnixMillis,
    /// When copies outside of the directory (records of the DHT) are to be dropped; `None` for never.
    pub expires: Option<UnixMillis>,
    /// Counts the facts that it signed; the highest wins. It is also the incarnation of the failure
    /// detector: who is doubted answers with facts of a higher sequence, which nobody else can sign.
    pub sequence: u64,
    /// Whether it says good-bye.
    pub left: bool,
    /// Where its HTTP face listens on the network; `None` if it serves its own machine alone, or is of a version that
    /// does not say. The unspecified address means each of its addresses.
    pub http: Option<SocketAddr>,
}

impl Facts {
    /// Where its HTTP face is reached: as it says, or at the first of its addresses that the face takes, those of its
    /// own machine last.
    pub fn http_face(&self) -> Option<SocketAddr> {
        let face = self.http?;
        if !face.ip().is_unspecified() {
            return Some(face);
        }
        let fits = self.addresses.iter().map(SocketAddr::ip).filter(|ip| face.is_ipv6() || ip.is_ipv4());
        let best = fits.min_by_key(|ip| ip.to_canonical().is_loopback())?;
        Some(SocketAddr::new(best, face.port()))
    }
}

/// Facts as they travel: the bytes that were signed, which nobody encodes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedFacts {
    /// DER of the member's certificate.
    pub certificate: Vec<u8>,
    /// The encoded facts.
    pub payload: Vec<u8>,
    /// The signature of the certificate's key over the payload.
    pub signature: Vec<u8>,
}

impl SignedFacts {
    /// Bytes of its three parts.
    pub fn size_bytes(&self) -> usize {
        self.certificate.len() + self.payload.len() + self.signature.len()
    }
}

/// Facts whose signature, certificate and limits were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedFacts {
    /// The member, from the key of its certificate.
    pub id: NodeId,
    /// What it says.
    pub facts: Facts,
    /// What it signed, to be passed on as it is.
    pub signed: SignedFacts,
}

/// A list of revoked keys whose signature was checked.
pub type SharedRevoked = Arc<SignedRevoked>;

/// Facts are shared between the directory, the queue of news and the outputs.
pub type SharedFacts = Arc<VerifiedFacts>;
