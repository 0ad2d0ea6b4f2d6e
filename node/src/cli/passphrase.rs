//! Where passphrases come from: a file that the environment names, or a person at a terminal.
//!
//! Passphrases enter here and nowhere else; they are never arguments (which everybody can list) and never
//! printed.

use std::io::{self, IsTerminal};
use std::path::Path;

use p2p_shared::error::Exit;
use p2p_shared::tls::{PassphraseError, passphrase_file};
use zeroize::Zeroizing;

use super::CliError;
use crate::pki::{PASSPHRASE_CHARS_MIN, Sealing};

/// A key that has a passphrase.
#[derive(Clone, Copy, Debug)]
pub struct Locked {
    /// What the prompt calls it.
    pub what: &'static str,
    /// The environment variable that names a file with its passphrase.
    pub variable: &'static str,
}

/// `ca.key`.
pub const CA_KEY: Locked = Locked { what: "the CA's key", variable: "P2P_CA_PASSPHRASE_FILE" };
/// `operator.key`.
pub const OPERATOR_KEY: Locked = Locked { what: "the operator's key", variable: "P2P_KEY_PASSPHRASE_FILE" };

/// The passphrase of a key that has one.
pub fn known(key: Locked, path: &Path) -> Result<Zeroizing<String>, PassphraseError> {
    if let Some(from_file) = from_environment(key) {
        return from_file;
    }
    if !io::stdin().is_terminal() {
        let Locked { what, variable } = key;
        return Err(PassphraseError::Unavailable(format!(
            "there is no terminal to ask for the passphrase of {what} on: {variable}=FILE names a file with it"
        )));
    }
    prompt(&format!("Passphrase of {} ({}): ", key.what, path.display()))
        .map_err(|error| PassphraseError::Unavailable(format!("the terminal gave no passphrase: {error}")))
}

/// How a new key is to be sealed. `--no-passphrase` is decided by who calls.
pub fn chosen(key: Locked) -> anyhow::Result<Sealing> {
    if let Some(from_file) = from_environment(key) {
        let passphrase = from_file.map_err(|error| CliError::new(Exit::Config, error.to_string()))?;
        return Ok(Sealing::with(passphrase)?);
    }
    if !io::stdin().is_terminal() {
        let Locked { what, variable } = key;
        let message = format!(
            "{what} is to be encrypted, and there is no terminal to ask for a passphrase on: {variable}=FILE \
             names a file with one; --no-passphrase leaves the key as it is, for demonstrations and tests"
        );
        return Err(CliError::new(Exit::Config, message).into());
    }
    let first =
        prompt(&format!("New passphrase for {} (at least {PASSPHRASE_CHARS_MIN} characters): ", key.what))?;
    let sealing = Sealing::with(first.clone())?;
    if *prompt("The same again: ")? != *first {
        return Err(CliError::new(Exit::Data, "the two passphrases differ: nothing was written").into());
    }
    Ok(sealing)
}

fn from_environment(key: Locked) -> Option<Result<Zeroizing<String>, PassphraseError>> {
    let file = std::env::var_os(key.variable).filter(|file| !file.is_empty())?;
    Some(passphrase_file(Path::new(&file)))
}

fn prompt(text: &str) -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password(text).map(Zeroizing::new)
}
