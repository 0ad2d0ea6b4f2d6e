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
            self.scroll_layer(mouse.kind);
            return;
        }
        let areas = self.areas();
        let inside = |area: Rect| area.contains((mouse.column, mouse.row).into());
        if inside(areas.body) && self.on_shell_mouse(mouse) {
        } else if inside(areas.body) {
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

    fn scroll_layer(&mut self, kind: MouseKind) {
        if let Some(Layer::Form(defining)) = self.layers.last_mut() {
            let code = if kind == MouseKind::WheelDown { Code::Down } else { Code::Up };
            if kind != MouseKind::Press && matches!(defining.stage, Stage::Writing | Stage::Sent(_)) {
                defining.form.on_key(Key::plain(code));
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
