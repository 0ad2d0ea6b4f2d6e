//! A form as a text for an editor, and back: TOML, with what is said of each field above it.

use serde_json::Value;

use super::Form;
use super::spec::Kind;

impl Form {
    /// The whole form as TOML. What is not written stands there as a comment, with its default.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (spec, field) in self.specs.iter().zip(&self.fields) {
            text.push_str(&format!("# {}\n", spec.doc));
            if let Kind::Choice(choices) = &spec.kind {
                let words: Vec<&str> = choices.iter().map(|(word, _)| word.as_str()).collect();
                text.push_str(&format!("# One of: {}.\n", words.join(", ")));
            }
            let written = field.text();
            let (mark, value) = if written.trim().is_empty() {
                ("# ", spec.default.clone())
            } else {
                // What cannot be read goes on as the text that it is, and is told there.
                ("", spec.kind.read(written).unwrap_or_else(|_| written.into()))
            };
            text.push_str(&format!("{mark}{} = {}\n\n", spec.name(), toml(&value)));
        }
        text
    }

    /// Takes a text in place of what is written.
    ///
    /// # Errors
    /// What is wrong with it; then nothing is taken.
    pub fn take_text(&mut self, text: &str) -> Result<(), String> {
        let table: toml::Table = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line =
                error.span().map_or(0, |span| text[..text.floor_char_boundary(span.start)].lines().count());
            format!("line {}: {}", line.max(1), error.message().replace('\n', " "))
        })?;
        let value = serde_json::to_value(table).map_err(|error| error.to_string())?;
        self.fill(&value)
    }
}

/// A value in TOML, on one line.
fn toml(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Array(values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs =
                map.iter().map(|(key, value)| format!("{} = {}", Value::from(key.as_str()), toml(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        // The escapes of JSON are those of TOML.
        plain => plain.to_string(),
    }
}
