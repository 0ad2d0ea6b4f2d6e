//! `network throughput`: how fast bytes go between here and a node, each way, one node after the other.

use std::time::Duration;

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::file::FileContent;
use p2p_shared::services::network::{LoadDirection, LoadItem, LoadReport, LoadRequest};
use p2p_shared::time::Millis;
use serde::Serialize;
use tokio::time::Instant;

use super::super::failure::CliError;
use super::super::output::{Format, Row, Streams};
use super::super::pace::span;
use super::super::session::{Account, Session};
use super::From;
use super::probes::millis;
use crate::format;

/// Bytes of one message.
const CHUNK_BYTES: usize = 256 << 10;
/// Calls of which the quickest is the round trip.
const CALLS: u32 = 10;

/// What `network throughput` takes.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Which nodes, and how to print.
    #[command(flatten)]
    from: From,
    /// How long each way, at most 30s
    #[arg(short, long, value_name = "T", default_value = "2s", value_parser = span)]
    time: Millis,
    /// Most megabytes each way
    #[arg(long, value_name = "MB", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    megabytes: u64,
}

/// What was measured. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct LoadRow {
    node: NodeName,
    rtt_ms: f32,
    down_bytes: u64,
    down_bytes_per_s: u64,
    up_bytes: u64,
    up_bytes_per_s: u64,
}

impl Row for LoadRow {
    const TITLES: &'static [&'static str] = &["NODE", ">RTT", ">DOWN/s", ">UP/s", ">MOVED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            format!("{:.2} ms", self.rtt_ms),
            format::bytes(self.down_bytes_per_s),
            format::bytes(self.up_bytes_per_s),
            format::bytes(self.down_bytes + self.up_bytes),
        ]
    }
}

/// Measures one node after the other: side by side they would measure each other.
pub(super) async fn run(
    session: &Session,
    args: &LoadArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let targets = session.readable(&args.from.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    for target in &targets.members {
        let measured = match session.reach(target).await {
            Ok(node) => measure(&target.name, &node, args).await,
            Err(error) => Err(error),
        };
        match measured {
            Ok(row) if args.from.output == Format::Jsonl => streams.json_line(&row)?,
            Ok(row) => rows.push(row),
            Err(error) => account.failed(target, &error, streams),
        }
    }
    if args.from.output != Format::Jsonl {
        streams.rows(&rows, args.from.output)?;
    }
    Ok(account.exit_of(&targets.members))
}

async fn measure(name: &NodeName, node: &NodeHandle, args: &LoadArgs) -> Result<LoadRow, RpcError> {
    let rtt_ms = round_trip(node).await?;
    let request = |direction| LoadRequest {
        direction,
        time_ms: millis(args.time),
        bytes_max: Some(args.megabytes << 20),
    };
    let down = down(node, request(LoadDirection::Down)).await?;
    let up = up(node, request(LoadDirection::Up), Duration::from_millis(args.time.0)).await?;
    Ok(LoadRow {
        node: name.clone(),
        rtt_ms,
        down_bytes: down.bytes,
        down_bytes_per_s: per_second(down),
        up_bytes: up.bytes,
        up_bytes_per_s: per_second(up),
    })
}

/// The quickest of some calls, in milliseconds.
async fn round_trip(node: &NodeHandle) -> Result<f32, RpcError> {
    let mut least = f32::INFINITY;
    for _ in 0..CALLS {
        let began = Instant::now();
        node.node().can_i("node.info".to_owned(), None).await?;
        least = least.min(began.elapsed().as_secs_f32() * 1_000.0);
    }
    Ok(least)
}

async fn down(node: &NodeHandle, request: LoadRequest) -> Result<LoadReport, RpcError> {
    let mut load = node.network().load(request).await?;
    let (mut bytes, mut began) = (0_u64, None);
    while let Some(item) = load.output.next().await? {
        // The first one only starts the clock.
        if began.is_some() {
            bytes += item.content.0.len() as u64;
        }
        let began = *began.get_or_insert_with(Instant::now);
        if item.report.is_some() {
            return Ok(LoadReport { bytes, elapsed_ms: began.elapsed().as_secs_f32() * 1_000.0 });
        }
    }
    Err(RpcError::unavailable("the node ended the measurement without a report"))
}

async fn up(node: &NodeHandle, request: LoadRequest, time: Duration) -> Result<LoadReport, RpcError> {
    let bytes_max = request.bytes_max.unwrap_or_default();
    let mut load = node.network().load(request).await?;
    let item = LoadItem { content: FileContent(vec![0x5a; CHUNK_BYTES]), report: None };
    let (mut bytes, began) = (0, Instant::now());
    while bytes < bytes_max && began.elapsed() < time {
        load.send(&item).await?;
        bytes += CHUNK_BYTES as u64;
    }
    load.finish().await?;
    while let Some(item) = load.output.next().await? {
        if let Some(report) = item.report {
            return Ok(report);
        }
    }
    Err(RpcError::unavailable("the node ended the measurement without a report"))
}

fn per_second(report: LoadReport) -> u64 {
    if report.elapsed_ms <= 0.0 {
        return 0;
    }
    (report.bytes as f64 * 1_000.0 / f64::from(report.elapsed_ms)) as u64
}
