//! Whether the terminal is light or dark: it is asked for its background (OSC 11), once, before the keyboard is read.
//!
//! A question every terminal answers goes behind it, so that one that does not know its colour costs no time. An
//! answer that comes too late is taken for no typing (`runtime::keyboard`), and what was typed meanwhile for no answer.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::sheet;

/// What is asked: the background, and what kind of terminal it is.
const QUESTION: &[u8] = b"\x1b]11;?\x1b\\\x1b[c";
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_millis(100);
/// No answer is longer.
const ANSWER_MAX: usize = 256;

/// How bright the background is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Dark letters are read on it.
    Light,
    /// Light letters are read on it.
    Dark,
}

/// Asks the terminal, which is in raw mode; answers also what was typed meanwhile.
pub(super) fn ask() -> (Option<Background>, String) {
    let answer = hear().unwrap_or_default();
    (read(&answer), typed(&answer))
}

fn hear() -> Option<Vec<u8>> {
    sheet::write_all(QUESTION).ok()?;
    let (input, until) = (io::stdin(), Instant::now() + PATIENCE);
    let mut answer = Vec::new();
    while answer.len() < ANSWER_MAX && !is_whole(&answer) {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok()?;
        match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&left)) {
            Ok(count) if count > 0 => {}
            _ => break,
        }
        let mut bytes = [0; 64];
        match rustix::io::read(&input, &mut bytes) {
            Ok(count) if count > 0 => answer.extend_from_slice(&bytes[..count]),
            _ => break,
        }
    }
    Some(answer)
}

/// The letters in an answer that belong to no sequence of the terminal's.
fn typed(answer: &[u8]) -> String {
    let (mut letters, mut rest) = (String::new(), answer);
    while let Some((&first, behind)) = rest.split_first() {
        rest = match (first, behind.first()) {
            (b'\x1b', Some(b']')) => {
                let end = behind.iter().position(|byte| matches!(byte, b'\\' | b'\x07'));
                end.map_or(&[][..], |end| &behind[end + 1..])
            }
            (b'\x1b', Some(b'[')) => {
                let end = behind.iter().skip(1).position(|byte| (b'@'..=b'~').contains(byte));
                end.map_or(&[][..], |end| &behind[end + 2..])
            }
            (b' '..=b'~' | b'\r', _) => {
                letters.push(char::from(first));
                behind
            }
            _ => behind,
        };
    }
    letters
}

/// The second question is answered, and so nothing more comes.
fn is_whole(answer: &[u8]) -> bool {
    let second = answer.windows(3).position(|part| part == b"\x1b[?");
    second.is_some_and(|at| answer[at..].contains(&b'c'))
}

/// What an answer such as `ESC ] 11;rgb:1e1e/1e1e/2e2e ESC \` says.
fn read(answer: &[u8]) -> Option<Background> {
    let text = String::from_utf8_lossy(answer);
    let (_, colour) = text.split_once("]11;rgb:").or_else(|| text.split_once("]11;rgba:"))?;
    let end = colour.find(['\x1b', '\x07']).unwrap_or(colour.len());
    let part = |text: &str| {
        let most = 16_u32.checked_pow(u32::try_from(text.len()).ok()?)?.checked_sub(1)?;
        Some(u32::from_str_radix(text, 16).ok()? as f32 / most as f32)
    };
    let parts: Vec<f32> = colour[..end].split('/').take(3).map(part).collect::<Option<_>>()?;
    let [red, green, blue] = parts.as_slice() else { return None };
    let bright = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5;
    Some(if bright { Background::Light } else { Background::Dark })
}

impl Background {
    /// What `COLORFGBG`, such as `15;0`, says.
    pub fn told(colours: &str) -> Option<Self> {
        let number: u8 = colours.rsplit(';').next()?.parse().ok()?;
        match number {
            7 | 9..=15 => Some(Self::Light),
            0..=6 | 8 => Some(Self::Dark),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_say_how_bright_it_is() {
        for (answer, background) in [
            (&b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;22c"[..], Some(Background::Light)),
            (b"\x1b]11;rgb:1e1e/1e1e/2e2e\x07\x1b[?6c", Some(Background::Dark)),
            (b"\x1b]11;rgb:f/f/e\x07", Some(Background::Light)),
            (b"jj\x1b]11;rgba:0000/0000/0000/ffff\x1b\\", Some(Background::Dark)),
            (b"\x1b[?62;22c", None),
            (b"\x1b]11;rgb:zz/0/0\x07", None),
            (b"\x1b]11;rgb:1/2\x07", None),
            (b"\x1b]11;rgb:///\x07", None),
            (b"\x1b]11;rgb:fffffffff/0/0\x07", None),
            (b"\xff\xfe", None),
        ] {
            assert_eq!(read(answer), background, "{answer:?}");
        }
        assert!(is_whole(b"\x1b]11;rgb:c/c/c\x07\x1b[?6c") && !is_whole(b"\x1b]11;rgb:c/c/c\x07\x1b[?6"));
    }

    #[test]
    fn what_was_typed_meanwhile_is_told_from_the_answer() {
        for (answer, letters) in [
            (&b"jj\x1b]11;rgb:ffff/ffff/ffff\x1b\\1\x1b[?62;22ck\r"[..], "jj1k\r"),
            (b":ps\x1b]11;rgb:0/0/0\x07\x1b[?6c", ":ps"),
            (b"\x1b[?62;22c", ""),
            (b"\x1b[A/\x1b]11;rg", "/"),
            (b"\x1b", ""),
            (b"\xff\x01", ""),
        ] {
            assert_eq!(typed(answer), letters, "{answer:?}");
        }
    }

    #[test]
    fn the_environment_may_say_it_too() {
        assert_eq!(Background::told("15;0"), Some(Background::Dark));
        assert_eq!(Background::told("0;default;15"), Some(Background::Light));
        assert_eq!(Background::told("default;default"), None);
    }
}
