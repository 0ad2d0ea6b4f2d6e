//! Bodies of requests: at most so large, at most so slow.
//!
//! A body enters as it comes from the wire and leaves as one that fails when its time is over. The size is
//! checked where it is announced here, and where it is read by axum's own limit.

use std::io;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt;
use futures::stream::unfold;
use tokio::time::{Instant, timeout_at};

use super::Problem;

/// Largest body.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a client may take for a body.
const BODY_MAX: Duration = Duration::from_secs(10);

/// Refuses a body that announces itself as too large.
pub(super) fn check_length(headers: &HeaderMap) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > BODY_BYTES_MAX as u64 => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has {length} bytes, at most {BODY_BYTES_MAX} are read"),
        )),
        _ => Ok(()),
    }
}

/// The same body, which fails when it is not complete in time.
pub(super) fn with_deadline(body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let deadline = Instant::now() + BODY_MAX;
    let chunks = unfold(Some(body.into_data_stream()), move |stream| async move {
        let mut stream = stream?;
        match timeout_at(deadline, stream.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(stream))),
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
            Ok(None) => None,
            Err(_) => Some((Err(io::ErrorKind::TimedOut.into()), None)),
        }
    });
    Body::from_stream(chunks)
}
