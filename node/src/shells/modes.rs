//! The modes that a program has put its terminal into, followed through all that it ever wrote.
//!
//! Bytes enter as they come; which private modes are set leaves. A ring forgets what a program wrote when it took
//! over the screen an hour ago, and this does not. It looks for a handful of sequences and reads past the rest.

use serde::{Deserialize, Serialize};

/// The modes that are followed, as in `CSI ? NUMBER h`. The place of each is stored: new ones go to the end.
const KNOWN: [u16; 15] = [1, 7, 9, 25, 47, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1047, 1049, 2004];
/// What is set in a terminal that nobody has touched: it wraps lines and shows its cursor.
const AT_FIRST: u32 = 1 << 1 | 1 << 3;
/// The keypad sends sequences of its own (`ESC =`): beside the numbered ones.
const KEYPAD: u32 = 1 << 31;
/// The three ways to ask for the other screen.
const ALTERNATE: u32 = 1 << 4 | 1 << 12 | 1 << 13;
/// Modes that the screen of `vt100` does not know, and so cannot write down.
const BESIDE: [u16; 3] = [7, 1004, 1015];
/// Numbers of one sequence; what has more is none that we look for.
const NUMBERS_MAX: usize = 16;

/// Which modes are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes(u32);

impl Default for Modes {
    fn default() -> Self {
        Self(AT_FIRST)
    }
}

impl Modes {
    /// Whether the other screen is shown, which full-screen programs draw on.
    pub const fn is_alternate(self) -> bool {
        self.0 & ALTERNATE != 0
    }

    /// What a program has to write so that an untouched terminal is in these modes.
    pub fn sequence(self) -> Vec<u8> {
        let mut text = self.of(&KNOWN);
        if self.0 & KEYPAD != 0 {
            text.push_str("\x1b=");
        }
        text.into_bytes()
    }

    /// The same for those modes alone that a [`vt100::Screen`] does not know.
    pub fn beside_the_screen(self) -> Vec<u8> {
        self.of(&BESIDE).into_bytes()
    }

    fn of(self, numbers: &[u16]) -> String {
        let changed = |bit: u32| (self.0 ^ AT_FIRST) & bit != 0;
        let known = KNOWN.iter().enumerate().map(|(place, number)| (1 << place, number));
        known
            .filter(|(bit, number)| changed(*bit) && numbers.contains(number))
            .map(|(bit, number)| format!("\x1b[?{number}{}", if self.0 & bit == 0 { 'l' } else { 'h' }))
            .collect()
    }

    fn put(&mut self, number: u16, is_set: bool) {
        let Some(place) = KNOWN.iter().position(|known| *known == number) else { return };
        // Whichever way the other screen was asked for, each of them takes it back.
        let bits = if 1 << place & ALTERNATE != 0 && !is_set { ALTERNATE } else { 1 << place };
        self.0 = if is_set { self.0 | bits } else { self.0 & !bits };
    }
}

/// Where in a sequence the reader stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Place {
    /// In none that matters.
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// Behind `ESC [`.
    Sequence,
    /// Behind `ESC [ ?`, with the numbers so far.
    Private(Vec<u16>),
}

/// Follows one program.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    modes: Modes,
    place: Place,
}

impl Follower {
    /// One that goes on from these modes.
    pub fn from(modes: Modes) -> Self {
        Self { modes, place: Place::Text }
    }

    /// The modes after all that was read.
    pub const fn modes(&self) -> Modes {
        self.modes
    }

    /// Reads on.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.place == Place::Text {
                let Some(escape) = bytes.iter().position(|&byte| byte == 0x1b) else { return };
                bytes = &bytes[escape..];
            }
            self.step(bytes[0]);
            bytes = &bytes[1..];
        }
    }

    fn step(&mut self, byte: u8) {
        self.place = match (std::mem::take(&mut self.place), byte) {
            (_, 0x1b) => Place::Escape,
            (Place::Escape, b'[') => Place::Sequence,
            (Place::Escape, b'=') => {
                self.modes.0 |= KEYPAD;
                Place::Text
            }
            (Place::Escape, b'>') => {
                self.modes.0 &= !KEYPAD;
                Place::Text
            }
            (Place::Escape, b'c') => {
                self.modes = Modes::default();
                Place::Text
            }
            (Place::Sequence, b'?') => Place::Private(vec![0]),
            (Place::Private(mut numbers), b'0'..=b'9') => {
                if let Some(last) = numbers.last_mut() {
                    *last = last.saturating_mul(10).saturating_add(u16::from(byte - b'0'));
                }
                Place::Private(numbers)
            }
            (Place::Private(mut numbers), b';') if numbers.len() < NUMBERS_MAX => {
                numbers.push(0);
                Place::Private(numbers)
            }
            (Place::Private(numbers), b'h' | b'l') => {
                numbers.into_iter().for_each(|number| self.modes.put(number, byte == b'h'));
                Place::Text
            }
            _ => Place::Text,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(bytes: &[u8]) -> Modes {
        let mut follower = Follower::default();
        follower.read(bytes);
        follower.modes()
    }

    #[test]
    fn what_a_full_screen_program_sets_is_known_and_what_it_takes_back_is_not() {
        let vim = after(b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\x1b[?2004h\x1b[?1004h\x1b[?25l~");
        assert!(vim.is_alternate());
        let expected = "\x1b[?1h\x1b[?25l\x1b[?1004h\x1b[?1049h\x1b[?2004h\x1b=";
        assert_eq!(String::from_utf8(vim.sequence()).unwrap(), expected);
        assert_eq!(after(&vim.sequence()), vim, "it can be written down and read back");
        assert_eq!(vim.beside_the_screen(), b"\x1b[?1004h");
        let mut follower = Follower::from(vim);
        follower.read(b"\x1b[?1;25;1004;2004x\x1b[?1;1004;2004l\x1b[?25h\x1b>\x1b[?47l");
        assert_eq!(follower.modes(), Modes::default());
        assert_eq!(after(b"\x1b[?1049h\x1b[?1h\x1bc"), Modes::default());
    }

    #[test]
    fn what_is_no_such_sequence_changes_nothing() {
        for text in ["[?1049h", "\x1b[1049h", "\x1b[?1049$p", "\x1b]?1049h", "\x1b[?", "\x1b[?99999999h"] {
            assert_eq!(after(text.as_bytes()), Modes::default(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_cut(bytes in "(\x1b\\[\\?[0-9;]{1,6}[hl]|[a-z\x1b]){0,20}", at in 0_usize..99) {
            let bytes = bytes.as_bytes();
            let mut cut = Follower::default();
            let (one, other) = bytes.split_at(at.min(bytes.len()));
            cut.read(one);
            cut.read(other);
            prop_assert_eq!(cut.modes(), after(bytes));
        }
    }
}
