//! The definition of the configuration: every key, its variable, its default and its range.
//!
//! The comments below are the template's: `p2p-node config template` prints them. Ranges stand here, so that
//! a value out of range is told with its file and line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use p2p_shared::config::Secret;
use p2p_shared::id::NodeName;
use serde::Serialize;

use super::alerts::ReceiverSettings;
use super::http::{Network, PageOrigin};
use super::values::{Advertise, Host, HostPort, Labels, LogLevel, Port};

/// Configuration of p2p-node: /etc/p2p-admin/node.toml
///
/// Flags win over the environment, the environment over this file. Commented values are the defaults.
/// After a change: `p2p-node config check`, then `systemctl reload p2p-node`.
#[derive(Clone, Debug, Serialize, confique::Config)]
pub struct Settings {
    /// Name of this node. It stands in the certificate; give it here only to choose among several
    /// certificates, or to be told when the wrong one is installed.
    pub name: Option<NodeName>,

    /// Address to listen on, for the mesh and for HTTP both. Without it the mesh listens on every address
    /// (`::`, IPv4 too) and HTTP on 127.0.0.1 alone. On an address that others reach, HTTP is TLS with
    /// http.crt and http.key of the certificate directory.
    #[config(env = "NODE_HOST")]
    pub host: Option<Host>,

    /// Directory of ca.crt, node.crt and node.key. Without it: /etc/p2p-admin/pki, else certs/nodes/NAME,
    /// else the only node under certs/nodes.
    pub certs: Option<PathBuf>,

    /// Directory of everything that survives a restart. Without it: /var/lib/p2p-admin under systemd, else
    /// p2p-admin/NAME in the user's state directory.
    pub data: Option<PathBuf>,

    /// Nodes to join through, as "HOST:PORT". Any one that answers is enough; peers that are remembered
    /// from the last run are tried first. Without it: those of the file bootstrap in the certificate
    /// directory, which came with the bundle, one a line.
    #[config(env = "BOOTSTRAP_NODES", default = [])]
    pub bootstrap: Vec<HostPort>,

    /// Addresses that the mesh is told to reach this node at, as "IP" or "IP:PORT". Empty: those of the
    /// network interfaces, and the one that peers observe.
    #[config(default = [])]
    pub advertise: Vec<Advertise>,

    /// Labels that selectors such as `role=web` ask for, as { role = "web" }.
    #[config(env = "NODE_LABELS", default = {})]
    pub labels: Labels,

    /// Most open connections, 1 to 10000. It limits connections, not members of the mesh.
    #[config(env = "MAX_PEERS", default = 100)]
    #[config(validate(*max_peers >= 1 && *max_peers <= 10_000, "must be 1 to 10000"))]
    pub max_peers: u32,

    /// Most jobs that run at the same time, 1 to 64; the others wait in the queue.
    #[config(default = 4)]
    #[config(validate(*max_jobs >= 1 && *max_jobs <= 64, "must be 1 to 64"))]
    pub max_jobs: u32,

    /// After how many seconds of silence a peer is dropped from the routing table, 5 to 86400. It is shown
    /// as lost long before, and stays in the fleet as lost until it is forgotten.
    #[config(env = "PEER_TIMEOUT", default = 120)]
    #[config(validate(*peer_timeout_s >= 5 && *peer_timeout_s <= 86_400, "must be 5 to 86400 seconds"))]
    pub peer_timeout_s: u32,

    /// Whether this node refuses everything but reading once no other member has told it for an hour which
    /// keys are revoked: it could no longer tell a key that was thrown out. A site that is cut off cannot be
    /// managed then; neither can a node without any other member.
    #[config(default = false)]
    pub revocation_strict: bool,

    /// What is logged: error, warn, info, debug or trace.
    #[config(env = "LOG_LEVEL", default = "info")]
    pub log_level: LogLevel,

    /// The HTTP face.
    #[config(nested)]
    pub http: Http,

    /// The mesh.
    #[config(nested)]
    pub quic: Quic,

    /// Tokens of the HTTP face.
    #[config(nested)]
    pub auth: Auth,

    /// Metrics for Prometheus.
    #[config(nested)]
    pub metrics: Metrics,

    /// Alerts.
    #[config(nested)]
    pub alerts: Alerts,
}

/// The HTTP face.
#[derive(Clone, Debug, Serialize, confique::Config)]
pub struct Http {
    /// TCP port. 0 takes a free one; DATA/run.json tells which.
    #[config(env = "NODE_PORT", default = 8000)]
    pub port: Port,

    /// Reverse proxies that are believed about the address of their clients (X-Forwarded-For), each an
    /// address or a network as "10.0.0.0/8". Of anybody else that header counts for nothing.
    #[config(default = [])]
    pub trusted_proxies: Vec<Network>,

    /// Origins of web pages that may speak with this node from a browser (CORS, WebSocket), as
    /// "https://admin.example.org". Its own pages always may.
    #[config(default = [])]
    pub cors_origins: Vec<PageOrigin>,

    /// Most requests of one caller in a second, 1 to 1000000; twice as many at once. Beyond: 429.
    #[config(default = 1000)]
    #[config(validate(*rate_max >= 1 && *rate_max <= 1_000_000, "must be 1 to 1000000"))]
    pub rate_max: u32,

    /// Most requests of one caller at the same time, 1 to 4096. WebSockets do not count. Beyond: 429. A change
    /// of this and the three before it takes effect at the next start.
    #[config(default = 128)]
    #[config(validate(*concurrency_max >= 1 && *concurrency_max <= 4_096, "must be 1 to 4096"))]
    pub concurrency_max: u32,
}

/// The mesh.
#[derive(Clone, Debug, Serialize, confique::Config)]
pub struct Quic {
    /// UDP port. 0 takes a free one; DATA/run.json tells which.
    #[config(env = "DHT_PORT", default = 5678)]
    pub port: Port,
}

/// Tokens of the HTTP face.
#[derive(Clone, Debug, Serialize, confique::Config)]
pub struct Auth {
    /// Secret that the key of access tokens is derived from, at least 32 bytes. Without any secret one is
    /// made at the first start and kept. Better kept in a file of its own, see secret_file; a secret in
    /// this file is refused unless the file is readable by its owner alone.
    #[config(env = "AUTH_SECRET")]
    pub secret: Option<Secret>,

    /// File that holds the secret. A systemd credential named auth-secret goes before it.
    #[config(env = "AUTH_SECRET_FILE")]
    pub secret_file: Option<PathBuf>,

    /// Life of access tokens in minutes, 1 to 10080.
    #[config(env = "TOKEN_EXPIRE_MINUTES", default = 60)]
    #[config(validate(*token_expire_minutes >= 1 && *token_expire_minutes <= 10_080, "must be 1 to 10080 minutes"))]
    pub token_expire_minutes: u32,
}

/// Metrics for Prometheus.
#[derive(Clone, Debug, Serialize, confique::Config)]
pub struct Metrics {
    /// Whether GET /metrics answers.
    #[config(env = "METRICS_ENABLED", default = true)]
    pub enabled: bool,
}

/// Alerts.
#[derive(Clone, Debug, Serialize, confique::Config)]
pub struct Alerts {
    /// File of rules; a relative path begins where this file lies. Its rules go before those that were applied
    /// by call, and both before those that are built in, rule by rule by their names. `p2p-tui alerts rules`
    /// shows what is in force. Read again on a reload.
    pub rules: Option<PathBuf>,

    /// Who is told of alerts, each in a section [[alerts.receivers]] of its own:
    ///
    ///   name = "ops"                                    # a-z, 0-9 and hyphens
    ///   url = "https://hooks.example.org/p2p"           # or command = ["/usr/local/bin/tell", "ops"]
    ///   secret_file = "/etc/p2p-admin/secrets/ops"      # signs as Standard Webhooks; readable by its owner alone
    ///   matchers = ["severity=critical", "alertname!~Test.*"]   # all of them; without any, every alert
    ///   group_by = ["alertname"]                        # what agrees in these labels is one message
    ///   allow_private = false                           # whether url may lead into this machine or a private network
    ///   ca_file = "/etc/p2p-admin/pki/hooks-ca.crt"     # instead of the system's certificates
    ///
    /// The body is Alertmanager's, version 4. A command gets it on its standard input. A change takes effect
    /// at the next start.
    #[config(default = [])]
    pub receivers: Vec<ReceiverSettings>,
}

impl Settings {
    /// Where the mesh listens.
    pub fn quic_host(&self) -> IpAddr {
        self.host.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), Host::address)
    }

    /// Where HTTP listens.
    pub fn http_host(&self) -> IpAddr {
        self.host.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), Host::address)
    }
}
