//! The mouse: a click or the wheel belongs to what stands under it, the topmost layer first.

use ratatui::layout::Rect;

use super::State;
use super::defining::Stage;
use super::layer::Layer;
use crate::action::Action;
use crate::event::{Code, Key, Mouse, MouseKind};

impl State {
    pub(super) fn on_mouse(&mut self, mouse: Mouse) {
        if self.options.first_run.is_some() {
            return;
        }
        if !self.layers.is_empty() {
            self.on_layer_mouse(mouse);
            return;
        }
        let areas = self.areas();
        let inside = |area: Rect| area.contains((mouse.column, mouse.row).into());
        if inside(areas.body) && self.on_shell_mouse(mouse) {
            return;
        }
        if inside(areas.body) {
            let requests = self.with_view(|view, scene| view.on_mouse(scene, mouse));
            self.fulfil(requests);
        } else if inside(areas.bar) && mouse.kind == MouseKind::Press {
            if let Some(tab) = crate::view::bar_at(self, mouse.column) {
                self.go_to_tab(tab);
            }
        } else if inside(areas.tabs)
            && mouse.kind == MouseKind::Press
            && let Some(view) = crate::view::tab_at(self, mouse.column)
        {
            self.act(Action::Show(view));
        }
    }

    fn on_layer_mouse(&mut self, mouse: Mouse) {
        let (areas, kind) = (self.areas(), mouse.kind);
        if let Some(Layer::Form(defining)) = self.layers.last_mut() {
            if !matches!(defining.stage, Stage::Writing | Stage::Sent(_)) {
                return;
            }
            let at = (mouse.column, mouse.row);
            let code = if kind == MouseKind::WheelDown { Code::Down } else { Code::Up };
            if kind != MouseKind::Press {
                defining.form.on_key(Key::plain(code));
            } else if let Some((index, value)) = crate::view::form_field_at(defining, &areas, at) {
                defining.form.press(index, value);
            }
            return;
        }
        if let Some(scroll) = self.layers.last_mut().and_then(Layer::scroll_mut) {
            match kind {
                MouseKind::WheelDown => *scroll = scroll.saturating_add(3),
                MouseKind::WheelUp => *scroll = scroll.saturating_sub(3),
                MouseKind::Press => {}
            }
        } else {
            self.scroll_probe(kind);
        }
    }
}
