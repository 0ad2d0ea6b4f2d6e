//! `GET /docs`: the API's documentation as a page, which needs nothing from any other machine.
//!
//! Files of this folder leave as they are. Swagger UI 5.35.0 (Apache-2.0, see `LICENSE.swagger-ui`) is kept
//! compressed: every browser takes gzip, and the program stays a megabyte smaller. What the page may load and ask
//! is limited to this node.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

/// Scripts and requests of this node alone; Swagger UI sets styles and holds its pictures itself.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// They change with the program alone.
const KEPT: HeaderValue = HeaderValue::from_static("max-age=86400");

/// The routes.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let html = "text/html; charset=utf-8";
    let script = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", get(async || Redirect::to("/docs")))
        .route("/docs", get(async move || page(html, include_bytes!("docs/index.html"))))
        .route("/docs/start.js", get(async move || page(script, include_bytes!("docs/start.js"))))
        .route(
            "/docs/swagger-ui-bundle.js",
            get(async move || packed(script, include_bytes!("docs/swagger-ui-bundle.js.gz"))),
        )
        .route(
            "/docs/swagger-ui.css",
            get(async || packed("text/css; charset=utf-8", include_bytes!("docs/swagger-ui.css.gz"))),
        )
}

fn page(kind: &'static str, bytes: &'static [u8]) -> Response {
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

fn packed(kind: &'static str, bytes: &'static [u8]) -> Response {
    let mut response = page(kind, bytes);
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(CACHE_CONTROL, KEPT);
    response
}
