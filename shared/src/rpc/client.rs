//! The caller's side of a service: what the generated clients are generic over.
//!
//! A typed call enters, its arguments leave encoded through a [`Call`], and the decoded answer comes back. A
//! `Call` knows where and how; nothing here knows a socket.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::codec::{self, Encoding};
use super::service::{MethodSpec, Verb};
use crate::error::{Code, RpcError};

/// A node that takes no more has said why by then.
const REASON_TIMEOUT: Duration = Duration::from_secs(2);

/// Arguments that wait for the connection to say how they are to be written.
pub trait EncodeArgs: Sync {
    /// The encoded arguments.
    ///
    /// # Errors
    /// If they cannot be written so.
    fn encode_args(&self, encoding: Encoding) -> Result<Bytes, RpcError>;
}

impl<A: Serialize + Sync> EncodeArgs for A {
    fn encode_args(&self, encoding: Encoding) -> Result<Bytes, RpcError> {
        Ok(codec::encode(self, encoding)?)
    }
}

/// Which method is called, and what kind of call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodRef<'a> {
    /// `service.method`.
    pub name: &'a str,
    /// What kind.
    pub verb: Verb,
    /// The one encoding to use; `None` leaves it to what both sides agreed on.
    pub encoding: Option<Encoding>,
}

impl From<&'static MethodSpec> for MethodRef<'static> {
    fn from(spec: &'static MethodSpec) -> Self {
        Self { name: spec.name, verb: spec.verb, encoding: None }
    }
}

/// An answer and how it is written.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The encoded result.
    pub bytes: Bytes,
    /// How.
    pub encoding: Encoding,
}

/// The items of a call that streams out.
pub trait ItemSource: Send + 'static {
    /// The next encoded item, or `None` when the stream ended well. May be dropped and called again: nothing
    /// is lost.
    fn next_item(&mut self) -> impl Future<Output = Result<Option<Bytes>, RpcError>> + Send;
}

/// The items of a call that streams in.
pub trait ItemSink: Send + 'static {
    /// Sends one encoded item; waits while the other side is slow.
    fn send_item(&mut self, item: Bytes) -> impl Future<Output = Result<(), RpcError>> + Send;
    /// Ends this side.
    fn finish(&mut self) -> impl Future<Output = Result<(), RpcError>> + Send;
}

/// An opened stream of a `Call`.
pub struct Opened<C: Call> {
    /// Items from the node.
    pub source: C::Source,
    /// Items to the node (ends at once in a watch).
    pub sink: C::Sink,
    /// How items are written.
    pub encoding: Encoding,
}

/// A way to one node (or to whoever answers for it).
pub trait Call: Clone + Send + Sync + 'static {
    /// Items that come.
    type Source: ItemSource;
    /// Items that go.
    type Sink: ItemSink;

    /// One request, one answer.
    fn exchange(
        &self,
        method: MethodRef<'_>,
        args: &dyn EncodeArgs,
    ) -> impl Future<Output = Result<Answer, RpcError>> + Send;

    /// One request, and streams.
    fn open(
        &self,
        method: MethodRef<'_>,
        args: &dyn EncodeArgs,
    ) -> impl Future<Output = Result<Opened<Self>, RpcError>> + Send;
}

/// Calls a method that does not stream.
///
/// # Errors
/// As the node answers, or as the way to it fails.
pub async fn unary<C: Call, A: Serialize + Sync, O: DeserializeOwned>(
    call: &C,
    method: &'static MethodSpec,
    args: &A,
) -> Result<O, RpcError> {
    let answer = call.exchange(method.into(), args).await?;
    Ok(codec::decode(&answer.bytes, answer.encoding)?)
}

/// Opens a watch.
///
/// # Errors
/// As the way to the node fails; what the node answers comes with the first item.
pub async fn watch<C: Call, A: Serialize + Sync, O>(
    call: &C,
    method: &'static MethodSpec,
    args: &A,
) -> Result<Subscription<O, C::Source>, RpcError> {
    let opened = call.open(method.into(), args).await?;
    Ok(Subscription { source: opened.source, encoding: opened.encoding, item: PhantomData })
}

/// Opens a duplex call.
///
/// # Errors
/// As the way to the node fails; what the node answers comes with the first item.
pub async fn duplex<C: Call, A: Serialize + Sync, I, O>(
    call: &C,
    method: &'static MethodSpec,
    args: &A,
) -> Result<Duplex<I, O, C>, RpcError> {
    let opened = call.open(method.into(), args).await?;
    let encoding = opened.encoding;
    Ok(Duplex {
        output: Subscription { source: opened.source, encoding, item: PhantomData },
        input: Inlet { sink: opened.sink, encoding, item: PhantomData },
    })
}

/// The items of a watch. Dropping it ends the call on the node too.
pub struct Subscription<T, S> {
    source: S,
    encoding: Encoding,
    item: PhantomData<fn() -> T>,
}

impl<T, S> fmt::Debug for Subscription<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned, S: ItemSource> Subscription<T, S> {
    /// The next item, or `None` when the node ended the stream. May be dropped and called again.
    ///
    /// # Errors
    /// As the node answers, or as the way to it fails; the stream is over then.
    pub async fn next(&mut self) -> Result<Option<T>, RpcError> {
        match self.source.next_item().await? {
            Some(bytes) => Ok(Some(codec::decode(&bytes, self.encoding)?)),
            None => Ok(None),
        }
    }

    /// Why a node takes no more items, of which `error` tells only that: what it ended the stream with, behind the
    /// items that were on their way.
    pub async fn reason(&mut self, error: RpcError) -> RpcError {
        if error.code != Code::Cancelled {
            return error;
        }
        let said = timeout(REASON_TIMEOUT, async {
            loop {
                match self.source.next_item().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return None,
                    Err(said) => return Some(said),
                }
            }
        });
        said.await.ok().flatten().unwrap_or(error)
    }
}

/// Both directions of a duplex call.
pub struct Duplex<I, O, C: Call> {
    /// Items from the node.
    pub output: Subscription<O, C::Source>,
    /// Items to the node.
    pub input: Inlet<I, C::Sink>,
}

/// The direction to the node of a duplex call.
pub struct Inlet<I, S> {
    sink: S,
    encoding: Encoding,
    item: PhantomData<fn(I)>,
}

impl<I: Serialize + Sync, S: ItemSink> Inlet<I, S> {
    /// How items are written.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Sends one item; waits while the node is slow.
    ///
    /// # Errors
    /// If the way to the node fails or the item cannot be written.
    pub async fn send(&mut self, item: &I) -> Result<(), RpcError> {
        let bytes = codec::encode(item, self.encoding)?;
        self.sink.send_item(bytes).await
    }

    /// Ends this side; the node may go on answering.
    ///
    /// # Errors
    /// If the way to the node fails.
    pub async fn finish(&mut self) -> Result<(), RpcError> {
        self.sink.finish().await
    }
}

impl<I: Serialize + Sync, O, C: Call> Duplex<I, O, C> {
    /// Sends one item; waits while the node is slow.
    ///
    /// # Errors
    /// If the way to the node fails or the item cannot be written.
    pub async fn send(&mut self, item: &I) -> Result<(), RpcError> {
        self.input.send(item).await
    }

    /// Ends this side; the node may go on answering.
    ///
    /// # Errors
    /// If the way to the node fails.
    pub async fn finish(&mut self) -> Result<(), RpcError> {
        self.input.finish().await
    }

    /// Both directions apart, for who sends while it receives: a node may be slow to take while it has much to
    /// say. The call ends once the output is dropped.
    pub fn split(self) -> (Subscription<O, C::Source>, Inlet<I, C::Sink>) {
        (self.output, self.input)
    }
}
