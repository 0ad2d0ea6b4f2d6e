//! Identities: who a machine or an operator is, and what it is called.
//!
//! Values enter as text or bytes that a person, a file or a peer gave, and leave validated. Nothing here
//! derives an id from a certificate (`tls::identity` does) or trusts a name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Length of a [`NodeId`] in bytes.
pub const NODE_ID_BYTES: usize = 32;
/// The longest name of a node, an operator or a mesh, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// Words that a selector or a route uses, which therefore name nobody.
const RESERVED_NAMES: [&str; 5] = ["self", "all", "and", "or", "not"];

/// Identity of a node or an operator: SHA-256("p2p-admin/node-id/v1" || SPKI) of its public key.
///
/// Always computed from the certificate of a live connection or of a verified signature, never read from a
/// message as a claim of its sender.
/// 64 hexadecimal digits in JSON, 32 bytes in bincode.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String")]
pub struct NodeId([u8; NODE_ID_BYTES]);

impl NodeId {
    /// Wraps a hash that the caller computed.
    pub const fn new(bytes: [u8; NODE_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The raw hash.
    pub const fn as_bytes(&self) -> &[u8; NODE_ID_BYTES] {
        &self.0
    }

    /// The first eight hexadecimal digits: for people, never for a decision.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&hex(&self.0))
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            Deserialize::deserialize(deserializer).map(Self)
        }
    }
}

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0u8; NODE_ID_BYTES];
        unhex(text, &mut bytes).ok_or(IdError::NodeId)?;
        Ok(Self(bytes))
    }
}

/// Name of a node or an operator: `[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?`, and not a reserved word. Cheap to
/// clone: every call carries the name of its caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct NodeName(Arc<str>);

/// Name of a mesh, as it stands in every certificate of it. Same alphabet as [`NodeName`].
pub type MeshName = NodeName;

impl NodeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0.as_ref().into()
    }
}

impl TryFrom<String> for NodeName {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        check_name(&text)?;
        Ok(Self(text.into()))
    }
}

impl FromStr for NodeName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::try_from(text.to_owned())
    }
}

/// Why a text is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 64 hexadecimal digits.
    #[error("a node id is 64 lower-case hexadecimal digits")]
    NodeId,
    /// Outside the alphabet or the length.
    #[error("a name is 1 to 63 of a-z 0-9 . - and begins and ends with a letter or a digit")]
    Name,
    /// A word of the selector language.
    #[error("self, all, and, or, not are reserved and name nobody")]
    Reserved,
}

fn check_name(text: &str) -> Result<(), IdError> {
    let bytes = text.as_bytes();
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return Err(IdError::Name);
    };
    let inside = bytes.iter().all(|&byte| edge(byte) || byte == b'.' || byte == b'-');
    if bytes.len() > NAME_BYTES_MAX || !edge(first) || !edge(last) || !inside {
        return Err(IdError::Name);
    }
    if RESERVED_NAMES.contains(&text) {
        return Err(IdError::Reserved);
    }
    Ok(())
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Reads exactly `out.len()` bytes of lower-case hexadecimal; `None` for anything else.
pub fn unhex(text: &str, out: &mut [u8]) -> Option<()> {
    let digits = text.as_bytes();
    if digits.len() != out.len() * 2 {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (slot, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *slot = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_the_alphabet() {
        for good in ["a", "web-1", "a.b.c", "0", &"x".repeat(63)] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "a_b", "é", &"x".repeat(64), "a\n", "../a"] {
            assert_eq!(bad.parse::<NodeName>(), Err(IdError::Name), "{bad}");
        }
        for reserved in RESERVED_NAMES {
            assert_eq!(reserved.parse::<NodeName>(), Err(IdError::Reserved));
        }
    }

    #[test]
    fn ids_read_back_what_they_write() {
        let id = NodeId::new(std::array::from_fn(|index| index as u8 * 7));
        assert_eq!(id.to_string().parse::<NodeId>(), Ok(id));
        assert_eq!("ab".parse::<NodeId>(), Err(IdError::NodeId));
        assert_eq!("AB".repeat(32).parse::<NodeId>(), Err(IdError::NodeId));
    }
}
