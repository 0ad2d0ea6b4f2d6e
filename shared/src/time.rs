//! Points and spans of time as numbers with a unit. There is no clock here: cores take time as an argument.
//!
//! In what people read (JSON, TOML) a point in time is RFC 3339; the number that it was before is read there too.

mod civil;

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use civil::Utc;

/// Milliseconds: a span, or a point on a clock whose zero the owner of the core chose (monotonic).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The start of the clock; as a span, nothing.
    pub const ZERO: Self = Self(0);
    /// Later than everything.
    pub const MAX: Self = Self(u64::MAX);

    /// `count` seconds.
    pub const fn from_secs(count: u64) -> Self {
        Self(count.saturating_mul(1_000))
    }

    /// The span since `earlier`; nothing if that lies ahead.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The span as the standard library's type.
    pub const fn to_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Self(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Add for Millis {
    type Output = Self;

    fn add(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Sub for Millis {
    type Output = Self;

    fn sub(self, span: Self) -> Self {
        self.since(span)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, by somebody's wall clock: may jump, may be wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The point `span` later.
    pub const fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span since `earlier`; nothing if that lies ahead (a clock was set back).
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// Writes it to the second, as `2026-11-26T06:52:37Z`.
    pub const fn to_the_second(self) -> impl fmt::Display {
        Utc::to_the_second(self.0)
    }
}

/// RFC 3339 in UTC, as `2026-11-26T06:52:37.123Z`. What lies behind the year 9999 is its last moment.
impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Utc::to_the_millisecond(self.0).fmt(f)
    }
}

/// A text that is no point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no point in time as RFC 3339 has it, such as 2026-11-26T06:52:37Z or 2026-11-26T09:52:37.123+03:00")]
pub struct NoTime;

/// RFC 3339 with any offset. What lies before 1970 counts as 1970.
impl FromStr for UnixMillis {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        civil::read(text).map(Self).ok_or(NoTime)
    }
}

impl Serialize for UnixMillis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for UnixMillis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Either)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

/// The text, or the number that nodes of before wrote.
struct Either;

impl Visitor<'_> for Either {
    type Value = UnixMillis;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a point in time as RFC 3339 has it")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<UnixMillis, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<UnixMillis, E> {
        Ok(UnixMillis(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<UnixMillis, E> {
        let known = u64::try_from(number).map(UnixMillis);
        known.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

impl JsonSchema for UnixMillis {
    fn schema_name() -> Cow<'static, str> {
        "UnixMillis".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A point in time, by somebody's wall clock: may jump, may be wrong.",
            "type": "string",
            "format": "date-time",
        })
    }
}

/// For what was written as a number of milliseconds before points in time were texts, and stays one: records that
/// are sealed, and fields that say `_ms`. Used as `#[serde(with = "p2p_shared::time::number")]`.
pub mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::UnixMillis;

    /// Writes the number.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn serialize<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
        at.0.serialize(serializer)
    }

    /// Reads the number.
    ///
    /// # Errors
    /// If it is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixMillis, D::Error> {
        u64::deserialize(deserializer).map(UnixMillis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::codec::{self, Encoding};

    const AT: UnixMillis = UnixMillis(1_795_675_957_123);

    fn read(json: &str) -> Result<UnixMillis, codec::CodecError> {
        codec::decode(json.as_bytes(), Encoding::Json)
    }

    #[test]
    fn people_read_a_date_and_programs_of_one_version_exchange_the_number() {
        let json = codec::encode(&AT, Encoding::Json).unwrap();
        assert_eq!(json, &br#""2026-11-26T06:52:37.123Z""#[..]);
        assert_eq!(codec::decode::<UnixMillis>(&json, Encoding::Json).unwrap(), AT);
        let compact = codec::encode(&AT, Encoding::Bincode).unwrap();
        assert_eq!(compact, codec::encode(&AT.0, Encoding::Bincode).unwrap());
        assert_eq!(codec::decode::<UnixMillis>(&compact, Encoding::Bincode).unwrap(), AT);
    }

    #[test]
    fn what_older_nodes_wrote_is_read_too() {
        assert_eq!(read("1795675957123").unwrap(), AT);
        assert_eq!(read(r#""2026-11-26T09:52:37.123+03:00""#).unwrap(), AT);
        for wrong in ["-1", "1.5", "true", "null", "[]", r#""1795675957123""#, r#""yesterday""#] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("a point in time as RFC 3339 has it"), "{wrong}: {error}");
        }
    }
}
