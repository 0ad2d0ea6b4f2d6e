//! From a definition to a command that can be spawned: where it is, as whom it runs, with which environment.
//!
//! Nothing of the node's own environment reaches a program, and no shell reads a word of it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use p2p_shared::services::program::{ProgramDefinition, ProgramLimits};
use rustix::process::geteuid;

use super::LaunchError;
use super::account::{self, Account};
use crate::host::Roots;

/// Where a command without a path is looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What sets limits, of util-linux.
const LIMITER: &str = "prlimit";

/// A command in a process group of its own, without input, and whom it runs as.
///
/// # Errors
/// [`LaunchError`] says what is not there.
pub fn build(
    roots: &Roots,
    definition: &ProgramDefinition,
    words: (&str, &[String]),
) -> Result<(Command, Option<Account>), LaunchError> {
    let account = account_of(roots, definition)?;
    let path = definition.environment.get("PATH").map_or(PATH, String::as_str);
    let program = resolve(words.0, path)?;
    let directory = definition.working_directory.as_deref().unwrap_or("/");
    if !fs::metadata(directory).is_ok_and(|found| found.is_dir()) {
        return Err(LaunchError::NoDirectory(directory.to_owned()));
    }
    let mut command = limited(&definition.limits, program)?;
    command.args(words.1).current_dir(directory).process_group(0).stdin(Stdio::null());
    command.env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
    if let Some(account) = &account {
        command.env("HOME", &account.home).env("SHELL", &account.shell);
        command.env("USER", &account.name).env("LOGNAME", &account.name);
    }
    command.envs(&definition.environment);
    if let Some(account) = &account {
        let own = geteuid();
        if own.is_root() && (definition.user.is_some() || definition.group.is_some()) {
            // The standard library also drops the supplementary groups of root.
            command.uid(account.uid).gid(account.gid);
        } else if account.uid != own.as_raw() {
            return Err(LaunchError::OtherUser(account.name.clone()));
        } else if definition.group.is_some() && account.gid != rustix::process::getegid().as_raw() {
            return Err(LaunchError::OtherUser(format!("group {}", account.gid)));
        }
    }
    Ok((command, account))
}

/// A program under its limits. The process sets them itself before it becomes the program, by prlimit(1): after
/// the change of the user, so that no right is needed for it, and before the program's first step.
fn limited(limits: &ProgramLimits, program: PathBuf) -> Result<Command, LaunchError> {
    let limits = [("data", limits.memory_bytes), ("nofile", limits.files), ("nproc", limits.tasks)];
    if limits.iter().all(|(_, most)| most.is_none()) {
        return Ok(Command::new(program));
    }
    let mut command = Command::new(resolve(LIMITER, PATH).map_err(|_| LaunchError::NoLimiter)?);
    for (name, most) in limits {
        command.args(most.map(|most| format!("--{name}={most}")));
    }
    command.arg("--").arg(program);
    Ok(command)
}

/// Whom it runs as; `None` if that is the node's own user, and nobody knows its name.
fn account_of(roots: &Roots, definition: &ProgramDefinition) -> Result<Option<Account>, LaunchError> {
    let group = definition.group.as_deref();
    match &definition.user {
        Some(user) => account::find(roots, user, group).map(Some),
        None => {
            let own = geteuid().as_raw().to_string();
            account::find(roots, &own, group).map(Some)
        }
    }
}

/// The file of a command.
fn resolve(command: &str, path: &str) -> Result<PathBuf, LaunchError> {
    let is_executable = |file: &Path| {
        fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if !command.contains('/') {
        let mut found =
            path.split(':').filter(|dir| dir.starts_with('/')).map(|dir| Path::new(dir).join(command));
        let missing = || LaunchError::NoCommand(format!("{command} in {path}"));
        return found.find(|file| is_executable(file)).ok_or_else(missing);
    }
    let file = PathBuf::from(command);
    if is_executable(&file) {
        return Ok(file);
    }
    match fs::metadata(&file) {
        Ok(_) => Err(LaunchError::NotExecutable(command.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(LaunchError::NoCommand(command.to_owned()))
        }
        Err(source) => Err(LaunchError::Spawn { command: command.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        fs::write(&plain, "x").unwrap();
        let plain = plain.to_str().unwrap();
        assert!(matches!(resolve("/no/such/thing", PATH), Err(LaunchError::NoCommand(_))));
        assert!(matches!(resolve("no-such-thing", PATH), Err(LaunchError::NoCommand(_))));
        assert!(matches!(resolve(plain, PATH), Err(LaunchError::NotExecutable(_))));
        assert!(matches!(resolve(dir.path().to_str().unwrap(), PATH), Err(LaunchError::NotExecutable(_))));
        assert!(resolve("sh", PATH).unwrap().ends_with("sh"));
        assert!(matches!(resolve("sh", ".:"), Err(LaunchError::NoCommand(_))), "never from where we stand");
    }
}
