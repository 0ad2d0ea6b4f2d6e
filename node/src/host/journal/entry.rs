//! One line of `journalctl -o json` as a row. Pure. What stands in it was written by anybody: every size is
//! bounded, and what is no text is made one.

use p2p_shared::services::journal::{JournalField, JournalRow};
use serde_json::{Map, Value};

/// Longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Longest other value, in bytes.
const FIELD_BYTES_MAX: usize = 4 << 10;
/// Most fields of an entry.
const FIELDS_MAX: usize = 64;
/// What an entry without a priority counts as.
const PRIORITY_NONE: u8 = 6;

/// Which fields a row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Those that have a place of their own.
    Named,
    /// All others too.
    All,
}

/// Reads a line; `None` if it is no entry.
pub fn parse(line: &[u8], fields: Fields) -> Option<JournalRow> {
    let Ok(Value::Object(entry)) = serde_json::from_slice(line) else { return None };
    let short = |name: &str| entry.get(name).map(|value| cut(text(value), FIELD_BYTES_MAX).0);
    let (message, is_cut) = cut(entry.get("MESSAGE").map(text).unwrap_or_default(), MESSAGE_BYTES_MAX);
    Some(JournalRow {
        cursor: short("__CURSOR")?,
        time_us: short("__REALTIME_TIMESTAMP")?.parse().ok()?,
        unit: short("_SYSTEMD_UNIT").or_else(|| short("UNIT")).or_else(|| short("OBJECT_SYSTEMD_UNIT")),
        identifier: short("SYSLOG_IDENTIFIER").or_else(|| short("_COMM")),
        pid: short("_PID").or_else(|| short("SYSLOG_PID")).and_then(|pid| pid.parse().ok()),
        priority: priority(short("PRIORITY").as_deref()),
        message,
        is_cut: is_cut || entry.get("MESSAGE").is_some_and(Value::is_null),
        fields: if fields == Fields::All { all(&entry) } else { Vec::new() },
    })
}

/// Bytes that a row takes, about.
pub fn weight(row: &JournalRow) -> usize {
    let fields: usize = row.fields.iter().map(|field| field.name.len() + field.value.len()).sum();
    row.message.len() + row.cursor.len() + fields + 128
}

fn priority(text: Option<&str>) -> u8 {
    text.and_then(|text| text.parse().ok()).filter(|priority| *priority <= 7).unwrap_or(PRIORITY_NONE)
}

fn all(entry: &Map<String, Value>) -> Vec<JournalField> {
    let others = entry.iter().filter(|(name, _)| *name != "MESSAGE" && *name != "__CURSOR");
    let bounded = others.take(FIELDS_MAX).map(|(name, value)| JournalField {
        name: cut(name.clone(), FIELD_BYTES_MAX).0,
        value: cut(text(value), FIELD_BYTES_MAX).0,
    });
    bounded.collect()
}

/// A value as text: a string, bytes as an array of numbers, or the first of several values.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => match bytes(items) {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // A field that was given several times. Its values are no deeper than this.
            None => match items.first() {
                Some(Value::Array(items)) => {
                    String::from_utf8_lossy(&bytes(items).unwrap_or_default()).into_owned()
                }
                Some(Value::String(text)) => text.clone(),
                _ => String::new(),
            },
        },
        other => other.to_string(),
    }
}

fn bytes(items: &[Value]) -> Option<Vec<u8>> {
    items.iter().map(|item| item.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
}

/// The text up to `most` bytes, and whether there was more.
fn cut(mut text: String, most: usize) -> (String, bool) {
    if text.len() <= most {
        return (text, false);
    }
    text.truncate(text.floor_char_boundary(most));
    (text, true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1700000000123456","_SYSTEMD_UNIT":"a.service",
        "SYSLOG_IDENTIFIER":"a","_PID":"12","PRIORITY":"3","MESSAGE":"hello","_HOSTNAME":"h"}"#;

    #[test]
    fn an_entry_is_a_row() {
        let row = parse(LINE.as_bytes(), Fields::All).unwrap();
        assert_eq!((row.time_us, row.priority, row.pid), (1_700_000_000_123_456, 3, Some(12)));
        assert_eq!((row.unit.as_deref(), row.message.as_str()), (Some("a.service"), "hello"));
        assert!(row.fields.iter().any(|field| field.name == "_HOSTNAME" && field.value == "h"));
        assert!(parse(LINE.as_bytes(), Fields::Named).unwrap().fields.is_empty());
    }

    fn message(value: &str) -> JournalRow {
        let line = format!(r#"{{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1","MESSAGE":{value}}}"#);
        parse(line.as_bytes(), Fields::Named).unwrap()
    }

    #[test]
    fn messages_that_are_no_text_are_made_one() {
        assert_eq!(message("[104,105,255]").message, "hi\u{fffd}");
        assert_eq!(message(r#"["one","two"]"#).message, "one");
        assert_eq!(message("[[104,105],\"x\"]").message, "hi");
        assert!(message("null").is_cut);
        assert_eq!(message("\"x\"").priority, 6);
    }

    #[test]
    fn a_long_message_is_cut_and_marked() {
        let row = message(&format!("\"{}\"", "ж".repeat(100_000)));
        assert!(row.is_cut && row.message.len() <= 64 << 10 && row.message.ends_with('ж'));
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        let name = prop_oneof![
            Just("__CURSOR".to_owned()),
            Just("__REALTIME_TIMESTAMP".to_owned()),
            Just("MESSAGE".to_owned()),
            Just("PRIORITY".to_owned()),
            Just("_PID".to_owned()),
            "[A-Z_]{1,5}",
        ];
        leaf.prop_recursive(3, 40, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..8)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(value in json(), noise in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(value.to_string().as_bytes(), Fields::All);
            let _ = parse(&noise, Fields::All);
        }
    }
}
