//! One node's lines of a log, delivered for as long as the screen shows them: a task each.
//!
//! The last lines come first and then what follows. When a journal's stream breaks it goes on where it was; the
//! output of a program begins anew, which is said. While the console is slow, the task waits, and with it the node.

use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::mesh::backoff::Backoff;
use p2p_shared::mesh::failure::LinkError;
use p2p_shared::services::Services;
use p2p_shared::services::job::JobId;
use tokio::sync::mpsc;

use super::feed::{is_final, pause};
use super::way::Way;
use crate::command::{Follow, JournalQuestion, Source};
use crate::event::{MeshEvent, Said};

/// Lines that there are at first.
const LINES: u32 = 200;

/// The task that delivers them.
#[derive(Debug)]
pub struct Tail {
    /// How it connects.
    pub way: Way,
    /// What it delivers.
    pub follow: Follow,
    /// To whom.
    pub events: mpsc::Sender<MeshEvent>,
}

impl Tail {
    /// Runs for ever; ends when it is dropped, or nobody listens.
    pub async fn run(self) {
        let node = self.follow.node;
        let _use = self.way.uses.begin(node);
        let seed = node.as_bytes().iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(*byte));
        let mut backoff = Backoff::new(seed);
        let hung_up = LinkError::Local.to_string();
        let mut cursor = None;
        let mut last_told = None;
        loop {
            let epoch = self.way.directory.epoch(node);
            let mut delivered = false;
            let Err(error) = self.deliver(&mut cursor, &mut delivered).await else { return };
            if delivered {
                backoff.succeeded();
                last_told = None;
            }
            let wait: Option<Duration> = (!is_final(error.code)).then(|| backoff.failed().to_duration());
            // The same reason again and again is told once.
            if error.message != hung_up && last_told.as_ref() != Some(&error.message) {
                last_told = Some(error.message.clone());
                if self.gone(Said::Failed(error)).await {
                    return;
                }
            }
            tokio::select! {
                () = pause(wait) => {}
                () = self.way.directory.renewed(node, epoch) => backoff.succeeded(),
            }
        }
    }

    /// Delivers until something fails; `Ok` once nobody listens.
    async fn deliver(&self, cursor: &mut Option<String>, delivered: &mut bool) -> Result<(), RpcError> {
        match &self.follow.source {
            Source::Journal(question) => self.journal(question, cursor, delivered).await,
            Source::Program(name) => self.program(name, delivered).await,
            Source::Job(id) => self.job(id, delivered).await,
        }
    }

    async fn journal(
        &self,
        question: &JournalQuestion,
        cursor: &mut Option<String>,
        delivered: &mut bool,
    ) -> Result<(), RpcError> {
        let handle = self.way.node(self.follow.node).await?;
        let JournalQuestion { unit, priority, text } = question.clone();
        let journal = handle.journal();
        let lines = cursor.is_none().then_some(LINES);
        let mut batches =
            journal.follow(unit, None, priority, None, text, None, cursor.clone(), lines).await?;
        // What is known goes only when it comes again.
        let mut begins = cursor.is_none();
        while let Some(batch) = batches.next().await? {
            *delivered = true;
            if std::mem::take(&mut begins) && self.gone(Said::Began).await {
                return Ok(());
            }
            if let Some(row) = batch.rows.last() {
                *cursor = Some(row.cursor.clone());
            }
            if self.gone(Said::Journal(batch)).await {
                return Ok(());
            }
        }
        Err(RpcError::unavailable(format!("{} ended its journal", handle.name())))
    }

    async fn program(&self, name: &str, delivered: &mut bool) -> Result<(), RpcError> {
        let handle = self.way.node(self.follow.node).await?;
        let mut chunks = handle.program().follow(name.to_owned(), LINES).await?;
        while let Some(chunk) = chunks.next().await? {
            if !std::mem::replace(delivered, true) && self.gone(Said::Began).await {
                return Ok(());
            }
            if self.gone(Said::Output(chunk)).await {
                return Ok(());
            }
        }
        Err(RpcError::unavailable(format!("{} ended the output of {name}", handle.name())))
    }

    async fn job(&self, id: &JobId, delivered: &mut bool) -> Result<(), RpcError> {
        let handle = self.way.node(self.follow.node).await?;
        let mut chunks = handle.job().follow(id.clone(), LINES).await?;
        while let Some(chunk) = chunks.next().await? {
            if !std::mem::replace(delivered, true) && self.gone(Said::Began).await {
                return Ok(());
            }
            if self.gone(Said::Output(chunk)).await {
                return Ok(());
            }
        }
        if self.gone(Said::Over).await {
            return Ok(());
        }
        // What is over has nothing more to say; the screen ends this task.
        std::future::pending().await
    }

    /// Sends; says whether nobody listens any more.
    async fn gone(&self, said: Said) -> bool {
        self.events.send(MeshEvent::Log { follow: self.follow.clone(), said }).await.is_err()
    }
}
