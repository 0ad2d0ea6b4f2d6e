//! Following the journal: batches of rows as they come, bounded under a flood.
//!
//! The child is always read, so that it never falls behind. Rows beyond `ROWS_MAX` or `BYTES_MAX` in one
//! batch are counted and not even parsed.

use std::time::Duration;

use p2p_shared::services::journal::{JournalOrder, JournalRow};
use tokio::time::{Instant, sleep_until};

use super::child::{Child, Line};
use super::entry::{self, Fields};
use super::question::Question;
use super::{Extent, Journal, JournalError};

/// How long entries are gathered once there is one.
const GATHER: Duration = Duration::from_millis(100);
/// How often there is a sign of life.
const LIFE: Duration = Duration::from_secs(1);
/// Most rows of one batch: 2,000 a second.
const ROWS_MAX: usize = 200;
/// Most bytes of one batch.
const BYTES_MAX: usize = 256 << 10;

/// Entries that came together.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Oldest first.
    pub rows: Vec<JournalRow>,
    /// Entries after those that were left out.
    pub dropped: u64,
}

/// A journal that is followed.
#[derive(Debug)]
pub struct Following {
    child: Child,
    batch: Batch,
    bytes: usize,
    due: Instant,
}

impl Journal {
    /// The last `lines` entries (none if `question` has a cursor), and what follows them.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn follow(
        &self,
        mut question: Question,
        lines: usize,
    ) -> Result<(Vec<JournalRow>, Following), JournalError> {
        let mut rows = Vec::new();
        if question.cursor.is_none() && lines > 0 {
            let extent = Extent { rows: lines, order: JournalOrder::Newest, fields: Fields::Named };
            rows = self.query(&question, extent).await?.rows;
            rows.reverse();
            question.cursor = rows.last().map(|row| row.cursor.clone());
        }
        if rows.is_empty() && question.regex.is_some() {
            // A bad expression is told at once, and not by a child that ends by itself.
            let nothing = Extent { rows: 0, order: JournalOrder::Newest, fields: Fields::Named };
            self.query(&question, nothing).await?;
        }
        let mut arguments = question.arguments();
        arguments.push("--follow".into());
        arguments.push(if question.cursor.is_some() { "--no-tail".into() } else { "--lines=0".into() });
        let child = Child::start(&self.program, &arguments)?;
        let following = Following { child, batch: Batch::default(), bytes: 0, due: Instant::now() + LIFE };
        Ok((rows, following))
    }
}

impl Following {
    /// The next batch; an empty one is a sign of life. May be dropped and called again.
    ///
    /// # Errors
    /// [`JournalError::Failed`] once the child is gone.
    pub async fn next(&mut self) -> Result<Batch, JournalError> {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(self.due) => {
                    self.due = Instant::now() + LIFE;
                    self.bytes = 0;
                    return Ok(std::mem::take(&mut self.batch));
                }
                line = self.child.next() => match line? {
                    Some(line) => self.take(&line),
                    None => return Err(JournalError::Failed("it ended by itself".into())),
                },
            }
        }
    }

    /// Takes in entries for ever: to be run while a batch is sent, so that the child goes on.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn gather(&mut self) -> Result<(), JournalError> {
        loop {
            match self.child.next().await? {
                Some(line) => self.take(&line),
                None => return Err(JournalError::Failed("it ended by itself".into())),
            }
        }
    }

    /// Ends the child.
    pub async fn end(self) {
        // What it said while it was followed is of no use any more.
        let _ = self.child.end().await;
    }

    fn take(&mut self, line: &Line) {
        let is_first = self.batch == Batch::default();
        let has_room = self.batch.rows.len() < ROWS_MAX && self.bytes < BYTES_MAX && self.batch.dropped == 0;
        let row = match line {
            Line::Entry(bytes) if has_room => entry::parse(bytes, Fields::Named),
            _ => None,
        };
        match row {
            Some(row) => {
                self.bytes += entry::weight(&row);
                self.batch.rows.push(row);
            }
            None => self.batch.dropped += 1,
        }
        if is_first {
            self.due = self.due.min(Instant::now() + GATHER);
        }
    }
}
