//! The service `journal`: reads it through `host::journal`.

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::journal::{Journal as Contract, JournalBatch, JournalOrder, JournalPage};
use p2p_shared::time::UnixMillis;

use crate::clock;
use crate::host::journal::entry::Fields;
use crate::host::journal::follow::{Batch, Following};
use crate::host::journal::question::Question;
use crate::host::journal::{Extent, Journal};

/// Rows of a page, unless told.
const ROWS: u32 = 200;
/// Most rows of a page.
const ROWS_MAX: u32 = 2_000;
/// Rows before what is followed, unless told.
const LINES: u32 = 10;
/// Most rows before what is followed.
pub(super) const LINES_MAX: u32 = 500;
/// Rows of one message: with the longest messages far below the limit of a frame.
const ROWS_PER_MESSAGE_BYTES: usize = 256 << 10;

/// The implementation.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalService;

/// A number that a caller asked for, or the usual one.
pub(super) fn count(name: &str, asked: Option<u32>, usual: u32, most: u32) -> Result<usize, RpcError> {
    match asked.unwrap_or(usual) {
        count if count <= most => Ok(count as usize),
        count => Err(RpcError::bad_request(format!("{name} is at most {most}, not {count}"))),
    }
}

impl Contract for JournalService {
    async fn query(
        &self,
        _: &CallContext,
        unit: Option<String>,
        identifier: Option<String>,
        priority: Option<u8>,
        since: Option<UnixMillis>,
        until: Option<UnixMillis>,
        text: Option<String>,
        regex: Option<String>,
        boot: Option<String>,
        cursor: Option<String>,
        limit: Option<u32>,
        order: Option<JournalOrder>,
        fields: Option<bool>,
    ) -> Result<JournalPage, RpcError> {
        let question =
            Question { unit, identifier, priority, since, until, text, regex, boot, cursor }.judged()?;
        let extent = Extent {
            rows: count("limit", limit, ROWS, ROWS_MAX)?,
            order: order.unwrap_or(JournalOrder::Newest),
            fields: if fields == Some(true) { Fields::All } else { Fields::Named },
        };
        Ok(Journal::here()?.query(&question, extent).await?)
    }

    async fn follow(
        &self,
        _: &CallContext,
        unit: Option<String>,
        identifier: Option<String>,
        priority: Option<u8>,
        since: Option<UnixMillis>,
        text: Option<String>,
        regex: Option<String>,
        cursor: Option<String>,
        lines: Option<u32>,
        items: Items<JournalBatch>,
    ) -> Result<(), RpcError> {
        let (until, boot) = (None, None);
        let question =
            Question { unit, identifier, priority, since, until, text, regex, boot, cursor }.judged()?;
        let lines = count("lines", lines, LINES, LINES_MAX)?;
        let (rows, mut following) = Journal::here()?.follow(question, lines).await?;
        let mut seq = 0;
        let ended = relay(&mut following, Batch { rows, dropped: 0 }, (&items, &mut seq)).await;
        following.end().await;
        ended
    }
}

async fn relay(
    following: &mut Following,
    first: Batch,
    (items, seq): (&Items<JournalBatch>, &mut u64),
) -> Result<(), RpcError> {
    for message in messages(first) {
        send(message, (items, seq)).await?;
    }
    loop {
        let batch = tokio::select! {
            batch = following.next() => batch?,
            () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
        };
        for message in messages(batch) {
            tokio::select! {
                sent = send(message, (items, seq)) => sent?,
                // The child is read on: what is too much is counted there.
                ended = following.gather() => ended?,
            }
        }
    }
}

async fn send(batch: Batch, (items, seq): (&Items<JournalBatch>, &mut u64)) -> Result<(), RpcError> {
    let Batch { rows, dropped } = batch;
    items.send(&JournalBatch { seq: *seq, at: clock::wall(), rows, dropped }).await?;
    *seq += 1;
    Ok(())
}

/// A batch in pieces that fit a frame; at least one.
fn messages(batch: Batch) -> Vec<Batch> {
    let mut messages = vec![Batch::default()];
    let mut bytes = 0;
    for row in batch.rows {
        let weight = crate::host::journal::entry::weight(&row);
        if bytes > 0 && bytes + weight > ROWS_PER_MESSAGE_BYTES {
            messages.push(Batch::default());
            bytes = 0;
        }
        bytes += weight;
        if let Some(last) = messages.last_mut() {
            last.rows.push(row);
        }
    }
    if let Some(last) = messages.last_mut() {
        last.dropped = batch.dropped;
    }
    messages
}
