//! Where a node finds its files when it is not told.
//!
//! [`Facts`] holds everything of the process that matters; the functions here look at the directories it
//! names and at nothing else, so tests run them on a directory of their own. Nothing is written.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use p2p_shared::id::NodeName;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What of the process decides where its files are.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Working directory.
    pub cwd: PathBuf,
    /// `/etc/p2p-admin`, or what systemd says.
    pub etc: PathBuf,
    /// `/var/lib/p2p-admin`, or what systemd says.
    pub var: PathBuf,
    /// `$XDG_STATE_HOME`, or `.local/state` of the home directory; `None` without a home.
    pub state_home: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials: Option<PathBuf>,
    /// Whether systemd started this very process.
    pub systemd: bool,
    /// Whose process it is.
    pub uid: u32,
}

impl Facts {
    /// Those of a process with this environment.
    pub fn new(cwd: PathBuf, uid: u32, env: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        let home = || absolute("HOME").map(|home| home.join(".local/state"));
        Self {
            cwd,
            etc: first_of(env("CONFIGURATION_DIRECTORY")).unwrap_or_else(|| "/etc/p2p-admin".into()),
            var: first_of(env("STATE_DIRECTORY")).unwrap_or_else(|| "/var/lib/p2p-admin".into()),
            state_home: absolute("XDG_STATE_HOME").or_else(home),
            credentials: absolute("CREDENTIALS_DIRECTORY"),
            systemd: is_unit(env),
            uid,
        }
    }

    /// The configuration file, if none is named.
    pub fn config_file(&self) -> PathBuf {
        self.etc.join("node.toml")
    }

    /// The data directory of the node `name`.
    pub fn data_dir(&self, given: Option<&Path>, name: &NodeName) -> PathBuf {
        match (given, &self.state_home) {
            (Some(given), _) => self.cwd.join(given),
            (None, _) if self.systemd => self.var.clone(),
            (None, Some(home)) => home.join("p2p-admin").join(name.as_str()),
            (None, None) => self.var.join(name.as_str()),
        }
    }

    fn local_nodes(&self) -> PathBuf {
        self.cwd.join("certs/nodes")
    }
}

/// systemd separates several directories by colons; ours is the first.
fn first_of(value: Option<OsString>) -> Option<PathBuf> {
    let value = value?;
    std::env::split_paths(&value).next().filter(|path| path.is_absolute())
}

/// A shell inside a desktop's terminal inherits `INVOCATION_ID`; the id of the process tells it apart.
fn is_unit(env: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let inherited = || {
        let own = OsString::from(std::process::id().to_string());
        env("SYSTEMD_EXEC_PID").is_some_and(|pid| pid != own)
    };
    env("NOTIFY_SOCKET").is_some() || (env("INVOCATION_ID").is_some() && !inherited())
}

/// Directory of the certificates, and the node's name; the error is a sentence for people.
pub fn identity(
    facts: &Facts,
    given: Option<&Path>,
    name: Option<&NodeName>,
) -> Result<(PathBuf, NodeName), String> {
    let (certs, found) = match given {
        Some(given) => read_identity(&facts.cwd.join(given))?,
        None => find_identity(facts, name)?,
    };
    match name {
        Some(name) if *name != found => Err(format!(
            "the certificate in {} is for {found}, not {name}: give one of the two alone",
            certs.display()
        )),
        _ => Ok((certs, found)),
    }
}

fn find_identity(facts: &Facts, name: Option<&NodeName>) -> Result<(PathBuf, NodeName), String> {
    let system = facts.etc.join("pki");
    if system.join("node.crt").is_file() {
        // With a name, an installed node of another name does not stand in the way of a checkout's.
        match (read_identity(&system), name) {
            (Ok((_, found)), Some(name))
                if *name != found && facts.local_nodes().join(name.as_str()).is_dir() => {}
            (found, _) => return found,
        }
    }
    if let Some(name) = name {
        let local = facts.local_nodes().join(name.as_str());
        return match local.is_dir() {
            true => read_identity(&local),
            false => Err(format!(
                "no certificate of {name}, neither in {} nor in {}: make one with `scripts/ca.sh issue node {name}`",
                system.display(),
                local.display()
            )),
        };
    }
    only_local_node(facts, &system)
}

fn only_local_node(facts: &Facts, system: &Path) -> Result<(PathBuf, NodeName), String> {
    let nodes = facts.local_nodes();
    let entries = std::fs::read_dir(&nodes).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join("node.crt").is_file()).collect();
    found.sort();
    match found.as_slice() {
        [only] => read_identity(only),
        [] => Err(format!(
            "no certificate, neither in {} nor in {}: make one with `scripts/ca.sh issue node NAME`, and `p2p-node import` its bundle here, or give --certs DIR",
            system.display(),
            nodes.display()
        )),
        several => {
            let names: Vec<_> = several
                .iter()
                .filter_map(|path| path.file_name())
                .map(|name| name.to_string_lossy())
                .collect();
            Err(format!(
                "{} holds several nodes ({}): choose one with --name",
                nodes.display(),
                names.join(", ")
            ))
        }
    }
}

/// Checks that the three files are there and readable, and reads the name from the certificate.
fn read_identity(certs: &Path) -> Result<(PathBuf, NodeName), String> {
    for file in ["ca.crt", "node.crt", "node.key"] {
        let path = certs.join(file);
        let opened = std::fs::File::open(&path).and_then(|file| file.metadata());
        match opened {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(format!("{} is not a file", path.display())),
            Err(error) => {
                return Err(format!(
                    "{} cannot be read: {error}: `p2p-node import BUNDLE.tar` puts the node's bundle in place",
                    path.display()
                ));
            }
        }
    }
    let certificate = certs.join("node.crt");
    let name = std::fs::read(&certificate).ok().and_then(|text| name_in(&text));
    match name {
        Some(name) => Ok((certs.to_owned(), name)),
        None => Err(format!(
            "{} is no certificate of a node: it holds no name spiffe://MESH/node/NAME; issue it with `scripts/ca.sh issue node`",
            certificate.display()
        )),
    }
}

/// The node's name in a PEM certificate. Whether the certificate is any good is judged later, by its CA.
fn name_in(certificate: &[u8]) -> Option<NodeName> {
    let block = pem::parse_many(certificate).ok()?.into_iter().find(|block| block.tag() == "CERTIFICATE")?;
    let (_, certificate) = X509Certificate::from_der(block.contents()).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => {
            let (_, node) = uri.strip_prefix("spiffe://")?.split_once("/node/")?;
            node.parse().ok()
        }
        _ => None,
    })
}
