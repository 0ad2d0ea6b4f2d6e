//! The panel of copies: two lines each, those that go on first, then the last ones.

use ratatui::layout::Rect;

use super::over;
use crate::app::State;
use crate::app::copies::{Copying, Stage};
use crate::command::CopyId;
use crate::format::{bytes, count, percent, plural, rate, span_ms};
use crate::layout::{Areas, centred};
use crate::theme::Role;
use crate::widgets::paint::Painter;

const WIDTH: u16 = 110;
/// Lines of one copy.
const LINES: u16 = 2;
/// Cells of a gauge, and its share of a narrow box.
const GAUGE_MAX: u16 = 24;

pub(super) fn draw(state: &State, at: CopyId, areas: &Areas, painter: &mut Painter<'_>) {
    let listed = state.copies.listed();
    let all = over(areas);
    let height =
        (listed.len() as u16).saturating_mul(LINES).saturating_add(2).min(all.height.saturating_sub(2));
    let place = centred(all, WIDTH, height.max(5));
    let going = listed.iter().filter(|(_, copying)| copying.stage.is_open()).count();
    let inside = painter.frame(place, &format!("{}, {going} under way", plural(listed.len(), "copy")));
    let rows = usize::from(inside.height / LINES);
    let under = listed.iter().position(|(id, _)| *id == at).unwrap_or(0);
    let first = under.saturating_sub(rows.saturating_sub(1));
    for (index, (_, copying)) in listed.iter().enumerate().skip(first).take(rows) {
        let y = inside.y + (index - first) as u16 * LINES;
        let line = Rect { y, height: 1, ..inside };
        painter.text((inside.x + 1, y), inside.width.saturating_sub(2), &copying.name, Role::Text);
        if index == under {
            painter.tint(line, Role::Cursor);
        }
        far(copying, Rect { y: y + 1, ..line }, state, painter);
    }
    let below = (place.x + 2, place.bottom().saturating_sub(1));
    let keys = " ^C stops it, r takes it up again, Esc closes ";
    painter.text(below, place.width.saturating_sub(4), keys, Role::Dim);
}

/// The second line: how far it is.
fn far(copying: &Copying, area: Rect, state: &State, painter: &mut Painter<'_>) {
    let mut x = area.x + 3;
    let room = area.width.saturating_sub(4);
    if copying.stage.is_open()
        && copying.stage != Stage::Queued
        && let Some(ratio) = copying.ratio()
    {
        let columns = GAUGE_MAX.min(room / 4);
        painter.gauge((x, area.y), columns, ratio, Role::Good);
        x += columns + 1;
    }
    let (text, role) = words(copying, state);
    painter.text((x, area.y), area.right().saturating_sub(x + 1), &text, role);
}

fn words(copying: &Copying, state: &State) -> (String, Role) {
    let share = copying.ratio().map_or_else(String::new, |ratio| format!("{} ", percent(ratio)));
    match &copying.stage {
        Stage::Queued => ("waits its turn".to_owned(), Role::Dim),
        Stage::Running => (format!("{share}{}", going(copying)), Role::Text),
        Stage::Cut { why, again_at } => {
            let wait = span_ms(again_at.since(state.world.now).0);
            (format!("{share}cut: {why}; tried again in {wait}"), Role::Warn)
        }
        Stage::Done(summary) => {
            let progress = &summary.progress;
            let number = usize::try_from(progress.entries).unwrap_or(usize::MAX);
            let mut text = format!("done: {}, {}", plural(number, "entry"), bytes(progress.done_bytes));
            if progress.received_bytes < progress.done_bytes && summary.elapsed_ms > 0 {
                text = format!("{text}, of which {} had to be sent", bytes(progress.received_bytes));
            }
            if let Some(speed) = progress.received_bytes.saturating_mul(1_000).checked_div(summary.elapsed_ms)
            {
                text = format!("{text}, in {} ({})", span_ms(summary.elapsed_ms), rate(speed));
            }
            (text, Role::Good)
        }
        Stage::Failed(error) => (format!("failed: {}", error.message), Role::Bad),
        Stage::Stopped => (format!("{share}stopped; what is there stays"), Role::Warn),
    }
}

/// How much, how fast, how much longer, and at which file.
fn going(copying: &Copying) -> String {
    let mut parts = vec![match copying.total {
        Some(total) => format!("{} of {}", bytes(copying.done_bytes()), bytes(total.size_bytes)),
        None => bytes(copying.done_bytes()),
    }];
    parts.extend(copying.rate().map(rate));
    parts.extend(copying.remaining_ms().map(|left| format!("{} left", span_ms(left))));
    let entries = usize::try_from(copying.progress.entries).unwrap_or(usize::MAX);
    parts.push(match copying.total {
        Some(total) if total.entries > 1 => {
            format!(
                "{} of {}",
                count(entries),
                plural(usize::try_from(total.entries).unwrap_or(usize::MAX), "entry")
            )
        }
        _ => plural(entries, "entry"),
    });
    if !copying.progress.path.as_bytes().is_empty() {
        parts.push(copying.progress.path.to_string());
    }
    parts.join("  ")
}
