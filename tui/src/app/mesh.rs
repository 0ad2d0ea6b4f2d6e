//! What the mesh says, into the state.

use super::State;
use super::layer::Layer;
use crate::event::{Entry, MeshEvent};
use crate::views::Change;

impl State {
    pub(super) fn take_in(&mut self, event: MeshEvent) {
        let now = self.world.now;
        let fleet = &mut self.world.fleet;
        let change = match event {
            MeshEvent::Entry(entry) => {
                self.on_entry(entry);
                return;
            }
            MeshEvent::Fleet(delta) => {
                let (nodes, rows) = fleet.apply(delta);
                if !rows.is_empty() {
                    self.changes.extend(nodes.into_iter().map(Change::Processes));
                }
                Change::Nodes
            }
            MeshEvent::Link { node, link } => {
                fleet.set_link(node, link);
                Change::Nodes
            }
            MeshEvent::Sample { node, sample } => {
                fleet.set_sample(node, *sample, now);
                Change::Nodes
            }
            MeshEvent::Processes { node, delta } => {
                fleet.set_processes(node, delta, now);
                Change::Processes(node)
            }
            MeshEvent::Peers { node, peers } => {
                fleet.set_peers(node, peers, now);
                Change::Peers(node)
            }
            MeshEvent::Routing { node, buckets } => {
                fleet.set_routing(node, buckets, now);
                Change::Peers(node)
            }
            MeshEvent::Refused { node, handshakes } => {
                fleet.set_refused(node, handshakes, now);
                Change::Peers(node)
            }
            MeshEvent::Programs { node, programs } => {
                fleet.set_programs(node, programs, now);
                Change::List(node)
            }
            MeshEvent::Units { node, delta } => {
                fleet.set_units(node, delta, now);
                Change::List(node)
            }
            MeshEvent::Log { follow, said } => {
                let seen = follow.source == *self.world.log.source()
                    && self.world.log.hear(follow.node, said, (now, self.world.wall));
                if !seen {
                    return;
                }
                Change::Log
            }
            MeshEvent::Described { node, subject, result } => {
                for layer in &mut self.layers {
                    if let Layer::Described(described) = layer
                        && (described.node, &described.subject) == (node, &subject)
                    {
                        described.result = Some(result.clone());
                    }
                }
                self.dirty = true;
                return;
            }
            MeshEvent::Failed { subscription, error } => {
                fleet.set_error(subscription, error);
                self.changes.insert(Change::List(subscription.node));
                Change::Nodes
            }
            MeshEvent::Inspected { node, target, result } => {
                for layer in &mut self.layers {
                    if let Layer::Details(details) = layer
                        && (details.node, &details.target) == (node, &target)
                    {
                        details.result = Some(result.clone());
                    }
                }
                self.dirty = true;
                return;
            }
            MeshEvent::Outcome { errand, result } => {
                self.runs.outcome(errand, result);
                self.dirty = true;
                return;
            }
            MeshEvent::Notice(text) => {
                self.say(text);
                return;
            }
        };
        self.changes.insert(change);
        self.dirty = true;
    }

    fn on_entry(&mut self, entry: Entry) {
        match &entry {
            Entry::Connected { name, .. } => {
                if self.cut_off.take().is_some() {
                    self.say(format!("in the mesh again, through {name}"));
                }
            }
            Entry::Lost { reason } => self.cut_off = Some(reason.clone()),
            Entry::Connecting { .. } => {}
        }
        self.world.entry = Some(entry);
        self.changes.insert(Change::Nodes);
        self.dirty = true;
    }
}
