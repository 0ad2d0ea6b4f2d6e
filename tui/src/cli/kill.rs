//! `kill PID --on NODE`: a signal to exactly the process that is there now.
//!
//! The pid is looked up first, and the signal goes to what was found: boot, pid and start time. Should that
//! process have ended in between, the node refuses.

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::Member;
use p2p_shared::services::process::{ProcessInfo, ProcessRef, Signal};

use super::failure::CliError;
use super::output::Streams;
use super::session::Session;
use crate::selector::Selector;

/// Signals by their numbers, where those are the same on every architecture that Linux nodes run on.
const NUMBERS: [(u8, Signal); 10] = [
    (1, Signal::Hup),
    (2, Signal::Int),
    (3, Signal::Quit),
    (6, Signal::Abrt),
    (9, Signal::Kill),
    (10, Signal::Usr1),
    (12, Signal::Usr2),
    (15, Signal::Term),
    (18, Signal::Cont),
    (19, Signal::Stop),
];

/// What `kill` takes.
#[derive(Clone, Debug, Args)]
pub struct KillArgs {
    /// Which process
    pub pid: u32,
    /// On which node
    #[arg(long, value_name = "NODE")]
    pub on: Selector,
    /// Which signal: a name or a number
    #[arg(short, long, value_name = "SIGNAL", default_value = "TERM", value_parser = signal)]
    pub signal: Signal,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// A signal by its name or its number.
pub fn signal(text: &str) -> Result<Signal, String> {
    let upper = text.to_ascii_uppercase();
    let named =
        |signal: &Signal| signal.as_str() == upper || signal.as_str().strip_prefix("SIG") == Some(&upper);
    let numbered =
        || NUMBERS.iter().find(|(number, _)| number.to_string() == text).map(|(_, signal)| *signal);
    let names = || Signal::ALL.map(|signal| signal.as_str().trim_start_matches("SIG")).join(" ");
    Signal::ALL.into_iter().find(named).or_else(numbered).ok_or_else(|| format!("one of {}", names()))
}

/// Finds the process, asks, and sends.
pub async fn run(session: &Session, args: &KillArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.writable(&args.on, streams)?;
    let (target, Found { node, boot_id, info }) = find(session, &targets, args.pid).await?;
    if !args.yes {
        agreed(args, target, &info, streams)?;
    }
    let exactly = ProcessRef { boot_id, pid: info.key.pid, start_ticks: info.key.start_ticks };
    node.process().signal(exactly, args.signal).await?;
    Ok(Exit::Ok)
}

/// The process that has a pid on a node now.
pub(super) struct Found {
    /// The node.
    pub node: NodeHandle,
    /// Its boot.
    pub boot_id: String,
    /// The process.
    pub info: ProcessInfo,
}

/// Looks a pid up on the one node that is meant.
pub(super) async fn find<'a>(
    session: &Session,
    targets: &'a [Member],
    pid: u32,
) -> Result<(&'a Member, Found), CliError> {
    let [target] = targets else {
        let text = format!("a pid means something on one node only, and --on fits {} nodes", targets.len());
        return Err(CliError::usage(text));
    };
    let node = session.reach(target).await?;
    let list = node.process().list(None).await?;
    let found = list.processes.into_iter().find(|info| info.key.pid == pid);
    let info = found
        .ok_or_else(|| CliError::new(Exit::Failed, format!("{}: there is no process {pid}", target.name)))?;
    Ok((target, Found { node, boot_id: list.boot_id, info }))
}

/// Asks the person at the terminal. Where there is none, only `--yes` will do.
fn agreed(
    args: &KillArgs,
    target: &Member,
    found: &ProcessInfo,
    streams: &mut Streams<'_>,
) -> Result<(), CliError> {
    let question = format!(
        "Send {} to process {} ({}, of {}) on {}?",
        args.signal.as_str(),
        args.pid,
        if found.command.is_empty() { &found.name } else { &found.command },
        found.user,
        target.name
    );
    match streams.confirm(&question) {
        Some(true) => Ok(()),
        Some(false) => Err(CliError::new(Exit::Failed, "nothing was sent")),
        None => Err(CliError::usage("there is no terminal to ask on: add --yes to send it without asking")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["TERM", "term", "SIGTERM", "sigterm", "15"] {
            assert_eq!(signal(text), Ok(Signal::Term), "{text}");
        }
        assert_eq!(signal("9"), Ok(Signal::Kill));
        for text in ["", "SIG", "0", "64", "FOO", "-9", "unknown signal"] {
            assert!(signal(text).unwrap_err().starts_with("one of TERM KILL "), "{text}");
        }
    }
}
