//! The terminal, owned: taken over, drawn on, and given back as it was, whatever ends the console.
//!
//! Frames enter as a closure that paints a buffer; only the cells that changed leave, in one write. It is given back
//! on drop, by a hook on a panic of any thread, and before a stop. Nothing else writes to the terminal meanwhile.

mod background;
mod sheet;

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste};
use crossterm::style::{Print, ResetColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{Command, queue};
use p2p_shared::error::Exit;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

pub use background::Background;
use sheet::Sheet;

/// More columns and rows than this are not used, whatever a terminal claims to have.
const SIZE_MAX: (u16, u16) = (1_000, 500);
/// The size of a terminal that does not know its own.
const SIZE_UNKNOWN: (u16, u16) = (80, 24);
/// Tell presses and the wheel, with cells past column 223. crossterm would ask for every motion too.
const MOUSE: &str = "\u{1b}[?1000h\u{1b}[?1006h";
/// What a program that died may have left on besides: keys of the keypad, a scroll region, no wrapping.
const LEFT_ON: &str = "\u{1b}[?1l\u{1b}>\u{1b}[r\u{1b}[?7h";
/// Terminals drop longer texts without a word.
const COPY_BYTES_MAX: usize = 64 * 1_024;

/// Whether the terminal is ours now; a panic on any thread must know.
static IS_OURS: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// What went wrong with the terminal.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// There is none.
    #[error(
        "{0} is not a terminal: the console needs one; for scripts there are p2p-tui nodes, ps and call with -o json"
    )]
    Absent(&'static str),
    /// It cannot be read, written or set.
    #[error("the terminal does not answer: {0}")]
    Io(#[from] io::Error),
    /// Somebody gave it back already: a thread panicked, and its words are on the screen.
    #[error("a part of the console failed; its last words are above")]
    GivenBack,
    /// The text is longer than terminals take.
    #[error("{0} bytes are too many for the clipboard of a terminal")]
    TooLong(usize),
}

impl TerminalError {
    /// How the program exits.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Absent(_) => Exit::Usage,
            Self::Io(_) | Self::TooLong(_) => Exit::Failed,
            Self::GivenBack => Exit::Internal,
        }
    }
}

/// A usable size: never nothing, never absurd.
pub const fn clamp(width: u16, height: u16) -> (u16, u16) {
    if width == 0 || height == 0 {
        return SIZE_UNKNOWN;
    }
    let width = if width > SIZE_MAX.0 { SIZE_MAX.0 } else { width };
    let height = if height > SIZE_MAX.1 { SIZE_MAX.1 } else { height };
    (width, height)
}

/// The terminal while it is ours.
#[derive(Debug)]
pub struct Terminal {
    sheet: Sheet,
    /// What is on the screen.
    shown: Buffer,
    /// What the next frame is painted on.
    next: Buffer,
    cursor: Option<(u16, u16)>,
    mouse: bool,
    /// Whether the screen is to be cleared first.
    anew: bool,
    /// What was typed before the keyboard is read.
    typed: String,
}

impl Terminal {
    /// Takes the terminal over: raw mode, alternate screen, mouse, bracketed paste.
    ///
    /// # Errors
    /// If standard input or output is no terminal, or does not answer.
    pub fn enter() -> Result<Self, TerminalError> {
        if !io::stdin().is_terminal() {
            return Err(TerminalError::Absent("standard input"));
        }
        if !io::stdout().is_terminal() {
            return Err(TerminalError::Absent("standard output"));
        }
        HOOK.call_once(chain_hook);
        let mut terminal = Self {
            sheet: Sheet::default(),
            shown: Buffer::default(),
            next: Buffer::default(),
            cursor: None,
            mouse: true,
            anew: true,
            typed: String::new(),
        };
        terminal.take()?;
        Ok(terminal)
    }

    /// Takes it over, again after a stop; the next frame draws everything.
    pub fn take(&mut self) -> Result<(), TerminalError> {
        IS_OURS.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        let (width, height) = Self::size()?;
        self.resize(width, height);
        queue!(self.sheet, EnterAlternateScreen, EnableBracketedPaste, Hide)?;
        self.cursor = None;
        self.capture_mouse(self.mouse)?;
        self.redraw();
        Ok(())
    }

    /// How bright its background is, if it tells. To be asked before the keyboard is read.
    pub fn background(&mut self) -> Option<Background> {
        let (background, typed) = background::ask();
        self.typed.push_str(&typed);
        background
    }

    /// What was typed while the terminal was asked, once.
    pub fn typed(&mut self) -> String {
        std::mem::take(&mut self.typed)
    }

    /// Gives it back as it was.
    pub fn give_back(&mut self) {
        give_back();
    }

    /// Gives it to another program for a while; answers how it is set then.
    pub fn lend(&mut self) -> Result<Termios, TerminalError> {
        give_back();
        Ok(tcgetattr(io::stdin()).map_err(io::Error::from)?)
    }

    /// Sets it as it was lent, whatever the other program left it in. It is not ours by that.
    pub fn back(&mut self, lent: &Termios) -> Result<(), TerminalError> {
        sheet::write_all(format!("{LEFT_ON}{}", farewell()).as_bytes())?;
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, lent).map_err(io::Error::from)?)
    }

    /// Its size now, clamped.
    pub fn size() -> Result<(u16, u16), TerminalError> {
        let (width, height) = crossterm::terminal::size()?;
        Ok(clamp(width, height))
    }

    /// Whether it is still there and ours. One that was closed would otherwise be read for ever.
    pub fn check(&self) -> Result<(), TerminalError> {
        if !IS_OURS.load(Ordering::SeqCst) {
            return Err(TerminalError::GivenBack);
        }
        tcgetattr(io::stdin()).map_err(io::Error::from)?;
        Ok(())
    }

    /// It has another size.
    pub fn resize(&mut self, width: u16, height: u16) {
        let (width, height) = clamp(width, height);
        let area = Rect::new(0, 0, width, height);
        if area != *self.shown.area() {
            self.shown = Buffer::empty(area);
            self.next = Buffer::empty(area);
            self.anew = true;
        }
    }

    /// The next frame draws everything.
    pub const fn redraw(&mut self) {
        self.anew = true;
    }

    /// Whether it reports the mouse, or selects text by itself.
    pub fn capture_mouse(&mut self, on: bool) -> Result<(), TerminalError> {
        self.mouse = on;
        if on {
            queue!(self.sheet, Print(MOUSE))?;
        } else {
            queue!(self.sheet, DisableMouseCapture)?;
        }
        Ok(self.sheet.flush()?)
    }

    /// Puts a text on the operator's clipboard, through any number of ssh and tmux (OSC 52).
    pub fn copy(&mut self, text: &str) -> Result<(), TerminalError> {
        if text.len() > COPY_BYTES_MAX {
            return Err(TerminalError::TooLong(text.len()));
        }
        queue!(self.sheet, CopyToClipboard::to_clipboard_from(text))?;
        Ok(self.sheet.flush()?)
    }

    /// Paints a frame and writes what changed; nothing at all if nothing did. `cursor` is where a text is edited.
    pub fn draw(
        &mut self,
        cursor: Option<(u16, u16)>,
        paint: impl FnOnce(Rect, &mut Buffer),
    ) -> Result<(), TerminalError> {
        self.check()?;
        let area = *self.next.area();
        self.next.reset();
        paint(area, &mut self.next);
        let cursor = cursor.filter(|&(column, row)| column < area.width && row < area.height);
        self.write_frame(cursor)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }

    fn write_frame(&mut self, cursor: Option<(u16, u16)>) -> Result<(), TerminalError> {
        queue!(self.sheet, BeginSynchronizedUpdate)?;
        let empty = self.sheet.len();
        if std::mem::take(&mut self.anew) {
            queue!(self.sheet, ResetColor, Clear(ClearType::All))?;
            self.shown.reset();
        }
        let mut changes = self.shown.diff_iter(&self.next).peekable();
        if changes.peek().is_some() {
            CrosstermBackend::new(&mut self.sheet).draw(changes)?;
        }
        let moved = self.sheet.len() > empty;
        if cursor != self.cursor || (moved && cursor.is_some()) {
            match cursor {
                Some((column, row)) => queue!(self.sheet, MoveTo(column, row), Show)?,
                None => queue!(self.sheet, Hide)?,
            }
            self.cursor = cursor;
        }
        if self.sheet.len() == empty {
            self.sheet.discard();
            return Ok(());
        }
        queue!(self.sheet, EndSynchronizedUpdate)?;
        Ok(self.sheet.flush()?)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// A panic's words shall be read: first the terminal is given back, then the hook before this one speaks.
fn chain_hook() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        give_back();
        before(panic);
    }));
}

/// Gives the terminal back if it is ours. A terminal that is gone needs nothing, so errors are of no interest.
fn give_back() {
    if !IS_OURS.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = sheet::write_all(farewell().as_bytes());
    let _ = disable_raw_mode();
}

/// What undoes everything that [`Terminal`] may have asked of the terminal.
fn farewell() -> String {
    let mut text = String::new();
    let commands: [&dyn Fn(&mut String) -> std::fmt::Result; 6] = [
        &|text| EndSynchronizedUpdate.write_ansi(text),
        &|text| DisableMouseCapture.write_ansi(text),
        &|text| DisableBracketedPaste.write_ansi(text),
        &|text| ResetColor.write_ansi(text),
        &|text| Show.write_ansi(text),
        &|text| LeaveAlternateScreen.write_ansi(text),
    ];
    for command in commands {
        // Writing to a String cannot fail.
        let _ = command(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_never_nothing_and_never_absurd() {
        assert_eq!(clamp(0, 0), (80, 24));
        assert_eq!(clamp(0, 50), (80, 24));
        assert_eq!(clamp(1, 1), (1, 1));
        assert_eq!(clamp(u16::MAX, u16::MAX), SIZE_MAX);
        assert_eq!(clamp(200, 50), (200, 50));
    }

    #[test]
    fn the_farewell_undoes_every_mode() {
        let text = farewell();
        for undo in ["[?2026l", "[?1000l", "[?1006l", "[?2004l", "[?25h", "[?1049l", "[0m"] {
            assert!(text.contains(undo), "{undo} is missing in {text:?}");
        }
    }

    #[test]
    fn what_to_do_without_a_terminal_is_said_and_exits_with_2() {
        let error = TerminalError::Absent("standard output");
        assert_eq!(error.exit(), Exit::Usage);
        let text = error.to_string();
        assert!(text.contains("standard output is not a terminal") && text.contains("-o json"), "{text}");
    }
}
