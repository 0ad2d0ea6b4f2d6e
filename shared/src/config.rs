//! Configuration of both programs: one definition, four sources, one winner a key.
//!
//! A program derives [`confique::Config`] on its settings. [`load`] reads flags, the environment, a `.env`
//! file and a TOML file, in that order of precedence, then the defaults. Every value is read by itself, so
//! each problem names its own file, line and key, and all of them are told at once. Nothing here looks at
//! the process environment, the clock or a fixed path: the caller hands in what there is.

mod document;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use confique::Layer;
use confique::meta::{FieldKind, Meta};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

pub use document::{Document, edits};

/// What a secret looks like wherever it is shown.
pub const MASK: &str = "********";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The TOML file.
    File {
        /// Its path.
        path: PathBuf,
        /// Line of the key, from 1.
        line: usize,
        /// Column of the key in characters, from 1.
        column: usize,
    },
    /// The `.env` file.
    DotEnv {
        /// Its path.
        path: PathBuf,
        /// Line of the name, from 1.
        line: usize,
        /// The variable.
        name: &'static str,
    },
    /// The process environment; the variable.
    Environment(&'static str),
    /// The command line; the flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::DotEnv { path, line, name } => write!(f, "{}:{line} {name}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing that is wrong with the configuration: a line for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// File and line, variable or flag.
    pub place: String,
    /// The key, as in the TOML file; `None` if the whole source is at fault.
    pub key: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A problem with the whole of `place`.
    pub fn new(place: impl fmt::Display, message: impl Into<String>) -> Self {
        Self { place: place.to_string(), key: None, message: message.into() }
    }

    /// The same, at `key`.
    #[must_use]
    pub fn at(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}: {key}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

/// A flag that was given.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The key that it sets, as in the TOML file.
    pub key: &'static str,
    /// Its name, with the dashes.
    pub name: &'static str,
    /// Its value as text; lists are joined by commas.
    pub text: String,
}

/// What [`load`] reads, highest precedence first.
pub struct Sources<'a> {
    /// Flags of the command line.
    pub flags: &'a [Flag],
    /// Looks up a variable of the environment.
    pub env: &'a dyn Fn(&str) -> Option<OsString>,
    /// The `.env` file, if there is one.
    pub dotenv: Option<&'a Document>,
    /// The TOML file, if there is one.
    pub file: Option<&'a Document>,
}

/// Settings, and where each of them comes from.
#[derive(Clone, Debug)]
pub struct Loaded<C> {
    /// The settings.
    pub settings: C,
    origins: BTreeMap<String, Origin>,
    conflicts: BTreeMap<String, Origin>,
}

impl<C> Loaded<C> {
    /// Where the value of `key` comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// A source of lower precedence that gives another value for `key`, if there is one.
    pub fn conflict(&self, key: &str) -> Option<&Origin> {
        self.conflicts.get(key)
    }
}

/// A value as a source gives it.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(Zeroizing<String>),
    Toml(toml::Value),
}

impl Value {
    fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(text), Self::Toml(toml::Value::String(string)))
            | (Self::Toml(toml::Value::String(string)), Self::Text(text)) => **text == *string,
            _ => self == other,
        }
    }
}

/// One value of one source.
#[derive(Debug)]
struct Item {
    key: String,
    origin: Origin,
    value: Value,
}

/// A key of the definition.
#[derive(Debug, PartialEq, Eq)]
struct Leaf {
    key: String,
    env: Option<&'static str>,
}

/// Reads all sources. On failure: every problem, in order of precedence.
pub fn load<C: confique::Config>(sources: &Sources<'_>) -> Result<Loaded<C>, Vec<Problem>> {
    let leaves = leaves(&C::META, "");
    let mut problems = Vec::new();
    let items = gather(&leaves, sources, &mut problems);
    let mut merged = C::Layer::empty();
    let mut seen: BTreeMap<String, Item> = BTreeMap::new();
    let mut conflicts = BTreeMap::new();
    for item in items {
        match layer_of::<C::Layer>(&item) {
            Ok(layer) => merged = merged.with_fallback(layer),
            Err(problem) => problems.push(problem),
        }
        match seen.get(&item.key) {
            None => {
                seen.insert(item.key.clone(), item);
            }
            Some(winner) if !winner.value.same_as(&item.value) => {
                conflicts.entry(item.key).or_insert(item.origin);
            }
            Some(_) => {}
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let settings = C::from_layer(merged.with_fallback(C::Layer::default_values()))
        .map_err(|error| vec![Problem::new("configuration", error.to_string())])?;
    let origins = seen.into_iter().map(|(key, item)| (key, item.origin)).collect();
    Ok(Loaded { settings, origins, conflicts })
}

/// Every key of a definition, in its order.
pub fn keys<C: confique::Config>() -> Vec<String> {
    leaves(&C::META, "").into_iter().map(|leaf| leaf.key).collect()
}

/// Every environment name of a definition, in its order.
pub fn env_names<C: confique::Config>() -> Vec<&'static str> {
    leaves(&C::META, "").into_iter().filter_map(|leaf| leaf.env).collect()
}

fn leaves(meta: &Meta, prefix: &str) -> Vec<Leaf> {
    let mut found = Vec::new();
    for field in meta.fields {
        let key = if prefix.is_empty() { field.name.to_owned() } else { format!("{prefix}.{}", field.name) };
        match field.kind {
            FieldKind::Leaf { env, .. } => found.push(Leaf { key, env }),
            FieldKind::Nested { meta } => found.extend(leaves(meta, &key)),
        }
    }
    found
}

fn gather(leaves: &[Leaf], sources: &Sources<'_>, problems: &mut Vec<Problem>) -> Vec<Item> {
    let flags = sources.flags.iter().map(|flag| Item {
        key: flag.key.to_owned(),
        origin: Origin::Flag(flag.name),
        value: Value::Text(flag.text.clone().into()),
    });
    let mut items: Vec<Item> = flags.collect();
    items.extend(environment(leaves, sources.env, problems));
    if let Some(document) = sources.dotenv {
        items.extend(document.dotenv_items(leaves, problems));
    }
    if let Some(document) = sources.file {
        items.extend(document.toml_items(leaves, problems));
    }
    items
}

fn environment(
    leaves: &[Leaf],
    env: &dyn Fn(&str) -> Option<OsString>,
    problems: &mut Vec<Problem>,
) -> Vec<Item> {
    let mut items = Vec::new();
    for leaf in leaves {
        let Some(name) = leaf.env else { continue };
        let Some(raw) = env(name) else { continue };
        let origin = Origin::Environment(name);
        match raw.into_string() {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => items.push(Item { key: leaf.key.clone(), origin, value: Value::Text(text.into()) }),
            Err(_) => problems.push(Problem::new(origin, "is not UTF-8").at(&leaf.key)),
        }
    }
    items
}

/// The layer that holds just this item.
fn layer_of<L: DeserializeOwned>(item: &Item) -> Result<L, Problem> {
    let read = match &item.value {
        Value::Text(value) => text::read(&item.key, value),
        Value::Toml(value) => L::deserialize(nested(&item.key, value.clone())),
    };
    read.map_err(|error| {
        let message = error.message().trim_end().trim_start_matches("validation failed: ").to_owned();
        Problem::new(&item.origin, message).at(&item.key)
    })
}

fn nested(key: &str, value: toml::Value) -> toml::Value {
    key.rsplit('.')
        .fold(value, |inner, part| toml::Value::Table(toml::Table::from_iter([(part.to_owned(), inner)])))
}

/// A text that is never shown, and wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over `text`.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself: for the place that uses it, and no other.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests;
