//! A search while its hits come in: the hits, one under the cursor, and how far it is.

use p2p_shared::services::file::{FileHit, SearchEnd};
use ratatui::layout::Rect;

use super::over;
use crate::app::search::{Searching, Stage};
use crate::format::{bytes, count, plural};
use crate::layout::{Areas, centred};
use crate::theme::Role;
use crate::widgets::paint::Painter;

const WIDTH: u16 = 110;
/// Under the hits: a gap and how far it is.
const FOOT: u16 = 2;

pub(super) fn draw(searching: &Searching, name: &str, areas: &Areas, painter: &mut Painter<'_>) {
    let all = over(areas);
    let place = centred(all, WIDTH, all.height.saturating_sub(2));
    let order = &searching.order;
    let inside = painter.frame(place, &format!("{} below {name}:{}", order.what.words(), order.path));
    let rows = usize::from(inside.height.saturating_sub(FOOT));
    let first = searching.at.saturating_sub(rows.saturating_sub(1));
    let (x, width) = (inside.x + 1, inside.width.saturating_sub(2));
    for (index, hit) in searching.hits.iter().enumerate().skip(first).take(rows) {
        let y = inside.y + (index - first) as u16;
        let (path, line) = words(hit);
        painter.line((x, y), width, &[(&path, Role::Accent), (&line, Role::Text)]);
        if index == searching.at {
            painter.tint(Rect { y, height: 1, ..inside }, Role::Cursor);
        }
    }
    if inside.height < FOOT {
        return;
    }
    let (text, role) = standing(searching);
    painter.text((x, inside.bottom() - 1), width, &text, role);
    let keys = match searching.stage {
        Stage::Running => "Enter goes there, ^C stops, Esc stops and closes",
        _ if searching.hits.is_empty() => "Esc closes",
        _ => "Enter goes there, Esc closes",
    };
    let below = (place.x + 2, place.bottom().saturating_sub(1));
    painter.text(below, place.width.saturating_sub(4), &format!(" {keys} "), Role::Dim);
}

/// Where a hit is, and the line if it is one.
fn words(hit: &FileHit) -> (String, String) {
    match hit.line {
        None => (hit.path.to_string(), String::new()),
        Some(line) => {
            let text = String::from_utf8_lossy(&hit.text.0).replace('\t', "    ");
            (format!("{}:{line}", hit.path), format!("  {}", text.trim()))
        }
    }
}

fn standing(searching: &Searching) -> (String, Role) {
    let [entries, read, skipped] = searching.counts;
    let number = |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX));
    let mut far = format!("{} in {} names", plural(searching.hits.len(), "hit"), number(entries));
    if read > 0 {
        far = format!("{far}, {} read", bytes(read));
    }
    if skipped > 0 {
        far = format!("{far}, {} could not be read", number(skipped));
    }
    match &searching.stage {
        Stage::Running => (format!("{far}; it goes on"), Role::Dim),
        Stage::Stopped => (format!("{far}; stopped"), Role::Warn),
        Stage::Failed(error) => (error.message.clone(), Role::Bad),
        Stage::Over(SearchEnd::Complete) => (format!("{far}; that is all"), Role::Good),
        Stage::Over(SearchEnd::Hits) => (format!("{far}; there are more: search for less"), Role::Warn),
        Stage::Over(SearchEnd::Time) => (format!("{far}; the time ran out"), Role::Warn),
        Stage::Over(SearchEnd::Bytes) => (format!("{far}; no more is read at once"), Role::Warn),
        Stage::Over(SearchEnd::Unknown) => (format!("{far}; it ended"), Role::Warn),
    }
}
