//! A text field of one line, with readline's keys. Pure.

use unicode_segmentation::UnicodeSegmentation;

use crate::event::{Code, Key};
use crate::format::{head, width};

/// Longest text, in bytes; what is pasted beyond is cut.
pub const FIELD_BYTES_MAX: usize = 4_096;

/// A line that is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    text: String,
    /// Byte offset, always between graphemes.
    cursor: usize,
}

impl Field {
    /// A field that holds `text`, with the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.len(), text }
    }

    /// What is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part that is seen in `columns`, with the cursor in it, and the column of the cursor there.
    pub fn window(&self, columns: usize) -> (&str, usize) {
        let start = self.start(columns);
        (head(&self.text[start..], columns), width(&self.text[start..self.cursor]))
    }

    /// Where the part begins that is seen in `columns`.
    fn start(&self, columns: usize) -> usize {
        let mut start = 0;
        // The cursor may stand behind the last letter.
        while width(&self.text[start..self.cursor]) >= columns.max(1) {
            let Some(first) = self.text[start..].graphemes(true).next() else { break };
            start += first.len();
        }
        start
    }

    /// Puts the cursor at a column of the part that is seen in `columns`; behind the last letter if there is none.
    pub fn point(&mut self, columns: usize, column: usize) {
        let start = self.start(columns);
        self.cursor = start + head(&self.text[start..], column).len();
    }

    /// Takes a key; false if it means nothing here.
    pub fn on_key(&mut self, key: Key) -> bool {
        match key {
            Key { code: Code::Char(letter), ctrl: false, alt: false } => self.insert(&letter.to_string()),
            Key { code: Code::Char('a'), ctrl: true, .. } | Key { code: Code::Home, .. } => self.cursor = 0,
            Key { code: Code::Char('e'), ctrl: true, .. } | Key { code: Code::End, .. } => {
                self.cursor = self.text.len();
            }
            Key { code: Code::Char('k'), ctrl: true, .. } => self.text.truncate(self.cursor),
            Key { code: Code::Char('u'), ctrl: true, .. } => self.cut(0),
            Key { code: Code::Char('w'), ctrl: true, .. } => self.cut(self.word_start()),
            Key { code: Code::Backspace, .. } => self.cut(self.before()),
            Key { code: Code::Delete, .. } => {
                let end = self.after();
                self.text.replace_range(self.cursor..end, "");
            }
            Key { code: Code::Left, .. } => self.cursor = self.before(),
            Key { code: Code::Right, .. } => self.cursor = self.after(),
            _ => return false,
        }
        true
    }

    /// Takes a paste: control characters become blanks, and nothing is ever run by it.
    pub fn paste(&mut self, text: &str) {
        let clean: String = text
            .chars()
            .take(FIELD_BYTES_MAX)
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        self.insert(&clean);
    }

    fn insert(&mut self, text: &str) {
        let room = FIELD_BYTES_MAX.saturating_sub(self.text.len());
        let text = &text[..text.floor_char_boundary(room)];
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    fn cut(&mut self, from: usize) {
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn word_start(&self) -> usize {
        let head = self.text[..self.cursor].trim_end();
        head.rfind(char::is_whitespace).map_or(0, |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str, keys: &[Key]) -> (String, usize) {
        let mut field = Field::new(text);
        for key in keys {
            assert!(field.on_key(*key));
        }
        (field.text, field.cursor)
    }

    #[test]
    fn readlines_keys_mean_what_they_mean() {
        assert_eq!(typed("one two", &[Key::ctrl('w')]), ("one ".into(), 4));
        assert_eq!(typed("one two", &[Key::ctrl('u')]), (String::new(), 0));
        assert_eq!(typed("one", &[Key::ctrl('a'), Key::ctrl('k')]), (String::new(), 0));
        assert_eq!(typed("ab", &[Key::plain(Code::Left), Key::plain(Code::Backspace)]), ("b".into(), 0));
        assert_eq!(typed("ab", &[Key::ctrl('a'), Key::ctrl('e')]), ("ab".into(), 2));
    }

    #[test]
    fn the_cursor_is_always_seen() {
        let mut field = Field::new("0123456789");
        assert_eq!(field.window(20), ("0123456789", 10));
        assert_eq!(field.window(5), ("6789", 4));
        field.on_key(Key::ctrl('a'));
        assert_eq!(field.window(5), ("01234", 0));
        assert_eq!(Field::new("日本語").window(4), ("語", 2));
        assert_eq!(field.window(0), ("", 0));
    }

    #[test]
    fn a_click_puts_the_cursor_before_the_letter_under_it() {
        let mut field = Field::new("0123456789");
        field.point(5, 1);
        assert_eq!(field.cursor, 7, "of the part that is seen");
        field.point(20, 99);
        assert_eq!(field.cursor, 10);
        let mut field = Field::new("日本語");
        field.point(20, 3);
        assert_eq!(field.cursor, "日".len(), "not within a letter");
    }

    #[test]
    fn a_grapheme_goes_as_a_whole() {
        assert_eq!(typed("a👨‍👩‍👧", &[Key::plain(Code::Backspace)]), ("a".into(), 1));
    }

    #[test]
    fn a_paste_is_cut_and_never_runs() {
        let mut field = Field::default();
        field.paste(&"rm -rf /\n".repeat(10_000));
        assert!(field.text().len() <= FIELD_BYTES_MAX);
        assert!(!field.text().contains('\n'));
    }
}
