//! Copies as the operator meets them: planned, asked about, watched, stopped, taken up again, and not lost by leaving.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeName;
use p2p_shared::services::file::{FileKind, FileRow};

use super::State;
use super::confirm::{Confirm, Deed, Proposal, Target};
use super::copies::Stage;
use super::layer::Layer;
use crate::command::{After, Below, Command, CopyId, CopyPlan, CopyStep, FilesOrder, Spot};
use crate::event::{Code, CopySaid, Key};
use crate::format::{bytes, percent, plural, rate, span_ms};
use crate::paths;

/// Copies that the question about leaving names.
const NAMED_MAX: usize = 3;

impl State {
    /// Has looked at what stands where something is to be copied to.
    pub(super) fn plan_copy(&mut self, plan: CopyPlan) {
        self.say("looking at what is there already");
        let node = plan.to.node;
        self.to_copy = Some(plan.clone());
        self.out.push(Command::Files { node, order: FilesOrder::Plan(Box::new(plan)) });
    }

    /// `web-2` or `web-2:/srv/x`: where a file is copied to.
    pub(super) fn plan_to(&mut self, from: Spot, text: &str) -> Result<(), String> {
        let to = self.spot_of(text, &from)?;
        let paths = vec![from.path];
        self.plan_copy(CopyPlan { from: from.node, paths, to, below: Below::Directory, after: After::Keep });
        Ok(())
    }

    /// `web-2:/srv/x`, `web-2` for the same path there, `/srv/x` for the same node.
    pub(super) fn spot_of(&self, text: &str, from: &Spot) -> Result<Spot, String> {
        let text = text.trim();
        let (name, path) = match text.split_once(':') {
            _ if text.starts_with('/') => (None, Some(text)),
            Some((name, path)) if path.starts_with('/') => (Some(name), Some(path)),
            Some(_) => return Err("a path of a node is absolute: NODE:/path".into()),
            None => (Some(text), None),
        };
        let node = match name {
            None => from.node,
            Some(name) => {
                let name: NodeName = name.parse().map_err(|_| format!("{name:?} is no name of a node"))?;
                let found = self.world.fleet.named(name.as_str()).map(|(id, _)| id);
                found.ok_or_else(|| format!("no node is called {name}"))?
            }
        };
        let path = path.map_or_else(|| Ok(from.path.clone()), str::parse);
        Ok(Spot { node, path: path.map_err(|error| error.to_string())? })
    }

    /// It is known what stands there: it is asked about, unless the user has gone on to something else.
    pub(super) fn on_planned(&mut self, plan: &CopyPlan, steps: Result<Vec<CopyStep>, RpcError>) {
        if self.to_copy.as_ref() != Some(plan) {
            return;
        }
        self.to_copy = None;
        self.message = None;
        let refused = match &steps {
            _ if !self.layers.is_empty() || self.editing.is_some() => {
                Some("the answer came too late: nothing is copied".to_owned())
            }
            Err(error) => Some(error.message.clone()),
            Ok(steps) => steps.iter().find_map(|step| obstacle(step).or_else(|| self.is_under_way(step))),
        };
        match (steps, refused) {
            (_, Some(why)) => self.say(why),
            (Ok(steps), None) => {
                let proposal = self.copy_proposal(plan, steps);
                self.propose(proposal);
            }
            (Err(_), None) => {}
        }
    }

    /// Two copies to one name would be in each other's way.
    fn is_under_way(&self, step: &CopyStep) -> Option<String> {
        let same = self.copies.open().any(|(_, copying)| copying.order.to == step.order.to);
        same.then(|| format!("a copy to {} is under way already", step.order.to.path))
    }

    /// What takes the place of something else comes first, for a long list is cut.
    fn copy_proposal(&self, plan: &CopyPlan, mut steps: Vec<CopyStep>) -> Proposal {
        steps.sort_by_key(|step| step.there.is_none());
        let taken = steps.iter().filter(|step| step.there.is_some()).count();
        let node = self.world.fleet.name_of(plan.to.node);
        let below = steps.first().and_then(|step| paths::split(&step.order.to.path));
        let place = below.map_or_else(paths::root, |(directory, _)| directory);
        let from = self.world.fleet.name_of(plan.from);
        let what = if plan.after == After::Remove { "Move" } else { "Copy" };
        let verb = match taken {
            0 => format!("{what} from {from} to {node}:{place}"),
            taken => format!("{what} from {from} to {node}:{place}, over {taken} that stand there"),
        };
        let target = |step: CopyStep| Target {
            node: step.order.to.node,
            name: self.step_name(&step),
            deed: Deed::Copy(Box::new(step.order)),
        };
        Proposal { verb, targets: steps.into_iter().map(target).collect() }
    }

    fn step_name(&self, step: &CopyStep) -> String {
        let wall = self.world.wall;
        let age = |row: &FileRow| {
            let changed = u64::try_from(row.version.modified_ns / 1_000_000).unwrap_or(0);
            span_ms(wall.since(p2p_shared::time::UnixMillis(changed)).0)
        };
        let name = step.order.to.path.to_string();
        match &step.there {
            None => name,
            Some(row) if row.kind == FileKind::Directory => format!("{name}: adds to the directory there"),
            Some(row) => {
                format!("{name}: OVERWRITES {}, changed {} ago", bytes(row.version.size_bytes), age(row))
            }
        }
    }

    /// Puts what was agreed to into the queue, if it is copies.
    pub(super) fn begin_copies(&mut self, proposal: &Proposal) -> bool {
        let order = |target: &Target| match &target.deed {
            Deed::Copy(order) => Some((**order).clone()),
            _ => None,
        };
        let orders: Vec<_> = proposal.targets.iter().filter_map(order).collect();
        if orders.is_empty() {
            return false;
        }
        let count = orders.len();
        for order in orders {
            let name = |spot: &Spot| format!("{}:{}", self.world.fleet.name_of(spot.node), spot.path);
            let moved = if order.after == After::Remove { "moved: " } else { "" };
            let name = format!("{moved}{} to {}", name(&order.from), name(&order.to));
            self.copies.add(order, name);
        }
        self.go_on_copying();
        self.with_view(|view, _| view.clear_marks());
        let key = self.options.keys.key_of(crate::action::Action::Copies);
        self.say(format!("{} begun; {key} shows how far", plural(count, "copy")));
        true
    }

    pub(super) fn go_on_copying(&mut self) {
        let commands = self.copies.go_on(self.world.now);
        self.dirty |= !commands.is_empty();
        self.out.extend(commands);
    }

    pub(super) fn on_copy(&mut self, id: CopyId, said: CopySaid) {
        self.dirty = true;
        let has_ended = self.copies.hear(id, said, (self.world.now, self.world.wall));
        if has_ended && let Some(copying) = self.copies.get(id) {
            let text = match &copying.stage {
                Stage::Failed(error) => format!("{}: {}", copying.name, error.message),
                _ => format!("{}: all of it is there", copying.name),
            };
            let (to, from) = (copying.order.to.node, copying.order.from.node);
            let is_moved = copying.order.after == After::Remove;
            self.say(text);
            self.views.files.on_changed(to);
            if is_moved {
                self.views.files.on_changed(from);
            }
        }
        self.go_on_copying();
    }

    pub(super) fn show_copies(&mut self) {
        match self.copies.listed().first() {
            Some((id, _)) => self.layers.push(Layer::Copies { at: *id }),
            None => self.say("nothing was copied yet"),
        }
    }

    pub(super) fn on_copies_key(&mut self, at: CopyId, key: Key) {
        let listed: Vec<CopyId> = self.copies.listed().into_iter().map(|(id, _)| id).collect();
        let place = listed.iter().position(|id| *id == at).unwrap_or(0);
        let last = listed.len().saturating_sub(1);
        let mut chosen = None;
        let place = match key.code {
            Code::Esc | Code::Enter | Code::Char('q' | 'W') => return,
            Code::Char('c') if key.ctrl => {
                self.stop_copy(at);
                chosen = Some(at);
                place
            }
            Code::Char('r' | 'к') if !key.ctrl => {
                chosen = self.copies.again(at).or(Some(at));
                if chosen == Some(at) {
                    self.say("only what was cut, failed or was stopped is taken up again");
                }
                self.go_on_copying();
                place
            }
            Code::Down | Code::Char('j') => place + 1,
            Code::Up | Code::Char('k') => place.saturating_sub(1),
            Code::Home | Code::Char('g') => 0,
            Code::End | Code::Char('G') => last,
            _ => place,
        };
        let at = chosen.or_else(|| listed.get(place.min(last)).copied()).unwrap_or(at);
        self.layers.push(Layer::Copies { at });
    }

    pub(super) fn stop_copy(&mut self, id: CopyId) {
        let is_open = self.copies.get(id).is_some_and(|copying| copying.stage.is_open());
        if !is_open {
            self.say("it has ended already");
            return;
        }
        let command = self.copies.stop(id, self.world.wall);
        self.out.extend(command);
        if let Some(copying) = self.copies.get(id) {
            let text = format!("{}: stopped; what is there stays", copying.name);
            let node = copying.order.to.node;
            self.say(text);
            self.views.files.on_changed(node);
        }
        self.go_on_copying();
    }

    /// The newest copy that has not ended.
    pub(super) fn newest_copy(&self) -> Option<CopyId> {
        self.copies.open().last().map(|(id, _)| id)
    }

    /// That copies go on, and how far they are, while any do.
    pub(super) fn copies_banner(&self) -> Option<String> {
        let open: Vec<_> = self.copies.open().map(|(_, copying)| copying).collect();
        if open.is_empty() {
            return None;
        }
        let key = self.options.keys.key_of(crate::action::Action::Copies);
        let cuts: Vec<&str> = open.iter().filter_map(|copying| copying.cut()).collect();
        let speed = rate(open.iter().filter_map(|copying| copying.rate()).sum());
        let far = match (open.as_slice(), cuts.as_slice()) {
            ([_], [why]) => format!("cut, and goes on by itself: {why}"),
            (many, [why, ..]) => {
                format!("{}, {speed}, {} cut: {why}", plural(many.len(), "copy"), cuts.len())
            }
            ([one], []) => {
                let share = one.ratio().map_or_else(String::new, |ratio| format!("{} ", percent(ratio)));
                format!("{share}{speed} {}", one.name)
            }
            (many, []) => format!("{}, {speed}", plural(many.len(), "copy")),
        };
        // The name is what a narrow screen leaves out.
        Some(format!("copying ({key} shows more): {far}"))
    }

    /// Ends the console; asks first while copies go on, for they end with it.
    pub(super) fn leave(&mut self) {
        let names: Vec<String> = self.copies.open().map(|(_, copying)| copying.name.clone()).collect();
        let Some(node) = self.copies.open().next().map(|(_, copying)| copying.order.to.node) else {
            self.out.push(Command::Quit);
            return;
        };
        self.interrupted = None;
        let mut named = names.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        if names.len() > NAMED_MAX {
            named = format!("{named} and {} more", names.len() - NAMED_MAX);
        }
        let verb = format!(
            "Leave, and end {}: what is there stays, and the same copy takes it up",
            plural(names.len(), "copy")
        );
        let targets = vec![Target { node, name: named, deed: Deed::Leave }];
        // Read-only consoles copy nothing, so that nobody is kept in one.
        self.layers.push(Layer::Confirm(Confirm::new(Proposal { verb, targets })));
    }
}

/// Why a step cannot be made, whatever is agreed to.
fn obstacle(step: &CopyStep) -> Option<String> {
    let (from, to) = (&step.order.from, &step.order.to);
    if from.node != to.node {
        return None;
    }
    if paths::is_within(&to.path, &from.path) {
        return Some(format!("{} cannot be copied into itself", from.path));
    }
    step.there.as_ref().map(|_| format!("{} is there already: on one node nothing is copied over", to.path))
}
