//! What rustls asks during a handshake: both directions, one judgement.
//!
//! The peer's certificates enter and a verdict leaves. A node accepts nodes and operators; who dials
//! accepts nodes alone, and compares the name or id itself once the handshake is through, because a mesh
//! dials identities and not host names.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme};

use super::profile::{PeerIdentity, PeerKind};
use super::refusal::Refusal;
use super::trust::Trust;
use crate::time::UnixMillis;

/// Leaves have Ed25519 keys and no others, so this is all that a handshake is signed with.
const HANDSHAKE_ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::aws_lc_rs::ED25519],
    mapping: &[(SignatureScheme::ED25519, &[webpki::aws_lc_rs::ED25519])],
};

/// Asks [`Trust`] about every peer, at every handshake.
#[derive(Clone, Debug)]
pub struct Verifier {
    trust: Arc<Trust>,
    /// CAs that a client is told of who may show nothing at all; `None` where every peer shows a certificate.
    offered: Option<Vec<DistinguishedName>>,
}

impl Verifier {
    /// A verifier that follows `trust` as it changes.
    pub const fn new(trust: Arc<Trust>) -> Self {
        Self { trust, offered: None }
    }

    /// The same for a face that everybody may come to: a client may show nothing, and the certificate that it does
    /// show is judged as any peer's. Only those of our present CAs are asked for, so that no browser offers another.
    pub fn of_face(trust: Arc<Trust>) -> Self {
        Self { offered: Some(trust.root_names()), trust }
    }

    fn peer(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<PeerIdentity, Error> {
        let now = UnixMillis(now.as_secs().saturating_mul(1_000));
        self.trust.verify(leaf, intermediates, now).map_err(Refusal::into_tls)
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.offered.is_none()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.offered.as_deref().unwrap_or_default()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.peer(end_entity, intermediates, now).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        HANDSHAKE_ALGORITHMS.supported_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.peer(end_entity, intermediates, now)?.kind {
            PeerKind::Node => Ok(ServerCertVerified::assertion()),
            PeerKind::Operator(_) => Err(Refusal::NotANode.into_tls()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        HANDSHAKE_ALGORITHMS.supported_schemes()
    }
}

fn verify_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature(message, certificate, signature, &HANDSHAKE_ALGORITHMS)
        .map_err(|_| Refusal::BadSignature.into_tls())
}

const fn no_tls12() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
}
