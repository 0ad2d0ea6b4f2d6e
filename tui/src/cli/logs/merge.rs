//! Lines of several nodes in one order of corrected time. Pure: it is told what was heard when, and what time it is.
//!
//! A line waits until every node that speaks has said that it has nothing older, and no longer than [`HOLD`].
//! Bounded: past [`LINES_MAX`] waiting lines the oldest go first, whoever may still be heard.

use std::collections::BTreeMap;

use p2p_shared::services::journal::{JournalBatch, JournalRow};
use p2p_shared::time::{Millis, UnixMillis};

use super::clock::Offset;

/// The longest that a line is held back for the others.
pub const HOLD: Millis = Millis(2_000);
/// A node that is silent for so long lags; it gives a sign of life every second.
const LAG: Millis = Millis(3_000);
/// Most lines that wait.
const LINES_MAX: usize = 20_000;

/// What changed about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Nothing was heard of it for too long.
    Lags,
    /// It is heard again.
    Back,
}

/// Corrected time that a line was written, node, and where it stood in what the node sent.
type Place = (u64, usize, u64);

/// Lines that wait.
#[derive(Debug)]
pub struct Lines {
    nodes: Vec<Node>,
    waiting: BTreeMap<Place, (UnixMillis, JournalRow)>,
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    heard: UnixMillis,
    /// How far its clock is off.
    offset: Offset,
    /// Everything that it wrote before has come; microseconds of corrected time.
    complete_us: u64,
    is_lost: bool,
    is_lagging: bool,
}

impl Lines {
    /// Of so many nodes, none of which was heard yet.
    pub fn new(nodes: usize, now: UnixMillis) -> Self {
        let node =
            Node { heard: now, offset: Offset::default(), complete_us: 0, is_lost: false, is_lagging: false };
        Self { nodes: vec![node; nodes], waiting: BTreeMap::new(), count: 0 }
    }

    /// How far the clock of a node is off, to be told before its first lines.
    pub fn set_offset(&mut self, node: usize, offset: Offset) {
        self.nodes[node].offset = offset;
    }

    /// How far it is off.
    pub fn offset(&self, node: usize) -> Offset {
        self.nodes[node].offset
    }

    /// A node sent something.
    pub fn heard(&mut self, node: usize, batch: JournalBatch, now: UnixMillis) {
        let offset = self.offset(node);
        for row in batch.rows {
            self.count += 1;
            self.waiting.insert((offset.corrected_us(row.time_us), node, self.count), (now, row));
        }
        let of = &mut self.nodes[node];
        of.heard = now;
        of.complete_us = of.complete_us.max(offset.corrected_us(batch.at.0.saturating_mul(1_000)));
    }

    /// A node will not be heard any more.
    pub fn lost(&mut self, node: usize) {
        self.nodes[node].is_lost = true;
    }

    /// Lines whose turn it is.
    pub fn ready(&mut self, now: UnixMillis) -> Vec<(usize, JournalRow)> {
        let awaited = self.nodes.iter().filter(|node| !node.is_lost && !node.is_lagging);
        let complete_us = awaited.map(|node| node.complete_us).min().unwrap_or(u64::MAX);
        let mut ready = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            let (time_us, node, _) = *first.key();
            let is_due = time_us < complete_us || now.since(first.get().0) >= HOLD;
            if !is_due && self.waiting.len() <= LINES_MAX {
                break;
            }
            if let Some((_, (_, row))) = self.waiting.pop_first() {
                ready.push((node, row));
            }
        }
        ready
    }

    /// All that is left.
    pub fn rest(&mut self) -> Vec<(usize, JournalRow)> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|((_, node, _), (_, row))| (node, row)).collect()
    }

    /// Nodes that have begun to lag, or have ended it.
    pub fn notices(&mut self, now: UnixMillis) -> Vec<(usize, Notice)> {
        let mut notices = Vec::new();
        for (index, node) in self.nodes.iter_mut().enumerate().filter(|(_, node)| !node.is_lost) {
            let is_lagging = now.since(node.heard) >= LAG;
            if is_lagging != node.is_lagging {
                node.is_lagging = is_lagging;
                notices.push((index, if is_lagging { Notice::Lags } else { Notice::Back }));
            }
        }
        notices
    }
}
