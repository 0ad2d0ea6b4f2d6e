//! What the mesh says, into the state.

use p2p_shared::id::NodeId;

use super::State;
use super::layer::Layer;
use crate::command::{Follow, Subject};
use crate::event::{Description, Entry, FilesSaid, MeshEvent, Said};
use crate::fleet::Fleet;
use crate::views::Change;

impl State {
    pub(super) fn take_in(&mut self, event: MeshEvent) {
        match event {
            MeshEvent::Entry(entry) => self.on_entry(entry),
            MeshEvent::Fleet(delta) => {
                let (nodes, rows) = self.world.fleet.apply(delta);
                if !rows.is_empty() {
                    self.changes.extend(nodes.into_iter().map(Change::Processes));
                }
                self.changed(Change::Nodes);
            }
            MeshEvent::Failed { subscription, error } => {
                self.world.fleet.set_error(subscription, error);
                self.changed(Change::List(subscription.node));
                self.changed(Change::Nodes);
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
            }
            MeshEvent::Past { node, order, result } => {
                self.views.resources.answered();
                self.world.fleet.set_past(node, order, result.map(|answer| *answer));
                self.dirty = true;
            }
            MeshEvent::Described { node, subject, result } => self.on_described(node, &subject, &result),
            MeshEvent::Answer { errand, answer } => self.runs.answer(errand, *answer),
            MeshEvent::Definition { node, name, result } => self.on_definition(node, &name, result),
            MeshEvent::Outcome { errand, result } => {
                self.on_probe_end(errand, &result);
                let next = self.runs.outcome(errand, result);
                self.out.extend(next);
                self.settle_form(errand.run);
                self.dirty = true;
            }
            MeshEvent::Log { follow, said } => self.on_log(&follow, said),
            MeshEvent::Shell { terminal, said } => self.on_shell(terminal, said),
            MeshEvent::Replay { player, said } => self.on_replay(player, said),
            MeshEvent::Copy { copy, said } => self.on_copy(copy, said),
            MeshEvent::Found { search, found } => self.on_found(search, found),
            MeshEvent::Sought { sought, result } => self.on_sought(&sought, result),
            MeshEvent::LookedUp { node, name, result } => {
                self.world.fleet.set_look_up(node, &name, result.map(|told| *told));
                self.changed(Change::Peers(node));
            }
            MeshEvent::Probe { run, said } => self.on_probe(run, said),
            MeshEvent::Files { node, said } => self.on_files(node, said),
            MeshEvent::Notice(text) => self.say(text),
            data => {
                if let Some(change) = take_data(&mut self.world.fleet, data, self.world.now) {
                    self.changed(change);
                }
            }
        }
    }

    fn changed(&mut self, change: Change) {
        self.changes.insert(change);
        self.dirty = true;
    }

    fn on_log(&mut self, follow: &Follow, said: Said) {
        let (log, now) = (&mut self.world.log, (self.world.now, self.world.wall));
        if follow.source == *log.source() && log.hear(follow.node, said, now) {
            self.changed(Change::Log);
        }
    }

    fn on_described(
        &mut self,
        node: NodeId,
        subject: &Subject,
        result: &Result<Box<Description>, p2p_shared::error::RpcError>,
    ) {
        for layer in &mut self.layers {
            if let Layer::Described(described) = layer
                && (described.node, &described.subject) == (node, subject)
            {
                described.result = Some(result.clone());
            }
        }
        self.dirty = true;
    }

    fn on_files(&mut self, node: NodeId, said: FilesSaid) {
        self.dirty = true;
        let body = self.areas().body;
        let scene = super::scene(&self.world, body, self.options.readonly);
        match said {
            FilesSaid::Listed(path, result) => self.views.files.on_listed(&scene, (node, &path), &result),
            FilesSaid::Beside(path) => self.views.files.on_file(node, &path),
            FilesSaid::Planned(plan, steps) => self.on_planned(&plan, steps),
            FilesSaid::Previewed(path, result) => self.views.files.on_previewed(node, &path, result),
            FilesSaid::Leads(path) => self.views.files.enter(node, path),
            FilesSaid::Changed => self.views.files.on_changed(node),
            FilesSaid::ToEdit(path, result) => self.on_to_edit(node, path, result),
            FilesSaid::Conflict(conflict) => self.on_conflict(node, *conflict),
            FilesSaid::Viewed(path, Err(error)) => self.say(format!("{path}: {}", error.message)),
            FilesSaid::Viewed(path, Ok(chunk)) => {
                let (title, lines) = crate::views::files::text::shown(&path, &chunk);
                self.layers.push(Layer::Facts { title, lines, scroll: 0 });
            }
        }
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
        self.changed(Change::Nodes);
    }
}

/// What one node says of itself; what changed by it.
fn take_data(fleet: &mut Fleet, event: MeshEvent, now: p2p_shared::time::Millis) -> Option<Change> {
    Some(match event {
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
        MeshEvent::Jobs { node, delta } => {
            fleet.set_jobs(node, delta, now);
            Change::List(node)
        }
        MeshEvent::Alerts { node, delta } => {
            fleet.set_alerts(node, delta, now);
            Change::List(node)
        }
        MeshEvent::Rules { node, rules } => {
            fleet.set_rules(node, *rules, now);
            Change::List(node)
        }
        MeshEvent::Shells { node, shells } => {
            fleet.set_shells(node, shells, now);
            Change::List(node)
        }
        MeshEvent::Recordings { node, recordings } => {
            fleet.set_recordings(node, recordings, now);
            Change::List(node)
        }
        MeshEvent::Audit { node, news } => {
            fleet.set_audit(node, *news, now);
            Change::List(node)
        }
        MeshEvent::Network { node, tables } => {
            fleet.set_network(node, *tables, now);
            Change::List(node)
        }
        _ => return None,
    })
}
