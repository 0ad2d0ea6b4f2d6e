//! Keys of layers that ask for a value, and of those that are only read.

use super::State;
use super::layer::Layer;
use crate::action::Action;
use crate::event::{Code, Key};
use crate::keymap::Meaning;

/// Lines that page keys scroll a layer by.
const LAYER_PAGE: usize = 10;
/// Beyond the last line of anything.
const END: usize = usize::MAX / 2;

/// The line that a key leads to from `at`; it may be beyond the last one.
pub(super) const fn scrolled(code: Code, at: usize) -> usize {
    match code {
        Code::Down | Code::Char('j') => at.saturating_add(1),
        Code::Up | Code::Char('k') => at.saturating_sub(1),
        Code::PageDown | Code::Char(' ' | 'd') => at.saturating_add(LAYER_PAGE),
        Code::PageUp | Code::Char('u') => at.saturating_sub(LAYER_PAGE),
        Code::Home | Code::Char('g') => 0,
        Code::End | Code::Char('G') => END,
        _ => at,
    }
}

/// The same of a text that is counted from its end, so many lines back.
pub(super) fn scrolled_back(code: Code, back: usize) -> usize {
    END - scrolled(code, END.saturating_sub(back)).min(END)
}

impl State {
    pub(super) fn on_ask_key(
        &mut self,
        question: super::menu::Question,
        mut field: crate::widgets::field::Field,
        key: Key,
    ) {
        let mut mistake = None;
        match key.code {
            Code::Esc => return,
            Code::Char('c') if key.ctrl => return,
            Code::Enter => match self.answer(&question, field.text()) {
                Ok(()) => return,
                Err(what) => mistake = Some(what),
            },
            _ => {
                field.on_key(key);
            }
        }
        self.layers.push(Layer::Ask { question, field, mistake });
    }

    /// Layers that are only read: they scroll, and close.
    pub(super) fn on_reading_key(&mut self, mut layer: Layer, key: Key) {
        // What leads elsewhere leaves it: nobody has to close first what was only read.
        let meaning = self.options.keys.meaning(&[], key);
        if self.layers.is_empty()
            && let Meaning::Act(action @ (Action::Show(_) | Action::Palette)) = meaning
        {
            return self.act(action);
        }
        let Some(scroll) = layer.scroll_mut() else { return };
        match key.code {
            Code::Esc | Code::Enter | Code::Char('q' | '?') => return,
            Code::Char('c') if key.ctrl => {
                self.interrupt();
            }
            code => *scroll = scrolled(code, *scroll),
        }
        self.layers.push(layer);
    }
}
