//! Every method of every service over HTTP, made from the service definitions: no service is named here.
//!
//! Requests enter behind the guard; their caller is established from the token, and the call goes to this node's
//! registry, or under the operator's own token to the node that is meant. Answers leave as JSON, watches as
//! server-sent events. A password user's word counts at this node alone, and nothing here lends it another.

mod arguments;
mod auth;
mod bearer;
mod call;
mod discovery;
mod events;
mod exact;
mod execute;
mod fleet;
mod json_rpc;
mod message;
mod methods;
mod metrics;
mod once;
mod openapi;
pub(super) mod read;
mod ws;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Extension, Router};
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::Mesh;
use p2p_shared::rpc::registry::Registry;
use p2p_shared::tls::Trust;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::requests::Requests;
use super::{Callers, Origins};
use crate::auth::Auth;
use crate::membership::handle::MembershipHandle;

pub use message::Seen;
pub(super) use methods::own;
pub use metrics::Measured;
pub use once::Once;
pub use openapi::document;
pub use ws::Feeds;

/// What the routes need.
#[derive(Debug)]
pub struct Parts {
    /// The methods of this node.
    pub registry: Arc<Registry>,
    /// Who callers are.
    pub auth: Auth,
    /// The other nodes.
    pub mesh: Mesh,
    /// The runtime that the connections to them live on.
    pub links: Handle,
    /// Calls that are passed on over them.
    pub passing: TaskTracker,
    /// Who they are.
    pub members: MembershipHandle,
    /// The name of this node.
    pub own: NodeName,
    /// Where this face listens.
    pub address: Option<SocketAddr>,
    /// What `/metrics` is read from; `None` where it is switched off.
    pub measured: Option<Measured>,
    /// Pages of browsers that may speak with it.
    pub origins: Origins,
    /// How much one caller may ask.
    pub callers: Callers,
    /// What was asked under an `Idempotency-Key`.
    pub once: Once,
    /// By whom messages of members are judged, and for which node they have to be.
    pub trust: Arc<Trust>,
    /// The identity of this node.
    pub id: NodeId,
    /// Messages that came.
    pub seen: Seen,
    /// What is followed for clients of `/ws`.
    pub feeds: Feeds,
    /// Cancelled when streams are to end, while clients can still be told.
    pub parting: CancellationToken,
}

/// The same for every route. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Api(Arc<Parts>);

impl Api {
    /// Over these parts.
    pub(super) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// The routes.
pub(super) fn routes(api: Api, requests: Requests) -> Router {
    Router::new()
        .route("/api/v1/auth/token", post(auth::token))
        .route("/api/v1/auth/refresh", post(auth::refresh))
        .route("/api/v1/auth/logout", post(auth::logout))
        .route(read::PATTERN, get(methods::get).post(methods::post).fallback(methods::other))
        .route("/api/v1/fleet/{service}/{method}", post(fleet::post))
        .route("/api/v1/execute", post(execute::post))
        .route("/ws", get(ws::get))
        .route("/p2p/message", post(message::post))
        .route("/rpc", post(json_rpc::post))
        .route("/metrics", get(metrics::get).layer(Extension(requests)))
        .route("/prometheus/sd", get(discovery::get))
        .route("/openapi.json", get(openapi::get))
        .with_state(api)
}
