//! `p2p-node import`: a machine's bundle, as `ca.sh bundle` made it, put where the node looks for it.
//!
//! A tar enters by a file or standard input; a directory of certificates and keys is left, or everything is as
//! it was. What was done, and what is to be done next, goes to stderr.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::tls::{Bundle, BundleKind, Change, OthersFiles};

use super::CliError;
use crate::clock;
use crate::config::values::HostPort;
use crate::logging::escape;
use crate::program;

const EXAMPLES: &str = "\
Examples:
  p2p-node import web-1.tar             on web-1, as root: into /etc/p2p-admin/pki
  p2p-node import - < web-1.tar         the same
  p2p-node import web-1.tar --replace   when the machine gets another name, key or CA

It is all or nothing: what stands there stays until all of the new files are on the disk.";

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// The bundle that `ca.sh bundle node NAME` made, or - for standard input
    #[arg(value_name = "BUNDLE.tar")]
    bundle: PathBuf,
    /// Directory to put it in [default: /etc/p2p-admin/pki]
    #[arg(long, value_name = "DIR")]
    certs: Option<PathBuf>,
    /// Give up what stands there, also if it is of another name, key or CA, or was issued later
    #[arg(long)]
    replace: bool,
}

/// Puts one bundle in place.
pub(super) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let source =
        if args.bundle == Path::new("-") { "standard input".into() } else { args.bundle.to_string_lossy() };
    let failed = |exit, error: &dyn Display| CliError::new(exit, format!("{source}: {error}"));
    let bundle = Bundle::open(&args.bundle).map_err(|error| failed(error.exit(), &error))?;
    if bundle.kind() == BundleKind::Operator {
        let error = "that is an operator's bundle: p2p-tui import puts it in place";
        return Err(failed(Exit::Data, &error).into());
    }
    bundle.bootstrap::<HostPort>().map_err(|error| failed(error.exit(), &error))?;
    let facts = program::facts();
    let default = facts.etc.join("pki");
    let directory = args.certs.as_ref().map_or_else(|| default.clone(), |certs| facts.cwd.join(certs));
    let others = if args.replace { OthersFiles::Replace } else { OthersFiles::Keep };
    let installed =
        bundle.install(&directory, others, clock::wall()).map_err(|error| failed(error.exit(), &error))?;

    say(&installed.sentence());
    say(&joins_through(&installed.addresses));
    if args.bundle != Path::new("-") {
        say(&format!("Delete {source} now: it holds the private key."));
    }
    if let Some(next) = next(installed.change, &directory, &default) {
        say(&format!("Next: {next}"));
    }
    Ok(())
}

fn joins_through(addresses: &[String]) -> String {
    if addresses.is_empty() {
        return "No address to join through came with it: set bootstrap in node.toml, unless others dial this node."
            .to_owned();
    }
    format!("It joins through {}.", addresses.join(", "))
}

fn next(change: Change, directory: &Path, default: &Path) -> Option<String> {
    match change {
        Change::Nothing => None,
        _ if directory != default => Some(format!("p2p-node run --certs {}", directory.display())),
        Change::New => Some("systemctl enable --now p2p-node".to_owned()),
        Change::Renewed | Change::Replaced => {
            Some("systemctl restart p2p-node (one that runs holds the old files until then)".to_owned())
        }
    }
}

/// A line for people, who may be gone.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", escape(line));
}
