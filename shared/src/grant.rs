//! Grants: an operator's word that one node may ask others for one thing.
//!
//! Who may do what enters, signed bytes leave; or bytes of a peer enter, and the operator whose word they are
//! leaves, or why they are none. The payload is a version byte and JSON; it is signed as it is sent. A grant is
//! good for its holder alone, for these arguments alone, and not for long: who repeats it gets the same again.

use serde::{Deserialize, Serialize};

use crate::id::{NodeId, hex};
use crate::rpc::codec::{self, CodecError, Encoding};
use crate::time::{Millis, UnixMillis};
use crate::tls::{Credentials, PeerIdentity, PeerKind, Refusal, Signed, Trust};

/// Longest life of a grant: it is for beginning with something, which may then take longer.
pub const LIFE_MAX: Millis = Millis::from_secs(15 * 60);
/// How far the clocks of operator and node may be apart.
pub const SKEW_MAX: Millis = Millis::from_secs(60);
/// Most nodes that one grant is good at.
pub const TARGETS_MAX: usize = 64;
/// Most bytes of a grant.
pub const GRANT_BYTES_MAX: usize = 16 << 10;

/// What the signature is for.
const DOMAIN: &str = "p2p-admin/grant/v1";
const PAYLOAD_VERSION: u8 = 1;

/// What is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The node that may ask.
    pub holder: NodeId,
    /// The nodes that it may ask.
    pub targets: Vec<NodeId>,
    /// `service.method`.
    pub method: String,
    /// Hash of the arguments: [`arguments_hash`].
    pub arguments: String,
    /// When it was given.
    pub issued: UnixMillis,
    /// When it ends.
    pub expires: UnixMillis,
}

/// Why a grant is none.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// Longer than any.
    #[error("a grant of {0} bytes, of at most {GRANT_BYTES_MAX}")]
    TooLarge(usize),
    /// Not such bytes.
    #[error(transparent)]
    Malformed(#[from] CodecError),
    /// Of a version that this program does not read.
    #[error("a grant of version {0}")]
    Version(u8),
    /// The signer is not to be trusted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A node signed it.
    #[error("a grant that no operator signed")]
    NoOperator,
    /// It does not say what is asked for.
    #[error("a grant for {0}")]
    Other(&'static str),
    /// Too old, not yet good, or good for too long.
    #[error("a grant {0}: do it again; if it stays so, the clocks differ")]
    Time(&'static str),
}

/// Who asks for what, when a grant is judged.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Whose connection it came by.
    pub holder: NodeId,
    /// The node that judges.
    pub target: NodeId,
    /// `service.method`.
    pub method: &'a str,
    /// The arguments as JSON, as the method describes them.
    pub arguments: &'a [u8],
    /// Now.
    pub now: UnixMillis,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    certificate: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    holder: NodeId,
    targets: Vec<NodeId>,
    method: String,
    arguments: String,
    issued: UnixMillis,
    expires: UnixMillis,
}

/// What stands for arguments in a grant: of their JSON with all fields in order, which both sides write alike
/// while they have the same contract of the method, however they are sent.
pub fn arguments_hash(json: &[u8]) -> String {
    hex(blake3::hash(json).as_bytes())
}

/// Signs a grant.
///
/// # Errors
/// [`GrantError::TooLarge`].
pub fn sign(credentials: &Credentials, grant: &Grant) -> Result<Vec<u8>, GrantError> {
    let Grant { holder, targets, method, arguments, issued, expires } = grant.clone();
    let payload = Payload { holder, targets, method, arguments, issued, expires };
    let payload = [&[PAYLOAD_VERSION], codec::encode(&payload, Encoding::Json)?.as_ref()].concat();
    let signature = credentials.sign(DOMAIN, &payload).to_vec();
    let envelope = Envelope { certificate: credentials.certificate().to_vec(), payload, signature };
    let bytes = codec::encode(&envelope, Encoding::Bincode)?.to_vec();
    if bytes.len() > GRANT_BYTES_MAX {
        return Err(GrantError::TooLarge(bytes.len()));
    }
    Ok(bytes)
}

/// The operator who grants what is asked for.
///
/// # Errors
/// Why nobody does.
pub fn verify(trust: &Trust, bytes: &[u8], asked: &Asked<'_>) -> Result<PeerIdentity, GrantError> {
    if bytes.len() > GRANT_BYTES_MAX {
        return Err(GrantError::TooLarge(bytes.len()));
    }
    let Envelope { certificate, payload, signature } = codec::decode(bytes, Encoding::Bincode)?;
    let signed = Signed { leaf: &certificate, domain: DOMAIN, bytes: &payload, signature: &signature };
    let signer = trust.verify_signed(&signed, asked.now)?;
    if !matches!(signer.kind, PeerKind::Operator(_)) {
        return Err(GrantError::NoOperator);
    }
    let grant: Payload = match payload.split_first() {
        Some((&PAYLOAD_VERSION, json)) => codec::decode(json, Encoding::Json)?,
        Some((&version, _)) => return Err(GrantError::Version(version)),
        None => return Err(GrantError::Version(0)),
    };
    judge(&grant, asked)?;
    Ok(signer)
}

fn judge(grant: &Payload, asked: &Asked<'_>) -> Result<(), GrantError> {
    for (is_meant, what) in [
        (grant.holder == asked.holder, "another holder"),
        (grant.targets.len() <= TARGETS_MAX && grant.targets.contains(&asked.target), "other nodes"),
        (grant.method == asked.method, "another method"),
        (grant.arguments == arguments_hash(asked.arguments), "other arguments"),
    ] {
        if !is_meant {
            return Err(GrantError::Other(what));
        }
    }
    if grant.issued > grant.expires || grant.expires.since(grant.issued) > LIFE_MAX {
        return Err(GrantError::Time("that is good for too long"));
    }
    if grant.issued.since(asked.now) > SKEW_MAX {
        return Err(GrantError::Time("that is not good yet"));
    }
    if asked.now.since(grant.expires) > SKEW_MAX {
        return Err(GrantError::Time("that has ended"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
