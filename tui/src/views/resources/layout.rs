//! Where the panels stand for a size of the body. Pure geometry.

use ratatui::layout::Rect;

/// What is drawn in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Panel {
    /// All processors together, and each.
    Processors,
    /// Memory and swap.
    Memory,
    /// Received and sent.
    Network,
    /// Read and written.
    Disk,
    /// File systems.
    Files,
    /// Load, pressure, temperatures.
    Strain,
    /// The busiest processes.
    Busiest,
}

const ESSENTIAL: [Panel; 4] = [Panel::Processors, Panel::Memory, Panel::Network, Panel::Disk];
const ALL: [Panel; 6] =
    [Panel::Processors, Panel::Memory, Panel::Network, Panel::Disk, Panel::Files, Panel::Strain];

/// In one column the busiest processes come right after the processors.
const BUSY: [Panel; 7] = [
    Panel::Processors,
    Panel::Busiest,
    Panel::Memory,
    Panel::Network,
    Panel::Disk,
    Panel::Files,
    Panel::Strain,
];

/// Columns of the busiest processes beside the charts.
const BUSIEST_WIDTH: std::ops::RangeInclusive<u16> = 30..=52;

/// Below this there is one column.
const TWO_COLUMNS_WIDTH_MIN: u16 = 60;
/// From here on the processors get the whole width, and three panels stand side by side.
const THREE_COLUMNS_WIDTH_MIN: u16 = 110;
/// Rows that the lists need below the charts.
const LISTS_HEIGHT_MIN: u16 = 6;
/// Least rows of a framed panel, and of one under a rule.
const FRAMED_MIN: u16 = 5;
const RULED_MIN: u16 = 3;

/// What the lists want.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    /// Rows of the longer list.
    pub(super) lists: u16,
    /// The busiest processes have a place.
    pub(super) busiest: bool,
}

/// A panel and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) panel: Panel,
    pub(super) area: Rect,
    /// In a box; otherwise under a rule, which saves rows and columns.
    pub(super) framed: bool,
}

/// Divides the body among as many panels as it holds.
pub(super) fn place(body: Rect, needs: Needs) -> Vec<Placed> {
    if body.width < TWO_COLUMNS_WIDTH_MIN {
        return column(body, if needs.busiest { &BUSY } else { &ALL });
    }
    if needs.busiest {
        let width = (body.width / 4).clamp(*BUSIEST_WIDTH.start(), *BUSIEST_WIDTH.end());
        let charts = Rect { width: body.width - width, ..body };
        let area = Rect { x: body.x + charts.width, width, ..body };
        let mut placed = if charts.width < TWO_COLUMNS_WIDTH_MIN {
            column(charts, &ESSENTIAL)
        } else {
            place(charts, Needs { busiest: false, ..needs })
        };
        placed.push(Placed { panel: Panel::Busiest, area, framed: true });
        return placed;
    }
    if body.height < 2 * FRAMED_MIN {
        return rows(body, &[(&ESSENTIAL[..2], body.height)]);
    }
    // The lists take what they want, but never so much that the charts go flat.
    let lists = (needs.lists + 2).clamp(LISTS_HEIGHT_MIN, (body.height / 3).max(LISTS_HEIGHT_MIN));
    let with_lists = body.height >= 2 * LISTS_HEIGHT_MIN + lists + 4;
    let charts = if with_lists { body.height - lists } else { body.height };
    let (upper, lower) = (charts - charts / 2, charts / 2);
    let bottom: &[Panel] = if with_lists { &ALL[4..] } else { &[] };
    if body.width >= THREE_COLUMNS_WIDTH_MIN && with_lists {
        return rows(body, &[(&ALL[..1], upper), (&ALL[1..4], lower), (bottom, lists)]);
    }
    rows(body, &[(&ALL[..2], upper), (&ALL[2..4], lower), (bottom, lists)])
}

fn rows(body: Rect, plan: &[(&[Panel], u16)]) -> Vec<Placed> {
    let mut y = body.y;
    let mut placed = Vec::new();
    for (panels, height) in plan {
        let mut x = body.x;
        for (index, panel) in panels.iter().enumerate() {
            let (rest, left) = (body.right() - x, (panels.len() - index) as u16);
            // File systems have more to say than what stands beside them.
            let width = if *panel == Panel::Files { rest / 5 * 3 } else { rest / left };
            placed.push(Placed { panel: *panel, area: Rect { x, y, width, height: *height }, framed: true });
            x += width;
        }
        y += height;
    }
    placed
}

/// One below the other; the first ones get the rows that division leaves.
fn column(body: Rect, panels: &[Panel]) -> Vec<Placed> {
    let count = (body.height / RULED_MIN).clamp(1, panels.len() as u16);
    let (each, rest) = (body.height / count, body.height % count);
    let mut y = body.y;
    panels
        .iter()
        .zip(0..count)
        .map(|(panel, index)| {
            let height = each + u16::from(index < rest);
            let area = Rect { y, height, ..body };
            y += height;
            Placed { panel: *panel, area, framed: false }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_fill_the_body_without_overlap() {
        for width in 1..230 {
            for height in 1..80 {
                let body = Rect::new(2, 1, width, height);
                for (lists, busiest) in [(0, false), (7, false), (400, false), (7, true)] {
                    let placed = place(body, Needs { lists, busiest });
                    let cells: u32 = placed.iter().map(|placed| placed.area.area()).sum();
                    assert_eq!(cells, body.area(), "{body:?}");
                    assert!(placed.iter().all(|placed| placed.area.intersection(body) == placed.area));
                }
            }
        }
    }

    #[test]
    fn a_small_terminal_shows_the_essentials() {
        let panels = |width, height| -> Vec<Panel> {
            let placed = place(Rect::new(0, 0, width, height), Needs { lists: 5, busiest: false });
            placed.into_iter().map(|placed| placed.panel).collect()
        };
        assert_eq!(panels(80, 20), ESSENTIAL);
        assert_eq!(panels(50, 14), ESSENTIAL);
        assert_eq!(panels(120, 36), ALL);
        assert_eq!(panels(80, 36), ALL);
        let beside = place(Rect::new(0, 0, 80, 18), Needs { lists: 5, busiest: true });
        let last = beside.last().map(|placed| (placed.panel, placed.area.width));
        assert_eq!((beside.len(), last), (5, Some((Panel::Busiest, 30))));
    }
}
