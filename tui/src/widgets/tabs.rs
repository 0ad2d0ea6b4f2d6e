//! The line of sub-tabs: their names with how much is in each, the open one in brackets. Pure.

use ratatui::layout::Rect;

use super::paint::Painter;
use crate::format::{count, width};
use crate::theme::Role;

/// One sub-tab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubTab {
    /// What it is called.
    pub name: &'static str,
    /// How much of it is shown, and how much there is; `None` while that is not known.
    pub counts: Option<(usize, usize)>,
    /// Whether it is the one that is shown.
    pub open: bool,
}

impl SubTab {
    fn text(&self) -> String {
        let number = match self.counts {
            None => String::new(),
            Some((shown, total)) if shown == total => format!(" {}", count(total)),
            Some((shown, total)) => format!(" {}/{}", count(shown), count(total)),
        };
        let [open, close] = if self.open { ["[", "]"] } else { [" ", " "] };
        format!("{open}{}{number}{close}", self.name)
    }
}

/// Draws them from the left; what is left of the line.
pub fn draw(tabs: &[SubTab], line: Rect, painter: &mut Painter<'_>) -> Rect {
    let mut x = line.x;
    for tab in tabs {
        let role = if tab.open { Role::Title } else { Role::Dim };
        let left = line.right().saturating_sub(x);
        x += painter.text((x, line.y), left, &tab.text(), role) + 1;
    }
    let x = (x + 1).min(line.right());
    Rect { x, width: line.right() - x, ..line }
}

/// Which of them stands in a column.
pub fn at(tabs: &[SubTab], column: u16) -> Option<usize> {
    let mut left = 0;
    tabs.iter().position(|tab| {
        let right = left + width(&tab.text()) as u16;
        let hit = (left..right).contains(&column);
        left = right + 1;
        hit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_hits_the_name_below_it() {
        let tab = |name, counts, open| SubTab { name, counts, open };
        let tabs = [
            tab("Grid", Some((3, 1_200)), true),
            tab("Peers", Some((4, 4)), false),
            tab("Past", None, false),
        ];
        let texts: Vec<String> = tabs.iter().map(SubTab::text).collect();
        assert_eq!(texts, ["[Grid 3/1,200]", " Peers 4 ", " Past "]);
        assert_eq!(
            [0, 13, 14, 15, 23, 25, 30, 31].map(|column| at(&tabs, column)),
            [Some(0), Some(0), None, Some(1), Some(1), Some(2), Some(2), None]
        );
    }
}
