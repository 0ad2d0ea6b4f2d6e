//! `p2p-node doctor`: what is wrong here, and what to do.

use clap::{Args, ValueEnum};
use p2p_shared::error::Exit;

use super::run::RunArgs;
use super::{complain, output};
use crate::{doctor, program};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every check runs, whatever the others find: configuration, certificates, clock, ports, addresses, each node to \
join through (a real handshake, which disturbs nobody), store, running node, service, rights. Without flags it \
looks at the installed service, and as root it sees more. It changes nothing and takes at most 10 seconds.\n
Exit code: 0 if nothing failed (warnings are no failures), else what the node itself would end with for the \
first failure: 78 configuration, certificate, clock or store, 69 a port or a peer that cannot be had. That rights are missing is a warning.")]
pub struct DoctorArgs {
    #[command(flatten)]
    sources: RunArgs,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// A line a finding, and below it what to do
    Table,
    /// An object for scripts
    Json,
}

/// Runs every check.
pub(super) fn run(args: DoctorArgs) -> Exit {
    let Some(report) = doctor::examine(&args.sources.given(), &program::facts()) else {
        complain(&"the system has no thread or descriptor left: nothing was looked at");
        return Exit::Internal;
    };
    let text = match args.output {
        Form::Table => report.table(),
        Form::Json => report.json(),
    };
    match output::print(text.as_bytes()) {
        Exit::Ok => report.exit(),
        failed => failed,
    }
}
