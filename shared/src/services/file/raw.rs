//! Bytes that are mostly text: paths, names and contents of files.
//!
//! In JSON they are a string: UTF-8 stands as it is, and each byte that is not (and each zero byte) as U+0000
//! with two hexadecimal digits behind it, so that `"\u0000ff"` is the byte 0xff. No path holds a zero byte: every
//! UTF-8 path is itself. In bincode they are bytes. Who shows them escapes what controls a terminal.

use std::fmt::{self, Write};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands before two digits.
const MARK: char = '\0';

/// A path, or one name of it: any bytes but zero, as the kernel has it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(Vec<u8>);

/// Bytes of a file.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct FileContent(pub Vec<u8>);

/// A text that is no such bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawError {
    /// The mark without two digits.
    #[error("U+0000 stands only before two hexadecimal digits, of a byte that is no UTF-8")]
    Mark,
    /// What no path can hold.
    #[error("a path holds no zero byte")]
    Zero,
}

impl FilePath {
    /// A path of these bytes.
    ///
    /// # Errors
    /// [`RawError::Zero`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, RawError> {
        let bytes = bytes.into();
        if bytes.contains(&0) { Err(RawError::Zero) } else { Ok(Self(bytes)) }
    }

    /// As the kernel has it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that JSON holds.
    pub fn to_text(&self) -> String {
        to_text(&self.0)
    }
}

impl std::str::FromStr for FilePath {
    type Err = RawError;

    fn from_str(text: &str) -> Result<Self, RawError> {
        Self::new(from_text(text)?)
    }
}

/// For people: on one line, with everything escaped that is not plain text.
impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if is_plain(character) {
                    f.write_char(character)?;
                } else {
                    write!(f, "{}", character.escape_default())?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character neither controls a terminal nor turns the direction of what follows, nor hides.
fn is_plain(character: char) -> bool {
    let hides = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    !character.is_control() && !hides && character != '\\'
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Contents stay out of logs.
impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

fn to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mark = |text: &mut String, byte: u8| {
        text.push(MARK);
        text.push_str(&crate::id::hex(&[byte]));
    };
    for chunk in bytes.utf8_chunks() {
        for (index, part) in chunk.valid().split(MARK).enumerate() {
            if index > 0 {
                mark(&mut text, 0);
            }
            text.push_str(part);
        }
        chunk.invalid().iter().for_each(|&byte| mark(&mut text, byte));
    }
    text
}

fn from_text(text: &str) -> Result<Vec<u8>, RawError> {
    let mut parts = text.split(MARK);
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    bytes.reserve(text.len() - bytes.len());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(RawError::Mark)?;
        let mut byte = [0];
        crate::id::unhex(digits, &mut byte).ok_or(RawError::Mark)?;
        bytes.extend(byte);
        bytes.extend(rest.as_bytes());
    }
    Ok(bytes)
}

fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.serialize_str(&to_text(bytes))
    } else {
        serializer.serialize_bytes(bytes)
    }
}

fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(Raw)
    } else {
        deserializer.deserialize_byte_buf(Raw)
    }
}

struct Raw;

impl Visitor<'_> for Raw {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string in which U+0000 and two digits stand for a byte that is no UTF-8")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
        from_text(text).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

impl Serialize for FilePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for FileContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for FileContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(deserialize(deserializer)?))
    }
}

macro_rules! schema {
    ($($type:ident),+) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string" })
            }
        }
    )+};
}

schema!(FilePath, FileContent);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rpc::codec::{Encoding, decode, encode};

    #[test]
    fn plain_text_is_itself_and_other_bytes_are_marked() {
        let json = |bytes: &[u8]| {
            let path = FilePath::new(bytes).unwrap();
            String::from_utf8(encode(&path, Encoding::Json).unwrap().to_vec()).unwrap()
        };
        assert_eq!(json(b"/srv/100%/\xc3\xa4.txt"), "\"/srv/100%/\u{e4}.txt\"");
        assert_eq!(json(b"/a\xff\xfeb"), r#""/a\u0000ff\u0000feb""#);
        assert!(decode::<FilePath>(br#""/a\u000000""#, Encoding::Json).is_err(), "a zero byte");
        assert!(decode::<FilePath>(br#""/a\u0000f""#, Encoding::Json).is_err(), "half a mark");
        assert!(decode::<FilePath>(b"\x02a\0", Encoding::Bincode).is_err(), "a zero byte in bincode");
    }

    #[test]
    fn what_people_see_is_one_plain_line() {
        let path = FilePath::new(*b"/a\n\x1b[2J\xff\xe2\x80\xae\\x").unwrap();
        assert_eq!(path.to_string(), r"/a\n\u{1b}[2J\xff\u{202e}\\x");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes: Vec<u8>) {
            for encoding in [Encoding::Json, Encoding::Bincode] {
                let content = FileContent(bytes.clone());
                let wire = encode(&content, encoding).unwrap();
                prop_assert_eq!(&decode::<FileContent>(&wire, encoding).unwrap(), &content);
            }
        }
    }
}
