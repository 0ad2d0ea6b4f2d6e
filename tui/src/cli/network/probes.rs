//! `network ping` and `network trace`: lines as they come for people, rows for programs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::network::{PingOutcome, PingReply, TraceEnd, TraceProbe, TraceStep};
use p2p_shared::time::Millis;
use serde::Serialize;

use super::super::failure::CliError;
use super::super::output::{Format, Streams, json};
use super::super::pace::span;
use super::super::session::Session;
use super::{From, Told, streamed};
use crate::format::clean;

/// What `network ping` takes.
#[derive(Clone, Debug, Args)]
pub struct PingArgs {
    /// Name or address
    target: String,
    /// From where, and how to print.
    #[command(flatten)]
    from: From,
    /// How many
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// From one to the next
    #[arg(short, long, value_name = "T", default_value = "1s", value_parser = span)]
    interval: Millis,
    /// Wait so long for each
    #[arg(short = 'W', long, value_name = "T", default_value = "1s", value_parser = span)]
    timeout: Millis,
    /// Bytes of data
    #[arg(short, long, value_name = "BYTES", default_value_t = 56)]
    size: u32,
}

/// What `network trace` takes.
#[derive(Clone, Debug, Args)]
pub struct TraceArgs {
    /// Name or address
    target: String,
    /// From where, and how to print.
    #[command(flatten)]
    from: From,
    /// Most hops
    #[arg(short = 'm', long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=64))]
    hops: u32,
    /// Packets of each hop
    #[arg(short = 'q', long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10))]
    probes: u32,
    /// Wait so long for each
    #[arg(short = 'W', long, value_name = "T", default_value = "1s", value_parser = span)]
    timeout: Millis,
}

/// A span as the contract has it.
pub(super) fn millis(span: Millis) -> Option<u32> {
    Some(u32::try_from(span.0).unwrap_or(u32::MAX))
}

/// A message with the node that sent it.
#[derive(Debug, Serialize)]
struct PingRow {
    node: NodeName,
    seq: u32,
    address: IpAddr,
    outcome: PingOutcome,
    rtt_ms: Option<f32>,
    note: String,
}

/// What one node's requests came to.
#[derive(Debug, Default)]
struct Tally {
    sent: u32,
    rtts: Vec<f32>,
}

impl Tally {
    fn line(&self) -> String {
        let answered = self.rtts.len();
        let lost = (self.sent as usize - answered) as f32 / self.sent.max(1) as f32 * 100.0;
        let mut line = format!("{} sent, {answered} answered, {lost:.0}% lost", self.sent);
        if answered > 0 {
            let least = self.rtts.iter().copied().fold(f32::INFINITY, f32::min);
            let most = self.rtts.iter().copied().fold(0.0, f32::max);
            let mean = self.rtts.iter().sum::<f32>() / answered as f32;
            line.push_str(&format!(", round trip min/avg/max {least:.2}/{mean:.2}/{most:.2} ms"));
        }
        line
    }
}

pub(super) async fn ping(
    session: &Session,
    args: &PingArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let output = args.from.output;
    let (mut rows, mut tallies) = (Vec::new(), BTreeMap::<NodeName, Tally>::new());
    let ask = |node: NodeHandle, told: Told<PingReply>| async move {
        let (interval, timeout) = (millis(args.interval), millis(args.timeout));
        let target = args.target.clone();
        let network = node.network();
        let mut replies = network.ping(target, Some(args.count), interval, timeout, Some(args.size)).await?;
        while let Some(reply) = replies.next().await? {
            told.tell(reply).await?;
        }
        Ok(())
    };
    let show = |node: &NodeName, reply: PingReply, streams: &mut Streams<'_>| {
        let tally = tallies.entry(node.clone()).or_default();
        tally.sent += 1;
        tally.rtts.extend(reply.rtt_ms);
        let PingReply { seq, address, outcome, rtt_ms, note } = reply;
        let row = PingRow { node: node.clone(), seq, address, outcome, rtt_ms, note };
        match output {
            Format::Table => streams.data(&format!("{node}: {}\n", ping_line(&row))),
            Format::Jsonl => streams.json_line(&row),
            Format::Json => {
                rows.push(row);
                Ok(())
            }
        }
    };
    let exit = streamed(session, &args.from.on, ask, show, streams).await?;
    match output {
        Format::Table => {
            for (node, tally) in &tallies {
                streams.data(&format!("{node}: {}\n", tally.line()))?;
            }
        }
        Format::Json => streams.data(&format!("{}\n", json(&rows, true)?))?,
        Format::Jsonl => {}
    }
    let is_silent = tallies.values().any(|tally| tally.rtts.is_empty());
    Ok(if exit == Exit::Ok && is_silent { Exit::Failed } else { exit })
}

fn ping_line(row: &PingRow) -> String {
    let PingRow { seq, address, rtt_ms, .. } = row;
    match (row.outcome, rtt_ms) {
        (PingOutcome::Reply, Some(rtt)) => format!("{address} seq={seq} time={rtt:.2} ms"),
        (PingOutcome::Unreachable, _) => format!("{address} seq={seq} not sent: {}", clean(&row.note)),
        _ => format!("{address} seq={seq} no answer"),
    }
}

#[derive(Debug, Serialize)]
struct TraceRow {
    node: NodeName,
    target: IpAddr,
    ttl: u32,
    probes: Vec<TraceProbe>,
    loss_ratio: f32,
    end: Option<TraceEnd>,
}

pub(super) async fn trace(
    session: &Session,
    args: &TraceArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let output = args.from.output;
    let (mut rows, mut reached) = (Vec::new(), BTreeMap::<NodeName, bool>::new());
    let ask = |node: NodeHandle, told: Told<TraceStep>| async move {
        let (target, timeout) = (args.target.clone(), millis(args.timeout));
        let network = node.network();
        let mut steps = network.trace(target, Some(args.hops), Some(args.probes), timeout).await?;
        while let Some(step) = steps.next().await? {
            told.tell(step).await?;
        }
        Ok::<(), RpcError>(())
    };
    let show = |node: &NodeName, step: TraceStep, streams: &mut Streams<'_>| {
        reached.insert(node.clone(), step.end == Some(TraceEnd::Reached));
        let TraceStep { target, hop, end } = step;
        let row = TraceRow {
            node: node.clone(),
            target,
            ttl: hop.ttl,
            probes: hop.probes,
            loss_ratio: hop.loss_ratio,
            end,
        };
        match output {
            Format::Table => streams.data(&trace_lines(&row)),
            Format::Jsonl => streams.json_line(&row),
            Format::Json => {
                rows.push(row);
                Ok(())
            }
        }
    };
    let exit = streamed(session, &args.from.on, ask, show, streams).await?;
    if output == Format::Json {
        streams.data(&format!("{}\n", json(&rows, true)?))?;
    }
    let is_lost = reached.values().any(|reached| !reached);
    Ok(if exit == Exit::Ok && is_lost { Exit::Failed } else { exit })
}

/// `web-1   2  10.0.2.2  0.31 ms  0.28 ms  *  33% lost`, and how it ended behind the last one.
fn trace_lines(row: &TraceRow) -> String {
    let mut line = format!("{}  {:>2}  ", row.node, row.ttl);
    let mut last = None;
    let mut notes: Vec<&str> = Vec::new();
    for probe in &row.probes {
        if let Some(address) = probe.address.filter(|address| last != Some(*address)) {
            last = Some(address);
            line.push_str(&format!("{address}  "));
        }
        match probe.rtt_ms {
            Some(rtt) => line.push_str(&format!("{rtt:.2} ms  ")),
            None => line.push_str("*  "),
        }
        if !probe.note.is_empty() && !notes.contains(&probe.note.as_str()) {
            notes.push(&probe.note);
        }
    }
    if row.loss_ratio > 0.0 {
        line.push_str(&format!("{:.0}% lost  ", row.loss_ratio * 100.0));
    }
    line.push_str(&clean(&notes.join(", ")));
    let mut text = format!("{}\n", line.trim_end());
    let end = match row.end {
        Some(TraceEnd::Reached) | None => return text,
        Some(TraceEnd::Unreachable) => "the way ends here",
        Some(TraceEnd::HopsMax | TraceEnd::Unknown) => "not reached within these hops",
    };
    text.push_str(&format!("{}: {}: {end}\n", row.node, row.target));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_reads_like_traceroute() {
        let probe = |address: Option<&str>, rtt_ms, note: &str| TraceProbe {
            address: address.map(|address| address.parse().unwrap()),
            rtt_ms,
            note: note.into(),
        };
        let mut row = TraceRow {
            node: "web-1".parse().unwrap(),
            target: "10.0.2.2".parse().unwrap(),
            ttl: 2,
            probes: vec![
                probe(Some("10.0.1.1"), Some(0.314), ""),
                probe(None, None, ""),
                probe(Some("10.0.1.1"), Some(12.0), "host unreachable\u{1b}"),
            ],
            loss_ratio: 1.0 / 3.0,
            end: Some(TraceEnd::Unreachable),
        };
        let expected = "web-1   2  10.0.1.1  0.31 ms  *  12.00 ms  33% lost  host unreachable^[\n\
                        web-1: 10.0.2.2: the way ends here\n";
        assert_eq!(trace_lines(&row), expected);
        row.probes.truncate(1);
        (row.loss_ratio, row.end) = (0.0, Some(TraceEnd::Reached));
        assert_eq!(trace_lines(&row), "web-1   2  10.0.1.1  0.31 ms\n");
    }

    #[test]
    fn a_tally_says_what_was_lost() {
        let tally = Tally { sent: 4, rtts: vec![1.0, 3.0] };
        assert_eq!(tally.line(), "4 sent, 2 answered, 50% lost, round trip min/avg/max 1.00/2.00/3.00 ms");
        assert_eq!(Tally { sent: 2, rtts: vec![] }.line(), "2 sent, 0 answered, 100% lost");
    }
}
