//! The node as its program runs it: the mesh and the HTTP face, out of one configuration.
//!
//! A [`Config`] enters; a running node with both faces leaves. The order of the start is the order in which
//! things can be wrong: certificate, HTTP address, then the mesh.

use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::config::Secret;
use p2p_shared::error::Exit;
use p2p_shared::services::node::{Label, MemberState, NodeInfo, NodeStats};
use p2p_shared::tls::{Credentials, REVOKED_BYTES_MAX, REVOKED_FILE};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::clock;
use crate::config::Config;
use crate::host::Roots;
use crate::host::abilities::{self, Rights};
use crate::http::{
    self, Face, FaceCertificates, Hosts, Limits, Measured, Origins, Parts, Proxies, Rules, Status,
};
use crate::node::{self, Node, Settings};
use crate::policy::Policy;
use crate::portrait::Portrait;
use crate::program::{Listening, RunningNode, Runtimes, Start, StartError};

/// How long open HTTP requests may go on while the node drains.
const HTTP_DRAIN: Duration = Duration::from_secs(2);

/// Starts the real node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Daemon;

/// Both faces.
#[derive(Debug)]
pub struct Running {
    node: Node,
    face: Face,
    listening: Listening,
    tasks: TaskTracker,
    main: Handle,
}

impl Start for Daemon {
    type Node = Running;

    async fn start(self, config: Config, runtimes: Runtimes) -> Result<Running, StartError> {
        let credentials = Credentials::load_node(&config.certs, clock::wall())
            .map_err(|error| StartError::new(error.exit(), format!("certificate: {error}")))?;
        check_name(&config, &credentials)?;
        let certs = FaceCertificates { directory: config.certs.clone(), trust: Some(credentials.trust()) };
        let listener = http::bind(config.http_address, certs, Limits::default())?;
        let settings = settings(&config, credentials, listener.address());
        let node = Node::start(settings, runtimes.clone()).await?;
        let portrait = node.portrait();
        // Set once: the only start of this portrait is this one.
        let _ = portrait.http.set(listener.address());
        let secret = config.auth_secret.as_ref().map(Secret::expose);
        let rules = rules(&node, &config);
        let parts = node.http_parts(secret, config.token_lifetime, config.callers, &runtimes.mesh)?;
        let measured =
            config.metrics_enabled.then(|| Measured { sources: node.measured(), door: listener.door() });
        let parts = Parts { origins: rules.origins.clone(), measured, ..parts };
        abilities::log(&Rights::own(&Roots::default()));
        let listening = Listening {
            name: node.name().clone(),
            quic_address: node
                .address()
                .map_err(|error| StartError::new(Exit::Unavailable, format!("QUIC: {error}")))?,
            http_address: Some(listener.address()),
        };
        let tasks = TaskTracker::new();
        let status = Arc::new(PortraitStatus(portrait));
        let entrance = http::router(status, rules, parts);
        let face = listener.serve(entrance, &tasks, &runtimes)?;
        Ok(Running { node, face, listening, tasks, main: runtimes.main })
    }
}

fn check_name(config: &Config, credentials: &Credentials) -> Result<(), StartError> {
    let certified = &credentials.identity().name;
    if *certified == config.name {
        return Ok(());
    }
    let (name, certs) = (&config.name, config.certs.display());
    let message = format!(
        "certificate: {certs}: it is the one of {certified}, and this node is to be {name}: set --certs or --name"
    );
    Err(StartError::new(Exit::Config, message))
}

fn settings(config: &Config, credentials: Credentials, http: SocketAddr) -> Settings {
    let on_network = !http.ip().to_canonical().is_loopback();
    let port = config.quic_address.port();
    Settings {
        credentials: Arc::new(credentials),
        listen: config.quic_address,
        data: config.data.clone(),
        own: config.own.clone(),
        revoked: revoked(&config.certs.join(REVOKED_FILE)),
        bootstrap: config.bootstrap.iter().map(ToString::to_string).collect(),
        advertise: config.advertise.iter().map(|address| address.with_port(port)).collect(),
        labels: config.labels.clone(),
        peers_max: config.max_peers as usize,
        jobs_max: config.max_jobs as usize,
        peer_timeout: config.peer_timeout,
        revocation_strict: config.revocation_strict,
        policy: config.policy.clone(),
        alert_rules: config.alert_rules.clone(),
        http_certificate: on_network.then(|| config.certs.join("http.crt")),
        http: on_network.then_some(http),
        receivers: config.receivers.clone(),
    }
}

/// The list of revoked keys that a bundle brought; the node judges it.
fn revoked(file: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let read =
        File::open(file).and_then(|open| open.take(REVOKED_BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the revocation list of the bundle is not read");
            None
        }
    }
}

/// What holds for every request.
fn rules(node: &Node, config: &Config) -> Rules {
    Rules {
        hosts: hosts(node, config),
        proxies: Proxies::new(config.trusted_proxies.clone()),
        origins: Origins::new(config.cors_origins.iter().map(ToString::to_string)),
    }
}

/// Names under which browsers and scripts may ask for this node.
fn hosts(node: &Node, config: &Config) -> Hosts {
    let info = node.portrait().info();
    let addresses: Vec<SocketAddr> = info.addresses;
    let names = [config.name.to_string(), info.hostname];
    Hosts::new(names, addresses.into_iter().map(|address| address.ip()))
}

impl RunningNode for Running {
    fn listening(&self) -> Listening {
        self.listening.clone()
    }

    fn reload(&self, config: Config) -> Result<(), String> {
        // First, whatever becomes of the rest: it may be there to stop somebody.
        self.restrict(config.policy);
        self.node.portrait().revocations.set_strict(config.revocation_strict);
        self.face.reload().map_err(|error| error.to_string())?;
        let (labels, membership) = (self.node.label_keeper(), self.node.membership().clone());
        let configured: Vec<Label> = config.labels;
        let (alerts, rules, receivers) = (self.node.alerts(), config.alert_rules, config.receivers);
        self.tasks.spawn_on(async move { alerts.configure(rules, receivers).await }, &self.main);
        let (jobs, jobs_max) = (self.node.jobs(), config.max_jobs as usize);
        self.tasks.spawn_on(async move { jobs.limit(jobs_max).await }, &self.main);
        self.tasks.spawn_on(
            async move { membership.set_labels(labels.configure(configured).await).await },
            &self.main,
        );
        Ok(())
    }

    fn restrict(&self, policy: Policy) {
        if self.node.fuse().replace(policy) {
            tracing::warn!("another local policy is in force");
        }
    }

    fn status(&self) -> String {
        if self.node.portrait().revocations.own_revoked().is_some() {
            return "REVOKED: every member refuses the key of this node".to_owned();
        }
        let members = self.node.membership().members();
        let alive = members.iter().filter(|member| member.state == MemberState::Alive).count();
        format!("{alive} of {} members alive", members.len())
    }

    fn alive(&self) -> bool {
        self.node.is_serving()
    }

    async fn shutdown(self) {
        self.face.shut_down(HTTP_DRAIN);
        self.node.shutdown().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What the plain endpoints tell.
struct PortraitStatus(Arc<Portrait>);

impl Status for PortraitStatus {
    fn info(&self) -> NodeInfo {
        self.0.info()
    }

    fn stats(&self) -> NodeStats {
        self.0.stats()
    }

    fn checks(&self) -> Vec<(&'static str, Result<(), String>)> {
        vec![
            ("certificate", self.certificate()),
            ("membership", self.membership()),
            ("revocation", self.revocation()),
        ]
    }
}

impl PortraitStatus {
    fn certificate(&self) -> Result<(), String> {
        let ends = self.0.identity.not_after;
        if clock::wall() < ends { Ok(()) } else { Err("the certificate has ended: `ca.sh renew`".into()) }
    }

    fn revocation(&self) -> Result<(), String> {
        match self.0.revocations.own_revoked() {
            None => Ok(()),
            Some(key) => {
                Err(format!("the key of this node is revoked ({}): `ca.sh issue` a new one", key.reason))
            }
        }
    }

    fn membership(&self) -> Result<(), String> {
        let own = self.0.id();
        let listed = self.0.membership.members().iter().any(|member| member.id == own);
        if listed { Ok(()) } else { Err("this node is not in its own directory".into()) }
    }
}

impl From<node::StartError> for StartError {
    fn from(error: node::StartError) -> Self {
        Self::new(error.exit(), error)
    }
}
