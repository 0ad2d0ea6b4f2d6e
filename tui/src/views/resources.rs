//! Resources: the figures of one node as charts, now or at a time of its past, and what else its host says of itself.
//!
//! It reads the node's latest sample, its history and what it told of its past; it keeps which node, which time, and
//! how far the file systems are scrolled.

mod busiest;
mod layout;
mod lists;
mod panels;
mod past;

use std::collections::BTreeSet;

use p2p_shared::id::NodeId;
use p2p_shared::services::monitor::HostSample;
use p2p_shared::time::{Millis, UnixMillis};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::layout::{Needs, Panel, Placed};
use self::past::Looking;
use super::observed::{self, Observed, Standing};
use super::related::Thing;
use super::{Change, Request, Scene, Scope, View, ViewId};
use crate::action::Action;
use crate::command::{PastOrder, Subscription, Topic};
use crate::event::{Mouse, MouseKind};
use crate::filter::{Field, Filter};
use crate::fleet::{Node, Told};
use crate::format::{date, percent, rate, span_ms, width};
use crate::theme::{Role, Theme};
use crate::widgets::chart::{self, Axis, Window};
use crate::widgets::paint::Painter;

/// From this height on the second line of figures is worth its row.
const SECOND_LINE_HEIGHT_MIN: u16 = 18;

/// The view.
#[derive(Clone, Debug, Default)]
pub struct ResourcesView {
    observed: Observed,
    looking: Looking,
    /// File systems that are scrolled past.
    scroll: usize,
}

/// What every panel draws from.
#[derive(Clone, Copy)]
struct Figures<'a> {
    node: &'a Node,
    sample: &'a HostSample,
    /// What the node told, where the charts are not made of what was watched.
    told: Option<&'a Told>,
    /// The figures are those of a time that is over.
    over: bool,
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

    /// To another time; says so where there is none.
    fn travel(&mut self, scene: &Scene<'_>, back: bool) -> Vec<Request> {
        let Some(node) = self.observed.current(scene.fleet).and_then(|id| scene.fleet.get(id)) else {
            return Vec::new();
        };
        let now = past::clock_of(node, scene);
        let moved = if back { self.looking.earlier(now) } else { self.looking.later(now) };
        let said = match (moved, back) {
            (true, _) if self.looking.at().is_none() => "this is now",
            (true, _) => return Vec::new(),
            (false, true) => "nodes remember 30 days",
            (false, false) => "this is now: there is nothing later",
        };
        vec![Request::Say(said.into())]
    }

    /// Shows the time that `moment` makes of the node's own clock; `None` is now.
    ///
    /// # Errors
    /// If there is no node, or nothing is kept of that time.
    pub fn go_to(
        &mut self,
        scene: &Scene<'_>,
        moment: impl FnOnce(UnixMillis) -> Result<Option<UnixMillis>, String>,
    ) -> Result<(), String> {
        let node = self.observed.current(scene.fleet).and_then(|id| scene.fleet.get(id));
        let node = node.ok_or("no node is known yet")?;
        let now = past::clock_of(node, scene);
        self.looking.go_to(moment(now)?, now)
    }

    /// What is to be asked of the node for what is shown.
    pub fn wanted(&mut self, scene: &Scene<'_>) -> Option<(NodeId, PastOrder)> {
        let id = self.observed.current(scene.fleet)?;
        let now = past::clock_of(scene.fleet.get(id)?, scene);
        let order = self.looking.wanted((id, now), scene.fleet.past(id))?;
        Some((id, order))
    }

    /// What was asked is answered.
    pub const fn answered(&mut self) {
        self.looking.answered();
    }

    /// Shows the time around `at`.
    pub fn visit(&mut self, at: UnixMillis) {
        self.looking.visit(at);
    }

    /// Asks for the past again.
    pub const fn refresh(&mut self) {
        self.looking.ask_again();
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

    fn scope(&self) -> Option<Scope> {
        self.observed.chosen().map(Scope::one)
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
            Action::ZoomIn => self.looking.zoom_in(),
            Action::ZoomOut => self.looking.zoom_out(),
            Action::Earlier | Action::Later => return self.travel(scene, action == Action::Earlier),
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

    fn thing(&self, scene: &Scene<'_>) -> Option<Thing> {
        let id = self.observed.current(scene.fleet)?;
        let at = self.looking.at()?;
        let told = scene.fleet.past(id)?.told.as_ref().ok()?;
        let processes = told.busiest.as_ref()?.processes.clone();
        Some(Thing::Moment(id, at, processes))
    }

    fn past(&self) -> Option<UnixMillis> {
        self.looking.at()
    }

    fn leave_past(&mut self) -> bool {
        self.looking.leave()
    }

    fn hints(&self) -> &'static [Action] {
        &[Action::PaneNext, Action::ZoomIn, Action::ZoomOut, Action::Earlier, Action::Open, Action::Related]
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
        let order = self.looking.order(past::clock_of(node, scene));
        let (told, window) = match order {
            None => (None, None),
            Some(order) => match told(node, scene, order) {
                Ok((told, window)) => (Some(told), Some(window)),
                Err((text, role)) => return observed::say(&mut painter, area, &text, role),
            },
        };
        let over = told.filter(|_| self.looking.at().is_some());
        let Some(sample) = over.map(|told| &told.sample).or(node.sample.value.as_ref()) else {
            let (text, role) = observed::absence(node, Topic::Sample);
            return observed::say(&mut painter, area, &text, role);
        };
        let mut standing = observed::standing(node, Topic::Sample, scene.now);
        if over.is_some() {
            let asking =
                order.zip(scene.fleet.past(node.member.id)).is_some_and(|(order, past)| past.order != order);
            standing = Standing {
                text: if asking { "asking for more" } else { "" }.into(),
                role: Role::Dim,
                dimmed: false,
            };
        }
        let window = window.unwrap_or_else(|| watched(node, scene, (self.looking.span(), standing.dimmed)));
        let over = over.is_some();
        let figures =
            Figures { node, sample, told, over, window, dimmed: standing.dimmed, scroll: self.scroll };
        let lines = head(&figures, &standing, area, &mut painter);
        let body = Rect { y: area.y + lines, height: area.height - lines, ..area };
        let needs = Needs { lists: lists::rows_wanted(sample), busiest: over };
        let placed = layout::place(body, needs);
        let files_apart = placed.iter().any(|placed| placed.panel == Panel::Files);
        for Placed { panel, area, framed } in placed {
            panels::draw(panel, &figures, (area, framed, files_apart), &mut painter);
        }
    }
}

/// The time of what was watched. The charts of a node that fell silent stand still, and their axis says how long ago
/// they ended.
const fn watched(node: &Node, scene: &Scene<'_>, (span, stands): (Millis, bool)) -> Window {
    let end = if stands { node.sample.at } else { scene.now };
    Window { end, span, axis: Axis::Ago(scene.now), gap: chart::GAP }
}

/// What the node told last, with its time, or what to say instead.
fn told<'a>(node: &Node, scene: &Scene<'a>, order: PastOrder) -> Result<(&'a Told, Window), (String, Role)> {
    let name = node.name();
    let Some(past) = scene.fleet.past(node.member.id) else {
        return Err((format!("asking {name} what was until {} UTC", date(order.at)), Role::Dim));
    };
    let told = match &past.told {
        Ok(told) if told.is_empty() => {
            let (span, at) = (span_of(past.order.span), date(past.order.at));
            return Err((format!("{name} knows nothing of the {span} until {at} UTC"), Role::Warn));
        }
        Ok(told) => told,
        Err(error) => return Err((format!("no history from {name}: {}", error.message), Role::Bad)),
    };
    let gap = Millis(chart::GAP.0.max(told.step.0 * 5 / 2));
    Ok((told, Window { end: Millis(past.order.at.0), span: past.order.span, axis: Axis::Clock, gap }))
}

/// The lines above the panels; answers how many they are.
fn head(figures: &Figures<'_>, standing: &Standing, area: Rect, painter: &mut Painter<'_>) -> u16 {
    let sample = figures.sample;
    let (span, dot) = (span_of(figures.window.span), painter.theme.glyphs.dot);
    let right = match (figures.over, standing.text.as_str()) {
        (true, "") => format!("the {span} until then"),
        (true, text) => text.to_owned(),
        (false, text) => format!("last {span} {dot} {text}"),
    };
    // What is wrong is worth more than the uptime: it gets up to two thirds of the line.
    let room = (width(&right) as u16).min(area.width / 3 * 2);
    painter.right((area.x + area.width - room, area.y), room, &right, standing.role);
    let (mark, word, role) = observed::state(figures.node.member.state, &painter.theme.glyphs);
    let since = if figures.over {
        format!("at {} UTC", date(sample.at))
    } else {
        format!("up {}", span_ms(sample.uptime_s.saturating_mul(1_000)))
    };
    let tasks = crate::format::plural(sample.processes as usize, "process");
    let name = figures.node.name().to_string();
    let left = area.width.saturating_sub(room + 2);
    let pieces: [(&str, Role); 9] = [
        (mark, role),
        (" ", Role::Text),
        (&name, Role::Accent),
        (" ", Role::Text),
        // What it is now is not what it was then.
        if figures.over { ("", role) } else { (word, role) },
        if figures.over { ("", Role::Text) } else { ("  ", Role::Text) },
        (&since, figures.role(Role::Text)),
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
    match span.0 / 60_000 {
        minutes @ 0..60 => format!("{minutes}m"),
        minutes @ 60..1_440 => format!("{}h", minutes / 60),
        minutes => format!("{}d", minutes / 1_440),
    }
}

#[cfg(test)]
mod tests;
