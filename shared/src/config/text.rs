//! Reads a typed value out of a plain text: of a variable, of `.env`, of a flag.
//!
//! Takes a key such as `http.port` and a text, and presents them to serde as the nested map that a TOML file
//! with just this line would be. Lists are separated by commas, maps are `k=v,k=v`. It never guesses a type:
//! the field that is read decides.

use std::fmt::Display;
use std::iter::once;
use std::str::FromStr;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::de::Error;

/// Reads `text` as the value of `key` of an otherwise empty `T`.
pub(super) fn read<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, Error> {
    T::deserialize(At { path: Some(key), text })
}

/// A text below the tables named by `path`.
#[derive(Clone, Copy)]
struct At<'a> {
    path: Option<&'a str>,
    text: &'a str,
}

impl<'a> At<'a> {
    const fn leaf(text: &'a str) -> Self {
        Self { path: None, text }
    }

    fn whole<N: FromStr<Err: Display>>(self, what: &str) -> Result<N, Error> {
        let digits = self.text.trim();
        if digits.starts_with('+') {
            return Err(Error::custom(format!("{digits:?} is not {what}")));
        }
        digits.parse().map_err(|error| Error::custom(format!("{digits:?} is not {what}: {error}")))
    }
}

impl<'de> IntoDeserializer<'de, Error> for At<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $what:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.whole($what)?)
        })*
    };
}

impl<'de> serde::Deserializer<'de> for At<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(path) = self.path else { return visitor.visit_str(self.text) };
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        visitor.visit_map(MapDeserializer::new(once((name, At { path: rest, text: self.text }))))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => visitor.visit_bool(true),
            "0" | "false" | "no" | "off" => visitor.visit_bool(false),
            other => Err(Error::custom(format!("{other:?} is neither true nor false"))),
        }
    }

    numbers! {
        deserialize_u8 visit_u8 "a whole number";
        deserialize_u16 visit_u16 "a whole number";
        deserialize_u32 visit_u32 "a whole number";
        deserialize_u64 visit_u64 "a whole number";
        deserialize_i8 visit_i8 "a whole number";
        deserialize_i16 visit_i16 "a whole number";
        deserialize_i32 visit_i32 "a whole number";
        deserialize_i64 visit_i64 "a whole number";
        deserialize_f32 visit_f32 "a number";
        deserialize_f64 visit_f64 "a number";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(SeqDeserializer::new(parts(self.text).map(At::leaf)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.path.is_some() {
            return self.deserialize_any(visitor);
        }
        let pairs = parts(self.text).map(|part| part.split_once('=').ok_or(part));
        let pairs = pairs.collect::<Result<Vec<_>, _>>();
        let pairs = pairs.map_err(|part| Error::custom(format!("{part:?} is not KEY=VALUE")))?;
        let pairs = pairs.into_iter().map(|(key, value)| (key.trim(), At::leaf(value.trim())));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.text.trim().into_deserializer())
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct struct identifier
        ignored_any
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
