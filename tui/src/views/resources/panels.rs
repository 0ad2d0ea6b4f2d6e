//! The panels with charts: processors, memory, network, disk.

use ratatui::layout::Rect;

use super::layout::Panel;
use super::{Figures, busiest, lists};
use crate::fleet::{Point, share};
use crate::format::{bytes, percent, rate, width};
use crate::theme::Role;
use crate::views::observed;
use crate::widgets::chart::cores::{self, Core};
use crate::widgets::chart::{self, Chart, Series, Unit};
use crate::widgets::paint::Painter;

/// From this width on the cores stand beside the chart of all, not below.
const CORES_BESIDE_WIDTH_MIN: u16 = 90;
/// A chart is not made flatter than this for the sake of rows below it.
const CHART_HEIGHT_MIN: u16 = 4;
/// Moments that a core's line can show.
const CORE_POINTS: usize = 60;

/// What stands on the upper border of a panel.
struct Caption<'a> {
    title: &'a str,
    value: String,
    role: Role,
    /// What stands at the right, the longest first; the first that fits is shown.
    legends: Vec<String>,
}

/// Draws one panel. `files_apart` says that the file systems have a panel of their own.
pub(super) fn draw(
    panel: Panel,
    figures: &Figures<'_>,
    (area, framed, files_apart): (Rect, bool, bool),
    painter: &mut Painter<'_>,
) {
    let place = (area, framed);
    match panel {
        Panel::Processors => processors(figures, place, painter),
        Panel::Memory => memory(figures, place, painter),
        Panel::Network => network(figures, place, painter),
        Panel::Disk => disk(figures, place, files_apart, painter),
        Panel::Files => {
            let count = figures.sample.disks.len();
            let inside = open(plain("File systems", count), place, painter);
            lists::file_systems(figures, inside, painter);
        }
        Panel::Busiest => {
            let inside = open(plain("Busiest processes then", 0), place, painter);
            busiest::list(figures, inside, painter);
        }
        Panel::Strain => {
            let inside = open(plain("Pressure and heat", 0), place, painter);
            lists::strain(figures, inside, painter);
        }
    }
}

fn plain(title: &str, count: usize) -> Caption<'_> {
    let value = if count > 0 { count.to_string() } else { String::new() };
    Caption { title, value, role: Role::Dim, legends: Vec::new() }
}

/// Draws a panel's border and caption; answers its inside.
fn open(caption: Caption<'_>, (area, framed): (Rect, bool), painter: &mut Painter<'_>) -> Rect {
    let (inside, indent) = if framed {
        (painter.frame(area, ""), 2)
    } else {
        let across = painter.theme.glyphs.frame[4];
        painter.text((area.x, area.y), area.width, &across.repeat(usize::from(area.width)), Role::Border);
        (Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area }, 1)
    };
    let room = area.width.saturating_sub(2 * indent);
    if inside.is_empty() && framed {
        return inside;
    }
    let (title, value) = (format!(" {} ", caption.title), format!("{} ", caption.value));
    let mut pieces = vec![(title.as_str(), Role::Title)];
    if !caption.value.is_empty() {
        pieces.push((&value, caption.role));
    }
    let used = painter.line((area.x + indent, area.y), room, &pieces);
    let left = usize::from(room.saturating_sub(used + 1));
    if let Some(legend) = caption.legends.iter().find(|legend| width(legend) + 2 <= left) {
        painter.right((area.x + indent, area.y), room, &format!(" {legend} "), Role::Dim);
    }
    inside
}

fn points(figures: &Figures<'_>, of: impl Fn(&Point) -> f64) -> Vec<chart::Point> {
    match figures.told {
        Some(told) => observed::series(told.points.iter(), of),
        None => observed::series(figures.node.history.points(), of),
    }
}

/// Splits rows off below a chart: as many as wanted, while the chart stays a chart.
fn split(area: Rect, wanted: u16) -> (Rect, Rect) {
    let rows = wanted.min(area.height.saturating_sub(CHART_HEIGHT_MIN));
    let height = area.height - rows;
    (Rect { height, ..area }, Rect { y: area.y + height, height: rows, ..area })
}

fn share_chart(figures: &Figures<'_>, values: &[chart::Point], area: Rect, painter: &mut Painter<'_>) {
    let first = Series { points: values, role: Role::First };
    let chart =
        Chart { unit: Unit::Percent, first, second: None, window: figures.window, dimmed: figures.dimmed };
    chart::draw(&chart, area, painter);
}

fn extremes(figures: &Figures<'_>, values: &[chart::Point]) -> String {
    let (low, high) = figures.window.extremes(values).unwrap_or((f64::NAN, f64::NAN));
    format!("min {} max {}", percent(low as f32), percent(high as f32))
}

fn processors(figures: &Figures<'_>, place: (Rect, bool), painter: &mut Painter<'_>) {
    let cpu = &figures.sample.cpu;
    let values = points(figures, |point| f64::from(point.cpu));
    let limits = extremes(figures, &values);
    let waits = format!("iowait {} steal {}", percent(cpu.iowait_ratio), percent(cpu.steal_ratio));
    let caption = Caption {
        title: "Processors",
        value: percent(cpu.ratio),
        role: figures.role(Role::of_share(cpu.ratio)),
        legends: vec![format!("{waits}  {limits}"), limits],
    };
    let inside = open(caption, place, painter);
    let (total, each) = if inside.width >= CORES_BESIDE_WIDTH_MIN {
        let wanted = cores::width_wanted(cpu.cores.len(), (inside.width, inside.height));
        let width = inside.width - wanted;
        let right = Rect { x: inside.x + width + 2, width: wanted.saturating_sub(2), ..inside };
        (Rect { width, ..inside }, right)
    } else {
        split(inside, cores::rows_wanted(cpu.cores.len(), inside.width).min(inside.height / 2))
    };
    share_chart(figures, &values, total, painter);
    cores::draw(&cores_of(figures), figures.dimmed, each, painter);
}

fn cores_of(figures: &Figures<'_>) -> Vec<Core> {
    if figures.over {
        return figures.sample.cpu.cores.iter().map(|now| Core { now: *now, past: Vec::new() }).collect();
    }
    let history = &figures.node.history;
    let skipped = history.points().len().saturating_sub(CORE_POINTS);
    let cores = figures.sample.cpu.cores.iter().enumerate().take(history.cores());
    cores
        .map(|(index, now)| {
            let past = history.core(index).skip(skipped).map(|value| f32::from(value) / 100.0).collect();
            Core { now: *now, past }
        })
        .collect()
}

fn memory(figures: &Figures<'_>, place: (Rect, bool), painter: &mut Painter<'_>) {
    let memory = &figures.sample.memory;
    let used = memory.total_bytes.saturating_sub(memory.available_bytes);
    let ratio = if memory.total_bytes == 0 { f32::NAN } else { share(used, memory.total_bytes) };
    let values = points(figures, |point| f64::from(point.memory));
    let sizes = format!("{} of {}", bytes(used), bytes(memory.total_bytes));
    let caption = Caption {
        title: "Memory",
        value: percent(ratio),
        role: figures.role(Role::of_share(ratio)),
        legends: vec![format!("{}  {sizes}", extremes(figures, &values)), sizes],
    };
    let inside = open(caption, place, painter);
    let (chart, below) = split(inside, if inside.height >= 10 { 2 } else { 1 });
    share_chart(figures, &values, chart, painter);
    if below.height > 0 {
        let swap = share(memory.swap_used_bytes, memory.swap_total_bytes);
        let sizes = if memory.swap_total_bytes == 0 {
            "none".to_owned()
        } else {
            format!("{} of {}", bytes(memory.swap_used_bytes), bytes(memory.swap_total_bytes))
        };
        lists::gauge_line(figures, "swap", (swap, &sizes), Rect { height: 1, ..below }, painter);
    }
    if below.height > 1 {
        let cached = share(memory.cached_bytes, memory.total_bytes);
        let sizes = format!("{} cached", bytes(memory.cached_bytes));
        let line = Rect { y: below.y + 1, height: 1, ..below };
        lists::gauge_line(figures, "cache", (cached, &sizes), line, painter);
    }
}

/// Two rates that face each other, with what they are now and were at most.
struct Flow<'a> {
    title: &'a str,
    names: [&'a str; 2],
    values: [Vec<chart::Point>; 2],
}

impl Flow<'_> {
    fn draw(&self, figures: &Figures<'_>, place: (Rect, bool), rows: u16, painter: &mut Painter<'_>) -> Rect {
        let now = |index: usize| rate(self.values[index].last().map_or(0.0, |(_, value)| *value) as u64);
        let most = |index: usize| {
            let most = figures.window.extremes(&self.values[index]).map_or(0.0, |(_, high)| high);
            rate(most as u64)
        };
        let [first, second] = self.names;
        let short = format!("{first} {}  {second} {}", now(0), now(1));
        let long = format!("{first} {} max {}  {second} {} max {}", now(0), most(0), now(1), most(1));
        let bare = format!("{} {}", now(0), now(1));
        let caption = Caption {
            title: self.title,
            value: String::new(),
            role: Role::Text,
            legends: vec![long, short, bare],
        };
        let inside = open(caption, place, painter);
        let (area, below) = split(inside, rows.min(inside.height / 3));
        let chart = Chart {
            unit: Unit::Rate,
            first: Series { points: &self.values[0], role: Role::First },
            second: Some(Series { points: &self.values[1], role: Role::Second }),
            window: figures.window,
            dimmed: figures.dimmed,
        };
        chart::draw(&chart, area, painter);
        below
    }
}

fn network(figures: &Figures<'_>, place: (Rect, bool), painter: &mut Painter<'_>) {
    let values = [points(figures, |point| point.received as f64), points(figures, |point| point.sent as f64)];
    let [received, sent] = painter.theme.glyphs.flow;
    let flow = Flow { title: "Network", names: [received, sent], values };
    let rows = u16::try_from(figures.sample.interfaces.len()).unwrap_or(u16::MAX);
    let below = flow.draw(figures, place, rows, painter);
    lists::interfaces(figures, below, painter);
}

fn disk(figures: &Figures<'_>, place: (Rect, bool), files_apart: bool, painter: &mut Painter<'_>) {
    let values = [points(figures, |point| point.read as f64), points(figures, |point| point.written as f64)];
    let flow = Flow { title: "Disk", names: ["read", "write"], values };
    let count = u16::try_from(figures.sample.disks.len()).unwrap_or(u16::MAX);
    let below = flow.draw(figures, place, if files_apart { 0 } else { count }, painter);
    lists::file_systems(figures, below, painter);
}
