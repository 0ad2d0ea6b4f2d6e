//! Filters that the user saved, by view and name, as the file of them says.
//!
//! A text enters and leaves. Every mistake in it is named, and what stands beside it is used; a file with mistakes is
//! never written over.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::State;
use super::palette::{Choice, Goal};
use crate::command::Command;
use crate::filter::Filter;
use crate::views::ViewId;

/// The file, beside `tui.toml`.
pub const FILE: &str = "filters.toml";
/// Longest name of one.
const NAME_MAX: usize = 40;
/// Most of them of one view.
const FILTERS_MAX: usize = 100;
/// Words that are commands.
const RESERVED: [&str; 2] = ["save", "delete"];

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    views: BTreeMap<String, BTreeMap<String, String>>,
    /// Where they are kept; `None` for a user without a directory.
    pub file: Option<PathBuf>,
    /// The file has mistakes.
    broken: bool,
}

impl Saved {
    /// Those of a file, and what is wrong with it.
    pub fn read(text: &str, file: Option<PathBuf>) -> (Self, Vec<String>) {
        let mut saved = Self { file, ..Self::default() };
        let mut mistakes = Vec::new();
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let error: toml::de::Error = error;
                let at = error.span().map_or(0, |span| text.floor_char_boundary(span.start));
                let line = text[..at].lines().count().max(1);
                mistakes.push(format!("line {line}: {}", error.message().replace('\n', " ")));
                toml::Table::new()
            }
        };
        for (view, filters) in &table {
            let known = ViewId::ALL.into_iter().any(|id| id.name() == view);
            let Some(filters) = filters.as_table().filter(|_| known) else {
                mistakes.push(format!("there is no view {view}"));
                continue;
            };
            for (name, value) in filters {
                match (check_name(name), value.as_str()) {
                    (Ok(()), Some(text)) => {
                        saved.views.entry(view.clone()).or_default().insert(name.clone(), text.to_owned());
                    }
                    (Err(what), _) => mistakes.push(format!("{view}: {what}")),
                    (_, None) => mistakes.push(format!("{view}: {name} wants a filter in quotes")),
                }
            }
        }
        saved.broken = !mistakes.is_empty();
        let mistakes = mistakes.into_iter().map(|what| format!("{FILE}: {what}")).collect();
        (saved, mistakes)
    }

    fn text(&self) -> String {
        let mut text = String::from("# Filters saved in the console with `:filter save NAME`, by view.\n");
        for (view, filters) in self.views.iter().filter(|(_, filters)| !filters.is_empty()) {
            text.push_str(&format!("\n[{view}]\n"));
            for (name, filter) in filters {
                text.push_str(&format!("{name} = {}\n", toml::Value::from(filter.as_str())));
            }
        }
        text
    }

    /// Names and filters of a view.
    pub fn of(&self, view: ViewId) -> impl Iterator<Item = (&str, &str)> {
        let filters = self.views.get(view.name()).into_iter().flatten();
        filters.map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(good) {
        return Err(format!("{name:?} is no name: up to {NAME_MAX} of a-z A-Z 0-9 - _"));
    }
    if RESERVED.contains(&name) {
        return Err(format!("{name} is a word of the : line and no name"));
    }
    Ok(())
}

impl State {
    /// Puts a saved filter into force.
    pub(super) fn use_filter(&mut self, name: &str) {
        let (view, fields) = (self.current, self.view().fields());
        let found =
            self.options.saved.of(view).find(|(known, _)| *known == name).map(|(_, text)| text.to_owned());
        let Some(text) = found else {
            let names: Vec<&str> = self.options.saved.of(view).map(|(name, _)| name).collect();
            let names = if names.is_empty() { "none is saved".to_owned() } else { names.join(", ") };
            return self.say(format!("{} has no filter {name}: {names}", view.name()));
        };
        match Filter::parse(&text, fields) {
            Ok(filter) => {
                self.with_view(|view, scene| view.set_filter(scene, filter));
                self.say(format!("filter {name}: {text}"));
            }
            Err(mistake) => self.say(format!("filter {name}: {text}: {mistake}")),
        }
    }

    /// Saves the filter in force, in the place of one of that name.
    pub(super) fn save_filter(&mut self, name: &str) {
        let Some(text) = self.view().filter().map(|filter| filter.text().to_owned()) else {
            return self.say("there is no filter to save: / writes one");
        };
        if let Err(what) = check_name(name) {
            return self.say(what);
        }
        let view = self.current.name();
        let filters = self.options.saved.views.entry(view.to_owned()).or_default();
        if filters.len() >= FILTERS_MAX && !filters.contains_key(name) {
            return self.say(format!("{view} has {FILTERS_MAX} filters already: :filter delete NAME"));
        }
        filters.insert(name.to_owned(), text);
        self.keep_filters(format!("saved: :filter {name} brings it back"));
    }

    pub(super) fn delete_filter(&mut self, name: &str) {
        let view = self.current.name();
        let filters = self.options.saved.views.get_mut(view);
        if filters.is_none_or(|filters| filters.remove(name).is_none()) {
            return self.say(format!("{view} has no filter {name}"));
        }
        self.keep_filters(format!("deleted: {name}"));
    }

    fn keep_filters(&mut self, said: String) {
        let saved = &self.options.saved;
        let said = match (&saved.file, saved.broken) {
            (_, true) => format!("{said}; only until the console ends: {FILE} has mistakes, mend it first"),
            (None, _) => format!("{said}; only until the console ends: there is no directory to keep it in"),
            (Some(file), false) => {
                self.out.push(Command::Keep { file: file.clone(), text: saved.text() });
                said
            }
        };
        self.say(said);
    }

    /// The lines of the palette about the filters of this view.
    pub(super) fn filter_choices(&self) -> Vec<Choice> {
        let of_view = || self.options.saved.of(self.current);
        let use_it = of_view().map(|(name, text)| Choice {
            text: format!("filter {name}"),
            hint: text.to_owned(),
            goal: Goal::Filter(name.to_owned()),
        });
        let delete = of_view().map(|(name, text)| Choice {
            text: format!("filter delete {name}"),
            hint: text.to_owned(),
            goal: Goal::DeleteFilter(name.to_owned()),
        });
        use_it.chain(delete).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = "[processes]\nbusy = \"cpu>50 and name=~\\\"ng\\\"\"\n[fleet]\nlost = \"state:lost\"\n";
        let (saved, mistakes) = Saved::read(text, None);
        assert_eq!(mistakes, [""; 0]);
        assert_eq!(saved.of(ViewId::Processes).collect::<Vec<_>>(), [("busy", "cpu>50 and name=~\"ng\"")]);
        assert_eq!(Saved::read(&saved.text(), None), (saved, Vec::new()));
    }

    #[test]
    fn every_mistake_is_named_and_the_rest_is_used() {
        let text = "[procs]\na = \"x\"\n[fleet]\nsave = \"x\"\nb = 1\nok = \"cpu>5\"\n\"a b\" = \"x\"\n";
        let (saved, mistakes) = Saved::read(text, None);
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(mistakes.iter().all(|what| what.starts_with("filters.toml: ")));
        assert_eq!(saved.of(ViewId::Fleet).collect::<Vec<_>>(), [("ok", "cpu>5")]);
        assert!(saved.broken);
        let (_, mistakes) = Saved::read("[fleet\n", None);
        assert!(mistakes[0].starts_with("filters.toml: line 1"), "{mistakes:?}");
    }
}
