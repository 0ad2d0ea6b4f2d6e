//! The owner of the record's files: numbers, binds, writes and rotates. Every call blocks.
//!
//! Drafts enter in batches; when [`Journal::append`] returns they are on disk, all or none. The head, which is
//! what a cut tail is found by, is kept elsewhere, by a [`Heads`], after each batch.

use std::io::{self, ErrorKind};

use p2p_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::chain::{self, Link};
use super::disk::Disk;
use super::record::{Record, What};
use super::verify::{self, Scan};

/// How large everything may get.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A segment of this size is followed by another.
    pub segment_bytes: u64,
    /// All segments together; the oldest makes room.
    pub total_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { segment_bytes: 8 << 20, total_bytes: 256 << 20 }
    }
}

/// What has to be there: kept apart from the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The first record of the oldest segment that is kept.
    pub oldest: u64,
    /// The last record.
    pub seq: u64,
    /// Its link, in hexadecimal.
    pub link: String,
}

/// Where the head is kept.
pub trait Heads: Send + 'static {
    /// The last one that was kept.
    ///
    /// # Errors
    /// In words for the log.
    fn get(&self) -> Result<Option<Head>, String>;
    /// Keeps one.
    ///
    /// # Errors
    /// In words for the log.
    fn put(&mut self, head: &Head) -> Result<(), String>;
}

/// A record that has no number yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub what: What,
}

/// The open record.
#[derive(Debug)]
pub struct Journal<D, H> {
    disk: D,
    heads: H,
    limits: Limits,
    node: String,
    /// First records and sizes, oldest first; the last one is written to.
    segments: Vec<(u64, u64)>,
    seq: u64,
    link: Link,
    /// The last one may not be written to: it is broken, or there is none.
    is_closed: bool,
    /// A write failed, and what it left was not cut off yet.
    is_dirty: bool,
    is_full: bool,
    has_reserve: bool,
}

impl<D: Disk, H: Heads> Journal<D, H> {
    /// Opens what is there. Also answers what was found wrong, in words: it belongs into the log, and into the
    /// record itself.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open((mut disk, heads): (D, H), node: &str, limits: Limits) -> io::Result<(Self, Vec<String>)> {
        let mut found = Vec::new();
        let head = heads.get().unwrap_or_else(|error| {
            found.push(format!("the head of the record cannot be read: {error}"));
            None
        });
        let segments = disk.segments()?;
        let scan = match segments.last() {
            Some(&(first, _)) => verify::scan(&disk.read(first)?, first),
            None => Scan::default(),
        };
        found.extend(verify::judge_head(&segments, &scan, head.as_ref()));
        let (mut seq, mut link) = (scan.seq, scan.link);
        if let Some(head) = head.filter(|head| head.seq > seq) {
            (seq, link) = (head.seq, Link::from_text(&head.link).unwrap_or_default());
        }
        if scan.fault.is_some() {
            // No name is given twice, not even that of a segment in which nothing is good.
            seq = seq.max(segments.last().map_or(0, |&(first, _)| first));
        }
        let mut is_closed = segments.is_empty() || scan.fault.is_some() || !found.is_empty();
        let mut journal_segments = segments;
        if let (false, Some(last)) = (is_closed, journal_segments.last_mut()) {
            disk.open(last.0)?;
            if scan.good < last.1 {
                let bytes = last.1 - scan.good;
                found.push(format!("the last record was not finished: {bytes} bytes were cut off"));
                disk.truncate(scan.good)?;
                last.1 = scan.good;
            }
            // Nothing but a beginning that was not finished.
            is_closed = scan.good == 0;
            if is_closed {
                disk.remove(last.0)?;
                journal_segments.pop();
            }
        }
        found.extend(scan.fault.map(|fault| format!("record {}: {fault}: somebody changed it", seq + 1)));
        let journal = Self {
            disk,
            heads,
            limits,
            node: node.to_owned(),
            segments: journal_segments,
            seq,
            link,
            is_closed,
            is_dirty: false,
            is_full: false,
            has_reserve: false,
        };
        Ok((journal, found))
    }

    /// Writes records, all or none; the number of the first. They are on disk when this returns.
    ///
    /// # Errors
    /// If they could not be written, not even with the reserve: then none of them is there.
    pub fn append(&mut self, drafts: &[Draft]) -> io::Result<u64> {
        match self.try_append(drafts) {
            Err(error) if is_full(&error) && self.disk.use_reserve() => {
                self.has_reserve = false;
                tracing::warn!("the disk is full: the record goes on in its reserve; free some space");
                self.try_append(drafts)
            }
            result => result,
        }
    }

    fn try_append(&mut self, drafts: &[Draft]) -> io::Result<u64> {
        self.clean()?;
        let at = drafts.first().map_or(UnixMillis(0), |draft| draft.at);
        let (mut bytes, mut seq, mut link) = (Vec::new(), self.seq, self.link);
        let begins = self.is_closed
            || self.segments.last().is_none_or(|&(_, written)| written >= self.limits.segment_bytes);
        let mut put = |what: What, at_ms: UnixMillis| {
            seq += 1;
            let record = Record { seq, at_ms, node: self.node.clone(), what };
            link = chain::put(&mut bytes, link, &record.to_text());
        };
        if begins {
            put(What::Segment { previous: self.link.to_text() }, at);
        }
        for draft in drafts {
            put(draft.what.clone(), draft.at);
        }
        if begins {
            self.disk.create(self.seq + 1)?;
            self.segments.push((self.seq + 1, 0));
            self.is_closed = false;
        }
        self.is_dirty = true;
        let written = self.disk.append(&bytes).and_then(|()| self.disk.sync());
        if let Err(error) = written {
            // What stays of it is cut off now, or before the next try.
            let _ = self.clean();
            return Err(error);
        }
        self.is_dirty = false;
        let first = self.seq + 1 + u64::from(begins);
        (self.seq, self.link) = (seq, link);
        if let Some(last) = self.segments.last_mut() {
            last.1 += bytes.len() as u64;
        }
        Ok(first)
    }

    /// Cuts off what a failed write left.
    fn clean(&mut self) -> io::Result<()> {
        if !self.is_dirty {
            return Ok(());
        }
        match self.segments.last() {
            // Nothing but the beginning of it: it is begun again.
            Some(&(first, 0)) => {
                self.disk.remove(first)?;
                self.segments.pop();
                self.is_closed = true;
            }
            Some(&(_, good)) => self.disk.truncate(good)?,
            None => {}
        }
        self.is_dirty = false;
        Ok(())
    }

    /// What the record ends with now.
    pub fn head(&self) -> Head {
        let oldest = self.segments.first().map_or(self.seq, |&(first, _)| first);
        Head { oldest, seq: self.seq, link: self.link.to_text() }
    }

    fn keep_reserve(&mut self) {
        if self.has_reserve {
            return;
        }
        let kept = self.disk.keep_reserve();
        self.is_full = kept.as_ref().is_err_and(is_full);
        self.has_reserve = !self.is_full;
        if let (Err(error), false) = (&kept, self.is_full) {
            tracing::warn!(%error, "no space can be kept for the audit record on a full disk");
        }
    }

    /// What can wait until callers have their answer: the head, the oldest segments, the reserve.
    pub fn settle(&mut self) {
        self.keep_reserve();
        // A database that cannot grow would stop for good: the head waits for space.
        if self.is_full {
            return;
        }
        let mut total: u64 = self.segments.iter().map(|&(_, bytes)| bytes).sum();
        let mut surplus = Vec::new();
        let older = self.segments.len().saturating_sub(1);
        for &(first, bytes) in &self.segments[..older] {
            if total <= self.limits.total_bytes {
                break;
            }
            total -= bytes;
            surplus.push(first);
        }
        let oldest = self.segments.get(surplus.len()).map_or(self.seq, |&(first, _)| first);
        let head = Head { oldest, seq: self.seq, link: self.link.to_text() };
        if let Err(error) = self.heads.put(&head) {
            tracing::error!(%error, "the head of the audit record cannot be kept");
            return;
        }
        // Only now that the head says where the record begins.
        for first in surplus {
            match self.disk.remove(first) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(%error, first, "an old segment of the audit record cannot be deleted");
                    return;
                }
                _ => self.segments.retain(|&(segment, _)| segment != first),
            }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
