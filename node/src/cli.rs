//! The command line: parses it, runs one command, turns the end into an exit code.
//!
//! Arguments enter; data leaves by stdout, sentences for people by stderr, one line each. It decides nothing
//! that a command does.

mod audit;
mod ca;
mod config;
mod doctor;
mod import;
mod manuals;
mod output;
mod passphrase;
mod run;
mod user;

use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use p2p_shared::error::Exit;
use p2p_shared::tls::CredentialsError;

use crate::logging::escape;
use crate::pki::PkiError;
use crate::program::Start;

/// Longest line of complaint, in characters: what is quoted in it may be anything.
const COMPLAINT_CHARS_MAX: usize = 1024;

/// The node of P2P Admin: runs on each machine, and is the mesh.
#[derive(Debug, Parser)]
#[command(name = "p2p-node", version, arg_required_else_help = true, subcommand_required = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 65 bad data, 69 cannot bind or connect, 77 permission, 78 bad configuration."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Everything that the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a node in the foreground until SIGTERM or SIGINT.
    Run(run::RunArgs),
    /// Says what is wrong with this node's machine, and what to do.
    Doctor(doctor::DoctorArgs),
    /// Make the CA of a mesh, issue certificates, and look after them.
    Ca(ca::CaArgs),
    /// Puts the bundle that `ca.sh bundle node NAME` made in place.
    Import(import::ImportArgs),
    /// Says who may log in to this node's HTTP face.
    User(user::UserArgs),
    /// Looks at the audit record: who did what on this machine.
    Audit(audit::AuditArgs),
    /// Checks, shows or explains the configuration.
    Config(config::ConfigArgs),
    /// Prints the description of the HTTP API, as OpenAPI 3.1.
    Openapi,
    /// Prints completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Writes the manual pages, for packages.
    #[command(hide = true)]
    Manuals {
        /// Where to.
        directory: PathBuf,
    },
}

/// The whole program, with `start` as its node.
pub fn main<S: Start>(args: impl IntoIterator<Item = OsString>, start: S) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    catch_unwind(AssertUnwindSafe(|| dispatch(cli, start))).unwrap_or_else(|_| {
        complain(&"internal error: the program cannot go on: report the lines above");
        Exit::Internal
    })
}

fn dispatch<S: Start>(cli: Cli, start: S) -> Exit {
    match cli.command {
        Command::Run(args) => run::run(args, start),
        Command::Ca(args) => ended(ca::run(args)),
        Command::Import(args) => ended(import::run(&args)),
        Command::User(args) => ended(user::run(args)),
        Command::Audit(args) => ended(audit::run(args)),
        Command::Config(args) => config::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Openapi => output::print(format!("{:#}\n", crate::http::document()).as_bytes()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "p2p-node", &mut script);
            output::print(&script)
        }
        Command::Manuals { directory } => {
            let written = manuals::write(&directory, Cli::command());
            ended(written.with_context(|| directory.display().to_string()))
        }
    }
}

/// A failure that is the command line's own: wrong usage, or nobody to ask.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct CliError {
    exit: Exit,
    message: String,
}

impl CliError {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

/// Says what failed. A reader that went away (`| head -1`) is no failure.
fn ended(result: anyhow::Result<()>) -> Exit {
    match result {
        Ok(()) => Exit::Ok,
        Err(error) if is_broken_pipe(&error) => Exit::Ok,
        Err(error) => {
            complain(&format_args!("{error:#}"));
            exit_of(&error)
        }
    }
}

fn exit_of(error: &anyhow::Error) -> Exit {
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

/// Says on stderr, in one line, what failed.
pub fn complain(what: &dyn Display) {
    use std::io::Write;
    let text = what.to_string();
    let text: String = text.trim().chars().take(COMPLAINT_CHARS_MAX).collect();
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(io::stderr(), "p2p-node: {}", escape(&text));
}

fn refuse(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => output::print(error.to_string().as_bytes()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Nobody is left to tell when stderr is gone.
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            complain(&usage_line(error));
            Exit::Usage
        }
    }
}

/// The first line of clap's complaint, and what is missing, which stands on the next ones.
fn usage_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let more = text.lines().skip(1).take_while(|line| line.starts_with("  ")).map(str::trim);
    let line = [first].into_iter().chain(more).collect::<Vec<_>>().join(" ");
    format!("{}: see p2p-node --help", cut(&line))
}

/// An argument that is quoted may be as long as the system allows.
fn cut(text: &str) -> String {
    const QUOTED_MAX: usize = 300;
    let mut short: String = text.chars().take(QUOTED_MAX).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests;
