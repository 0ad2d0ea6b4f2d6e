//! Jumps to what is related, as the operator makes them: by a key, from a menu, and out of a process's details.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeId;
use p2p_shared::services::process::{Origin, OriginKind, ProcessInfo};
use p2p_shared::time::UnixMillis;

use super::State;
use super::layer::{Details, Layer};
use super::menu::{Choice, Item, Menu};
use crate::action::{Action, SortKey};
use crate::command::{Command, JournalQuestion, Sought, Source};
use crate::event::{Code, Key};
use crate::views::{Request, Scope, ViewId, related};

impl State {
    /// The menu of what is related to what is under the cursor.
    pub(super) fn show_related(&mut self) {
        let scene = self.scene();
        match self.view().thing(&scene).map(|thing| related::menu(&scene, &thing)) {
            Some(menu) if !menu.items.is_empty() => self.layers.push(Layer::Menu(menu)),
            _ => self.say("nothing is known to be related to what is here"),
        }
    }

    /// What is related is reached from the menu of actions too.
    pub(super) fn add_related(&self, requests: &mut [Request]) {
        if self.view().thing(&self.scene()).is_none() {
            return;
        }
        for request in requests {
            if let Request::Menu(Menu { items, .. }) = request {
                items.push(Item {
                    key: 'J',
                    label: "jump to what is related".into(),
                    choice: Ok(Choice::Do(Box::new(Request::Related))),
                });
            }
        }
    }

    /// Sockets of a node that match a filter.
    pub(super) fn show_sockets(&mut self, node: NodeId, filter: &str) {
        self.views.network.about.show_sockets();
        self.find(ViewId::Network, node, filter);
    }

    /// Processes of a node, those that use most first.
    pub(super) fn show_sorted(&mut self, node: NodeId, key: SortKey) {
        self.show(ViewId::Processes, Some(Scope::one(node)));
        self.with_view(|view, scene| {
            view.set_filter(scene, None);
            // Twice it would turn around.
            if !view.is_sorted_by(key) {
                view.on_action(scene, Action::Sort(key));
            }
            view.on_action(scene, Action::Top);
        });
    }

    /// The charts of a node until shortly after a time.
    pub(super) fn show_moment(&mut self, node: NodeId, at: UnixMillis) {
        self.show(ViewId::Resources, Some(Scope::one(node)));
        self.views.resources.visit(at);
        self.dirty = true;
    }

    /// Asks which process it is.
    pub(super) fn seek_process(&mut self, sought: Sought) {
        self.say("asking for the process");
        self.sought = Some(sought.clone());
        self.out.push(Command::Seek(Box::new(sought)));
    }

    /// It is known: the process is shown, unless the user has gone on to something else.
    pub(super) fn on_sought(
        &mut self,
        sought: &Sought,
        result: Result<Option<(NodeId, Box<ProcessInfo>)>, RpcError>,
    ) {
        if self.sought.as_ref() != Some(sought) {
            return;
        }
        self.sought = None;
        self.message = None;
        match result {
            _ if !self.layers.is_empty() || self.editing.is_some() => {}
            Err(error) => self.say(error.message),
            Ok(Some((node, info))) => {
                self.find(ViewId::Processes, node, &format!("pid={}", info.key.pid));
            }
            Ok(None) => self.say(match sought {
                Sought::Numbered { name, pid, .. } => {
                    format!("{name} ({pid}) has ended: no process has that number and was there then")
                }
                Sought::Living { name, key, .. } => {
                    format!("{name} ({}) has ended: no process has that number and began then", key.pid)
                }
                Sought::Holder { local, .. } => {
                    format!("no process is seen to hold {local}: it was closed, or another user's holds it")
                }
            }),
        }
    }

    /// The keys of a process's details: they are read, and lead to its files, its sockets, its unit and the unit's
    /// journal.
    pub(super) fn on_details_key(&mut self, details: Box<Details>, key: Key) {
        let node = details.node;
        let known = details.result.as_ref().and_then(|result| result.as_ref().ok());
        let menu = match (key.code, known) {
            (Code::Char('f' | 'а'), Some(process)) if !key.ctrl => {
                related::files(node, &details.name, process)
            }
            (Code::Char('n' | 'т'), Some(process)) if !key.ctrl => {
                related::sockets(node, &details.name, process)
            }
            (Code::Char('s' | 'ы'), _) if !key.ctrl => return self.show_unit(details, ViewId::Services),
            (Code::Char('l' | 'д'), _) if !key.ctrl => return self.show_unit(details, ViewId::Journal),
            _ => return self.on_reading_key(Layer::Details(details), key),
        };
        self.layers.push(Layer::Details(details));
        if menu.items.is_empty() {
            self.say("there are none, or the node may not read them");
        } else {
            self.layers.push(Layer::Menu(menu));
        }
    }

    fn show_unit(&mut self, details: Box<Details>, wanted: ViewId) {
        let node = details.node;
        let Some(unit) = unit_of(&details).map(str::to_owned) else {
            self.say("it belongs to no unit");
            return self.layers.push(Layer::Details(details));
        };
        if wanted == ViewId::Services {
            self.find(ViewId::Services, node, &format!("name=\"{unit}\""));
        } else {
            let question = JournalQuestion { unit: Some(unit), ..JournalQuestion::default() };
            self.show_lines(Source::Journal(question), Scope::one(node));
        }
    }
}

/// The unit that a process belongs to.
fn unit_of(details: &Details) -> Option<&str> {
    let process = details.result.as_ref()?.as_ref().ok()?;
    match &process.origin {
        Some(Origin { kind: OriginKind::Unit, name }) if !name.is_empty() => Some(name),
        _ => None,
    }
}
