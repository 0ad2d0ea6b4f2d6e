//! `p2p-node config`: what the node would start with, and where each value comes from.

use std::fmt::Write;

use clap::{Args, Subcommand};
use p2p_shared::config::Problem;
use p2p_shared::error::Exit;

use super::run::RunArgs;
use super::{complain, output};
use crate::config::{self, Row};
use crate::{policy, program};

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Says whether a node would start with it, and if not, why
    Check(RunArgs),
    /// Prints every key with its value; secrets are masked
    Show {
        #[command(flatten)]
        sources: RunArgs,
        /// Name the place that each value comes from
        #[arg(long)]
        origin: bool,
    },
    /// Prints a commented file with every key and its default
    Template {
        /// The one of policy.toml, which caps what anybody may do on this machine
        #[arg(long)]
        policy: bool,
    },
}

/// Runs one of them.
pub(super) fn run(args: ConfigArgs) -> Exit {
    match args.action {
        Action::Check(sources) => check(sources),
        Action::Show { sources, origin } => show(sources, origin),
        Action::Template { policy: false } => output::print(config::template().as_bytes()),
        Action::Template { policy: true } => output::print(policy::template().as_bytes()),
    }
}

fn check(sources: RunArgs) -> Exit {
    let env = |name: &str| std::env::var_os(name);
    match config::load(&sources.given(), &program::facts(), &env) {
        Ok(config) => output::print(format!("ok: {} would start\n", config.name).as_bytes()),
        Err(problems) => refuse(&problems),
    }
}

fn show(sources: RunArgs, with_origin: bool) -> Exit {
    let env = |name: &str| std::env::var_os(name);
    let inspected = match config::inspect(&sources.given(), &program::facts(), &env) {
        Ok(inspected) => inspected,
        Err(problems) => return refuse(&problems),
    };
    let rows = match inspected.rows() {
        Ok(rows) => rows,
        Err(error) => {
            complain(&format!("configuration: cannot be shown: {error}"));
            return Exit::Internal;
        }
    };
    let mut text = String::new();
    for row in &rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line(row, with_origin));
    }
    match (output::print(text.as_bytes()), inspected.config) {
        (Exit::Ok, Err(problems)) => refuse(&problems),
        (exit, _) => exit,
    }
}

fn line(row: &Row, with_origin: bool) -> String {
    let shown = match &row.value {
        Some(value) => format!("{} = {value}", row.key),
        None => format!("# {} is not set", row.key),
    };
    match with_origin && row.value.is_some() {
        true => format!("{shown} # {}", row.origin),
        false => shown,
    }
}

fn refuse(problems: &[Problem]) -> Exit {
    for problem in problems {
        complain(&format!("configuration: {problem}"));
    }
    Exit::Config
}
