//! The sub-tabs that are lists of one node: which one an action is about, and what it does to the rows there.

use std::net::SocketAddr;

use p2p_shared::id::NodeId;
use p2p_shared::time::UnixMillis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::listing::Listing;
use super::rows::{Around, ContactRow, HopRow, PeerRow, RefusedRow, Row};
use super::tabs::Tab;
use crate::action::Action;
use crate::filter::Filter;
use crate::fleet::Node;
use crate::theme::{Glyphs, Theme};

/// A node and what its rows need to know besides.
pub(super) type Place<'a> = (&'a Node, Around<'a>);

/// The lists, each with its order, cursor, marks and filter.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    pub(super) peers: Listing<(NodeId, SocketAddr)>,
    pub(super) routing: Listing<(u16, NodeId)>,
    pub(super) hops: Listing<NodeId>,
    pub(super) refused: Listing<(UnixMillis, SocketAddr, u32)>,
}

/// Evaluates an expression with `$listing` and `$row` standing for the list of a sub-tab and its type of row; the grid is
/// no list, and has an answer of its own.
macro_rules! with_listing {
    ($tab:expr, $lists:expr, |$listing:ident, $row:ident| $body:expr, $grid:expr) => {
        match $tab {
            Tab::Grid => $grid,
            Tab::Peers => {
                let $listing = &$lists.peers;
                type $row<'a> = PeerRow<'a>;
                $body
            }
            Tab::Routing => {
                let $listing = &$lists.routing;
                type $row<'a> = ContactRow<'a>;
                $body
            }
            Tab::LookUp => {
                let $listing = &$lists.hops;
                type $row<'a> = HopRow<'a>;
                $body
            }
            Tab::Refused => {
                let $listing = &$lists.refused;
                type $row<'a> = RefusedRow<'a>;
                $body
            }
        }
    };
}

/// What the row under the cursor is about.
pub(super) struct Under {
    /// The node, if it is one of the fleet.
    pub(super) subject: Option<NodeId>,
    /// Everything about it.
    pub(super) sentence: String,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            peers: Listing::new(PeerRow::ORDER),
            routing: Listing::new(ContactRow::ORDER),
            hops: Listing::new(HopRow::ORDER),
            refused: Listing::new(RefusedRow::ORDER),
        }
    }
}

impl Lists {
    /// Filters and sorts a list anew; `height` rows are visible.
    pub(super) fn rebuild(&mut self, tab: Tab, (node, around): Place<'_>, height: usize) {
        match tab {
            Tab::Grid => {}
            Tab::Peers => self.peers.rebuild::<PeerRow<'_>>(node, around, height),
            Tab::Routing => self.routing.rebuild::<ContactRow<'_>>(node, around, height),
            Tab::LookUp => self.hops.rebuild::<HopRow<'_>>(node, around, height),
            Tab::Refused => self.refused.rebuild::<RefusedRow<'_>>(node, around, height),
        }
    }

    /// Takes an action of tables; whether the rows have to be ordered anew.
    pub(super) fn on_action(&mut self, tab: Tab, action: Action, height: usize) -> bool {
        let columns = tab.columns();
        match tab {
            Tab::Grid => false,
            Tab::Peers => self.peers.on_action(action, columns, height),
            Tab::Routing => self.routing.on_action(action, columns, height),
            Tab::LookUp => self.hops.on_action(action, columns, height),
            Tab::Refused => self.refused.on_action(action, columns, height),
        }
    }

    /// A click on a line of the rows.
    pub(super) fn press(&mut self, tab: Tab, line: usize) {
        match tab {
            Tab::Grid => false,
            Tab::Peers => self.peers.table.press(line),
            Tab::Routing => self.routing.table.press(line),
            Tab::LookUp => self.hops.table.press(line),
            Tab::Refused => self.refused.table.press(line),
        };
    }

    /// Moves the cursor to the next row (or the previous one) that a search hits.
    pub(super) fn seek(
        &mut self,
        tab: Tab,
        place: Place<'_>,
        wanted: (bool, &Filter),
        height: usize,
    ) -> bool {
        match tab {
            Tab::Grid => false,
            Tab::Peers => self.peers.seek::<PeerRow<'_>>(place, wanted, height),
            Tab::Routing => self.routing.seek::<ContactRow<'_>>(place, wanted, height),
            Tab::LookUp => self.hops.seek::<HopRow<'_>>(place, wanted, height),
            Tab::Refused => self.refused.seek::<RefusedRow<'_>>(place, wanted, height),
        }
    }

    /// Shows only what passes.
    pub(super) fn set_filter(&mut self, tab: Tab, filter: Option<Filter>) {
        match tab {
            Tab::Grid => {}
            Tab::Peers => self.peers.filter = filter,
            Tab::Routing => self.routing.filter = filter,
            Tab::LookUp => self.hops.filter = filter,
            Tab::Refused => self.refused.filter = filter,
        }
    }

    pub(super) fn filter(&self, tab: Tab) -> Option<&Filter> {
        with_listing!(tab, self, |listing, _R| listing.filter.as_ref(), None)
    }

    /// Takes every mark off; whether there were any.
    pub(super) fn clear_marks(&mut self, tab: Tab) -> bool {
        match tab {
            Tab::Grid => false,
            Tab::Peers => self.peers.clear_marks(),
            Tab::Routing => self.routing.clear_marks(),
            Tab::LookUp => self.hops.clear_marks(),
            Tab::Refused => self.refused.clear_marks(),
        }
    }

    pub(super) fn marks(&self, tab: Tab) -> usize {
        with_listing!(tab, self, |listing, _R| listing.table.marks().len(), 0)
    }

    /// How many rows are shown, and how many there are.
    pub(super) fn counts(&self, tab: Tab) -> (usize, usize) {
        with_listing!(tab, self, |listing, _R| (listing.table.rows().len(), listing.table.total()), (0, 0))
    }

    /// What the row under the cursor is about.
    pub(super) fn under_cursor(&self, tab: Tab, (node, around): Place<'_>) -> Option<Under> {
        with_listing!(
            tab,
            self,
            |listing, R| {
                let row: R<'_> = listing.under_cursor(node, around)?;
                Some(Under { subject: row.subject(), sentence: row.sentence() })
            },
            None
        )
    }

    /// The rows that an action is about, as text for the clipboard: a field each, or all columns.
    pub(super) fn copied(&self, tab: Tab, (node, around): Place<'_>, whole: bool) -> Option<String> {
        // The mark of a state is for the eye: a file wants the word.
        let glyphs = Glyphs { states: [""; 5], ..Theme::default().glyphs };
        let lines: Vec<String> = with_listing!(
            tab,
            self,
            |listing, R| {
                let rows: Vec<R<'_>> = listing.targets(node, around);
                let line = |row: &R<'_>| {
                    if !whole {
                        return row.field();
                    }
                    let cells =
                        (0..R::COLUMNS.len()).map(|column| row.cell(column, &glyphs).text.trim().to_owned());
                    cells.collect::<Vec<_>>().join("\t")
                };
                rows.iter().map(line).collect()
            },
            Vec::new()
        );
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The nodes of the fleet that those rows are about.
    pub(super) fn subjects(&self, tab: Tab, (node, around): Place<'_>) -> Vec<NodeId> {
        with_listing!(
            tab,
            self,
            |listing, R| {
                let rows: Vec<R<'_>> = listing.targets(node, around);
                let mut ids: Vec<NodeId> = rows.iter().filter_map(Row::subject).collect();
                ids.dedup();
                ids
            },
            Vec::new()
        )
    }

    /// Draws a list, dimmed if it is old.
    pub(super) fn draw(
        &self,
        tab: Tab,
        (place, dimmed): (Place<'_>, bool),
        screen: (Rect, &Theme),
        buf: &mut Buffer,
    ) {
        let (node, around) = place;
        with_listing!(tab, self, |listing, R| listing.draw::<R<'_>>((node, around, dimmed), screen, buf), ());
    }
}
