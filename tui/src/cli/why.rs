//! `why PID --on NODE`: what started a process, from the process up; with `--sockets` who is at the other end of
//! its connections.

mod sockets;

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::services::Services;
use p2p_shared::services::process::{Origin, ProcessDetails};

use super::failure::CliError;
use super::kill::{Found, find};
use super::output::Streams;
use super::session::Session;
use crate::format::clean;
use crate::selector::Selector;

/// What `why` takes.
#[derive(Clone, Debug, Args)]
pub struct WhyArgs {
    /// Which process
    pub pid: u32,
    /// On which node
    #[arg(long, value_name = "NODE")]
    pub on: Selector,
    /// Its connections too, and the process at the other end where that is a member of the mesh
    #[arg(long)]
    pub sockets: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Finds the process and says where it comes from.
pub async fn run(session: &Session, args: &WhyArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.readable(&args.on, streams)?;
    let (target, Found { node, boot_id, info }) = find(session, &targets.members, args.pid).await?;
    let details = node.process().inspect(boot_id, info.key.pid, info.key.start_ticks).await?;
    let ends = match args.sockets {
        true => Some(sockets::ends(session, target, &details.sockets, streams).await?),
        false => None,
    };
    let text = if args.json { json(&details, ends.as_deref()) } else { lines(&details) };
    streams.data(&text)?;
    if let (Some(ends), false) = (ends, args.json) {
        streams.data(&sockets::lines(&ends))?;
    }
    Ok(Exit::Ok)
}

/// The process, its parents below it, each a step further in, and what it belongs to.
fn lines(details: &ProcessDetails) -> String {
    let info = &details.info;
    let command = if info.command.is_empty() { &info.name } else { &info.command };
    let own = format!("{} {} of {}\n", info.key.pid, clean(command), clean(&info.user));
    let parents = details.ancestors.iter().enumerate();
    let parents = parents.map(|(step, one)| {
        format!("{:width$}by {} {}\n", "", one.key.pid, clean(&one.name), width = 2 * step + 2)
    });
    let origin = details.origin.as_ref().map_or_else(|| "not known".to_owned(), Origin::sentence);
    format!("{own}{}belongs to: {}\n", parents.collect::<String>(), clean(&origin))
}

fn json(details: &ProcessDetails, ends: Option<&[sockets::End]>) -> String {
    let ProcessDetails { info, ancestors, origin, cgroup, .. } = details;
    let mut value = serde_json::json!({
        "pid": info.key.pid, "name": info.name, "command": info.command, "user": info.user,
        "ancestors": ancestors, "origin": origin, "cgroup": cgroup,
    });
    if let Some(ends) = ends {
        value["sockets"] = serde_json::json!(ends);
    }
    format!("{value}\n")
}
