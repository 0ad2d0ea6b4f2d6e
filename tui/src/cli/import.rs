//! `p2p-tui import`: an operator's bundle, as `ca.sh bundle` made it, put where the console looks for it.
//!
//! A tar enters by a file or standard input; a directory with certificate and key is left, or everything is as
//! it was. Nobody is asked for the key's passphrase, and nothing is sent anywhere.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::tls::{Bundle, BundleKind, Change, OthersFiles};

use super::Entrance;
use super::failure::CliError;
use super::output::Streams;
use super::session::now;
use crate::effects::address::NodeAddress;
use crate::effects::settings::Surroundings;

const EXAMPLES: &str = "\
Examples:
  p2p-tui import anna.tar             into ~/.config/p2p-admin/certs, where p2p-tui finds it
  p2p-tui import - < anna.tar         the same
  p2p-tui import anna.tar --replace   when another name, key or CA stands there

It is all or nothing: what stands there stays until all of the new files are on the disk.";

/// Arguments of `import`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// The bundle that `ca.sh bundle operator NAME` made, or - for standard input
    #[arg(value_name = "BUNDLE.tar")]
    bundle: PathBuf,
    /// Give up what stands there, also if it is of another name, key or CA, or was issued later
    #[arg(long)]
    replace: bool,
}

/// Puts one bundle in place: where `entrance` says, else where the console looks first.
pub fn run(
    args: &ImportArgs,
    entrance: &Entrance,
    surroundings: &Surroundings,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let is_input = args.bundle == Path::new("-");
    let source = if is_input { "standard input".into() } else { args.bundle.to_string_lossy() };
    let failed = |exit, error: &dyn Display| CliError::new(exit, format!("{source}: {error}"));
    let bundle = Bundle::open(&args.bundle).map_err(|error| failed(error.exit(), &error))?;
    if bundle.kind() == BundleKind::Node {
        return Err(failed(Exit::Data, &"that is a node's bundle: p2p-node import puts it in place"));
    }
    bundle.bootstrap::<NodeAddress>().map_err(|error| failed(error.exit(), &error))?;
    let asked = entrance.certs.as_deref();
    let directory = surroundings.own_certificates(asked)?;
    let others = if args.replace { OthersFiles::Replace } else { OthersFiles::Keep };
    let installed =
        bundle.install(&directory, others, now()).map_err(|error| failed(error.exit(), &error))?;

    streams.tell(&installed.sentence());
    if !installed.addresses.is_empty() {
        streams.tell(&format!("It enters by {}.", installed.addresses.join(", ")));
    }
    if !is_input {
        streams.tell(&format!("Delete {source} now: it holds the private key."));
    }
    if installed.change != Change::Nothing {
        let node = if installed.addresses.is_empty() { " --node HOST:PORT" } else { "" };
        let certs = asked.map(|certs| format!(" --certs {}", certs.display())).unwrap_or_default();
        streams.tell(&format!("Next: p2p-tui{node}{certs}"));
    }
    Ok(Exit::Ok)
}
