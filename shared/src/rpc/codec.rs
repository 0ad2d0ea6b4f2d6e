//! Values to bytes and back, with limits. The only file that names bincode, and the only one in `shared`
//! that names `serde_json`.
//!
//! Bytes of a peer enter [`decode`] and leave as a value or a [`CodecError`]. It never allocates more than
//! the limit because of a length that a peer claims, and refuses trailing bytes (bincode itself does not).

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::RpcError;

/// Most bytes of one encoded value: arguments, a result, an item of a stream.
pub const VALUE_BYTES_MAX: usize = 8 << 20;

/// Room for most values that are written as JSON, without making more on the way.
const JSON_BYTES_USUAL: usize = 512;

/// How the values of a call are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Compact; only between two sides whose schemas of the method are equal.
    #[default]
    Bincode,
    /// Tolerant: unknown fields are ignored, missing ones take their default.
    Json,
}

impl Encoding {
    /// The number that stands for it in a request head.
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::Bincode => 0,
            Self::Json => 1,
        }
    }

    /// The encoding of a number in a request head.
    pub const fn from_wire(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Bincode),
            1 => Some(Self::Json),
            _ => None,
        }
    }
}

/// Why bytes are not the value that was expected, or a value does not fit.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Longer than [`VALUE_BYTES_MAX`], or claims to be.
    #[error("value of more than {VALUE_BYTES_MAX} bytes")]
    TooLarge,
    /// A whole value, and then more.
    #[error("{0} bytes too many behind the value")]
    Trailing(usize),
    /// Not such a value.
    #[error("malformed value: {0}")]
    Malformed(String),
    /// A value of ours that cannot be written.
    #[error("value cannot be encoded: {0}")]
    Encode(String),
}

impl From<CodecError> for RpcError {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::TooLarge => Self::too_large(error.to_string()),
            CodecError::Trailing(_) | CodecError::Malformed(_) => Self::bad_request(error.to_string()),
            CodecError::Encode(_) => Self::internal(error.to_string()),
        }
    }
}

type Compact = Configuration<LittleEndian, Varint, Limit<VALUE_BYTES_MAX>>;

const fn compact() -> Compact {
    config::standard().with_limit::<VALUE_BYTES_MAX>()
}

/// Writes `value`.
///
/// # Errors
/// [`CodecError::TooLarge`] past [`VALUE_BYTES_MAX`], [`CodecError::Encode`] if the type cannot be written.
pub fn encode<T: Serialize + ?Sized>(value: &T, encoding: Encoding) -> Result<Bytes, CodecError> {
    let bytes = match encoding {
        Encoding::Bincode => bincode::serde::encode_to_vec(value, compact())
            .map_err(|error| CodecError::Encode(error.to_string()))?,
        Encoding::Json => {
            let mut bytes = Vec::with_capacity(JSON_BYTES_USUAL);
            serde_json::to_writer(&mut bytes, value)
                .map_err(|error| CodecError::Encode(error.to_string()))?;
            bytes
        }
    };
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(CodecError::TooLarge);
    }
    Ok(bytes.into())
}

/// Reads exactly one value that fills `bytes`.
///
/// # Errors
/// As [`CodecError`] says; nothing larger than the limit is allocated on the way.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], encoding: Encoding) -> Result<T, CodecError> {
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(CodecError::TooLarge);
    }
    match encoding {
        Encoding::Bincode => decode_compact(bytes),
        Encoding::Json => {
            serde_json::from_slice(bytes).map_err(|error| CodecError::Malformed(error.to_string()))
        }
    }
}

fn decode_compact<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, read) = bincode::serde::decode_from_slice(bytes, compact()).map_err(|error| match error {
        bincode::error::DecodeError::LimitExceeded => CodecError::TooLarge,
        other => CodecError::Malformed(other.to_string()),
    })?;
    match bytes.len() - read {
        0 => Ok(value),
        trailing => Err(CodecError::Trailing(trailing)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        name: String,
        sizes: Vec<u64>,
        note: Option<String>,
    }

    fn row() -> Row {
        Row { name: "nginx".into(), sizes: vec![1, 2, u64::MAX], note: None }
    }

    #[test]
    fn a_value_reads_back_in_either_encoding() {
        for encoding in [Encoding::Bincode, Encoding::Json] {
            let bytes = encode(&row(), encoding).unwrap();
            assert_eq!(decode::<Row>(&bytes, encoding).unwrap(), row());
        }
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&row(), Encoding::Bincode).unwrap().to_vec();
        bytes.push(0);
        assert!(matches!(decode::<Row>(&bytes, Encoding::Bincode), Err(CodecError::Trailing(1))));
        assert!(matches!(decode::<u8>(b"1 2", Encoding::Json), Err(CodecError::Malformed(_))));
    }

    #[test]
    fn a_hostile_length_costs_nothing() {
        // Varint 0xfd announces eight bytes of length: 2^63 - 1.
        let hostile = [0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0];
        assert!(decode::<String>(&hostile, Encoding::Bincode).is_err());
        assert!(decode::<Vec<u64>>(&hostile, Encoding::Bincode).is_err());
        assert!(decode::<Row>(&hostile, Encoding::Bincode).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            if let Ok(row) = decode::<Row>(&bytes, Encoding::Bincode) {
                prop_assert_eq!(decode::<Row>(&encode(&row, Encoding::Bincode).unwrap(), Encoding::Bincode).unwrap(), row);
            }
            let _ = decode::<Row>(&bytes, Encoding::Json).is_ok();
        }
    }
}
