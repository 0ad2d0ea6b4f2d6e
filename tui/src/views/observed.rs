//! The one node that a view of one node looks at: how it is chosen, and what to say while its data is missing or
//! old. Pure; shared by resources and peers.

use p2p_shared::error::Code;
use p2p_shared::id::NodeId;
use p2p_shared::services::node::MemberState;
use p2p_shared::time::Millis;
use ratatui::layout::Rect;

use super::Scope;
use crate::command::Topic;
use crate::event::Link;
use crate::fleet::{Fleet, Node, Point};
use crate::format::{clean, span_ms, width};
use crate::theme::{Glyphs, Role};
use crate::widgets::chart;
use crate::widgets::paint::Painter;

/// One figure of moments, for a chart.
pub(super) fn series<'a>(
    points: impl Iterator<Item = &'a Point>,
    of: impl Fn(&Point) -> f64,
) -> Vec<chart::Point> {
    points.map(|point| (point.at, of(point))).collect()
}

/// Which node is looked at. It stays the same while nodes come and go around it.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    scope: Scope,
    chosen: Option<NodeId>,
}

impl Observed {
    /// Looks at another scope; the node stays if it lies in it.
    pub(super) fn set_scope(&mut self, fleet: &Fleet, scope: Scope) {
        self.chosen = self.chosen.filter(|node| scope.has(*node));
        self.scope = scope;
        self.settle(fleet);
    }

    /// Chooses a node if there is none, or if it was forgotten.
    pub(super) fn settle(&mut self, fleet: &Fleet) {
        self.chosen = self.current(fleet);
    }

    /// The node; without a choice the first one by name that is there, or else the first one.
    pub(super) fn current(&self, fleet: &Fleet) -> Option<NodeId> {
        let known = self.chosen.filter(|node| fleet.get(*node).is_some());
        known.or_else(|| {
            let within = fleet.iter().filter(|(id, _)| self.scope.has(*id));
            within.min_by_key(|(_, node)| (!node.is_there(), node.name())).map(|(id, _)| id)
        })
    }

    /// Looks at this node, whatever the scope.
    pub(super) fn choose(&mut self, node: NodeId) {
        self.scope = Scope::one(node);
        self.chosen = Some(node);
    }

    /// Looks at this node within the same scope.
    pub(super) const fn look_at(&mut self, node: NodeId) {
        self.chosen = Some(node);
    }

    /// The nodes among which it is chosen.
    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The node that was chosen, or was settled on.
    pub(super) const fn chosen(&self) -> Option<NodeId> {
        self.chosen
    }

    /// Goes to the next or the previous node by name, around the end: among those of the scope, or among all if
    /// the scope is one node.
    pub(super) fn step(&mut self, fleet: &Fleet, forward: bool) {
        let one = matches!(&self.scope, Scope::Nodes(nodes) if nodes.len() == 1);
        let mut nodes: Vec<_> = fleet.iter().filter(|(id, _)| one || self.scope.has(*id)).collect();
        nodes.sort_by_key(|(_, node)| node.name());
        let Some(current) = self.current(fleet) else { return };
        let at = nodes.iter().position(|(id, _)| *id == current).unwrap_or(0);
        let count = nodes.len();
        let next = if forward { at + 1 } else { at + count - 1 } % count.max(1);
        self.chosen = nodes.get(next).map(|(id, _)| *id).or(self.chosen);
    }
}

/// How old what is shown is, in words, and whether it is to be dimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) text: String,
    pub(super) role: Role,
    pub(super) dimmed: bool,
}

/// What stands beside the data of a topic: its age, and why it is no younger.
pub(super) fn standing(node: &Node, topic: Topic, now: Millis) -> Standing {
    let age = node.age(topic, now).map(|age| span_ms(age.0)).unwrap_or_default();
    let stale = node.is_stale(topic, now);
    if let Some(error) = node.error(topic) {
        return Standing { text: format!("{age} old: {}", error.message), role: Role::Bad, dimmed: true };
    }
    let (text, role) = match (&node.member.state, &node.link) {
        (MemberState::Lost, _) => (format!("lost, last values {age} old"), Role::Bad),
        (MemberState::Left, _) => (format!("left, last values {age} old"), Role::Warn),
        (_, Link::Failed { reason }) if stale => (format!("stale, {age} old: {reason}"), Role::Warn),
        _ if stale => (format!("stale, {age} old"), Role::Warn),
        _ => (format!("{age} old"), Role::Dim),
    };
    Standing { text, role, dimmed: stale }
}

/// What to say in place of data that never came.
pub(super) fn absence(node: &Node, topic: Topic) -> (String, Role) {
    let (name, what) = (node.name(), topic.as_str());
    if let Some(error) = node.error(topic) {
        let text = match error.code {
            Code::Forbidden | Code::Unauthenticated => {
                format!("{name} does not show its {what}: {}", error.message)
            }
            _ => format!("no {what} from {name}: {}", error.message),
        };
        return (text, Role::Bad);
    }
    match (&node.member.state, &node.link) {
        (MemberState::Lost, _) => (format!("{name} is lost, and nothing is known of its {what}"), Role::Bad),
        (MemberState::Left, _) => (format!("{name} has left, and nothing is known of its {what}"), Role::Dim),
        (_, Link::Failed { reason }) => (format!("cannot reach {name}: {reason}"), Role::Bad),
        _ => (format!("waiting for the first {what} of {name}"), Role::Dim),
    }
}

/// The mark and the word of a state, and what it is for the eye.
pub(super) const fn state(state: MemberState, glyphs: &Glyphs) -> (&'static str, &'static str, Role) {
    let [alive, suspect, lost, left, unknown] = glyphs.states;
    let (mark, role) = match state {
        MemberState::Alive => (alive, Role::Good),
        MemberState::Suspect => (suspect, Role::Warn),
        MemberState::Lost => (lost, Role::Bad),
        MemberState::Left => (left, Role::Dim),
        MemberState::Unknown => (unknown, Role::Warn),
    };
    (mark, state.as_str(), role)
}

/// Says something in the upper middle of an area, over as many lines as it takes.
pub(super) fn say(painter: &mut Painter<'_>, area: Rect, text: &str, role: Role) {
    let text = clean(text);
    let room = usize::from(area.width.saturating_sub(4)).max(1);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let top = area.y + (area.height / 3).min(area.height.saturating_sub(lines.len() as u16));
    for (line, y) in lines.iter().zip(top..area.bottom()) {
        let x = area.x + area.width.saturating_sub(width(line) as u16) / 2;
        painter.text((x, y), area.right().saturating_sub(x), line, role);
    }
}
