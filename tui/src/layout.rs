//! Where everything stands: pure geometry, used by update and by drawing alike.

use ratatui::layout::Rect;

/// Below this the console says so and draws nothing else.
pub const WIDTH_MIN: u16 = 40;
/// The same for rows.
pub const HEIGHT_MIN: u16 = 10;

/// The parts of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    /// Mesh, counts, clock.
    pub header: Rect,
    /// The tabs; no rows if there is but one.
    pub bar: Rect,
    /// The views, and the title of the present one.
    pub tabs: Rect,
    /// What must be seen: read-only, frozen, cut off; no rows if there is nothing.
    pub banner: Rect,
    /// The view.
    pub body: Rect,
    /// The filter; no rows if there is none.
    pub filter: Rect,
    /// Keys, or the last message.
    pub footer: Rect,
}

/// Which of the parts that come and go are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Lines of banner.
    pub banners: u16,
    /// The filter line.
    pub filter: bool,
    /// The bar of tabs.
    pub tabs: bool,
}

/// Whether a screen of this size can hold the console.
pub const fn fits(screen: Rect) -> bool {
    screen.width >= WIDTH_MIN && screen.height >= HEIGHT_MIN
}

/// Divides the screen.
pub fn areas(screen: Rect, extras: Extras) -> Areas {
    let mut y = screen.y;
    let bottom = screen.bottom();
    let mut take = |rows: u16| {
        let height = rows.min(bottom.saturating_sub(y));
        let area = Rect { y, height, ..screen };
        y += height;
        area
    };
    let header = take(1);
    let bar = take(u16::from(extras.tabs));
    let tabs = take(1);
    let banner = take(extras.banners.min(3));
    let filter_rows = u16::from(extras.filter);
    let body_rows = screen
        .height
        .saturating_sub(header.height + bar.height + tabs.height + banner.height + filter_rows + 1);
    let body = take(body_rows);
    let filter = take(filter_rows);
    let footer = take(1);
    Areas { header, bar, tabs, banner, body, filter, footer }
}

/// A box of at most this size in the middle of an area.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(area.width);
    let height = height.min(area.height);
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fill_the_screen_without_overlap() {
        for height in HEIGHT_MIN..80 {
            for extras in [Extras::default(), Extras { banners: 2, filter: true, tabs: true }] {
                let screen = Rect::new(0, 0, 80, height);
                let Areas { header, bar, tabs, banner, body, filter, footer } = areas(screen, extras);
                let parts = [header, bar, tabs, banner, body, filter, footer];
                assert_eq!(parts.iter().map(|part| part.height).sum::<u16>(), height);
                for pair in parts.windows(2) {
                    assert_eq!(pair[0].bottom(), pair[1].y);
                }
                assert!(body.height >= 3);
            }
        }
    }

    #[test]
    fn a_box_never_leaves_its_area() {
        let area = Rect::new(3, 4, 10, 5);
        assert_eq!(centred(area, 100, 100), area);
        assert_eq!(centred(area, 4, 3), Rect::new(6, 5, 4, 3));
    }
}
