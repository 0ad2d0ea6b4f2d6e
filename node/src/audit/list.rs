//! Reads the record backwards for the audit service: newest first, each call with its outcome.
//!
//! A filter enters; entries leave, as many as were asked for, and where to go on. It reads files beside the writer
//! and holds one segment at a time. Blocks.

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use p2p_shared::services::audit::{AuditEntry, AuditKind, AuditPage};
use p2p_shared::time::UnixMillis;

use super::chain;
use super::disk::Disk;
use super::record::{Asked, Ended, Record, What};

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// From then on.
    pub since: Option<UnixMillis>,
    /// Before then.
    pub until: Option<UnixMillis>,
    /// Of this caller.
    pub who: Option<String>,
    /// `service.method` or `service.*`.
    pub method: Option<String>,
    /// Before the entry of this number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl Filter {
    /// The filter that a text of terms means.
    ///
    /// # Errors
    /// In words for whoever wrote it.
    pub fn parse(text: &str, limit: usize) -> Result<Self, String> {
        let mut filter = Self { limit, ..Self::default() };
        for term in text.split_whitespace() {
            let point = |value: &str| {
                let number = value.parse().map(UnixMillis).ok();
                let bad = |error| format!("{term:?}: {error}, nor milliseconds since 1970");
                number.map_or_else(|| value.parse().map_err(bad), Ok)
            };
            match term.split_once(':') {
                Some(("who", name)) => filter.who = Some(name.to_owned()),
                Some(("method", name)) => filter.method = Some(name.to_owned()),
                Some(("since", value)) => filter.since = Some(point(value)?),
                Some(("until", value)) => filter.until = Some(point(value)?),
                _ => return Err(format!("{term:?} is none of who:, method:, since: and until:")),
            }
        }
        Ok(filter)
    }

    fn fits(&self, entry: &AuditEntry) -> bool {
        let method = |wanted: &String| match wanted.strip_suffix('*') {
            Some(start) => entry.method.starts_with(start),
            None => entry.method == *wanted,
        };
        self.before.is_none_or(|before| entry.seq < before)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && self.who.as_ref().is_none_or(|who| entry.who == *who)
            && self.method.as_ref().is_none_or(method)
    }
}

/// The newest entries that fit.
///
/// # Errors
/// If the record cannot be read.
pub fn list(disk: &impl Disk, filter: &Filter) -> io::Result<AuditPage> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    // Outcomes come after their calls, and so are met first.
    let mut outcomes: HashMap<u64, Ended> = HashMap::new();
    for (first, _) in disk.segments()?.into_iter().rev() {
        let bytes = match disk.read(first) {
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            read => read?,
        };
        for record in records(&bytes).into_iter().rev() {
            if let What::Outcome(ended) = record.what {
                outcomes.insert(ended.of, ended);
                continue;
            }
            let ended = outcomes.remove(&record.seq);
            let Some(entry) = entry(record, ended).filter(|entry| filter.fits(entry)) else { continue };
            if entries.len() >= filter.limit {
                let next = entries.last().map(|last| last.seq.to_string());
                return Ok(AuditPage { entries, next });
            }
            entries.push(entry);
        }
    }
    Ok(AuditPage { entries, next: None })
}

/// What can be read of a segment; `audit verify` tells what cannot.
fn records(bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        match chain::take(rest) {
            Ok(line) => {
                records.extend(Record::from_text(line.text));
                rest = &rest[line.bytes..];
            }
            Err(_) => match rest.iter().position(|&byte| byte == b'\n') {
                Some(end) => rest = &rest[end + 1..],
                None => break,
            },
        }
    }
    records
}

fn entry(record: Record, ended: Option<Ended>) -> Option<AuditEntry> {
    let (seq, at) = (record.seq, record.at_ms);
    match record.what {
        What::Call(asked) => {
            let entry = asked_entry((seq, at), AuditKind::Call, asked);
            Some(match ended {
                Some(Ended { code, message, duration_ms, .. }) => {
                    AuditEntry { code: Some(code), message, duration_ms: Some(duration_ms), ..entry }
                }
                None => entry,
            })
        }
        What::Refused { asked, code, message, omitted } => {
            let entry = asked_entry((seq, at), AuditKind::Refused, asked);
            let more =
                |omitted| format!("{message} (and {omitted} refusals before it that are not recorded)");
            let message = if omitted == 0 { message } else { more(omitted) };
            Some(AuditEntry { code: Some(code), message, ..entry })
        }
        What::Note(message) => Some(AuditEntry { message, ..empty((seq, at), AuditKind::Note) }),
        What::Segment { .. } | What::Outcome(_) => None,
    }
}

fn empty((seq, at): (u64, UnixMillis), kind: AuditKind) -> AuditEntry {
    AuditEntry {
        seq,
        at,
        kind,
        caller: String::new(),
        who: String::new(),
        id: None,
        role: None,
        from: None,
        method: String::new(),
        arguments: String::new(),
        request_id: String::new(),
        code: None,
        message: String::new(),
        duration_ms: None,
    }
}

fn asked_entry(key: (u64, UnixMillis), kind: AuditKind, asked: Asked) -> AuditEntry {
    AuditEntry {
        caller: asked.caller,
        who: asked.who,
        id: asked.id,
        role: asked.role,
        from: asked.from,
        method: asked.method,
        arguments: asked.arguments,
        request_id: asked.request,
        ..empty(key, kind)
    }
}
