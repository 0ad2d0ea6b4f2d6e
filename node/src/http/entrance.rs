//! Where requests come in: the most frequent kind goes straight to its method, all others to the router.
//!
//! A connection enters with its other end, then each of its requests; both ways stand behind the same guard. To be
//! routed costs a request about as much as to be answered, so a plain read of one node is recognised before.
//!
//! Plain reads are served where their connection lives ([`super::arrivals`]); whatever may compute is routed, on the
//! runtime that is there for work.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
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
    door: Admission,
    /// Where what is routed runs.
    work: Handle,
    routed: TaskTracker,
}

impl Entrance {
    /// To `routes`, whose handlers run on `work`, and past them to the methods of `api`; behind `door`.
    pub(super) fn new(
        routes: Router,
        api: Option<Api>,
        guard: Guard,
        (door, work): (Admission, Handle),
    ) -> Self {
        let router = routes.layer(guard.clone());
        Self(Arc::new(Held { router, api, guard, door, work, routed: TaskTracker::new() }))
    }

    /// The runtime of whatever may compute.
    pub(super) fn work(&self) -> &Handle {
        &self.0.work
    }
}

impl Service<Remote> for Entrance {
    type Response = Client;
    type Error = Infallible;
    type Future = Ready<Result<Client, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, remote: Remote) -> Self::Future {
        ready(Ok(Client { entrance: self.clone(), remote }))
    }
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Client {
    entrance: Entrance,
    remote: Remote,
}

impl Service<Request<hyper::body::Incoming>> for Client {
    type Response = Response;
    type Error = Infallible;
    type Future = Way;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<hyper::body::Incoming>) -> Way {
        request.extensions_mut().insert(ConnectInfo(self.remote.address));
        let Held { router, api, guard, door, work, routed } = &*self.entrance.0;
        let (Some(api), Some(method)) = (api, read::method_of(&request)) else {
            let route = router.clone().call(request);
            return Way(Path::Routed(AbortOnDropHandle::new(routed.spawn_on(route, work))));
        };
        let (mut parts, _) = request.into_parts();
        let (visit, admitted) = guard.enter(&mut parts, Pattern::Known(read::PATTERN));
        let running = match admitted {
            Err(response) => Running::Said(Some(response)),
            Ok(()) => Running::Direct(Box::pin(read::serve(api.clone(), parts, method, visit.kind.clone()))),
        };
        let run = Run::new(visit, running);
        if self.remote.is_near && door.connections() > CROWD {
            return Way(Path::Routed(AbortOnDropHandle::new(routed.spawn_on(run, work))));
        }
        Way(Path::Direct(run))
    }
}

/// A request on its way.
pub struct Way(Path);

/// Which way it goes.
#[expect(clippy::large_enum_variant, reason = "the large one is the frequent one: it is not to cost a box")]
enum Path {
    /// By the router, whose routes are guarded. Dropping it ends the request.
    Routed(AbortOnDropHandle<Result<Response, Infallible>>),
    /// Past it, guarded too.
    Direct(Run),
}

impl Future for Way {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // The guard answers for a panic; what is left is the end of the runtime.
            Path::Routed(route) => Pin::new(route)
                .poll(cx)
                .map(|ended| ended.unwrap_or_else(|_| Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()))),
            Path::Direct(run) => Pin::new(run).poll(cx),
        }
    }
}
