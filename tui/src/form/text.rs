//! A value as it is written in its field, and back.

use serde_json::{Map, Value};

use super::spec::Kind;
use super::words;

const MILLIS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const BYTES: [(&str, u64); 4] = [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("B", 1)];

impl Kind {
    /// How it is written, for the help; empty where there is nothing to say.
    pub fn usage(&self) -> String {
        match self {
            Self::Text => String::new(),
            Self::Number(least, most, unit) => {
                let unit = if unit.is_empty() { String::new() } else { format!(", in {unit}") };
                if *most >= i128::from(u32::MAX) {
                    format!("A whole number from {least}{unit}.")
                } else {
                    format!("A whole number from {least} to {most}{unit}.")
                }
            }
            Self::Span => "A time, as 500ms, 10s, 5m, 1h or 1d.".into(),
            Self::Size => "A size, as 512M or 2G.".into(),
            Self::Switch => "Blank turns it on and off.".into(),
            Self::Choice(_) => "Left and Right, or the first letters.".into(),
            Self::Words => "Words separated by blanks; quotes hold one together.".into(),
            Self::Pairs => "KEY=VALUE separated by blanks; quotes hold one together.".into(),
            Self::Rows(columns) => {
                let names: Vec<String> = columns.iter().map(|(name, _)| name.to_uppercase()).collect();
                format!("{}, several separated by blanks.", names.join(":"))
            }
            Self::Json => "As JSON.".into(),
        }
    }

    /// A value as it is written; nothing is written of null.
    pub fn show(&self, value: &Value) -> String {
        match (self, value) {
            (_, Value::Null) => String::new(),
            (Self::Span, value) if value.is_u64() => in_units(value.as_u64().unwrap_or(0), &MILLIS),
            (Self::Size, value) if value.is_u64() => in_units(value.as_u64().unwrap_or(0), &BYTES),
            (Self::Switch, Value::Bool(on)) => if *on { "yes" } else { "no" }.into(),
            (Self::Words, Value::Array(values)) if values.iter().all(Value::is_string) => {
                words::join(values.iter().filter_map(Value::as_str))
            }
            (Self::Pairs, Value::Object(map)) if map.values().all(Value::is_string) => {
                let pairs: Vec<String> = map
                    .iter()
                    .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
                    .collect();
                words::join(pairs.iter().map(String::as_str))
            }
            (Self::Rows(columns), Value::Array(rows)) => {
                let row = |row: &Value| {
                    let cells = columns.iter().map(|(name, kind)| kind.show(&row[name.as_str()]));
                    cells.collect::<Vec<_>>().join(":")
                };
                let rows: Vec<String> = rows.iter().map(row).collect();
                words::join(rows.iter().map(String::as_str))
            }
            (Self::Json, value) => value.to_string(),
            (_, Value::String(text)) => text.clone(),
            (_, value) => value.to_string(),
        }
    }

    /// The value that a text says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match self {
            Self::Text => Ok(text.into()),
            Self::Number(least, most, unit) => number(text.trim_end_matches(unit).trim(), *least, *most),
            Self::Span => units(text, &MILLIS, "write a time as 500ms, 10s, 5m, 1h or 1d"),
            Self::Size => match text.parse::<u64>() {
                Ok(bytes) => Ok(bytes.into()),
                Err(_) => units(text, &BYTES, "write a size as 512M or 2G"),
            },
            Self::Switch => match text {
                "yes" | "true" => Ok(true.into()),
                "no" | "false" => Ok(false.into()),
                _ => Err("it is yes or no".into()),
            },
            Self::Choice(choices) => {
                let known = choices.iter().any(|(word, _)| word == text);
                let words = || choices.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(", ");
                if known { Ok(text.into()) } else { Err(format!("it is one of {}", words())) }
            }
            Self::Words => Ok(words::split(text)?.into()),
            Self::Pairs => pairs(text),
            Self::Rows(columns) => words::split(text)?
                .iter()
                .map(|word| row(word, columns))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::from),
            Self::Json => serde_json::from_str(text).map_err(|error| format!("no JSON: {error}")),
        }
    }
}

fn number(text: &str, least: i128, most: i128) -> Result<Value, String> {
    let number: i128 = text.parse().map_err(|_| "it is a whole number".to_owned())?;
    if !(least..=most).contains(&number) {
        return Err(format!("it is {least} to {most}"));
    }
    let unsigned = u64::try_from(number).map(Value::from);
    Ok(unsigned.unwrap_or_else(|_| i64::try_from(number).unwrap_or(i64::MIN).into()))
}

/// In the largest unit that says it exactly.
fn in_units(number: u64, units: &[(&str, u64)]) -> String {
    let exact = units.iter().find(|(_, size)| number > 0 && number.is_multiple_of(*size));
    let (unit, size) = exact.copied().unwrap_or(units[units.len() - 1]);
    format!("{}{unit}", number / size)
}

fn units(text: &str, units: &[(&str, u64)], usage: &str) -> Result<Value, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let size = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, size)| size);
    let number = digits.trim().parse::<u64>().ok();
    let product = size.zip(number).ok_or(usage)?;
    product.1.checked_mul(*product.0).map(Value::from).ok_or_else(|| "that is too much".to_owned())
}

fn pairs(text: &str) -> Result<Value, String> {
    let mut map = Map::new();
    for word in words::split(text)? {
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(format!("{word:?}: write KEY=VALUE"));
        };
        if map.insert(key.to_owned(), value.into()).is_some() {
            return Err(format!("{key} stands there twice"));
        }
    }
    Ok(map.into())
}

/// `db:healthy`; what is left out at the end is the first of its choices.
fn row(word: &str, columns: &[(String, Kind)]) -> Result<Value, String> {
    let mut map = Map::new();
    let mut parts = word.splitn(columns.len(), ':');
    for (name, kind) in columns {
        let part = match (parts.next().filter(|part| !part.is_empty()), kind) {
            (Some(part), _) => part,
            (None, Kind::Choice(choices)) if !choices.is_empty() => &choices[0].0,
            (None, _) => return Err(format!("{word:?}: {name} is missing")),
        };
        map.insert(name.clone(), kind.read(part).map_err(|what| format!("{word:?}: {name}: {what}"))?);
    }
    Ok(map.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        let rows = Kind::Rows(vec![
            ("program".into(), Kind::Text),
            (
                "condition".into(),
                Kind::Choice(vec![("started".into(), String::new()), ("healthy".into(), String::new())]),
            ),
        ]);
        let cases = [
            (Kind::Text, json!("a b"), "a b"),
            (Kind::Number(0, 9, ""), json!(7), "7"),
            (Kind::Span, json!(500), "500ms"),
            (Kind::Span, json!(90_000), "90s"),
            (Kind::Span, json!(0), "0ms"),
            (Kind::Size, json!(512u64 << 20), "512M"),
            (Kind::Size, json!(7), "7B"),
            (Kind::Switch, json!(true), "yes"),
            (Kind::Words, json!(["-c", "a b", ""]), "-c \"a b\" \"\""),
            (Kind::Pairs, json!({"A": "1", "B": "x y=z"}), "A=1 \"B=x y=z\""),
            (rows.clone(), json!([{"program": "db", "condition": "healthy"}]), "db:healthy"),
            (Kind::Json, json!({"a": [1]}), "{\"a\":[1]}"),
        ];
        for (kind, value, text) in cases {
            assert_eq!(kind.show(&value), text);
            assert_eq!(kind.read(text), Ok(value), "{text}");
        }
        assert_eq!(rows.read("db"), Ok(json!([{"program": "db", "condition": "started"}])));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = [
            (Kind::Number(1, 9, ""), "0"),
            (Kind::Number(0, 9, ""), "x"),
            (Kind::Span, "10"),
            (Kind::Span, "99999999999999d"),
            (Kind::Size, "1.5G"),
            (Kind::Switch, "maybe"),
            (Kind::Choice(vec![("a".into(), String::new())]), "b"),
            (Kind::Words, "'"),
            (Kind::Pairs, "A"),
            (Kind::Pairs, "A=1 A=2"),
            (Kind::Json, "{"),
        ];
        for (kind, text) in wrong {
            assert!(kind.read(text).is_err(), "{text}");
        }
    }
}
