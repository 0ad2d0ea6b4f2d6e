//! Resources: the figures of one node as charts, and what else its host says of itself.
//!
//! It reads the node's latest sample and its history; it keeps which node, how long a time, and how far the file
//! systems are scrolled.

mod layout;
mod lists;
mod panels;

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use p2p_shared::services::monitor::HostSample;
use p2p_shared::time::Millis;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::layout::{Needs, Panel, Placed};
use super::observed::{self, Observed, Standing};
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::Action;
use crate::command::{Subscription, Topic};
use crate::event::{Mouse, MouseKind};
use crate::filter::{Field, Filter};
use crate::fleet::Node;
use crate::format::{percent, rate, span_ms, width};
use crate::theme::{Role, Theme};
use crate::widgets::chart::Window;
use crate::widgets::paint::Painter;

/// The spans that a chart can show, in milliseconds.
const SPANS_MS: [u64; 4] = [60_000, 120_000, 300_000, 600_000];
/// From this height on the second line of figures is worth its row.
const SECOND_LINE_HEIGHT_MIN: u16 = 18;

/// The view.
#[derive(Clone, Debug)]
pub struct ResourcesView {
    observed: Observed,
    /// Place in [`SPANS_MS`].
    zoom: usize,
    /// File systems that are scrolled past.
    scroll: usize,
}

impl Default for ResourcesView {
    fn default() -> Self {
        Self { observed: Observed::default(), zoom: 1, scroll: 0 }
    }
}

/// What every panel draws from.
#[derive(Clone, Copy)]
struct Figures<'a> {
    node: &'a Node,
    sample: &'a HostSample,
    window: Window,
    dimmed: bool,
    scroll: usize,
}

impl Figures<'_> {
    /// A role that gives way to the dimming of old data.
    const fn role(&self, role: Role) -> Role {
        if self.dimmed { Role::Dim } else { role }
    }
}

impl ResourcesView {
    /// A view of the first node.
    pub fn new() -> Self {
        Self::default()
    }

    fn scroll_by(&mut self, scene: &Scene<'_>, rows: isize) {
        let node = self.observed.current(scene.fleet).and_then(|id| scene.fleet.get(id));
        let disks = node.and_then(|node| node.sample.value.as_ref()).map_or(0, |sample| sample.disks.len());
        self.scroll = self.scroll.saturating_add_signed(rows).min(disks.saturating_sub(1));
    }

    fn step(&mut self, scene: &Scene<'_>, forward: bool) {
        self.observed.step(scene.fleet, forward);
        self.scroll = 0;
    }

    /// One line for the clipboard.
    fn summary(scene: &Scene<'_>, id: NodeId) -> Option<String> {
        let node = scene.fleet.get(id)?;
        let sample = node.sample.value.as_ref()?;
        let last = node.history.points().next_back()?;
        Some(format!(
            "{} cpu {} memory {} load {:.2} received {} sent {} up {}",
            node.name(),
            percent(last.cpu),
            percent(last.memory),
            last.load,
            rate(last.received),
            rate(last.sent),
            span_ms(sample.uptime_s.saturating_mul(1_000)),
        ))
    }
}

impl View for ResourcesView {
    fn id(&self) -> ViewId {
        ViewId::Resources
    }

    fn title(&self, scene: &Scene<'_>) -> String {
        let node = self.observed.current(scene.fleet);
        node.map_or_else(|| "resources".to_owned(), |id| format!("resources of {}", scene.fleet.name_of(id)))
    }

    fn set_scope(&mut self, scene: &Scene<'_>, scope: Scope) {
        self.observed.set_scope(scene.fleet, scope);
        self.scroll = 0;
    }

    fn topics(&self, scene: &Scene<'_>) -> BTreeSet<Subscription> {
        let node = self.observed.current(scene.fleet);
        node.map(|node| Subscription { node, topic: Topic::Sample }).into_iter().collect()
    }

    fn on_change(&mut self, scene: &Scene<'_>, change: Change) {
        if change == Change::Nodes {
            self.observed.settle(scene.fleet);
        }
    }

    fn on_action(&mut self, scene: &Scene<'_>, action: Action) -> Vec<Request> {
        let current = self.observed.current(scene.fleet);
        match action {
            Action::ZoomIn => self.zoom = self.zoom.saturating_sub(1),
            Action::ZoomOut => self.zoom = (self.zoom + 1).min(SPANS_MS.len() - 1),
            Action::PaneNext => self.step(scene, true),
            Action::PanePrevious => self.step(scene, false),
            Action::Down => self.scroll_by(scene, 1),
            Action::Up => self.scroll_by(scene, -1),
            Action::PageDown | Action::HalfDown => self.scroll_by(scene, 10),
            Action::PageUp | Action::HalfUp => self.scroll_by(scene, -10),
            Action::Top => self.scroll = 0,
            Action::Bottom => self.scroll_by(scene, isize::MAX),
            Action::Open => {
                return current
                    .map(|id| Request::Show(ViewId::Processes, Scope::one(id)))
                    .into_iter()
                    .collect();
            }
            _ => {}
        }
        Vec::new()
    }

    fn on_mouse(&mut self, scene: &Scene<'_>, mouse: Mouse) -> Vec<Request> {
        match mouse.kind {
            MouseKind::WheelDown => self.scroll_by(scene, 3),
            MouseKind::WheelUp => self.scroll_by(scene, -3),
            MouseKind::Press => {}
        }
        Vec::new()
    }

    fn fields(&self) -> &'static [Field] {
        &[]
    }

    fn set_filter(&mut self, _: &Scene<'_>, _: Option<Filter>) {}

    fn filter(&self) -> Option<&Filter> {
        None
    }

    fn nodes(&self, scene: &Scene<'_>) -> Vec<NodeId> {
        self.observed.current(scene.fleet).into_iter().collect()
    }

    fn copy(&self, scene: &Scene<'_>, row: bool) -> Option<String> {
        let id = self.observed.current(scene.fleet)?;
        if row { Self::summary(scene, id) } else { Some(scene.fleet.name_of(id)) }
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::PaneNext, Action::ZoomIn, Action::ZoomOut, Action::Open]
    }

    fn draw(&self, scene: &Scene<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let mut painter = Painter { buf, theme };
        let area = area.intersection(painter.buf.area);
        if area.is_empty() {
            return;
        }
        let Some(node) = self.observed.current(scene.fleet).and_then(|id| scene.fleet.get(id)) else {
            return observed::say(&mut painter, area, "no node is known yet", Role::Dim);
        };
        let Some(sample) = &node.sample.value else {
            let (text, role) = observed::absence(node, Topic::Sample);
            return observed::say(&mut painter, area, &text, role);
        };
        let standing = observed::standing(node, Topic::Sample, scene.now);
        // The charts of a node that fell silent stand still, and their axis says how long ago they ended.
        let end = if standing.dimmed { node.sample.at } else { scene.now };
        let window = Window { end, span: Millis(SPANS_MS[self.zoom]), now: scene.now };
        let figures = Figures { node, sample, window, dimmed: standing.dimmed, scroll: self.scroll };
        let lines = head(&figures, &standing, area, &mut painter);
        let body = Rect { y: area.y + lines, height: area.height - lines, ..area };
        let needs = Needs { lists: lists::rows_wanted(sample) };
        let placed = layout::place(body, needs);
        let files_apart = placed.iter().any(|placed| placed.panel == Panel::Files);
        for Placed { panel, area, framed } in placed {
            panels::draw(panel, &figures, (area, framed, files_apart), &mut painter);
        }
    }
}

/// The lines above the panels; answers how many they are.
fn head(figures: &Figures<'_>, standing: &Standing, area: Rect, painter: &mut Painter<'_>) -> u16 {
    let sample = figures.sample;
    let right =
        format!("last {} {} {}", span_of(figures.window.span), painter.theme.glyphs.dot, standing.text);
    // What is wrong is worth more than the uptime: it gets up to two thirds of the line.
    let room = (width(&right) as u16).min(area.width / 3 * 2);
    painter.right((area.x + area.width - room, area.y), room, &right, standing.role);
    let (mark, word, role) = observed::state(figures.node.member.state, &painter.theme.glyphs);
    let up = format!("up {}", span_ms(sample.uptime_s.saturating_mul(1_000)));
    let tasks = crate::format::plural(sample.processes as usize, "process");
    let name = figures.node.name().to_string();
    let left = area.width.saturating_sub(room + 2);
    let pieces: [(&str, Role); 9] = [
        (mark, role),
        (" ", Role::Text),
        (&name, Role::Accent),
        (" ", Role::Text),
        (word, role),
        ("  ", Role::Text),
        (&up, figures.role(Role::Text)),
        ("  ", Role::Text),
        (&tasks, figures.role(Role::Text)),
    ];
    // As many of the pieces as stand there whole.
    let long = |count: usize| pieces[..count].iter().map(|(text, _)| width(text)).sum::<usize>();
    let count = [9, 7].into_iter().find(|count| long(*count) <= usize::from(left)).unwrap_or(5);
    painter.line((area.x, area.y), left, &pieces[..count]);
    if area.height < SECOND_LINE_HEIGHT_MIN {
        return 1;
    }
    lists::strain_line(figures, Rect { y: area.y + 1, height: 1, ..area }, painter);
    2
}

fn span_of(span: Millis) -> String {
    format!("{}m", span.0 / 60_000)
}

#[cfg(test)]
mod tests;
