//! What can be done with the node under the cursor: look it up, look at it.

use p2p_shared::id::NodeId;

use crate::app::menu::{Choice, Item, Menu};
use crate::fleet::Node;
use crate::views::{Request, Scene, Scope, ViewId};

/// The menu of a node that `asker` sees; of one that is none, it says so. `again` is what was looked up last.
pub(super) fn menu(
    scene: &Scene<'_>,
    asker: NodeId,
    subject: Option<NodeId>,
    again: Option<Request>,
) -> Menu {
    let node = subject.and_then(|id| Some((id, scene.fleet.get(id)?)));
    let named = node.map_or_else(|| "the node".to_owned(), |(_, node)| node.name().to_string());
    let from = scene.fleet.name_of(asker);
    let item = |key, label: String, request: Option<Request>| Item {
        key,
        label,
        choice: request
            .map(|request| Choice::Do(Box::new(request)))
            .ok_or_else(|| "what is under the cursor is no node of this fleet".to_owned()),
    };
    let of = |make: &dyn Fn(NodeId, &Node) -> Request| node.map(|(id, node)| make(id, node));
    let look_up = of(&|_, node| Request::LookUp { node: asker, name: node.name().clone() });
    let show = |view| of(&move |id, _| Request::Show(view, Scope::one(id)));
    let mut items = Vec::new();
    if let Some(request) = again {
        let label = match &request {
            Request::LookUp { name, .. } => format!("look up {name} again, from {from}"),
            _ => "again".to_owned(),
        };
        items.push(item('a', label, Some(request)));
    }
    items.extend([
        item('u', format!("look up {named} in the DHT, hop by hop, from {from}"), look_up),
        item('r', format!("resources of {named}"), show(ViewId::Resources)),
        item('p', format!("processes of {named}"), show(ViewId::Processes)),
    ]);
    Menu::new(format!("{named}, seen by {from}"), items)
}
