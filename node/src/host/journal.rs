//! The journal, through a child `journalctl -o json`: a stable interface that knows every format of its files.
//!
//! A [`Question`] enters as separate arguments (never a shell, never a glob); entries leave as rows. Lines and
//! rows are bounded, and the child is ended and waited for when nobody reads any more.

pub mod entry;
pub mod follow;
pub mod question;

mod child;

use std::ffi::OsString;

use p2p_shared::error::RpcError;
use p2p_shared::services::journal::{JournalOrder, JournalPage, JournalRow};

use crate::clock;
use crate::host::systemd::Systemd;
use child::{Child, Line};
use entry::Fields;
use question::Question;

/// Bytes of one page, beyond which it ends with a cursor.
const PAGE_BYTES_MAX: usize = 512 << 10;

/// How the journal cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another init runs this machine, or none.
    #[error("there is no systemd on this machine: it has no units and no journal")]
    Absent,
    /// The program is missing or cannot be run.
    #[error("journalctl cannot be run: {0}")]
    NotRun(String),
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It ended with these words.
    #[error("journalctl failed: {0}")]
    Failed(String),
}

impl JournalError {
    /// What `journalctl` complained of: the question, or something else.
    fn said(words: String) -> Self {
        if words.starts_with("Bad pattern") { Self::Invalid(words) } else { Self::Failed(words) }
    }
}

impl From<JournalError> for RpcError {
    fn from(error: JournalError) -> Self {
        let message = error.to_string();
        match error {
            JournalError::Absent => Self::unsupported(message),
            JournalError::Invalid(_) => Self::bad_request(message),
            JournalError::NotRun(_) | JournalError::Failed(_) => Self::unavailable(message),
        }
    }
}

/// The journal of this machine.
#[derive(Clone, Debug)]
pub struct Journal {
    program: OsString,
}

/// How much of it is read.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Most rows.
    pub rows: usize,
    /// From which end.
    pub order: JournalOrder,
    /// Which fields of each.
    pub fields: Fields,
}

impl Journal {
    /// The one of systemd.
    ///
    /// # Errors
    /// [`JournalError::Absent`] where there is none.
    pub fn here() -> Result<Self, JournalError> {
        if Systemd::is_here() { Ok(Self { program: "journalctl".into() }) } else { Err(JournalError::Absent) }
    }

    /// One that is read by another program, for tests.
    #[cfg(test)]
    pub(crate) fn read_by(program: &std::path::Path) -> Self {
        Self { program: program.into() }
    }

    /// Reads a page.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn query(&self, question: &Question, extent: Extent) -> Result<JournalPage, JournalError> {
        let mut arguments = question.arguments();
        match extent.order {
            JournalOrder::Newest => arguments.push("--reverse".into()),
            JournalOrder::Oldest => {}
            JournalOrder::Unknown => {
                return Err(JournalError::Invalid("an order is newest or oldest".into()));
            }
        }
        let mut child = Child::start(&self.program, &arguments)?;
        let mut page = Page::default();
        while let Some(line) = child.next().await? {
            if page.rows.len() == extent.rows || page.bytes > PAGE_BYTES_MAX {
                page.has_more = true;
                break;
            }
            page.take(&line, extent.fields);
        }
        let is_over = !page.has_more;
        let said = child.end().await;
        // A search that finds nothing ends with 1 and says nothing.
        if is_over && page.rows.is_empty() && !said.is_empty() {
            return Err(JournalError::said(said));
        }
        let next = page.rows.last().filter(|_| page.has_more).map(|row| row.cursor.clone());
        Ok(JournalPage { at: clock::wall(), next, rows: page.rows, unreadable: page.unreadable })
    }
}

#[derive(Default)]
struct Page {
    rows: Vec<JournalRow>,
    bytes: usize,
    unreadable: u32,
    has_more: bool,
}

impl Page {
    fn take(&mut self, line: &Line, fields: Fields) {
        let row = match line {
            Line::Entry(bytes) => entry::parse(bytes, fields),
            Line::TooLong => None,
        };
        match row {
            Some(row) => {
                self.bytes += entry::weight(&row);
                self.rows.push(row);
            }
            None => self.unreadable = self.unreadable.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests;
