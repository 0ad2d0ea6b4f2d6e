//! Every failure of the HTTP face, as RFC 9457 has it, with the code that the RPC would give.
//!
//! A handler returns a [`Problem`] or an error of axum's own; `guard` turns both into the document, because
//! only it knows the request's id. No detail of a defect leaves.

use axum::http::StatusCode;
use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::response::{IntoResponse, Response};
use p2p_shared::error::{Code, RpcError};
use serde::Serialize;
use serde_json::Value;

/// Media type of problems.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request failed.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
    node: Option<String>,
    members: Vec<(String, Value)>,
    /// After how many seconds the same may go well.
    retry_after_s: Option<u64>,
}

/// The document, without the members of one kind of problem.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
}

impl Problem {
    /// A problem with this status; its code follows from it.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: code_of(status),
            detail: detail.into(),
            node: None,
            members: Vec::new(),
            retry_after_s: None,
        }
    }

    /// The same, with one more member.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.members.push((name.to_owned(), value));
        self
    }

    /// The same, of which the client is told when to come again.
    #[must_use]
    pub fn after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Its status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// A plain failure of axum's, made into one of ours.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let detail = match status {
            StatusCode::NOT_FOUND => "there is nothing at this path; /docs lists what there is",
            StatusCode::METHOD_NOT_ALLOWED => {
                "this path does not take this method; the Allow header says which"
            }
            StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
            StatusCode::INTERNAL_SERVER_ERROR => {
                "a defect of the node; its log has the details under the request id"
            }
            _ => status.canonical_reason().unwrap_or("it failed"),
        };
        Self::new(status, detail)
    }

    /// The response, for the request `id`. Other headers of `base` are kept.
    pub(super) fn render(&self, id: &str, base: Response) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Failed"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            request_id: id,
        };
        let mut value = serde_json::to_value(&document).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.extend(self.node.clone().map(|node| ("node".to_owned(), Value::String(node))));
            object.extend(self.members.clone());
        }
        let (mut parts, _) = base.into_parts();
        parts.status = self.status;
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.retry_after_s {
            parts.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            // RFC 6455, 4.4.
            parts.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            parts.headers.insert("www-authenticate", HeaderValue::from_static("Bearer"));
        }
        Response::from_parts(parts, value.to_string().into())
    }
}

impl From<RpcError> for Problem {
    fn from(error: RpcError) -> Self {
        let status =
            StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let node = error.node.map(String::from);
        Self {
            status,
            code: error.code,
            detail: error.message,
            node,
            members: Vec::new(),
            retry_after_s: None,
        }
    }
}

impl IntoResponse for Problem {
    /// Carries the problem to the guard, which writes the document.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        401 => Code::Unauthenticated,
        403 => Code::Forbidden,
        404 => Code::NotFound,
        408 | 504 => Code::Deadline,
        409 => Code::Conflict,
        413 | 431 => Code::TooLarge,
        429 => Code::RateLimited,
        405 | 426 | 501 => Code::Unsupported,
        503 => Code::Unavailable,
        500.. => Code::Internal,
        _ => Code::BadRequest,
    }
}
