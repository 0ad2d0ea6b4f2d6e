//! The file `policy.toml`: every key, and how it is read.
//!
//! The comments below are the template's: `p2p-node config template --policy` prints them.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use p2p_shared::access::Role;
use p2p_shared::config::{self as layers, Document, Problem, Sources};
use serde::Serialize;

use crate::host::network::cidr::Network;
use crate::shells::limits::ShellLimits;

use super::{CommandPattern, MethodPattern, Policy, ROOT};

/// Local policy of p2p-node: /etc/p2p-admin/policy.toml
///
/// What anybody may do on this machine, administrators from afar included. No call can change it. The file has
/// to belong to root, and nobody else may write to it. Without it, only roles decide, and ports are scanned of this
/// machine alone.
/// After a change: `p2p-node config check`, then `systemctl reload p2p-node`.
#[derive(Clone, Debug, Serialize, confique::Config)]
struct Settings {
    /// The highest role that counts here: "viewer", "operator" or "admin". With "operator" an administrator
    /// does here what an operator may, and no more.
    role_max: Option<Role>,

    /// Methods that may be called, as "service.method", "service.*" or "*". Without it: all that the caller's
    /// role has. A list without "node.*" hides the node from consoles.
    allow: Option<Vec<MethodPattern>>,

    /// Methods that may not be called, also if `allow` names them.
    #[config(default = [])]
    deny: Vec<MethodPattern>,

    /// Programs that commands may run, as absolute paths; * stands for any characters but /, as in
    /// "/usr/bin/systemd-*". Without it: any. A shell in this list allows everything.
    commands: Option<Vec<CommandPattern>>,

    /// Users that commands, programs and shells may run as. Without it: any.
    run_as: Option<Vec<String>>,

    /// Whether what shells show is recorded, never what is typed into them. `p2p-tui shell --recordings NODE`
    /// lists the recordings and `--replay` shows one. A shell that cannot be recorded, or not any more, ends.
    #[config(default = false)]
    shell_record: bool,

    /// A shell ends when nobody has typed into it or attached to it for so many minutes, whatever it shows
    /// meanwhile. Without it: never.
    shell_idle_minutes: Option<u32>,

    /// A shell ends so many minutes after it was opened. Without it: never.
    shell_total_minutes: Option<u32>,

    /// Directories that files may be read and written under. Without it: all.
    file_roots: Option<Vec<PathBuf>>,

    /// Networks whose ports may be scanned from here, as "ADDRESS/BITS". Without it: this machine itself alone; an
    /// empty list allows no scan at all. Link-local addresses, where clouds keep their metadata, only if a network
    /// of theirs is named.
    scan_targets: Option<Vec<String>>,
}

/// The commented file that shows every key.
pub fn template() -> String {
    confique::toml::template::<Settings>(confique::toml::FormatOptions::default())
}

impl Policy {
    /// The policy of `directory`, whose file has to belong to root; without a file, the one that stops nothing.
    ///
    /// # Errors
    /// Every problem, with file, line and key.
    pub fn read(directory: &Path) -> Result<Self, Vec<Problem>> {
        Self::read_of(directory, ROOT)
    }

    /// The same, of a file that has to belong to `owner`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_of(directory: &Path, owner: u32) -> Result<Self, Vec<Problem>> {
        let path = Self::path_in(directory);
        check_owner(&path, owner).map_err(|problem| vec![problem])?;
        match Document::read(&path, owner).map_err(|problem| vec![problem])? {
            Some(document) => Self::parse(&document),
            None => Ok(Self::default()),
        }
    }

    /// The policy that a document holds.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(document: &Document) -> Result<Self, Vec<Problem>> {
        let sources = Sources { flags: &[], env: &|_| None, dotenv: None, file: Some(document) };
        let loaded = layers::load::<Settings>(&sources)?;
        let settings = &loaded.settings;
        let at = |key: &'static str, message: String| Problem::new(loaded.origin(key), message).at(key);
        let mut problems = Vec::new();
        for root in settings.file_roots.iter().flatten().filter(|root| !root.is_absolute()) {
            problems.push(at("file_roots", format!("{root:?} is no absolute path")));
        }
        let mut networks = Vec::new();
        for text in settings.scan_targets.iter().flatten() {
            match text.parse::<Network>() {
                Ok(network) => networks.push(network),
                Err(error) => problems.push(at("scan_targets", format!("{text:?} {error}"))),
            }
        }
        let minutes = [
            ("shell_idle_minutes", settings.shell_idle_minutes),
            ("shell_total_minutes", settings.shell_total_minutes),
        ];
        for (key, _) in minutes.into_iter().filter(|(_, minutes)| *minutes == Some(0)) {
            problems.push(at(key, "is at least 1; `deny = [\"shell.*\"]` allows no shells".to_owned()));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let settings = loaded.settings;
        Ok(Self {
            path: document.path().to_owned(),
            role_max: settings.role_max,
            stopped: Self::stops(settings.allow.as_deref(), &settings.deny),
            commands: settings.commands,
            run_as: settings.run_as,
            shells: ShellLimits {
                record: settings.shell_record,
                idle_minutes: settings.shell_idle_minutes,
                total_minutes: settings.shell_total_minutes,
            },
            file_roots: settings.file_roots,
            scan_targets: settings.scan_targets.is_some().then_some(networks),
        })
    }
}

/// What another than `owner` could have written is no policy. Stricter than for `node.toml`: not even the user
/// that the node runs as may be its owner, since calls could act as that user.
fn check_owner(path: &Path, owner: u32) -> Result<(), Problem> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Problem::new(path.display(), format!("cannot be read: {error}"))),
    };
    let whose = |uid| if uid == ROOT { "root".to_owned() } else { format!("user {uid}") };
    if metadata.uid() != owner {
        let message = format!("belongs to {}, not to {}: chown it", whose(metadata.uid()), whose(owner));
        return Err(Problem::new(path.display(), message));
    }
    if metadata.mode() & 0o022 != 0 {
        let message = format!("others than its owner may write to it: chmod go-w {}", path.display());
        return Err(Problem::new(path.display(), message));
    }
    Ok(())
}
