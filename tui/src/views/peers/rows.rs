//! What a sub-tab lists: its rows, their columns, how they compare, and what a filter sees of them.

use std::borrow::Cow;
use std::cmp::Ordering;

use p2p_shared::id::NodeId;
use p2p_shared::services::node::{Direction, MemberState};
use p2p_shared::time::{Millis, UnixMillis};

use crate::action::SortKey;
use crate::filter::{Field, Record};
use crate::fleet::{Fleet, Node};
use crate::format::span_ms;
use crate::theme::{Glyphs, Role};
use crate::views::observed;
use crate::widgets::table::{Cell, Column, Order};

mod hop;
mod peer;
mod refused;
mod routing;

pub(super) use hop::HopRow;
pub(super) use peer::PeerRow;
pub(super) use refused::RefusedRow;
pub(super) use routing::ContactRow;

/// What rows need to know of the world besides themselves.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) fleet: &'a Fleet,
    /// The wall clock.
    pub(super) wall: UnixMillis,
    /// How old the list is: ages in it have grown by that much.
    pub(super) since: Millis,
}

/// A row of one of the lists, borrowed from the fleet.
pub(super) trait Row<'a>: Record + Copy {
    /// Its identity.
    type Key: Copy + Ord;
    /// The columns of its table.
    const COLUMNS: &'static [Column];
    /// What a filter can ask for.
    const FIELDS: &'static [Field];
    /// How its table is sorted at first.
    const ORDER: Order;
    /// Said of an empty list.
    const NONE: &'static str;

    /// All rows of a node, in the node's order; `None` if it sent none yet.
    fn all(node: &'a Node, around: Around<'a>) -> Option<Vec<Self>>;
    /// Its identity.
    fn key(&self) -> Self::Key;
    /// How it compares with another, ascending.
    fn compare(&self, other: &Self, by: SortKey) -> Ordering;
    /// What stands in a column.
    fn cell(&self, column: usize, glyphs: &Glyphs) -> Cell;
    /// The node that it is about, if it is one of the fleet.
    fn subject(&self) -> Option<NodeId>;
    /// What a copy of its most telling field gives.
    fn field(&self) -> String;
    /// Everything about it in a sentence.
    fn sentence(&self) -> String;
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
        Direction::Unknown => "?",
    }
}

fn ago(ms: u64) -> Cell {
    Cell::plain(span_ms(ms))
}

fn seconds(ms: u64) -> Option<f64> {
    Some(ms as f64 / 1_000.0)
}

/// The text of a field of which a filter knows the number only.
fn number_text(value: Option<f64>) -> Cow<'static, str> {
    value.map_or_else(String::new, |value| value.to_string()).into()
}

/// Directory state of a node as a cell; a dash for what is no member.
fn state_cell(state: Option<MemberState>, glyphs: &Glyphs) -> Cell {
    state.map_or_else(
        || Cell::of("-", Role::Dim),
        |state| {
            let (mark, word, role) = observed::state(state, glyphs);
            Cell::of(format!("{mark} {word}"), role)
        },
    )
}

fn state_word(state: Option<MemberState>) -> &'static str {
    state.map_or("-", MemberState::as_str)
}
