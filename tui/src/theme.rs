//! Roles to styles, and the characters that a terminal can draw. Nothing else names a colour.
//!
//! A theme is one of five that are built in, or a file of the user's (`own`), shown in as many colours as the
//! terminal has (`depth`). A view asks for a [`Role`] and always pairs it with a word or a mark, so that every theme
//! may be `mono`.

mod depth;
mod own;

use ratatui::style::Style;

pub use depth::Depth;
use own::parse_style;
pub use own::{ThemeMistake, Themes};

/// What a piece of text is, for the eye.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Ordinary text.
    #[default]
    Text,
    /// Less important, old, or not to be had.
    Dim,
    /// A title.
    Title,
    /// The head of a table.
    Head,
    /// The column by which a table is sorted.
    Sorted,
    /// The row under the cursor.
    Cursor,
    /// A marked row.
    Marked,
    /// A hit of a search.
    Hit,
    /// All is well.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// A key to press.
    Key,
    /// A border.
    Border,
    /// A strip across the screen that must be seen.
    Banner,
    /// A text field.
    Field,
    /// An acting choice in a dialog.
    Danger,
    /// Names and other things to recognise.
    Accent,
    /// A chart's first line.
    First,
    /// A chart's second line.
    Second,
}

/// How many roles there are.
const ROLES: usize = 19;

impl Role {
    const ALL: [(Self, &'static str); ROLES] = [
        (Self::Text, "text"),
        (Self::Dim, "dim"),
        (Self::Title, "title"),
        (Self::Head, "head"),
        (Self::Sorted, "sorted"),
        (Self::Cursor, "cursor"),
        (Self::Marked, "marked"),
        (Self::Hit, "hit"),
        (Self::Good, "good"),
        (Self::Warn, "warn"),
        (Self::Bad, "bad"),
        (Self::Key, "key"),
        (Self::Border, "border"),
        (Self::Banner, "banner"),
        (Self::Field, "field"),
        (Self::Danger, "danger"),
        (Self::Accent, "accent"),
        (Self::First, "first"),
        (Self::Second, "second"),
    ];

    /// The role for a share of something finite: calm below 70 %, wrong from 90 %.
    pub fn of_share(ratio: f32) -> Self {
        match ratio {
            _ if ratio >= 0.9 => Self::Bad,
            _ if ratio >= 0.7 => Self::Warn,
            _ => Self::Text,
        }
    }
}

/// The characters to draw with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// What stands for cut-off text.
    pub ellipsis: &'static str,
    /// Corners and sides of a box: top left, top right, bottom left, bottom right, across, down.
    pub frame: [&'static str; 6],
    /// Nine heights of a bar, empty to full.
    pub bars: [&'static str; 9],
    /// A full and an empty piece of a gauge.
    pub gauge: [&'static str; 2],
    /// Marks of states: alive, suspect, lost, left, unknown.
    pub states: [&'static str; 5],
    /// A marked row.
    pub mark: &'static str,
    /// Sorted up, sorted down.
    pub sort: [&'static str; 2],
    /// In a tree: folded, unfolded, a child, the last child, a passing line.
    pub tree: [&'static str; 5],
    /// The row under the cursor, in the column before its text.
    pub cursor: &'static str,
    /// Between two pieces of a line.
    pub dot: &'static str,
    /// Received, sent.
    pub flow: [&'static str; 2],
}

const UNICODE: Glyphs = Glyphs {
    ellipsis: "…",
    frame: ["┌", "┐", "└", "┘", "─", "│"],
    bars: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    gauge: ["█", "░"],
    states: ["●", "◐", "✖", "○", "?"],
    mark: "*",
    sort: ["▲", "▼"],
    tree: ["▸", "▾", "├─", "└─", "│ "],
    cursor: "▌",
    dot: "·",
    flow: ["↓", "↑"],
};

const ASCII: Glyphs = Glyphs {
    ellipsis: "~",
    frame: ["+", "+", "+", "+", "-", "|"],
    bars: [" ", "_", ".", ":", "-", "=", "+", "*", "#"],
    gauge: ["#", "."],
    states: ["*", "~", "x", "o", "?"],
    mark: "*",
    sort: ["^", "v"],
    tree: [">", "v", "|-", "`-", "| "],
    cursor: ">",
    dot: "-",
    flow: ["in", "out"],
};

/// Styles by role.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    styles: [Style; ROLES],
    /// The characters to draw with.
    pub glyphs: Glyphs,
}

/// The built-in themes, the default first.
pub const NAMES: [&str; 5] = ["dark", "light", "high-contrast", "mono", "colorblind"];

const MONO: &str = "dim=dim title=bold head=bold sorted=bold,underlined cursor=reversed marked=bold hit=underlined \
    warn=bold bad=bold,underlined key=bold border=dim banner=reversed,bold field=underlined danger=reversed,bold \
    accent=bold";
const DARK: &str = "dim=gray:dim title=white:bold head=cyan:bold sorted=bright-cyan:bold,underlined cursor=white/blue \
    marked=bright-yellow hit=black/yellow good=green warn=yellow bad=bright-red:bold key=bright-cyan border=dark-gray \
    banner=black/yellow field=white/dark-gray danger=white/red:bold accent=bright-cyan first=bright-green \
    second=bright-magenta";
const LIGHT: &str = "dim=dark-gray title=black:bold head=blue:bold sorted=blue:bold,underlined cursor=white/blue \
    marked=magenta:bold hit=black/yellow good=green warn=magenta bad=red:bold key=blue border=dark-gray \
    banner=black/yellow field=black/gray danger=white/red:bold accent=blue first=green second=magenta";
const CONTRAST: &str = "dim=gray title=bright-white:bold head=bright-white:bold sorted=bright-yellow:bold,underlined \
    cursor=black/bright-white:bold marked=bright-yellow:bold hit=black/bright-yellow good=bright-green:bold \
    warn=bright-yellow:bold bad=bright-white/red:bold key=bright-yellow:bold border=bright-white \
    banner=black/bright-yellow:bold field=bright-white/blue danger=bright-white/red:bold accent=bright-cyan:bold \
    first=bright-cyan second=bright-yellow";
const COLORBLIND: &str = "dim=gray:dim title=white:bold head=bright-blue:bold sorted=bright-blue:bold,underlined \
    cursor=white/blue marked=bright-yellow hit=black/yellow good=bright-blue warn=bright-yellow \
    bad=bright-yellow:bold,reversed key=bright-blue border=dark-gray banner=black/yellow field=white/dark-gray \
    danger=black/bright-yellow:bold accent=bright-blue first=bright-blue second=bright-yellow";

impl Theme {
    /// A built-in theme; `None` if there is none of that name.
    pub fn named(name: &str) -> Option<Self> {
        let table = match name {
            "dark" => DARK,
            "light" => LIGHT,
            "high-contrast" => CONTRAST,
            "mono" => MONO,
            "colorblind" => COLORBLIND,
            _ => return None,
        };
        let mut theme = Self::empty(name);
        for entry in table.split_whitespace() {
            let (role, words) = entry.split_once('=')?;
            theme.set(role, words).ok()?;
        }
        Some(theme)
    }

    fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), styles: [Style::new(); ROLES], glyphs: UNICODE }
    }

    fn set(&mut self, role: &str, words: &str) -> Result<(), String> {
        let role = Role::ALL
            .iter()
            .find(|(_, name)| *name == role)
            .map(|(role, _)| *role)
            .ok_or_else(|| format!("there is no role {role}"))?;
        self.styles[role as usize] = parse_style(words)?;
        Ok(())
    }

    /// The same theme drawn with ASCII characters only.
    #[must_use]
    pub fn ascii(self) -> Self {
        Self { glyphs: ASCII, ..self }
    }

    /// Whether it has no colours, so that none may be shown.
    pub fn is_colourless(&self) -> bool {
        self.name == "mono"
    }

    /// The same theme without colours, as NO_COLOR asks.
    #[must_use]
    pub fn without_colour(self) -> Self {
        let mono = Self::named("mono").unwrap_or_else(|| Self::empty("mono"));
        Self { glyphs: self.glyphs, ..mono }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self::named(NAMES[0]).unwrap_or_else(|| Self::empty(NAMES[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_is_read_whole() {
        for name in NAMES {
            let theme = Theme::named(name).unwrap();
            assert_ne!(theme.style(Role::Cursor), Style::new(), "{name}");
            assert_ne!(theme.style(Role::Danger), theme.style(Role::Text), "{name}");
        }
        assert!(Theme::named("neon").is_none());
    }

    #[test]
    fn without_colour_there_is_no_colour() {
        let theme = Theme::default().without_colour();
        for (role, _) in Role::ALL {
            let style = theme.style(role);
            assert!(style.fg.is_none() && style.bg.is_none(), "{role:?}");
        }
    }
}
