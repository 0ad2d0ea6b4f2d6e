//! The sub-tabs: their order, their names, what each of them lists.

use super::grid;
use super::rows::{ContactRow, HopRow, PeerRow, RefusedRow, Row};
use crate::command::Topic;
use crate::filter::Field;
use crate::widgets::table::Column;

/// The sub-tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    /// All pairs.
    #[default]
    Grid,
    /// The connections of one node.
    Peers,
    /// Its routing table.
    Routing,
    /// What a look-up of it does.
    LookUp,
    /// Whom it refused.
    Refused,
}

impl Tab {
    pub(super) const ALL: [Self; 5] = [Self::Grid, Self::Peers, Self::Routing, Self::LookUp, Self::Refused];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Grid => "Grid",
            Self::Peers => "Peers",
            Self::Routing => "Routing",
            Self::LookUp => "Look-up",
            Self::Refused => "Refused",
        }
    }

    /// What it calls that of which the title speaks.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::LookUp => "look-up",
            Self::Peers => Topic::Peers.as_str(),
            Self::Routing => Topic::Routing.as_str(),
            Self::Refused => Topic::Refused.as_str(),
        }
    }

    /// The live data of one node that it shows; the grid is of many, and a look-up is asked for once.
    pub(super) const fn topic(self) -> Option<Topic> {
        match self {
            Self::Grid | Self::LookUp => None,
            Self::Peers => Some(Topic::Peers),
            Self::Routing => Some(Topic::Routing),
            Self::Refused => Some(Topic::Refused),
        }
    }

    pub(super) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Grid => &[],
            Self::Peers => PeerRow::COLUMNS,
            Self::Routing => ContactRow::COLUMNS,
            Self::LookUp => HopRow::COLUMNS,
            Self::Refused => RefusedRow::COLUMNS,
        }
    }

    pub(super) const fn fields(self) -> &'static [Field] {
        match self {
            Self::Grid => grid::FIELDS,
            Self::Peers => PeerRow::FIELDS,
            Self::Routing => ContactRow::FIELDS,
            Self::LookUp => HopRow::FIELDS,
            Self::Refused => RefusedRow::FIELDS,
        }
    }

    /// The line of the body in which the head of its table stands: below the sub-tabs and what else is said there.
    pub(super) const fn head_row(self) -> u16 {
        match self {
            Self::LookUp => 3,
            Self::Grid | Self::Peers | Self::Routing | Self::Refused => 1,
        }
    }

    /// The sub-tab beside it, around the end.
    pub(super) const fn beside(self, forward: bool) -> Self {
        let step = if forward { 1 } else { Self::ALL.len() - 1 };
        Self::ALL[(self as usize + step) % Self::ALL.len()]
    }
}
