//! Frames over a QUIC stream, or over a connection to a node's Unix socket.
//!
//! Bytes of a peer enter, whole frames leave; a frame over its limit ends the stream before anything of it
//! is kept. Reading may be given up and taken up again at any point without losing bytes.

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use quinn::{ReadError, WriteError};

use super::ends::{Receiving, Sending};
use super::failure::LinkError;
use crate::error::RpcError;
use crate::rpc::frame::{Frame, FrameDecoder, FrameError, FrameKind, put_frame, put_header};

/// From here a payload is not copied behind its header; below, a copy costs less than a piece more.
const APART_BYTES_MIN: usize = 4 << 10;

/// Why a stream gave no frame, or took none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The other side gave this stream up.
    #[error("the other side gave the call up")]
    Abandoned,
    /// The connection is gone.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl From<ReadError> for StreamError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => Self::Link(error.into()),
            ReadError::Reset(_)
            | ReadError::ClosedStream
            | ReadError::IllegalOrderedRead
            | ReadError::ZeroRttRejected => Self::Abandoned,
        }
    }
}

impl From<WriteError> for StreamError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ConnectionLost(error) => Self::Link(error.into()),
            WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => {
                Self::Abandoned
            }
        }
    }
}

impl From<StreamError> for RpcError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Frame(FrameError::TooLarge { .. }) => Self::too_large(error.to_string()),
            StreamError::Frame(_) => Self::bad_request(error.to_string()),
            StreamError::Abandoned => Self::cancelled(error.to_string()),
            StreamError::Link(error) => error.into(),
        }
    }
}

/// The receiving half of a stream, cut into frames.
#[derive(Debug)]
pub struct FrameReader {
    stream: Receiving,
    decoder: FrameDecoder,
}

impl FrameReader {
    /// Reads `stream` from where it stands.
    pub fn new(stream: impl Into<Receiving>) -> Self {
        Self { stream: stream.into(), decoder: FrameDecoder::default() }
    }

    /// The byte that a stream begins with. Read together with what follows: one look at the connection less.
    ///
    /// # Errors
    /// As [`StreamError`] says; a stream without a byte is truncated.
    pub async fn read_kind(&mut self) -> Result<u8, StreamError> {
        loop {
            if let Some(kind) = self.decoder.take_byte() {
                return Ok(kind);
            }
            match self.read().await? {
                Some(()) => {}
                None => return Err(FrameError::Truncated.into()),
            }
        }
    }

    /// The next frame, or `None` where the stream ended between frames.
    ///
    /// # Errors
    /// As [`StreamError`] says; there is nothing more to read then.
    pub async fn next_frame(&mut self) -> Result<Option<Frame>, StreamError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            match self.read().await? {
                Some(()) => {}
                None if self.decoder.is_empty() => return Ok(None),
                None => return Err(FrameError::Truncated.into()),
            }
        }
    }

    /// Reads the end of the stream if it has come already. A stream that is dropped before its end costs a
    /// message to the other side.
    pub fn take_end(&mut self) {
        let _ = self.read().now_or_never();
    }

    /// Ends the call where being dropped does not: on a socket, whose other half may be held elsewhere.
    pub(super) fn hang_up(&self) {
        self.stream.hang_up();
    }

    async fn read(&mut self) -> Result<Option<()>, StreamError> {
        let decoder = &mut self.decoder;
        self.stream.read(|bytes| decoder.push(bytes)).await
    }

    /// The next frame, which must be of `kind`.
    ///
    /// # Errors
    /// As [`StreamError`] says.
    pub async fn expect_frame(&mut self, kind: FrameKind) -> Result<Bytes, StreamError> {
        match self.next_frame().await? {
            Some(frame) if frame.kind == kind => Ok(frame.payload),
            Some(_) => Err(FrameError::UnexpectedKind.into()),
            None => Err(FrameError::Truncated.into()),
        }
    }
}

/// Writes one frame.
///
/// # Errors
/// As [`StreamError`] says.
pub async fn write_frame(stream: &mut Sending, kind: FrameKind, payload: Bytes) -> Result<(), StreamError> {
    let mut wire = BytesMut::new();
    if payload.len() < APART_BYTES_MIN {
        put_frame(&mut wire, kind, &payload)?;
        stream.write(&mut [wire.freeze()]).await?;
    } else {
        put_header(&mut wire, kind, payload.len())?;
        stream.write(&mut [wire.freeze(), payload]).await?;
    }
    Ok(())
}
