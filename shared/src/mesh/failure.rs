//! Why a connection is not there, in our own words.
//!
//! What quinn reports enters; a [`LinkError`] that says who refused whom and why leaves. A TLS 1.3 client
//! believes itself connected before the server has judged it, so the reason is always read from the close.

use std::fmt;
use std::net::SocketAddr;

use quinn::{ConnectError, ConnectionError, VarInt};

use crate::error::RpcError;
use crate::tls::{Refusal, RefusalReason, clean_text};

/// Why one side closes a connection on purpose: the code of an application close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// Nothing more to say.
    Done,
    /// The hello showed that the two do not fit; the text says why.
    Refused,
    /// A newer connection of the same pair took its place.
    Replaced,
    /// The node shuts down in good order.
    Leaving,
    /// The peer broke the protocol.
    Protocol,
    /// A limit on connections was passed.
    Limit,
    /// The peer's key was revoked.
    Revoked,
    /// The address led a node back to itself.
    Oneself,
    /// Nothing was heard for too long.
    Silent,
}

impl CloseCode {
    const ALL: [Self; 9] = [
        Self::Done,
        Self::Refused,
        Self::Replaced,
        Self::Leaving,
        Self::Protocol,
        Self::Limit,
        Self::Revoked,
        Self::Oneself,
        Self::Silent,
    ];

    /// The number on the wire.
    pub const fn to_wire(self) -> VarInt {
        VarInt::from_u32(match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Replaced => 2,
            Self::Leaving => 3,
            Self::Protocol => 4,
            Self::Limit => 5,
            Self::Revoked => 6,
            Self::Oneself => 7,
            Self::Silent => 8,
        })
    }

    /// The code of a number; `None` for one of a newer version.
    pub fn from_wire(number: VarInt) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.to_wire() == number)
    }
}

/// Which side refused the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusedBy {
    /// This process did not accept the peer.
    Us,
    /// The peer did not accept this process.
    Peer,
}

/// Why there is no connection, or no longer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// One side did not accept the other; trying again changes nothing.
    Refused {
        /// Who refused.
        by: RefusedBy,
        /// The stable word.
        reason: RefusalReason,
        /// The sentence of the side that refused, escaped.
        detail: String,
    },
    /// One side closed it on purpose.
    Closed {
        /// Why; `None` for a code of a newer version.
        code: Option<CloseCode>,
        /// What it said, escaped.
        detail: String,
    },
    /// No answer, or none any more.
    TimedOut,
    /// The peer lost its state: it was restarted.
    Reset,
    /// This process closed it.
    Local,
    /// It could not even be tried, or the peer broke QUIC.
    Failed(String),
}

impl LinkError {
    /// A refusal by this process.
    pub fn refused(refusal: &Refusal) -> Self {
        Self::Refused { by: RefusedBy::Us, reason: refusal.reason(), detail: refusal.to_string() }
    }

    /// Whether the address led back to this very node, whichever end of the connection said so first.
    pub const fn is_oneself(&self) -> bool {
        matches!(self, Self::Closed { code: Some(CloseCode::Oneself), .. })
    }

    /// The refusal's word, if it is one.
    pub const fn refusal(&self) -> Option<RefusalReason> {
        match self {
            Self::Refused { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { by: RefusedBy::Us, detail, .. } => write!(f, "refused here: {detail}"),
            Self::Refused { by: RefusedBy::Peer, reason, detail } => {
                write!(f, "refused by the other side: {detail}; {}", reason.advice())
            }
            Self::Closed { code: Some(CloseCode::Leaving), .. } => f.write_str("the node is shutting down"),
            Self::Closed { code: Some(CloseCode::Replaced), .. } => {
                f.write_str("a newer connection took the place of this one")
            }
            Self::Closed { code: Some(CloseCode::Oneself), .. } => {
                f.write_str("this address leads back to this node")
            }
            Self::Closed { code: Some(CloseCode::Silent), .. } => {
                f.write_str("the other side heard nothing for too long")
            }
            Self::Closed { detail, .. } if detail.is_empty() => f.write_str("closed by the other side"),
            Self::Closed { detail, .. } => write!(f, "closed by the other side: {detail}"),
            Self::TimedOut => f.write_str("no answer: the machine, its network or a firewall is silent"),
            Self::Reset => f.write_str("the node was restarted"),
            Self::Local => f.write_str("closed here"),
            Self::Failed(detail) => f.write_str(detail),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<ConnectionError> for LinkError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::TransportError(error) => {
                from_crypto(RefusedBy::Us, error.code.into(), error.reason.as_bytes())
                    .unwrap_or_else(|| Self::Failed(clean_text(error.to_string().as_bytes())))
            }
            ConnectionError::ConnectionClosed(close) => {
                from_crypto(RefusedBy::Peer, close.error_code.into(), &close.reason)
                    .unwrap_or_else(|| from_transport_close(&close))
            }
            ConnectionError::ApplicationClosed(close) => {
                from_application(CloseCode::from_wire(close.error_code), &close.reason)
            }
            ConnectionError::VersionMismatch => Self::Refused {
                by: RefusedBy::Peer,
                reason: RefusalReason::WrongVersion,
                detail: "no common version of QUIC".into(),
            },
            ConnectionError::Reset => Self::Reset,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::LocallyClosed => Self::Local,
            ConnectionError::CidsExhausted => Self::Failed("out of connection ids".into()),
        }
    }
}

impl From<ConnectError> for LinkError {
    fn from(error: ConnectError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// QUIC's CONNECTION_REFUSED (RFC 9000, section 20.1): quinn's answer when it is over its limits.
const CONNECTION_REFUSED: u64 = 0x2;

fn from_transport_close(close: &quinn::ConnectionClose) -> LinkError {
    if u64::from(close.error_code) == CONNECTION_REFUSED {
        return LinkError::Closed {
            code: Some(CloseCode::Limit),
            detail: "the node takes no more connections now".into(),
        };
    }
    LinkError::Failed(clean_text(close.to_string().as_bytes()))
}

/// Errors of the TLS handshake are the codes 0x100 to 0x1ff (RFC 9001, section 4.8).
fn from_crypto(by: RefusedBy, code: u64, text: &[u8]) -> Option<LinkError> {
    let alert = u8::try_from(code.checked_sub(0x100)?).ok()?;
    let text = String::from_utf8_lossy(text);
    let reason = match Refusal::from_close_text(&text) {
        RefusalReason::Other => RefusalReason::from_alert(alert),
        reason => reason,
    };
    let detail = Refusal::close_sentence(&text);
    Some(LinkError::Refused { by, reason, detail })
}

fn from_application(code: Option<CloseCode>, text: &[u8]) -> LinkError {
    let detail = clean_text(text);
    match code {
        Some(CloseCode::Refused) => {
            LinkError::Refused { by: RefusedBy::Peer, reason: Refusal::from_close_text(&detail), detail }
        }
        Some(CloseCode::Revoked) => {
            LinkError::Refused { by: RefusedBy::Peer, reason: RefusalReason::Revoked, detail }
        }
        code => LinkError::Closed { code, detail },
    }
}

/// A failed attempt at one address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address}: {error}")]
pub struct DialFailure {
    /// Which address.
    pub address: SocketAddr,
    /// What happened there.
    pub error: LinkError,
}

/// No address of a peer led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialError {
    /// Whom the caller meant, as it names it.
    pub target: String,
    /// What happened at each address that was tried; none if no address is known.
    pub failures: Vec<DialFailure>,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failures.is_empty() {
            return write!(f, "cannot connect to {}: no address of it is known", self.target);
        }
        write!(f, "cannot connect to {}", self.target)?;
        for (index, failure) in self.failures.iter().enumerate() {
            write!(f, "{} {failure}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for DialError {}

impl From<DialError> for RpcError {
    fn from(error: DialError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<LinkError> for RpcError {
    fn from(error: LinkError) -> Self {
        Self::unavailable(error.to_string())
    }
}
