//! Themes while the console runs: chosen by `:theme`, and seen before they are chosen.

use super::State;
use super::layer::Layer;
use super::palette::{Choice, Goal};

impl State {
    /// `:theme NAME`.
    pub(super) fn choose_theme(&mut self, name: &str) {
        let Some((theme, mistakes)) = self.options.themes.named(name) else {
            let names: Vec<&str> = self.options.themes.names().collect();
            return self.say(format!("there is no theme {name}: {}", names.join(", ")));
        };
        let lines = mistakes.iter().map(|mistake| (String::new(), mistake.to_string())).collect::<Vec<_>>();
        self.options.theme = theme;
        self.previewed = None;
        if lines.is_empty() {
            self.say(format!("theme {name}; theme = \"{name}\" in tui.toml keeps it"));
        } else {
            self.layers.push(Layer::Facts { title: format!("mistakes in theme {name}"), lines, scroll: 0 });
        }
    }

    /// Shows the theme under the cursor of the palette; the one before comes back when another line is there.
    pub(super) fn preview(&mut self, goal: Option<&Goal>) {
        let wanted = match goal {
            Some(Goal::Theme(name)) => self.options.themes.named(name).map(|(theme, _)| theme),
            _ => None,
        };
        match (wanted, self.previewed.take()) {
            (Some(theme), before) => {
                let now = std::mem::replace(&mut self.options.theme, theme);
                self.previewed = Some(before.unwrap_or(now));
            }
            (None, Some(before)) => self.options.theme = before,
            (None, None) => {}
        }
    }

    /// The lines of the palette about themes.
    pub(super) fn theme_choices(&self) -> Vec<Choice> {
        let names = self.options.themes.names();
        let choice = |name: &str| {
            let now = if name == self.options.theme.name() { "theme, the present one" } else { "theme" };
            Choice { text: format!("theme {name}"), hint: now.to_owned(), goal: Goal::Theme(name.to_owned()) }
        };
        names.map(choice).collect()
    }
}
