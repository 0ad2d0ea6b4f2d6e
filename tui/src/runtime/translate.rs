//! From the terminal's events to the console's. Pure; whatever a terminal sends is something or nothing.

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton};
use crossterm::event::{MouseEvent, MouseEventKind};

use crate::event::{Code, Event, Key, Mouse, MouseKind};
use crate::terminal::clamp;

/// More than this of a paste is dropped: no shell takes more at a time, and no field as much.
const PASTE_BYTES_MAX: usize = 64 << 10;

/// The event; `None` for what the console has no use for.
pub fn translate(input: Input) -> Option<Event> {
    match input {
        Input::Key(key) => key_event(key).map(Event::Key),
        Input::Mouse(mouse) => mouse_event(mouse).map(Event::Mouse),
        Input::Paste(mut text) => {
            text.truncate(text.floor_char_boundary(PASTE_BYTES_MAX));
            Some(Event::Paste(text))
        }
        Input::Resize(width, height) => {
            let (width, height) = clamp(width, height);
            Some(Event::Resize { width, height })
        }
        Input::FocusGained | Input::FocusLost => None,
    }
}

fn key_event(key: KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let (ctrl, alt) =
        (key.modifiers.contains(KeyModifiers::CONTROL), key.modifiers.contains(KeyModifiers::ALT));
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    Some(Key { code: code(key.code, shift, ctrl)?, ctrl, alt })
}

fn code(code: KeyCode, shift: bool, ctrl: bool) -> Option<Code> {
    Some(match code {
        // Terminals cannot tell ^A from ^a, except for some that can: there it is one key too.
        KeyCode::Char(letter) if ctrl => Code::Char(letter.to_ascii_lowercase()),
        KeyCode::Char(letter) if shift => Code::Char(upper(letter)),
        KeyCode::Char(letter) => Code::Char(letter),
        KeyCode::Tab if shift => Code::BackTab,
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => Code::BackTab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Insert => Code::Insert,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(number) => Code::F(number),
        KeyCode::KeypadBegin
        | KeyCode::Null
        | KeyCode::CapsLock
        | KeyCode::ScrollLock
        | KeyCode::NumLock
        | KeyCode::PrintScreen
        | KeyCode::Pause
        | KeyCode::Menu
        | KeyCode::Media(_)
        | KeyCode::Modifier(_) => return None,
    })
}

/// The upper case where that is one character: a terminal that reports `a` with shift means `A`.
fn upper(letter: char) -> char {
    let mut all = letter.to_uppercase();
    match (all.next(), all.next()) {
        (Some(only), None) => only,
        _ => letter,
    }
}

fn mouse_event(mouse: MouseEvent) -> Option<Mouse> {
    let kind = match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => MouseKind::Press,
        MouseEventKind::ScrollUp => MouseKind::WheelUp,
        MouseEventKind::ScrollDown => MouseKind::WheelDown,
        _ => return None,
    };
    Some(Mouse { kind, column: mouse.column, row: mouse.row })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Option<Event> {
        translate(Input::Key(KeyEvent::new(code, modifiers)))
    }

    fn key(code: Code) -> Option<Event> {
        Some(Event::Key(Key::plain(code)))
    }

    #[test]
    fn shift_is_in_the_character() {
        assert_eq!(pressed(KeyCode::Char('G'), KeyModifiers::SHIFT), key(Code::Char('G')));
        assert_eq!(pressed(KeyCode::Char('g'), KeyModifiers::SHIFT), key(Code::Char('G')));
        assert_eq!(pressed(KeyCode::Char('ß'), KeyModifiers::SHIFT), key(Code::Char('ß')));
        assert_eq!(pressed(KeyCode::Char('?'), KeyModifiers::SHIFT), key(Code::Char('?')));
        assert_eq!(pressed(KeyCode::BackTab, KeyModifiers::SHIFT), key(Code::BackTab));
        assert_eq!(pressed(KeyCode::Tab, KeyModifiers::SHIFT), key(Code::BackTab));
    }

    #[test]
    fn control_and_alt_are_told() {
        let control = Some(Event::Key(Key::ctrl('k')));
        assert_eq!(pressed(KeyCode::Char('k'), KeyModifiers::CONTROL), control);
        assert_eq!(pressed(KeyCode::Char('K'), KeyModifiers::CONTROL | KeyModifiers::SHIFT), control);
        let alt = Key { code: Code::Char('x'), ctrl: false, alt: true };
        assert_eq!(pressed(KeyCode::Char('x'), KeyModifiers::ALT), Some(Event::Key(alt)));
        assert_eq!(pressed(KeyCode::F(12), KeyModifiers::NONE), key(Code::F(12)));
    }

    #[test]
    fn a_held_key_repeats_and_a_released_one_is_silent() {
        let mut event = KeyEvent::new(KeyCode::Down, KeyModifiers::NONE);
        event.kind = KeyEventKind::Repeat;
        assert_eq!(translate(Input::Key(event)), key(Code::Down));
        event.kind = KeyEventKind::Release;
        assert_eq!(translate(Input::Key(event)), None);
    }

    #[test]
    fn the_mouse_presses_and_scrolls_and_nothing_else() {
        let mouse = |kind| {
            translate(Input::Mouse(MouseEvent { kind, column: 7, row: 9, modifiers: KeyModifiers::NONE }))
        };
        let expected = |kind| Some(Event::Mouse(Mouse { kind, column: 7, row: 9 }));
        assert_eq!(mouse(MouseEventKind::Down(MouseButton::Left)), expected(MouseKind::Press));
        assert_eq!(mouse(MouseEventKind::ScrollUp), expected(MouseKind::WheelUp));
        assert_eq!(mouse(MouseEventKind::ScrollDown), expected(MouseKind::WheelDown));
        assert_eq!(mouse(MouseEventKind::Moved), None);
        assert_eq!(mouse(MouseEventKind::Down(MouseButton::Right)), None);
    }

    #[test]
    fn a_huge_paste_is_cut_between_characters() {
        let Some(Event::Paste(text)) = translate(Input::Paste("日".repeat(400_000))) else {
            panic!("a paste is a paste")
        };
        assert_eq!(text.len(), 65_535);
    }

    #[test]
    fn an_absurd_size_is_clamped() {
        let resized = |width, height| translate(Input::Resize(width, height));
        assert_eq!(resized(u16::MAX, u16::MAX), Some(Event::Resize { width: 1_000, height: 500 }));
        assert_eq!(resized(0, 0), Some(Event::Resize { width: 80, height: 24 }));
        assert_eq!(resized(1, 1), Some(Event::Resize { width: 1, height: 1 }));
    }
}
