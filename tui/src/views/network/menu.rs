//! What can be tried from a node: ping, trace, scan, of what is under the cursor or of something else.

use p2p_shared::id::NodeId;

use super::super::list::{Listed, Listing};
use super::Network;
use super::columns::Row;
use crate::app::menu::{Choice, Item, Menu, Question};
use crate::command::ProbeKind;
use crate::fleet::NetItem;
use crate::views::{Scene, Scope, related};

/// The menu for the node under the cursor; where a table is empty, for the one that it is of.
pub(super) fn menu(list: &Listing, scene: &Scene<'_>) -> Menu {
    let row = list.table.cursor().and_then(|id| Network::row(scene, id));
    let node = row.as_ref().map(|row| row.item.node).or_else(|| only(list, scene));
    let target = row.as_ref().and_then(far_side).unwrap_or_default();
    let title = match node {
        Some(node) => format!("from {}", scene.fleet.name_of(node)),
        None => "network".to_owned(),
    };
    let ask = |kind: ProbeKind| match node {
        None => Err("there is no row under the cursor".to_owned()),
        Some(_) if scene.readonly && kind == ProbeKind::Scan => {
            Err("read-only: start without --readonly to act".to_owned())
        }
        Some(node) => {
            let node = (node, scene.fleet.name_of(node));
            Ok(Choice::Ask(Question::Probe { node, kind, target: target.clone() }))
        }
    };
    let item = |key, text: &str, kind| Item { key, label: text.to_owned(), choice: ask(kind) };
    let thing = row.as_ref().and_then(Network::thing);
    let mut items = thing.map_or_else(Vec::new, |thing| related::items(scene, &thing));
    items.extend([
        item('p', "ping: whether a host answers, and how fast", ProbeKind::Ping),
        item('t', "trace: the way to a host", ProbeKind::Trace),
        item('s', "scan: which ports of a host are open", ProbeKind::Scan),
    ]);
    Menu::new(title, items)
}

/// The node, if there is but one.
fn only(list: &Listing, scene: &Scene<'_>) -> Option<NodeId> {
    match &list.scope {
        Scope::Nodes(nodes) if nodes.len() == 1 => nodes.first().copied(),
        Scope::All if scene.fleet.len() == 1 => scene.fleet.iter().next().map(|(id, _)| id),
        _ => None,
    }
}

/// Who is at the other end of a row.
fn far_side(row: &Row<'_>) -> Option<String> {
    let address = match &row.item.value {
        NetItem::Interface(_) => None,
        NetItem::Socket(socket) => socket.remote.map(|remote| remote.ip()),
        NetItem::Route(route) => route.gateway,
        NetItem::Neighbour(seen) => Some(seen.address),
    };
    // What a socket of both families calls ::ffff:10.0.0.7 is 10.0.0.7.
    address.map(|address| address.to_canonical().to_string())
}
