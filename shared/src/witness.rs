//! What nodes sign of their audit records: the head of their own, and that they hold the head of another.
//!
//! Statements enter and leave as the bytes that were signed; what they say leaves only once certificate and
//! signature were checked. A head that somebody else holds shows that a record was cut or written anew, also
//! where whoever did it owns the machine. Nothing here decides whether a record is whole.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::rpc::codec::{self, CodecError, Encoding};
use crate::time::UnixMillis;
use crate::tls::{self, Credentials, PeerIdentity, PeerKind, Refusal, Signed, Trust};

/// Most bytes of certificate, payload and signature together.
pub const STATEMENT_BYTES_MAX: usize = 4_000;
/// Hexadecimal digits of a link.
const LINK_DIGITS: usize = 64;

const HEAD_DOMAIN: &str = "p2p-admin/audit-head/v1";
const RECEIPT_DOMAIN: &str = "p2p-admin/audit-receipt/v1";
/// Version of both payloads.
const VERSION: u8 = 1;

/// What a node signed, as it travels: nobody encodes it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    /// DER of the signer's certificate.
    pub certificate: Vec<u8>,
    /// What is said.
    pub payload: Vec<u8>,
    /// The signature of the certificate's key over the payload.
    pub signature: Vec<u8>,
}

/// The end of an audit record, as its node says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The last record.
    pub seq: u64,
    /// What binds it and all before it, in hexadecimal.
    pub link: String,
    /// When it was signed, by the node's clock.
    pub at: UnixMillis,
}

/// A node says that it holds the head of another: the countersignature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whose record.
    pub of: NodeId,
    /// What is held of it.
    pub head: AuditHead,
    /// When it was taken, by the clock of who holds it.
    pub at: UnixMillis,
}

/// Why a statement is not believed.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Over [`STATEMENT_BYTES_MAX`].
    #[error("a statement of {0} bytes, of at most {STATEMENT_BYTES_MAX}")]
    TooLarge(usize),
    /// Of a version that this program does not read.
    #[error("a statement of version {0}")]
    Version(u8),
    /// Not such a statement.
    #[error(transparent)]
    Malformed(#[from] CodecError),
    /// Its link is none.
    #[error("a statement whose link is no hash")]
    Link,
    /// The signer is not to be trusted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// An operator signed it.
    #[error("a statement signed by an operator")]
    NotANode,
}

impl AuditHead {
    /// Signs it as the head of this node's own record.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn sign(&self, credentials: &Credentials) -> Result<Statement, StatementError> {
        sign(credentials, HEAD_DOMAIN, self)
    }

    /// Believes a head, or says why not; whose it is. A certificate that has ended meanwhile is good for what
    /// was signed before.
    ///
    /// # Errors
    /// As [`StatementError`] says.
    pub fn verify(
        trust: &Trust,
        now: UnixMillis,
        statement: &Statement,
    ) -> Result<(PeerIdentity, Self), StatementError> {
        let (signer, head) = verify::<Self>((trust, now), HEAD_DOMAIN, statement)?;
        head.check()?;
        Ok((signer, head))
    }

    fn check(&self) -> Result<(), StatementError> {
        let is_hash =
            self.link.len() == LINK_DIGITS && self.link.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hash { Ok(()) } else { Err(StatementError::Link) }
    }
}

impl Receipt {
    /// Signs it as the one who holds the head.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn sign(&self, credentials: &Credentials) -> Result<Statement, StatementError> {
        sign(credentials, RECEIPT_DOMAIN, self)
    }

    /// Believes a countersignature, or says why not; who holds the head.
    ///
    /// # Errors
    /// As [`StatementError`] says.
    pub fn verify(
        trust: &Trust,
        now: UnixMillis,
        statement: &Statement,
    ) -> Result<(PeerIdentity, Self), StatementError> {
        let (signer, receipt) = verify::<Self>((trust, now), RECEIPT_DOMAIN, statement)?;
        receipt.head.check()?;
        Ok((signer, receipt))
    }
}

fn sign(credentials: &Credentials, domain: &str, what: &impl Serialize) -> Result<Statement, StatementError> {
    let payload = [&[VERSION], codec::encode(what, Encoding::Json)?.as_ref()].concat();
    let signature = credentials.sign(domain, &payload).to_vec();
    Ok(Statement { certificate: credentials.certificate().to_vec(), payload, signature })
}

fn verify<T: DeserializeOwned>(
    (trust, now): (&Trust, UnixMillis),
    domain: &str,
    statement: &Statement,
) -> Result<(PeerIdentity, T), StatementError> {
    let (leaf, bytes, signature) = (&statement.certificate, &statement.payload, &statement.signature);
    let size = leaf.len() + bytes.len() + signature.len();
    if size > STATEMENT_BYTES_MAX {
        return Err(StatementError::TooLarge(size));
    }
    let now = now.min(tls::identity(leaf)?.not_after);
    let signer = trust.verify_signed(&Signed { leaf, domain, bytes, signature }, now)?;
    if signer.kind != PeerKind::Node {
        return Err(StatementError::NotANode);
    }
    match bytes.split_first() {
        Some((&VERSION, json)) => Ok((signer, codec::decode(json, Encoding::Json)?)),
        found => Err(StatementError::Version(found.map_or(0, |(&version, _)| version))),
    }
}
