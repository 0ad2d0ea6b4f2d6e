//! What goes to the operator's clipboard: a name at once, or what is chosen from a menu.

use super::State;
use super::layer::Layer;
use super::menu::{Choice, Item, Menu};
use crate::command::Command;
use crate::format::{fit, head};
use crate::views::Request;

/// Columns of a text that the menu shows.
const COPIED_COLUMNS: usize = 48;

impl State {
    /// The name of what is under the cursor.
    pub(super) fn copy(&mut self) {
        match self.view().copy(&self.scene(), false) {
            Some(text) => self.copy_text(text),
            None => self.say("there is nothing to copy here"),
        }
    }

    /// Puts a text on the operator's clipboard.
    pub(super) fn copy_text(&mut self, text: String) {
        self.say(format!("copied: {}", head(&text, 60)));
        self.out.push(Command::Copy(text));
    }

    /// What of the row under the cursor can be copied.
    pub(super) fn show_clipboard(&mut self) {
        let scene = self.scene();
        let view = self.view();
        let nodes = view.nodes(&scene).into_iter().map(|node| self.world.fleet.name_of(node));
        let nodes = Some(nodes.collect::<Vec<_>>().join(",")).filter(|names| !names.is_empty());
        let copies = [
            ('n', "name", view.copy(&scene, false)),
            ('r', "row, its fields apart by tabs", view.copy(&scene, true)),
            ('o', "node", nodes),
        ];
        let item = |(key, what, text): (char, &str, Option<String>)| {
            let text = text?;
            let label = format!("{what}: {}", fit(&text.replace('\t', " "), COPIED_COLUMNS, "..."));
            Some(Item { key, label, choice: Ok(Choice::Do(Box::new(Request::Copy(text)))) })
        };
        let items: Vec<Item> = copies.into_iter().filter_map(item).collect();
        if items.is_empty() {
            return self.say("there is nothing to copy here");
        }
        self.layers.push(Layer::Menu(Menu { title: "copy to the clipboard".into(), items, at: 0 }));
    }
}
