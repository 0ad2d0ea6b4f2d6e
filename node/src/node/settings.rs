//! What a node is started with, and why it may not start.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::error::Exit;
use p2p_shared::services::node::Label;
use p2p_shared::tls::Credentials;

use crate::alerts::handle::ConfiguredRules;
use crate::alerts::notify::receiver::Receiver;
use crate::auth::AuthError;
use crate::host::error::HostError;
use crate::host::files::reserved::{Own, Reserved};
use crate::host::machine;
use crate::policy::Policy;
use crate::store::StoreError;
use crate::supervise::driver::SuperviseError;
use crate::transport::Transport;

/// Most addresses that a node says of itself.
const ADDRESSES_MAX: usize = 8;

/// Everything that a node must be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its certificate, its key and the CA.
    pub credentials: Arc<Credentials>,
    /// Where the mesh reaches it; port 0 takes any.
    pub listen: SocketAddr,
    /// Where its database lies.
    pub data: PathBuf,
    /// What else of the node's own no call may touch.
    pub own: Own,
    /// The list of revoked keys that lay beside the certificate.
    pub revoked: Option<Vec<u8>>,
    /// `HOST:PORT` of nodes through which it joins.
    pub bootstrap: Vec<String>,
    /// What it says where it is reached; empty to find out.
    pub advertise: Vec<SocketAddr>,
    /// Labels of the configuration.
    pub labels: Vec<Label>,
    /// Most connections with other nodes.
    pub peers_max: usize,
    /// Most jobs at a time.
    pub jobs_max: usize,
    /// A peer silent for so long leaves the routing table.
    pub peer_timeout: Duration,
    /// Whether calls are refused once nobody tells any more which keys are revoked.
    pub revocation_strict: bool,
    /// What anybody may do here at most.
    pub policy: Policy,
    /// The alert rules of the configuration.
    pub alert_rules: Option<ConfiguredRules>,
    /// The certificate of the HTTP face, if it serves TLS.
    pub http_certificate: Option<PathBuf>,
    /// Where the HTTP face listens, if others may come to it.
    pub http: Option<SocketAddr>,
    /// Who is told of alerts.
    pub receivers: Vec<Receiver>,
}

impl Settings {
    /// What no call may touch.
    pub(super) fn reserved(&self) -> Arc<Reserved> {
        Arc::new(Reserved::of_node(&self.data, &self.own))
    }

    /// Where this node says that it is reached: as told, else the address it is bound to, else those of its
    /// interfaces and those at which peers see it.
    ///
    /// # Errors
    /// If the system does not say where the socket is bound.
    pub(super) fn addresses(&self, transport: &Transport) -> Result<Vec<SocketAddr>, StartError> {
        if !self.advertise.is_empty() {
            return Ok(self.advertise.clone());
        }
        let bound =
            transport.local_address().map_err(|source| StartError::Bind { address: self.listen, source })?;
        if !bound.ip().is_unspecified() {
            return Ok(vec![bound]);
        }
        let fits = |address: &IpAddr| bound.is_ipv6() || address.is_ipv4();
        let own = machine::addresses().into_iter().filter(fits);
        let mut addresses: Vec<SocketAddr> = own.map(|address| (address, bound.port()).into()).collect();
        for observed in transport.observed() {
            if !addresses.contains(&observed) && !observed.ip().is_loopback() {
                addresses.push(observed);
            }
        }
        addresses.truncate(ADDRESSES_MAX);
        Ok(addresses)
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address is not there, or taken.
    #[error("cannot listen on UDP {address}: {source}; {}", advice(source))]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The host cannot be looked at.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The own facts could not be signed; the log says why.
    #[error("cannot sign what this node says of itself; the log says why")]
    Sign,
    /// Callers of the HTTP face cannot be told apart.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A task of the start failed.
    #[error("the start was broken off: {0}")]
    Task(String),
}

impl From<SuperviseError> for StartError {
    fn from(error: SuperviseError) -> Self {
        match error {
            SuperviseError::Store(error) => error.into(),
            SuperviseError::Host(error) => error.into(),
        }
    }
}

impl StartError {
    /// How the program exits.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Bind { .. } => Exit::Unavailable,
            Self::Auth(AuthError::Store(error)) => error.exit(),
            Self::Auth(AuthError::Key(_)) | Self::Host(_) | Self::Sign | Self::Task(_) => Exit::Internal,
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program has this port: stop it, or set --dht-port",
        io::ErrorKind::AddrNotAvailable => "no interface has this address: set --host, or bring it up",
        io::ErrorKind::PermissionDenied => "ports below 1024 need rights: set --dht-port",
        _ => "check --host and --dht-port",
    }
}
