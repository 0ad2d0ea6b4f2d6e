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
use crate::format::probe::{self, Tally};

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
        tally.add(&reply);
        let line = probe::ping(&reply);
        let PingReply { seq, address, outcome, rtt_ms, note } = reply;
        let row = PingRow { node: node.clone(), seq, address, outcome, rtt_ms, note };
        match output {
            Format::Table => streams.data(&format!("{node}: {line}\n")),
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
    let is_silent = tallies.values().any(Tally::is_silent);
    Ok(if exit == Exit::Ok && is_silent { Exit::Failed } else { exit })
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
        let text = trace_lines(node, &step);
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
            Format::Table => streams.data(&text),
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
fn trace_lines(node: &NodeName, step: &TraceStep) -> String {
    let line = format!("{node}  {}\n", probe::hop(&step.hop));
    match step.end.and_then(probe::dead_end) {
        Some(end) => format!("{line}{node}: {}: {end}\n", step.target),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::network::TraceHop;

    use super::*;

    #[test]
    fn behind_the_last_hop_stands_why_it_was_the_last() {
        let hop = TraceHop { ttl: 2, probes: Vec::new(), loss_ratio: 1.0 };
        let target = [10, 0, 2, 2].into();
        let mut step = TraceStep { target, hop, end: Some(TraceEnd::Unreachable) };
        let node = "web-1".parse().unwrap();
        let expected = "web-1   2  100% lost\nweb-1: 10.0.2.2: the way ends here\n";
        assert_eq!(trace_lines(&node, &step), expected);
        step.end = Some(TraceEnd::Reached);
        assert_eq!(trace_lines(&node, &step), "web-1   2  100% lost\n");
    }
}
