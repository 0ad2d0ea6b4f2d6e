//! Whom a process believes: the CA, its mesh and the revoked keys, all replaceable while it runs.
//!
//! Certificates of peers and signed bytes enter, identities or refusals leave. Every judgement of a peer in
//! the program is made here, so that no path can leave a step out.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use rustls::DistinguishedName;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::prelude::{GeneralName, ParsedExtension, X509Certificate};

use super::profile::{self, PeerIdentity, ProfileRule};
use super::refusal::Refusal;
use super::remembered::Remembering;
use crate::id::{MeshName, NodeId};
use crate::time::UnixMillis;

/// CA keys are ECDSA P-256, because browsers import no other kind that rustls and openssl also take.
static CHAIN_ALGORITHM: Remembering = Remembering::new(webpki::aws_lc_rs::ECDSA_P256_SHA256);
static CHAIN_ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 1] = [&CHAIN_ALGORITHM];

/// The CA's certificates, the own mesh and the revoked keys.
#[derive(Debug)]
pub struct Trust {
    mesh: MeshName,
    roots: ArcSwap<Roots>,
    revoked: ArcSwap<HashSet<NodeId>>,
    epoch: AtomicU64,
}

/// Bytes that somebody signed, with the certificate of the key.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// DER of the signer's certificate.
    pub leaf: &'a [u8],
    /// What the signature is for; a signature for one thing is none for another.
    pub domain: &'a str,
    /// The bytes as they were sent, never encoded again.
    pub bytes: &'a [u8],
    /// The 64 bytes of the Ed25519 signature.
    pub signature: &'a [u8],
}

/// Why a certificate cannot be the CA of a mesh.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is none.
    #[error("there is no CA certificate in it")]
    NoRoot,
    /// Not a certificate.
    #[error("the CA's certificate is not well-formed")]
    Malformed,
    /// Not a CA.
    #[error("the certificate is no CA's: basic constraints or the key usage keyCertSign are missing")]
    NotACa,
    /// webpki refuses every chain below such a CA.
    #[error("the CA's certificate constrains URI names, which no chain can satisfy: make a CA without them")]
    UriConstraints,
}

#[derive(Debug)]
struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// Of each anchor, the first and the last moment.
    dates: Vec<(UnixMillis, UnixMillis)>,
    /// Of each anchor, the point of its public key.
    keys: Vec<Vec<u8>>,
}

impl Trust {
    /// Believes `roots` about the members of `mesh`. Nobody is revoked yet.
    pub fn new(mesh: MeshName, roots: &[CertificateDer<'_>]) -> Result<Self, TrustError> {
        let roots = Roots::new(roots)?;
        Ok(Self {
            mesh,
            roots: ArcSwap::from_pointee(roots),
            revoked: ArcSwap::default(),
            epoch: AtomicU64::new(0),
        })
    }

    /// The own mesh.
    pub const fn mesh(&self) -> &MeshName {
        &self.mesh
    }

    /// Believes these CAs from now on, and no others. On an error nothing changes.
    pub fn replace_roots(&self, roots: &[CertificateDer<'_>]) -> Result<(), TrustError> {
        self.roots.store(Arc::new(Roots::new(roots)?));
        self.epoch.fetch_add(1, SeqCst);
        Ok(())
    }

    /// Refuses these keys from now on, and no others. Live connections are the owner's to sweep.
    pub fn replace_revoked(&self, revoked: HashSet<NodeId>) {
        self.revoked.store(Arc::new(revoked));
        self.epoch.fetch_add(1, SeqCst);
    }

    /// How often it changed whom this process believes: what was judged at another number is judged anew.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(SeqCst)
    }

    /// The names of these CAs, as a server lists them when it asks for a certificate of theirs.
    pub(super) fn root_names(&self) -> Vec<DistinguishedName> {
        let roots = self.roots.load();
        let subjects = roots.anchors.iter().map(|anchor| anchor.subject.as_ref());
        subjects.map(DistinguishedName::in_sequence).collect()
    }

    /// Whether the key behind `id` is revoked.
    pub fn is_revoked(&self, id: &NodeId) -> bool {
        self.revoked.load().contains(id)
    }

    /// Judges a peer by its certificate and what it sent along. A root among `intermediates` is ignored.
    pub fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixMillis,
    ) -> Result<PeerIdentity, Refusal> {
        let roots = self.roots.load();
        let end_entity = EndEntityCert::try_from(leaf).map_err(from_webpki)?;
        let path = end_entity
            .verify_for_usage(
                &CHAIN_ALGORITHMS,
                &roots.anchors,
                intermediates,
                UnixTime::since_unix_epoch(Duration::from_millis(now.0)),
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(from_webpki)?;
        let ca_ends = roots.check_dates(path.anchor(), now)?;
        self.check_issuers(&path)?;
        let peer = profile::identity(leaf)?;
        if peer.not_after > ca_ends {
            return Err(Refusal::Profile(ProfileRule::OutlivesCa));
        }
        self.check_member(&peer)?;
        Ok(peer)
    }

    /// Judges the certificate of a server that browsers come to, with its intermediates: issued by our CA and
    /// good now. It has no place in the mesh, and so neither identity nor profile.
    pub(super) fn verify_server(&self, chain: &[CertificateDer<'_>], now: UnixMillis) -> Result<(), Refusal> {
        let (leaf, intermediates) = chain.split_first().ok_or(Refusal::NoCertificate)?;
        let roots = self.roots.load();
        let end_entity = EndEntityCert::try_from(leaf).map_err(from_webpki)?;
        let time = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
        let usage = KeyUsage::server_auth();
        let path = end_entity
            .verify_for_usage(&CHAIN_ALGORITHMS, &roots.anchors, intermediates, time, usage, None, None)
            .map_err(from_webpki)?;
        roots.check_dates(path.anchor(), now).map(|_| ())
    }

    /// Judges signed bytes: the signer as any peer, then the signature.
    pub fn verify_signed(&self, signed: &Signed<'_>, now: UnixMillis) -> Result<PeerIdentity, Refusal> {
        self.verify_signed_below(signed, &[], now)
    }

    /// The same, of a signer whose certificate an intermediate issued.
    pub fn verify_signed_below(
        &self,
        signed: &Signed<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixMillis,
    ) -> Result<PeerIdentity, Refusal> {
        let peer = self.verify(&CertificateDer::from(signed.leaf), intermediates, now)?;
        let key = profile::public_key(signed.leaf)?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&signing_input(signed.domain, signed.bytes), signed.signature)
            .map_err(|_| Refusal::BadSignature)?;
        Ok(peer)
    }

    /// Whether a CA of ours signed `message`, which begins with its domain. An intermediate is no CA here.
    pub(super) fn is_signed_by_ca(&self, message: &[u8], signature: &[u8]) -> bool {
        let signed_with = |key: &Vec<u8>| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(message, signature).is_ok()
        };
        self.roots.load().keys.iter().any(signed_with)
    }

    fn check_issuers(&self, path: &VerifiedPath<'_>) -> Result<(), Refusal> {
        for issuer in path.intermediate_certificates() {
            // webpki looks at basic constraints and path length only.
            if !profile::may_sign_certificates(&issuer.der()) {
                return Err(Refusal::Profile(ProfileRule::IssuerKeyUsage));
            }
            let id = profile::node_id(&issuer.subject_public_key_info());
            if self.is_revoked(&id) {
                return Err(Refusal::Revoked { id });
            }
        }
        Ok(())
    }

    fn check_member(&self, peer: &PeerIdentity) -> Result<(), Refusal> {
        if peer.mesh != self.mesh {
            return Err(Refusal::WrongMesh { theirs: peer.mesh.clone(), ours: self.mesh.clone() });
        }
        if self.is_revoked(&peer.id) {
            return Err(Refusal::Revoked { id: peer.id });
        }
        Ok(())
    }
}

impl Roots {
    fn new(certificates: &[CertificateDer<'_>]) -> Result<Self, TrustError> {
        let mut roots = Self { anchors: Vec::new(), dates: Vec::new(), keys: Vec::new() };
        for certificate in certificates {
            let parsed = profile::parse(certificate).map_err(|_| TrustError::Malformed)?;
            check_ca(&parsed)?;
            roots.dates.push(profile::validity(&parsed).map_err(|_| TrustError::Malformed)?);
            roots.keys.push(parsed.public_key().subject_public_key.data.to_vec());
            let anchor = webpki::anchor_from_trusted_cert(certificate).map_err(|_| TrustError::Malformed)?;
            roots.anchors.push(anchor.to_owned());
        }
        if roots.anchors.is_empty() { Err(TrustError::NoRoot) } else { Ok(roots) }
    }

    /// When the CA of a verified chain ends. The same CA may be there twice, with old and new dates.
    fn check_dates(&self, anchor: &TrustAnchor<'_>, now: UnixMillis) -> Result<UnixMillis, Refusal> {
        let dates = self.anchors.iter().zip(&self.dates).filter(|(other, _)| *other == anchor);
        let (from, until) = dates
            .map(|(_, dates)| *dates)
            .max_by_key(|&(from, until)| (from <= now, until))
            .ok_or(Refusal::Other { detail: "the chain ends at a CA that is not ours" })?;
        if now < from {
            return Err(Refusal::CaNotYetValid { from, now });
        }
        if now > until {
            return Err(Refusal::CaExpired { until, now });
        }
        Ok(until)
    }
}

/// What is signed: the domain, a zero byte, which no domain contains, and the bytes.
pub(super) fn signing_input(domain: &str, bytes: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), &[0], bytes].concat()
}

fn check_ca(parsed: &X509Certificate<'_>) -> Result<(), TrustError> {
    let signs = parsed.key_usage().ok().flatten().is_some_and(|usage| usage.value.key_cert_sign());
    if !parsed.is_ca() || !signs {
        return Err(TrustError::NotACa);
    }
    let constrains_uris = parsed.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::NameConstraints(names) => {
            let subtrees = [&names.permitted_subtrees, &names.excluded_subtrees];
            subtrees
                .into_iter()
                .flatten()
                .flatten()
                .any(|subtree| matches!(subtree.base, GeneralName::URI(_)))
        }
        _ => false,
    });
    if constrains_uris { Err(TrustError::UriConstraints) } else { Ok(()) }
}

fn from_webpki(error: webpki::Error) -> Refusal {
    use webpki::Error;

    let millis = |time: UnixTime| UnixMillis(time.as_secs().saturating_mul(1_000));
    let wrong_ca = |detail| Refusal::WrongCa { detail };
    match error {
        Error::CertExpired { time, not_after } => {
            Refusal::Expired { until: millis(not_after), now: millis(time) }
        }
        Error::CertNotValidYet { time, not_before } => {
            Refusal::NotYetValid { from: millis(not_before), now: millis(time) }
        }
        Error::UnknownIssuer => wrong_ca("no known CA and no intermediate that was sent issued it"),
        Error::InvalidSignatureForPublicKey => wrong_ca("the CA's name is right, its signature is not"),
        Error::SignatureAlgorithmMismatch
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            wrong_ca("it is signed with an algorithm that no CA of ours uses")
        }
        Error::EndEntityUsedAsCa => wrong_ca("it was issued by a certificate that is no CA's"),
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            wrong_ca("the chain is longer than its CA allows")
        }
        Error::NameConstraintViolation => wrong_ca("its CA may not issue for this name"),
        Error::CaUsedAsEndEntity => Refusal::Profile(ProfileRule::IsCa),
        Error::InvalidCertValidity | Error::BadDerTime => Refusal::Profile(ProfileRule::Dates),
        Error::InvalidSerialNumber => Refusal::Profile(ProfileRule::Serial),
        Error::UnsupportedCertVersion => Refusal::Profile(ProfileRule::Version),
        Error::UnsupportedCriticalExtension => Refusal::Profile(ProfileRule::CriticalExtension),
        Error::EmptyEkuExtension | Error::RequiredEkuNotFoundContext(_) => {
            Refusal::Profile(ProfileRule::ExtendedKeyUsage)
        }
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => {
            Refusal::Other { detail: "judging the certificates takes too much work" }
        }
        _ => Refusal::Profile(ProfileRule::Encoding),
    }
}
