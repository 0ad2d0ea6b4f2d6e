//! The two ends of one call: of a QUIC stream, or of a connection to a node's Unix socket.
//!
//! Bytes enter and leave as they are; whatever is above does not see which of the two carries them. On the
//! socket one connection is one call: its end is the end of the call, as a reset is on a stream.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;
use futures::future::Either;
use quinn::{RecvStream, SendStream, VarInt};
use rustix::net::{Shutdown, shutdown};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::failure::LinkError;
use super::stream::StreamError;

/// Most bytes taken at once.
pub(super) const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Where bytes go.
#[derive(Debug)]
pub enum Sending {
    /// A stream of a connection of the mesh.
    Quic(SendStream),
    /// A connection to a socket; `None` once this side has ended.
    Unix(Option<OwnedWriteHalf>),
}

/// Where bytes come from.
#[derive(Debug)]
pub enum Receiving {
    /// A stream of a connection of the mesh.
    Quic(RecvStream),
    /// A connection to a socket.
    Unix {
        /// The half of it.
        half: OwnedReadHalf,
        /// What is read into.
        chunk: Box<[u8]>,
    },
}

/// A connection to a socket as the ends of a call.
pub fn of_socket(stream: UnixStream) -> (Sending, Receiving) {
    let (half, write) = stream.into_split();
    let chunk = vec![0; CHUNK_BYTES_MAX].into_boxed_slice();
    (Sending::Unix(Some(write)), Receiving::Unix { half, chunk })
}

impl From<SendStream> for Sending {
    fn from(stream: SendStream) -> Self {
        Self::Quic(stream)
    }
}

impl From<RecvStream> for Receiving {
    fn from(stream: RecvStream) -> Self {
        Self::Quic(stream)
    }
}

impl Sending {
    /// Writes all of it; waits while the other side is slow.
    ///
    /// # Errors
    /// As [`StreamError`] says.
    pub async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), StreamError> {
        match self {
            Self::Quic(stream) => Ok(stream.write_all_chunks(chunks).await?),
            Self::Unix(None) => Err(StreamError::Abandoned),
            Self::Unix(Some(half)) => {
                for chunk in chunks {
                    write_all(half, chunk).await?;
                }
                Ok(())
            }
        }
    }

    /// Says that nothing more comes.
    pub fn finish(&mut self) {
        match self {
            // The other side may have stopped it already: then nobody reads it.
            Self::Quic(stream) => drop(stream.finish()),
            // Dropped, it ends this direction alone.
            Self::Unix(half) => *half = None,
        }
    }

    /// Gives it up. On a socket the end of the connection says the same.
    pub fn reset(&mut self, code: VarInt) {
        match self {
            Self::Quic(stream) => drop(stream.reset(code)),
            Self::Unix(half) => *half = None,
        }
    }

    /// Waits until the other side takes no more.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        match self {
            Self::Quic(stream) => {
                let stopped = stream.stopped();
                Either::Left(async move { drop(stopped.await) })
            }
            Self::Unix(half) => {
                let copied = half.as_ref().map(|half| half.as_ref().as_fd().try_clone_to_owned());
                Either::Right(async move {
                    match copied {
                        Some(Ok(descriptor)) => hung_up(descriptor).await,
                        // Not to be watched: then writing finds it out.
                        _ => std::future::pending().await,
                    }
                })
            }
        }
    }
}

/// Waits until both directions of a socket are shut. The descriptor is a copy: to wait for the next news of it
/// would make whoever writes to the same one miss that it may go on.
async fn hung_up(descriptor: OwnedFd) {
    let Ok(watched) = UnixStream::from_std(descriptor.into()) else { return std::future::pending().await };
    while let Ok(ready) = watched.ready(Interest::WRITABLE).await {
        if ready.is_write_closed() {
            return;
        }
        // Not ready until there is news: a state that is read is one that is waited for no more.
        let _ =
            watched.try_io(Interest::WRITABLE, || io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()));
    }
}

async fn write_all(half: &OwnedWriteHalf, mut rest: &[u8]) -> Result<(), StreamError> {
    while !rest.is_empty() {
        half.writable().await.map_err(broken)?;
        match half.try_write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(broken(error)),
        }
    }
    Ok(())
}

impl Receiving {
    /// The bytes that come next, or `None` at the end. May be dropped and called again: nothing is lost.
    pub(super) async fn read<T>(&mut self, take: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, StreamError> {
        match self {
            Self::Quic(stream) => {
                let chunk = stream.read_chunk(CHUNK_BYTES_MAX, true).await?;
                Ok(chunk.map(|chunk| take(&chunk.bytes)))
            }
            Self::Unix { half, chunk } => loop {
                half.readable().await.map_err(broken)?;
                match half.try_read(chunk) {
                    Ok(0) => return Ok(None),
                    Ok(length) => return Ok(chunk.get(..length).map(take)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(broken(error)),
                }
            },
        }
    }

    /// Ends a call on a socket, whoever holds the other half. Of a stream, being dropped says it.
    pub(super) fn hang_up(&self) {
        if let Self::Unix { half, .. } = self {
            // Fails only where it is over already.
            let _ = shutdown(half.as_ref().as_fd(), Shutdown::Both);
        }
    }
}

fn broken(error: io::Error) -> StreamError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => StreamError::Abandoned,
        _ => LinkError::Failed(error.to_string()).into(),
    }
}
