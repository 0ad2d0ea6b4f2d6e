//! What stands on a stream: its kind, frames, and the head of a request. Pure on bytes.
//!
//! A stream begins with one varint that names its kind ([`StreamKind`]); frames follow, each of a length
//! (four bytes, big-endian, of the payload), a type byte and the payload. Lengths are checked before
//! anything is kept: a claim of 4 GiB costs five bytes. A call is `Head Args` from the caller (then `Item`s
//! and `End` in a duplex call) and `Part* Result`, or `Item* End`, or `Error` in answer.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::codec::Encoding;
use super::tlv::{TlvError, TlvReader, TlvWriter, fixed, text};
use crate::access::Proof;

/// The one protocol that our endpoints speak; its number is the major version.
pub const ALPN: &[u8] = b"p2p-admin/1";
/// Most bytes of a control frame: request heads, errors, hello, DHT and membership messages.
pub const CONTROL_BYTES_MAX: usize = 64 << 10;
/// Most bytes of a frame that carries values.
pub const BULK_BYTES_MAX: usize = 1 << 20;
/// Longest method name in a request head, in bytes.
pub const METHOD_BYTES_MAX: usize = 128;
/// Bytes before the payload of a frame.
pub const FRAME_HEADER_BYTES: usize = 5;

const HEAD_VERSION: u8 = 1;

/// What a stream is for: its first varint (RFC 9000, section 16; ours fit one byte).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// The application hello; the first stream of a connection, opened by the dialler.
    Hello,
    /// One call.
    Rpc,
    /// One DHT request and its answer.
    Dht,
    /// One membership message and its answer.
    Membership,
    /// Bytes of an inner session that this node passes on.
    Relay,
}

impl StreamKind {
    /// The byte on the wire.
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::Hello => 0,
            Self::Rpc => 1,
            Self::Dht => 2,
            Self::Membership => 3,
            Self::Relay => 4,
        }
    }

    /// The kind of a byte from the wire.
    pub const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Hello),
            1 => Some(Self::Rpc),
            2 => Some(Self::Dht),
            3 => Some(Self::Membership),
            4 => Some(Self::Relay),
            _ => None,
        }
    }
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A request head ([`RequestHead`]).
    Head,
    /// The encoded arguments.
    Args,
    /// One item of a stream, either way.
    Item,
    /// The stream of items ended well.
    End,
    /// A piece of a result that continues in the next frame.
    Part,
    /// The (rest of the) encoded result.
    Result,
    /// An [`RpcError`](crate::error::RpcError), always in JSON.
    Error,
    /// A message of hello, DHT or membership, which begins with a version byte of its own.
    Message,
}

impl FrameKind {
    const fn to_wire(self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Args => 2,
            Self::Item => 3,
            Self::End => 4,
            Self::Part => 5,
            Self::Result => 6,
            Self::Error => 7,
            Self::Message => 8,
        }
    }

    const fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Head),
            2 => Some(Self::Args),
            3 => Some(Self::Item),
            4 => Some(Self::End),
            5 => Some(Self::Part),
            6 => Some(Self::Result),
            7 => Some(Self::Error),
            8 => Some(Self::Message),
            _ => None,
        }
    }

    /// Most bytes of its payload.
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Head | Self::End | Self::Error | Self::Message => CONTROL_BYTES_MAX,
            Self::Args | Self::Item | Self::Part | Self::Result => BULK_BYTES_MAX,
        }
    }
}

/// A frame, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the payload is.
    pub kind: FrameKind,
    /// The payload, at most [`FrameKind::bytes_max`] bytes.
    pub payload: Bytes,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A type byte that this program does not know.
    #[error("frame of unknown type {0}")]
    UnknownKind(u8),
    /// A known type where another must stand.
    #[error("frame of a type that does not belong here")]
    UnexpectedKind,
    /// A length beyond the limit of its type. Nothing was allocated.
    #[error("frame of {claimed} bytes, of at most {limit}")]
    TooLarge {
        /// The length that the header claims.
        claimed: u32,
        /// What is allowed.
        limit: usize,
    },
    /// The stream ended inside a frame.
    #[error("stream ended inside a frame")]
    Truncated,
}

/// Appends a frame to `out`.
///
/// # Errors
/// [`FrameError::TooLarge`] if the payload is over the limit of its kind.
pub fn put_frame(out: &mut BytesMut, kind: FrameKind, payload: &[u8]) -> Result<(), FrameError> {
    out.reserve(FRAME_HEADER_BYTES + payload.len());
    put_header(out, kind, payload.len())?;
    out.put_slice(payload);
    Ok(())
}

/// Writes what comes before a payload of `length` bytes.
///
/// # Errors
/// [`FrameError::TooLarge`] over the limit of `kind`; nothing was written then.
pub fn put_header(out: &mut BytesMut, kind: FrameKind, length: usize) -> Result<(), FrameError> {
    let claimed = u32::try_from(length).unwrap_or(u32::MAX);
    if length > kind.bytes_max() {
        return Err(FrameError::TooLarge { claimed, limit: kind.bytes_max() });
    }
    out.put_u32(claimed);
    out.put_u8(kind.to_wire());
    Ok(())
}

/// Most bytes for which room is made before they come.
const RESERVED_BYTES_MAX: usize = 320 << 10;

/// Cuts a stream of bytes into frames. Holds at most one frame and one chunk of input.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    buffer: BytesMut,
}

impl FrameDecoder {
    /// Takes bytes as they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The first byte of a stream, which names its kind, or `None` until it comes.
    pub fn take_byte(&mut self) -> Option<u8> {
        let byte = *self.buffer.first()?;
        self.buffer.advance(1);
        Some(byte)
    }

    /// The next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// As [`FrameError`] says; the stream cannot be read further then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<FRAME_HEADER_BYTES>() else { return Ok(None) };
        let claimed = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let kind = FrameKind::from_wire(header[4]).ok_or(FrameError::UnknownKind(header[4]))?;
        let length = claimed as usize;
        if length > kind.bytes_max() {
            return Err(FrameError::TooLarge { claimed, limit: kind.bytes_max() });
        }
        let missing = (FRAME_HEADER_BYTES + length).saturating_sub(self.buffer.len());
        if missing > 0 {
            // At once and not by doubling, for what will be there soon. A claim alone touches no memory.
            self.buffer.reserve(missing.min(RESERVED_BYTES_MAX));
            return Ok(None);
        }
        self.buffer.advance(FRAME_HEADER_BYTES);
        Ok(Some(Frame { kind, payload: self.buffer.split_to(length).freeze() }))
    }

    /// Whether no byte waits: where a stream may end.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

/// Identity of a request, chosen by the caller at random, the same at each try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(pub [u8; 16]);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::id::hex(&self.0))
    }
}

/// What comes before the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// `service.method`.
    pub method: String,
    /// The caller's identity for this request.
    pub request_id: RequestId,
    /// How long the caller will wait from now; `None` for a stream without end.
    pub deadline: Option<Duration>,
    /// How arguments, items and result are written.
    pub encoding: Encoding,
    /// Ties together what several nodes log about one action; `None` if nobody asked.
    pub trace_id: Option<[u8; 16]>,
    /// What the request rests on besides the connection.
    pub proof: Proof,
}

mod head {
    pub const METHOD: u8 = 2;
    pub const REQUEST_ID: u8 = 4;
    pub const ENCODING: u8 = 6;
    pub const PROOF: u8 = 8;
    // Odd: a reader that does not know them goes on without.
    pub const DEADLINE_MS: u8 = 9;
    pub const TRACE_ID: u8 = 11;
}

impl RequestHead {
    /// The head as a record (`tlv`).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut record = TlvWriter::new(HEAD_VERSION);
        record
            .field(head::METHOD, self.method.as_bytes())
            .field(head::REQUEST_ID, &self.request_id.0)
            .field(head::ENCODING, &[self.encoding.to_wire()]);
        if let Some(proof) = proof_to_wire(&self.proof) {
            record.field(head::PROOF, &proof);
        }
        if let Some(deadline) = self.deadline {
            let millis = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
            record.field(head::DEADLINE_MS, &millis.to_be_bytes());
        }
        if let Some(trace_id) = &self.trace_id {
            record.field(head::TRACE_ID, trace_id);
        }
        record.finish()
    }

    /// Reads a head.
    ///
    /// # Errors
    /// As [`TlvError`] says; a head without method or request id is malformed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TlvError> {
        let mut reader = TlvReader::new(bytes, HEAD_VERSION)?;
        let (mut method, mut request_id) = (None, None);
        let (mut encoding, mut proof) = (Encoding::default(), Proof::default());
        let (mut deadline, mut trace_id) = (None, None);
        while let Some((kind, value)) = reader.next_field()? {
            match kind {
                head::METHOD if value.len() <= METHOD_BYTES_MAX => {
                    method = Some(text(kind, value)?.to_owned());
                }
                head::REQUEST_ID => request_id = Some(RequestId(fixed(kind, value)?)),
                head::ENCODING => {
                    let [number] = fixed(kind, value)?;
                    encoding = Encoding::from_wire(number).ok_or(TlvError::Value(kind))?;
                }
                head::PROOF => proof = proof_from_wire(value).ok_or(TlvError::Value(kind))?,
                head::DEADLINE_MS => {
                    deadline = Some(Duration::from_millis(u64::from_be_bytes(fixed(kind, value)?)));
                }
                head::TRACE_ID => trace_id = Some(fixed(kind, value)?),
                head::METHOD => return Err(TlvError::Value(kind)),
                other => TlvReader::unknown(other)?,
            }
        }
        let method = method.ok_or(TlvError::Value(head::METHOD))?;
        let request_id = request_id.ok_or(TlvError::Value(head::REQUEST_ID))?;
        Ok(Self { method, request_id, deadline, encoding, trace_id, proof })
    }
}

/// A kind byte and the bytes; nothing at all for a proof that is the connection.
fn proof_to_wire(proof: &Proof) -> Option<Vec<u8>> {
    let (kind, bytes) = match proof {
        Proof::Connection => return None,
        Proof::Token(bytes) => (1, bytes),
        Proof::SignedRequest(bytes) => (2, bytes),
        Proof::Grant(bytes) => (3, bytes),
    };
    let mut wire = vec![kind];
    wire.extend_from_slice(bytes);
    Some(wire)
}

fn proof_from_wire(wire: &[u8]) -> Option<Proof> {
    let (kind, bytes) = wire.split_first()?;
    let bytes = bytes.to_vec();
    match kind {
        1 => Some(Proof::Token(bytes)),
        2 => Some(Proof::SignedRequest(bytes)),
        3 => Some(Proof::Grant(bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
