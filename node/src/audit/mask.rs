//! Arguments without their secrets, cut to a bounded length. Pure.
//!
//! What is named like a secret is replaced, wherever it stands: as a field, as a variable of an environment,
//! as `--password=...` or after `--password` in a command.

use serde_json::{Map, Value};

/// Longest text of the arguments that is kept, in bytes.
pub const ARGUMENTS_BYTES_MAX: usize = 4_096;
/// Longest single text in them, in characters.
const TEXT_CHARS_MAX: usize = 1_024;
/// Arguments beyond this many bytes are not read: their size is recorded.
const READ_BYTES_MAX: usize = 2 << 20;
/// Names that are secret if one of these stands in them.
const SECRET: [&str; 9] =
    ["secret", "password", "passwd", "passphrase", "token", "credential", "private_key", "api_key", "apikey"];
/// Names whose values are all secret, but not the names in them.
const ENVIRONMENT: [&str; 2] = ["env", "environment"];
const MASK: &str = "***";

/// JSON text of arguments as it is recorded.
pub fn arguments(json: &[u8]) -> String {
    if json.len() > READ_BYTES_MAX {
        return format!("{} bytes", json.len());
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(json) else {
        return format!("{} bytes that are no JSON", json.len());
    };
    mask(&mut value);
    let mut text = value.to_string();
    if text.len() > ARGUMENTS_BYTES_MAX {
        text.truncate(text.floor_char_boundary(ARGUMENTS_BYTES_MAX));
        text.push_str("...");
    }
    text
}

/// Words of a command without its secrets, for who may see what runs and not with which passwords.
pub fn words(words: &[String]) -> Vec<String> {
    let mut items: Vec<Value> = words.iter().map(|word| Value::from(word.as_str())).collect();
    list(&mut items);
    items.iter().map(|item| item.as_str().unwrap_or(MASK).to_owned()).collect()
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => fields_of(fields),
        Value::Array(items) => list(items),
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
                text.truncate(end);
                text.push_str("...");
            }
            if let Some((name, _)) = text.split_once('=').filter(|(name, _)| is_secret(name)) {
                *text = format!("{name}={MASK}");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn fields_of(fields: &mut Map<String, Value>) {
    // A pair of name and value, as lists of variables are written too.
    let names_secret = |fields: &Map<String, Value>| {
        let name = fields.get("name").or_else(|| fields.get("key")).and_then(Value::as_str);
        name.is_some_and(is_secret)
    };
    let is_pair_of_secret = names_secret(fields);
    for (name, value) in fields.iter_mut() {
        let lower = name.to_lowercase();
        if ENVIRONMENT.contains(&lower.as_str()) {
            environment(value);
        } else if is_secret(name)
            || lower == "stdin"
            || lower == "content"
            || (is_pair_of_secret && lower == "value")
        {
            hide(value);
        } else {
            mask(value);
        }
    }
}

fn list(items: &mut [Value]) {
    let mut is_next_secret = false;
    for item in items {
        let text = item.as_str();
        // `--password SECRET`: the word after the flag.
        let is_flag =
            text.is_some_and(|text| text.starts_with('-') && !text.contains('=') && is_secret(text));
        if is_next_secret && !is_flag {
            hide(item);
        } else {
            mask(item);
        }
        is_next_secret = is_flag;
    }
}

/// Every value of an environment is hidden, however it is written.
fn environment(value: &mut Value) {
    match value {
        Value::Object(variables) => variables.values_mut().for_each(hide),
        Value::Array(items) => items.iter_mut().for_each(variable),
        other => hide(other),
    }
}

fn variable(item: &mut Value) {
    match item {
        Value::String(text) => *text = format!("{}={MASK}", text.split('=').next().unwrap_or_default()),
        Value::Array(pair) => pair.iter_mut().skip(1).for_each(hide),
        Value::Object(fields) => {
            let values = fields.iter_mut().filter(|(name, _)| !["name", "key"].contains(&name.as_str()));
            values.for_each(|(_, value)| hide(value));
        }
        other => hide(other),
    }
}

fn hide(value: &mut Value) {
    if !value.is_null() {
        *value = Value::from(MASK);
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    SECRET.iter().any(|secret| name.contains(secret))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_cut_wherever_they_stand() {
        for (given, kept) in [
            (r#"{"password":"hunter2","user":"ann"}"#, r#"{"password":"***","user":"ann"}"#),
            (r#"{"auth":{"API-Key":"hunter2"}}"#, r#"{"auth":{"API-Key":"***"}}"#),
            (r#"{"env":{"PATH":"hunter2"}}"#, r#"{"env":{"PATH":"***"}}"#),
            (r#"{"env":[["A","hunter2"]]}"#, r#"{"env":[["A","***"]]}"#),
            (r#"{"environment":["A=hunter2"]}"#, r#"{"environment":["A=***"]}"#),
            (r#"{"env":[{"name":"A","value":"hunter2"}]}"#, r#"{"env":[{"name":"A","value":"***"}]}"#),
            (r#"{"x":[{"name":"TOKEN","value":"hunter2"}]}"#, r#"{"x":[{"name":"TOKEN","value":"***"}]}"#),
            (r#"{"c":["a","--password","hunter2"]}"#, r#"{"c":["a","--password","***"]}"#),
            (r#"{"c":["a","--db-password=hunter2"]}"#, r#"{"c":["a","--db-password=***"]}"#),
            (r#"{"path":"/a","content":"hunter2"}"#, r#"{"path":"/a","content":"***"}"#),
            (r#"{"stdin":"hunter2","token":null}"#, r#"{"stdin":"***","token":null}"#),
            (r#"{"pid":7,"signal":"term"}"#, r#"{"pid":7,"signal":"term"}"#),
        ] {
            assert_eq!(arguments(given.as_bytes()), kept);
        }
    }

    #[test]
    fn a_command_keeps_its_words_but_the_secret_ones() {
        let given = ["mysql", "--password", "hunter2", "TOKEN=x", "-e", "select 1"].map(str::to_owned);
        assert_eq!(words(&given), ["mysql", "--password", "***", "TOKEN=***", "-e", "select 1"]);
    }

    #[test]
    fn what_is_long_is_cut() {
        let long = format!("{{\"text\":\"{}\"}}", "ж".repeat(100_000));
        assert!(arguments(long.as_bytes()).len() < 3_000);
        let many = format!("[{}1]", "1,".repeat(100_000));
        assert!(arguments(many.as_bytes()).ends_with("..."));
        assert_eq!(arguments(&vec![b' '; READ_BYTES_MAX + 1]), "2097153 bytes");
        assert_eq!(arguments(b"{"), "1 bytes that are no JSON");
    }

    proptest! {
        #[test]
        fn the_length_is_bounded(text in "\\PC{0,4000}") {
            let json = serde_json::to_vec(&vec![text; 8]).unwrap();
            prop_assert!(arguments(&json).len() <= ARGUMENTS_BYTES_MAX + 3);
        }
    }
}
