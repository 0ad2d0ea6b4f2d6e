//! What a node would start with here: the subject of every other check.
//!
//! The sources of the configuration enter; a [`Plan`] leaves, also when they are wrong: as much of it as can
//! be told. Without flags it is the installed service whose node is meant, and then it reads what that reads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;

use super::finding::Finding;
use super::unit::Installed;
use crate::config::paths::Facts;
use crate::config::{self, Config, Environment, Given, Inspected};

const CHECK: &str = "configuration";
/// The ports of a configuration that does not say.
const QUIC_PORT: u16 = 5678;
const HTTP_PORT: u16 = 8000;

/// What to look at. `None` where not even a default can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whether it is the installed service's.
    pub service: bool,
    /// Who looks.
    pub uid: u32,
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Why a node would not start with it.
    pub problems: Vec<String>,
    /// Whether that is for want of rights alone: the service's own user may see more.
    pub hidden: bool,
    /// Whether a single value is wrong, and so none can be told but those of flags.
    pub blind: bool,
    /// The node's name.
    pub name: Option<NodeName>,
    /// Directory of the certificate.
    pub certs: Option<PathBuf>,
    /// Directory of the data.
    pub data: Option<PathBuf>,
    /// Where the mesh listens.
    pub quic: Option<SocketAddr>,
    /// Where HTTP listens.
    pub http: Option<SocketAddr>,
    /// `HOST:PORT` to join through.
    pub bootstrap: Vec<String>,
    /// Addresses that the mesh is told; empty: those of the interfaces.
    pub advertise: Vec<IpAddr>,
}

impl Plan {
    /// Reads the configuration as the node would.
    pub fn new(given: &Given, facts: &Facts, unit: Option<&Installed>) -> Self {
        match unit.filter(|_| means_the_service(given, facts)) {
            Some(unit) => Self::of_service(given, facts, unit),
            None => Self::read(given, facts, &|name| std::env::var_os(name)),
        }
    }

    /// As systemd starts it: with the unit's variables instead of this shell's.
    fn of_service(given: &Given, facts: &Facts, unit: &Installed) -> Self {
        let mut facts = facts.clone();
        facts.systemd = true;
        facts.credentials = Some("/run/credentials/p2p-node.service".into());
        let mut given = given.clone();
        let file = unit.environment_files.iter().rev().find(|file| file.exists());
        given.env_file = given.env_file.or_else(|| file.cloned());
        let mut plan = Self::read(&given, &facts, &|name| unit.variable(name));
        plan.service = true;
        plan.hidden = facts.uid != 0
            && !plan.problems.is_empty()
            && plan.problems.iter().all(|problem| problem.contains("ermission denied"));
        plan
    }

    fn read(given: &Given, facts: &Facts, env: Environment<'_>) -> Self {
        let file = given.config.clone().unwrap_or_else(|| facts.config_file());
        let file = Some(file).filter(|file| file.is_file());
        let plan = Self { uid: facts.uid, file, ..Self::default() };
        match config::inspect(given, facts, env) {
            Ok(Inspected { config: Ok(config), .. }) => plan.with(config),
            Ok(inspected) => plan.with_rest_of(&inspected, given, facts),
            Err(problems) => {
                let problems = problems.iter().map(ToString::to_string).collect();
                Self { problems, blind: true, ..plan }.with_defaults(given, facts)
            }
        }
    }

    fn with(self, config: Config) -> Self {
        Self {
            name: Some(config.name),
            certs: Some(config.certs),
            data: Some(config.data),
            quic: Some(config.quic_address),
            http: Some(config.http_address),
            bootstrap: config.bootstrap.iter().map(ToString::to_string).collect(),
            advertise: config.advertise.iter().map(|address| address.ip).collect(),
            ..self
        }
    }

    /// The values are good each for itself, and do not fit together.
    fn with_rest_of(self, inspected: &Inspected, given: &Given, facts: &Facts) -> Self {
        let problems = inspected.config.as_ref().err().into_iter().flatten();
        let problems = problems.map(ToString::to_string).collect();
        let plan = Self { problems, ..self }.with_defaults(given, facts);
        let rows = inspected.rows().unwrap_or_default();
        let value = |key: &str| {
            let text = rows.iter().find(|row| row.key == key)?.value.as_deref()?;
            let parsed: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
            parsed.get("value").cloned()
        };
        let text = |key: &str| Some(value(key)?.as_str()?.to_owned());
        let port = |key: &str| u16::try_from(value(key)?.as_integer()?).ok();
        let list = |key: &str| {
            let items = value(key).and_then(|value| value.as_array().cloned()).unwrap_or_default();
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let host: Option<IpAddr> = text("host").and_then(|host| host.parse().ok());
        let at = |default: IpAddr, port: u16| Some(SocketAddr::new(host.unwrap_or(default), port));
        let name: Option<NodeName> = text("name").and_then(|name| name.parse().ok());
        let data = name.as_ref().map(|name| facts.data_dir(text("data").as_deref().map(Path::new), name));
        Self {
            certs: text("certs").map(|certs| facts.cwd.join(certs)).or(plan.certs),
            data: data.or_else(|| text("data").map(|data| facts.cwd.join(data))).or(plan.data),
            quic: at(Ipv6Addr::UNSPECIFIED.into(), port("quic.port").unwrap_or(QUIC_PORT)),
            http: at(Ipv4Addr::LOCALHOST.into(), port("http.port").unwrap_or(HTTP_PORT)),
            bootstrap: list("bootstrap"),
            advertise: list("advertise").iter().filter_map(|address| address.parse().ok()).collect(),
            name,
            ..plan
        }
    }

    /// What is known without a configuration: the flags, and where things usually are.
    fn with_defaults(self, given: &Given, facts: &Facts) -> Self {
        let flag = |key: &str| given.flags.iter().find(|flag| flag.key == key).map(|flag| flag.text.as_str());
        let installed = Some(facts.etc.join("pki")).filter(|pki| pki.exists());
        let certs = flag("certs").map(|certs| facts.cwd.join(certs)).or(installed);
        let name: Option<NodeName> = flag("name").and_then(|name| name.parse().ok());
        let data = match (flag("data"), &name) {
            (Some(data), _) => Some(facts.cwd.join(data)),
            (None, Some(name)) => Some(facts.data_dir(None, name)),
            (None, None) => facts.systemd.then(|| facts.var.clone()),
        };
        let bootstrap =
            flag("bootstrap").into_iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
        Self { certs, data, name, bootstrap, ..self }
    }

    /// What is to be said of the configuration.
    pub fn judge(&self) -> Vec<Finding> {
        let source = match (&self.file, self.service) {
            (Some(file), true) => format!("{}, as p2p-node.service reads it", file.display()),
            (Some(file), false) => file.display().to_string(),
            (None, true) => "defaults and variables, as p2p-node.service reads them".into(),
            (None, false) => "no file: flags, variables and defaults".into(),
        };
        if self.hidden {
            let problem = self.problems.first().map(String::as_str).unwrap_or_default();
            let found = format!("{source}: not all can be looked at as user {}: {problem}", self.uid);
            return vec![Finding::warn(CHECK, found, "sudo p2p-node doctor")];
        }
        if let Some(name) = self.name.as_ref().filter(|_| self.problems.is_empty()) {
            return vec![Finding::ok(CHECK, format!("{source}: {name} would start with it"))];
        }
        let action = "mend it, then `p2p-node config check`";
        self.problems.iter().map(|problem| Finding::fail(CHECK, Exit::Config, problem, action)).collect()
    }
}

/// Whether the node of the installed service is meant: nothing names another, and its certificates are there.
fn means_the_service(given: &Given, facts: &Facts) -> bool {
    let names_another = |key: &str| ["certs", "data", "name"].contains(&key);
    let plain = given.config.is_none() && !given.flags.iter().any(|flag| names_another(flag.key));
    plain && !facts.systemd && facts.etc.join("pki").exists()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use p2p_shared::config::Flag;

    use super::*;
    use crate::doctor::Verdict;

    fn nothing(_: &str) -> Option<OsString> {
        None
    }

    fn facts(root: &Path) -> Facts {
        Facts {
            cwd: root.to_owned(),
            etc: root.join("etc"),
            var: root.join("var"),
            state_home: Some(root.join("home")),
            credentials: None,
            systemd: false,
            uid: rustix::process::geteuid().as_raw(),
        }
    }

    fn flag(key: &'static str, text: &str) -> Flag {
        Flag { key, name: key, text: text.to_owned() }
    }

    #[test]
    fn what_is_wrong_does_not_hide_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let flags =
            vec![flag("bootstrap", "10.0.0.1:5678"), flag("quic.port", "7000"), flag("name", "web-1")];
        let given = Given { flags, ..Given::default() };
        let plan = Plan::read(&given, &facts(root.path()), &nothing);
        assert!(plan.problems[0].contains("no certificate of web-1"), "{plan:?}");
        assert_eq!(plan.bootstrap, ["10.0.0.1:5678"]);
        assert_eq!(plan.quic, Some("[::]:7000".parse().unwrap()));
        assert_eq!(plan.http, Some("127.0.0.1:8000".parse().unwrap()));
        assert_eq!(plan.data, Some(root.path().join("home/p2p-admin/web-1")));
        let finding = plan.judge().remove(0);
        assert_eq!(finding.verdict, Verdict::Fail(Exit::Config));
    }

    #[test]
    fn every_problem_of_a_file_is_told() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("node.toml");
        fs::write(&file, "max_peers = 0\nbootstap = []\n").unwrap();
        let given = Given {
            config: Some(file),
            flags: vec![flag("data", "d"), flag("certs", "c")],
            ..Given::default()
        };
        let plan = Plan::read(&given, &facts(root.path()), &nothing);
        assert_eq!(plan.judge().len(), 2, "{plan:?}");
        assert_eq!(plan.data, Some(root.path().join("d")));
        assert_eq!(plan.certs, Some(root.path().join("c")));
        assert!(plan.blind && plan.quic.is_none());
    }

    #[test]
    fn the_installed_service_is_meant_unless_another_node_is_named() {
        let root = tempfile::tempdir().unwrap();
        let facts = facts(root.path());
        assert!(!means_the_service(&Given::default(), &facts));
        fs::create_dir_all(root.path().join("etc/pki")).unwrap();
        assert!(means_the_service(&Given::default(), &facts));
        let given = Given { flags: vec![flag("name", "web-2")], ..Given::default() };
        assert!(!means_the_service(&given, &facts));
        let plan = Plan::of_service(&Given::default(), &facts, &Installed::default());
        assert!(plan.service && plan.data == Some(root.path().join("var")), "{plan:?}");
    }

    #[test]
    fn what_an_ordinary_user_may_not_see_is_no_failure() {
        let problems = vec!["node.key cannot be read: Permission denied".to_owned()];
        let plan = Plan { service: true, hidden: true, uid: 1_000, problems, ..Plan::default() };
        let finding = plan.judge().remove(0);
        assert_eq!(finding.verdict, Verdict::Warn);
        assert_eq!(finding.action.as_deref(), Some("sudo p2p-node doctor"));
    }
}
