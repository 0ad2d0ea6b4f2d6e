//! `GET /metrics`: the figures of this node for Prometheus, in the format that it asks for.
//!
//! Who may call `monitor.snapshot` may read them; that call is made, so that role, local policy and record are those
//! of every other call. The text is made of what is known already.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use p2p_shared::services::monitor;
use serde_json::json;

use super::Api;
use super::bearer::Bearer;
use super::call::{Asked, Where};
use crate::http::requests::Requests;
use crate::http::{Admission, Problem};
use crate::metrics::Sources;
use crate::metrics::families as f;
use crate::metrics::text::{Format, Text};

/// What the figures are read from.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Those of the node.
    pub sources: Arc<Sources>,
    /// The door of this face.
    pub door: Admission,
}

pub(super) async fn get(
    State(api): State<Api>,
    Extension(requests): Extension<Requests>,
    bearer: Bearer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(measured) = &api.0.measured else {
        let words =
            "metrics are switched off on this node: METRICS_ENABLED, or metrics.enabled in its node.toml";
        return Err(Problem::new(StatusCode::NOT_FOUND, words));
    };
    let asked = Asked { node: Where::Here, method: &monitor::snapshot::METHOD, arguments: json!({}) };
    api.call(&bearer, asked).await?;
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let format = Format::of_accept(&accepts.collect::<Vec<_>>().join(","));
    let mut text = Text::new(format);
    write(&requests, &measured.door, &mut text);
    measured.sources.write(&mut text);
    let kind = HeaderValue::from_static(format.content_type());
    Ok(([(CONTENT_TYPE, kind), (VARY, HeaderValue::from_static("accept"))], text.finish()).into_response())
}

/// The figures of this face.
fn write(requests: &Requests, door: &Admission, text: &mut Text) {
    let mut ended = text.family(&f::HTTP_REQUESTS);
    requests.each(|route, status, count| ended.put(&[route, &status.to_string()], count));
    text.family(&f::HTTP_TIME).durations(&requests.took());
    text.one(&f::HTTP_CONNECTIONS, door.connections());
    text.one(&f::HTTP_REFUSED, door.refused_total());
}
