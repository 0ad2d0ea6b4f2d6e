//! The asking side of `network.load`: round trips and throughput over the connection of a call.
//!
//! A way to a node enters, what was counted leaves. Consoles measure so from where they are, and a node to another
//! one under the operator's grant. How long it takes is bounded by the request; nothing here decides who may.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::RpcError;
use crate::rpc::client::Call;
use crate::services::Services;
use crate::services::file::FileContent;
use crate::services::network::{
    LOAD_BYTES_MAX, LoadDirection, LoadItem, LoadReport, LoadRequest, RoundTrips, ThroughputReport,
};

/// Bytes of one message.
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes of one message that comes back.
const ECHO_BYTES: usize = 32;
/// Most round trips of one measurement.
const ROUNDS_MAX: usize = 200;
/// How long round trips are measured.
const ROUNDS_MS: u32 = 500;

/// The requests of one measurement, `time_ms` each way: round trips, then from the node, then to it.
pub fn requests(time_ms: u32) -> [LoadRequest; 3] {
    let request = |direction, time_ms| LoadRequest {
        direction,
        time_ms: Some(time_ms),
        bytes_max: Some(LOAD_BYTES_MAX),
    };
    [
        request(LoadDirection::Echo, ROUNDS_MS),
        request(LoadDirection::Down, time_ms),
        request(LoadDirection::Up, time_ms),
    ]
}

/// All three, one after the other, over a way to the node for each.
///
/// # Errors
/// As the node answers, or as the way to it fails.
pub async fn measure<C: Call>(
    ways: [C; 3],
    [echo, down, up]: [LoadRequest; 3],
) -> Result<ThroughputReport, RpcError> {
    let [to_echo, to_down, to_up] = ways;
    Ok(ThroughputReport {
        round_trips: self::echo(&to_echo, echo).await?,
        received: self::down(&to_down, down).await?,
        sent: self::up(&to_up, up).await?,
    })
}

/// How long small messages take to come back.
async fn echo<C: Call>(node: &C, request: LoadRequest) -> Result<RoundTrips, RpcError> {
    let time = span(&request);
    let mut load = node.network().load(request).await?;
    let item = LoadItem { content: FileContent(vec![0x5a; ECHO_BYTES]), report: None };
    let (began, mut took) = (Instant::now(), Vec::new());
    // The first one also opens the call.
    while took.len() <= ROUNDS_MAX && (took.len() < 2 || began.elapsed() < time) {
        let sent = Instant::now();
        if let Err(error) = load.send(&item).await {
            return Err(load.output.reason(error).await);
        }
        if load.output.next().await?.is_none_or(|item| item.report.is_some()) {
            break;
        }
        took.push(sent.elapsed().as_secs_f32() * 1_000.0);
    }
    load.finish().await?;
    let rounds = took.get_mut(1..).filter(|rounds| !rounds.is_empty()).ok_or_else(ended)?;
    rounds.sort_by(f32::total_cmp);
    let at = |share: usize| rounds[(rounds.len() - 1) * share / 100];
    let count = u32::try_from(rounds.len()).unwrap_or(u32::MAX);
    Ok(RoundTrips { count, min_ms: at(0), median_ms: at(50), p99_ms: at(99) })
}

/// What comes from the node, by the clock of this side.
///
/// # Errors
/// As the node answers, or as the way to it fails.
async fn down<C: Call>(node: &C, request: LoadRequest) -> Result<LoadReport, RpcError> {
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
    Err(ended())
}

/// What goes to the node, as that counts it.
async fn up<C: Call>(node: &C, request: LoadRequest) -> Result<LoadReport, RpcError> {
    let (time, bytes_max) = (span(&request), request.bytes_max.unwrap_or_default());
    let mut load = node.network().load(request).await?;
    let item = LoadItem { content: FileContent(vec![0x5a; CHUNK_BYTES]), report: None };
    let (mut bytes, began) = (0, Instant::now());
    while bytes < bytes_max && began.elapsed() < time {
        if let Err(error) = load.send(&item).await {
            return Err(load.output.reason(error).await);
        }
        bytes += CHUNK_BYTES as u64;
    }
    load.finish().await?;
    while let Some(item) = load.output.next().await? {
        if let Some(report) = item.report {
            return Ok(report);
        }
    }
    Err(ended())
}

fn span(request: &LoadRequest) -> Duration {
    Duration::from_millis(request.time_ms.unwrap_or_default().into())
}

fn ended() -> RpcError {
    RpcError::unavailable("the node ended the measurement without a report")
}
