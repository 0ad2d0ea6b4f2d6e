//! What is new in a snapshot for somebody who was sent an earlier one: a pure function.
//!
//! [`Sent`] is what the receiver knows; [`Sent::advance`] gives the messages that bring it up to date. What is
//! noise (a few pages of memory, processor time without a share) is held back, but never for good: the
//! comparison is with what was sent, not with the snapshot before.

use std::cmp::Ordering;

use p2p_shared::services::process::{ProcessChange, ProcessDelta, ProcessInfo, ProcessKey, ProcessUsage};

use super::snapshot::{ProcessRow, ProcessSnapshot};

/// Most rows of one message.
pub const ROWS_MAX: usize = 1_000;
/// Most bytes of names and command lines in one message. JSON writes a control character as six bytes: even
/// then a message stays below 1 MiB.
pub const TEXT_BYTES_MAX: usize = 128 * 1_024;

/// Memory that changed by less is not sent.
const RSS_STEP_BYTES: u64 = 64 * 1_024;
/// Processor time that grew by less, without its share changing, is not sent.
const CPU_STEP_MS: u64 = 1_000;

/// What the other side knows.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    rows: Vec<ProcessRow>,
    /// Number of the next message.
    seq: u64,
}

impl Sent {
    /// The messages that make `new` of what was sent; none if nothing changed (but the first time there is
    /// always one).
    pub fn advance(&mut self, new: &ProcessSnapshot) -> Vec<ProcessDelta> {
        let difference = self.compare(new);
        let mut messages = Messages::new(new, self.seq);
        messages.fill(difference);
        self.seq = messages.next_seq;
        messages.done
    }

    /// Walks both lists, which are sorted by key, once.
    fn compare(&mut self, new: &ProcessSnapshot) -> Difference {
        let mut difference = Difference::default();
        let mut before = std::mem::take(&mut self.rows).into_iter().peekable();
        self.rows.reserve(new.rows.len());
        for row in &new.rows {
            let key = row.identity.key;
            while let Some(gone) = before.next_if(|old| old.identity.key < key) {
                difference.gone.push(gone.identity.key);
            }
            let old = before.next_if(|old| old.identity.key.cmp(&key) == Ordering::Equal);
            self.rows.push(difference.note(old, row));
        }
        difference.gone.extend(before.map(|old| old.identity.key));
        difference
    }
}

#[derive(Default)]
struct Difference {
    appeared: Vec<ProcessInfo>,
    changed: Vec<ProcessChange>,
    gone: Vec<ProcessKey>,
}

impl Difference {
    /// Notes what is new in `row`, and gives what the other side then knows.
    fn note(&mut self, old: Option<ProcessRow>, row: &ProcessRow) -> ProcessRow {
        match old {
            Some(old) if old.identity == row.identity => {
                if !is_noise(&old.usage, &row.usage) {
                    self.changed.push(ProcessChange { key: row.identity.key, usage: row.usage });
                    return row.clone();
                }
                old
            }
            _ => {
                self.appeared.push(row.to_info());
                row.clone()
            }
        }
    }
}

/// Whether the difference is not worth a message.
fn is_noise(old: &ProcessUsage, new: &ProcessUsage) -> bool {
    old.state == new.state
        && old.cpu_ratio == new.cpu_ratio
        && old.threads == new.threads
        && old.nice == new.nice
        && old.cpu_time_ms.abs_diff(new.cpu_time_ms) < CPU_STEP_MS
        && old.rss_bytes.abs_diff(new.rss_bytes) < RSS_STEP_BYTES
}

/// Messages being filled: the last has room, or a new one is begun.
struct Messages<'a> {
    snapshot: &'a ProcessSnapshot,
    next_seq: u64,
    done: Vec<ProcessDelta>,
    /// Rows and bytes of text in the last one.
    rows: usize,
    text_bytes: usize,
}

impl<'a> Messages<'a> {
    fn new(snapshot: &'a ProcessSnapshot, next_seq: u64) -> Self {
        let mut messages = Self { snapshot, next_seq, done: Vec::new(), rows: 0, text_bytes: 0 };
        if next_seq == 0 {
            messages.begin();
        }
        messages
    }

    fn begin(&mut self) {
        self.done.push(ProcessDelta {
            seq: self.next_seq,
            at: self.snapshot.at.wall,
            boot_id: self.snapshot.boot_id.as_ref().into(),
            full: self.next_seq == 0,
            appeared: Vec::new(),
            changed: Vec::new(),
            gone: Vec::new(),
        });
        self.next_seq += 1;
        (self.rows, self.text_bytes) = (0, 0);
    }

    /// The message in which one more row with so much text has room.
    fn with_room(&mut self, text_bytes: usize) -> Option<&mut ProcessDelta> {
        let full = self.rows >= ROWS_MAX || self.text_bytes + text_bytes > TEXT_BYTES_MAX;
        if self.done.is_empty() || full {
            self.begin();
        }
        self.rows += 1;
        self.text_bytes += text_bytes;
        self.done.last_mut()
    }

    fn fill(&mut self, difference: Difference) {
        for key in difference.gone {
            if let Some(message) = self.with_room(0) {
                message.gone.push(key);
            }
        }
        for change in difference.changed {
            if let Some(message) = self.with_room(0) {
                message.changed.push(change);
            }
        }
        for info in difference.appeared {
            let text_bytes = info.name.len() + info.command.len() + info.user.len();
            if let Some(message) = self.with_room(text_bytes) {
                message.appeared.push(info);
            }
        }
    }
}

#[cfg(test)]
mod tests;
