//! Where requests come in: the most frequent kind goes straight to its method, all others to the router.
//!
//! A connection enters with its other end, then each of its requests; both ways stand behind the same guard. To be
//! routed costs a request about as much as to be answered, so a plain read of one node is recognised before.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use axum::routing::future::RouteFuture;
use tower_service::Service;

use super::api::{Api, read};
use super::guard::{Guard, Pattern};
use super::run::{Run, Running};

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

impl Service<SocketAddr> for Entrance {
    type Response = Client;
    type Error = Infallible;
    type Future = Ready<Result<Client, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, from: SocketAddr) -> Self::Future {
        ready(Ok(Client { entrance: self.clone(), from }))
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Client {
    entrance: Entrance,
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
        let Held { router, api, guard } = &*self.entrance.0;
        let (Some(api), Some(method)) = (api, read::method_of(&request)) else {
            return Way(Path::Routed(router.clone().call(request)));
        };
        let (mut parts, _) = request.into_parts();
        let (visit, admitted) = guard.enter(&mut parts, Pattern::Known(read::PATTERN));
        let running = match admitted {
            Err(response) => Running::Said(Some(response)),
            Ok(()) => Running::Direct(Box::pin(read::serve(api.clone(), parts, method, visit.kind.clone()))),
        };
        Way(Path::Direct(Run::new(visit, running)))
    }
}

/// A request on its way.
pub struct Way(Path);

/// Which way it goes.
enum Path {
    /// By the router, whose routes are guarded.
    Routed(RouteFuture<Infallible>),
    /// Past it, guarded too.
    Direct(Run),
}

impl Future for Way {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Path::Routed(route) => Pin::new(route).poll(cx),
            Path::Direct(run) => Pin::new(run).poll(cx),
        }
    }
}
