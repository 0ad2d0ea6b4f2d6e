//! What a look-up in the DHT does: asked for by `:lookup`, a menu, or another node in its place.

use p2p_shared::id::{NodeId, NodeName};

use super::State;
use crate::command::Command;
use crate::fleet::Node;
use crate::views::ViewId;

impl State {
    /// `:lookup web-1`, from the node under the cursor; `:lookup web-1 db-2`, from db-2.
    pub(super) fn look_up_line(&mut self, text: &str) {
        let (name, from) = text.split_once(' ').unwrap_or((text, ""));
        let name: NodeName = match name.parse() {
            Ok(name) => name,
            Err(error) => return self.say(format!("{name}: {error}")),
        };
        let asker = match from.trim() {
            "" => self.asker().ok_or_else(|| "no node that answers is known".to_owned()),
            from => {
                let known = self.world.fleet.named(from).map(|(id, _)| id);
                known.ok_or_else(|| format!("no node is called {from}"))
            }
        };
        match asker {
            Ok(node) => self.look_up(node, name),
            Err(what) => self.say(what),
        }
    }

    /// Has a node look a name up, and shows what it does.
    pub(super) fn look_up(&mut self, node: NodeId, name: NodeName) {
        self.world.fleet.begin_look_up(node, name.clone());
        if self.current != ViewId::Peers {
            self.show(ViewId::Peers, None);
        }
        let body = self.areas().body;
        let scene = super::scene(&self.world, body, self.options.readonly);
        self.views.peers.show_look_up(&scene, node);
        self.out.push(Command::LookUp { node, name });
        self.dirty = true;
    }

    /// Who looks, if nobody says: the node whose mesh is shown, or the one under the cursor; any other that answers if
    /// that one does not.
    fn asker(&self) -> Option<NodeId> {
        let scene = self.scene();
        let here = match self.current {
            ViewId::Peers => self.views.peers.asker(&scene),
            _ => self.view().nodes(&scene).first().copied(),
        };
        let fleet = &self.world.fleet;
        let answers = |id: &NodeId| fleet.get(*id).is_some_and(Node::is_there);
        let others = fleet.iter().map(|(id, _)| id);
        here.into_iter().chain(others).find(answers)
    }
}
