//! Charts of history: braille areas with a scale, a time axis, and gaps where nothing was measured.
//!
//! Points with their times enter, cells of a buffer leave. One series fills the whole height; of two the first
//! grows up from the middle and the second down, each by its own scale, so that no cell belongs to both. With an
//! ASCII theme bars stand in for the dots. Values are never trusted: what is no number is a gap.

pub mod cores;
mod plot;
mod scale;

use p2p_shared::time::{Millis, UnixMillis};
use ratatui::layout::Rect;

use self::plot::{Grow, Plot};
pub use self::scale::Unit;
use super::paint::Painter;
use crate::format::{date, span_ms, width};
use crate::theme::Role;

/// Points of one a second that are further apart than this have a gap between them.
pub const GAP: Millis = Millis(3_500);
/// Below this height there is no time axis: the rows are worth more to the line.
const AXIS_HEIGHT_MIN: u16 = 5;
/// Below this width there is no scale.
const SCALE_WIDTH_MIN: u16 = 20;

/// A value and when it was measured.
pub type Point = (Millis, f64);

/// One line of a chart.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// Its values, oldest first.
    pub points: &'a [Point],
    /// What it is for the eye.
    pub role: Role,
}

/// The time that a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The time at the right edge.
    pub end: Millis,
    /// How long before it the left edge is.
    pub span: Millis,
    /// What the times on the axis are.
    pub axis: Axis,
    /// Points further apart than this have a gap between them; it is also how long the last one is held.
    pub gap: Millis,
}

/// What the times on the axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// How long ago they are at this time.
    Ago(Millis),
    /// Times of day, for the times of the points are those of a wall clock.
    Clock,
}

impl Window {
    /// The values of a series that lie in it; what is no number is left out.
    pub fn values<'a>(&self, points: &'a [Point]) -> impl Iterator<Item = f64> + 'a {
        let (start, end) = (self.end.since(self.span), self.end);
        let inside = points.iter().filter(move |(at, _)| (start..=end).contains(at));
        inside.map(|(_, value)| *value).filter(|value| value.is_finite())
    }

    /// The least and the greatest value that lie in it.
    pub fn extremes(&self, points: &[Point]) -> Option<(f64, f64)> {
        self.values(points).fold(None, |found, value| {
            let (low, high) = found.unwrap_or((value, value));
            Some((value.min(low), value.max(high)))
        })
    }
}

/// A chart of one series, or of two that face each other.
#[derive(Clone, Copy, Debug)]
pub struct Chart<'a> {
    /// What the values are.
    pub unit: Unit,
    /// The series that grows up.
    pub first: Series<'a>,
    /// The series that grows down.
    pub second: Option<Series<'a>>,
    /// Which time is shown.
    pub window: Window,
    /// Old data.
    pub dimmed: bool,
}

/// Draws a chart into an area of any size.
pub fn draw(chart: &Chart<'_>, area: Rect, painter: &mut Painter<'_>) {
    let area = area.intersection(painter.buf.area);
    if area.is_empty() {
        return;
    }
    let axis = u16::from(area.height >= AXIS_HEIGHT_MIN);
    let height = area.height - axis;
    let lower = if chart.second.is_some() { height / 2 } else { 0 };
    let top = chart.scale(chart.first);
    let bottom = chart.second.map_or(top, |series| chart.scale(series));
    let labels = if area.width < SCALE_WIDTH_MIN {
        0
    } else {
        let widest = [top, top / 2.0, bottom].map(|value| width(&chart.unit.label(value)));
        widest.into_iter().max().unwrap_or(0) as u16 + 1
    };
    let field = Rect { x: area.x + labels, width: area.width - labels, height: height - lower, ..area };
    chart.draw_half(chart.first, top, (field, Grow::Up), painter);
    let below = Rect { y: area.y + field.height, height: lower, ..field };
    if let Some(second) = chart.second.filter(|_| lower > 0) {
        chart.draw_half(second, bottom, (below, Grow::Down), painter);
    }
    if labels > 0 {
        let columns = labels - 1;
        draw_scale(chart.unit, (top, bottom), (area, columns, lower, height), painter);
    }
    if axis == 1 {
        let line = Rect { y: area.y + height, height: 1, ..field };
        draw_axis(chart.window, line, painter);
    }
}

impl Chart<'_> {
    fn scale(&self, series: Series<'_>) -> f64 {
        let highest = self.window.extremes(series.points).map_or(0.0, |(_, high)| high);
        self.unit.ceiling(highest)
    }

    fn draw_half(
        &self,
        series: Series<'_>,
        ceiling: f64,
        (area, grow): (Rect, Grow),
        painter: &mut Painter<'_>,
    ) {
        let plot = Plot::new(series.points, self.window, ceiling, painter.theme);
        for (row, (text, level)) in (0..area.height).zip(plot.rows(area, grow)) {
            let role = match self.unit {
                _ if self.dimmed => Role::Dim,
                // A share turns to its warning by height, as the numbers beside it do.
                Unit::Percent if Role::of_share(level) != Role::Text => Role::of_share(level),
                _ => series.role,
            };
            painter.text((area.x, area.y + row), area.width, &text, role);
        }
    }
}

/// The numbers at the left: the ceiling, the middle where there is room, and nothing or the second ceiling.
fn draw_scale(
    unit: Unit,
    (top, bottom): (f64, f64),
    (area, columns, lower, height): (Rect, u16, u16, u16),
    painter: &mut Painter<'_>,
) {
    let mut label = |row: u16, value: f64| {
        painter.right((area.x, area.y + row), columns, &unit.label(value), Role::Dim);
    };
    label(0, top);
    if lower > 0 {
        label(height - 1, bottom);
        if height >= 4 {
            label(height - lower - 1, 0.0);
        }
        return;
    }
    if height >= 2 {
        label(height - 1, 0.0);
    }
    if height >= 6 {
        // The row whose top is nearest to half of the ceiling.
        label(height / 2, top / 2.0);
    }
}

fn draw_axis(window: Window, line: Rect, painter: &mut Painter<'_>) {
    let behind = |before: u64| match window.axis {
        Axis::Ago(now) => {
            let ago = now.since(window.end).0.saturating_add(before);
            if ago < 1_000 { "now".to_owned() } else { format!("-{}", short_span(ago)) }
        }
        Axis::Clock => time_of(UnixMillis(window.end.0.saturating_sub(before)), window.span),
    };
    let (left, right) = (behind(window.span.0), behind(0));
    if width(&left) + width(&right) < usize::from(line.width) {
        painter.text((line.x, line.y), line.width, &left, Role::Dim);
        painter.right((line.x, line.y), line.width, &right, Role::Dim);
    }
    let middle = behind(window.span.0 / 2);
    if usize::from(line.width) >= 30.max(width(&left) + width(&middle) + width(&right) + 4) {
        let x = line.x + line.width / 2 - (width(&middle) / 2) as u16;
        painter.text((x, line.y), line.width, &middle, Role::Dim);
    }
}

/// As much of a time as tells two times of a span apart: `14:03:20`, `14:03`, `11-24 14:03`.
fn time_of(at: UnixMillis, span: Millis) -> String {
    let part = match span.0 {
        0..=600_000 => 11..19,
        600_001..=43_200_000 => 11..16,
        _ => 5..16,
    };
    date(at).get(part).unwrap_or_default().to_owned()
}

/// A span without parts that are nothing: `10m`, `2m30s`.
fn short_span(ms: u64) -> String {
    if ms.is_multiple_of(60_000) && ms < 3_600_000 { format!("{}m", ms / 60_000) } else { span_ms(ms) }
}

#[cfg(test)]
mod tests;
