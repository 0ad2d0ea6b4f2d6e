//! The command line of `p2p-node`: one module a command, and how each end becomes an exit code.
//!
//! Arguments enter, text on standard output (data) and standard error (for people) leaves.

pub mod ca;
mod passphrase;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use p2p_shared::error::Exit;
use p2p_shared::tls::CredentialsError;

use crate::pki::PkiError;

/// The node of P2P Admin: runs on each machine, and is the mesh.
#[derive(Debug, Parser)]
#[command(name = "p2p-node", version, arg_required_else_help = true, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What `p2p-node` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the CA of a mesh, issue certificates, and look after them.
    Ca(ca::CaArgs),
}

/// A failure that is the command line's own: wrong usage, or nobody to ask.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// How the program exits.
    pub exit: Exit,
    /// What failed and what to do.
    pub message: String,
}

impl CliError {
    /// A failure that exits with `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

/// Runs one command to its end.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Ca(args) => ca::run(args),
    }
}

/// Says what failed in one line, and how to exit. A reader that went away (`| head -1`) is no failure.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return Exit::Ok.into();
    }
    eprintln!("p2p-node: {error:#}");
    exit_of(error).into()
}

/// The exit code that an error stands for.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    error
        .downcast_ref::<CliError>()
        .map(|error| error.exit)
        .or_else(|| error.downcast_ref::<PkiError>().map(PkiError::exit))
        .or_else(|| error.downcast_ref::<CredentialsError>().map(CredentialsError::exit))
        .unwrap_or(Exit::Failed)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(broken)
        || matches!(error.downcast_ref(), Some(PkiError::File { error, .. }) if broken(error))
}
