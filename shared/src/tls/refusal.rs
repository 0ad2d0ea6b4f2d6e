//! Why a peer is refused: a stable word for programs, a sentence for people, on both sides of the wire.
//!
//! A verifier returns a [`Refusal`]; rustls and quinn carry its text in the close of the connection; the
//! refused side reads the word back with [`Refusal::from_close_text`]. What a peer sent is never shown raw.

use std::fmt;
use std::sync::Arc;

use rustls::{CertificateError, OtherError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::profile::ProfileRule;
use crate::id::{MeshName, NodeId};
use crate::time::UnixMillis;

/// The longest text of a peer that is shown or kept, in bytes, after escaping.
pub const TEXT_BYTES_MAX: usize = 256;

/// Why a certificate, a signature or a handshake is refused. The text begins with the word of its
/// [`RefusalReason`] and a colon.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The peer sent no certificate at all.
    #[error("no_certificate: no certificate was presented, and every connection of a mesh needs one")]
    NoCertificate,
    /// The chain does not end at a CA of this mesh.
    #[error("wrong_ca: the certificate was not issued by the CA of this mesh ({detail})")]
    WrongCa {
        /// What broke in the chain.
        detail: &'static str,
    },
    /// The certificate has ended.
    #[error("expired: the certificate ended at {}, and here it is {}", until.to_the_second(), now.to_the_second())]
    Expired {
        /// The last moment it was good for.
        until: UnixMillis,
        /// The clock of the side that refused.
        now: UnixMillis,
    },
    /// The CA's own certificate has ended, which webpki does not look at.
    #[error("expired: the CA's certificate ended at {}, and here it is {}", until.to_the_second(), now.to_the_second())]
    CaExpired {
        /// The last moment it was good for.
        until: UnixMillis,
        /// The clock of the side that refused.
        now: UnixMillis,
    },
    /// The certificate begins later, or a clock is wrong.
    #[error("not_yet_valid: the certificate is good from {}, and here it is {}: compare the clocks", from.to_the_second(), now.to_the_second())]
    NotYetValid {
        /// The first moment it is good for.
        from: UnixMillis,
        /// The clock of the side that refused.
        now: UnixMillis,
    },
    /// The CA's own certificate begins later, or a clock is wrong.
    #[error("not_yet_valid: the CA's certificate is good from {}, and here it is {}: compare the clocks", from.to_the_second(), now.to_the_second())]
    CaNotYetValid {
        /// The first moment it is good for.
        from: UnixMillis,
        /// The clock of the side that refused.
        now: UnixMillis,
    },
    /// The key was revoked, whatever certificate it comes with.
    #[error("revoked: the key of {id} is revoked in this mesh")]
    Revoked {
        /// Hash of the revoked key: the peer's own or an issuer's between it and the root.
        id: NodeId,
    },
    /// A certificate of another mesh under the same CA.
    #[error("wrong_mesh: the certificate is of mesh {theirs}, and this is mesh {ours}")]
    WrongMesh {
        /// The mesh in the peer's certificate.
        theirs: MeshName,
        /// The mesh of the side that refused.
        ours: MeshName,
    },
    /// The certificate is not of the form that this mesh issues.
    #[error("bad_profile: {0}")]
    Profile(ProfileRule),
    /// Somebody answered, but not the one who was dialled.
    #[error("wrong_peer: {expected} was expected and {found} answered")]
    WrongPeer {
        /// Name or id that was dialled.
        expected: String,
        /// Name or id in the certificate.
        found: String,
    },
    /// An operator's certificate stands where only a node may answer.
    #[error("wrong_peer: an operator's certificate was presented where a node must answer")]
    NotANode,
    /// The two sides share no major version of the protocol.
    #[error("wrong_version: the peer speaks version {theirs} of the protocol and this side version {ours}")]
    WrongVersion {
        /// The peer's major version.
        theirs: u16,
        /// This side's major version.
        ours: u16,
    },
    /// A signature does not verify under the key of the certificate.
    #[error("bad_signature: the signature was not made by the key of the certificate")]
    BadSignature,
    /// Too much work, or nothing of the above.
    #[error("other: {detail}")]
    Other {
        /// What failed, in our own words.
        detail: &'static str,
    },
}

impl Refusal {
    /// The kind, without details.
    pub const fn reason(&self) -> RefusalReason {
        match self {
            Self::NoCertificate => RefusalReason::NoCertificate,
            Self::WrongCa { .. } => RefusalReason::WrongCa,
            Self::Expired { .. } | Self::CaExpired { .. } => RefusalReason::Expired,
            Self::NotYetValid { .. } | Self::CaNotYetValid { .. } => RefusalReason::NotYetValid,
            Self::Revoked { .. } => RefusalReason::Revoked,
            Self::WrongMesh { .. } => RefusalReason::WrongMesh,
            Self::Profile(_) => RefusalReason::BadProfile,
            Self::WrongPeer { .. } | Self::NotANode => RefusalReason::WrongPeer,
            Self::WrongVersion { .. } => RefusalReason::WrongVersion,
            Self::BadSignature => RefusalReason::BadSignature,
            Self::Other { .. } => RefusalReason::Other,
        }
    }

    /// The kind that a close of the other side speaks of: a text of [`Refusal`], as rustls and quinn carry
    /// it, or what rustls says by itself, or the name of a TLS alert.
    pub fn from_close_text(text: &str) -> RefusalReason {
        let word = unwrap_text(text).split(':').next().unwrap_or_default().trim();
        RefusalReason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == word)
            .or_else(|| RefusalReason::from_library_text(word))
            .unwrap_or(RefusalReason::Other)
    }

    /// The sentence in a close of the other side, without what rustls puts around it, fit to be shown.
    pub fn close_sentence(text: &str) -> String {
        clean_text(unwrap_text(text).as_bytes())
    }

    /// As the error of a rustls verifier, which keeps the text on its way to the other side.
    pub(super) fn into_tls(self) -> rustls::Error {
        // Of all variants only `Other` prints what it holds, and gives the alert that fits.
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(InTls(self)))))
    }
}

/// rustls prints the error of a verifier by `Debug`; this one says the sentence there too.
#[derive(thiserror::Error)]
#[error("{0}")]
struct InTls(Refusal);

impl fmt::Debug for InTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A close text without what rustls prints around a reason.
fn unwrap_text(text: &str) -> &str {
    let text = text.strip_prefix("received fatal alert: ").unwrap_or(text);
    let text = text.strip_prefix("invalid peer certificate: ").unwrap_or(text);
    text.strip_prefix("Other(OtherError(").map_or(text, |inner| inner.strip_suffix("))").unwrap_or(inner))
}

/// The kinds of [`Refusal`]. The words are stable: counters, logs and other versions rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// Issued by another CA.
    WrongCa,
    /// The certificate or its CA has ended.
    Expired,
    /// The certificate or its CA begins later.
    NotYetValid,
    /// The key is revoked.
    Revoked,
    /// A certificate of another mesh.
    WrongMesh,
    /// No certificate.
    NoCertificate,
    /// Not of the form that a mesh issues.
    BadProfile,
    /// Not the one who was dialled.
    WrongPeer,
    /// No common major version.
    WrongVersion,
    /// A signature by another key.
    BadSignature,
    /// Anything else, also a word of a newer version.
    #[serde(other)]
    Other,
}

impl RefusalReason {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::WrongCa,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::WrongMesh,
        Self::NoCertificate,
        Self::BadProfile,
        Self::WrongPeer,
        Self::WrongVersion,
        Self::BadSignature,
        Self::Other,
    ];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongCa => "wrong_ca",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::WrongMesh => "wrong_mesh",
            Self::NoCertificate => "no_certificate",
            Self::BadProfile => "bad_profile",
            Self::WrongPeer => "wrong_peer",
            Self::WrongVersion => "wrong_version",
            Self::BadSignature => "bad_signature",
            Self::Other => "other",
        }
    }

    /// What it means for the side that was refused, and what to do there.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::WrongCa => {
                "the other side trusts another CA: both need certificates of the same `ca.sh init`"
            }
            Self::Expired => {
                "the certificate has ended, or a clock is wrong: `ca.sh renew NAME`, or set the clock"
            }
            Self::NotYetValid => "the certificate is not valid yet: compare the clocks of the two machines",
            Self::Revoked => "this key is revoked: `ca.sh issue` a new one if it should come back",
            Self::WrongMesh => "the other side belongs to another mesh: check the address",
            Self::NoCertificate => "a certificate of the mesh's CA is needed: `ca.sh issue`",
            Self::BadProfile => "the certificate is not of the form that `ca.sh issue` makes: issue it again",
            Self::WrongPeer => "another machine answers at this address: check the address",
            Self::WrongVersion => "the two sides share no major version: upgrade the older one",
            Self::BadSignature => "key and certificate do not belong together: copy the bundle again",
            Self::Other => "the other side gave no reason that this version knows: its log has it",
        }
    }

    /// The kind behind the number of a TLS alert (a QUIC crypto error less 0x100).
    pub const fn from_alert(alert: u8) -> Self {
        match alert {
            44 => Self::Revoked,
            45 => Self::Expired,
            48 => Self::WrongCa,
            51 => Self::BadSignature,
            116 => Self::NoCertificate,
            70 | 120 => Self::WrongVersion,
            _ => Self::Other,
        }
    }

    /// What rustls says of itself, and alerts by their name in either spelling.
    fn from_library_text(word: &str) -> Option<Self> {
        let squeezed: String =
            word.chars().filter(|letter| *letter != '_').map(|letter| letter.to_ascii_lowercase()).collect();
        Some(match squeezed.as_str() {
            "peer sent no certificates" | "certificaterequired" => Self::NoCertificate,
            "peer doesn't support any known protocol" | "noapplicationprotocol" | "protocolversion" => {
                Self::WrongVersion
            }
            "unknownca" | "unknownissuer" => Self::WrongCa,
            "certificateexpired" | "certificate expired" => Self::Expired,
            "certificate not valid yet" => Self::NotYetValid,
            "certificaterevoked" => Self::Revoked,
            "badsignature" | "decrypterror" => Self::BadSignature,
            _ => return None,
        })
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text of somebody untrusted, fit for a log or a terminal: everything but printable ASCII is escaped,
/// and it is cut to [`TEXT_BYTES_MAX`].
pub fn clean_text(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
    let mut clean = String::with_capacity(head.len());
    for letter in String::from_utf8_lossy(head).chars() {
        let plain = letter == ' ' || letter.is_ascii_graphic();
        let escaped = if plain { letter.to_string() } else { letter.escape_default().to_string() };
        if clean.len() + escaped.len() > TEXT_BYTES_MAX {
            break;
        }
        clean.push_str(&escaped);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_gives_back_the_word_of_every_kind() {
        for reason in RefusalReason::ALL {
            let text = format!("invalid peer certificate: {reason}: whatever follows");
            assert_eq!(Refusal::from_close_text(&text), reason);
        }
        let refusal = Refusal::WrongCa { detail: "unknown issuer" };
        let carried = refusal.clone().into_tls().to_string();
        assert_eq!(Refusal::from_close_text(&carried), refusal.reason());
        assert_eq!(Refusal::close_sentence(&carried), refusal.to_string());
    }

    #[test]
    fn alerts_and_rustls_own_words_are_understood() {
        for (text, reason) in [
            ("peer sent no certificates", RefusalReason::NoCertificate),
            ("received fatal alert: CertificateRequired", RefusalReason::NoCertificate),
            ("certificate_required", RefusalReason::NoCertificate),
            ("unknown_ca", RefusalReason::WrongCa),
            ("peer doesn't support any known protocol", RefusalReason::WrongVersion),
            ("no_application_protocol", RefusalReason::WrongVersion),
            ("invalid peer certificate: BadSignature", RefusalReason::BadSignature),
            ("", RefusalReason::Other),
            ("revoked by aliens", RefusalReason::Other),
        ] {
            assert_eq!(Refusal::from_close_text(text), reason, "{text}");
        }
        assert_eq!(RefusalReason::from_alert(116), RefusalReason::NoCertificate);
    }

    #[test]
    fn words_are_the_ones_serde_writes() {
        for reason in RefusalReason::ALL {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
        }
        assert_eq!(serde_json::from_str::<RefusalReason>("\"newer\"").unwrap(), RefusalReason::Other);
    }

    #[test]
    fn foreign_text_is_cut_and_escaped() {
        assert_eq!(clean_text(b"a\x1b[2J\n"), "a\\u{1b}[2J\\n");
        assert_eq!(clean_text("\u{202e}x".as_bytes()), "\\u{202e}x");
        assert!(clean_text(&[b'\n'; 4_096]).len() <= TEXT_BYTES_MAX);
    }
}
