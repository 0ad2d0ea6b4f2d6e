//! The terminal while a shell has it: raw, and given back as it was on every way out.
//!
//! Bytes of the shell enter and go to standard output; whether they have switched to the other screen is followed,
//! so that a program which is left behind does not leave its screen and its modes here.

use std::io::{self, Write};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use p2p_shared::services::shell::ShellSize;
use tokio::task::spawn_blocking;

/// What programs switch on and may leave on: keypad, mouse, paste, focus, a hidden cursor, no wrapping, colours.
const AS_BEFORE: &[u8] =
    b"\x1b[?1l\x1b>\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\
    \x1b[?1015l\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[r\x1b[m";
/// Back from the other screen.
const MAIN_SCREEN: &[u8] = b"\x1b[?1049l";
/// The ways to switch, up to the letter that says which way.
const SWITCHES: [&[u8]; 3] = [b"\x1b[?1049", b"\x1b[?1047", b"\x1b[?47"];
/// The longest of them with its letter.
const SWITCH_BYTES_MAX: usize = 8;

/// The size of this terminal.
pub(super) fn size() -> ShellSize {
    let size = crossterm::terminal::size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0);
    size.map_or_else(ShellSize::default, |(columns, rows)| ShellSize { rows, columns }.clamped())
}

/// The terminal, taken.
#[derive(Debug)]
pub(super) struct Held {
    other_screen: OtherScreen,
    was_written: bool,
    is_in_line: bool,
}

impl Held {
    /// Takes it.
    pub(super) fn take() -> io::Result<Self> {
        enable_raw_mode()?;
        Ok(Self { other_screen: OtherScreen::default(), was_written: false, is_in_line: false })
    }

    /// Goes to a line of its own, once no more comes of the shell.
    pub(super) const fn leave_line(&mut self) {
        self.is_in_line = true;
    }

    /// Shows what the shell wrote. The terminal may be slow or stopped: others go on meanwhile.
    pub(super) async fn show(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.other_screen.follow(&bytes);
        self.was_written = true;
        spawn_blocking(move || put(&bytes)).await.map_err(io::Error::other)?
    }
}

fn put(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

impl Drop for Held {
    fn drop(&mut self) {
        // A terminal that is gone takes nothing back.
        if self.was_written {
            // Scroll regions put the cursor home when they end.
            let _ = put(b"\x1b7");
            let _ = put(AS_BEFORE);
            let _ = put(b"\x1b8\x1b[m");
            if self.other_screen.is_shown {
                let _ = put(MAIN_SCREEN);
            }
            if self.is_in_line {
                let _ = put(b"\r\n");
            }
        }
        let _ = disable_raw_mode();
    }
}

/// Follows which screen is shown.
#[derive(Debug, Default)]
struct OtherScreen {
    is_shown: bool,
    // The end of what came last: a sequence may be cut.
    tail: Vec<u8>,
}

impl OtherScreen {
    fn follow(&mut self, bytes: &[u8]) {
        let mut text = std::mem::take(&mut self.tail);
        text.extend(bytes);
        for at in (0..text.len()).filter(|&at| text[at] == 0x1b) {
            let rest = &text[at..];
            let letter = SWITCHES.iter().find_map(|start| rest.strip_prefix(*start)?.first());
            match letter {
                Some(b'h') => self.is_shown = true,
                Some(b'l') => self.is_shown = false,
                _ => {}
            }
        }
        self.tail = text.split_off(text.len().saturating_sub(SWITCH_BYTES_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_screen_is_known_however_the_bytes_are_cut() {
        for (text, is_shown) in [
            ("\x1b[?1049h vim", true),
            ("\x1b[?1049h vim \x1b[?1049l$ ", false),
            ("\x1b[?47h", true),
            ("\x1b[?1047h\x1b[?25l", true),
            ("[?1049h", false),
            ("\x1b[?1049", false),
        ] {
            for step in 1..=text.len() {
                let mut screen = OtherScreen::default();
                text.as_bytes().chunks(step).for_each(|part| screen.follow(part));
                assert_eq!(screen.is_shown, is_shown, "{text:?} by {step}");
            }
        }
    }
}
