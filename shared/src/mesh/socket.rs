//! Calls to the node of this machine over its Unix socket: a call is a connection, in the frames of a stream.
//!
//! No certificate is shown on either side: the kernel tells the node which user calls, and the owner of the
//! directory that holds the socket is who answers.

use std::io;
use std::path::Path;

use bytes::BytesMut;
use tokio::net::UnixStream;

use super::ends::{Receiving, Sending, of_socket};
use super::stream::StreamError;
use crate::error::RpcError;
use crate::rpc::frame::{FrameKind, StreamKind, put_frame};

/// Name of the socket in a node's data directory.
pub const FILE: &str = "node.sock";

/// Connects and writes `frames`.
///
/// # Errors
/// If nobody answers there, or this user may not enter.
pub(super) async fn open(
    socket: &Path,
    frames: &[(FrameKind, &[u8])],
) -> Result<(Sending, Receiving), RpcError> {
    let mut wire = BytesMut::with_capacity(256);
    wire.extend_from_slice(&[StreamKind::Rpc.to_wire()]);
    for (kind, payload) in frames {
        put_frame(&mut wire, *kind, payload).map_err(StreamError::from)?;
    }
    let stream = UnixStream::connect(socket).await.map_err(|error| unreachable(socket, &error))?;
    let (mut send, receive) = of_socket(stream);
    match send.write(&mut [wire.freeze()]).await {
        // A node that refuses does so before it has read it all, and what it says is there to be read.
        Ok(()) | Err(StreamError::Abandoned) => Ok((send, receive)),
        Err(error) => Err(error.into()),
    }
}

fn unreachable(socket: &Path, error: &io::Error) -> RpcError {
    let socket = socket.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => RpcError::forbidden(format!(
            "{socket}: {error}: only root and the node's own user may enter by it; try sudo"
        )),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => RpcError::unavailable(format!(
            "{socket}: {error}: no node answers there; `systemctl status p2p-node` says whether it runs"
        )),
        _ => RpcError::unavailable(format!("{socket}: {error}")),
    }
}
