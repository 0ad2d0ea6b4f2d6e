//! Keys as the bytes that a terminal (xterm) sends for them. Pure.

use crate::event::{Code, Key};

/// The bytes; none for what no terminal has. `application` says that the program asked for the other arrow keys.
pub(super) fn bytes(key: Key, application: bool) -> Vec<u8> {
    let with = 1 + 2 * u8::from(key.alt) + 4 * u8::from(key.ctrl);
    let letter = |last: char| match (with, application) {
        (1, true) => format!("\u{1b}O{last}"),
        (1, false) => format!("\u{1b}[{last}"),
        _ => format!("\u{1b}[1;{with}{last}"),
    };
    let number = |number: u8| match with {
        1 => format!("\u{1b}[{number}~"),
        _ => format!("\u{1b}[{number};{with}~"),
    };
    let text = match key.code {
        Code::Char(letter) => return typed(letter, key),
        Code::Enter => return meta("\r", key),
        Code::Esc => return meta("\u{1b}", key),
        Code::Tab => return meta("\t", key),
        Code::Backspace if key.ctrl => return meta("\u{8}", key),
        Code::Backspace => return meta("\u{7f}", key),
        Code::BackTab => "\u{1b}[Z".to_owned(),
        Code::Up => letter('A'),
        Code::Down => letter('B'),
        Code::Right => letter('C'),
        Code::Left => letter('D'),
        Code::Home => letter('H'),
        Code::End => letter('F'),
        Code::Insert => number(2),
        Code::Delete => number(3),
        Code::PageUp => number(5),
        Code::PageDown => number(6),
        Code::F(which @ 1..=4) => {
            let last = char::from(b'P' + which - 1);
            if with == 1 { format!("\u{1b}O{last}") } else { format!("\u{1b}[1;{with}{last}") }
        }
        Code::F(which) => match function(which) {
            Some(code) => number(code),
            None => return Vec::new(),
        },
    };
    text.into_bytes()
}

const fn function(which: u8) -> Option<u8> {
    Some(match which {
        5 => 15,
        6..=10 => which + 11,
        11 | 12 => which + 12,
        _ => return None,
    })
}

fn meta(text: &str, key: Key) -> Vec<u8> {
    let escape = if key.alt { "\u{1b}" } else { "" };
    format!("{escape}{text}").into_bytes()
}

/// A character, and what control makes of it. Terminals send ^4 to ^7 for ^\ ^] ^^ ^_.
fn typed(letter: char, key: Key) -> Vec<u8> {
    if !key.ctrl {
        return meta(letter.encode_utf8(&mut [0; 4]), key);
    }
    let control = match letter.to_ascii_lowercase() {
        letter @ 'a'..='z' => letter as u8 - b'a' + 1,
        ' ' | '@' | '2' => 0,
        '[' | '3' => 0x1b,
        '\\' | '4' => 0x1c,
        ']' | '5' => 0x1d,
        '^' | '6' => 0x1e,
        '_' | '/' | '7' => 0x1f,
        '?' | '8' => 0x7f,
        // What control does nothing to.
        _ => return meta(letter.encode_utf8(&mut [0; 4]), key),
    };
    meta(char::from(control).encode_utf8(&mut [0; 4]), key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(code: Code, ctrl: bool, alt: bool) -> String {
        String::from_utf8(bytes(Key { code, ctrl, alt }, false)).unwrap()
    }

    #[test]
    fn keys_are_what_xterm_sends() {
        assert_eq!(sent(Code::Char('ж'), false, false), "ж");
        assert_eq!(sent(Code::Char('c'), true, false), "\u{3}");
        assert_eq!(sent(Code::Char('b'), false, true), "\u{1b}b");
        assert_eq!(sent(Code::Char('4'), true, false), "\u{1c}");
        assert_eq!(sent(Code::Char(' '), true, false), "\0");
        assert_eq!(sent(Code::Enter, false, false), "\r");
        assert_eq!(sent(Code::Backspace, false, false), "\u{7f}");
        assert_eq!(sent(Code::Up, false, false), "\u{1b}[A");
        assert_eq!(sent(Code::Left, true, false), "\u{1b}[1;5D");
        assert_eq!(sent(Code::Delete, false, false), "\u{1b}[3~");
        assert_eq!(sent(Code::F(1), false, false), "\u{1b}OP");
        assert_eq!(sent(Code::F(5), false, false), "\u{1b}[15~");
        assert_eq!(sent(Code::F(10), false, false), "\u{1b}[21~");
        assert_eq!(sent(Code::F(12), false, true), "\u{1b}[24;3~");
        assert_eq!(bytes(Key::plain(Code::Up), true), b"\x1bOA");
        assert!(bytes(Key::plain(Code::F(40)), false).is_empty());
    }
}
