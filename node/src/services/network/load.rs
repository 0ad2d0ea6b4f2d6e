//! Throughput and round trips between a caller and this node: bytes that mean nothing, over the connection of the
//! call, bounded in time and in number.

use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::file::FileContent;
use p2p_shared::services::network::{
    LOAD_BYTES_MAX, LOAD_TIME_MS_MAX, LoadDirection, LoadItem, LoadReport, LoadRequest,
};
use tokio::time::{Instant, timeout_at};

use super::millis;

/// Bytes of one message.
const CHUNK_BYTES: usize = 256 << 10;
const BYTES: u64 = 1 << 30;
const TIME_MS: u32 = 3_000;
/// Most bytes of a message that comes back.
const ECHO_BYTES_MAX: usize = 1_024;
/// How much longer than agreed a caller's bytes may be on their way.
const LATE: Duration = Duration::from_secs(5);

/// Sends, or takes, until the first bound.
pub(super) async fn run(
    request: &LoadRequest,
    inputs: Inputs<LoadItem>,
    items: &Items<LoadItem>,
) -> Result<(), RpcError> {
    let time = millis("time_ms", request.time_ms, TIME_MS, (10, LOAD_TIME_MS_MAX))?;
    let bytes_max = request.bytes_max.unwrap_or(BYTES);
    if !(1..=LOAD_BYTES_MAX).contains(&bytes_max) {
        let text = format!("bytes_max is 1 to {LOAD_BYTES_MAX}, not {bytes_max}");
        return Err(RpcError::bad_request(text));
    }
    let report = match request.direction {
        LoadDirection::Down => down(time, bytes_max, items).await?,
        LoadDirection::Up => up(time, bytes_max, inputs).await?,
        LoadDirection::Echo => echo(time, inputs, items).await?,
        LoadDirection::Unknown => return Err(RpcError::bad_request("a direction is down, up or echo")),
    };
    items.send(&LoadItem { content: FileContent(Vec::new()), report: Some(report) }).await
}

async fn down(time: Duration, bytes_max: u64, items: &Items<LoadItem>) -> Result<LoadReport, RpcError> {
    let began = Instant::now();
    let mut bytes = 0;
    let mut item = LoadItem { content: FileContent(vec![0x5a; CHUNK_BYTES]), report: None };
    while bytes < bytes_max && began.elapsed() < time {
        let left = usize::try_from(bytes_max - bytes).unwrap_or(CHUNK_BYTES);
        item.content.0.truncate(left);
        items.send(&item).await?;
        bytes += item.content.0.len() as u64;
    }
    Ok(report(bytes, began))
}

async fn up(time: Duration, bytes_max: u64, mut inputs: Inputs<LoadItem>) -> Result<LoadReport, RpcError> {
    let until = Instant::now() + time + LATE;
    let (mut bytes, mut began, mut last) = (0_u64, None, Instant::now());
    while bytes < bytes_max {
        let Ok(item) = timeout_at(until, inputs.next()).await else { break };
        let Some(item) = item? else { break };
        // The first one only starts the clock: how long it took to come is not known.
        if began.is_some() {
            bytes += item.content.0.len() as u64;
        }
        last = Instant::now();
        began.get_or_insert(last);
    }
    let elapsed_ms = last.duration_since(began.unwrap_or(last)).as_secs_f32() * 1_000.0;
    Ok(LoadReport { bytes, elapsed_ms })
}

async fn echo(
    time: Duration,
    mut inputs: Inputs<LoadItem>,
    items: &Items<LoadItem>,
) -> Result<LoadReport, RpcError> {
    let began = Instant::now();
    let (until, mut bytes) = (began + time + LATE, 0);
    while let Ok(item) = timeout_at(until, inputs.next()).await {
        let Some(LoadItem { content, .. }) = item? else { break };
        if content.0.len() > ECHO_BYTES_MAX {
            return Err(RpcError::bad_request(format!("at most {ECHO_BYTES_MAX} bytes come back at a time")));
        }
        bytes += content.0.len() as u64;
        items.send(&LoadItem { content, report: None }).await?;
    }
    Ok(report(bytes, began))
}

fn report(bytes: u64, began: Instant) -> LoadReport {
    LoadReport { bytes, elapsed_ms: began.elapsed().as_secs_f32() * 1_000.0 }
}
