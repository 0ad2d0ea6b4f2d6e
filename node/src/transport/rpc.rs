//! One call over one stream, or over one connection to the socket: frames in, the registry, frames out.
//!
//! A caller that gives up resets the stream, and the handler is dropped where it stands. A caller that reads
//! slowly stops the handler at its next item. Errors of the request are answered; the connection stays.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use p2p_shared::access::Caller;
use p2p_shared::error::RpcError;
use p2p_shared::mesh::ends::Sending;
use p2p_shared::mesh::stream::{FrameReader, StreamError, write_frame};
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::rpc::frame::{BULK_BYTES_MAX, FrameKind, RequestHead, put_frame};
use p2p_shared::rpc::registry::{CallContext, Face, Registry, Request};
use p2p_shared::rpc::service::{Io, MethodSpec, Payload, Verb};
use p2p_shared::time::UnixMillis;
use tokio::sync::mpsc;

use super::streams::{Served, within_request_time};

/// Items that wait in one direction of one call.
const ITEMS_QUEUE: usize = 16;

/// Where a call comes from.
pub(super) struct Origin {
    /// Who calls.
    pub(super) caller: Caller,
    /// When that authority ends by itself.
    pub(super) until: Option<UnixMillis>,
    /// By which door.
    pub(super) face: Face,
    /// From where, if that door knows addresses.
    pub(super) address: Option<SocketAddr>,
}

/// Serves one call.
pub(super) async fn serve(
    registry: &Registry,
    from: Origin,
    mut send: Sending,
    mut reader: FrameReader,
) -> Served {
    let read = within_request_time(read_request(registry, from, &mut reader)).await;
    let (request, method) = match read {
        Ok(Ok(request)) => request,
        Ok(Err(RequestError::Gone)) => return Served::Well,
        Ok(Err(RequestError::Bad(error))) => {
            answer_error(&mut send, &error).await;
            return Served::Nonsense;
        }
        Err(_) => {
            answer_error(&mut send, &RpcError::deadline("the request did not come in time")).await;
            return Served::Nonsense;
        }
    };
    // Whoever stops reading needs no answer: ignore what is left to be said to it.
    if method.is_some_and(|method| method.verb.streams()) {
        // Boxed, because most calls do not stream and each is a task of this size.
        let _ = Box::pin(stream(registry, request, method, &mut send, reader)).await;
    } else {
        let _ = unary(registry, request, &mut send).await;
    }
    Served::Well
}

enum RequestError {
    /// The caller is no longer there.
    Gone,
    /// What it sent is no request.
    Bad(RpcError),
}

impl From<StreamError> for RequestError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Frame(_) => Self::Bad(error.into()),
            StreamError::Abandoned | StreamError::Link(_) => Self::Gone,
        }
    }
}

async fn read_request(
    registry: &Registry,
    origin: Origin,
    reader: &mut FrameReader,
) -> Result<(Request, Option<&'static MethodSpec>), RequestError> {
    let bad = |text: String| RequestError::Bad(RpcError::bad_request(text));
    let head = reader.expect_frame(FrameKind::Head).await?;
    let head = RequestHead::from_bytes(&head).map_err(|error| bad(format!("request head: {error}")))?;
    let args = reader.expect_frame(FrameKind::Args).await?;
    let method = registry.method(&head.method);
    if method.is_none_or(|method| method.verb != Verb::Duplex) && reader.next_frame().await?.is_some() {
        return Err(bad("a frame behind the arguments of a call that takes none".into()));
    }
    let context = CallContext {
        caller: origin.caller,
        caller_until: origin.until,
        face: origin.face,
        address: origin.address,
        request_id: head.request_id,
        trace_id: head.trace_id,
        deadline: CallContext::deadline(method, head.deadline),
    };
    let payload = Payload { args, encoding: head.encoding, io: None };
    Ok((Request { method: head.method, context, proof: head.proof, payload }, method))
}

async fn unary(registry: &Registry, request: Request, send: &mut Sending) -> Result<(), StreamError> {
    let mut call = std::pin::pin!(registry.call(request));
    // To watch for a caller that gives up takes the connection's lock twice: only for calls that wait.
    let result = match call.as_mut().now_or_never() {
        Some(result) => result,
        None => tokio::select! {
            biased;
            result = call => result,
            _ = send.stopped() => return Err(StreamError::Abandoned),
        },
    };
    match result {
        Ok(result) => {
            send.write(&mut [result_frames(&result)?]).await?;
            send.finish();
        }
        Err(error) => answer_error(send, &error).await,
    }
    Ok(())
}

/// A result in as many frames as it needs.
fn result_frames(result: &[u8]) -> Result<Bytes, StreamError> {
    let mut wire = BytesMut::new();
    let mut rest = result;
    while rest.len() > BULK_BYTES_MAX {
        let (part, more) = rest.split_at(BULK_BYTES_MAX);
        put_frame(&mut wire, FrameKind::Part, part)?;
        rest = more;
    }
    put_frame(&mut wire, FrameKind::Result, rest)?;
    Ok(wire.freeze())
}

/// Says why there is no answer.
pub(super) async fn answer_error(send: &mut Sending, error: &RpcError) {
    let Ok(text) = codec::encode(error, Encoding::Json) else { return };
    if write_frame(send, FrameKind::Error, text).await.is_ok() {
        send.finish();
    }
}

async fn stream(
    registry: &Registry,
    mut request: Request,
    method: Option<&'static MethodSpec>,
    send: &mut Sending,
    reader: FrameReader,
) -> Result<(), StreamError> {
    let (output, mut items) = mpsc::channel(ITEMS_QUEUE);
    let (inputs, input) = mpsc::channel(ITEMS_QUEUE);
    request.payload.io = Some(Io { output, input });
    let takes_items = method.is_some_and(|method| method.verb == Verb::Duplex);
    let feed = feed(reader, inputs, takes_items);
    let call = registry.call(request);
    tokio::pin!(feed, call);
    let (mut fed, stopped) = (false, send.stopped());
    tokio::pin!(stopped);
    let result = loop {
        tokio::select! {
            biased;
            Some(item) = items.recv() => if !put_item(send, item).await? {
                return Ok(());
            },
            result = &mut call => break result,
            () = &mut feed, if !fed => fed = true,
            _ = &mut stopped => return Err(StreamError::Abandoned),
        }
    };
    while let Ok(item) = items.try_recv() {
        if !put_item(send, item).await? {
            return Ok(());
        }
    }
    match result {
        Ok(_) => {
            write_frame(send, FrameKind::End, Bytes::new()).await?;
            send.finish();
        }
        Err(error) => answer_error(send, &error).await,
    }
    Ok(())
}

/// Sends one item. One that is more than fits ends the call, and the caller is told so: `false`.
async fn put_item(send: &mut Sending, item: Bytes) -> Result<bool, StreamError> {
    let length = item.len();
    match write_frame(send, FrameKind::Item, item).await {
        Ok(()) => Ok(true),
        Err(StreamError::Frame(_)) => {
            let text = format!("an item of {length} bytes is more than fits into one message");
            answer_error(send, &RpcError::too_large(text)).await;
            Ok(false)
        }
        Err(other) => Err(other),
    }
}

/// Passes on the items that the caller sends, until it ends its side or nobody takes them.
async fn feed(mut reader: FrameReader, inputs: mpsc::Sender<Bytes>, takes_items: bool) {
    if !takes_items {
        return;
    }
    while let Ok(Some(frame)) = reader.next_frame().await {
        if frame.kind != FrameKind::Item || inputs.send(frame.payload).await.is_err() {
            return;
        }
    }
}
