//! Where the columns of a table stand in so many columns of the screen. Pure.

use super::Column;

/// Where each shown column stands: its place in the list, its left edge, its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Place in the list of columns.
    pub column: usize,
    /// Left edge, from the left of the table.
    pub x: u16,
    /// Columns of the screen.
    pub width: u16,
}

/// Columns of the screen before the first column: cursor mark and mark.
pub const GUTTER: u16 = 2;
/// Those between two columns.
pub(super) const GAP: u16 = 1;

/// Fits the columns into `total`, the lowest rank first. What is left widens those that may grow, by
/// half of it where a flexible one waits for the rest.
pub fn slots(columns: &[Column], total: u16) -> Vec<Slot> {
    let shown = shown(columns, total);
    let mut widths: Vec<u16> = shown.iter().map(|&index| columns[index].width).collect();
    let used = widths.iter().sum::<u16>() + GAP * widths.len() as u16;
    let mut spare = (total + GAP).saturating_sub(GUTTER + used);
    let flexible: Vec<usize> = (0..shown.len()).filter(|&at| columns[shown[at]].flexible).collect();
    let kept = if flexible.is_empty() { 0 } else { spare / 2 };
    while spare > kept {
        let may_grow = (0..shown.len()).filter(|&at| widths[at] < columns[shown[at]].most);
        // The one that is furthest from its most, so that all of them get there together.
        let Some(at) = may_grow.max_by_key(|&at| columns[shown[at]].most - widths[at]) else { break };
        widths[at] += 1;
        spare -= 1;
    }
    for (nth, &at) in flexible.iter().enumerate() {
        let share = spare / (flexible.len() - nth) as u16;
        widths[at] += share;
        spare -= share;
    }
    let mut x = GUTTER;
    let placed = shown.into_iter().zip(widths).map(|(column, width)| {
        let slot = Slot { column, x, width: width.min(total.saturating_sub(x)) };
        x += width + GAP;
        slot
    });
    placed.filter(|slot| slot.width > 0).collect()
}

/// The columns for which there is room, by their place in the list: rank after rank, each whole or not at all.
fn shown(columns: &[Column], total: u16) -> Vec<usize> {
    let mut ranks: Vec<u8> = columns.iter().map(|column| column.rank).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let needed = |of: &dyn Fn(&Column) -> bool| -> u16 {
        columns.iter().filter(|column| of(column)).map(|column| column.width + GAP).sum()
    };
    let mut taken: Vec<u8> = Vec::new();
    for rank in ranks {
        let with_it = GUTTER + needed(&|column| column.rank == rank || taken.contains(&column.rank));
        if rank == 0 || with_it <= total + GAP {
            taken.push(rank);
        }
    }
    (0..columns.len()).filter(|&index| taken.contains(&columns[index].rank)).collect()
}
