//! How looking at the network, or probing it, can fail.

use std::io;
use std::net::IpAddr;

use p2p_shared::error::{Code, RpcError};
use rustix::io::Errno;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The kernel does not tell its tables.
    #[error("cannot read the kernel's {what}: {source}")]
    Tables {
        /// Which.
        what: &'static str,
        /// What it said.
        source: Errno,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The resolver knows no address of it.
    #[error("{name:?}: no address is known: {reason}")]
    UnknownName {
        /// What was asked for.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// The resolver said nothing in time.
    #[error("{name:?}: this node's resolver did not answer within {seconds} s")]
    ResolverSilent {
        /// What was asked for.
        name: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// Ping needs one of two rights.
    #[error(
        "denied: operating system: ping needs CAP_NET_RAW, or this node's group within \
         net.ipv4.ping_group_range (sysctl); scan and trace need neither"
    )]
    PingForbidden,
    /// A socket could not be had.
    #[error("cannot probe {address}: {source}")]
    Probe {
        /// Whom.
        address: IpAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

impl NetworkError {
    const fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::BadRequest,
            Self::UnknownName { .. } => Code::NotFound,
            Self::ResolverSilent { .. } => Code::Deadline,
            Self::PingForbidden => Code::Forbidden,
            Self::Tables { .. } | Self::Probe { .. } => Code::Unavailable,
        }
    }
}

impl From<NetworkError> for RpcError {
    fn from(error: NetworkError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
