//! What streams: progress of long work, hits of a search, and a file that is followed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::Items;
use p2p_shared::services::file::{CONTENT_BYTES_MAX, FileContent, FileEvent, FileFound, FilePath, FileTail};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{FileService, SEARCHES_MAX, busy};
use crate::clock;
use crate::host::files::error::FileError;
use crate::host::files::follow::{Follower, Look};
use crate::host::files::jail::Jail;
use crate::host::files::search::{Findings, Search};

/// Bytes of a file in one message: as JSON a byte that is no text takes eight, and a message has a megabyte.
const PIECE_BYTES_MAX: usize = 96 << 10;
/// Between two messages of progress, and the longest silence.
const LIFE: Duration = Duration::from_secs(1);
/// Between two looks at a file that is followed.
const POLL: Duration = Duration::from_millis(250);
/// Between two looks at what a search has found.
const GATHER: Duration = Duration::from_millis(50);
/// Hits of one message: with the longest lines and paths below the limit of a value.
const HITS_PER_MESSAGE: usize = 500;

impl FileService {
    /// Runs long work and sends how far it is each second, and its result.
    pub(super) async fn progress<T: Clone + Serialize + Send + Sync + 'static>(
        &self,
        items: &Items<T>,
        work: impl FnOnce(&Jail, &CancellationToken, &mut dyn FnMut(&T)) -> Result<T, FileError> + Send + 'static,
    ) -> Result<(), RpcError> {
        let full = |_| busy(SEARCHES_MAX, "searches and counts run on this node");
        let _place = Arc::clone(&self.searches).try_acquire_owned().map_err(full)?;
        let (told, mut news) = watch::channel(None);
        let done = self.work(move |jail, gone| {
            let mut last = Instant::now();
            work(jail, gone, &mut |now: &T| {
                if last.elapsed() >= LIFE {
                    last = Instant::now();
                    told.send_replace(Some(now.clone()));
                }
            })
        });
        tokio::pin!(done);
        loop {
            tokio::select! {
                done = &mut done => return items.send(&done?).await,
                Ok(()) = news.changed() => {
                    let now = news.borrow_and_update().clone();
                    if let Some(now) = now {
                        items.send(&now).await?;
                    }
                }
                () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
            }
        }
    }

    /// Runs a search and sends its hits as they come.
    pub(super) async fn search(
        &self,
        path: FilePath,
        search: Search,
        items: &Items<FileFound>,
    ) -> Result<(), RpcError> {
        let full = |_| busy(SEARCHES_MAX, "searches and counts run on this node");
        let _place = Arc::clone(&self.searches).try_acquire_owned().map_err(full)?;
        let gone = CancellationToken::new();
        let _guard = gone.clone().drop_guard();
        let findings = Arc::new(Findings::new(gone));
        let over = Arc::new(Notify::new());
        let done = {
            let (findings, over) = (Arc::clone(&findings), Arc::clone(&over));
            self.work(move |jail, _| {
                let ended = search.run(jail, &path, &findings);
                findings.finish();
                over.notify_one();
                ended
            })
        };
        let relay = async {
            let mut said = Instant::now();
            let mut looks = interval(GATHER);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = looks.tick() => {}
                    () = over.notified() => {}
                    () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
                }
                loop {
                    let found = findings.take(HITS_PER_MESSAGE);
                    let (is_over, is_full) = (found.end.is_some(), found.hits.len() == HITS_PER_MESSAGE);
                    if is_over || !found.hits.is_empty() || said.elapsed() >= LIFE {
                        items.send(&found).await?;
                        said = Instant::now();
                    }
                    if is_over {
                        return Ok(());
                    }
                    if !is_full && !findings.is_over() {
                        break;
                    }
                }
            }
        };
        // An error of the search is one of the call: then nothing more is to be relayed.
        tokio::pin!(done, relay);
        tokio::select! {
            ended = &mut done => ended?,
            relayed = &mut relay => return relayed,
        }
        relay.await
    }

    /// Sends the last lines of a file, and what is added.
    pub(super) async fn followed(
        &self,
        path: FilePath,
        lines: usize,
        items: &Items<FileTail>,
    ) -> Result<(), RpcError> {
        let bytes_max = CONTENT_BYTES_MAX as usize;
        let begun = self.work(move |jail, _| Follower::begin(jail, &path, lines, bytes_max)).await;
        let (mut follower, mut look) = begun?;
        let (mut seq, mut event, mut said) = (0, None, Instant::now());
        loop {
            let is_news = !look.content.0.is_empty() || event != Some(look.event) || said.elapsed() >= LIFE;
            let has_more = look.has_more;
            if is_news {
                (event, said) = (Some(look.event), Instant::now());
                for piece in pieces(look) {
                    items.send(&tail(seq, piece)).await?;
                    seq += 1;
                }
            }
            if !has_more {
                tokio::select! {
                    () = sleep(POLL) => {}
                    () = items.closed() => return Err(RpcError::cancelled("the caller went away")),
                }
            }
            let looked = self.work(move |jail, _| follower.look(jail).map(|look| (follower, look))).await;
            (follower, look) = looked?;
        }
    }
}

/// A look in as many messages as it needs.
fn pieces(look: Look) -> Vec<Look> {
    if look.content.0.len() <= PIECE_BYTES_MAX {
        return vec![look];
    }
    let Look { mut event, mut offset, content, has_more } = look;
    let mut found = Vec::new();
    for piece in content.0.chunks(PIECE_BYTES_MAX) {
        found.push(Look { event, offset, content: FileContent(piece.to_vec()), has_more });
        offset += piece.len() as u64;
        event = FileEvent::Grown;
    }
    found
}

fn tail(seq: u64, look: Look) -> FileTail {
    let Look { event, offset, content, .. } = look;
    FileTail {
        seq,
        at: clock::wall(),
        event: if seq == 0 { FileEvent::Grown } else { event },
        offset,
        content,
    }
}
