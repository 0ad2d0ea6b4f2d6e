//! Logs as a service reads them: the last lines, and what follows them.

use std::sync::Arc;

use bytes::Bytes;
use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::program::{LogChunk, OutputStream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;

use crate::host::programs::log::TAIL_LINES_MAX;
use crate::supervise::output::Stream;

/// Whether a tail may be so long.
pub(super) fn check_lines(lines: u32, least: u32) -> Result<(), RpcError> {
    if (least..=TAIL_LINES_MAX).contains(&lines) {
        return Ok(());
    }
    Err(RpcError::bad_request(format!("lines is {least} to {TAIL_LINES_MAX}, not {lines}")))
}

/// Reads a log of `whose`, on a thread that may wait for the disk.
pub(super) async fn reading<T: Send + 'static>(
    whose: &str,
    read: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, RpcError> {
    let failed = |error: String| RpcError::unavailable(format!("the log of {whose} cannot be read: {error}"));
    let read = spawn_blocking(read).await.map_err(|error| failed(error.to_string()))?;
    read.map_err(|error| failed(error.to_string()))
}

/// Text out of a log; what is not UTF-8 is replaced.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One stream that is followed.
pub(super) struct Followed {
    stream: OutputStream,
    /// Bytes that may be the beginning of a character.
    held: Vec<u8>,
    pieces: broadcast::Receiver<Bytes>,
}

impl Followed {
    /// Begins with the last lines of it.
    pub(super) async fn begin(
        whose: &str,
        stream: OutputStream,
        source: Arc<Stream>,
        lines: u32,
    ) -> Result<Self, RpcError> {
        let (held, pieces) = reading(whose, move || source.follow(lines)).await?;
        Ok(Self { stream, held, pieces })
    }

    /// Sends those.
    pub(super) async fn send_first(&mut self, items: &Items<LogChunk>) -> Result<(), RpcError> {
        match self.chunk(0) {
            Some(chunk) => items.send(&chunk).await,
            None => Ok(()),
        }
    }

    /// The next text; `None` if there will be none. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Option<LogChunk> {
        let mut skipped = 0;
        loop {
            match self.pieces.recv().await {
                Ok(bytes) => self.held.extend_from_slice(&bytes),
                Err(RecvError::Lagged(pieces)) => {
                    // Whole pieces were missed, and nobody knows their sizes any more: at least a byte each.
                    skipped += pieces;
                    continue;
                }
                Err(RecvError::Closed) => return None,
            }
            if let Some(chunk) = self.chunk(skipped) {
                return Some(chunk);
            }
        }
    }

    /// What is held, but for the beginning of a character whose end has not come.
    fn chunk(&mut self, skipped_bytes: u64) -> Option<LogChunk> {
        let open = self.held.utf8_chunks().last().map_or(0, |last| {
            let bytes = last.invalid();
            let may_go_on =
                !bytes.is_empty() && str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none());
            if may_go_on { bytes.len() } else { 0 }
        });
        let rest = self.held.split_off(self.held.len() - open);
        let whole = std::mem::replace(&mut self.held, rest);
        let text = text(&whole);
        (!text.is_empty() || skipped_bytes > 0).then_some(LogChunk {
            stream: self.stream,
            text,
            skipped_bytes,
        })
    }
}
