//! Keys to actions, from `keys.toml` and a file of the user's over it.
//!
//! Text enters, a map leaves, with every mistake in it named; a broken file never keeps the console from
//! starting. With a Cyrillic layout active the letters of ЙЦУКЕН act as the keys that they sit on.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::event::{Code, Key};

const DEFAULT: &str = include_str!("keys.toml");

/// A mistake in a file of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keys.toml, line {line}: {what}")]
pub struct KeyMistake {
    /// The line, from 1; 0 if there is none.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// What a key means after those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Do this.
    Act(Action),
    /// A sequence has begun.
    Wait,
    /// Nothing.
    Nothing,
}

/// Sequences of one or two keys.
#[derive(Clone, Debug)]
pub struct Keymap {
    keys: BTreeMap<Vec<Key>, Action>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::standard()
    }
}

impl Keymap {
    /// The keys that ship.
    pub fn standard() -> Self {
        Self::with("").0
    }

    /// The keys that ship, with those of `user` in their place. Every mistake is answered; the lines that hold
    /// one are as if they were not there.
    pub fn with(user: &str) -> (Self, Vec<KeyMistake>) {
        let mut map = Self { keys: BTreeMap::new() };
        let mut mistakes = map.read(DEFAULT);
        mistakes.extend(map.read(user));
        (map, mistakes)
    }

    fn read(&mut self, text: &str) -> Vec<KeyMistake> {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let error: toml::de::Error = error;
                let line = error.span().map_or(0, |span| line_of(text, span.start));
                return vec![KeyMistake { line, what: error.message().to_owned() }];
            }
        };
        let mut mistakes = Vec::new();
        for (name, value) in &table {
            if let Err(what) = self.bind(name, value) {
                let starts = |line: &str| line.split(['=', ' ']).next() == Some(name);
                let line = text.lines().position(starts).map_or(0, |at| at + 1);
                mistakes.push(KeyMistake { line, what });
            }
        }
        mistakes
    }

    fn bind(&mut self, name: &str, value: &toml::Value) -> Result<(), String> {
        let action = Action::named(name).ok_or_else(|| format!("there is no action {name:?}"))?;
        let texts: Vec<&str> = match value {
            toml::Value::String(text) => vec![text],
            toml::Value::Array(values) => {
                let texts: Option<Vec<&str>> = values.iter().map(toml::Value::as_str).collect();
                texts.ok_or_else(|| format!("{name}: every key is a text in quotes"))?
            }
            _ => return Err(format!("{name}: a key in quotes, or a list of them")),
        };
        let sequences: Result<Vec<Vec<Key>>, String> = texts.into_iter().map(sequence).collect();
        let sequences = sequences.map_err(|what| format!("{name}: {what}"))?;
        self.keys.retain(|_, bound| *bound != action);
        for keys in sequences {
            self.keys.insert(keys, action);
        }
        Ok(())
    }

    /// What `key` means after the ones pressed before it.
    pub fn meaning(&self, before: &[Key], key: Key) -> Meaning {
        let keys: Vec<Key> = before.iter().copied().chain([latin(key)]).collect();
        if let Some(action) = self.keys.get(&keys) {
            return Meaning::Act(*action);
        }
        let longer = |bound: &Vec<Key>| bound.len() > keys.len() && bound.starts_with(&keys);
        if self.keys.keys().any(longer) { Meaning::Wait } else { Meaning::Nothing }
    }

    /// The keys of an action, as the help writes them.
    pub fn keys_of(&self, action: Action) -> String {
        let of_it = self.keys.iter().filter(|(_, bound)| **bound == action);
        let mut texts: Vec<String> =
            of_it.map(|(keys, _)| keys.iter().map(|key| name(*key)).collect::<Vec<_>>().join("")).collect();
        texts.sort_by_key(|text| (text.chars().count(), text.clone()));
        texts.join(" ")
    }

    /// The shortest of them.
    pub fn key_of(&self, action: Action) -> String {
        self.keys_of(action).split(' ').next().unwrap_or_default().to_owned()
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..text.floor_char_boundary(offset)].lines().count().max(1)
}

fn sequence(text: &str) -> Result<Vec<Key>, String> {
    let keys: Result<Vec<Key>, String> = text.split(' ').filter(|word| !word.is_empty()).map(key).collect();
    match keys?.as_slice() {
        keys @ ([_] | [_, _]) => Ok(keys.to_vec()),
        _ => Err(format!("{text:?} is not one key or two")),
    }
}

fn key(text: &str) -> Result<Key, String> {
    let (ctrl, rest) = text.strip_prefix("ctrl-").map_or((false, text), |rest| (true, rest));
    let (alt, rest) = rest.strip_prefix("alt-").map_or((false, rest), |rest| (true, rest));
    let mut letters = rest.chars();
    let code = match (letters.next(), letters.next()) {
        (Some(letter), None) => Code::Char(letter),
        _ => NAMES
            .iter()
            .find(|(name, _)| *name == rest)
            .map(|(_, code)| *code)
            .or_else(|| rest.strip_prefix('f').and_then(|number| number.parse().ok()).map(Code::F))
            .ok_or_else(|| format!("{text:?} is no key"))?,
    };
    Ok(Key { code, ctrl, alt })
}

const NAMES: [(&str, Code); 15] = [
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("space", Code::Char(' ')),
    ("tab", Code::Tab),
    ("backtab", Code::BackTab),
    ("backspace", Code::Backspace),
    ("delete", Code::Delete),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("pgup", Code::PageUp),
    ("pgdn", Code::PageDown),
];

/// As the help and the last line write a key: `^d`, `Enter`, `g`.
fn name(key: Key) -> String {
    let plain = match key.code {
        Code::Char(' ') => "Space".to_owned(),
        Code::Char(letter) => letter.to_string(),
        Code::F(number) => format!("F{number}"),
        code => {
            let name = NAMES.iter().find(|(_, named)| *named == code).map_or("?", |(name, _)| name);
            let mut letters = name.chars();
            match code {
                Code::PageUp => "PgUp".to_owned(),
                Code::PageDown => "PgDn".to_owned(),
                Code::BackTab => "Shift-Tab".to_owned(),
                _ => letters
                    .next()
                    .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect()),
            }
        }
    };
    format!("{}{}{plain}", if key.ctrl { "^" } else { "" }, if key.alt { "alt-" } else { "" })
}

const CYRILLIC: &str = "йцукенгшщзхъфывапролджэячсмитьбюЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ";
const LATIN: &str = "qwertyuiop[]asdfghjkl;'zxcvbnm,.QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>";

/// The key that a letter of ЙЦУКЕН sits on. Terminals cannot tell ^] from ^5.
fn latin(key: Key) -> Key {
    let Code::Char(letter) = key.code else { return key };
    if key.ctrl && letter == '5' {
        return Key { code: Code::Char(']'), ..key };
    }
    let found = CYRILLIC.chars().position(|cyrillic| cyrillic == letter);
    let code = found.and_then(|at| LATIN.chars().nth(at)).map_or(key.code, Code::Char);
    Key { code, ..key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::TABLE;

    fn plain(letter: char) -> Key {
        Key::plain(Code::Char(letter))
    }

    #[test]
    fn the_keys_that_ship_are_without_mistake() {
        let (map, mistakes) = Keymap::with("");
        assert_eq!(mistakes, []);
        let unbound: Vec<&str> =
            TABLE.iter().filter(|spec| map.keys_of(spec.action).is_empty()).map(|spec| spec.name).collect();
        assert_eq!(unbound, ["shell", "audit", "mouse", "quit"], "by the : line alone");
    }

    #[test]
    fn two_keys_make_a_sequence() {
        let map = Keymap::standard();
        assert_eq!(map.meaning(&[], plain('g')), Meaning::Wait);
        assert_eq!(map.meaning(&[plain('g')], plain('g')), Meaning::Act(Action::Top));
        assert_eq!(map.meaning(&[plain('g')], plain('x')), Meaning::Nothing);
        assert_eq!(map.meaning(&[], Key::ctrl('k')), Meaning::Act(Action::Kill));
    }

    #[test]
    fn the_letters_of_another_layout_act_as_their_keys() {
        let map = Keymap::standard();
        assert_eq!(map.meaning(&[], plain('о')), Meaning::Act(Action::Down));
        assert_eq!(map.meaning(&[], plain('С')), Meaning::Act(Action::Sort(crate::action::SortKey::Cpu)));
        assert_eq!(CYRILLIC.chars().count(), LATIN.chars().count());
    }

    #[test]
    fn a_users_file_replaces_lines_and_its_mistakes_are_all_named() {
        let (map, mistakes) = Keymap::with("down = \"z\"\nfly = \"x\"\nup = [\"ctrl-alt-warp\"]\n");
        assert_eq!(map.meaning(&[], plain('z')), Meaning::Act(Action::Down));
        assert_eq!(map.meaning(&[], plain('j')), Meaning::Nothing);
        assert_eq!(map.meaning(&[], plain('k')), Meaning::Act(Action::Up), "a broken line changes nothing");
        assert_eq!(mistakes.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [2, 3]);
        let (_, broken) = Keymap::with("down = [");
        assert_eq!(broken.len(), 1);
    }

    #[test]
    fn the_help_writes_keys_as_people_do() {
        let map = Keymap::standard();
        assert_eq!(map.keys_of(Action::Kill), "^k");
        assert_eq!(map.key_of(Action::Mark), "Space");
        assert_eq!(map.keys_of(Action::Down), "j Down");
    }
}
