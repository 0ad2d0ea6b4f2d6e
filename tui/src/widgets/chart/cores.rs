//! Many cores in little room: a line each while that fits, then one bar each, then one bar for a few.

use ratatui::layout::Rect;

use crate::format::percent;
use crate::theme::Role;
use crate::widgets::paint::Painter;

/// `100%` and the blank before it.
const PERCENT_WIDTH: u16 = 5;
/// Between two columns of lines.
const GAP: u16 = 2;
/// A line is not made longer than this; what is left separates the columns.
const SPARK_MAX: u16 = 60;

/// Length of a line beside something else.
const SPARK_BESIDE: u16 = 30;

/// One core.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Core {
    /// Busy share now.
    pub now: f32,
    /// Busy shares until now, oldest first.
    pub past: Vec<f32>,
}

/// How many rows the cores want at this width: as many columns as keep a short line each.
pub fn rows_wanted(count: usize, width: u16) -> u16 {
    let least = number_width(count) + PERCENT_WIDTH + 9;
    let columns = usize::from((width / least).max(1));
    u16::try_from(count.div_ceil(columns)).unwrap_or(u16::MAX)
}

/// The width that the cores want beside something else, in a height: a line each that is long enough to read, and
/// never more than half of `width`.
pub fn width_wanted(count: usize, (width, height): (u16, u16)) -> u16 {
    let columns = u16::try_from(count.div_ceil(usize::from(height.max(1)))).unwrap_or(u16::MAX);
    let each = number_width(count) + 1 + SPARK_BESIDE + PERCENT_WIDTH + GAP;
    each.saturating_mul(columns).min(width / 2)
}

/// Draws all cores into an area of any size.
pub fn draw(cores: &[Core], dimmed: bool, area: Rect, painter: &mut Painter<'_>) {
    let area = area.intersection(painter.buf.area);
    if area.is_empty() || cores.is_empty() {
        return;
    }
    let columns = cores.len().div_ceil(usize::from(area.height));
    let columns = u16::try_from(columns).unwrap_or(u16::MAX);
    let each = area.width / columns;
    let label = number_width(cores.len());
    if each >= label + PERCENT_WIDTH + if columns > 1 { GAP } else { 0 } {
        draw_lines(cores, dimmed, (area, columns, each), painter);
    } else {
        draw_heat(cores, dimmed, area, painter);
    }
}

fn number_width(count: usize) -> u16 {
    count.saturating_sub(1).to_string().len() as u16
}

fn role(share: f32, calm: Role, dimmed: bool) -> Role {
    match Role::of_share(share) {
        _ if dimmed => Role::Dim,
        Role::Text => calm,
        other => other,
    }
}

/// Number, line, percent; down the first column, then down the next.
fn draw_lines(
    cores: &[Core],
    dimmed: bool,
    (area, columns, each): (Rect, u16, u16),
    painter: &mut Painter<'_>,
) {
    let label = number_width(cores.len());
    let gap = if columns > 1 { GAP } else { 0 };
    let spark = (each - gap).saturating_sub(label + 1 + PERCENT_WIDTH).min(SPARK_MAX);
    let tall = cores.len().div_ceil(usize::from(columns));
    for (index, core) in cores.iter().enumerate() {
        let (column, row) = (index / tall, index % tall);
        let (mut x, y) = (area.x + column as u16 * each, area.y + row as u16);
        painter.right((x, y), label, &index.to_string(), Role::Dim);
        x += label;
        if spark > 0 {
            painter.spark((x + 1, y), spark, &core.past, role(core.now, Role::First, dimmed));
            x += spark + 1;
        }
        painter.right((x, y), PERCENT_WIDTH, &percent(core.now), role(core.now, Role::Text, dimmed));
    }
}

/// One bar a core in rows; the busiest of each few where even that is too much.
fn draw_heat(cores: &[Core], dimmed: bool, area: Rect, painter: &mut Painter<'_>) {
    let room = usize::from(area.width) * usize::from(area.height);
    let group = cores.len().div_ceil(room).max(1);
    for (index, few) in cores.chunks(group).enumerate() {
        let busiest = few.iter().map(|core| core.now).filter(|now| now.is_finite()).fold(0.0, f32::max);
        let (row, column) = (index / usize::from(area.width), index % usize::from(area.width));
        let at = (area.x + column as u16, area.y + row as u16);
        painter.spark(at, 1, &[busiest], role(busiest, Role::First, dimmed));
    }
}
