//! What a node is told: read from four sources, checked, and typed, before anything starts.
//!
//! Flags, variables and files enter in [`load`]; a [`Config`] leaves, or every problem at once, each with its
//! file, line and key. It opens no socket and writes nothing, and never prints a secret.

mod alerts;
mod bootstrap;
pub mod http;
pub mod paths;
mod secret;
mod settings;
pub mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use p2p_shared::config::{self as layers, Document, Flag, Origin, Problem, Secret, Sources};
use p2p_shared::id::NodeName;
use p2p_shared::services::node::Label;

use crate::alerts::handle::ConfiguredRules;
use crate::alerts::notify::receiver::Receiver;
use crate::host::files::reserved::Own;
use crate::http::CallerLimits;
use crate::policy::Policy;
use http::{Network, PageOrigin};
use paths::Facts;
pub use settings::Settings;
use values::{Advertise, HostPort, LogLevel};

/// A configuration that a node can start with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of this node; it agrees with the certificate.
    pub name: NodeName,
    /// Where the mesh listens (UDP).
    pub quic_address: SocketAddr,
    /// Where the HTTP face listens (TCP); over TLS unless it is a loopback address.
    pub http_address: SocketAddr,
    /// Nodes to join through.
    pub bootstrap: Vec<HostPort>,
    /// Addresses to tell the mesh; none: those of the interfaces, and what peers observe.
    pub advertise: Vec<Advertise>,
    /// Directory of certificate and key.
    pub certs: PathBuf,
    /// Directory of everything that survives a restart.
    pub data: PathBuf,
    /// Keys and configuration that no call may touch.
    pub own: Own,
    /// Most open connections.
    pub max_peers: u32,
    /// Most jobs at a time.
    pub max_jobs: u32,
    /// When a silent peer is dropped from the routing table.
    pub peer_timeout: Duration,
    /// Whether calls are refused once nobody tells any more which keys are revoked.
    pub revocation_strict: bool,
    /// Whether `/metrics` is served.
    pub metrics_enabled: bool,
    /// Proxies that are believed about who asks.
    pub trusted_proxies: Vec<Network>,
    /// Pages of other origins that may speak with this node.
    pub cors_origins: Vec<PageOrigin>,
    /// How much one caller of the HTTP face may ask.
    pub callers: CallerLimits,
    /// What is logged.
    pub log_level: LogLevel,
    /// Labels from the configuration.
    pub labels: Vec<Label>,
    /// The local fuse, from `policy.toml`.
    pub policy: Policy,
    /// The alert rules of the file that `alerts.rules` names.
    pub alert_rules: Option<ConfiguredRules>,
    /// Life of access tokens.
    pub token_lifetime: Duration,
    /// Who is told of alerts.
    pub receivers: Vec<Receiver>,
    /// Secret that token keys are derived from; `None`: one is made once.
    pub auth_secret: Option<Secret>,
}

/// What the command line says: where to read, and what overrides it all.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--env-file`.
    pub env_file: Option<PathBuf>,
    /// Every other flag of `run`.
    pub flags: Vec<Flag>,
}

/// What was read, and what it comes to.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// For the node, or every reason why it cannot start with it.
    pub config: Result<Config, Vec<Problem>>,
    settings: layers::Loaded<Settings>,
}

/// One key for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key, with its section.
    pub key: String,
    /// The value as TOML; `None` if it is not set.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: String,
}

/// Looks up a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads and checks everything. On failure: every problem that was found.
pub fn load(given: &Given, facts: &Facts, env: Environment<'_>) -> Result<Config, Vec<Problem>> {
    inspect(given, facts, env)?.config
}

/// Reads everything, and keeps what was read when only the checks across keys fail.
pub fn inspect(given: &Given, facts: &Facts, env: Environment<'_>) -> Result<Inspected, Vec<Problem>> {
    let file = file(given, facts).map_err(|problem| vec![problem])?;
    let dotenv = dotenv(given, facts).map_err(|problem| vec![problem])?;
    let sources = Sources { flags: &given.flags, env, dotenv: dotenv.as_ref(), file: file.as_ref() };
    let settings = layers::load::<Settings>(&sources)?;
    let mut problems = Vec::new();
    let config = match check(&settings, facts, file.as_ref(), &mut problems) {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    };
    Ok(Inspected { config, settings })
}

/// The commented file that shows every key with its default.
pub fn template() -> String {
    confique::toml::template::<Settings>(confique::toml::FormatOptions::default())
}

impl Inspected {
    /// Every key with its value as TOML and the place it comes from; secrets are masked.
    pub fn rows(&self) -> Result<Vec<Row>, toml::ser::Error> {
        let mut shown = self.settings.settings.clone();
        if let Ok(config) = &self.config {
            shown.name = Some(config.name.clone());
            shown.certs = Some(config.certs.clone());
            shown.data = Some(config.data.clone());
            shown.bootstrap.clone_from(&config.bootstrap);
        }
        let table = toml::Value::try_from(&shown)?;
        let row = |key: String| {
            let value = key.split('.').try_fold(&table, |value, part| value.get(part));
            let text = value.map(ToString::to_string);
            let origin = match self.settings.origin(&key) {
                Origin::Default if key == "name" && self.config.is_ok() => "certificate".to_owned(),
                Origin::Default if key == "bootstrap" => self.bootstrap_origin(),
                origin => origin.to_string(),
            };
            Row { key, value: text, origin }
        };
        Ok(layers::keys::<Settings>().into_iter().map(row).collect())
    }

    /// Where the addresses come from when no source of the configuration has any.
    fn bootstrap_origin(&self) -> String {
        match &self.config {
            Ok(config) if !config.bootstrap.is_empty() => {
                bootstrap::file(&config.certs).display().to_string()
            }
            _ => Origin::Default.to_string(),
        }
    }
}

fn file(given: &Given, facts: &Facts) -> Result<Option<Document>, Problem> {
    let Some(path) = &given.config else {
        return Document::read(&facts.config_file(), facts.uid);
    };
    match Document::read(path, facts.uid)? {
        Some(document) => Ok(Some(document)),
        None => Err(Problem::new(path.display(), "no such file: `p2p-node config template` writes one")),
    }
}

fn dotenv(given: &Given, facts: &Facts) -> Result<Option<Document>, Problem> {
    match &given.env_file {
        Some(path) => match Document::read(path, facts.uid)? {
            Some(document) => Ok(Some(document)),
            None => Err(Problem::new(path.display(), "no such file: see --env-file")),
        },
        None if facts.systemd => Ok(None),
        None => Document::read(&facts.cwd.join(".env"), facts.uid),
    }
}

/// What no single value can tell. `None` means that `problems` says why.
fn check(
    loaded: &layers::Loaded<Settings>,
    facts: &Facts,
    file: Option<&Document>,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let settings = &loaded.settings;
    let at = |key: &'static str| move |message: String| Problem::new(loaded.origin(key), message).at(key);
    if settings.http.port == settings.quic.port && settings.quic.port.number() != 0 {
        let message =
            format!("is {} like quic.port: give the two different ports", settings.http.port.number());
        problems.push(at("http.port")(message));
    }
    let auth_secret = secret::resolve(loaded, facts, file).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    });
    let identity = paths::identity(facts, settings.certs.as_deref(), settings.name.as_ref());
    let (certs, name) = match identity {
        Ok(found) => found,
        Err(message) => {
            problems.push(at(if settings.name.is_some() { "name" } else { "certs" })(message));
            return None;
        }
    };
    let mut config = assemble(settings, facts, (certs, name, auth_secret));
    config.own = own(&config.certs, settings, facts, file);
    if loaded.origin("bootstrap") == Origin::Default {
        match bootstrap::read(&config.certs) {
            Ok(bundled) => config.bootstrap = bundled,
            Err(problem) => problems.push(problem.at("bootstrap")),
        }
    }
    if !config.http_address.ip().to_canonical().is_loopback() {
        let missing = ["http.crt", "http.key"].into_iter().find(|file| !config.certs.join(file).is_file());
        let place = |file| config.certs.join(file).display().to_string();
        problems.extend(missing.map(|file| {
            let message = format!(
                "HTTP on {} needs TLS, and {} is missing: issue the node's certificates again, or listen on 127.0.0.1",
                config.http_address.ip(),
                place(file)
            );
            at("host")(message)
        }));
    }
    problems.extend(check_data(&config).map(at("data")));
    match alert_rules(settings.alerts.rules.as_deref(), facts, file) {
        Ok(rules) => config.alert_rules = rules,
        Err(problem) => problems.push(at("alerts.rules")(problem.to_string())),
    }
    match alerts::receivers(&settings.alerts.receivers, facts, at("alerts.receivers")) {
        Ok(receivers) => config.receivers = receivers,
        Err(wrong) => problems.extend(wrong),
    }
    // Beside the system's node.toml, also when --config names another: a flag is no way around the fuse.
    match Policy::read(&facts.etc) {
        Ok(policy) => config.policy = policy,
        Err(broken) => problems.extend(broken),
    }
    Some(config)
}

fn assemble(settings: &Settings, facts: &Facts, identity: (PathBuf, NodeName, Option<Secret>)) -> Config {
    let (certs, name, auth_secret) = identity;
    let data = facts.data_dir(settings.data.as_deref(), &name);
    Config {
        quic_address: SocketAddr::new(settings.quic_host(), settings.quic.port.number()),
        http_address: SocketAddr::new(settings.http_host(), settings.http.port.number()),
        bootstrap: settings.bootstrap.clone(),
        advertise: settings.advertise.clone(),
        max_peers: settings.max_peers,
        max_jobs: settings.max_jobs,
        peer_timeout: Duration::from_secs(settings.peer_timeout_s.into()),
        revocation_strict: settings.revocation_strict,
        metrics_enabled: settings.metrics.enabled,
        trusted_proxies: settings.http.trusted_proxies.clone(),
        cors_origins: settings.http.cors_origins.clone(),
        callers: CallerLimits {
            rate_max: settings.http.rate_max,
            concurrency_max: settings.http.concurrency_max,
        },
        log_level: settings.log_level,
        labels: settings.labels.to_labels(),
        policy: Policy::default(),
        own: Own::default(),
        alert_rules: None,
        receivers: Vec::new(),
        token_lifetime: Duration::from_secs(u64::from(settings.auth.token_expire_minutes) * 60),
        name,
        certs,
        data,
        auth_secret,
    }
}

/// Where the keys and the files of this configuration lie.
fn own(certs: &Path, settings: &Settings, facts: &Facts, file: Option<&Document>) -> Own {
    let receivers = settings.alerts.receivers.iter().filter_map(alerts::ReceiverSettings::secret_file);
    let secrets = settings.auth.secret_file.as_deref().into_iter().chain(receivers).chain([certs]);
    let file = file.map_or_else(|| facts.config_file(), |file| facts.cwd.join(file.path()));
    let rules = settings.alerts.rules.as_deref().map(|rules| file.with_file_name("").join(rules));
    Own {
        secret: secrets.map(|path| facts.cwd.join(path)).chain(facts.credentials.clone()).collect(),
        fixed: [file].into_iter().chain(rules).collect(),
    }
}

/// The file of alert rules. What it says is judged rule by rule by who evaluates it.
fn alert_rules(
    path: Option<&Path>,
    facts: &Facts,
    file: Option<&Document>,
) -> Result<Option<ConfiguredRules>, Problem> {
    let Some(path) = path else { return Ok(None) };
    let base = file.and_then(|file| file.path().parent()).unwrap_or(&facts.etc);
    let path = facts.cwd.join(base).join(path);
    match Document::read(&path, facts.uid)? {
        Some(document) => Ok(Some(ConfiguredRules { text: document.text().to_owned(), path })),
        None => Err(Problem::new(path.display(), "no such file")),
    }
}

fn check_data(config: &Config) -> Option<String> {
    let data = &config.data;
    match std::fs::metadata(data) {
        Ok(metadata) if !metadata.is_dir() => Some(format!("{} is not a directory", data.display())),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
