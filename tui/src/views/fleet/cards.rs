//! The fleet as cards that flow in columns: one card a node, for screens that are wide enough. A few nodes share the
//! whole screen: the line of a card becomes charts then.

use p2p_shared::time::Millis;
use ratatui::layout::Rect;

use super::columns::{alerts_cell, fullest, labels, memory_ratio, seen};
use crate::command::Topic;
use crate::fleet::Node;
use crate::fleet::Point;
use crate::format::{bytes, percent, width};
use crate::theme::Role;
use crate::views::{Scene, observed};
use crate::widgets::chart::{self, Axis, Chart, GAP, Series, Unit, Window};
use crate::widgets::paint::Painter;

/// From so many columns on the fleet is shown as cards unless told otherwise.
pub(super) const WIDTH_FROM: u16 = 140;
/// Least lines of a card, with its border.
const HEIGHT: u16 = 8;
/// Most of them.
const HEIGHT_MAX: u16 = 26;
/// Least columns of a card, with its border.
const WIDTH: u16 = 36;
/// Most of them.
const WIDTH_MAX: u16 = 100;
/// What the line of a card shows of the processors.
const SPARK: Millis = Millis(60_000);
/// What a chart of a card shows.
const CHART: Millis = Millis(120_000);
/// From so many lines on, a chart is drawn.
const CHART_HEIGHT_MIN: u16 = 3;
/// From so many lines on, the network has a chart of its own.
const BOTH_HEIGHT_MIN: u16 = 9;
/// Columns of the name of a bar, and of what is said behind it.
const NAME: u16 = 5;
const SAID: u16 = 12;

/// How the cards stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// Cards side by side.
    pub(super) columns: usize,
    /// Rows of cards that are seen.
    pub(super) rows: usize,
    /// Columns of a card.
    width: u16,
    /// Lines of a card.
    height: u16,
}

impl Grid {
    /// For so many cards: they are larger where they are few.
    pub(super) fn of(body: Rect, count: usize) -> Self {
        let count = u16::try_from(count).unwrap_or(u16::MAX).max(1);
        let lines = count.div_ceil((body.width / WIDTH).clamp(1, count));
        // No line of cards is shorter than it must be.
        let columns = count.div_ceil(lines);
        let height = (body.height / lines).clamp(HEIGHT, HEIGHT_MAX);
        Self {
            columns: columns.into(),
            rows: usize::from(body.height / height).max(1),
            width: (body.width / columns).min(WIDTH_MAX),
            height,
        }
    }

    /// Where the card stands that is the `nth` in sight.
    pub(super) fn place(&self, body: Rect, nth: usize) -> Rect {
        let (row, column) = (nth / self.columns, nth % self.columns);
        let area = Rect {
            x: body.x + column as u16 * self.width,
            y: body.y + row as u16 * self.height,
            width: self.width,
            height: self.height,
        };
        area.intersection(body)
    }

    /// Which of the cards in sight stands at a cell.
    pub(super) fn at(&self, body: Rect, (x, y): (u16, u16)) -> Option<usize> {
        let column = usize::from(x.checked_sub(body.x)? / self.width.max(1));
        let row = usize::from(y.checked_sub(body.y)? / self.height);
        (column < self.columns && row < self.rows).then_some(row * self.columns + column)
    }
}

/// How a card is set off from the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stand {
    /// The cursor is on it.
    pub(super) here: bool,
    /// It is marked.
    pub(super) marked: bool,
}

/// Draws one.
pub(super) fn draw(node: &Node, stand: Stand, scene: &Scene<'_>, area: Rect, painter: &mut Painter<'_>) {
    let inside = painter.frame(area, "");
    if inside.width < 8 {
        return;
    }
    head(node, stand, area, painter);
    let old = !node.is_there() || node.is_stale(Topic::Sample, scene.now);
    let line = |nth: u16| Rect { x: inside.x + 1, y: inside.y + nth, width: inside.width - 2, height: 1 };
    about(node, line(0), painter);
    bars(node, old, line, painter);
    // Between the bars and the last line.
    let rest = Rect { height: inside.height.saturating_sub(5), ..line(4) };
    if rest.height < CHART_HEIGHT_MIN {
        spark(node, old, line(4), painter);
    } else {
        charts(node, old, rest, painter);
    }
    foot(node, scene, line(inside.height.saturating_sub(1).max(5)), painter);
}

/// The processors in the last minutes, and below them the network if there is room.
fn charts(node: &Node, old: bool, area: Rect, painter: &mut Painter<'_>) {
    let lower = if area.height >= BOTH_HEIGHT_MIN { area.height * 2 / 5 } else { 0 };
    let (upper, below) = (area.height - lower, area.y + area.height - lower);
    let end = node.history.points().next_back().map_or(Millis::ZERO, |point| point.at);
    let window = Window { end, span: CHART, axis: Axis::Ago(end), gap: GAP };
    let points = |of: fn(&Point) -> f64| observed::series(node.history.points(), of);
    let cpu = points(|point| f64::from(point.cpu));
    let first = Series { points: &cpu, role: Role::First };
    let drawn = Chart { unit: Unit::Percent, first, second: None, window, dimmed: old };
    painter.text((area.x, area.y), area.width, "processors", Role::Dim);
    chart::draw(&drawn, Rect { y: area.y + 1, height: upper - 1, ..area }, painter);
    if lower == 0 {
        return;
    }
    let (received, sent) = (points(|point| point.received as f64), points(|point| point.sent as f64));
    let first = Series { points: &received, role: Role::First };
    let second = Some(Series { points: &sent, role: Role::Second });
    let drawn = Chart { unit: Unit::Rate, first, second, window, dimmed: old };
    painter.text((area.x, below), area.width, "network, received and sent", Role::Dim);
    chart::draw(&drawn, Rect { y: below + 1, height: lower - 1, ..area }, painter);
}

/// The name, with the signs of cursor and mark, and the state, in the upper border.
fn head(node: &Node, stand: Stand, area: Rect, painter: &mut Painter<'_>) {
    let glyphs = painter.theme.glyphs;
    let (mark, word, role) = observed::state(node.member.state, &glyphs);
    let state = format!(" {mark} {word} ");
    let room = area.width.saturating_sub(width(&state) as u16 + 3);
    let sign = if stand.here { glyphs.cursor } else { "" };
    let marked = if stand.marked { glyphs.mark } else { "" };
    let name = format!(" {marked}{} ", node.name());
    let own = match (stand.here, stand.marked, node.is_there()) {
        (true, ..) => Role::Cursor,
        (_, true, _) => Role::Marked,
        (.., true) => Role::Title,
        _ => Role::Dim,
    };
    painter.line((area.x + 1, area.y), room, &[(sign, Role::Accent), (&name, own)]);
    painter.right((area.x, area.y), area.width.saturating_sub(2), &state, role);
    if stand.here {
        let down = glyphs.frame[5];
        let heavy = if down == "|" { down } else { glyphs.cursor };
        for y in area.top() + 1..area.bottom().saturating_sub(1) {
            painter.text((area.x, y), 1, heavy, Role::Accent);
        }
    }
}

/// Labels, and the version at the right.
fn about(node: &Node, line: Rect, painter: &mut Painter<'_>) {
    let version = &node.member.version;
    let room = line.width.saturating_sub(width(version) as u16 + 1);
    painter.text((line.x, line.y), room, &labels(node), Role::Dim);
    painter.right((line.x, line.y), line.width, version, Role::Dim);
}

fn bars(node: &Node, old: bool, line: impl Fn(u16) -> Rect, painter: &mut Painter<'_>) {
    let Some(sample) = &node.sample.value else {
        for (nth, name) in ["cpu", "mem", "disk"].into_iter().enumerate() {
            let line = line(1 + nth as u16);
            painter.line((line.x, line.y), line.width, &[(name, Role::Dim), (" -", Role::Dim)]);
        }
        return;
    };
    let cores = format!("of {} ", sample.cpu.cores.len());
    let total = format!("of {}", bytes(sample.memory.total_bytes));
    let disk = fullest(sample);
    let all = [
        ("cpu", Some(sample.cpu.ratio), cores.trim_end().to_owned()),
        ("mem", Some(memory_ratio(sample)), total),
        ("disk", disk.map(|(_, ratio)| ratio), disk.map_or_else(String::new, |(place, _)| place.to_owned())),
    ];
    for (nth, (name, ratio, said)) in all.into_iter().enumerate() {
        let line = line(1 + nth as u16);
        let role = |role| if old { Role::Dim } else { role };
        painter.text((line.x, line.y), NAME, name, Role::Dim);
        let Some(ratio) = ratio else { continue };
        let gauge = line.width.saturating_sub(NAME + SAID + 1);
        let own = match Role::of_share(ratio) {
            Role::Text => Role::Good,
            other => other,
        };
        painter.gauge((line.x + NAME, line.y), gauge, ratio, role(own));
        let share = format!(" {:>4} ", percent(ratio));
        let pieces = [(share.as_str(), role(Role::of_share(ratio))), (said.as_str(), Role::Dim)];
        painter.line((line.x + NAME + gauge, line.y), SAID + 1, &pieces);
    }
}

/// The processors in the last minute, the newest at the right.
fn spark(node: &Node, old: bool, line: Rect, painter: &mut Painter<'_>) {
    let newest = node.history.points().next_back().map_or(Millis::ZERO, |point| point.at);
    let recent = node.history.points().filter(|point| newest.since(point.at) <= SPARK);
    let values: Vec<f32> = recent.map(|point| point.cpu).collect();
    painter.text((line.x, line.y), NAME, "1 min", Role::Dim);
    let columns = line.width.saturating_sub(NAME + 1);
    // Where there are more moments than columns, a column stands for several.
    let each = values.len().div_ceil(usize::from(columns).max(1)).max(1);
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
    let values: Vec<f32> = values.chunks(each).map(mean).collect();
    painter.spark((line.x + NAME + 1, line.y), columns, &values, if old { Role::Dim } else { Role::First });
}

/// What fires, load and uptime, and how old all this is.
fn foot(node: &Node, scene: &Scene<'_>, line: Rect, painter: &mut Painter<'_>) {
    let alerts = alerts_cell(node, scene);
    let alerts_text = match alerts.text.as_str() {
        "" => String::new(),
        "0" => "no alerts".to_owned(),
        text => format!("alerts: {text}"),
    };
    let seen = seen(node, scene);
    let load = node.sample.value.as_ref().map(|sample| format!("load {:.2}", sample.load[0]));
    let middle =
        load.map_or_else(String::new, |load| if alerts_text.is_empty() { load } else { format!("  {load}") });
    let room = line.width.saturating_sub(width(&seen.text) as u16 + 1);
    painter.line((line.x, line.y), room, &[(&alerts_text, alerts.role), (&middle, Role::Dim)]);
    painter.right((line.x, line.y), line.width, &seen.text, seen.role);
}
