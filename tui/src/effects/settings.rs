//! What the console is to do and with whose key: flags, then the environment, then `tui.toml`, then defaults.
//!
//! Facts of the environment are gathered once into [`Surroundings`]; everything else is a plain function of
//! them, but for reading the files that they name. Nothing here opens a connection.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use p2p_shared::error::Exit;
use p2p_shared::time::UnixMillis;
use p2p_shared::tls::{BOOTSTRAP_FILE, Credentials, CredentialsError, PassphraseError, passphrase_file};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::address::{AddressError, NodeAddress};

/// The file that every operator's directory has.
const CERTIFICATE: &str = "operator.crt";
/// Most nodes to enter by.
pub const NODES_MAX: usize = 32;
/// No settings file of ours is larger.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// What the environment says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// `$P2P_CERTS`.
    pub certs: Option<PathBuf>,
    /// `$P2P_KEY_PASSPHRASE_FILE`.
    pub passphrase_file: Option<PathBuf>,
    /// `p2p-admin` under `$XDG_CONFIG_HOME` or `~/.config`.
    pub config: Option<PathBuf>,
    /// `p2p-admin` under `$XDG_STATE_HOME` or `~/.local/state`.
    pub state: Option<PathBuf>,
    /// The working directory.
    pub here: PathBuf,
}

/// `tui.toml`. A key that is not here is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleFile {
    /// Nodes to enter by.
    pub node: Vec<String>,
    /// Name of the theme.
    pub theme: Option<String>,
    /// Only ASCII characters.
    pub ascii: bool,
    /// Refuse what changes anything.
    pub readonly: bool,
}

/// Why there are no settings to work with. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No operator's certificate anywhere.
    #[error("there is no operator's certificate: looked in {}", list(.0))]
    NoCertificates(Vec<PathBuf>),
    /// The environment names no directory of the user's.
    #[error("neither HOME nor XDG_CONFIG_HOME is set: name a directory with --certs")]
    NoHome,
    /// Several, and no way to choose.
    #[error("there are several operators, choose one with --certs: {}", list(.0))]
    SeveralOperators(Vec<PathBuf>),
    /// They are there and do not hold together.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No node's socket where nodes of this machine keep theirs.
    #[error(
        "no node of this machine has a socket: looked for {}; `systemctl status p2p-node` says whether it runs, \
         --local=SOCKET names another place", list(.0)
    )]
    NoSocket(Vec<PathBuf>),
    /// The place may not be looked at.
    #[error("{}: this user may not look there: only root and the node's own user enter by it; try sudo", .0.display())]
    HiddenSocket(PathBuf),
    /// Several, and no way to choose.
    #[error("several nodes run on this machine, choose one with --local=SOCKET: {}", list(.0))]
    SeveralSockets(Vec<PathBuf>),
    /// A node that is none.
    #[error("{origin}: {text:?} is no address of a node: {error}")]
    Address {
        /// The flag or the file.
        origin: String,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        error: AddressError,
    },
    /// More than anybody needs.
    #[error("{0}: more than {NODES_MAX} nodes to enter by; a few are enough, the others are found")]
    TooManyNodes(String),
    /// The file is there and cannot be read.
    #[error("{}: it cannot be read: {error}", .file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file says what it may not.
    #[error("{}:{line}:{column}: {message}", .file.display())]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

impl SettingsError {
    /// How a program that needs them exits. `--node` is the command line's, all else is configuration.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Credentials(error) => error.exit(),
            Self::NoSocket(_) => Exit::Unavailable,
            Self::HiddenSocket(_) => Exit::Permission,
            Self::SeveralSockets(_) => Exit::Usage,
            Self::Address { origin, .. } | Self::TooManyNodes(origin) if origin == NODE_FLAG => Exit::Usage,
            _ => Exit::Config,
        }
    }
}

/// How messages call the flag.
const NODE_FLAG: &str = "--node";

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        let home = variable("HOME");
        // The XDG specification has relative paths ignored.
        let base = |name: &str, fallback: &str| {
            let given = variable(name).filter(|path| path.is_absolute());
            given.or_else(|| home.as_ref().map(|home| home.join(fallback))).map(|path| path.join("p2p-admin"))
        };
        Self {
            certs: variable("P2P_CERTS"),
            passphrase_file: variable("P2P_KEY_PASSPHRASE_FILE"),
            config: base("XDG_CONFIG_HOME", ".config"),
            state: base("XDG_STATE_HOME", ".local/state"),
            here: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    /// The directory of the operator's certificate: what was asked for is taken as it is, the rest is looked
    /// for.
    pub fn certificates(&self, asked: Option<&Path>) -> Result<PathBuf, SettingsError> {
        if let Some(given) = asked.or(self.certs.as_deref()) {
            return Ok(given.to_owned());
        }
        let own = self.config.as_ref().map(|config| config.join("certs"));
        if let Some(own) = own.as_ref().filter(|own| holds_operator(own)) {
            return Ok(own.clone());
        }
        let local = self.here.join("certs/operators");
        let mut operators = operators_under(&local);
        match (operators.pop(), operators.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(SettingsError::NoCertificates(own.into_iter().chain([local]).collect())),
            (Some(last), false) => {
                operators.push(last);
                Err(SettingsError::SeveralOperators(operators))
            }
        }
    }

    /// Where an operator's certificate is put: what was asked for, else the user's own directory.
    pub fn own_certificates(&self, asked: Option<&Path>) -> Result<PathBuf, SettingsError> {
        let given = asked.or(self.certs.as_deref()).map(|given| self.here.join(given));
        given.or_else(|| self.config.as_ref().map(|config| config.join("certs"))).ok_or(SettingsError::NoHome)
    }

    /// The operator's credentials, as good at `now`. Asks for a passphrase if the key has one.
    pub fn credentials(&self, asked: Option<&Path>, now: UnixMillis) -> Result<Credentials, SettingsError> {
        let directory = self.certificates(asked)?;
        Ok(Credentials::load_operator(&directory, now, |key| self.passphrase(key))?)
    }

    /// `tui.toml`, or its defaults where there is none.
    pub fn console_file(&self) -> Result<ConsoleFile, SettingsError> {
        let Some(file) = self.console_path() else { return Ok(ConsoleFile::default()) };
        match read_limited(&file) {
            Ok(text) => parse_file(&text, &file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(ConsoleFile::default()),
            Err(error) => Err(SettingsError::Unreadable { file, error }),
        }
    }

    /// Where to enter: what was asked for, else what `tui.toml` says, else what came with the certificate,
    /// else a node on this machine.
    pub fn entrances(
        &self,
        asked: &[String],
        file: &ConsoleFile,
        certs: Option<&Path>,
    ) -> Result<Vec<NodeAddress>, SettingsError> {
        if !asked.is_empty() {
            return parse_nodes(asked, NODE_FLAG.to_owned());
        }
        if !file.node.is_empty() {
            let path = self.console_path().unwrap_or_else(|| PathBuf::from("tui.toml"));
            return parse_nodes(&file.node, path.display().to_string());
        }
        let bundled = self.certificates(certs).ok().map(|directory| directory.join(BOOTSTRAP_FILE));
        let Some(path) = bundled else { return Ok(vec![NodeAddress::default()]) };
        // A directory that no bundle filled has no such file.
        let text = read_limited(&path).unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<String> = lines.map(ToOwned::to_owned).collect();
        match lines.as_slice() {
            [] => Ok(vec![NodeAddress::default()]),
            lines => parse_nodes(lines, path.display().to_string()),
        }
    }

    fn console_path(&self) -> Option<PathBuf> {
        self.config.as_ref().map(|config| config.join("tui.toml"))
    }

    fn passphrase(&self, key: &Path) -> Result<Zeroizing<String>, PassphraseError> {
        if let Some(file) = &self.passphrase_file {
            return passphrase_file(file);
        }
        // rpassword speaks to the terminal itself, also where standard input is a pipe.
        let asked =
            rpassword::prompt_password(format!("Passphrase of the operator's key ({}): ", key.display()));
        asked.map(Zeroizing::new).map_err(|error| {
            PassphraseError::Unavailable(format!(
                "no passphrase from a terminal ({error}): P2P_KEY_PASSPHRASE_FILE=FILE names a file with it"
            ))
        })
    }
}

fn parse_nodes(texts: &[String], origin: String) -> Result<Vec<NodeAddress>, SettingsError> {
    if texts.len() > NODES_MAX {
        return Err(SettingsError::TooManyNodes(origin));
    }
    let parse = |text: &String| {
        let wrong = |error| SettingsError::Address { origin: origin.clone(), text: text.clone(), error };
        text.parse().map_err(wrong)
    };
    texts.iter().map(parse).collect()
}

fn holds_operator(directory: &Path) -> bool {
    directory.join(CERTIFICATE).exists()
}

fn operators_under(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| holds_operator(path)).collect();
    found.sort();
    found
}

fn read_limited(file: &Path) -> io::Result<String> {
    if fs::metadata(file)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large to be settings"));
    }
    fs::read_to_string(file)
}

fn parse_file(text: &str, file: &Path) -> Result<ConsoleFile, SettingsError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let before = &text[..text.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        SettingsError::Malformed {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: error.message().replace('\n', " "),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(CERTIFICATE), "").unwrap();
    }

    fn surroundings(root: &Path) -> Surroundings {
        let here = root.join("here");
        Surroundings { config: Some(root.join("config")), here, ..Surroundings::default() }
    }

    #[test]
    fn certificates_are_looked_for_in_order() {
        let root = tempfile::tempdir().unwrap();
        let mut facts = surroundings(root.path());
        let local = root.path().join("here/certs/operators");
        assert!(matches!(facts.certificates(None), Err(SettingsError::NoCertificates(_))));
        operator(&local.join("ana"));
        // A directory without a certificate is no operator.
        fs::create_dir_all(local.join("empty")).unwrap();
        assert_eq!(facts.certificates(None).unwrap(), local.join("ana"));
        operator(&local.join("bo"));
        let several = facts.certificates(None).unwrap_err();
        let both = format!("{}, {}", local.join("ana").display(), local.join("bo").display());
        assert!(several.to_string().ends_with(&both), "{several}");
        assert_eq!(several.exit(), Exit::Config);
        operator(&root.path().join("config/certs"));
        assert_eq!(facts.certificates(None).unwrap(), root.path().join("config/certs"));
        facts.certs = Some("/from/environment".into());
        assert_eq!(facts.certificates(None).unwrap(), Path::new("/from/environment"));
        assert_eq!(facts.certificates(Some(Path::new("/flag"))).unwrap(), Path::new("/flag"));
    }

    #[test]
    fn certificates_are_put_where_they_are_looked_for_first() {
        let mut facts = surroundings(Path::new("/root"));
        assert_eq!(facts.own_certificates(None).unwrap(), Path::new("/root/config/certs"));
        facts.certs = Some("environment".into());
        assert_eq!(facts.own_certificates(None).unwrap(), Path::new("/root/here/environment"));
        assert_eq!(facts.own_certificates(Some(Path::new("/flag"))).unwrap(), Path::new("/flag"));
        let nobody = Surroundings::default().own_certificates(None).unwrap_err();
        assert_eq!(nobody.exit(), Exit::Config);
        assert!(nobody.to_string().contains("--certs"), "{nobody}");
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let facts = surroundings(Path::new("/nowhere"));
        let shown = |asked: &[&str], file: &[&str]| -> Vec<String> {
            let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            let file = ConsoleFile { node: own(file), ..ConsoleFile::default() };
            facts.entrances(&own(asked), &file, None).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(shown(&["a:1", "[::1]:2"], &["b:3"]), ["a:1", "[::1]:2"]);
        assert_eq!(shown(&[], &["b:3"]), ["b:3"]);
        assert_eq!(shown(&[], &[]), ["127.0.0.1:5678"]);
    }

    #[test]
    fn a_bundle_says_where_to_enter() {
        let root = tempfile::tempdir().unwrap();
        let facts = surroundings(root.path());
        let certs = root.path().join("bundle");
        operator(&certs);
        let entrances = || facts.entrances(&[], &ConsoleFile::default(), Some(&certs));
        assert_eq!(entrances().unwrap(), [NodeAddress::default()]);
        fs::write(certs.join(BOOTSTRAP_FILE), "web-1:1\n\n[::1]:2\n").unwrap();
        let shown: Vec<String> = entrances().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["web-1:1", "[::1]:2"]);
        fs::write(certs.join(BOOTSTRAP_FILE), "::1\n").unwrap();
        assert_eq!(entrances().unwrap_err().exit(), Exit::Config);
    }

    #[test]
    fn a_bad_address_names_its_origin() {
        let facts = surroundings(Path::new("/nowhere"));
        let flag = facts.entrances(&["::1".to_owned()], &ConsoleFile::default(), None).unwrap_err();
        assert_eq!(flag.exit(), Exit::Usage);
        assert_eq!(
            flag.to_string(),
            "--node: \"::1\" is no address of a node: an IPv6 address stands in brackets: [::1]:5678"
        );
        let file = ConsoleFile { node: vec!["a:0".to_owned()], ..ConsoleFile::default() };
        let error = facts.entrances(&[], &file, None).unwrap_err();
        assert_eq!(error.exit(), Exit::Config);
        assert!(error.to_string().starts_with("/nowhere/config/tui.toml: "), "{error}");
    }

    #[test]
    fn an_unknown_key_is_told_with_its_place() {
        let error = parse_file("node = []\n  colour = 1\n", Path::new("tui.toml")).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("tui.toml:2:3: unknown field `colour`"), "{text}");
        assert!(!text.contains('\n'), "{text}");
        let error = parse_file("node = [1]", Path::new("tui.toml")).unwrap_err();
        assert!(error.to_string().starts_with("tui.toml:1:9: "), "{error}");
    }

    #[test]
    fn no_file_means_its_defaults() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(surroundings(root.path()).console_file().unwrap(), ConsoleFile::default());
        fs::create_dir_all(root.path().join("config/tui.toml")).unwrap();
        let unreadable = surroundings(root.path()).console_file().unwrap_err();
        assert!(matches!(unreadable, SettingsError::Unreadable { .. }));
    }
}
