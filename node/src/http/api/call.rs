//! One call: to this node's registry, or to another node over the mesh.
//!
//! Who asks, a method and JSON enter; JSON leaves, or items of JSON. To another node goes the operator's token,
//! unchanged, and that node judges it: this one adds no authority of its own (rule zero).

use std::pin::Pin;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{Stream, unfold};
use p2p_shared::access::Proof;
use p2p_shared::error::RpcError;
use p2p_shared::id::NodeName;
use p2p_shared::mesh::{NodeHandle, new_request_id};
use p2p_shared::rpc::client::{Call, ItemSink, ItemSource, MethodRef};
use p2p_shared::rpc::codec::Encoding;
use p2p_shared::rpc::registry::{CallContext, Face, Request};
use p2p_shared::rpc::service::{Io, MethodSpec, Payload};
use p2p_shared::services;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Api;
use super::bearer::Bearer;

/// Items that wait in one direction of one call.
const ITEMS_QUEUE: usize = 16;

/// What is called, and where.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) node: Where,
    pub(super) method: &'static MethodSpec,
    pub(super) arguments: Value,
}

/// At which node.
#[derive(Clone, Debug)]
pub(super) enum Where {
    Here,
    There(NodeName),
}

/// A call that streams both ways.
pub(super) struct Both {
    /// What comes back. Dropping them ends the call.
    pub(super) items: Items,
    /// What goes there; dropping it says that no more comes.
    pub(super) inputs: mpsc::Sender<Bytes>,
    /// Carries it there, while it is polled.
    pub(super) pump: BoxFuture<'static, ()>,
}

/// Items of a call that streams.
pub(super) type Items = Pin<Box<dyn Stream<Item = Result<Bytes, RpcError>> + Send>>;

/// The method of a name.
pub(super) fn method(name: &str) -> Result<&'static MethodSpec, RpcError> {
    services::method(name).ok_or_else(|| RpcError::not_found(format!("there is no method {name:?}")))
}

impl Api {
    /// Which node a name means: `self` and this node's own name are this node.
    pub(super) fn place(&self, name: &str) -> Result<Where, RpcError> {
        if name == "self" || name == self.0.own.as_str() {
            return Ok(Where::Here);
        }
        let name: NodeName = name
            .parse()
            .map_err(|error| RpcError::not_found(format!("no node is called {name:?}: {error}")))?;
        let members = self.0.members.members();
        if members.iter().any(|member| member.name == name) {
            return Ok(Where::There(name));
        }
        Err(RpcError::not_found(format!("no node is called {name}")))
    }

    /// The answer of a method that does not stream.
    pub(super) async fn call(&self, bearer: &Bearer, asked: Asked) -> Result<Bytes, RpcError> {
        match &asked.node {
            Where::Here => self.0.registry.call(request(bearer, &asked, None)?).await,
            Where::There(node) => {
                let node = self.reach(bearer, node)?;
                self.pass_on(node, asked).await
            }
        }
    }

    /// Asks where the connection lives: from any other thread each look at it would wait for that one, and a request
    /// would leave in pieces. Dropping it ends the call.
    async fn pass_on(&self, node: NodeHandle, asked: Asked) -> Result<Bytes, RpcError> {
        let exchange = async move { node.exchange(json(asked.method), &asked.arguments).await };
        if Handle::current().id() == self.0.links.id() {
            return Ok(exchange.await?.bytes);
        }
        let passing = AbortOnDropHandle::new(self.0.passing.spawn_on(exchange, &self.0.links));
        let answer = passing.await.map_err(|error| RpcError::internal(format!("passing it on: {error}")))?;
        Ok(answer?.bytes)
    }

    /// The items of a method that streams out. Dropping them ends the call.
    pub(super) async fn watch(&self, bearer: &Bearer, asked: Asked) -> Result<Items, RpcError> {
        if let Where::There(node) = &asked.node {
            let node = self.reach(bearer, node)?;
            let opened = node.open(json(asked.method), &asked.arguments).await?;
            return Ok(items_of(opened.source));
        }
        let (_, input) = mpsc::channel(1);
        self.streams_here(bearer, &asked, input)
    }

    /// Both directions of a method that streams both ways.
    pub(super) async fn both_ways(&self, bearer: &Bearer, asked: Asked) -> Result<Both, RpcError> {
        let (inputs, mut input) = mpsc::channel(ITEMS_QUEUE);
        let Where::There(node) = &asked.node else {
            let items = self.streams_here(bearer, &asked, input)?;
            return Ok(Both { items, inputs, pump: Box::pin(async {}) });
        };
        let node = self.reach(bearer, node)?;
        let opened = node.open(json(asked.method), &asked.arguments).await?;
        let mut sink = opened.sink;
        let pump = Box::pin(async move {
            while let Some(item) = input.recv().await {
                // How it failed comes with the items.
                if sink.send_item(item).await.is_err() {
                    return;
                }
            }
            let _ = sink.finish().await;
        });
        Ok(Both { items: items_of(opened.source), inputs, pump })
    }

    fn streams_here(
        &self,
        bearer: &Bearer,
        asked: &Asked,
        input: mpsc::Receiver<Bytes>,
    ) -> Result<Items, RpcError> {
        let (output, items) = mpsc::channel(ITEMS_QUEUE);
        let request = request(bearer, asked, Some(Io { output, input }))?;
        let registry = self.0.registry.clone();
        let call: BoxFuture<'static, _> = Box::pin(async move { registry.call(request).await });
        Ok(streamed(items, call))
    }

    /// The name of a place.
    pub(super) fn name_of<'a>(&'a self, place: &'a Where) -> &'a str {
        match place {
            Where::Here => self.0.own.as_str(),
            Where::There(name) => name.as_str(),
        }
    }

    /// Whether the bearer's word may be passed on to where it is meant for.
    pub(super) fn may_reach(&self, bearer: &Bearer, node: &Where) -> Result<(), RpcError> {
        match node {
            Where::Here => Ok(()),
            Where::There(node) => self.reach(bearer, node).map(|_| ()),
        }
    }

    /// Whether the gate would let this through now, so far as it is asked here.
    pub(super) fn admits(&self, bearer: &Bearer, asked: &Asked) -> bool {
        match &asked.node {
            Where::There(_) => true,
            Where::Here => request(bearer, asked, None)
                .is_ok_and(|request| self.0.registry.admits(asked.method, &request).is_ok()),
        }
    }

    fn reach(&self, bearer: &Bearer, node: &NodeName) -> Result<NodeHandle, RpcError> {
        let token = bearer.portable().ok_or_else(|| {
            let with = if bearer.is_certified() { " by a client certificate" } else { "" };
            RpcError::forbidden(format!(
                "denied: {}{with} is good at {} alone: another node takes an operator's token, see `p2p-tui token`",
                bearer.who.caller, self.0.own
            ))
        })?;
        Ok(self.0.mesh.node(node).with_proof(Proof::Token(token)))
    }
}

fn items_of(source: impl ItemSource) -> Items {
    Box::pin(unfold(Some(source), async |source| {
        let mut source = source?;
        match source.next_item().await.transpose()? {
            Ok(item) => Some((Ok(item), Some(source))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// What `call` sends into `items` while it runs. Dropping the stream drops the call.
pub(super) fn streamed(
    items: mpsc::Receiver<Bytes>,
    call: BoxFuture<'static, Result<Bytes, RpcError>>,
) -> Items {
    Box::pin(unfold((items, Some(call)), next_of_own))
}

type Own = (mpsc::Receiver<Bytes>, Option<BoxFuture<'static, Result<Bytes, RpcError>>>);

/// The next item of a call here, until the call has ended and everything it sent was taken.
async fn next_of_own((mut items, mut call): Own) -> Option<(Result<Bytes, RpcError>, Own)> {
    loop {
        let Some(running) = &mut call else {
            return items.recv().await.map(|item| (Ok(item), (items, None)));
        };
        tokio::select! {
            biased;
            Some(item) = items.recv() => return Some((Ok(item), (items, call))),
            ended = running => match ended {
                Ok(_) => call = None,
                Err(error) => return Some((Err(error), (mpsc::channel(1).1, None))),
            },
        }
    }
}

fn json(method: &'static MethodSpec) -> MethodRef<'static> {
    MethodRef { encoding: Some(Encoding::Json), ..method.into() }
}

fn request(bearer: &Bearer, asked: &Asked, io: Option<Io>) -> Result<Request, RpcError> {
    let args =
        serde_json::to_vec(&asked.arguments).map_err(|error| RpcError::bad_request(error.to_string()))?;
    let context = CallContext {
        caller: bearer.who.caller.clone(),
        caller_until: Some(bearer.who.until),
        face: Face::Http,
        address: Some(bearer.from),
        request_id: new_request_id(),
        trace_id: None,
        deadline: CallContext::deadline(Some(asked.method), None),
    };
    let payload = Payload { args: args.into(), encoding: Encoding::Json, io };
    Ok(Request { method: asked.method.name.to_owned(), context, proof: Proof::Connection, payload })
}
