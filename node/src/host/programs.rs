//! What is only of supervised programs: their definition as something to run, their logs and their health.
//!
//! [`super::run`] runs them.

use std::path::PathBuf;
use std::time::Duration;

use p2p_shared::services::program::ProgramDefinition;
use rustix::process::geteuid;

use super::Roots;
use super::run::account::Account;
use super::run::{self, Kind, RunError, RunId, Stdin, Stop, Streams, Work};

pub mod check;
pub mod log;

/// Which program a process belongs to, for people.
const NAME: &str = "P2P_ADMIN_PROGRAM";

/// The name of one run of a program.
pub fn run_id(definition: &ProgramDefinition, run: u64) -> RunId {
    RunId { kind: Kind::Program, id: format!("{}.{run:016x}", definition.name.as_str()) }
}

/// Whom a program runs as.
///
/// # Errors
/// [`RunError::Unknown`] if this machine knows no such user or group.
pub fn account_of(roots: &Roots, definition: &ProgramDefinition) -> Result<Account, RunError> {
    let own = || geteuid().as_raw().to_string();
    Account::of(roots, &definition.user.clone().unwrap_or_else(own), definition.group.as_deref())
}

/// What to run for a definition: its own command, or another in its place, as a probe is.
///
/// # Errors
/// [`RunError`] if its user or group, or the file of its command, is not there.
pub fn work(
    roots: &Roots,
    definition: &ProgramDefinition,
    id: RunId,
    (program, arguments): (&str, &[String]),
) -> Result<Work, RunError> {
    let account = account_of(roots, definition)?;
    let mut environment = run::base_environment(Some(&account));
    environment.extend(definition.environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    environment.push((NAME.to_owned(), definition.name.as_str().to_owned()));
    let names_account = definition.user.is_some() || definition.group.is_some();
    let mut work = Work {
        id,
        description: format!("P2P Admin: program {}", definition.name.as_str()),
        program: program.to_owned(),
        file: None,
        arguments: arguments.to_vec(),
        directory: definition.working_directory.as_ref().map_or_else(|| "/".into(), PathBuf::from),
        account: Some(account).filter(|_| names_account),
        environment,
        limits: definition.limits,
        stop: Stop {
            signal: definition.stop.signal,
            timeout: Duration::from_millis(definition.stop.timeout_ms),
        },
        streams: Streams::Pipes { stdin: Stdin::Null },
    };
    work.file = Some(work.resolved()?);
    Ok(work)
}
