//! The streams that a peer opens: each is read as far as its kind, and handed on.
//!
//! Rule zero begins here: DHT and membership take nodes alone, and a node that calls is a
//! [`Caller::Node`], which may nothing.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use p2p_shared::access::Caller;
use p2p_shared::mesh::ends::Sending;
use p2p_shared::mesh::failure::CloseCode;
use p2p_shared::mesh::link::Link;
use p2p_shared::mesh::stream::{FrameReader, write_frame};
use p2p_shared::rpc::frame::{FrameKind, StreamKind};
use p2p_shared::rpc::registry::Face;
use p2p_shared::tls::{PeerIdentity, PeerKind};
use quinn::{RecvStream, SendStream, VarInt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::rpc::Origin;
use super::{Inbound, Inner, rpc};

/// How long a peer may take to send its request, and a driver to answer a message.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that made no sense, after which the connection is closed.
const STRIKES_MAX: u32 = 64;

/// Why a stream is given up: the code of a reset.
const UNSUPPORTED: VarInt = VarInt::from_u32(1);

/// What came of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// As it should.
    Well,
    /// It made no sense: a strike.
    Nonsense,
}

/// Serves a connection until it is gone.
pub(super) async fn run(inner: Arc<Inner>, link: Link) {
    let (strike_tx, mut strikes) = mpsc::channel(STRIKES_MAX as usize);
    let mut count = 0;
    let ended = loop {
        tokio::select! {
            // Strikes first: a peer that never pauses cannot hide them.
            biased;
            Some(()) = strikes.recv() => {
                count += 1;
                if count >= STRIKES_MAX {
                    tracing::warn!(peer = %link.peer().name, "closed: its requests make no sense");
                    link.close(CloseCode::Protocol, "too many requests that make no sense");
                }
            }
            stream = link.connection().accept_bi() => match stream {
                Ok(stream) => begin(&inner, &link, stream, &strike_tx),
                Err(error) => break link.why(error.into()),
            },
        }
    };
    inner.retire(&link, ended);
}

/// Serves a stream: on the spot if that takes no waiting, as most calls do, else as a task of its own.
fn begin(inner: &Arc<Inner>, link: &Link, stream: (SendStream, RecvStream), strikes: &mpsc::Sender<()>) {
    let mut serving = Box::pin(serve(Arc::clone(inner), link.clone(), stream, strikes.clone()));
    if serving.as_mut().now_or_never().is_none() {
        inner.tasks.spawn_on(serving, &inner.handle);
    }
}

async fn serve(
    inner: Arc<Inner>,
    link: Link,
    (send, receive): (SendStream, RecvStream),
    strikes: mpsc::Sender<()>,
) {
    let mut reader = FrameReader::new(receive);
    let Ok(Ok(kind)) = within_request_time(reader.read_kind()).await else { return };
    let served = route(&inner, &link, StreamKind::from_wire(kind), send.into(), reader).await;
    if served == Served::Nonsense {
        // A full queue of strikes is being counted already.
        let _ = strikes.try_send(());
    }
}

/// Waits for what a peer should send. It usually came with the stream, and then needs no timer.
pub(super) async fn within_request_time<T>(reading: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut reading = std::pin::pin!(reading);
    match reading.as_mut().now_or_never() {
        Some(read) => Ok(read),
        None => timeout(REQUEST_TIMEOUT, reading).await,
    }
}

async fn route(
    inner: &Inner,
    link: &Link,
    kind: Option<StreamKind>,
    mut send: Sending,
    reader: FrameReader,
) -> Served {
    let Some(routes) = inner.routes.get().and_then(Weak::upgrade) else { return Served::Well };
    if inner.is_out(link.peer()) {
        // Its connection is about to be closed, with the reason.
        send.reset(UNSUPPORTED);
        return Served::Well;
    }
    let is_node = link.peer().kind == PeerKind::Node;
    match kind {
        Some(StreamKind::Rpc) => {
            let from = Origin {
                caller: caller(link.peer()),
                until: Some(link.peer().not_after),
                face: Face::Quic,
                address: Some(link.address()),
            };
            rpc::serve(&routes.registry, from, send, reader).await
        }
        Some(StreamKind::Dht) if is_node => message((inner, link), &routes.dht, send, reader).await,
        Some(StreamKind::Membership) if is_node => {
            message((inner, link), &routes.membership, send, reader).await
        }
        Some(StreamKind::Dht | StreamKind::Membership | StreamKind::Relay | StreamKind::Hello) | None => {
            send.reset(UNSUPPORTED);
            Served::Nonsense
        }
    }
}

/// Who calls, by the certificate of the connection.
fn caller(peer: &PeerIdentity) -> Caller {
    let (id, name) = (peer.id, peer.name.clone());
    match peer.kind {
        PeerKind::Node => Caller::Node { id, name },
        PeerKind::Operator(role) => Caller::Operator { id, name, role },
    }
}

/// One message in, its answer out.
async fn message(
    (inner, link): (&Inner, &Link),
    queue: &mpsc::Sender<Inbound>,
    mut send: Sending,
    mut reader: FrameReader,
) -> Served {
    let Ok(Ok(message)) = timeout(REQUEST_TIMEOUT, reader.expect_frame(FrameKind::Message)).await else {
        send.reset(UNSUPPORTED);
        return Served::Nonsense;
    };
    let (answer, answered) = oneshot::channel();
    let inbound = Inbound { from: link.peer().clone(), address: link.address(), message, answer };
    if queue.try_send(inbound).is_err() {
        inner.dropped.increment();
        send.reset(UNSUPPORTED);
        return Served::Well;
    }
    match timeout(REQUEST_TIMEOUT, answered).await {
        Ok(Ok(answer)) => {
            if write_frame(&mut send, FrameKind::Message, answer.into()).await.is_ok() {
                send.finish();
            }
            Served::Well
        }
        // The driver gave the message up: it is of a kind that it does not know.
        _ => {
            send.reset(UNSUPPORTED);
            Served::Nonsense
        }
    }
}
