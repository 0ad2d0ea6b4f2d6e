//! `p2p-node`: reads the command line, runs one command, turns its end into an exit code.

use std::process::ExitCode;

use clap::Parser;
use p2p_node::cli::{self, Cli};

fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::report(&error),
    }
}
