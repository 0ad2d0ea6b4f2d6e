//! A request that runs: until it is answered, its handler panics or its time is over.
//!
//! What serves it enters; a response leaves, finished by the guard. A panic of a handler ends here as 500, with its
//! details in the log under the request's id.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::future::RouteFuture;
use futures::future::BoxFuture;
use tokio::time::{Sleep, sleep};

use super::guard::Visit;

/// How long a request may take to be answered: longer than any call that has an end.
const ANSWER_MAX: Duration = Duration::from_secs(660);
/// What becomes of a request.
pub(super) enum Running {
    /// The answer is known.
    Said(Option<Response>),
    /// A route of the router has it.
    Routed(RouteFuture<Infallible>),
    /// Something else has it.
    Direct(BoxFuture<'static, Response>),
}

impl Running {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        match self {
            Self::Said(response) => Poll::Ready(response.take().unwrap_or_default()),
            Self::Routed(route) => Pin::new(route).poll(cx).map(|Ok(response)| response),
            Self::Direct(direct) => direct.as_mut().poll(cx),
        }
    }
}

/// A request that is served, until its answer has begun.
pub(super) struct Run {
    visit: Visit,
    running: Running,
    /// Most are answered at once, and need no timer.
    late: Option<Pin<Box<Sleep>>>,
}

impl Run {
    pub(super) const fn new(visit: Visit, running: Running) -> Self {
        Self { visit, running, late: None }
    }
}

impl Future for Run {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { visit, running, late } = &mut *self;
        let response = match catch_unwind(AssertUnwindSafe(|| running.poll(cx))) {
            Ok(Poll::Ready(response)) => response,
            Ok(Poll::Pending) => {
                ready!(late.get_or_insert_with(|| Box::pin(sleep(ANSWER_MAX))).as_mut().poll(cx));
                StatusCode::GATEWAY_TIMEOUT.into_response()
            }
            Err(_) => {
                let (request_id, route) = visit.names();
                tracing::error!(request_id, route, "a handler panicked");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        };
        Poll::Ready(Ok(visit.end(response)))
    }
}
