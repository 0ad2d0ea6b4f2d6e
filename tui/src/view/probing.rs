//! A probe while its answers come in: its lines, the newest in sight, and what they come to so far.

use ratatui::layout::Rect;

use super::layers::{Line, fold};
use super::over;
use crate::app::probe::{Probing, Stage};
use crate::format::{count, plural};
use crate::layout::{Areas, centred};
use crate::theme::Role;
use crate::widgets::paint::Painter;

const WIDTH: u16 = 100;
/// Under the lines: a gap, the sum, and how far it is.
const FOOT: u16 = 3;

fn place(areas: &Areas) -> Rect {
    let all = over(areas);
    centred(all, WIDTH, all.height.saturating_sub(2))
}

/// Columns and rows of its lines.
fn room(areas: &Areas) -> (usize, usize) {
    let place = place(areas);
    (usize::from(place.width.saturating_sub(4)), usize::from(place.height.saturating_sub(2 + FOOT)))
}

/// The lines as they are drawn; last why it failed, if it did.
fn lines(probing: &Probing, columns: usize) -> Vec<Line> {
    let gone = (probing.gone > 0)
        .then(|| vec![(format!("{} are not kept", plural(probing.gone, "earlier line")), Role::Dim)]);
    let kept = probing.lines.iter().map(|line| vec![(line.clone(), Role::Text)]);
    let why = match &probing.stage {
        Stage::Failed(error) => Some(vec![(error.message.clone(), Role::Bad)]),
        _ => None,
    };
    gone.into_iter().chain(kept).chain(why).flat_map(|line| fold(&line, columns)).collect()
}

/// The furthest that it can be scrolled back.
pub(super) fn back_max(probing: &Probing, areas: &Areas) -> usize {
    let (columns, rows) = room(areas);
    lines(probing, columns).len().saturating_sub(rows)
}

pub(super) fn draw(probing: &Probing, name: &str, areas: &Areas, painter: &mut Painter<'_>) {
    let place = place(areas);
    let inside = painter.frame(place, &format!("{} from {name}", probing.probe.title()));
    let (columns, rows) = room(areas);
    let lines = lines(probing, columns);
    let most = lines.len().saturating_sub(rows);
    let first = most.saturating_sub(probing.back);
    let (x, width) = (inside.x + 1, inside.width.saturating_sub(2));
    for (index, line) in lines.iter().skip(first).take(rows).enumerate() {
        let pieces: Vec<(&str, Role)> = line.iter().map(|(text, role)| (text.as_str(), *role)).collect();
        painter.line((x, inside.y + index as u16), width, &pieces);
    }
    if inside.height < FOOT {
        return;
    }
    let foot = inside.bottom() - FOOT;
    painter.text((x, foot + 1), width, &probing.sum, Role::Head);
    let (text, role) = match &probing.stage {
        Stage::Running if probing.sum.is_empty() => ("waiting for the node's answer", Role::Dim),
        Stage::Running => ("it goes on", Role::Dim),
        Stage::Over => ("over", Role::Good),
        Stage::Stopped => ("stopped", Role::Warn),
        Stage::Failed(_) => ("failed", Role::Bad),
    };
    painter.text((x, foot + 2), width, text, role);
    let part = if most > 0 {
        format!("{}-{} of {}, j k scroll, ", first + 1, first + rows.min(lines.len()), count(lines.len()))
    } else {
        String::new()
    };
    let keys = match probing.stage {
        Stage::Running => "^C stops, Esc stops and closes",
        _ => "Esc closes",
    };
    let below = (place.x + 2, place.bottom().saturating_sub(1));
    painter.text(below, place.width.saturating_sub(4), &format!(" {part}{keys} "), Role::Dim);
}
