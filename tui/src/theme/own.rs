//! Themes of the user: files of lines `role = "bright-red on black bold"` over a built-in theme.
//!
//! Text enters, a theme leaves, with every mistake in it named; a line that holds one is as if it were not there.

use ratatui::style::{Color, Modifier, Style};

use super::{Depth, NAMES, Theme};

/// What the theme is that a theme of the user's begins with.
const INHERITS: &str = "inherits";

/// A mistake in a theme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("themes/{theme}.toml, line {line}: {what}")]
pub struct ThemeMistake {
    /// Which theme.
    pub theme: String,
    /// The line, from 1; 0 if there is none.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Every theme that can be chosen, and what the terminal can show of one.
#[derive(Clone, Debug, Default)]
pub struct Themes {
    /// The user's, each with its mistakes.
    pub own: Vec<(Theme, Vec<ThemeMistake>)>,
    /// How many colours there are.
    pub depth: Depth,
    /// Only ASCII characters.
    pub ascii: bool,
}

impl Themes {
    /// Their names, the built-in ones first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let built_in = NAMES.into_iter().filter(|name| !self.own.iter().any(|(own, _)| own.name() == *name));
        built_in.chain(self.own.iter().map(|(theme, _)| theme.name()))
    }

    /// One as it is to be shown, and what is wrong in its file. The user's comes before a built-in one of its name.
    pub fn named(&self, name: &str) -> Option<(Theme, &[ThemeMistake])> {
        let own = self.own.iter().find(|(theme, _)| theme.name() == name);
        let (theme, mistakes) = match own {
            Some((theme, mistakes)) => (theme.clone(), mistakes.as_slice()),
            None => (Theme::named(name)?, &[][..]),
        };
        let theme = theme.at_depth(self.depth);
        Some((if self.ascii { theme.ascii() } else { theme }, mistakes))
    }
}

impl Theme {
    /// A theme of the user's, as TOML, and every mistake in it. `inherits` names the built-in one that it begins with,
    /// the dark one unless told.
    pub fn parse(name: &str, text: &str) -> (Self, Vec<ThemeMistake>) {
        let mut mistakes = Vec::new();
        let mut note =
            |line, what: String| mistakes.push(ThemeMistake { theme: name.to_owned(), line, what });
        let table: toml::Table = toml::from_str(text).unwrap_or_else(|error: toml::de::Error| {
            let at = error.span().map_or(0, |span| text.floor_char_boundary(span.start));
            note(text[..at].lines().count().max(1), error.message().replace('\n', " "));
            toml::Table::new()
        });
        let line_of = |role: &str| {
            let starts = |line: &str| line.trim_start().split(['=', ' ']).next() == Some(role);
            text.lines().position(starts).map_or(0, |at| at + 1)
        };
        let mut theme = Self::default();
        if let Some(base) = table.get(INHERITS) {
            match base.as_str().and_then(Self::named) {
                Some(base) => theme = base,
                None => note(line_of(INHERITS), format!("it inherits one of {}", NAMES.join(", "))),
            }
        }
        theme.name = name.to_owned();
        for (role, value) in table.iter().filter(|(role, _)| *role != INHERITS) {
            let set = match value.as_str() {
                Some(words) => theme.set(role, &words.replace(" on ", "/").replace(' ', ":")),
                None => Err(format!("{role} wants a text such as \"bright-red on black bold\"")),
            };
            if let Err(what) = set {
                note(line_of(role), what);
            }
        }
        mistakes.sort_by_key(|mistake| mistake.line);
        (theme, mistakes)
    }
}

/// Reads `colour/background:modifier,modifier`; each part may be missing.
pub(super) fn parse_style(words: &str) -> Result<Style, String> {
    let mut style = Style::new();
    for word in words.split([':', ',']).filter(|word| !word.is_empty()) {
        if let Some(modifier) = parse_modifier(word) {
            style = style.add_modifier(modifier);
            continue;
        }
        let (front, back) = word.split_once('/').unwrap_or((word, ""));
        if !front.is_empty() {
            style = style.fg(parse_colour(front)?);
        }
        if !back.is_empty() {
            style = style.bg(parse_colour(back)?);
        }
    }
    Ok(style)
}

fn parse_modifier(word: &str) -> Option<Modifier> {
    match word {
        "bold" => Some(Modifier::BOLD),
        "dim" => Some(Modifier::DIM),
        "italic" => Some(Modifier::ITALIC),
        "underlined" => Some(Modifier::UNDERLINED),
        "reversed" => Some(Modifier::REVERSED),
        _ => None,
    }
}

fn parse_colour(word: &str) -> Result<Color, String> {
    Ok(match word {
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "gray" => Color::Gray,
        "dark-gray" | "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "white" | "bright-white" => Color::White,
        "default" => Color::Reset,
        hex if hex.starts_with('#') => {
            let is_whole = hex.len() == 7 && hex[1..].bytes().all(|byte| byte.is_ascii_hexdigit());
            let colour = hex.parse().ok().filter(|_| is_whole);
            colour.ok_or_else(|| format!("{hex} is no colour: it wants #rrggbb"))?
        }
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            Color::Indexed(number.parse().map_err(|_| format!("{number} is no colour: it wants 0 to 255"))?)
        }
        other => {
            let wanted = "a colour (a name, #rrggbb or 0 to 255) nor bold, dim, italic, underlined, reversed";
            return Err(format!("{other} is neither {wanted}"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;

    #[test]
    fn a_theme_of_the_users_begins_with_a_built_in_one() {
        let text = "inherits = \"light\"\nbad = \"#ff0000 on 17 bold\"\ngood = \"green\"\n";
        let (theme, mistakes) = Theme::parse("mine", text);
        assert_eq!(mistakes, []);
        let bad = theme.style(Role::Bad);
        assert_eq!((bad.fg, bad.bg), (Some(Color::Rgb(255, 0, 0)), Some(Color::Indexed(17))));
        let light = Theme::named("light").unwrap();
        assert_eq!((theme.style(Role::Cursor), theme.name()), (light.style(Role::Cursor), "mine"));
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_the_rest_is_used() {
        let text = "inherits = \"neon\"\nbad = \"pinkish\"\n nope = \"red\"\nwarn = 3\nkey = \"#12\"\n\
                    dim = \"256\"\ngood = \"blue\"\n";
        let (theme, mistakes) = Theme::parse("mine", text);
        let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6], "{mistakes:?}");
        assert_eq!(theme.style(Role::Good).fg, Some(Color::Blue));
        assert_eq!(theme.style(Role::Bad), Theme::default().style(Role::Bad));
        let (theme, mistakes) = Theme::parse("mine", "bad = \n");
        assert_eq!((mistakes.len(), theme.style(Role::Bad)), (1, Theme::default().style(Role::Bad)));
        assert!(mistakes[0].to_string().starts_with("themes/mine.toml, line 1: "), "{}", mistakes[0]);
    }

    #[test]
    fn a_theme_is_found_by_its_name_in_what_the_terminal_shows() {
        let own = Theme::parse("mine", "bad = \"#ff0000\"");
        let themes = Themes { own: vec![own], depth: Depth::Indexed, ascii: true };
        assert_eq!(themes.names().last(), Some("mine"));
        let (theme, _) = themes.named("mine").unwrap();
        assert_eq!((theme.style(Role::Bad).fg, theme.glyphs.mark), (Some(Color::Indexed(196)), "*"));
        assert!(themes.named("neon").is_none());
    }
}
