//! Type, length, value: the extensible records outside of `service!` (request head, hello). Pure on bytes.
//!
//! A record is a version byte and then fields in ascending order of their type. A reader that meets a field
//! it does not know skips it if the type is odd and refuses the record if it is even, so that a sender can
//! say which additions must be understood.

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// No byte at all, or a version that this program does not read.
    #[error("record of unknown version {0}")]
    Version(u8),
    /// It ends inside a field.
    #[error("record ends inside a field")]
    Truncated,
    /// A field twice, or before a lower one.
    #[error("fields out of order")]
    Order,
    /// An even field that this program does not know.
    #[error("field {0} must be understood and is not known here")]
    Unknown(u8),
    /// A field whose value is no value of its kind.
    #[error("field {0} is malformed")]
    Value(u8),
}

/// Room for a usual request head.
const RECORD_BYTES: usize = 128;

/// Writes a record.
#[derive(Debug)]
pub struct TlvWriter {
    bytes: Vec<u8>,
    last: Option<u8>,
}

impl TlvWriter {
    /// Begins a record of `version`.
    pub fn new(version: u8) -> Self {
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        bytes.push(version);
        Self { bytes, last: None }
    }

    /// Appends a field: type, length as two big-endian bytes, value.
    ///
    /// # Panics
    /// If fields are not written in ascending order, or one is of 64 KiB or more: both are our own mistakes.
    pub fn field(&mut self, kind: u8, value: &[u8]) -> &mut Self {
        assert!(self.last.is_none_or(|last| last < kind), "fields in ascending order");
        let length = u16::try_from(value.len()).expect("a field of a record stays under 64 KiB");
        self.last = Some(kind);
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self
    }

    /// The record.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a record field by field.
#[derive(Clone, Debug)]
pub struct TlvReader<'a> {
    rest: &'a [u8],
    last: Option<u8>,
}

impl<'a> TlvReader<'a> {
    /// Checks the version byte.
    ///
    /// # Errors
    /// [`TlvError::Version`] with what stands there, 0 for no byte.
    pub fn new(bytes: &'a [u8], version: u8) -> Result<Self, TlvError> {
        match bytes.split_first() {
            Some((&found, rest)) if found == version => Ok(Self { rest, last: None }),
            found => Err(TlvError::Version(found.map_or(0, |(&byte, _)| byte))),
        }
    }

    /// The next field, or `None` at the end.
    ///
    /// # Errors
    /// [`TlvError::Truncated`] or [`TlvError::Order`].
    pub fn next_field(&mut self) -> Result<Option<(u8, &'a [u8])>, TlvError> {
        let Some((&kind, rest)) = self.rest.split_first() else { return Ok(None) };
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(TlvError::Truncated)?;
        let (value, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(TlvError::Truncated)?;
        if self.last.is_some_and(|last| last >= kind) {
            return Err(TlvError::Order);
        }
        self.last = Some(kind);
        self.rest = rest;
        Ok(Some((kind, value)))
    }

    /// What to do with a field that the reader does not know.
    ///
    /// # Errors
    /// [`TlvError::Unknown`] if the type is even.
    pub fn unknown(kind: u8) -> Result<(), TlvError> {
        if kind.is_multiple_of(2) { Err(TlvError::Unknown(kind)) } else { Ok(()) }
    }
}

/// A fixed-size value of field `kind`.
///
/// # Errors
/// [`TlvError::Value`] if it has another length.
pub fn fixed<const N: usize>(kind: u8, value: &[u8]) -> Result<[u8; N], TlvError> {
    value.try_into().map_err(|_| TlvError::Value(kind))
}

/// A text value of field `kind`.
///
/// # Errors
/// [`TlvError::Value`] if it is not UTF-8.
pub fn text(kind: u8, value: &[u8]) -> Result<&str, TlvError> {
    std::str::from_utf8(value).map_err(|_| TlvError::Value(kind))
}
