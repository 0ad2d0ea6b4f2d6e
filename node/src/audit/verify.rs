//! Whether a record is whole: every line bound to the one before it, through all segments, to the head.
//!
//! Reads through a [`Disk`], and changes nothing: it runs beside a node that writes.

use std::collections::BTreeMap;
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
    /// Links of records that somebody asked for.
    asked: BTreeMap<u64, Option<Link>>,
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
    /// What it ends with, in hexadecimal; empty if there is no record.
    pub link: String,
    /// Links of the records that were asked for, in hexadecimal; `None` for one that is not there.
    pub links: BTreeMap<u64, Option<String>>,
}

/// What somebody else holds of this record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who.
    pub by: String,
    /// Which record.
    pub seq: u64,
    /// What it is bound by, in hexadecimal.
    pub link: String,
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
    scan_for(bytes, first, &[])
}

fn scan_for(bytes: &[u8], first: u64, asked: &[u64]) -> Scan {
    let asked = asked.iter().map(|&seq| (seq, None)).collect();
    let mut scan = Scan { seq: first.saturating_sub(1), asked, ..Scan::default() };
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
        if let Some(link) = self.asked.get_mut(&record.seq) {
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
    verify_for(disk, head, &[])
}

/// The same, and answers the links of the records `asked` for.
///
/// # Errors
/// As [`verify`].
pub fn verify_for(disk: &impl Disk, head: Option<&Head>, asked: &[u64]) -> Result<Whole, Broken> {
    for _ in 1..TRIES {
        match verify_once(disk, head, asked) {
            // The node deletes its oldest segment when there are too many.
            Err(Broken::Unreadable(error)) if error.kind() == ErrorKind::NotFound => {}
            verified => return verified,
        }
    }
    verify_once(disk, head, asked)
}

/// Holds a record against what others hold of it; how many of the marks could be compared. What is older than
/// the oldest record that is kept cannot be.
///
/// # Errors
/// The first mark with which it does not agree.
pub fn judge_marks(whole: &Whole, marks: &[Mark]) -> Result<usize, Broken> {
    let mut compared = 0;
    let mut marks: Vec<&Mark> = marks.iter().filter(|mark| mark.seq >= whole.first).collect();
    marks.sort_by_key(|mark| mark.seq);
    for mark in marks {
        let Mark { by, seq, link } = mark;
        if *seq > whole.last {
            return at(
                whole.last + 1,
                format!("it is gone, and all to {seq}, which {by} holds: somebody cut them off"),
            );
        }
        match whole.links.get(seq) {
            Some(Some(found)) if found == link => compared += 1,
            _ => {
                return at(
                    *seq,
                    format!("it is another than the one that {by} holds: somebody wrote it anew"),
                );
            }
        }
    }
    Ok(compared)
}

fn verify_once(disk: &impl Disk, head: Option<&Head>, asked: &[u64]) -> Result<Whole, Broken> {
    let wanted: Vec<u64> = asked.iter().copied().chain(head.map(|head| head.seq)).collect();
    let segments = disk.segments()?;
    let mut whole = Whole { segments: segments.len(), has_head: head.is_some(), ..Whole::default() };
    let mut last: Option<Scan> = None;
    let mut links: BTreeMap<u64, Link> = BTreeMap::new();
    for (index, &(first, _)) in segments.iter().enumerate() {
        let bytes = disk.read(first)?;
        let mut scan = scan_for(&bytes, first, &wanted);
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
        let found = std::mem::take(&mut scan.asked).into_iter();
        links.extend(found.filter_map(|(seq, link)| Some((seq, link?))));
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
        if links.get(&head.seq).is_some_and(|link| link.to_text() != head.link) {
            return at(head.seq, "it is another than was written");
        }
    }
    whole.first = segments.first().map_or(0, |&(first, _)| first);
    whole.last = last.seq;
    whole.link = if segments.is_empty() { String::new() } else { last.link.to_text() };
    whole.links = asked.iter().map(|seq| (*seq, links.get(seq).map(|link| link.to_text()))).collect();
    Ok(whole)
}

#[cfg(test)]
mod tests;
