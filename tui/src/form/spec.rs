//! The fields of a form, out of a JSON schema with everything inlined.
//!
//! Knows no type of ours: a field that a later version adds to a schema is a field of the form by that alone. What it
//! cannot take apart is a field for JSON.

use serde_json::Value;

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Where its value belongs, such as `restart`, `delay_ms`.
    pub path: Vec<String>,
    /// What the schema says of it.
    pub doc: String,
    /// How it is written.
    pub kind: Kind,
    /// Whether it may be left out.
    pub need: Need,
    /// What it is if nothing is written; null if that is nothing.
    pub default: Value,
    /// The length of the path that it shares with those of which only one can be.
    pub rivals: Option<usize>,
}

/// Whether a field may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Never.
    Always,
    /// Always.
    Never,
    /// Not once something is written under the first so many names of its path.
    Within(usize),
}

/// How a value is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// As it is.
    Text,
    /// A whole number from the first to the second, and its unit.
    Number(i128, i128, &'static str),
    /// Milliseconds, as `500ms`, `10s`, `5m`.
    Span,
    /// Bytes, as `512M`, `2G`.
    Size,
    /// `yes` or `no`.
    Switch,
    /// One of these words, each with what the schema says of it.
    Choice(Vec<(String, String)>),
    /// Words separated by blanks.
    Words,
    /// `KEY=VALUE` separated by blanks.
    Pairs,
    /// Objects separated by blanks, the values of each separated by `:`.
    Rows(Vec<(String, Kind)>),
    /// Anything, as JSON.
    Json,
}

impl Spec {
    /// Under which heading it stands; empty for the first ones.
    pub fn group(&self) -> &str {
        if self.path.len() > 1 { &self.path[0] } else { "" }
    }

    /// What it is called there.
    pub fn label(&self) -> String {
        let own = if self.path.len() > 1 { &self.path[1..] } else { &self.path[..] };
        let own = own.join(" ");
        let unit = match self.kind {
            Kind::Span => "_ms",
            Kind::Size => "_bytes",
            Kind::Number(.., "%") => "_percent",
            _ => "",
        };
        own.strip_suffix(unit).unwrap_or(&own).replace('_', " ")
    }

    /// The whole path, as the mistakes of a definition name it.
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// The fields of the object that a schema describes.
pub fn specs(schema: &Value) -> Vec<Spec> {
    let mut specs = Vec::new();
    object(schema, &mut Vec::new(), Need::Always, &mut specs);
    specs
}

fn object(schema: &Value, path: &mut Vec<String>, need: Need, specs: &mut Vec<Spec>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name));
    for (name, property) in properties {
        path.push(name.clone());
        let need = if required(name) { need } else { Need::Never };
        field(property, path, need, specs);
        path.pop();
    }
}

fn field(property: &Value, path: &mut Vec<String>, need: Need, specs: &mut Vec<Spec>) {
    let (inner, nullable) = without_null(property);
    if inner["properties"].is_object() {
        // What may be missing as a whole needs its parts only once one of them is there.
        let within = if nullable || need == Need::Never && property["default"].is_null() {
            Need::Within(path.len())
        } else {
            Need::Always
        };
        return object(inner, path, within, specs);
    }
    let doc = property["description"].as_str().or(inner["description"].as_str()).unwrap_or_default();
    let default = property["default"].clone();
    if let Some(variants) = variants(inner) {
        for (name, variant, said) in variants {
            path.push(name);
            let doc = plain(format!("{doc} {said}").trim());
            let kind = kind(variant, path);
            let rivals = Some(path.len() - 1);
            specs.push(Spec { path: path.clone(), doc, kind, need, default: Value::Null, rivals });
            path.pop();
        }
        return;
    }
    // A switch that nobody touched is off.
    let kind = kind(inner, path);
    let need = if kind == Kind::Switch { Need::Never } else { need };
    specs.push(Spec { path: path.clone(), doc: plain(doc), kind, need, default, rivals: None });
}

/// A text for people: the schema speaks to programmers.
fn plain(text: &str) -> String {
    text.replace("`None`", "nothing").replace('`', "").replace('\n', " ")
}

/// The schema of what is there if something is, and whether nothing may be.
fn without_null(schema: &Value) -> (&Value, bool) {
    if let Some([one, other]) = schema["anyOf"].as_array().map(Vec::as_slice) {
        for (part, null) in [(one, other), (other, one)] {
            if null["type"] == "null" {
                return (part, true);
            }
        }
    }
    (schema, is_type(schema, "null"))
}

fn is_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// The alternatives of which an object holds exactly one: name, schema, what is said of it.
fn variants(schema: &Value) -> Option<Vec<(String, &Value, &str)>> {
    let alternatives = schema["oneOf"].as_array()?;
    let one = |alternative: &'_ Value| {
        let properties = alternative["properties"].as_object()?;
        (properties.len() == 1).then_some(())
    };
    if !alternatives.iter().all(|alternative| one(alternative).is_some()) {
        return None;
    }
    let pairs = alternatives.iter().flat_map(|alternative| {
        let said = alternative["description"].as_str().unwrap_or_default();
        let properties = alternative["properties"].as_object().into_iter().flatten();
        properties.map(move |(name, schema)| (name.clone(), schema, said))
    });
    Some(pairs.collect())
}

fn kind(schema: &Value, path: &[String]) -> Kind {
    if let Some(choices) = choices(schema) {
        return Kind::Choice(choices);
    }
    let name = path.last().map_or("", String::as_str);
    if is_type(schema, "boolean") {
        Kind::Switch
    } else if is_type(schema, "string") {
        Kind::Text
    } else if is_type(schema, "integer") {
        number(schema, name)
    } else if is_type(schema, "array") && is_type(&schema["items"], "string") {
        Kind::Words
    } else if is_type(schema, "array") {
        rows(&schema["items"]).map_or(Kind::Json, Kind::Rows)
    } else if is_type(schema, "object") && is_type(&schema["additionalProperties"], "string") {
        Kind::Pairs
    } else {
        Kind::Json
    }
}

fn number(schema: &Value, name: &str) -> Kind {
    if name.ends_with("_ms") {
        return Kind::Span;
    }
    if name.ends_with("_bytes") {
        return Kind::Size;
    }
    let unit = if name.ends_with("_percent") { "%" } else { "" };
    let (least, most) = match schema["format"].as_str() {
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint64") => (0, u64::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    };
    let told = |key: &str, other: i128| schema[key].as_i64().map_or(other, i128::from);
    Kind::Number(told("minimum", least), told("maximum", most), unit)
}

/// The words that a schema lets through; those of a newer version cannot be meant.
fn choices(schema: &Value) -> Option<Vec<(String, String)>> {
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let known = |choice: &(String, String)| choice.0 != "unknown";
    if let Some(words) = schema["enum"].as_array() {
        let words: Option<Vec<_>> = words.iter().map(|value| Some((word(value)?, String::new()))).collect();
        return words.map(|words| words.into_iter().filter(known).collect());
    }
    let one = |part: &Value| {
        let said = plain(part["description"].as_str().unwrap_or_default());
        Some((word(&part["const"])?, said))
    };
    let words: Option<Vec<_>> = schema["oneOf"].as_array()?.iter().map(one).collect();
    words.map(|words| words.into_iter().filter(known).collect())
}

/// The columns of an object that has nothing but plain values.
fn rows(items: &Value) -> Option<Vec<(String, Kind)>> {
    let properties = items["properties"].as_object()?;
    let column = |(name, schema): (&String, &Value)| {
        let kind = kind(schema, std::slice::from_ref(name));
        let plain = matches!(kind, Kind::Text | Kind::Number(..) | Kind::Span | Kind::Size | Kind::Choice(_));
        plain.then(|| (name.clone(), kind))
    };
    properties.iter().map(column).collect()
}
