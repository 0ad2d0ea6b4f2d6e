//! The lines that are held of the log on the screen: of many nodes in the order of time, bounded.
//!
//! What nodes say enters by [`Log::hear`]; every line goes to its place at once, so that one of a slow node stands
//! where it belongs when it comes. Pure: it is told what time it is.

use std::collections::BTreeMap;

use p2p_shared::error::{Code, RpcError};
use p2p_shared::id::NodeId;
use p2p_shared::services::journal::JournalRow;
use p2p_shared::services::program::{LogChunk, OutputStream};
use p2p_shared::time::{Millis, UnixMillis};

use crate::command::Source;
use crate::event::Said;
use crate::format::plural;

/// Lines beyond this many push out the oldest.
pub const LINES_MAX: usize = 10_000;
/// Longer lines are cut: a screen shows less.
const LINE_BYTES_MAX: usize = 4_096;
/// A node that is silent for so long lags; it gives a sign of life every second.
const LAG: Millis = Millis(3_000);

/// A clock that is off by less is taken as right: news take their time on the way.
const CLOCK_SLACK_MS: i64 = 2_000;

/// Where a line stands: by corrected time, then in the order in which lines came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    time_us: u64,
    number: u64,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// An entry of a journal.
    Entry,
    /// What a program wrote to its standard output.
    Stdout,
    /// What it wrote to its standard error.
    Stderr,
    /// The console's own word: what was left out, who lags.
    Remark,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Whose.
    pub node: NodeId,
    /// What it is.
    pub sort: Sort,
    /// When it was written, by this console's clock; of output, when it came.
    pub at: UnixMillis,
    /// How far the clock of its node is ahead, in milliseconds; 0 for one that is right.
    pub ahead_ms: i64,
    /// 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// What the program calls itself.
    pub who: String,
    /// The unit that it came from.
    pub unit: Option<String>,
    /// The process.
    pub pid: Option<u32>,
    /// What it says; may hold any character.
    pub text: String,
}

#[derive(Clone, Debug, Default)]
struct Voice {
    /// When it was heard last, or joined.
    at: Millis,
    /// It has said something since it joined.
    is_heard: bool,
    lags: bool,
    /// How far its clock is ahead, in milliseconds, as far as its news show: the quickest is the best measure.
    ahead_ms: Option<i64>,
    error: Option<RpcError>,
    /// Output that waits for the end of its line.
    partial: [String; 2],
}

/// The lines of one source.
#[derive(Clone, Debug, Default)]
pub struct Log {
    source: Source,
    lines: BTreeMap<Place, Line>,
    voices: BTreeMap<NodeId, Voice>,
    number: u64,
    let_go: u64,
}

impl Log {
    /// No line yet.
    pub fn new(source: Source) -> Self {
        Self { source, ..Self::default() }
    }

    /// Whose lines these are.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = (Place, &Line)> {
        self.lines.iter().map(|(place, line)| (*place, line))
    }

    /// A line, if it is still held.
    pub fn get(&self, place: Place) -> Option<&Line> {
        self.lines.get(&place)
    }

    /// Lines that were pushed out.
    pub const fn let_go(&self) -> u64 {
        self.let_go
    }

    /// Whether a node has said anything since it joined.
    pub fn is_heard(&self, node: NodeId) -> bool {
        self.voices.get(&node).is_some_and(|voice| voice.is_heard)
    }

    /// Whether a node is silent for too long.
    pub fn lags(&self, node: NodeId) -> bool {
        self.voices.get(&node).is_some_and(|voice| voice.lags)
    }

    /// Why nothing comes of a node.
    pub fn error(&self, node: NodeId) -> Option<&RpcError> {
        self.voices.get(&node)?.error.as_ref()
    }

    /// A node is followed from now on.
    pub fn join(&mut self, node: NodeId, now: Millis) {
        self.voices.insert(node, Voice { at: now, ..Voice::default() });
    }

    /// A node is followed no more; its lines stay.
    pub fn leave(&mut self, node: NodeId) {
        self.voices.remove(&node);
    }

    /// What a node says; whether anything is to be seen of it.
    pub fn hear(&mut self, node: NodeId, said: Said, (now, wall): (Millis, UnixMillis)) -> bool {
        let Some(voice) = self.voices.get_mut(&node) else { return false };
        let first = !std::mem::replace(&mut voice.is_heard, true);
        let back = std::mem::take(&mut voice.lags);
        voice.at = now;
        if !matches!(said, Said::Failed(_)) {
            voice.error = None;
        }
        if back {
            self.remark(node, wall, "is heard again".to_owned());
        }
        let seen = match said {
            Said::Began => {
                self.lines.retain(|_, line| line.node != node);
                true
            }
            Said::Journal(batch) => {
                let ahead_ms = self.measure(node, batch.at, wall);
                let seen = !batch.rows.is_empty() || batch.dropped > 0;
                if batch.dropped > 0 {
                    let at = batch.rows.first().map_or(batch.at, |row| UnixMillis(row.time_us / 1_000));
                    self.left_out(node, UnixMillis(at.0.saturating_add_signed(-ahead_ms)), batch.dropped);
                }
                batch.rows.into_iter().for_each(|row| self.entry(node, row, ahead_ms));
                seen
            }
            Said::Output(chunk) => {
                self.output(node, chunk, wall);
                true
            }
            Said::Over => {
                self.flush(node, wall);
                self.remark(node, wall, "it has ended, and wrote no more".to_owned());
                true
            }
            Said::Failed(error) => {
                // What has no journal says so once, in the title.
                if error.code != Code::Unsupported {
                    self.flush(node, wall);
                    self.remark(node, wall, error.message.clone());
                }
                if let Some(voice) = self.voices.get_mut(&node) {
                    voice.error = Some(error);
                }
                true
            }
        };
        seen || first || back
    }

    /// Finds the nodes that have begun to lag; whether there are any.
    pub fn check(&mut self, now: Millis, wall: UnixMillis) -> bool {
        if !matches!(self.source, Source::Journal(_)) {
            return false;
        }
        let late = |voice: &Voice| voice.error.is_none() && !voice.lags && now.since(voice.at) >= LAG;
        let late: Vec<NodeId> =
            self.voices.iter().filter(|(_, voice)| late(voice)).map(|(node, _)| *node).collect();
        for node in &late {
            if let Some(voice) = self.voices.get_mut(node) {
                voice.lags = true;
            }
            self.remark(*node, wall, "lags: its lines may come late".to_owned());
        }
        !late.is_empty()
    }

    fn left_out(&mut self, node: NodeId, at: UnixMillis, count: u64) {
        let count = plural(usize::try_from(count).unwrap_or(usize::MAX), "line");
        self.remark(node, at, format!("{count} left out here: too many at once"));
    }

    fn remark(&mut self, node: NodeId, at: UnixMillis, text: String) {
        let line = Line {
            node,
            sort: Sort::Remark,
            at,
            ahead_ms: 0,
            priority: 4,
            who: "--".to_owned(),
            unit: None,
            pid: None,
            text,
        };
        self.put(at.0.saturating_mul(1_000), line);
    }

    /// How far the clock of a node is ahead, with what it says now; 0 if that may be the way of the news.
    fn measure(&mut self, node: NodeId, says: UnixMillis, wall: UnixMillis) -> i64 {
        let Some(voice) = self.voices.get_mut(&node) else { return 0 };
        let ahead_ms =
            says.0.saturating_sub(wall.0).cast_signed() - wall.0.saturating_sub(says.0).cast_signed();
        let best = voice.ahead_ms.map_or(ahead_ms, |known| known.max(ahead_ms));
        voice.ahead_ms = Some(best);
        if best.abs() < CLOCK_SLACK_MS { 0 } else { best }
    }

    fn entry(&mut self, node: NodeId, row: JournalRow, ahead_ms: i64) {
        let time_us = row.time_us.saturating_add_signed(ahead_ms.saturating_mul(-1_000));
        let who = row.identifier.or_else(|| row.unit.clone()).unwrap_or_else(|| "-".to_owned());
        let line = Line {
            node,
            sort: Sort::Entry,
            at: UnixMillis(time_us / 1_000),
            ahead_ms,
            priority: row.priority,
            who,
            unit: row.unit,
            pid: row.pid,
            text: row.message,
        };
        self.put(time_us, line);
    }

    fn output(&mut self, node: NodeId, chunk: LogChunk, wall: UnixMillis) {
        if chunk.skipped_bytes > 0 {
            let text =
                format!("{} left out here: it came too fast", crate::format::bytes(chunk.skipped_bytes));
            self.remark(node, wall, text);
        }
        let of = usize::from(chunk.stream == OutputStream::Stderr);
        let Some(voice) = self.voices.get_mut(&node) else { return };
        let mut text = std::mem::take(&mut voice.partial[of]);
        text.push_str(&chunk.text);
        let mut lines: Vec<&str> = text.split('\n').collect();
        let mut rest = lines.pop().unwrap_or_default().to_owned();
        let whole: Vec<String> = lines.into_iter().map(ToOwned::to_owned).collect();
        for line in whole {
            self.written(node, of, line, wall);
        }
        if rest.len() > LINE_BYTES_MAX {
            self.written(node, of, std::mem::take(&mut rest), wall);
        }
        if let Some(voice) = self.voices.get_mut(&node) {
            voice.partial[of] = rest;
        }
    }

    /// What waits for the end of its line will not see it.
    fn flush(&mut self, node: NodeId, wall: UnixMillis) {
        for of in 0..2 {
            let partial = self.voices.get_mut(&node).map(|voice| std::mem::take(&mut voice.partial[of]));
            if let Some(text) = partial.filter(|text| !text.is_empty()) {
                self.written(node, of, text, wall);
            }
        }
    }

    fn written(&mut self, node: NodeId, of: usize, mut text: String, at: UnixMillis) {
        if text.ends_with('\r') {
            text.pop();
        }
        let (sort, who, priority) =
            if of == 0 { (Sort::Stdout, "stdout", 6) } else { (Sort::Stderr, "stderr", 4) };
        let line =
            Line { node, sort, at, ahead_ms: 0, priority, who: who.to_owned(), unit: None, pid: None, text };
        self.put(at.0.saturating_mul(1_000), line);
    }

    fn put(&mut self, time_us: u64, mut line: Line) {
        if line.text.len() > LINE_BYTES_MAX {
            line.text.truncate(line.text.floor_char_boundary(LINE_BYTES_MAX));
            line.text.push_str(" [cut]");
        }
        self.number += 1;
        self.lines.insert(Place { time_us, number: self.number }, line);
        if self.lines.len() > LINES_MAX {
            self.lines.pop_first();
            self.let_go += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::journal::JournalBatch;

    use super::*;

    const ONE: NodeId = NodeId::new([1; 32]);
    const OTHER: NodeId = NodeId::new([2; 32]);
    const NOW: (Millis, UnixMillis) = (Millis(0), UnixMillis(9));

    fn row(time_us: u64) -> JournalRow {
        JournalRow {
            cursor: "c".into(),
            time_us,
            unit: None,
            identifier: Some("a".into()),
            pid: None,
            priority: 6,
            message: time_us.to_string(),
            is_cut: false,
            fields: Vec::new(),
        }
    }

    fn batch(times_us: impl IntoIterator<Item = u64>, dropped: u64) -> Said {
        let rows = times_us.into_iter().map(row).collect();
        Said::Journal(JournalBatch { seq: 0, at: UnixMillis(1), rows, dropped })
    }

    fn log() -> Log {
        let mut log = Log::default();
        log.join(ONE, Millis(0));
        log.join(OTHER, Millis(0));
        log
    }

    fn texts(log: &Log) -> Vec<&str> {
        log.lines().map(|(_, line)| line.text.as_str()).collect()
    }

    #[test]
    fn lines_of_all_nodes_stand_in_the_order_of_time() {
        let mut log = log();
        log.hear(ONE, batch([1_000, 3_000], 0), NOW);
        log.hear(OTHER, batch([2_000], 7), NOW);
        assert_eq!(texts(&log), ["1000", "7 lines left out here: too many at once", "2000", "3000"]);
        log.hear(ONE, Said::Began, NOW);
        assert_eq!(texts(&log).len(), 2, "what comes again is not there twice");
    }

    #[test]
    fn a_clock_that_is_off_is_corrected_and_one_that_is_a_little_is_not() {
        let wall = UnixMillis(1_000_000);
        let from = |at_ms: u64, time_ms: u64| {
            let rows = vec![row(time_ms * 1_000)];
            Said::Journal(JournalBatch { seq: 0, at: UnixMillis(at_ms), rows, dropped: 0 })
        };
        let mut log = log();
        log.hear(ONE, from(1_060_000, 1_059_000), (Millis(0), wall));
        log.hear(OTHER, from(999_500, 999_400), (Millis(0), wall));
        let lines: Vec<_> = log.lines().map(|(_, line)| (line.node, line.at.0, line.ahead_ms)).collect();
        assert_eq!(lines, [(ONE, 999_000, 60_000), (OTHER, 999_400, 0)]);
    }

    #[test]
    fn the_oldest_lines_are_pushed_out_and_counted() {
        let mut log = log();
        log.hear(ONE, batch(0..LINES_MAX as u64 + 3, 0), NOW);
        assert_eq!((log.lines().count(), log.let_go()), (LINES_MAX, 3));
        assert_eq!(texts(&log)[0], "3");
    }

    #[test]
    fn a_silent_node_lags_once_and_a_sign_of_life_is_not_seen() {
        let mut log = log();
        assert!(log.hear(ONE, batch([], 0), NOW), "now it is known that there is nothing");
        assert!(!log.hear(ONE, batch([], 0), (Millis(1_000), UnixMillis(9))));
        assert!(log.check(Millis(3_000), UnixMillis(9)), "the other one, which was never heard");
        assert!(!log.check(Millis(3_999), UnixMillis(9)));
        assert!(log.check(Millis(4_000), UnixMillis(9)));
        assert!(!log.check(Millis(5_000), UnixMillis(9)));
        assert!(log.lags(ONE) && log.lags(OTHER));
        assert!(log.hear(ONE, batch([], 0), (Millis(6_000), UnixMillis(9))));
        assert!(!log.lags(ONE));
    }

    #[test]
    fn output_becomes_lines_at_their_ends() {
        let mut log = log();
        let mut write = |stream, text: &str| {
            let chunk = LogChunk { stream, text: text.into(), skipped_bytes: 0 };
            log.hear(ONE, Said::Output(chunk), NOW);
        };
        write(OutputStream::Stdout, "one\r\ntw");
        write(OutputStream::Stderr, "bad\n");
        write(OutputStream::Stdout, "o\nthree");
        assert_eq!(texts(&log), ["one", "bad", "two"]);
        log.hear(ONE, Said::Failed(RpcError::unavailable("gone")), NOW);
        assert_eq!(texts(&log), ["one", "bad", "two", "three", "gone"]);
        log.hear(
            ONE,
            Said::Output(LogChunk {
                stream: OutputStream::Stdout,
                text: "x".repeat(90_000),
                skipped_bytes: 0,
            }),
            NOW,
        );
        assert!(log.lines().all(|(_, line)| line.text.len() < LINE_BYTES_MAX + 10));
    }
}
