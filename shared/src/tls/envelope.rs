//! Messages that a member of the mesh signs, for a node that it reaches by nothing but HTTP.
//!
//! A call and a member's credentials enter, and an [`Envelope`] leaves: the certificate chain, the payload as it is
//! signed, and the signature. The other way, an envelope of anybody enters, and who signed what leaves, or why it is
//! not taken: chain, profile, revocation, signature, target and time are judged here. Whether a message came before
//! is for who keeps the time: [`Received::key`] is what it is known by until [`Received::forget_after`]. Nothing
//! here knows a clock, or gives a signer more than its certificate does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credentials::Credentials;
use super::profile::PeerIdentity;
use super::refusal::Refusal;
use super::trust::{Signed, Trust};
use crate::id::{NodeId, hex};
use crate::rpc::codec::{self, CodecError, Encoding};
use crate::time::{Millis, UnixMillis};

/// How old a message may be.
pub const AGE_MAX: Millis = Millis::from_secs(60);
/// How far the sender's clock may be ahead.
pub const AHEAD_MAX: Millis = Millis::from_secs(5);
/// Longest payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 512 << 10;
/// Most certificates in a chain.
const CHAIN_MAX: usize = 3;
/// Longest certificate, in bytes of base64.
const CERTIFICATE_TEXT_MAX: usize = 16 << 10;
/// What the signature is for.
const DOMAIN: &str = "p2p-admin/message/v1";

/// A message as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The signer's certificate and those between it and the CA, each as DER in base64.
    pub chain: Vec<String>,
    /// The message: JSON with `target`, `sent`, `nonce`, `method` and `arguments` (a text), in base64. It is signed as it is.
    pub payload: String,
    /// The 64 bytes of the Ed25519 signature over `p2p-admin/message/v1`, a zero byte and the payload, in base64.
    pub signature: String,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The node that it is for.
    pub target: NodeId,
    /// When it was said.
    pub sent: UnixMillis,
    /// Drawn for this message alone.
    pub nonce: [u8; 16],
    /// `service.method`.
    pub method: String,
    /// Its arguments, as a text of JSON; whoever runs the method judges it.
    pub arguments: String,
}

/// A message that is good, as far as can be seen from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Who says it.
    pub signer: PeerIdentity,
    /// What.
    pub message: Message,
}

/// Why an envelope is not taken.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// No such envelope, or one that is too large.
    #[error("it is no envelope: {0}")]
    Malformed(String),
    /// Its payload is none.
    #[error(transparent)]
    Payload(#[from] CodecError),
    /// The signer is not to be trusted, or the signature is not the signer's.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is for another node.
    #[error("it is for another node")]
    Target,
    /// It is too old.
    #[error("it was sent {0} s ago, of at most {max} s", max = AGE_MAX.0 / 1_000)]
    Stale(u64),
    /// It is from the future.
    #[error("it will be sent in {0} s: is a clock wrong?")]
    Early(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    target: NodeId,
    sent: UnixMillis,
    nonce: String,
    method: String,
    arguments: String,
}

impl Envelope {
    /// Signs a message.
    ///
    /// # Errors
    /// If the message is too long.
    pub fn sign(credentials: &Credentials, message: &Message) -> Result<Self, EnvelopeError> {
        let Message { target, sent, nonce, method, arguments } = message.clone();
        let payload = Payload { target, sent, nonce: hex(&nonce), method, arguments };
        let payload = codec::encode(&payload, Encoding::Json)?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(malformed("the payload is too long"));
        }
        Ok(Self {
            chain: credentials.chain().iter().map(|certificate| STANDARD.encode(certificate)).collect(),
            signature: STANDARD.encode(credentials.sign(DOMAIN, &payload)),
            payload: STANDARD.encode(payload),
        })
    }

    /// Who says what, as good at `now` for the node `own`. The signature is judged before anything is read.
    ///
    /// # Errors
    /// [`EnvelopeError`] says what is wrong with it.
    pub fn open(&self, trust: &Trust, own: NodeId, now: UnixMillis) -> Result<Received, EnvelopeError> {
        let is_long = |text: &String| text.len() > CERTIFICATE_TEXT_MAX;
        let counts = 1..=CHAIN_MAX;
        if !counts.contains(&self.chain.len()) || self.chain.iter().any(is_long) {
            return Err(malformed("its chain is not one to three certificates"));
        }
        if self.payload.len() > PAYLOAD_BYTES_MAX.div_ceil(3) * 4 {
            return Err(malformed("its payload is too long"));
        }
        let decoded = |text: &String| STANDARD.decode(text).map_err(malformed);
        let chain = self.chain.iter().map(decoded).collect::<Result<Vec<_>, _>>()?;
        let (payload, signature) = (decoded(&self.payload)?, decoded(&self.signature)?);
        let (leaf, between) = chain.split_first().ok_or_else(|| malformed("it has no certificate"))?;
        let between: Vec<_> = between.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let signed = Signed { leaf, domain: DOMAIN, bytes: &payload, signature: &signature };
        let signer = trust.verify_signed_below(&signed, &between, now)?;
        let Payload { target, sent, nonce, method, arguments } = codec::decode(&payload, Encoding::Json)?;
        if target != own {
            return Err(EnvelopeError::Target);
        }
        if now.since(sent) > AGE_MAX {
            return Err(EnvelopeError::Stale(now.since(sent).0 / 1_000));
        }
        if sent.since(now) > AHEAD_MAX {
            return Err(EnvelopeError::Early(sent.since(now).0 / 1_000));
        }
        let nonce = unhex(&nonce).ok_or_else(|| malformed("its nonce is not 32 hexadecimal digits"))?;
        Ok(Received { signer, message: Message { target, sent, nonce, method, arguments } })
    }
}

impl Received {
    /// What a message is known by: the same bytes from the same signer are the same message.
    pub const fn key(&self) -> (NodeId, [u8; 16]) {
        (self.signer.id, self.message.nonce)
    }

    /// When it is too old in any case.
    pub fn forget_after(&self) -> UnixMillis {
        self.message.sent.plus(AGE_MAX)
    }
}

fn unhex(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    let is_lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if bytes.len() != 32 || !bytes.iter().all(is_lower) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn malformed(why: impl std::fmt::Display) -> EnvelopeError {
    EnvelopeError::Malformed(why.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::super::profile::PeerKind;
    use super::super::testing::{NOW, TestCa, mesh_key, node_params, operator_params};
    use super::*;

    const OWN: NodeId = NodeId::new([7; 32]);

    fn credentials(ca: &TestCa, params: rcgen::CertificateParams) -> Credentials {
        let key = mesh_key();
        let leaf = ca.leaf(&key, params, |_| ());
        Credentials::from_parts(vec![leaf], &[ca.der()], &key.serialize_der(), NOW).unwrap()
    }

    fn message() -> Message {
        Message {
            target: OWN,
            sent: NOW,
            nonce: [9; 16],
            method: "node.info".to_owned(),
            arguments: r#"{"a": [1, 2]}"#.to_owned(),
        }
    }

    #[test]
    fn a_message_comes_out_as_it_went_in_with_who_said_it() {
        let ca = TestCa::new();
        for params in [node_params(), operator_params("admin")] {
            let sender = credentials(&ca, params);
            let envelope = Envelope::sign(&sender, &message()).unwrap();
            let text = codec::encode(&envelope, Encoding::Json).unwrap();
            let envelope: Envelope = codec::decode(&text, Encoding::Json).unwrap();
            let received = envelope.open(&ca.trust(), OWN, NOW).unwrap();
            assert_eq!((&received.message, &received.signer), (&message(), sender.identity()));
            assert_eq!(received.forget_after(), NOW.plus(AGE_MAX));
        }
    }

    #[test]
    fn it_is_good_at_its_target_in_its_time_for_whoever_is_not_revoked() {
        let ca = TestCa::new();
        let sender = credentials(&ca, operator_params("admin"));
        let envelope = Envelope::sign(&sender, &message()).unwrap();
        let at =
            |millis: i64| envelope.open(&ca.trust(), OWN, UnixMillis(NOW.0.saturating_add_signed(millis)));
        assert!(at(60_000).is_ok() && at(-5_000).is_ok());
        assert!(matches!(at(60_001), Err(EnvelopeError::Stale(60))));
        assert!(matches!(at(-5_001), Err(EnvelopeError::Early(5))));
        let elsewhere = envelope.open(&ca.trust(), NodeId::new([8; 32]), NOW);
        assert!(matches!(elsewhere, Err(EnvelopeError::Target)));
        let trust = ca.trust();
        trust.replace_revoked(HashSet::from([sender.identity().id]));
        assert!(matches!(
            envelope.open(&trust, OWN, NOW),
            Err(EnvelopeError::Refused(Refusal::Revoked { .. }))
        ));
        let foreign = envelope.open(&TestCa::new().trust(), OWN, NOW);
        assert!(matches!(foreign, Err(EnvelopeError::Refused(_))));
    }

    #[test]
    fn a_signature_for_something_else_is_none_and_another_signer_is_another() {
        let ca = TestCa::new();
        let sender = credentials(&ca, operator_params("admin"));
        let good = Envelope::sign(&sender, &message()).unwrap();
        let payload = STANDARD.decode(&good.payload).unwrap();
        let otherwise = STANDARD.encode(sender.sign("p2p-admin/grant/v1", &payload));
        let refused = |envelope: &Envelope| envelope.open(&ca.trust(), OWN, NOW).unwrap_err().to_string();
        refused(&Envelope { signature: otherwise, ..good.clone() });
        let node = credentials(&ca, node_params());
        let chain = Envelope::sign(&node, &message()).unwrap().chain;
        assert!(matches!(node.identity().kind, PeerKind::Node));
        refused(&Envelope { chain, ..good.clone() });
        refused(&Envelope { chain: Vec::new(), ..good.clone() });
        refused(&Envelope { chain: vec![good.chain[0].clone(); 4], ..good.clone() });
        refused(&Envelope { signature: String::new(), ..good.clone() });
        refused(&Envelope { payload: "A".repeat(PAYLOAD_BYTES_MAX * 2), ..good });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn not_one_bit_of_it_can_be_another(part in 0..3_usize, place in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let ca = TestCa::new();
            let good = Envelope::sign(&credentials(&ca, operator_params("admin")), &message()).unwrap();
            let mut bad = good.clone();
            let text = match part {
                0 => &mut bad.chain[0],
                1 => &mut bad.payload,
                _ => &mut bad.signature,
            };
            let mut bytes = STANDARD.decode(&*text).unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            *text = STANDARD.encode(bytes);
            prop_assert!(bad.open(&ca.trust(), OWN, NOW).is_err());
        }

        #[test]
        fn nonsense_is_refused_and_nothing_worse(chain in prop::collection::vec(".{0,40}", 0..5), payload in ".{0,80}", signature in ".{0,80}") {
            let envelope = Envelope { chain, payload, signature };
            prop_assert!(envelope.open(&TestCa::new().trust(), OWN, NOW).is_err());
        }
    }
}
