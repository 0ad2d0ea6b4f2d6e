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
mod execute;
mod fleet;
mod json_rpc;
mod methods;
mod metrics;
mod openapi;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::Mesh;
use p2p_shared::rpc::registry::Registry;

pub use openapi::document;

use crate::auth::Auth;
use crate::membership::handle::MembershipHandle;

pub(super) use methods::own;
pub use metrics::Measured;

/// What the routes need.
#[derive(Debug)]
pub struct Parts {
    /// The methods of this node.
    pub registry: Arc<Registry>,
    /// Who callers are.
    pub auth: Auth,
    /// The other nodes.
    pub mesh: Mesh,
    /// Who they are.
    pub members: MembershipHandle,
    /// The name of this node.
    pub own: NodeName,
    /// Where this face listens.
    pub address: Option<SocketAddr>,
    /// What `/metrics` is read from; `None` where it is switched off.
    pub measured: Option<Measured>,
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
pub(super) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/v1/auth/token", post(auth::token))
        .route("/api/v1/auth/refresh", post(auth::refresh))
        .route("/api/v1/auth/logout", post(auth::logout))
        .route(
            "/api/v1/nodes/{node}/{service}/{method}",
            get(methods::get).post(methods::post).fallback(methods::other),
        )
        .route("/api/v1/fleet/{service}/{method}", post(fleet::post))
        .route("/api/v1/execute", post(execute::post))
        .route("/rpc", post(json_rpc::post))
        .route("/metrics", get(metrics::get))
        .route("/prometheus/sd", get(discovery::get))
        .route("/openapi.json", get(openapi::get))
        .with_state(api)
}
