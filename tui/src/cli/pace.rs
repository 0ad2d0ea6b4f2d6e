//! The flags of commands that act on many nodes, and the spans of time that people write.

use clap::Args;
use p2p_shared::error::RpcError;
use p2p_shared::fanout::{Plan, Share};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::mesh::link::CONNECT_TIMEOUT;
use p2p_shared::services::node::{Member, MemberState};
use p2p_shared::time::Millis;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::Session;

/// How many at a time, and when it is enough.
#[derive(Clone, Debug, Default, Args)]
pub struct Pace {
    /// Nodes of one batch; the next begins when all of it have ended [default: one begins as another ends]
    #[arg(long, value_name = "N|N%", value_parser = batch)]
    pub batch: Option<Share>,
    /// Wait this long between batches
    #[arg(long, value_name = "T", value_parser = span)]
    pub pause: Option<Millis>,
    /// Failures that are borne; with one more, nodes not begun with are skipped [default: all are borne]
    #[arg(long, value_name = "N|N%")]
    pub max_fail: Option<Share>,
    /// End it all after this time: what runs is killed, the rest is skipped
    #[arg(long, value_name = "T", value_parser = span)]
    pub timeout_all: Option<Millis>,
    /// Only list the nodes that are meant
    #[arg(long)]
    pub dry_run: bool,
}

impl Pace {
    /// The same as a plan; `target_time` is for one node.
    pub fn plan(&self, target_time: Option<Millis>) -> Plan {
        Plan {
            batch: self.batch,
            pause: self.pause.unwrap_or_default(),
            fail_max: self.max_fail,
            target_time,
            total_time: self.timeout_all,
        }
    }
}

fn batch(text: &str) -> Result<Share, String> {
    let share: Share = text.parse().map_err(|error| format!("{error}"))?;
    if share.is_zero() { Err("a batch of nobody would never end".into()) } else { Ok(share) }
}

/// A span of time: `500ms`, `30s` or `30`, `5m`, `2h`, `1d`.
pub fn span(text: &str) -> Result<Millis, String> {
    let bad = || "a number with ms, s, m, h or d, such as 30s".to_owned();
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    number.checked_mul(scale).filter(|span| *span > 0).map(Millis).ok_or_else(bad)
}

/// A connected handle to a member, within the time that connecting may take: also to one that is lost, once.
pub async fn reach(session: &Session, member: &Member) -> Result<NodeHandle, RpcError> {
    let late = || {
        let span = CONNECT_TIMEOUT.as_secs();
        Err(RpcError::unavailable(format!("cannot connect to {} within {span} s", member.name)))
    };
    let reached = timeout(CONNECT_TIMEOUT, session.reach(member)).await.unwrap_or_else(|_| late());
    // Whatever stands between, the node was not reached.
    reached.map_err(|error| RpcError::unavailable(error.message))
}

/// Resolves on ^C, and when the program is asked to end.
pub async fn called_off() {
    let term = async {
        match signal(SignalKind::terminate()) {
            Ok(mut term) => drop(term.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = term => {}
    }
}

#[derive(Debug, Serialize)]
struct TargetRow<'a> {
    node: &'a str,
    state: MemberState,
    batch: usize,
}

impl Row for TargetRow<'_> {
    const TITLES: &'static [&'static str] = &["NODE", "STATE", ">BATCH"];

    fn cells(&self) -> Vec<String> {
        vec![self.node.to_owned(), self.state.as_str().to_owned(), self.batch.to_string()]
    }
}

/// Lists who is meant, in which batch. Nobody is asked.
pub fn dry_run(
    members: &[Member],
    plan: &Plan,
    format: Format,
    streams: &mut Streams<'_>,
) -> Result<(), CliError> {
    let size = plan.batch.map_or(members.len(), |batch| batch.at_least_one(members.len())).max(1);
    let row = |(index, member): (usize, &Member)| (index / size + 1, member.state, member.name.to_string());
    let listed: Vec<_> = members.iter().enumerate().map(row).collect();
    let rows: Vec<TargetRow<'_>> =
        listed.iter().map(|(batch, state, node)| TargetRow { node, state: *state, batch: *batch }).collect();
    streams.rows(&rows, format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_are_never_nothing() {
        for (text, expected) in
            [("500ms", 500), ("30", 30_000), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000)]
        {
            assert_eq!(span(text), Ok(Millis(expected)), "{text}");
        }
        for text in ["", "s", "0", "0s", "-1", "1.5s", "1x", "1 s", "99999999999999999d", "1h30m"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
