//! Whether a record is whole: every line bound to the one before it, through all segments, to the head.
//!
//! Reads through a [`Disk`], and changes nothing: it runs beside a node that writes.

use std::io::{self, ErrorKind};

use super::chain::{self, Fault, Link};
use super::disk::Disk;
use super::journal::Head;
use super::record::{Record, What};

/// How often it begins again, because the node deleted a segment under its hands.
const TRIES: usize = 5;

/// What is in one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The last good record; what was expected to stand before the first if there is none.
    pub seq: u64,
    /// Its link.
    pub link: Link,
    /// What the first record says to be bound by.
    pub previous: Option<Link>,
    /// Bytes of good records; behind them stands nothing, or what `fault` says, or a torn rest.
    pub good: u64,
    /// What is wrong behind them, other than that a write was not finished.
    pub fault: Option<&'static str>,
    /// Links by their sequence that somebody asked for.
    asked: Option<(u64, Option<Link>)>,
}

/// A whole record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// First and last record; both 0 if there is none.
    pub first: u64,
    /// See `first`.
    pub last: u64,
    /// How many segments.
    pub segments: usize,
    /// Bytes behind the last record of a write that goes on, or was broken off.
    pub unfinished: u64,
    /// Whether the head was there to compare with.
    pub has_head: bool,
}

/// Why a record is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Somebody changed it.
    #[error("record {seq}: {why}")]
    At {
        /// The first record that is not what was written.
        seq: u64,
        /// In which way.
        why: String,
    },
    /// It cannot be read.
    #[error("the record cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

fn at<T>(seq: u64, why: impl Into<String>) -> Result<T, Broken> {
    Err(Broken::At { seq, why: why.into() })
}

/// Reads one segment, whose name says that it begins with `first`.
pub fn scan(bytes: &[u8], first: u64) -> Scan {
    scan_for(bytes, first, None)
}

fn scan_for(bytes: &[u8], first: u64, asked: Option<u64>) -> Scan {
    let mut scan =
        Scan { seq: first.saturating_sub(1), asked: asked.map(|seq| (seq, None)), ..Scan::default() };
    let mut rest = bytes;
    while !rest.is_empty() {
        let line = match chain::take(rest) {
            Ok(line) => line,
            Err(Fault::Torn) => return scan,
            Err(Fault::Malformed) => return Scan { fault: Some("it is no record"), ..scan },
        };
        if let Err(fault) = scan.take(&line) {
            return Scan { fault: Some(fault), ..scan };
        }
        rest = &rest[line.bytes..];
    }
    scan
}

impl Scan {
    fn take(&mut self, line: &chain::Line<'_>) -> Result<(), &'static str> {
        let record = Record::from_text(line.text).ok_or("it is no record")?;
        let before = match (&record.what, self.good) {
            (What::Segment { previous }, 0) => Link::from_text(previous).ok_or("it is no record")?,
            (_, 0) => return Err("its segment has no beginning"),
            (What::Segment { .. }, _) => return Err("a segment begins inside of another"),
            _ => self.link,
        };
        if record.seq != self.seq + 1 {
            return Err("its number is not the next one");
        }
        if before.over(line.text) != line.link {
            return Err("it is not bound to the one before it");
        }
        if self.good == 0 {
            self.previous = Some(before);
        }
        (self.seq, self.link) = (record.seq, line.link);
        self.good += line.bytes as u64;
        if let Some((_, link)) = self.asked.as_mut().filter(|(asked, _)| *asked == record.seq) {
            *link = Some(line.link);
        }
        Ok(())
    }
}

/// What the head says against the last segment and the names of the others, in words; nothing if they agree.
pub fn judge_head(segments: &[(u64, u64)], last: &Scan, head: Option<&Head>) -> Option<String> {
    let head = head?;
    if last.seq < head.seq {
        let gone = head.seq - last.seq;
        return Some(format!("the last {gone} records, to {}, are gone: somebody cut them off", head.seq));
    }
    if last.seq == head.seq && last.link.to_text() != head.link {
        return Some(format!("record {} is another than was written", head.seq));
    }
    let oldest = segments.first().map_or(0, |&(first, _)| first);
    (oldest > head.oldest)
        .then(|| format!("the records from {} to {} are gone", head.oldest, oldest.saturating_sub(1)))
}

/// Checks every record against the one before it, and all of them against the head.
///
/// # Errors
/// The first record that is broken.
pub fn verify(disk: &impl Disk, head: Option<&Head>) -> Result<Whole, Broken> {
    for _ in 1..TRIES {
        match verify_once(disk, head) {
            // The node deletes its oldest segment when there are too many.
            Err(Broken::Unreadable(error)) if error.kind() == ErrorKind::NotFound => {}
            verified => return verified,
        }
    }
    verify_once(disk, head)
}

fn verify_once(disk: &impl Disk, head: Option<&Head>) -> Result<Whole, Broken> {
    let segments = disk.segments()?;
    let mut whole = Whole { segments: segments.len(), has_head: head.is_some(), ..Whole::default() };
    let mut last: Option<Scan> = None;
    let mut at_head = None;
    for (index, &(first, _)) in segments.iter().enumerate() {
        let bytes = disk.read(first)?;
        let scan = scan_for(&bytes, first, head.map(|head| head.seq));
        if let Some(last) = &last {
            if first != last.seq + 1 {
                return at(last.seq + 1, "it is gone: the next segment begins with another");
            }
            if scan.previous.is_some_and(|previous| previous != last.link) {
                return at(first, "its segment is not bound to the one before it");
            }
        }
        if let Some(fault) = scan.fault {
            return at(scan.seq + 1, fault);
        }
        whole.unfinished = bytes.len() as u64 - scan.good;
        if whole.unfinished > 0 && index + 1 < segments.len() {
            return at(scan.seq + 1, "it is cut in the middle");
        }
        at_head = scan.asked.and_then(|(_, link)| link).or(at_head);
        last = Some(scan);
    }
    let last = last.unwrap_or_default();
    if let Some(head) = head {
        if last.seq < head.seq {
            let why = format!("it is gone, and all to {}: somebody cut them off", head.seq);
            return at(last.seq + 1, why);
        }
        if segments.first().is_some_and(|&(first, _)| first > head.oldest) {
            return at(head.oldest, "it is gone: the record begins later");
        }
        if at_head.is_some_and(|link| link.to_text() != head.link) {
            return at(head.seq, "it is another than was written");
        }
    }
    whole.first = segments.first().map_or(0, |&(first, _)| first);
    whole.last = last.seq;
    Ok(whole)
}
