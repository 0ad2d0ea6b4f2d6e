//! How many colours a terminal has, and a theme in as many. Pure: the environment is told, not asked.

use ratatui::style::{Color, Style};

use super::Theme;

/// How many colours there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: weights and lines alone.
    None,
    /// The sixteen that every terminal names.
    Sixteen,
    /// 256 by number.
    Indexed,
    /// All of them.
    #[default]
    True,
}

/// Levels of the colour cube.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];
/// The sixteen as most terminals show them.
const SIXTEEN: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];

impl Depth {
    /// What `TERM`, `COLORTERM` and `NO_COLOR` say.
    pub fn told(term: &str, colorterm: &str, no_color: &str) -> Self {
        // https://no-color.org: any value but an empty one.
        if !no_color.is_empty() || matches!(term, "dumb" | "vt100" | "vt220") {
            return Self::None;
        }
        if matches!(colorterm, "truecolor" | "24bit") || term.ends_with("-direct") {
            Self::True
        } else if term.contains("256color") || matches!(term, "xterm-kitty" | "alacritty" | "foot") {
            Self::Indexed
        } else {
            Self::Sixteen
        }
    }

    /// The nearest colour that there is.
    fn nearest(self, colour: Color) -> Color {
        match (self, colour) {
            (Self::Indexed, Color::Rgb(red, green, blue)) => Color::Indexed(indexed([red, green, blue])),
            (Self::Sixteen, Color::Rgb(red, green, blue)) => sixteen([red, green, blue]),
            (Self::Sixteen, Color::Indexed(number)) => sixteen(rgb(number)),
            (_, other) => other,
        }
    }
}

impl Theme {
    /// The same theme in as many colours as there are.
    #[must_use]
    pub fn at_depth(self, depth: Depth) -> Self {
        if depth == Depth::None {
            return self.without_colour();
        }
        let near = |style: Style| Style {
            fg: style.fg.map(|colour| depth.nearest(colour)),
            bg: style.bg.map(|colour| depth.nearest(colour)),
            ..style
        };
        Self { styles: self.styles.map(near), ..self }
    }
}

fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    let parts = one.into_iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(other)).pow(2));
    parts.sum()
}

/// The nearest of the cube and of the greys.
fn indexed(wanted: [u8; 3]) -> u8 {
    (16..=255).min_by_key(|number| distance(wanted, rgb(*number))).unwrap_or(16)
}

fn sixteen(wanted: [u8; 3]) -> Color {
    SIXTEEN
        .into_iter()
        .min_by_key(|(_, own)| distance(wanted, *own))
        .map_or(Color::Gray, |(colour, _)| colour)
}

/// What a numbered colour is.
fn rgb(number: u8) -> [u8; 3] {
    match number {
        0..=15 => SIXTEEN[usize::from(number)].1,
        16..=231 => {
            let number = usize::from(number - 16);
            [CUBE[number / 36], CUBE[number / 6 % 6], CUBE[number % 6]]
        }
        grey => [8 + 10 * (grey - 232); 3],
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NAMES, Role};
    use super::*;

    #[test]
    fn the_environment_says_how_many_colours_there_are() {
        assert_eq!(Depth::told("xterm-256color", "truecolor", ""), Depth::True);
        assert_eq!(Depth::told("tmux-256color", "", ""), Depth::Indexed);
        assert_eq!(Depth::told("linux", "", ""), Depth::Sixteen);
        assert_eq!(Depth::told("", "", ""), Depth::Sixteen);
        assert_eq!(Depth::told("dumb", "truecolor", ""), Depth::None);
        assert_eq!(Depth::told("xterm-256color", "truecolor", "1"), Depth::None);
    }

    #[test]
    fn colours_become_the_nearest_that_there_are() {
        assert_eq!(Depth::Indexed.nearest(Color::Rgb(255, 0, 0)), Color::Indexed(196));
        assert_eq!(Depth::Indexed.nearest(Color::Rgb(8, 8, 8)), Color::Indexed(232));
        assert_eq!(Depth::Sixteen.nearest(Color::Rgb(250, 10, 10)), Color::LightRed);
        assert_eq!(Depth::Sixteen.nearest(Color::Indexed(21)), Color::Blue);
        assert_eq!(Depth::True.nearest(Color::Rgb(1, 2, 3)), Color::Rgb(1, 2, 3));
        for number in 16..=255 {
            assert_eq!(distance(rgb(number), rgb(indexed(rgb(number)))), 0, "{number}");
        }
    }

    #[test]
    fn a_built_in_theme_is_the_same_in_sixteen_and_colourless_in_none() {
        for name in NAMES {
            let theme = Theme::named(name).unwrap();
            assert_eq!(theme.clone().at_depth(Depth::Sixteen), theme, "{name}");
            assert!(theme.at_depth(Depth::None).style(Role::Bad).fg.is_none());
        }
    }
}
