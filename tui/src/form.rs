//! A form made from a JSON schema: its fields, what is written in them, and the value that they say.
//!
//! A schema and a value enter, keys change it, and a value leaves that holds only what differs from the defaults.
//! Pure; knows no type of ours, no node and no screen.

mod document;
pub mod spec;
mod text;
pub mod words;

use serde_json::{Map, Value};

use crate::event::{Code, Key};
use crate::widgets::field::Field;

use spec::{Kind, Need, Spec};

/// Fields that a page key moves by.
const PAGE: usize = 8;

/// A form that is being filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    /// The fields, in the order of the schema.
    pub specs: Vec<Spec>,
    /// What is written in each; nothing where the default is meant.
    pub fields: Vec<Field>,
    /// What is wrong with each.
    pub mistakes: Vec<Option<String>>,
    /// The one under the cursor.
    pub at: usize,
    /// What was written when it opened.
    before: Vec<String>,
}

impl Form {
    /// An empty form.
    pub fn new(specs: Vec<Spec>) -> Self {
        let count = specs.len();
        Self {
            specs,
            fields: vec![Field::default(); count],
            mistakes: vec![None; count],
            at: 0,
            before: vec![String::new(); count],
        }
    }

    /// Writes a value into the fields, as they stand in a form that was just opened.
    ///
    /// # Errors
    /// If the value has something for which there is no field; then nothing is written.
    pub fn open_with(&mut self, value: &Value) -> Result<(), String> {
        self.fill(value)?;
        self.before = self.fields.iter().map(|field| field.text().to_owned()).collect();
        Ok(())
    }

    /// Writes a value into the fields.
    ///
    /// # Errors
    /// If the value has something for which there is no field; then nothing is written.
    pub fn fill(&mut self, value: &Value) -> Result<(), String> {
        if let Some(stranger) = self.stranger(value, &mut Vec::new()) {
            return Err(format!("there is no field {stranger}"));
        }
        for (spec, field) in self.specs.iter().zip(&mut self.fields) {
            let own = spec.path.iter().try_fold(value, |value, name| value.get(name)).unwrap_or(&Value::Null);
            let text = if *own == spec.default { String::new() } else { spec.kind.show(own) };
            *field = Field::new(text);
        }
        self.mistakes.fill(None);
        Ok(())
    }

    /// The first name in a value that leads to no field.
    fn stranger(&self, value: &Value, path: &mut Vec<String>) -> Option<String> {
        if self.specs.iter().any(|spec| spec.path == *path) || value.is_null() {
            return None;
        }
        let leads = self.specs.iter().any(|spec| spec.path.starts_with(path));
        match value {
            Value::Object(map) if leads => map.iter().find_map(|(name, value)| {
                path.push(name.clone());
                let found = self.stranger(value, path);
                path.pop();
                found
            }),
            _ => Some(path.join(".")),
        }
    }

    /// Whether something is written otherwise than when it opened.
    pub fn is_changed(&self) -> bool {
        self.fields.iter().zip(&self.before).any(|(field, before)| field.text() != before)
    }

    /// The value that the fields say: only what differs from the defaults is in it. `None` if something is wrong; it
    /// stands at its field then, and the cursor on the first of them.
    pub fn value(&mut self) -> Option<Value> {
        self.mistakes.fill(None);
        let mut value = Value::Object(Map::new());
        for index in 0..self.specs.len() {
            if !self.is_written(index) {
                continue;
            }
            let spec = &self.specs[index];
            match spec.kind.read(self.fields[index].text()) {
                Ok(own) if own == spec.default => {}
                Ok(own) => put(&mut value, &spec.path, own),
                Err(what) => self.mistakes[index] = Some(what),
            }
        }
        for index in 0..self.specs.len() {
            if let Some(what) = self.lack(index) {
                self.mistakes[index].get_or_insert(what);
            }
        }
        self.stand_on_mistake().then_some(value)
    }

    /// Puts a mistake that somebody else found at its field; `false` if there is no such field.
    pub fn blame(&mut self, name: &str, what: &str) -> bool {
        let found = self.specs.iter().position(|spec| spec.name() == name);
        let Some(index) = found else { return false };
        self.mistakes[index].get_or_insert_with(|| what.to_owned());
        self.stand_on_mistake();
        true
    }

    /// Puts the cursor on the first mistake; whether there is none.
    fn stand_on_mistake(&mut self) -> bool {
        match self.mistakes.iter().position(Option::is_some) {
            Some(index) => self.at = index,
            None => return true,
        }
        false
    }

    fn is_written(&self, index: usize) -> bool {
        !self.fields[index].text().trim().is_empty()
    }

    /// Why a field may not be as it is, whatever is written in it.
    fn lack(&self, index: usize) -> Option<String> {
        let spec = &self.specs[index];
        let shares =
            |other: &usize, length: usize| self.specs[*other].path.get(..length) == spec.path.get(..length);
        let written = |length: usize| {
            (0..self.specs.len()).filter(move |other| shares(other, length) && self.is_written(*other))
        };
        if let Some(length) = spec.rivals {
            let first = written(length).next();
            if self.is_written(index) && first.is_some_and(|first| first < index) {
                return Some(format!("only one of {} can be", self.rivals_of(length, index)));
            }
            let is_first = (0..index).all(|other| !shares(&other, length));
            let needed = self.is_needed(spec, written);
            return (needed && first.is_none() && is_first)
                .then(|| format!("one of {} is needed", self.rivals_of(length, index)));
        }
        (!self.is_written(index) && self.is_needed(spec, written)).then(|| match spec.need {
            Need::Within(length) => format!("needed with the rest of {}", spec.path[..length].join(" ")),
            _ => "required".to_owned(),
        })
    }

    fn is_needed<I: Iterator<Item = usize>>(&self, spec: &Spec, written: impl Fn(usize) -> I) -> bool {
        match spec.need {
            Need::Always => true,
            Need::Never => false,
            Need::Within(length) => written(length).next().is_some(),
        }
    }

    fn rivals_of(&self, length: usize, index: usize) -> String {
        let own = &self.specs[index].path[..length];
        let rivals =
            self.specs.iter().filter(|spec| spec.rivals == Some(length) && spec.path.starts_with(own));
        rivals.map(|spec| spec.path[length..].join(" ")).collect::<Vec<_>>().join(", ")
    }

    /// Takes a key; false if it means nothing here.
    pub fn on_key(&mut self, key: Key) -> bool {
        let last = self.specs.len().saturating_sub(1);
        match key.code {
            Code::Down | Code::Tab | Code::Enter => self.at = (self.at + 1).min(last),
            Code::Up | Code::BackTab => self.at = self.at.saturating_sub(1),
            Code::PageDown => self.at = (self.at + PAGE).min(last),
            Code::PageUp => self.at = self.at.saturating_sub(PAGE),
            _ => return self.write(key),
        }
        true
    }

    fn write(&mut self, key: Key) -> bool {
        let (Some(spec), Some(field)) = (self.specs.get(self.at), self.fields.get_mut(self.at)) else {
            return false;
        };
        self.mistakes[self.at] = None;
        let choices: Vec<&str> = match &spec.kind {
            Kind::Switch => vec!["no", "yes"],
            Kind::Choice(choices) => choices.iter().map(|(word, _)| word.as_str()).collect(),
            _ => return field.on_key(key),
        };
        // What is the default is as if nothing were written.
        let default = spec.kind.show(&spec.default);
        let now = if field.text().is_empty() { default.as_str() } else { field.text() };
        let at = choices.iter().position(|word| *word == now);
        let count = choices.len().max(1);
        let next = match key.code {
            Code::Right | Code::Char(' ') => at.map_or(0, |at| (at + 1) % count),
            Code::Left => at.map_or(0, |at| (at + count - 1) % count),
            Code::Char('u') if key.ctrl => return clear(field),
            Code::Backspace | Code::Delete => return clear(field),
            Code::Char(letter) if !key.ctrl && !key.alt => {
                let begins = |index: &usize| choices[*index].starts_with(letter);
                let from = at.map_or(0, |at| at + 1);
                match (from..count).chain(0..from.min(count)).find(begins) {
                    Some(index) => index,
                    None => return false,
                }
            }
            _ => return false,
        };
        let word = choices.get(next).copied().unwrap_or_default();
        *field = Field::new(if word == default { "" } else { word });
        true
    }

    /// A click on a field: the cursor stands in it, at a column of its value if that was hit. A value that is chosen
    /// among others and has the cursor already is the next one then.
    pub fn press(&mut self, index: usize, value: Option<(usize, usize)>) {
        let had = self.at == index;
        let (Some(spec), Some(field)) = (self.specs.get(index), self.fields.get_mut(index)) else { return };
        self.at = index;
        match (value, &spec.kind) {
            (Some(_), Kind::Switch | Kind::Choice(_)) if had => {
                self.write(Key::plain(Code::Char(' ')));
            }
            (None, _) | (_, Kind::Switch | Kind::Choice(_)) => {}
            (Some((columns, column)), _) => field.point(columns, column),
        }
    }

    /// Takes a paste into the field under the cursor.
    pub fn paste(&mut self, text: &str) {
        let Some(spec) = self.specs.get(self.at) else { return };
        if matches!(spec.kind, Kind::Switch | Kind::Choice(_)) {
            // A word that is one of them is meant, anything else is not.
            if spec.kind.read(text).is_ok() {
                self.fields[self.at] = Field::new(text.trim());
            }
            return;
        }
        self.mistakes[self.at] = None;
        self.fields[self.at].paste(text);
    }
}

fn clear(field: &mut Field) -> bool {
    *field = Field::default();
    true
}

fn put(value: &mut Value, path: &[String], own: Value) {
    let mut place = value;
    for name in path {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[name.as_str()];
    }
    *place = own;
}

#[cfg(test)]
mod tests;
