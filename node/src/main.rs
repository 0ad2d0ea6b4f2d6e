//! The program `p2p-node`: the command line, with the node plugged in.

use std::process::ExitCode;

use p2p_node::cli;
use p2p_node::daemon::Daemon;

fn main() -> ExitCode {
    cli::main(std::env::args_os(), Daemon).into()
}
