use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// A machine of its own: directories, files and variables.
struct Machine {
    root: tempfile::TempDir,
    env: BTreeMap<String, OsString>,
    given: Given,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["cwd", "etc", "var"] {
            fs::create_dir(root.path().join(dir)).unwrap();
        }
        Self { root, env: BTreeMap::new(), given: Given::default() }
    }

    /// With one certificate below the working directory.
    fn with_node() -> Self {
        let machine = Self::new();
        machine.certificate("cwd/certs/nodes/web-1", "web-1");
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn certificate(&self, dir: &str, name: &str) {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let mut params = rcgen::CertificateParams::default();
        let uri = format!("spiffe://mesh/node/{name}");
        params.subject_alt_names = vec![rcgen::SanType::URI(uri.try_into().unwrap())];
        let certificate = params.self_signed(&key).unwrap().pem();
        for (file, text) in
            [("ca.crt", &certificate), ("node.crt", &certificate), ("node.key", &key.serialize_pem())]
        {
            self.write(&format!("{dir}/{file}"), text);
        }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    fn flag(mut self, key: &'static str, text: &str) -> Self {
        self.given.flags.push(Flag { key, name: "--flag", text: text.to_owned() });
        self
    }

    fn facts(&self) -> Facts {
        let env = |name: &str| self.env.get(name).cloned();
        let facts = Facts::new(self.path("cwd"), rustix::process::geteuid().as_raw(), &env);
        Facts { etc: self.path("etc"), var: self.path("var"), ..facts }
    }

    fn load(&self) -> Result<Config, Vec<String>> {
        let env = |name: &str| self.env.get(name).cloned();
        let told = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
        load(&self.given, &self.facts(), &env).map_err(told)
    }

    fn problem(&self) -> String {
        self.load().unwrap_err().join("|")
    }
}

#[test]
fn nothing_given_means_the_documented_defaults() {
    let config = Machine::with_node().env("XDG_STATE_HOME", "/state").load().unwrap();
    assert_eq!(config.name.as_str(), "web-1");
    assert_eq!(config.quic_address.to_string(), "[::]:5678");
    assert_eq!(config.http_address.to_string(), "127.0.0.1:8000");
    assert_eq!(config.data, Path::new("/state/p2p-admin/web-1"));
    assert_eq!((config.max_peers, config.peer_timeout.as_secs()), (100, 120));
    assert_eq!((config.token_lifetime.as_secs(), config.metrics_enabled), (3600, true));
    assert_eq!(config.log_level, LogLevel::Info);
    assert!(config.bootstrap.is_empty() && config.advertise.is_empty() && config.labels.is_empty());
    assert!(config.auth_secret.is_none());
}

#[test]
fn every_variable_reaches_its_key() {
    let secret = "0123456789abcdef0123456789abcdef";
    let machine = Machine::with_node()
        .env("NODE_HOST", "127.0.0.2")
        .env("NODE_PORT", "0")
        .env("DHT_PORT", "0")
        .env("AUTH_SECRET", secret)
        .env("TOKEN_EXPIRE_MINUTES", "5")
        .env("BOOTSTRAP_NODES", "a.example:1, [::1]:2")
        .env("MAX_PEERS", "7")
        .env("PEER_TIMEOUT", "30")
        .env("METRICS_ENABLED", "false")
        .env("LOG_LEVEL", "TRACE")
        .env("NODE_LABELS", "role=web,site=x");
    let config = machine.load().unwrap();
    assert_eq!(config.quic_address.to_string(), "127.0.0.2:0");
    assert_eq!(config.http_address.to_string(), "127.0.0.2:0");
    assert_eq!(config.auth_secret.unwrap().expose(), secret);
    assert_eq!(config.token_lifetime.as_secs(), 300);
    let peers: Vec<_> = config.bootstrap.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["a.example:1", "[::1]:2"]);
    assert_eq!((config.max_peers, config.peer_timeout.as_secs()), (7, 30));
    assert!(!config.metrics_enabled);
    assert_eq!(config.log_level, LogLevel::Trace);
    assert_eq!(config.labels.iter().map(|label| label.key.as_str()).collect::<Vec<_>>(), ["role", "site"]);
}

#[test]
fn the_names_of_variables_are_fixed() {
    let mut names = layers::env_names::<Settings>();
    names.sort_unstable();
    let fixed = "AUTH_SECRET AUTH_SECRET_FILE BOOTSTRAP_NODES DHT_PORT LOG_LEVEL MAX_PEERS METRICS_ENABLED \
                 NODE_HOST NODE_LABELS NODE_PORT PEER_TIMEOUT TOKEN_EXPIRE_MINUTES";
    assert_eq!(names, fixed.split(' ').collect::<Vec<_>>());
    let example = include_str!("../../../.env.example");
    for name in names {
        assert!(example.contains(&format!("{name}=")), "{name} is missing in .env.example");
    }
}

#[test]
fn the_example_of_variables_is_a_configuration() {
    let machine = Machine::with_node();
    machine.write("cwd/.env", include_str!("../../../.env.example"));
    assert_eq!(machine.load().unwrap().http_address.to_string(), "127.0.0.1:8000");
}

#[test]
fn flag_environment_dotenv_file_default() {
    let machine = Machine::with_node();
    let port = |machine: &Machine| machine.load().unwrap().http_address.port();
    machine.write("etc/node.toml", "[http]\nport = 2001\n");
    assert_eq!(port(&machine), 2001);
    machine.write("cwd/.env", "NODE_PORT=2002\nPATH=/evil\n");
    assert_eq!(port(&machine), 2002);
    let machine = machine.env("NODE_PORT", "2003");
    assert_eq!(port(&machine), 2003);
    assert_eq!(port(&machine.flag("http.port", "2004")), 2004);
}

#[test]
fn dotenv_is_not_looked_for_under_systemd_unless_named() {
    let mut machine = Machine::with_node().env("NOTIFY_SOCKET", "/run/systemd/notify");
    machine.write("cwd/.env", "NODE_PORT=2002\n");
    assert_eq!(machine.load().unwrap().http_address.port(), 8000);
    machine.given.env_file = Some(machine.path("cwd/.env"));
    assert_eq!(machine.load().unwrap().http_address.port(), 2002);
    machine.given.env_file = Some(machine.path("cwd/none"));
    assert!(machine.problem().contains("none: no such file"));
}

#[test]
fn a_terminal_that_inherited_an_invocation_is_no_unit() {
    let systemd = |machine: Machine| machine.facts().systemd;
    assert!(!systemd(Machine::new()));
    assert!(systemd(Machine::new().env("INVOCATION_ID", "x")));
    assert!(!systemd(Machine::new().env("INVOCATION_ID", "x").env("SYSTEMD_EXEC_PID", "1")));
}

#[test]
fn problems_of_the_file_name_line_and_key() {
    let table = [
        ("lisen = 'x'", ":1:1: lisen: unknown key"),
        ("hots = '::'", ":1:1: hots: unknown key; did you mean host?"),
        ("\n[http]\nport = 'abc'", ":3:1: http.port: invalid type: string \"abc\""),
        ("[http]\nport = 65536", ":2:1: http.port: invalid value: integer `65536`"),
        ("[http]\nport = -1", ":2:1: http.port: invalid value: integer `-1`"),
        ("[quic]\nport = 22", ":2:1: quic.port: port 22 belongs to a system service"),
        ("log_level = 'verbose'", ":1:1: log_level: must be error, warn, info, debug or trace"),
        ("max_peers = 0", ":1:1: max_peers: must be 1 to 10000"),
        ("max_peers = 1000000000", ":1:1: max_peers: must be 1 to 10000"),
        ("max_jobs = 0", ":1:1: max_jobs: must be 1 to 64"),
        ("peer_timeout_s = 1", ":1:1: peer_timeout_s: must be 5 to"),
        ("auth.token_expire_minutes = 0", ":1:6: auth.token_expire_minutes: must be 1 to"),
        ("bootstrap = ['web-1']", ":1:1: bootstrap: \"web-1\" is not HOST:PORT"),
        ("bootstrap = ['a:0']", ":1:1: bootstrap: nobody can connect to port 0"),
        ("bootstrap = ['::1:5']", ":1:1: bootstrap: write IPv6 addresses in brackets"),
        ("advertise = ['0.0.0.0']", ":1:1: advertise: 0.0.0.0 is no address that others"),
        ("host = 'web-1'", ":1:1: host: is not an IP address"),
        ("name = 'Web'", ":1:1: name: a name is 1 to 63"),
        ("labels = { Role = 'web' }", ":1:1: labels: \"Role\" is no label key"),
        ("labels.role = 'a b'", ":1:1: labels: \"a b\" is no label value"),
        ("max_peers = 1\nmax_peers = 2", ":2:1: duplicate key"),
        ("[http]\nport = 5678", ":2:1: http.port: is 5678 like quic.port"),
    ];
    for (file, expected) in table {
        let machine = Machine::with_node();
        machine.write("etc/node.toml", file);
        let problem = machine.problem();
        assert!(
            problem.contains(&format!("node.toml{expected}")) && !problem.contains('\n'),
            "{file}: {problem}"
        );
    }
}

#[test]
fn a_file_that_is_named_must_be_there_and_an_empty_one_will_do() {
    let mut machine = Machine::with_node();
    machine.given.config = Some(machine.path("none.toml"));
    assert!(machine.problem().contains("none.toml: no such file"));
    machine.given.config = Some("/dev/null".into());
    assert!(machine.load().is_ok());
}

#[test]
fn variables_that_are_not_text_are_refused() {
    let mut machine = Machine::with_node();
    machine.env.insert("NODE_HOST".to_owned(), OsString::from_vec(vec![0xff]));
    assert_eq!(machine.problem(), "environment NODE_HOST: host: is not UTF-8");
}

#[test]
fn secrets_are_judged_and_never_told() {
    let table = [
        ("changeme", "placeholder"),
        ("CHANGE-ME-please-CHANGE-ME-please-123456", "placeholder"),
        ("secret", "placeholder"),
        ("zq8x-short", "has 10 bytes, at least 32"),
        ("zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "one letter repeated"),
    ];
    for (secret, expected) in table {
        let problem = Machine::with_node().env("AUTH_SECRET", secret).problem();
        assert!(problem.starts_with("environment AUTH_SECRET: auth.secret: "), "{problem}");
        assert!(problem.contains(expected) && problem.contains("openssl rand"), "{problem}");
        assert!(secret == "secret" || !problem.contains(secret), "{problem}");
    }
}

#[test]
fn a_secret_in_two_places_must_be_the_same() {
    let (one, other) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let machine = Machine::with_node().env("AUTH_SECRET", one);
    machine.write("etc/node.toml", &format!("auth.secret = '{other}'"));
    assert!(machine.problem().contains("node.toml:1:6 gives another secret"), "{}", machine.problem());
    machine.write("etc/node.toml", &format!("auth.secret = '{one}'"));
    assert!(machine.load().is_ok());
    fs::set_permissions(machine.path("etc/node.toml"), Permissions::from_mode(0o644)).unwrap();
    let machine = Machine { env: BTreeMap::new(), ..machine };
    assert!(machine.problem().contains("others can read this file"), "{}", machine.problem());
}

#[test]
fn the_credential_goes_before_the_file_before_the_value() {
    let secret = |digit: char| format!("0123456789abcdef0123456789abcde{digit}");
    let found = |machine: &Machine| machine.load().unwrap().auth_secret.unwrap().expose().to_owned();
    let machine = Machine::with_node().env("AUTH_SECRET_FILE", "kept");
    machine.write("cwd/kept", &format!("{}\n", secret('1')));
    assert_eq!(found(&machine), secret('1'));
    machine.write("credentials/auth-secret", &secret('2'));
    let credentials = machine.path("credentials").display().to_string();
    let machine = machine.env("CREDENTIALS_DIRECTORY", &credentials);
    assert_eq!(found(&machine), secret('2'));
    let machine = Machine::with_node().env("AUTH_SECRET_FILE", "none");
    assert!(machine.problem().contains("none: auth.secret_file: no such file"));
    machine.write("cwd/none", "\n");
    assert!(machine.load().unwrap().auth_secret.is_none());
}

#[test]
fn a_receiver_has_an_address_that_a_request_can_have() {
    let told = |url: &str| {
        let machine = Machine::with_node();
        machine.write("etc/node.toml", &format!("[[alerts.receivers]]\nname = \"x\"\nurl = \"{url}\"\n"));
        machine.load().map(|config| config.receivers.len())
    };
    assert_eq!(told("https://hooks.example/a?b=c"), Ok(1));
    let long = format!("https://h/{}", "a".repeat(2_048));
    for url in
        ["https://h/#part", &long, "http://h/\\r\\nX: y", "http://user:word@h/", "ftp://h/", "http:///x"]
    {
        assert!(told(url).unwrap_err().join("").contains("url: "), "{url}");
    }
}

#[test]
fn keys_and_configuration_are_the_nodes_own_wherever_they_lie() {
    let mut machine = Machine::with_node().env("AUTH_SECRET_FILE", "kept");
    machine.write("cwd/kept", "0123456789abcdef0123456789abcdef");
    machine.write("cwd/conf/own.toml", "alerts.rules = \"rules.toml\"");
    machine.write("cwd/conf/rules.toml", "");
    machine.given.config = Some(machine.path("cwd/conf/own.toml"));
    let config = machine.load().unwrap();
    let own = |name: &str| machine.path("cwd").join(name);
    assert_eq!(config.own.secret, [own("kept"), config.certs]);
    assert_eq!(config.own.fixed, [own("conf/own.toml"), own("conf/rules.toml")]);
}

#[test]
fn certificates_are_found_where_the_conventions_say() {
    let machine = Machine::with_node();
    machine.certificate("cwd/certs/nodes/web-2", "web-2");
    assert!(machine.problem().contains("holds several nodes (web-1, web-2): choose one with --name"));
    let machine = machine.flag("name", "web-2");
    assert!(machine.load().unwrap().certs.ends_with("cwd/certs/nodes/web-2"));
    machine.certificate("etc/pki", "installed");
    assert!(machine.load().unwrap().certs.ends_with("cwd/certs/nodes/web-2"));
    let machine = Machine { given: Given::default(), ..machine };
    let config = machine.load().unwrap();
    assert!(config.certs.ends_with("etc/pki"));
    assert_eq!(config.name.as_str(), "installed");
    let machine = machine.flag("certs", "certs/nodes/web-1");
    assert_eq!(machine.load().unwrap().name.as_str(), "web-1");
}

#[test]
fn the_bundles_addresses_are_those_that_nobody_else_gives() {
    let bundled = |text: &str| {
        let machine = Machine::with_node();
        machine.write("cwd/certs/nodes/web-1/bootstrap", text);
        machine
    };
    let peers = |machine: &Machine| {
        let peers = machine.load().unwrap().bootstrap;
        peers.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let origin = |machine: &Machine| {
        let env = |name: &str| machine.env.get(name).cloned();
        let rows = inspect(&machine.given, &machine.facts(), &env).unwrap().rows().unwrap();
        let row = rows.into_iter().find(|row| row.key == "bootstrap").unwrap();
        (row.value.unwrap(), row.origin)
    };
    let machine = bundled("a.example:1\n\n[::1]:2\n");
    assert_eq!(peers(&machine), ["a.example:1", "[::1]:2"]);
    let (value, place) = origin(&machine);
    assert_eq!(value, "[\"a.example:1\", \"[::1]:2\"]");
    assert!(place.ends_with("certs/nodes/web-1/bootstrap"), "{place}");
    for empty in ["", "\n"] {
        assert_eq!(origin(&bundled(empty)), ("[]".to_owned(), "default".to_owned()));
    }

    let machine = machine.env("BOOTSTRAP_NODES", "");
    assert_eq!(peers(&machine), ["a.example:1", "[::1]:2"], "an empty variable is none");
    machine.write("etc/node.toml", "bootstrap = []");
    assert_eq!(peers(&machine), [""; 0], "an empty list is one");
    machine.write("etc/node.toml", "bootstrap = ['file:1']");
    assert_eq!(peers(&machine), ["file:1"]);
    machine.write("cwd/.env", "BOOTSTRAP_NODES=dotenv:1\n");
    assert_eq!(peers(&machine), ["dotenv:1"]);
    let machine = machine.env("BOOTSTRAP_NODES", "variable:1");
    assert_eq!(peers(&machine), ["variable:1"]);
    assert_eq!(peers(&machine.flag("bootstrap", "flag:1")), ["flag:1"]);
}

#[test]
fn a_broken_list_of_a_bundle_is_told_with_its_line() {
    for (text, expected) in [
        ("a:1\n\nweb-1\n", "bootstrap:3: bootstrap: \"web-1\" is not HOST:PORT"),
        ("a:0", "bootstrap:1: bootstrap: nobody can connect to port 0"),
        ("a:1\n\0", "bootstrap:2: bootstrap: holds a NUL byte"),
        (&"a:1\n".repeat(33), "bootstrap:33: bootstrap: more than 32 addresses"),
        (&"\n".repeat(70_000), "bootstrap: bootstrap: cannot be read: it is larger than 64 KiB"),
    ] {
        let machine = Machine::with_node();
        machine.write("cwd/certs/nodes/web-1/bootstrap", text);
        let problem = machine.problem();
        assert!(problem.contains(&format!("certs/nodes/web-1/{expected}")), "{problem}");
        assert_eq!(machine.env("BOOTSTRAP_NODES", "a:1").load().unwrap().bootstrap.len(), 1);
    }
    let machine = Machine::with_node();
    fs::create_dir(machine.path("cwd/certs/nodes/web-1/bootstrap")).unwrap();
    assert!(machine.problem().contains("it is not a file"), "{}", machine.problem());
}

#[test]
fn a_missing_certificate_says_what_to_do() {
    assert!(Machine::new().problem().contains("scripts/ca.sh issue node NAME"));
    assert!(Machine::new().flag("name", "db-1").problem().contains("scripts/ca.sh issue node db-1"));
    let machine = Machine::with_node();
    fs::remove_file(machine.path("cwd/certs/nodes/web-1/node.key")).unwrap();
    assert!(machine.problem().contains("node.key cannot be read"), "{}", machine.problem());
    let machine = Machine::with_node();
    machine.write("cwd/certs/nodes/web-1/node.crt", "garbage");
    assert!(machine.problem().contains("is no certificate of a node"));
    let machine = Machine::with_node().flag("certs", "certs/nodes/web-1").flag("name", "db-1");
    assert!(machine.problem().contains("is for web-1, not db-1"));
}

#[test]
fn the_data_directory_follows_the_manager_the_state_home_and_the_home() {
    let data = |machine: Machine| {
        let root = machine.root.path().to_owned();
        let data = machine.load().unwrap().data;
        data.strip_prefix(root).map(Path::to_owned).unwrap_or(data)
    };
    assert_eq!(data(Machine::with_node().env("HOME", "/h")), Path::new("/h/.local/state/p2p-admin/web-1"));
    assert_eq!(
        data(Machine::with_node().env("HOME", "/h").env("XDG_STATE_HOME", "/s")),
        Path::new("/s/p2p-admin/web-1")
    );
    assert_eq!(data(Machine::with_node().env("NOTIFY_SOCKET", "x").env("HOME", "/h")), Path::new("var"));
    assert_eq!(data(Machine::with_node()), Path::new("var/web-1"));
    assert_eq!(data(Machine::with_node().flag("data", "d")), Path::new("cwd/d"));
    let machine = Machine::with_node().flag("data", "file");
    machine.write("cwd/file", "");
    assert!(machine.problem().contains("is not a directory"));
}

#[test]
fn http_for_others_needs_its_certificate() {
    let machine = Machine::with_node().env("NODE_HOST", "0.0.0.0");
    let problem = machine.problem();
    assert!(problem.starts_with("environment NODE_HOST: host: HTTP on 0.0.0.0 needs TLS"), "{problem}");
    machine.write("cwd/certs/nodes/web-1/http.crt", "");
    machine.write("cwd/certs/nodes/web-1/http.key", "");
    assert_eq!(machine.load().unwrap().http_address.to_string(), "0.0.0.0:8000");
}

#[test]
fn the_template_names_every_key_and_reads_back_as_the_defaults() {
    let text = template();
    for key in layers::keys::<Settings>() {
        let name = key.rsplit('.').next().unwrap();
        assert!(text.lines().any(|line| line.trim_start().starts_with(&format!("#{name} ="))), "{key}");
    }
    let uncommented: String = text.lines().map(uncomment).collect();
    let machine = Machine::with_node();
    let defaults = machine.load().unwrap();
    machine.write("etc/node.toml", &uncommented);
    assert_eq!(format!("{:?}", machine.load().unwrap()), format!("{defaults:?}"));
}

/// Takes the comment off a line that sets a value.
fn uncomment(line: &str) -> String {
    let bare = line.trim_start().strip_prefix('#').filter(|rest| !rest.starts_with(' '));
    match bare.filter(|bare| bare.contains(" = ")) {
        Some(bare) => format!("{bare}\n"),
        None => format!("{line}\n"),
    }
}

#[test]
fn what_is_shown_names_its_origin_and_hides_secrets() {
    let machine = Machine::with_node().env("AUTH_SECRET", "0123456789abcdef0123456789abcdef");
    machine.write("etc/node.toml", "\nmax_peers = 7");
    let env = |name: &str| machine.env.get(name).cloned();
    let rows = inspect(&machine.given, &machine.facts(), &env).unwrap().rows().unwrap();
    let row = |key: &str| rows.iter().find(|row| row.key == key).unwrap();
    assert_eq!(row("auth.secret").value.as_deref(), Some("\"********\""));
    assert_eq!(row("auth.secret").origin, "environment AUTH_SECRET");
    assert_eq!(row("max_peers").value.as_deref(), Some("7"));
    assert!(row("max_peers").origin.ends_with("node.toml:2:1"));
    assert_eq!(row("http.port").origin, "default");
    assert_eq!(
        (row("name").value.as_deref(), row("name").origin.as_str()),
        (Some("\"web-1\""), "certificate")
    );
}
