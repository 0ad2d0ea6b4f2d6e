//! The keyboard: read on a thread of its own, and sequences mended that a slow line tore after their Esc.
//!
//! crossterm takes an Esc at the end of what arrived for the key. Here it is one only if nothing that continues a
//! sequence follows within 25 ms: else the rest of a torn arrow key would act as letters.

use std::io;
use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, poll, read};
use tokio::sync::mpsc;

use super::rest::Orders;

/// Nobody types the second key of a sequence that fast.
const ESCAPE: Duration = Duration::from_millis(25);
/// The longest sequence that is mended; a longer one is no sequence.
const SEQUENCE_MAX: usize = 24;
/// The longest answer of a terminal that is dropped.
const ANSWER_MAX: usize = 64;

/// Reads until the console is gone. It has a thread of its own because a terminal that was closed keeps crossterm
/// reading for ever: that must not hold up the signal which ends the console. The thread ends with the program.
pub fn run(inputs: &mpsc::Sender<io::Result<Input>>, orders: &Orders) {
    read_all(inputs, orders, next);
}

/// Reads by `next`, and rests when it is told to.
pub(super) fn read_all(
    inputs: &mpsc::Sender<io::Result<Input>>,
    orders: &Orders,
    mut next: impl FnMut() -> io::Result<Vec<Input>>,
) {
    loop {
        orders.obey();
        let (mended, failed) = match next() {
            Ok(mended) => (mended, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        for input in mended {
            if inputs.blocking_send(Ok(input)).is_err() {
                return;
            }
        }
        if let Some(error) = failed {
            // If nobody listens any more there is nobody to tell.
            let _ = inputs.blocking_send(Err(error));
            return;
        }
    }
}

fn next() -> io::Result<Vec<Input>> {
    let first = read()?;
    if first == key(KeyCode::Char(']'), KeyModifiers::ALT) {
        return late_answer(first);
    }
    if !is_escape(&first) {
        return Ok(vec![first]);
    }
    let mut torn = Torn::default();
    while poll(ESCAPE)? {
        if let Some(mended) = torn.take(read()?) {
            return Ok(mended);
        }
    }
    Ok(torn.finish())
}

/// What follows an Esc and a bracket at once is the answer to what the terminal was asked at the start, come too late
/// for that: nobody typed it. A bracket alone was typed.
fn late_answer(first: Input) -> io::Result<Vec<Input>> {
    let mut taken = 0;
    while taken < ANSWER_MAX && poll(ESCAPE)? {
        taken += 1;
        let next = read()?;
        let ends = [(KeyCode::Char('g'), KeyModifiers::CONTROL), (KeyCode::Char('\\'), KeyModifiers::ALT)];
        if ends.iter().any(|(code, modifiers)| next == key(*code, *modifiers)) {
            break;
        }
    }
    Ok(if taken == 0 { vec![first] } else { Vec::new() })
}

fn is_escape(input: &Input) -> bool {
    *input == key(KeyCode::Esc, KeyModifiers::NONE)
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Key(KeyEvent::new(code, modifiers))
}

/// What came after an Esc, in time.
#[derive(Debug, Default)]
struct Torn {
    /// The letters after the Esc, as they came.
    rest: Vec<Input>,
    text: String,
    /// The sequence began a paste: what follows is its text, whatever it looks like.
    pasting: bool,
}

impl Torn {
    /// Takes the next input in; answers all of them once it is known what they are.
    fn take(&mut self, input: Input) -> Option<Vec<Input>> {
        let letter = letter(&input);
        self.rest.push(input);
        match letter {
            Some(letter) if self.pasting => {
                self.text.push(letter);
                None
            }
            Some(letter) if self.continues(letter) => {
                self.text.push(letter);
                self.complete(letter)
            }
            _ => Some(self.finish()),
        }
    }

    fn continues(&self, letter: char) -> bool {
        match self.text.len() {
            0 => matches!(letter, '[' | 'O'),
            length => length < SEQUENCE_MAX && letter.is_ascii_graphic(),
        }
    }

    /// The key, if the letter ends the sequence; nothing at all if no key is known by it.
    fn complete(&mut self, last: char) -> Option<Vec<Input>> {
        if self.text.len() < 2 || !matches!(last, '@'..='~') {
            return None;
        }
        if self.text == "[200~" {
            self.text.clear();
            self.pasting = true;
            return None;
        }
        Some(meaning(&self.text[1..]).into_iter().collect())
    }

    /// Nothing more came in time.
    fn finish(&mut self) -> Vec<Input> {
        if self.pasting {
            return vec![Input::Paste(std::mem::take(&mut self.text))];
        }
        let mut all = vec![key(KeyCode::Esc, KeyModifiers::NONE)];
        all.append(&mut self.rest);
        all
    }
}

/// The letter of a key that may be a part of a sequence or of a pasted text.
fn letter(input: &Input) -> Option<char> {
    let Input::Key(KeyEvent { code, modifiers, .. }) = input else { return None };
    match code {
        KeyCode::Char(letter) if (*modifiers - KeyModifiers::SHIFT).is_empty() => Some(*letter),
        KeyCode::Enter => Some('\n'),
        KeyCode::Tab => Some('\t'),
        _ => None,
    }
}

/// The key of a sequence such as `A`, `1;5A` or `3~`.
fn meaning(sequence: &str) -> Option<Input> {
    let (numbers, last) = sequence.split_at(sequence.len() - 1);
    let mut numbers = numbers.split(';').map(|number| number.parse::<u8>().unwrap_or(1));
    let number = numbers.next().unwrap_or(1);
    let bits = numbers.next().unwrap_or(1).saturating_sub(1);
    let code = match last {
        "A" => KeyCode::Up,
        "B" => KeyCode::Down,
        "C" => KeyCode::Right,
        "D" => KeyCode::Left,
        "H" => KeyCode::Home,
        "F" => KeyCode::End,
        "P" => KeyCode::F(1),
        "Q" => KeyCode::F(2),
        "R" => KeyCode::F(3),
        "S" => KeyCode::F(4),
        "Z" => KeyCode::BackTab,
        "~" => numbered(number)?,
        _ => return None,
    };
    let flags = [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)];
    let modifiers = flags.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, flag)| flag).collect();
    Some(key(code, modifiers))
}

fn numbered(number: u8) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number - 10),
        17..=21 => KeyCode::F(number - 11),
        23 | 24 => KeyCode::F(number - 12),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(letter: char) -> Input {
        let shift = if letter.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
        key(KeyCode::Char(letter), shift)
    }

    /// What an Esc and then these letters, each in time, are taken for.
    fn mended(text: &str) -> Vec<Input> {
        let mut torn = Torn::default();
        let mut letters = text.chars().map(typed);
        let known = letters.find_map(|letter| torn.take(letter));
        known.unwrap_or_else(|| torn.finish()).into_iter().chain(letters).collect()
    }

    #[test]
    fn a_torn_sequence_is_its_key() {
        assert_eq!(mended("[A"), [key(KeyCode::Up, KeyModifiers::NONE)]);
        assert_eq!(mended("OB"), [key(KeyCode::Down, KeyModifiers::NONE)]);
        assert_eq!(mended("[1;5C"), [key(KeyCode::Right, KeyModifiers::CONTROL)]);
        assert_eq!(mended("[6~"), [key(KeyCode::PageDown, KeyModifiers::NONE)]);
        assert_eq!(mended("[24~"), [key(KeyCode::F(12), KeyModifiers::NONE)]);
    }

    #[test]
    fn an_unknown_torn_sequence_does_nothing() {
        assert_eq!(mended("[<0;10;5M"), []);
        assert_eq!(mended("[?62;1y"), []);
    }

    #[test]
    fn an_escape_is_itself_when_nothing_continues_it() {
        let escape = key(KeyCode::Esc, KeyModifiers::NONE);
        assert_eq!(mended(""), vec![escape.clone()]);
        assert_eq!(mended("j"), [escape.clone(), typed('j')]);
        assert_eq!(mended("["), [escape, typed('[')]);
    }

    #[test]
    fn a_torn_paste_stays_text() {
        assert_eq!(mended("[200~rm -rfA~"), [Input::Paste("rm -rfA~".to_owned())]);
    }

    #[test]
    fn an_endless_sequence_is_given_up() {
        let all = mended(&format!("[{}", "1".repeat(40)));
        assert_eq!(all[0], key(KeyCode::Esc, KeyModifiers::NONE));
        assert!(all.len() > SEQUENCE_MAX);
    }
}
