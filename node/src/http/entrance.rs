//! Where requests come in: the most frequent kind goes straight to its method, all others to the router.
//!
//! A connection enters with its other end, then each of its requests; both ways stand behind the same guard. To be
//! routed costs a request about as much as to be answered, so a plain read of one node is recognised before.
//!
//! Plain reads are served where their connection lives ([`super::arrivals`]); whatever may compute is routed, on the
//! runtime that is there for work.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use tokio::runtime::Handle;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tower_service::Service;

use super::admission::Admission;
use super::api::{Api, read};
use super::arrivals::Remote;
use super::guard::{Guard, Pattern};
use super::run::{Run, Running};

/// From so many connections on, those that live with the mesh have no advantage of it: they would leave the others
/// only what they do not take.
const CROWD: usize = 16;

/// The routes of a face, behind their guard. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Entrance(Arc<Held>);

#[derive(Debug)]
struct Held {
    router: Router,
    api: Option<Api>,
    guard: Guard,
}

impl Entrance {
    /// To `routes`, and past them to the methods of `api`.
    pub(super) fn new(routes: Router, api: Option<Api>, guard: Guard) -> Self {
        let router = routes.layer(guard.clone());
        Self(Arc::new(Held { router, api, guard }))
    }
}

/// The entrance, as the connections of one server have it.
#[derive(Clone, Debug)]
pub(super) struct Doorway {
    entrance: Entrance,
    /// If they live with the mesh.
    near: Option<Arc<Near>>,
}

/// What those need that live with the mesh.
#[derive(Debug)]
struct Near {
    door: Admission,
    /// Where whatever may compute is to run.
    work: Handle,
    handed: TaskTracker,
}

impl Doorway {
    /// For connections that live where handlers run.
    pub(super) const fn far(entrance: Entrance) -> Self {
        Self { entrance, near: None }
    }

    /// For those that live with the mesh and came in by `door`, whose handlers run on `work`.
    pub(super) fn near(entrance: Entrance, door: Admission, work: Handle) -> Self {
        let near = Near { door, work, handed: TaskTracker::new() };
        Self { entrance, near: Some(Arc::new(near)) }
    }
}

impl Near {
    fn is_crowded(&self) -> bool {
        self.door.connections() > CROWD
    }

    fn hand(&self, run: impl Future<Output = Result<Response, Infallible>> + Send + 'static) -> Way {
        Way(Path::Handed(AbortOnDropHandle::new(self.handed.spawn_on(run, &self.work))))
    }
}

impl Service<Remote> for Doorway {
    type Response = Client;
    type Error = Infallible;
    type Future = Ready<Result<Client, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, Remote(from): Remote) -> Self::Future {
        ready(Ok(Client { doorway: self.clone(), from }))
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Client {
    doorway: Doorway,
    from: SocketAddr,
}

impl Service<Request<hyper::body::Incoming>> for Client {
    type Response = Response;
    type Error = Infallible;
    type Future = Way;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<hyper::body::Incoming>) -> Way {
        request.extensions_mut().insert(ConnectInfo(self.from));
        let Doorway { entrance, near } = &self.doorway;
        let Held { router, api, guard } = &*entrance.0;
        let (Some(api), Some(method)) = (api, read::method_of(&request)) else {
            let route = router.clone().call(request);
            return match near {
                Some(near) => near.hand(route),
                None => Way(Path::Routed(route)),
            };
        };
        let (mut parts, _) = request.into_parts();
        let (visit, admitted) = guard.enter(&mut parts, Pattern::Known(read::PATTERN));
        let running = match admitted {
            Err(response) => Running::Said(Some(response)),
            Ok(()) => Running::Direct(Box::pin(read::serve(api.clone(), parts, method, visit.kind.clone()))),
        };
        let run = Run::new(visit, running);
        match near {
            Some(near) if near.is_crowded() => near.hand(run),
            _ => Way(Path::Direct(run)),
        }
    }
}

/// A request on its way.
pub struct Way(Path);

/// Which way it goes.
enum Path {
    /// By the router, whose routes are guarded.
    Routed(RouteFuture<Infallible>),
    /// Either, on the runtime for work. Dropping it ends the request.
    Handed(AbortOnDropHandle<Result<Response, Infallible>>),
    /// Past it, guarded too.
    Direct(Run),
}

impl Future for Way {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Path::Routed(route) => Pin::new(route).poll(cx),
            // The guard answers for a panic; what is left is the end of the runtime.
            Path::Handed(run) => Pin::new(run)
                .poll(cx)
                .map(|ended| ended.unwrap_or_else(|_| Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()))),
            Path::Direct(run) => Pin::new(run).poll(cx),
        }
    }
}
